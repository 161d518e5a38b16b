from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.diagnosis.candidates.candidates import forms, is_pinned
from keiko_perf.diagnosis.candidates.indexes import (
    Index,
    create_statement,
    drop_statement,
    index_name,
    serves,
)
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Table, TableName
from keiko_perf.diagnosis.statements.predicates import Use
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

NAME = TableName("public", "tasks")
DISTINCT = {
    "id": 1e6,
    "agent_id": 2000.0,
    "user_id": 900.0,
    "status": 4.0,
    "created_at": 9e5,
    "note": None,
    "doc": None,
}
TABLE = Table(
    name=NAME,
    columns={
        name: Column(
            name=name,
            distinct=distinct,
            is_sortable=name != "doc",
            pattern_opclass="text_pattern_ops" if name == "note" else None,
        )
        for name, distinct in DISTINCT.items()
    },
    rows=1e6,
)


def use_of(rest: str) -> Use:
    tables = Tables(columns={NAME: tuple(TABLE.columns)})
    return read(f"SELECT * FROM tasks WHERE {rest}", tables).uses[0]


def proposed(rest: str) -> list[str]:
    return [", ".join(map(str, form.index.keys)) for form in forms(use_of(rest), TABLE)]


def test_equality_comes_first_and_the_order_after_it_with_its_direction() -> None:
    found = proposed("status = $1 AND agent_id = $2 ORDER BY created_at DESC LIMIT 20")
    assert "agent_id, status, created_at DESC" in found


def test_the_order_alone_may_soon_give_the_first_rows() -> None:
    found = proposed("status = $1 ORDER BY created_at DESC LIMIT 20")
    assert {"created_at DESC", "created_at DESC, status"} <= set(found)
    assert "created_at DESC" not in proposed("status = $1 ORDER BY created_at DESC"), "all are read"


def test_the_most_selective_equality_leads() -> None:
    found = proposed("status = $1 AND user_id = $2 AND agent_id = $3")
    assert found[0] == "agent_id, user_id, status"


def test_prefixes_are_candidates_too() -> None:
    found = proposed("agent_id = $1 AND status = $2 AND created_at > $3")
    assert {"agent_id, status, created_at", "agent_id, status", "agent_id"} <= set(found)


def test_a_range_comes_after_equality_and_another_one_behind_it() -> None:
    found = proposed("status = $1 AND created_at > $2 AND id < $3")
    assert {"status, created_at", "status, id", "status, id, created_at"} <= set(found)


def test_an_order_by_a_column_that_is_fixed_orders_nothing() -> None:
    found = proposed("agent_id = $1 ORDER BY agent_id, created_at")
    assert "agent_id, created_at" in found
    assert not any(one.count("agent_id") > 1 for one in found)


def test_the_arms_of_an_or_are_served_one_by_one() -> None:
    assert set(proposed("agent_id = $1 OR status = $2")) == {"agent_id", "status"}


def test_a_beginning_is_served_by_the_operator_class_for_patterns() -> None:
    assert "note text_pattern_ops" in proposed("note LIKE 'ab%'")


def test_a_column_that_no_tree_can_hold_is_in_no_candidate() -> None:
    assert proposed("doc = $1") == []


@pytest.mark.parametrize("rest", ["lower(note) = $1", "agent_id <> $1", "true"])
def test_what_no_tree_serves_has_no_candidate(rest: str) -> None:
    assert proposed(rest) == []


@given(
    equal=st.sets(st.sampled_from(["agent_id", "user_id", "status", "id", "note"]), max_size=5),
    ranges=st.sets(st.sampled_from(["created_at", "id"]), max_size=2),
    order=st.lists(
        st.sampled_from(["created_at DESC", "user_id", "id DESC NULLS LAST"]),
        unique=True,
        max_size=3,
    ),
)
def test_no_candidate_is_too_wide_or_names_a_column_twice(
    equal: set[str], ranges: set[str], order: list[str]
) -> None:
    terms = [f"{name} = $1" for name in sorted(equal)] + [f"{name} > $2" for name in sorted(ranges)]
    rest = " AND ".join(terms) or "true"
    use = use_of(rest + (f" ORDER BY {', '.join(order)}" if order else ""))
    for form in forms(use, TABLE):
        columns = form.index.columns
        assert len(set(columns)) == len(columns) <= (4 if use.order_by else 3)
        assert 0 <= form.equal <= len(columns)
        assert columns[0] in use.leading
    assert forms(use, TABLE) == forms(use, TABLE)


def existing(*keys: Key | None, **more: object) -> ExistingIndex:
    return ExistingIndex(name="there", keys=keys, **more)  # type: ignore[arg-type]  # any field


A, B, C = Key("a"), Key("b"), Key("c")


@pytest.mark.parametrize(
    ("there", "wanted", "equal", "expected"),
    [
        (existing(A, B), (A, B), 2, True),
        (existing(A, B, C), (A, B), 2, True),  # a prefix of a wider one
        (existing(B, A), (A, B), 2, True),  # two equalities, in either order
        (existing(B, A), (A, B), 1, False),  # b is a range: its place matters
        (existing(A), (A, B), 2, False),
        (existing(A, B, unique=True), (A,), 1, True),  # a unique one's prefix
        (existing(A, is_partial=True), (A,), 1, False),
        (existing(A, is_valid=False), (A,), 1, False),
        (existing(A, method="hash"), (A,), 1, False),
        (existing(None), (A,), 1, False),  # an expression
        (existing(A, None), (A,), 1, True),
        (existing(Key("user_id")), (Key("id"),), 1, False),
        (existing(Key("id")), (Key("user_id"),), 1, False),
        (existing(A, Key("b", True)), (A, Key("b")), 1, True),  # read backwards
        (existing(A, Key("b", True), C), (A, B, C), 1, False),  # no way to read it gives the order
        (existing(A, Key("b", True, False)), (A, Key("b", True)), 1, False),  # NULLs elsewhere
        (existing(Key("a", opclass="text_pattern_ops")), (A,), 1, False),
    ],
)  # fmt: skip
def test_an_index_that_is_there_serves(
    there: ExistingIndex, wanted: tuple[Key, ...], equal: int, expected: bool
) -> None:
    assert serves(there, Index(NAME, wanted), equal=equal) is expected


def test_a_unique_index_on_what_is_fixed_leaves_nothing_to_find() -> None:
    table = Table(name=NAME, columns=TABLE.columns, indexes=(existing(Key("id"), unique=True),))
    assert is_pinned(use_of("id = $1 AND status = $2"), table)
    assert not is_pinned(use_of("id IN ($1, $2) AND status = $3"), table)
    assert not is_pinned(use_of("user_id = $1"), table)


def test_names_follow_the_convention_and_avoid_what_is_there() -> None:
    index = Index(NAME, (Key("agent_id"), Key("created_at", descending=True)))
    assert index_name(index) == "tasks_agent_id_created_at_idx"
    taken = {"tasks_agent_id_created_at_idx", "tasks_agent_id_created_at_idx1"}
    assert index_name(index, taken) == "tasks_agent_id_created_at_idx2"


@given(
    st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=80),
    st.integers(0, 12),
)
def test_a_name_fits_into_63_bytes_whatever_the_columns(column: str, rivals: int) -> None:
    index = Index(NAME, (Key(column), Key("größe" * 9)))
    taken: set[str] = set()
    for _ in range(rivals + 1):
        name = index_name(index, taken)
        assert len(name.encode()) <= 63
        assert name not in taken
        taken.add(name)


def test_statements_are_complete_and_odd_names_are_quoted() -> None:
    odd = TableName("Ünï", 'we"ird')
    table = Table(name=odd, columns={}, is_visible=False)
    index = Index(
        odd, (Key("select"), Key("plain", True, False), Key("a b", opclass="text_pattern_ops"))
    )
    assert create_statement(index, "x y", table=table) == (
        'CREATE INDEX CONCURRENTLY "x y" ON "Ünï"."we""ird"'
        ' ("select", plain DESC NULLS LAST, "a b" text_pattern_ops)'
    )
    assert drop_statement("x y", table=table) == 'DROP INDEX CONCURRENTLY "Ünï"."x y"'
    assert drop_statement("i", table=TABLE) == "DROP INDEX CONCURRENTLY i"
