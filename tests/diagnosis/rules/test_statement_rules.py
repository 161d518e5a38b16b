"""When the rules about statements and how a service asks speak, and when they keep quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from tests.diagnosis.rules.judging import (
    EMPTY,
    HOUR_BEFORE,
    LONG_BEFORE,
    MIB,
    NOTE,
    STATEMENT,
    TABLE,
    WARNING,
    Said,
    check,
    said,
)

from keiko_perf.diagnosis.evidence import StatementStats
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.writing import one_line
from keiko_perf.render import phrase

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


LONG_ROWS = {"name": "tasks", "columns": 12, "toast_bytes": 80 * MIB}


@check([
    ("all columns of long rows", {"query": "SELECT * FROM tasks WHERE a = $1", "rows": 50_000},
     [("patterns.select-star", WARNING)]),
    ("all columns, quoted and with a schema",
     {"query": 'SELECT t.* FROM public."tasks" t', "rows": 50_000}, []),
    ("all columns of a single row", {"query": "SELECT * FROM tasks WHERE id = $1"}, []),
    ("some columns", {"query": "SELECT a, b FROM tasks", "rows": 50_000}, []),
    ("all columns, each by its name, as an ORM has it",
     {"query": f"SELECT {', '.join(f'tasks.c{n}' for n in range(12))} \nFROM tasks",
      "rows": 50_000}, [("patterns.select-star", WARNING)]),
    ("what is computed of them", {"query": "SELECT max(a), min(b), c FROM tasks", "rows": 50_000},
     []),
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


def test_a_statement_is_told_on_one_line_and_of_a_long_list_its_ends() -> None:
    values = ", ".join(f"${i}::UUID" for i in range(1, 501))
    query = f"SELECT a\n FROM t WHERE b IN ({values}) AND c IN ($501, $502)"
    told = "SELECT a FROM t WHERE b IN ($1::UUID, …, $500::UUID) AND c IN ($501, $502)"
    assert one_line(query) == told


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
    (found,) = judge(evidence).findings
    assert "all rows of a list in tasks are counted" in phrase(found.summary)
    whole = replace(evidence, statements=(replace(count, query="SELECT count(*) FROM tasks"), page))
    (found,) = judge(whole).findings
    assert "all rows of tasks are counted" in phrase(found.summary)
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
