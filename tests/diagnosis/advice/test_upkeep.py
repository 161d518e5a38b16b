from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.diagnosis.advice.upkeep import (
    Writes,
    columns_of,
    entry_cost,
    upkeep,
    vacuum_cost,
    wal_bytes,
    with_counters,
    writes_of,
)
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.sizes import built_bytes
from keiko_perf.diagnosis.pricing.building import build_s, scaled_build_s
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Table, TableName
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Query, Statement

ITEM = TableName("", "item")
TABLE = Table(
    name=ITEM,
    columns={
        "at": Column(name="at", correlation=1.0, type="timestamptz"),
        "owner": Column(name="owner", correlation=0.0, width_bytes=4.0, type="int4"),
        "code": Column(name="code", correlation=0.0, width_bytes=33.0, type="text"),
        "state": Column(name="state", correlation=0.3, width_bytes=5.0, type="text"),
        "title": Column(name="title", correlation=0.0, width_bytes=31.0, type="text"),
    },
    indexes=(ExistingIndex(name="item_pkey", keys=(Key("id"),), unique=True),),
    rows=400_000.0,
    size_bytes=90e6,
    hot_ratio=0.8,
)
AT = Index(ITEM, (Key("at"),))
OWNER = Index(ITEM, (Key("owner"),))
CODE = Index(ITEM, (Key("code"),))
COVERING = Index(ITEM, (Key("owner"),), include=("title",))
OPEN = Index(ITEM, (Key("owner"),), where="state = 'open'")
LOWER = Index(ITEM, (Key("lower(code)", is_expression=True),))
TRIGRAMS = Index(ITEM, (Key("title", opclass="gin_trgm_ops"),), method="gin")
BRIN = Index(ITEM, (Key("at"),), method="brin")
SIZES = {
    AT: 9.0e6, OWNER: 4.0e6, CODE: 23.6e6, COVERING: 23.5e6, OPEN: 0.8e6, LOWER: 23.6e6,
    TRIGRAMS: 43.9e6, BRIN: 24e3,
}  # fmt: skip

# Measured by benchmarks/advisor/writes.py --rows 400000 on PostgreSQL 15: seconds to build, bytes
# of WAL and units of cost for an inserted row.
MEASURED = {
    AT: (0.13, 66, 0.22), OWNER: (0.25, 67, 0.67), CODE: (0.31, 96, 1.20),
    COVERING: (0.31, 96, 1.08), OPEN: (0.10, 6, 0.17), LOWER: (0.39, 96, 1.43),
    TRIGRAMS: (5.84, 989, 6.08), BRIN: (0.28, 9, 0.25),
}  # fmt: skip


@pytest.mark.parametrize("index", MEASURED, ids=lambda one: one.rest)
def test_what_is_reckoned_is_about_what_was_measured(index: Index) -> None:
    took_s, wal, cost = MEASURED[index]
    assert took_s / 2 < build_s(index, TABLE, SIZES[index]) < took_s * 2
    assert wal / 2 < wal_bytes(index, TABLE, SIZES[index]) < wal * 2
    assert cost / 2.5 < entry_cost(index, TABLE, SIZES[index]) < cost * 2.5


def test_a_larger_index_dirties_more_pages_and_a_partial_one_fewer_entries() -> None:
    assert entry_cost(OWNER, TABLE, 4e9) > entry_cost(OWNER, TABLE, 4e6) + 0.5
    assert entry_cost(OPEN, TABLE, SIZES[OPEN]) < 0.3 * entry_cost(OWNER, TABLE, SIZES[OWNER])
    assert vacuum_cost(TRIGRAMS, TABLE, SIZES[TRIGRAMS]) > vacuum_cost(CODE, TABLE, SIZES[CODE]) > 0
    assert vacuum_cost(BRIN, TABLE, SIZES[BRIN]) == 0


@pytest.mark.parametrize(
    ("index", "columns"),
    [
        (OWNER, ["owner"]),
        (COVERING, ["owner", "title"]),  # HOT looks at what is included as well
        (OPEN, ["owner", "state"]),  # and at what the WHERE speaks of
        (LOWER, ["code"]),
        (TRIGRAMS, ["title"]),
    ],
    ids=str,
)
def test_an_index_speaks_of_all_columns_in_it(index: Index, columns: list[str]) -> None:
    assert columns_of(index, TABLE) == set(columns)


@pytest.mark.parametrize(
    ("index", "changed", "lost"),
    [(OWNER, "owner", 800), (COVERING, "title", 800), (OPEN, "state", 800), (OWNER, "title", 0)],
    ids=str,
)
def test_an_update_of_a_column_in_the_index_is_hot_no_more(
    index: Index, changed: str, lost: float
) -> None:
    writes = Writes(updated=((frozenset({changed}), 1000.0),))
    found = upkeep(index, writes, TABLE, SIZES[index])
    assert found.hot_lost == pytest.approx(lost)
    assert found.entries == pytest.approx(1000 if lost else 200)
    assert found.wal_bytes == pytest.approx(found.entries * wal_bytes(index, TABLE, SIZES[index]))


def test_what_was_hot_costs_every_other_index_an_entry() -> None:
    writes = Writes(updated=((frozenset({"owner"}), 1000.0),))
    alone = Table(name=ITEM, columns=TABLE.columns, rows=TABLE.rows, hot_ratio=0.8)
    extra = upkeep(OWNER, writes, TABLE, 4e6).cost - upkeep(OWNER, writes, alone, 4e6).cost
    assert extra > 800 * 0.5


def test_writes_are_counted_by_their_kind_and_a_load_is_none() -> None:
    statements = [
        Statement(text="INSERT INTO item (at) VALUES ($1)", calls=300, rows=300),
        Statement(text="UPDATE item SET owner = $1 WHERE code = $2", calls=10, rows=50),
        Statement(text="DELETE FROM item WHERE at < $1", calls=5, rows=70),
        Statement(text="INSERT INTO item SELECT * FROM old", calls=1, rows=1_000_000),
    ]
    found = writes_of(Query(one, read(one.text)) for one in statements)
    assert found == {ITEM: Writes(300.0, ((frozenset({"owner"}), 50.0),), 70.0, 1_000_000)}
    assert found[ITEM].rows == 420


def test_what_is_planned_counts_where_nobody_counted_the_rows() -> None:
    text = "UPDATE item SET owner = 7 WHERE code = 'x'"
    owner = frozenset({"owner"})
    for rows, written in ((None, 10 * 60.0), (20, 20.0)):
        query = Query(Statement(text=text, calls=10, rows=rows), read(text))
        assert writes_of([query], {text: 60.0}) == {ITEM: Writes(updated=((owner, written),))}
        assert writes_of([query])[ITEM].rows == (rows or 10), "one for each call"
    once = Query(Statement(text=text, calls=1), read(text))
    assert writes_of([once], {text: 60.0})[ITEM].rows == 60, "whether it comes again nobody knows"


# By the same benchmark: bytes that HypoPG says, and those of the index once it is made.
BUILT = {AT: (10.9e6, 9.0e6), OWNER: (10.9e6, 4.0e6), CODE: (25.0e6, 23.6e6)}


def test_an_index_that_is_made_holds_equal_keys_once() -> None:
    columns = {name: replace(one, distinct=400_000.0) for name, one in TABLE.columns.items()}
    columns["owner"] = replace(columns["owner"], distinct=50_000.0)
    table = replace(TABLE, columns=columns)
    for index, (planned, real) in BUILT.items():
        assert real / 1.15 < built_bytes(index, table, planned) < real * 1.15
    # What is included is not held once, nor are numbers whose equal values may look different.
    assert built_bytes(replace(OWNER, include=("state",)), table, 1e9) > 9e6
    numbers = replace(
        table, columns={**columns, "owner": replace(columns["owner"], type="numeric")}
    )
    assert built_bytes(OWNER, numbers, 1e9) > 8e6
    # Of an expression, and of other kinds, the planner's size stands.
    assert built_bytes(LOWER, table, 1e6) == built_bytes(BRIN, table, 1e6) == 1e6


# Of indexes that were made: rows, different values, bytes a value, its type, and their bytes.
SEVERAL_TIMES = [(210_000, 79_920, 4, "int4", 3_702_784), (450_000, 240, 4, "int4", 3_260_416)]
OF_ANY_WIDTH = [
    (600_572, 100_696, 8, "numeric", 17_997_824),
    (360_000, 344_899, 8, "numeric", 11_018_240),
]


@pytest.mark.parametrize(
    ("rows", "distinct", "width", "kind", "real"), [*SEVERAL_TIMES, *OF_ANY_WIDTH]
)
def test_lists_of_rows_and_values_of_any_width_are_reckoned_with_what_aligns_them(
    rows: float, distinct: float, width: float, kind: str, real: float
) -> None:
    column = Column(name="owner", distinct=distinct, width_bytes=width, type=kind)
    table = Table(name=ITEM, columns={"owner": column}, rows=rows)
    assert 0.85 * real < built_bytes(OWNER, table, 1e9) < 1.02 * real


def test_what_only_the_tables_counters_saw_is_written_as_well() -> None:
    name = TableName("app", "item")
    tables = {name: replace(TABLE, name=name, inserted_ratio=0.5, updated_ratio=0.3)}
    seen = {name: Writes(inserted=100.0)}
    found = with_counters(seen, {"app.item": 1100.0, "other": 5.0}, tables)
    assert found[name].inserted == pytest.approx(600)
    assert found[name].updated == ((frozenset(), pytest.approx(300)),)
    assert found[name].deleted == pytest.approx(200)
    assert with_counters(seen, {"app.item": 90.0}, tables) == seen  # the statements saw more
    public = {TableName("public", "item"): TABLE}
    assert with_counters({}, {"item": 10.0}, public) != {}


def test_a_load_that_the_statements_show_is_no_traffic_that_they_missed() -> None:
    name = TableName("app", "item")
    tables = {name: replace(TABLE, name=name, inserted_ratio=1.0)}
    load = Statement(text="INSERT INTO app.item SELECT * FROM old", calls=1, rows=1_000_000)
    seen = writes_of([Query(load, read(load.text))])
    assert seen[name].rows == 0
    assert with_counters(seen, {"app.item": 1_000_000.0}, tables) == seen
    assert with_counters(seen, {"app.item": 1_000_070.0}, tables)[name].rows == pytest.approx(70)


def test_a_sample_tells_how_long_the_whole_takes() -> None:
    assert scaled_build_s(0.5, 50_000, 50_000) == pytest.approx(0.5, rel=0.05)
    assert 10 * 0.5 < scaled_build_s(0.5, 50_000, 500_000) < 14 * 0.5
