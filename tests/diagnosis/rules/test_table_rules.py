"""When the rules about tables, ages, indexes and columns speak, and when they keep quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.diagnosis.rules.judging import (
    CRITICAL,
    EMPTY,
    HOUR_BEFORE,
    INDEX,
    LONG_BEFORE,
    MIB,
    NOTE,
    TABLE,
    WARNING,
    Said,
    check,
    said,
)

from keiko_perf.diagnosis.evidence import (
    ColumnGroup,
    DatabaseStats,
    Extension,
    ForeignKey,
    IndexStats,
    NarrowKey,
    SequenceStats,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.render import phrase

OLD = {"frozen_age": 400_000_000}


@check([
    ("half air", {"row_bytes": 300.0}, [("tables.bloated", NOTE)]),
    ("full", {"row_bytes": 1000.0}, []),
    ("as full as its fillfactor says", {"row_bytes": 500.0, "options": {"fillfactor": "50"}}, []),
    ("how long its rows are is not known", {"row_bytes": None}, []),
    ("never counted", {"row_bytes": 300.0, "estimated_rows": None}, []),
    ("updates that all move",
     {"updates": 200_000, "hot_updates": 20_000, "moved_updates": 100_000},
     [("tables.cold-updates", NOTE)]),
    ("updates of an indexed column",
     {"updates": 200_000, "hot_updates": 20_000, "moved_updates": 1_000}, []),
    ("updates of which is not told why", {"updates": 200_000, "hot_updates": 20_000},
     [("tables.cold-updates", NOTE)]),
    ("room was left already", {"updates": 200_000, "hot_updates": 20_000,
                               "options": {"fillfactor": "80"}}, []),
    ("most updates are HOT", {"updates": 200_000, "hot_updates": 150_000}, []),
    ("no key, and rows change", {"has_primary_key": False, "updates": 5_000},
     [("tables.no-primary-key", NOTE)]),
    ("no key, but rows are only added", {"has_primary_key": False}, []),
    ("no key, for it is a part", {"has_primary_key": False, "updates": 5_000,
                                  "is_partition": True}, []),
    ("rows that nobody freezes", OLD, [("tables.wraparound", WARNING)]),
    ("soon the end", {"frozen_age": 1_200_000_000}, [("tables.wraparound", CRITICAL)]),
    ("autovacuum will come", {"frozen_age": 210_000_000}, []),
    ("a limit of its own", {"frozen_age": 200_000, "options": {
        "autovacuum_freeze_max_age": "100000"}}, [("tables.wraparound", WARNING)]),
    ("its own limit is beyond the server's", OLD | {"options": {
        "autovacuum_freeze_max_age": "2000000000"}}, [("tables.wraparound", WARNING)]),
    ("shared locks that nobody freezes", {"multixact_age": 800_000_000},
     [("tables.multixacts", WARNING)]),
    ("few shared locks", {"multixact_age": 10}, []),
    ("its age is not known", {"frozen_age": None, "multixact_age": None}, []),
])  # fmt: skip
def test_tables(why: str, changes: dict[str, Any], expected: Said) -> None:
    assert said(replace(EMPTY, tables=(replace(TABLE, **changes),))) == expected


def test_another_database_of_the_server_comes_to_its_end() -> None:
    server = DatabaseStats(oldest="forgotten", oldest_age=1_100_000_000)
    evidence = replace(EMPTY, database=server)
    assert said(evidence) == [("server.wraparound", CRITICAL)]
    assert said(replace(evidence, database=replace(server, oldest_age=100_000_000))) == []
    here = replace(TABLE, frozen_age=1_100_000_000)
    assert said(replace(evidence, tables=(here,))) == [("tables.wraparound", CRITICAL)]
    assert said(replace(EMPTY, database=None)) == []


@pytest.mark.parametrize(
    ("last_value", "expected"),
    [
        (None, []),
        (1_000_000, []),
        (1_700_000_000, [("sequences.near-end", WARNING)]),
        (2_100_000_000, [("sequences.near-end", CRITICAL)]),
    ],
)
def test_sequences_that_end(last_value: int | None, expected: Said) -> None:
    one = SequenceStats(
        schema="public", name="tasks_id_seq", last_value=last_value, limit=2**31 - 1, table="tasks",
        column="id", column_type="integer",
    )  # fmt: skip
    judged = judge(replace(EMPTY, sequences=(one,)))
    assert [(found.code, found.severity) for found in judged.findings] == expected
    if expected:
        assert judged.findings[0].cure == "ALTER TABLE tasks ALTER COLUMN id TYPE bigint;"


def test_a_sequence_of_no_table_gets_a_cure_of_its_own() -> None:
    one = SequenceStats(schema="app", name="Odd", last_value=32_000, limit=32_767)
    (found,) = judge(replace(EMPTY, sequences=(one,))).findings
    assert found.cure is not None
    assert found.cure.startswith('ALTER SEQUENCE app."Odd" AS bigint')


WIDE = {"name": "wide", "shape": "a b", "keys": ("1 10 0 0", "2 10 0 0")}


@pytest.mark.parametrize(
    ("why", "changes", "expected"),
    [
        ("a wider one begins alike", ({}, WIDE), [("indexes.redundant", NOTE)]),
        ("the other way round", ({"keys": ("2 10 0 0",)}, WIDE), []),
        ("sorted the other way", ({"keys": ("1 10 0 1",)}, WIDE), []),
        ("only a part of the rows", ({}, WIDE | {"kind": "btree where x"}), []),
        ("it forbids duplicates", ({"is_unique": True}, WIDE), []),
        ("a constraint needs it", ({"backs": "constraint x"}, WIDE), []),
        ("it carries more columns", ({"has_included": True}, WIDE), []),
        ("the wider one is many times as large", ({}, WIDE | {"size_bytes": 400 * MIB}), []),
        ("the wider one is broken", ({}, WIDE | {"is_valid": False, "is_being_built": True}), []),
        ("too small to matter", ({"size_bytes": 8192}, WIDE), []),
        ("no B-tree", ({"keys": ()}, WIDE), []),
        ("mostly air", ({"entry_bytes": 16.0},), [("indexes.bloated", NOTE)]),
        ("full", ({"entry_bytes": 300.0},), []),
        ("how long its entries are is not known", ({},), []),
        ("half the table a scan", ({"distinct_values": 2.0, "rows_read": 25_000_000},),
         [("indexes.few-values", NOTE)]),
        ("two values, but it looks for the rare one", ({"distinct_values": 2.0,
                                                        "rows_read": 5_000},), []),
        ("half the table a scan, for a range", ({"distinct_values": 90_000.0,
                                                 "rows_read": 25_000_000},), []),
        ("how many values is not known", ({"rows_read": 25_000_000},), []),
        ("a part of the rows", ({"distinct_values": 2.0, "rows_read": 25_000_000,
                                 "kind": "btree where x"},), []),
    ],
)  # fmt: skip
def test_indexes(why: str, changes: tuple[dict[str, Any], ...], expected: Said) -> None:
    indexes = tuple(replace(INDEX, **one) for one in changes)
    assert said(replace(EMPTY, indexes=indexes, since_at=LONG_BEFORE)) == expected


UNUSED = replace(INDEX, scans=0)


@pytest.mark.parametrize(
    ("why", "since_at", "transactions", "is_found", "is_gap"),
    [
        ("counted for long", LONG_BEFORE, 100_000, True, False),
        ("made when is not known", LONG_BEFORE, None, True, False),
        ("made a moment ago", LONG_BEFORE, 10, False, False),
        ("counted for an hour", HOUR_BEFORE, 100_000, False, True),
        ("counted since is not known", None, 100_000, False, True),
    ],
)
def test_an_unused_index_is_told_only_when_it_had_time_to_be_used(
    why: str, since_at: datetime | None, transactions: int | None, is_found: bool, is_gap: bool
) -> None:
    index = replace(UNUSED, transactions=transactions)
    judged = judge(replace(EMPTY, indexes=(index,), since_at=since_at))
    assert [one.code for one in judged.findings] == ["indexes.unused"] * is_found
    assert len(judged.gaps) == is_gap
    if is_found:
        assert "since 2025-12-31" in phrase(judged.findings[0].summary)


@check([
    ("deletes search it", {}, [("indexes.foreign-key", WARNING)]),
    ("few deletes of a small table", {"deletes": 20, "rows": 20_000.0},
     [("indexes.foreign-key", NOTE)]),
    ("nothing is deleted", {"deletes": 0}, []),
    ("it is small", {"rows": 900.0}, []),
])  # fmt: skip
def test_foreign_keys(why: str, changes: dict[str, Any], expected: Said) -> None:
    key = ForeignKey(
        schema="public", table="tasks", name="tasks_agent_fkey", columns=("agent",),
        referenced="agents", rows=1_000_000.0, size_bytes=100 * MIB, deletes=5_000,
    )  # fmt: skip
    judged = judge(replace(EMPTY, foreign_keys=(replace(key, **changes),)))
    assert [(found.code, found.severity) for found in judged.findings] == expected
    if expected:
        assert judged.findings[0].cure == "CREATE INDEX CONCURRENTLY ON tasks (agent);"


@check([
    ("far more than by chance", {}, [("statistics.correlated-columns", WARNING)]),
    ("as many as by chance", {"rows_found": 2_000.0, "rows_expected": 1_500.0}, []),
    ("few, if more than by chance", {"rows_found": 50.0, "rows_expected": 1.0}, []),
    ("there are statistics", {"has_statistics": True}, []),
    ("hardly any time", {"total_s": 0.1}, []),
])  # fmt: skip
def test_columns_that_depend_on_each_other(
    why: str, changes: dict[str, Any], expected: Said
) -> None:
    group = ColumnGroup(
        table="places", columns=("city", "zip"), rows_expected=100.0, rows_found=5_000.0,
        has_statistics=False, query="SELECT …", total_s=10.0,
    )  # fmt: skip
    group = replace(group, **changes)
    evidence = replace(EMPTY, column_groups=(group, group), statements_total_s=20.0)
    assert said(evidence) == expected


@pytest.mark.parametrize(
    ("available", "expected"),
    [("1.10", [("extensions.outdated", NOTE)]), ("1.8", []), (None, [])],
)
def test_extensions(available: str | None, expected: Said) -> None:
    one = Extension(name="pg_stat_statements", version="1.8", available=available)
    assert said(replace(EMPTY, extensions=(one,))) == expected


def test_a_serial_is_widened_with_its_sequence_and_an_identity_by_its_column_alone() -> None:
    one = SequenceStats(
        schema="public", name="t_id_seq", last_value=2_100_000_000, limit=2_147_483_647, table="t",
        column="id", column_type="integer", is_narrow=True,
    )  # fmt: skip
    (serial,) = judge(replace(EMPTY, sequences=(one,))).findings
    assert serial.cure == (
        "ALTER TABLE t ALTER COLUMN id TYPE bigint;"
        " ALTER SEQUENCE t_id_seq AS bigint MAXVALUE 9223372036854775807;"
    )
    (identity,) = judge(replace(EMPTY, sequences=(replace(one, is_narrow=False),))).findings
    assert identity.cure == "ALTER TABLE t ALTER COLUMN id TYPE bigint;"
    wide = replace(one, column_type="bigint")
    (sequence,) = judge(replace(EMPTY, sequences=(wide,))).findings
    assert sequence.cure == "ALTER SEQUENCE t_id_seq AS bigint MAXVALUE 9223372036854775807;"


@pytest.mark.parametrize(("why", "largest", "numbered", "expected"), [
    ("half of it is left", 1_000_000_000, [], []),
    ("soon", 1_700_000_000, [], [("sequences.key-near-end", WARNING)]),
    ("at once", 2_100_000_000, [], [("sequences.key-near-end", CRITICAL)]),
    ("its sequence tells it", 2_100_000_000, [("order_id", "lines")],
     [("sequences.near-end", CRITICAL)]),
    ("another sequence tells of another", 2_100_000_000, [("id", "lines")],
     [("sequences.key-near-end", CRITICAL), ("sequences.near-end", CRITICAL)]),
])  # fmt: skip
def test_keys_that_end(
    why: str, largest: int, numbered: list[tuple[str, str]], expected: Said
) -> None:
    key = NarrowKey(
        table="lines", column="order_id", column_type="integer", largest=largest,
        limit=2_147_483_647,
    )  # fmt: skip
    sequences = tuple(
        SequenceStats(
            schema="public", name="s", last_value=2_100_000_000, limit=2_147_483_647, table=table,
            column=column, column_type="integer",
        )
        for column, table in numbered
    )  # fmt: skip
    assert sorted(said(replace(EMPTY, narrow_keys=(key,), sequences=sequences))) == expected


@pytest.mark.parametrize(("why", "index", "cure"), [
    ("none that is like it", INDEX, "REINDEX INDEX CONCURRENTLY tasks_a;"),
    ("values that are there twice", replace(INDEX, is_unique=True),
     "DROP INDEX CONCURRENTLY tasks_a;"),
    ("a double of one that is there", replace(INDEX, name="tasks_a_ccnew1"),
     "DROP INDEX CONCURRENTLY tasks_a_ccnew1;"),
])  # fmt: skip
def test_what_an_invalid_index_is_cured_by(why: str, index: IndexStats, cure: str) -> None:
    (found,) = judge(replace(EMPTY, indexes=(replace(index, is_valid=False),))).findings
    assert (found.code, found.cure) == ("indexes.invalid", cure)
