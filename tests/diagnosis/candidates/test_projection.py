"""What an index is to a statement, and what a statement costs at least by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.projection import does_more, projection
from keiko_perf.diagnosis.candidates.sizes import share_held
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Table, TableName
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables

T = TableName("public", "t")
COLUMNS = {
    "a": Column(name="a", distinct=100.0, rarest=0.01, correlation=0.0),
    "b": Column(name="b", distinct=1e6, rarest=1e-6, correlation=0.0),
    "c": Column(name="c", distinct=1e6, rarest=1e-6, correlation=1.0),
    "note": Column(name="note", distinct=1e6, width_bytes=80.0),
}
TABLE = Table(name=T, columns=COLUMNS, rows=1e6, size_bytes=8192 * 20_000.0)


def index(*columns: str, include: tuple[str, ...] = (), where: str = "") -> Index:
    return Index(T, tuple(map(Key, columns)), include, where)


def gin(column: str, opclass: str) -> Index:
    return Index(T, (Key(column, opclass=opclass),), method="gin")


def shape(rest: str, what: str = "*"):  # type: ignore[no-untyped-def]  # a Shape
    return read(f"SELECT {what} FROM t WHERE {rest}", Tables(columns={T: tuple(COLUMNS)}))


@pytest.mark.parametrize(
    ("rest", "one", "other", "same"),
    [
        ("a = 1 AND b = 2", index("a", "b"), index("b", "a"), True),  # two equalities
        ("a = 1 AND b > 2", index("a", "b"), index("b", "a"), False),
        ("a = 1", index("a"), index("a", "b"), True),  # b is of no use
        ("a = 1 ORDER BY b", index("a"), index("a", "b"), False),
        ("a = 1", index("a"), index("a", where="b = 3"), False),
        ("b = 3 AND a = 1", index("a"), index("a", where="b = 3"), False),
    ],
)
def test_indexes_that_are_used_alike_are_one_to_a_statement(
    rest: str, one: Index, other: Index, same: bool
) -> None:
    asked = shape(rest)
    assert (projection(one, asked) == projection(other, asked)) is same


@pytest.mark.parametrize(
    ("one", "size_bytes", "is_of_use"),
    [
        (index("b", "a"), 30e6, True),
        (index("b", "a"), 60e6, False),  # to read it all costs as much as the table
        (index("b", "c"), 30e6, False),  # holds nothing that is asked
    ],
)
def test_what_is_asked_is_found_behind_the_first_column_where_the_index_is_less_to_read(
    one: Index, size_bytes: float, is_of_use: bool
) -> None:
    asked = shape("a = 1")
    assert (projection(one, asked, TABLE, size_bytes) is not None) is is_of_use
    assert does_more(one, asked, TABLE) is ("a" in one.columns)
    assert not does_more(one, asked, replace(TABLE, indexes=(there("c", "a"),)))


def there(*columns: str) -> ExistingIndex:
    return ExistingIndex(name="there", keys=tuple(map(Key, columns)))


@pytest.mark.parametrize(
    ("rest", "what", "candidate"),
    [
        ("a = 1", "*", index("b", "a")),  # does not begin with what is searched, of unknown size
        ("a = 1", "*", index("c", include=("a",))),
        ("a = 1", "*", index("a", where="b = 3")),  # holds other rows, too few
        ("note ILIKE '%x%'", "*", index("note")),
        ("a = 1", "*", gin("note", "gin_trgm_ops")),
    ],
)
def test_what_cannot_matter_to_a_statement_is_nothing_to_it(
    rest: str, what: str, candidate: Index
) -> None:
    assert projection(candidate, shape(rest, what)) is None


def test_an_index_that_holds_all_that_is_read_matters_whatever_it_begins_with() -> None:
    assert projection(index("b", include=("a",)), shape("a > 1", "b")) is not None
    # Of a partial one, what all its rows have in common need not be held.
    partial = index("b", where="a = 1")
    plain = shape("a = 1 AND b = 2", "b")
    assert projection(partial, plain) != projection(partial, shape("a = 1 AND b = 2", "note"))


@pytest.mark.parametrize(
    ("rest", "what", "candidate", "more"),
    [
        ("a = 1 AND b = 2", "*", index("b", "a"), False),  # the same rows in another order
        ("a = 1", "*", index("a", "c"), False),  # c is of no use
        ("b = 2", "*", index("b", "a"), True),
        ("a = 1 AND c > 2", "*", index("a", "c"), True),
        ("a = 1 AND b = 2", "c", index("a", "b", include=("c",)), True),  # spares the table
        ("a = 1 AND c = 3", "*", index("a", where="c = 3"), True),
    ],
)
def test_an_index_does_more_than_one_that_is_there(
    rest: str, what: str, candidate: Index, more: bool
) -> None:
    there = ExistingIndex(name="there", keys=(Key("a"), Key("b")))
    table = replace(TABLE, indexes=(there,))
    assert does_more(candidate, shape(rest, what), table) is more


def test_the_size_of_a_partial_index_tells_how_many_rows_it_holds() -> None:
    whole = 1e6 * (8 + 8 + 8) * 1.3 * 8192 / 8136
    assert share_held(index("a", where="b = 1"), TABLE, whole / 50) == pytest.approx(0.02)
    assert share_held(index("a"), TABLE, 1.0) == 1.0


def test_a_joins_column_in_front_is_not_the_same_as_behind_what_is_fixed() -> None:
    # Where the other table does not lead to it, an index that begins with the join serves nothing.
    shape = read("SELECT 1 FROM t JOIN u ON u.id = t.other WHERE t.a = 1")
    table = TableName("", "t")
    fixed_first = Index(table, (Key("a"), Key("other")))
    join_first = Index(table, (Key("other"), Key("a")))
    assert projection(fixed_first, shape) != projection(join_first, shape)


@pytest.mark.parametrize(
    ("order", "same"),
    [
        ((Key("c", descending=True),), True),  # read backwards
        ((Key("c", descending=True, nulls_first=False),), False),  # NULLs at the other end
    ],
)
def test_an_order_read_backwards_is_the_same_to_a_statement(
    order: tuple[Key, ...], same: bool
) -> None:
    wanted = shape("a = 1 ORDER BY c LIMIT 5")
    other = Index(T, (Key("a"), *order))
    assert (projection(index("a", "c"), wanted) == projection(other, wanted)) is same
