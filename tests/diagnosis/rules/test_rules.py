"""When a rule speaks, and when it keeps quiet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.diagnosis.rules.judging import (
    AT,
    CRITICAL,
    INDEX,
    LONG_BEFORE,
    MIB,
    NOTE,
    STATEMENT,
    TABLE,
    WARNING,
    Said,
    said,
)

from keiko_perf.diagnosis.evidence import (
    Autovacuum,
    Evidence,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.statements import is_query
from keiko_perf.diagnosis.rules.tables import needs_vacuum, vacuum_threshold
from keiko_perf.model import Finding, Gap

DAY_BEFORE = AT - timedelta(days=1)
MINUTE_BEFORE = AT - timedelta(minutes=1)
EMPTY = Evidence(read_at=AT)
SLOW = replace(
    STATEMENT, calls=100, total_s=15.0, mean_s=0.15, stddev_s=0.01, max_s=0.3, rows=100,
    hit_blocks=90, read_blocks=10,
)  # fmt: skip


def with_statement(**changes: Any) -> Evidence:
    one = replace(SLOW, **changes)
    return replace(EMPTY, statements=(one,), statements_total_s=20.0)


def with_table(server: Autovacuum | None = None, **changes: Any) -> Evidence:
    return replace(EMPTY, tables=(replace(TABLE, **changes),), autovacuum=server or Autovacuum())


def with_indexes(*changes: dict[str, Any]) -> Evidence:
    indexes = tuple(replace(INDEX, **one) for one in changes)
    return replace(EMPTY, indexes=indexes, since_at=LONG_BEFORE)


STATEMENTS = [
    ("slow and most of the time", {}, [("statements.slow", WARNING)]),
    ("slower than a second", {"mean_s": 1.5}, [("statements.slow", CRITICAL)]),
    ("a small share", {"total_s": 2.0, "mean_s": 0.05}, [("statements.slow", NOTE)]),
    ("hardly any share", {"total_s": 0.5}, []),
    (
        "more rows than anybody reads",
        {"rows": 150 * 90_000},
        [("statements.slow", WARNING), ("statements.many-rows", WARNING)],
    ),
    (
        "more rows than anybody changes by hand",
        {"rows": 150 * 90_000, "query": "WITH old AS (SELECT 1) DELETE FROM tasks"},
        [("statements.slow", WARNING)],
    ),
    ("a large page", {"rows": 100 * 4_000}, [("statements.slow", WARNING)]),
    (
        "fast, but so frequent that it is most of the time",
        {"mean_s": 0.001, "calls": 15_000},
        [("statements.frequent", NOTE)],
    ),
    ("too fast to gain anything", {"mean_s": 0.0001, "calls": 150_000}, []),
    ("a job that somebody ran once", {"calls": 1, "mean_s": 15.0}, []),
    ("maintenance", {"query": "VACUUM tasks"}, []),
    ("making an index", {"query": "CREATE INDEX x ON t (a)"}, []),
]


@pytest.mark.parametrize(("why", "changes", "expected"), STATEMENTS, ids=[s[0] for s in STATEMENTS])
def test_statements(why: str, changes: dict[str, Any], expected: list[Any]) -> None:
    assert said(with_statement(**changes)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select 1", True),
        ("  /* named */ -- twice\n (SELECT 1) UNION (SELECT 2)", True),
        ("WITH x AS (SELECT 1) DELETE FROM t", True),
        ("merge into t using s on true when matched then delete", True),
        ("selection", False),
        ("COPY t TO STDOUT", False),
        ("BEGIN", False),
        ("", False),
    ],
)
def test_a_query_is_known_by_its_first_word(query: str, expected: bool) -> None:
    assert is_query(query) is expected


OFF = Autovacuum(is_on=False)
DEAD = "tables.dead-tuples"
STALE = "tables.stale-statistics"
TABLES = [
    ("clean", None, {}, []),
    ("just over the threshold: autovacuum will come", None, {"dead_rows": 21_000}, []),
    ("twice over it: autovacuum is behind", None, {"dead_rows": 41_000}, [(DEAD, WARNING)]),
    ("nobody comes by", OFF, {"dead_rows": 21_000},
     [(DEAD, WARNING), ("settings.autovacuum", WARNING)]),
    ("nobody comes by for this table", None,
     {"dead_rows": 21_000, "options": {"autovacuum_enabled": "false"}}, [(DEAD, WARNING)]),
    ("the table allows more", None,
     {"dead_rows": 41_000, "options": {"autovacuum_vacuum_scale_factor": "0.5"}}, []),
    ("the table allows less", None,
     {"dead_rows": 4_000, "options": {"autovacuum_vacuum_scale_factor": "0.01"}}, [(DEAD, NOTE)]),
    ("a handful of rows", OFF, {"dead_rows": 900, "estimated_rows": 10.0, "live_rows": 10}, []),
    ("small in bytes", None, {"dead_rows": 41_000, "size_bytes": MIB}, [(DEAD, NOTE)]),
    ("most of a gigabyte and more", None,
     {"dead_rows": 200_000, "size_bytes": 2048 * MIB}, [(DEAD, CRITICAL)]),
    ("never vacuumed, but nothing is dead", OFF, {"last_vacuum_at": None}, []),
    ("never analysed", None,
     {"last_analyze_at": None, "estimated_rows": None, "modified_rows": 100_000},
     [(STALE, WARNING)]),
    ("never analysed, but empty", None,
     {"last_analyze_at": None, "estimated_rows": None, "live_rows": 0}, []),
    ("analysed before the counters were reset", None, {"last_analyze_at": None}, []),
    ("a little changed", None, {"modified_rows": 15_000}, []),
    ("much changed", None, {"modified_rows": 60_000}, [(STALE, WARNING)]),
    ("much changed, but autovacuum was here a minute ago", None,
     {"modified_rows": 60_000, "last_analyze_at": MINUTE_BEFORE}, []),
    ("much changed since a minute ago, and nobody comes by", OFF,
     {"modified_rows": 60_000, "last_analyze_at": MINUTE_BEFORE}, [(STALE, WARNING)]),
    ("the same ten rows changed again and again", None,
     {"modified_rows": 60_000, "estimated_rows": 10.0, "live_rows": 10}, []),
    ("ten rows are left of many", None,
     {"modified_rows": 220_000, "live_rows": 10}, [(STALE, NOTE)]),
    ("a fourth changed", None, {"modified_rows": 25_000}, [(STALE, NOTE)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "server", "changes", "expected"), TABLES, ids=[one[0] for one in TABLES]
)
def test_tables(
    why: str, server: Autovacuum | None, changes: dict[str, Any], expected: list[Any]
) -> None:
    assert said(with_table(server, **changes)) == expected


@pytest.mark.parametrize(
    ("server", "options", "rows", "expected"),
    [
        (Autovacuum(), {}, 1000.0, 250.0),
        (Autovacuum(), {}, None, 50.0),
        (Autovacuum(vacuum_threshold=10, vacuum_scale_ratio=0.5), {}, 1000.0, 510.0),
        (Autovacuum(), {"autovacuum_vacuum_threshold": "5"}, 1000.0, 205.0),
        (Autovacuum(), {"autovacuum_vacuum_scale_factor": "0"}, 1000.0, 50.0),
        (Autovacuum(), {"autovacuum_vacuum_threshold": "-1"}, 1000.0, 250.0),
        (Autovacuum(vacuum_max_threshold=100), {}, 1000.0, 100.0),
        (Autovacuum(vacuum_max_threshold=100), {"autovacuum_vacuum_max_threshold": "-1"},
         1000.0, 250.0),
    ],
)  # fmt: skip
def test_the_threshold_is_autovacuums_own(
    server: Autovacuum, options: dict[str, str], rows: float | None, expected: float
) -> None:
    table = replace(TABLE, estimated_rows=rows, options=options)
    assert vacuum_threshold(table, server) == expected
    assert not needs_vacuum(replace(table, dead_rows=int(expected)), server)
    assert needs_vacuum(replace(table, dead_rows=int(expected) + 1), server)


UNUSED, TWICE, INVALID = "indexes.unused", "indexes.duplicate", "indexes.invalid"
INDEXES: list[tuple[str, tuple[dict[str, Any], ...], Said]] = [
    ("in use", ({},), []),
    ("never used", ({"scans": 0},), [(UNUSED, NOTE)]),
    ("never used and large", ({"scans": 0, "size_bytes": 200 * MIB},), [(UNUSED, WARNING)]),
    ("never used and much written", ({"scans": 0, "table_writes": 10**7},), [(UNUSED, WARNING)]),
    ("too small to matter", ({"scans": 0, "size_bytes": 8192},), []),
    ("its table is hardly read", ({"scans": 0, "table_scans": 3},), []),
    ("it forbids duplicates", ({"scans": 0, "is_unique": True},), []),
    ("a constraint needs it", ({"scans": 0, "backs": "constraint x"},), []),
    ("the same twice", ({}, {"name": "tasks_b"}), [(TWICE, NOTE)]),
    ("of another table", ({}, {"name": "tasks_b", "table": "agents"}), []),
    ("of another shape", ({}, {"name": "tasks_b", "shape": "btree b"}), []),
    (
        "both back a constraint",
        ({"backs": "constraint x"}, {"name": "b", "backs": "constraint y"}),
        [],
    ),
    ("left by a failed build", ({"is_valid": False, "scans": 0},), [(INVALID, WARNING)]),
    ("being built now", ({"is_valid": False, "is_being_built": True},), []),
]


@pytest.mark.parametrize(("why", "changes", "expected"), INDEXES, ids=[one[0] for one in INDEXES])
def test_indexes(why: str, changes: tuple[dict[str, Any], ...], expected: list[Any]) -> None:
    assert said(with_indexes(*changes)) == expected


def test_of_two_alike_the_one_that_is_needed_stays() -> None:
    evidence = with_indexes(
        {"name": "plain", "scans": 9_000}, {"name": "key", "scans": 0, "is_unique": True,
                                            "backs": "constraint key"}
    )  # fmt: skip
    (found,) = judge(evidence).findings
    assert found.subject == "plain"
    assert found.cure == "DROP INDEX CONCURRENTLY plain;"


def test_a_cure_quotes_what_needs_quotes() -> None:
    evidence = with_indexes({"schema": "My App", "name": 'odd"; name', "scans": 0})
    (found,) = judge(evidence).findings
    assert found.cure == 'DROP INDEX CONCURRENTLY "My App"."odd""; name";'


def test_a_rule_that_lacks_evidence_leaves_a_gap_and_the_worst_comes_first() -> None:
    gap = Gap(subject="locks", reason="not seen", remedy="GRANT it")

    def lacking(_: Evidence) -> Iterator[Finding | Gap]:
        yield gap

    def speaking(_: Evidence) -> Iterator[Finding | Gap]:
        for severity in (NOTE, CRITICAL, WARNING):
            yield Finding(code="a.b", severity=severity, subject="x", summary="y")

    judged = judge(replace(EMPTY, gaps=(gap,)), (lacking, speaking))
    assert judged.gaps == (gap,)
    assert [one.severity for one in judged.findings] == [CRITICAL, WARNING, NOTE]


def test_of_no_evidence_nothing_is_said() -> None:
    assert judge(EMPTY).findings == ()
