"""Which kinds of index are candidates, and above all which are not."""

from __future__ import annotations

import pytest

from keiko_perf.diagnosis.candidates.gin import gin_size_bytes, stands_for
from keiko_perf.diagnosis.candidates.indexes import Index, index_name, is_replaced
from keiko_perf.diagnosis.candidates.kinds import ALL, all_forms, kinds_of
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Schema, Table, TableName
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables
from keiko_perf.errors import UsageError

T = TableName("public", "task")
COLUMNS = {
    one.name: one
    for one in (
        Column(name="id", type="int4", distinct=1e6, correlation=1.0, width_bytes=4),
        Column(name="tenant_id", type="int4", distinct=20, width_bytes=4),
        Column(name="owner", type="int4", distinct=20, width_bytes=4, is_reference=True),
        Column(name="priority", type="int4", distinct=5, width_bytes=4),
        Column(name="status", type="text", distinct=4, width_bytes=6, correlation=0.99),
        Column(name="deleted_at", type="timestamptz", distinct=900, width_bytes=8),
        Column(name="created_at", type="timestamptz", distinct=9e5, correlation=0.99),
        Column(name="title", type="text", distinct=1e6, width_bytes=60, is_sortable=True),
        Column(name="doc", type="jsonb", width_bytes=300, is_sortable=False),
        Column(name="tags", type="_text", width_bytes=40),
    )
}
TABLE = Table(name=T, columns=COLUMNS, rows=1e6, size_bytes=6e8)
SCHEMA = Schema(tables={T: TABLE}, search_path=("public",), trigrams="public")


def candidates(
    text: str, *, kinds: frozenset[str] = ALL, schema: Schema = SCHEMA, table: Table = TABLE
) -> set[str]:
    (use,) = read(text, Tables(columns={T: tuple(COLUMNS)})).uses
    return {form.index.rest for form in all_forms(use, table, schema, kinds)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT title FROM task WHERE tenant_id = 3", "(tenant_id) INCLUDE (title)"),
        (
            "SELECT count(*) FROM task WHERE id > 3 AND deleted_at IS NULL",
            "(id) WHERE deleted_at IS NULL",
        ),
        (
            "SELECT * FROM task WHERE status = 'open' AND tenant_id = 3 ORDER BY created_at DESC",
            "(tenant_id, created_at DESC) WHERE status = 'open'",
        ),
        ("SELECT * FROM task WHERE status <> 'done' AND id > 3", "(id) WHERE status <> 'done'"),
        ("SELECT * FROM task WHERE priority = 5 AND id > 3", "(id) WHERE priority = 5"),
        (
            "SELECT title FROM task WHERE tenant_id = 3 AND status = 'open'",
            "(tenant_id) INCLUDE (title) WHERE status = 'open'",
        ),
        ("SELECT * FROM task WHERE lower(title) = 'x'", "((lower(title)))"),
        (
            "SELECT * FROM task WHERE tenant_id = 3 AND lower(title) = 'x'",
            "(tenant_id, (lower(title)))",
        ),
        ("SELECT * FROM task WHERE doc ->> 'ref' = '17'", "((doc ->> 'ref'))"),
        (
            "SELECT * FROM task ORDER BY priority DESC, created_at LIMIT 5",
            "(priority DESC, created_at)",
        ),
        ("SELECT * FROM task WHERE title ILIKE '%urgent%'", "USING gin (title gin_trgm_ops)"),
        ("SELECT * FROM task WHERE doc @> '{\"a\": 1}'", "USING gin (doc jsonb_path_ops)"),
        ("SELECT * FROM task WHERE tags && ARRAY['a']", "USING gin (tags)"),
        ("SELECT * FROM task WHERE created_at > '2024-01-01'", "USING brin (created_at)"),
        ("SELECT sum(priority) FROM task", "(priority)"),  # read in its place, from end to end
    ],
)
def test_a_kind_that_could_serve_is_a_candidate(text: str, expected: str) -> None:
    found = candidates(text)
    # An expression stands in one pair of parentheses more than a column.
    assert expected in {one.replace("(((", "((").replace(")))", "))") for one in found} | found


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("SELECT * FROM task WHERE tenant_id = 3", "INCLUDE"),  # all is read
        ("SELECT doc FROM task WHERE tenant_id = 3", "INCLUDE"),  # as wide as the table
        ("SELECT * FROM task WHERE tenant_id = 3 AND id > 1", "WHERE"),  # one customer's rows
        ("SELECT * FROM task WHERE owner = 3 AND id > 1", "WHERE"),  # a foreign key
        ("SELECT * FROM task WHERE title = 'x' AND id > 1", "WHERE"),  # no state: too many
        ("SELECT * FROM task WHERE status = $1 AND id > 1", "WHERE"),  # a parameter
        ("SELECT * FROM task WHERE created_at > '2024-01-01' AND id = 1", "WHERE"),  # a day passes
        ("SELECT * FROM task WHERE title ILIKE '%ab%'", "gin"),  # no trigram in it
        ("SELECT * FROM task WHERE doc ->> 'a' ILIKE '%abc%'", "gin"),
        ("SELECT * FROM task WHERE status > 'a'", "brin"),  # in order only since most are alike
        ("SELECT * FROM task WHERE lower($1) = title", "lower"),
    ],
)
def test_what_would_not_last_or_not_serve_is_none(text: str, part: str) -> None:
    assert not any(part in one for one in candidates(text))


def test_without_the_extension_for_trigrams_none_is_proposed() -> None:
    text = "SELECT * FROM task WHERE title ILIKE '%urgent%'"
    assert candidates(text, schema=Schema(tables={T: TABLE})) == set()
    elsewhere = Schema(tables={T: TABLE}, trigrams="ext")
    assert candidates(text, schema=elsewhere) == {"USING gin (title ext.gin_trgm_ops)"}


def test_only_the_kinds_that_were_asked_for_are_proposed() -> None:
    text = "SELECT title FROM task WHERE tenant_id = 3 AND status = 'open' AND lower(title) = 'x'"
    plain = candidates(text, kinds=frozenset({"plain"}))
    assert "(tenant_id, status, title)" in plain  # it covers all the same
    assert not any("INCLUDE" in one or "WHERE" in one or "lower" in one for one in plain)
    assert kinds_of(["plain", "gin"]) == {"plain", "gin"}
    with pytest.raises(UsageError, match="hash is no kind of index"):
        kinds_of(["plain", "hash"])


def test_gin_is_estimated_by_a_partial_index_over_the_same_term() -> None:
    text = "SELECT 1 FROM task WHERE title ILIKE '%urgent%' AND doc @> $1"
    shape = read(text, Tables(columns={T: tuple(COLUMNS)}))
    trigrams = Index(T, (Key("title", opclass="gin_trgm_ops"),), method="gin")
    ((stand_in, more),) = stands_for(trigrams, shape, TABLE)
    assert stand_in.rest == "(id) WHERE title ILIKE '%urgent%'"
    assert more > 0
    document = Index(T, (Key("doc", opclass="jsonb_path_ops"),), method="gin")
    assert list(stands_for(document, shape, TABLE)) == []  # of a parameter nobody knows
    assert gin_size_bytes(trigrams, TABLE) > gin_size_bytes(document, TABLE) > 1e6


@pytest.mark.parametrize(
    ("there", "keys", "include", "where", "expected"),
    [
        (("tenant_id",), ("tenant_id", "status"), (), "", True),
        (("tenant_id",), ("tenant_id",), ("title",), "", True),
        (("tenant_id",), ("status", "tenant_id"), (), "", False),
        (("tenant_id", "status"), ("tenant_id",), ("status",), "", False),
        (("tenant_id",), ("tenant_id", "id"), (), "status = 'open'", False),
    ],
)
def test_a_narrower_index_is_replaced(
    there: tuple[str, ...],
    keys: tuple[str, ...],
    include: tuple[str, ...],
    where: str,
    expected: bool,
) -> None:
    existing = ExistingIndex(name="there", keys=tuple(map(Key, there)))
    assert is_replaced(existing, Index(T, tuple(map(Key, keys)), include, where)) is expected
    unique = ExistingIndex(name="there", keys=tuple(map(Key, there)), unique=True)
    assert not is_replaced(unique, Index(T, tuple(map(Key, keys)), include, where))


def test_the_name_of_an_index_over_an_expression_is_made_of_its_words() -> None:
    index = Index(T, (Key("owner"), Key("lower(title)", is_expression=True)))
    assert index_name(index) == "task_owner_lower_title_idx"
