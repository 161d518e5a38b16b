"""
Each rule beyond tables, indexes and slow statements: when it speaks, and when it keeps quiet.

What a real server can be made to do is in test_sick_*.py, test_standby.py and test_snapshots.py.
`settings.parallel-workers` has its cases only here: PostgreSQL counts the workers from 18 on, which
the machines of the tests do not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keiko_perf.diagnosis.evidence import (
    Archiver,
    Autovacuum,
    Checkpoints,
    ColumnGroup,
    Connections,
    DatabaseStats,
    Evidence,
    Extension,
    ForeignKey,
    IndexStats,
    Machine,
    PreparedTransaction,
    Replication,
    SequenceStats,
    Session,
    Setting,
    Settings,
    Slot,
    Standby,
    StatementStats,
    TableStats,
    Waiter,
    Wal,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.locks import tree
from keiko_perf.model import Severity
from keiko_perf.render import phrase

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR_BEFORE = AT - timedelta(hours=1)
LONG_BEFORE = AT - timedelta(days=60)
EMPTY = Evidence(read_at=AT, since_at=HOUR_BEFORE, statements_since_at=HOUR_BEFORE)
MIB = 1024 * 1024
GIB = 1024 * MIB
NOTE, WARNING, CRITICAL = Severity.NOTE, Severity.WARNING, Severity.CRITICAL
Said = list[tuple[str, Severity]]

STATEMENT = StatementStats(
    query="SELECT id FROM t WHERE a = $1", calls=1000, total_s=10.0, mean_s=0.01, stddev_s=0.001,
    max_s=0.02, rows=1000, hit_blocks=1000, read_blocks=0, temp_blocks=0,
)  # fmt: skip
TABLE = TableStats(
    schema="public", name="tasks", size_bytes=100 * MIB, estimated_rows=100_000.0,
    inserts=100_000, updates=0, deletes=0, live_rows=100_000, dead_rows=0, modified_rows=0,
    inserted_rows=0, last_vacuum_at=HOUR_BEFORE, last_analyze_at=HOUR_BEFORE, seq_scans=10,
    index_scans=10_000,
)  # fmt: skip
INDEX = IndexStats(
    schema="public", table="tasks", name="tasks_a", shape="a", size_bytes=32 * MIB, scans=500,
    last_scan_at=None, is_valid=True, is_being_built=False, is_unique=False, backs="",
    table_writes=1000, table_scans=50_000, keys=("1 10 0 0",), kind="btree where",
    rows=100_000.0, table_rows=100_000.0, rows_read=500,
)  # fmt: skip


def said(evidence: Evidence) -> Said:
    return [(one.code, one.severity) for one in judge(evidence).findings]


def check(rows: Sequence[tuple[str, dict[str, Any], Said]]) -> Any:
    return pytest.mark.parametrize(
        ("why", "changes", "expected"), rows, ids=[one[0] for one in rows]
    )


def set_to(**values: str) -> Settings:
    """Settings in their plain unit: bytes or seconds."""
    units = {"work_mem": "B", "shared_buffers": "B", "effective_cache_size": "B",
             "max_wal_size": "B", "checkpoint_timeout": "s",
             "idle_in_transaction_session_timeout": "ms"}  # fmt: skip
    return Settings(
        by_name={
            name: Setting(value=value, unit=units.get(name), source="configuration file")
            for name, value in values.items()
        }
    )


# --- Statements ---------------------------------------------------------------------------------

UNSTEADY = {"stddev_s": 0.1, "max_s": 2.0}
SPILLING = {"temp_blocks": 1000 * 1024}
FETCHING = {"read_blocks": 2_000_000, "hit_blocks": 1000}


@check([
    ("nothing unusual", {}, []),
    ("mostly fast, at times very slow", UNSTEADY, [("statements.unsteady", WARNING)]),
    ("spread, but never slow", {"stddev_s": 0.03, "max_s": 0.2}, []),
    ("spread over a few calls only", UNSTEADY | {"calls": 50}, []),
    ("spread, and hardly any time", UNSTEADY | {"total_s": 0.5}, []),
    ("8 MiB of files each time", SPILLING, [("statements.temp-files", WARNING)]),
    ("a little in files", {"temp_blocks": 1000}, []),
    ("files of a job that ran once", SPILLING | {"calls": 1}, []),
    ("reads 16 MiB from outside each time", FETCHING, [("statements.cache-misses", WARNING)]),
    ("reads them in no time", FETCHING | {"read_s": 0.5}, []),
    ("takes its time to read them", FETCHING | {"read_s": 5.0},
     [("statements.cache-misses", WARNING)]),
    ("reads them, and finds ten times as many", FETCHING | {"hit_blocks": 30_000_000}, []),
    ("touches nothing", {"hit_blocks": 0}, []),
    ("writes a long log", {"wal_bytes": 200.0 * MIB}, [("statements.wal", WARNING)]),
    ("writes a long log for many rows", {"wal_bytes": 200.0 * MIB, "rows": 10_000_000}, []),
    ("writes a short log", {"wal_bytes": 20.0 * MIB}, []),
    ("is planned longer than executed", {"plan_s": 20.0}, [("statements.planning", WARNING)]),
    ("is planned quickly", {"plan_s": 0.5}, []),
    ("planning is not timed", {"plan_s": None}, []),
    ("is compiled for a third of its time", {"jit_s": 3.0}, [("statements.jit", WARNING)]),
    ("is compiled for little", {"jit_s": 1.0}, []),
    ("compiling is not told", {"jit_s": None}, []),
])  # fmt: skip
def test_what_a_statement_spends_its_time_on(
    why: str, changes: dict[str, Any], expected: Said
) -> None:
    one = replace(STATEMENT, **changes)
    other = replace(STATEMENT, query="SELECT other", total_s=8.0, calls=1, wal_bytes=1.0)
    evidence = replace(EMPTY, statements=(one, other), statements_total_s=18.0)
    assert [found for found in said(evidence) if found[0] != "statements.frequent"] == expected


def test_a_short_statement_that_keeps_half_a_core_busy_for_an_hour_is_worth_a_warning() -> None:
    one = replace(STATEMENT, mean_s=0.002, calls=1_000_000, total_s=2000.0, rows=1_000_000)
    evidence = replace(EMPTY, statements=(one,), statements_total_s=2000.0)
    assert said(evidence) == [("statements.frequent", WARNING)]
    assert said(replace(evidence, statements_since_at=None)) == [("statements.frequent", NOTE)]


@pytest.mark.parametrize(
    ("why", "evicted", "since_at", "expected"),
    [
        ("often", 100, HOUR_BEFORE, [("statements.evicted", NOTE)]),
        ("once in a while", 100, LONG_BEFORE, []),
        ("never", 0, HOUR_BEFORE, []),
        ("not told", None, HOUR_BEFORE, []),
        ("since when is not known", 100, None, []),
    ],
)
def test_statements_that_the_server_forgets(
    why: str, evicted: int | None, since_at: datetime | None, expected: Said
) -> None:
    evidence = replace(EMPTY, statements_evicted=evicted, statements_since_at=since_at)
    assert said(evidence) == expected


# --- Patterns -----------------------------------------------------------------------------------

LONG_ROWS = {"name": "tasks", "columns": 12, "toast_bytes": 80 * MIB}


@check([
    ("all columns of long rows", {"query": "SELECT * FROM tasks WHERE a = $1", "rows": 50_000},
     [("patterns.select-star", WARNING)]),
    ("all columns, quoted and with a schema",
     {"query": 'SELECT t.* FROM public."tasks" t', "rows": 50_000}, []),
    ("all columns of a single row", {"query": "SELECT * FROM tasks WHERE id = $1"}, []),
    ("some columns", {"query": "SELECT a, b FROM tasks", "rows": 50_000}, []),
    ("all columns of something that is no table",
     {"query": "SELECT * FROM generate_series($1, $2)", "rows": 50_000}, []),
    ("pages far down", {"query": "SELECT a FROM tasks ORDER BY a LIMIT $1 OFFSET $2",
                        "hit_blocks": 2_000_000, "rows": 20_000},
     [("patterns.deep-offset", WARNING)]),
    ("pages of groups, for whose first all is read",
     {"query": "SELECT a, count(b) FROM tasks GROUP BY a ORDER BY a LIMIT $1 OFFSET $2",
      "hit_blocks": 2_000_000, "rows": 20_000}, []),
    ("the first pages", {"query": "SELECT a FROM tasks ORDER BY a LIMIT $1 OFFSET $2",
                         "hit_blocks": 20_000, "rows": 20_000}, []),
    ("no offset, however much it reads", {"hit_blocks": 2_000_000, "rows": 20_000}, []),
    ("a list of a thousand values",
     {"query": "SELECT a FROM t WHERE b IN (" + ", ".join(f"${i}" for i in range(1, 1001)) + ")"},
     [("patterns.long-list", WARNING)]),
    ("a short list", {"query": "SELECT a FROM t WHERE b IN ($1, $2, $3)"}, []),
    ("a list that PostgreSQL 18 has folded",
     {"query": "SELECT a FROM t WHERE b IN ($1 /*, ... */)"}, []),
])  # fmt: skip
def test_how_a_service_asks(why: str, changes: dict[str, Any], expected: Said) -> None:
    one = replace(STATEMENT, **changes)
    one = replace(one, characters=len(one.query))
    table = replace(TABLE, **LONG_ROWS)
    evidence = replace(EMPTY, statements=(one,), statements_total_s=20.0, tables=(table,))
    assert [found for found in said(evidence) if found[0] != "statements.frequent"] == expected


def test_the_same_list_in_ever_other_lengths() -> None:
    def of(length: int) -> StatementStats:
        values = ", ".join(f"${i}" for i in range(1, length + 1))
        return replace(STATEMENT, query=f"SELECT a FROM t WHERE b IN ({values})", calls=10)

    many = tuple(of(length) for length in range(1, 31))
    evidence = replace(EMPTY, statements=many, statements_total_s=400.0)
    assert said(evidence) == [("patterns.long-list", WARNING)]
    assert said(replace(evidence, statements=many[:5])) == []


def test_a_count_beside_each_page() -> None:
    count = replace(STATEMENT, query="SELECT count(*) FROM tasks WHERE a = $1")
    page = replace(
        STATEMENT, query="SELECT id FROM tasks WHERE a = $1 LIMIT $2", total_s=0.1, mean_s=0.0001
    )
    evidence = replace(EMPTY, statements=(count, page), statements_total_s=40.0)
    assert said(evidence) == [("patterns.count-per-page", WARNING)]
    rare = replace(page, calls=10, rows=10)
    assert said(replace(evidence, statements=(count, rare))) == []
    elsewhere = replace(page, query="SELECT id FROM agents LIMIT $1")
    assert said(replace(evidence, statements=(count, elsewhere))) == []
    assert said(replace(evidence, statements=(count,))) == []


def test_a_statement_for_each_row_of_another() -> None:
    parent = replace(
        STATEMENT, query="SELECT id FROM agents", calls=100, rows=5_000, total_s=0.1, mean_s=0.001
    )
    child = replace(STATEMENT, query="SELECT x FROM tasks WHERE agent = $1", calls=5_000,
                    mean_s=0.002)  # fmt: skip
    evidence = replace(EMPTY, statements=(child, parent), statements_total_s=40.0)
    assert said(evidence) == [("patterns.n-plus-one", WARNING)]
    assert said(replace(evidence, statements=(child, replace(parent, rows=50_000)))) == []
    assert said(replace(evidence, statements=(child,))) == []
    assert said(replace(evidence, statements=(replace(child, calls=900), parent))) == []


@pytest.mark.parametrize(
    ("where", "is_by_key"),
    [
        ("$1::BIGINT = tasks.agent", True),  # SQLAlchemy's, of a relation through a third table
        ("CAST($1 AS BIGINT) = tasks.agent", True),
        ("agent = CAST($1 AS BIGINT)", True),
        ("agent > $1", False),
    ],
)
def test_a_statement_for_each_row_asks_for_a_key(where: str, is_by_key: bool) -> None:
    parent = replace(STATEMENT, query="SELECT id FROM agents", calls=100, rows=5_000, total_s=0.1)
    child = replace(STATEMENT, query=f"SELECT x FROM tasks WHERE {where}", calls=5_000,
                    mean_s=0.002)  # fmt: skip
    evidence = replace(EMPTY, statements=(child, parent), statements_total_s=40.0)
    assert ("patterns.n-plus-one" in {code for code, _ in said(evidence)}) == is_by_key


# --- Tables, their ages, and indexes ------------------------------------------------------------

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


# --- Connections and locks ----------------------------------------------------------------------


def connected(*sessions: Session, **changes: Any) -> Evidence:
    known = Connections(used=10, most=100, sessions=sessions)
    return replace(EMPTY, connections=replace(known, **changes))


@check([
    ("plenty left", {"used": 50}, []),
    ("few left", {"used": 85}, [("connections.near-limit", WARNING)]),
    ("none left", {"used": 100}, [("connections.near-limit", CRITICAL)]),
    ("prepared a moment ago",
     {"prepared": (PreparedTransaction(name="x", age_s=1.0, user="me"),)}, []),
    ("prepared and forgotten", {"prepared": (PreparedTransaction(name="it's", age_s=400.0,
                                                                 user="me"),)},
     [("connections.prepared-transaction", WARNING)]),
])  # fmt: skip
def test_connections(why: str, changes: dict[str, Any], expected: Said) -> None:
    assert said(connected(**changes)) == expected


@check([
    ("idle for a moment", {"state_s": 2.0}, []),
    ("idle for half a minute", {}, [("connections.idle-in-transaction", NOTE)]),
    ("idle for minutes", {"state_s": 300.0}, [("connections.idle-in-transaction", WARNING)]),
    ("idle for long, and nothing can be cleaned up",
     {"state_s": 3600.0, "holds_back_rows": 500_000},
     [("connections.idle-in-transaction", CRITICAL)]),
    ("at work for a minute", {"state": "active", "transaction_s": 60.0}, []),
    ("at work for an hour", {"state": "active", "transaction_s": 3700.0},
     [("connections.long-transaction", WARNING)]),
    ("at work for a minute, while much was changed",
     {"state": "active", "transaction_s": 60.0, "holds_back_rows": 200_000},
     [("connections.long-transaction", NOTE)]),
    ("its state is not seen", {"state": None, "state_s": None, "transaction_s": None}, []),
])  # fmt: skip
def test_transactions_that_stay_open(why: str, changes: dict[str, Any], expected: Said) -> None:
    one = Session(pid=7, state="idle in transaction", transaction_s=31.0, state_s=30.0)
    assert said(connected(replace(one, **changes))) == expected


def test_where_no_timeout_ends_idle_transactions_that_is_the_cure() -> None:
    idle = Session(pid=7, state="idle in transaction", transaction_s=31.0, state_s=30.0)
    evidence = replace(connected(idle), settings=set_to(idle_in_transaction_session_timeout="0"))
    (found,) = judge(evidence).findings
    assert found.cure == "ALTER SYSTEM SET idle_in_transaction_session_timeout = '1min';"
    evidence = replace(evidence, settings=set_to(idle_in_transaction_session_timeout="60000"))
    assert judge(evidence).findings[0].cure == "SELECT pg_terminate_backend(7);"


def waiter(pid: int, *blockers: int, waits_s: float | None = 20.0) -> Waiter:
    return Waiter(pid=pid, blockers=blockers, mode="ShareLock", on="tasks", waits_s=waits_s)


def test_who_waits_behind_whom_is_a_tree() -> None:
    known = Connections(
        used=5, most=100, waiters=(waiter(2, 1), waiter(3, 2), waiter(4, 2, 1), waiter(5, 9))
    )
    shown = [(one.depth, one.session.pid) for one in tree(known)]
    assert shown == [(0, 1), (1, 2), (2, 3), (2, 4), (0, 9), (1, 5)]


def test_a_circle_of_waiters_has_an_end() -> None:
    known = Connections(used=2, most=100, waiters=(waiter(1, 2), waiter(2, 1)))
    assert [(one.depth, one.session.pid) for one in tree(known)] == [(0, 1), (1, 2)]
    assert [code for code, _ in said(replace(EMPTY, connections=known))] == ["locks.waiting"]


@pytest.mark.parametrize(
    ("why", "waiters", "expected"),
    [
        ("a moment", (waiter(2, 1, waits_s=0.1),), []),
        (
            "a queue of moments",
            tuple(waiter(pid, 1, waits_s=0.2) for pid in (2, 3, 4)),
            [("locks.waiting", NOTE)],
        ),
        (
            "a long queue of moments",
            tuple(waiter(pid, 1, waits_s=0.2) for pid in range(2, 14)),
            [("locks.waiting", NOTE)],
        ),
        (
            "a queue that passes at once",
            tuple(waiter(pid, 1, waits_s=0.01) for pid in (2, 3, 4)),
            [],
        ),
        ("seconds", (waiter(2, 1, waits_s=3.0),), [("locks.waiting", NOTE)]),
        ("long", (waiter(2, 1), waiter(3, 2)), [("locks.waiting", WARNING)]),
        ("too long", (waiter(2, 1, waits_s=90.0),), [("locks.waiting", CRITICAL)]),
        ("many", tuple(waiter(pid, 1) for pid in range(2, 14)), [("locks.waiting", CRITICAL)]),
        ("behind two", (waiter(2, 1), waiter(4, 3)), [("locks.waiting", WARNING)] * 2),
        ("since when is not known", (waiter(2, 1, waits_s=None),), []),
        ("behind a prepared one", (waiter(2, 0),), [("locks.waiting", WARNING)]),
    ],
)
def test_waiting(why: str, waiters: tuple[Waiter, ...], expected: Said) -> None:
    assert said(connected(waiters=waiters)) == expected


def test_one_that_is_idle_is_ended_and_one_at_work_is_cancelled() -> None:
    idle = Session(pid=1, state="idle in transaction", state_s=2.0, transaction_s=2.0)
    (found,) = judge(connected(idle, waiters=(waiter(2, 1),))).findings
    assert found.cure == "SELECT pg_terminate_backend(1);"
    (found,) = judge(connected(replace(idle, state="active"), waiters=(waiter(2, 1),))).findings
    assert found.cure == "SELECT pg_cancel_backend(1);"


@check([
    ("some an hour", {"deadlocks": 6}, [("locks.deadlocks", NOTE)]),
    ("many an hour", {"deadlocks": 100}, [("locks.deadlocks", WARNING)]),
    ("one", {"deadlocks": 1}, []),
    ("a connection for each transaction", {"sessions": 50_000, "commits": 60_000},
     [("connections.no-pool", WARNING)]),
    ("a pool", {"sessions": 5_000, "commits": 600_000}, []),
    ("how many connections is not told", {"sessions": None, "commits": 60_000}, []),
])  # fmt: skip
def test_what_the_database_counts(why: str, changes: dict[str, Any], expected: Said) -> None:
    evidence = replace(EMPTY, database=replace(DatabaseStats(), **changes))
    assert said(evidence) == expected
    assert said(replace(evidence, since_at=None)) == []


# --- Replication, checkpoints, settings ---------------------------------------------------------

SLOT = Slot(name="it's", kind="physical", is_active=False, wal_status="extended", kept_bytes=100.0)


@check([
    ("keeps up", {"standbys": (Standby(name="a", state="streaming", sync_state="async",
                                       behind_bytes=100.0, behind_s=None),)}, []),
    ("far behind", {"standbys": (Standby(name="a", state="streaming", sync_state="async",
                                         behind_bytes=2.0 * GIB, behind_s=90.0),)},
     [("replication.lag", WARNING)]),
    ("a base backup", {"standbys": (Standby(name="a", state="backup", sync_state="async",
                                            behind_bytes=2.0 * GIB, behind_s=None),)}, []),
    ("this one is far behind", {"behind_s": 1000.0, "behind_bytes": 1.0},
     [("replication.lag", CRITICAL)]),
    ("nothing was written since", {"behind_s": None, "behind_bytes": 0.0}, []),
    ("a slot that keeps little", {"slots": (SLOT,)}, []),
    ("a slot that keeps much", {"slots": (replace(SLOT, kept_bytes=1.0 * GIB),)},
     [("replication.slot", WARNING)]),
    ("a slot in use", {"slots": (replace(SLOT, kept_bytes=1.0 * GIB, is_active=True),)}, []),
    ("a slot about to be lost",
     {"slots": (replace(SLOT, kept_bytes=1.0 * GIB, wal_status="unreserved"),)},
     [("replication.slot", CRITICAL)]),
    ("a slot that is lost", {"slots": (replace(SLOT, wal_status="lost"),)},
     [("replication.slot-lost", WARNING)]),
    ("a slot that keeps dead rows", {"slots": (replace(SLOT, holds_back_rows=2_000_000),)},
     [("replication.slot-horizon", WARNING)]),
    ("what it keeps is not known", {"slots": (replace(SLOT, kept_bytes=None),)}, []),
])  # fmt: skip
def test_replication(why: str, changes: dict[str, Any], expected: Said) -> None:
    assert said(replace(EMPTY, replication=replace(Replication(), **changes))) == expected
    assert said(replace(EMPTY, replication=None)) == []


def test_a_cure_for_a_slot_quotes_its_name() -> None:
    known = Replication(slots=(replace(SLOT, wal_status="lost"),))
    (found,) = judge(replace(EMPTY, replication=known)).findings
    assert found.cure == "SELECT pg_drop_replication_slot('it''s');"


def test_statements_that_a_standby_cancelled() -> None:
    known = Replication(conflicts=50)
    assert said(replace(EMPTY, replication=known, is_standby=True)) == [
        ("replication.conflicts", NOTE)
    ]
    assert said(replace(EMPTY, replication=known)) == []
    assert said(replace(EMPTY, replication=Replication(), is_standby=True)) == []


WAL = Wal(bytes=100.0 * GIB, records=1.0, buffers_full=0, since_at=HOUR_BEFORE)


@check([
    ("one a minute", {}, [("checkpoints.requested", WARNING)]),
    ("as set", {"checkpoints": Checkpoints(timed=12, requested=2, since_at=HOUR_BEFORE)}, []),
    ("asked for, but not by the log", {"wal": replace(WAL, bytes=1.0 * MIB)}, []),
    ("how much log is not told", {"wal": None}, [("checkpoints.requested", WARNING)]),
    ("since when is not known", {"checkpoints": Checkpoints(timed=0, requested=60)}, []),
    ("the setting is not seen", {"settings": Settings()}, []),
    ("not told", {"checkpoints": None}, []),
])  # fmt: skip
def test_checkpoints(why: str, changes: dict[str, Any], expected: Said) -> None:
    evidence = replace(
        EMPTY,
        checkpoints=Checkpoints(timed=0, requested=60, since_at=HOUR_BEFORE),
        wal=WAL,
        settings=set_to(max_wal_size=str(GIB), checkpoint_timeout="300"),
    )
    assert said(replace(evidence, **changes)) == expected


@pytest.mark.parametrize(
    ("why", "last_archived_at", "last_failed_at", "expected"),
    [
        ("fails since it was set up", None, AT, [("wal.archiver", WARNING)]),
        ("fails for hours", LONG_BEFORE, AT, [("wal.archiver", CRITICAL)]),
        ("failed once and went on", AT, HOUR_BEFORE, []),
        ("never failed", AT, None, []),
    ],
)
def test_the_archiver(
    why: str, last_archived_at: datetime | None, last_failed_at: datetime | None, expected: Said
) -> None:
    known = Archiver(
        archived=1, failed=9, last_archived_at=last_archived_at, last_failed_at=last_failed_at
    )
    assert said(replace(EMPTY, archiver=known)) == expected


SPILLED = DatabaseStats(temp_bytes=10.0 * GIB, temp_files=100)
MISSED = DatabaseStats(hit_blocks=1_000_000, read_blocks=1_000_000)
BUSY = DatabaseStats(commits=3_600_000)
LOOKUP = replace(STATEMENT, read_blocks=20_000, calls=10_000, read_s=2.0, total_s=3.0, rows=10_000)
SCAN = replace(STATEMENT, query="SELECT scan", hit_blocks=5_000_000, total_s=15.0)


HUGE = replace(TABLE, size_bytes=40 * GIB)
ROOMY = Machine(memory_bytes=64 * GIB, available_bytes=40 * GIB, swapped_bytes=0)
SWAPPING = Machine(memory_bytes=8 * GIB, available_bytes=0.3 * GIB, swapped_bytes=GIB)
TAKING = set_to(shared_buffers=str(4 * GIB), work_mem=str(64 * MIB), max_connections="200")


@check([
    ("much in files", {"database": SPILLED, "settings": set_to(work_mem=str(4 * MIB))},
     [("settings.work-mem", NOTE)]),
    ("much in files, though work_mem is large",
     {"database": SPILLED, "settings": set_to(work_mem=str(512 * MIB))}, []),
    ("much in files, work_mem is not seen", {"database": SPILLED}, []),
    ("little in files", {"database": replace(SPILLED, temp_bytes=1.0),
                         "settings": set_to(work_mem=str(4 * MIB))}, []),
    ("half is not found in a small cache",
     {"database": MISSED, "settings": set_to(shared_buffers=str(16 * MIB)), "tables": (TABLE,)},
     [("settings.shared-buffers", WARNING)]),
    ("half is not found, of small tables",
     {"database": MISSED, "settings": set_to(shared_buffers=str(128 * MIB)), "tables": (TABLE,)},
     []),
    ("half is not found in a large cache",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (TABLE,)}, []),
    ("random reads are cheap, and tables are scanned",
     {"statements": (LOOKUP, SCAN), "statements_total_s": 20.0,
      "settings": set_to(random_page_cost="4", seq_page_cost="1")},
     [("settings.random-page-cost", NOTE)]),
    ("random reads are dear", {"statements": (replace(LOOKUP, read_s=200.0), SCAN),
                               "statements_total_s": 20.0,
                               "settings": set_to(random_page_cost="4")}, []),
    ("reads are not timed", {"statements": (replace(LOOKUP, read_s=None), SCAN),
                             "statements_total_s": 20.0,
                             "settings": set_to(random_page_cost="4")}, []),
    ("nothing is scanned", {"statements": (LOOKUP,), "statements_total_s": 20.0,
                            "settings": set_to(random_page_cost="4")}, []),
    ("it is set already", {"statements": (LOOKUP, SCAN), "statements_total_s": 20.0,
                           "settings": set_to(random_page_cost="1.1")}, []),
    ("no hash joins", {"settings": set_to(enable_hashjoin="off")},
     [("settings.planner-switch", WARNING)]),
    ("a switch that is off by default",
     {"settings": set_to(enable_partitionwise_join="off", enable_hashjoin="on")}, []),
    ("less cache than there is", {"tables": (TABLE,), "settings": set_to(
        effective_cache_size=str(8 * MIB), shared_buffers=str(GIB))},
     [("settings.effective-cache-size", NOTE)]),
    ("less cache than there is, of small tables", {"settings": set_to(
        effective_cache_size=str(8 * MIB), shared_buffers=str(GIB))}, []),
    ("a fourth of the machine would hold them",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (HUGE,),
      "machine": ROOMY}, [("settings.shared-buffers", WARNING)]),
    ("a fourth of the machine is theirs already",
     {"database": MISSED, "settings": set_to(shared_buffers=str(16 * GIB)), "tables": (HUGE,),
      "machine": ROOMY}, []),
    ("nobody knows what the machine has",
     {"database": MISSED, "settings": set_to(shared_buffers=str(GIB)), "tables": (HUGE,)}, []),
    ("the planner does not know of the machine's memory",
     {"tables": (HUGE,), "machine": ROOMY, "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))},
     [("settings.effective-cache-size", NOTE)]),
    ("the planner does not know of memory that no table would fill",
     {"tables": (TABLE,), "machine": ROOMY, "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))}, []),
    ("the planner knows of memory that nobody else knows of",
     {"tables": (HUGE,), "settings": set_to(
         effective_cache_size=str(4 * GIB), shared_buffers=str(GIB))}, []),
    ("the machine swaps for what the server may take",
     {"machine": SWAPPING, "settings": TAKING}, [("settings.memory", WARNING)]),
    ("the machine has room", {"machine": replace(SWAPPING, available_bytes=2 * GIB),
                              "settings": TAKING}, []),
    ("the machine swapped nothing", {"machine": replace(SWAPPING, swapped_bytes=0),
                                     "settings": TAKING}, []),
    ("another than the server makes the machine swap",
     {"machine": SWAPPING, "settings": set_to(
         shared_buffers=str(GIB), work_mem=str(4 * MIB), max_connections="100")}, []),
    ("the server is elsewhere", {"settings": TAKING}, []),
    ("nobody cleans up", {"autovacuum": Autovacuum(is_on=False),
                          "tables": (replace(TABLE, dead_rows=1_500),)},
     [("settings.autovacuum", WARNING)]),
    ("nobody cleans up, and nothing is to do", {"autovacuum": Autovacuum(is_on=False),
                                                "tables": (TABLE,)}, []),
    ("all is logged", {"database": BUSY, "settings": set_to(log_statement="all")},
     [("settings.logging", WARNING)]),
    ("all of little is logged", {"database": DatabaseStats(commits=10),
                                 "settings": set_to(log_statement="all")}, []),
    ("what is slow is logged", {"database": BUSY, "settings": set_to(
        log_statement="ddl", log_min_duration_statement="500")}, []),
    ("workers are lacking", {"database": DatabaseStats(workers_planned=5_000,
                                                       workers_launched=100)},
     [("settings.parallel-workers", NOTE)]),
    ("workers are there", {"database": DatabaseStats(workers_planned=5_000,
                                                     workers_launched=4_900)}, []),
    ("workers are not told", {"database": DatabaseStats()}, []),
])  # fmt: skip
def test_settings(why: str, changes: dict[str, Any], expected: Said) -> None:
    found = said(replace(EMPTY, **changes))
    assert [one for one in found if one[0].startswith("settings.")] == expected
