"""What is said of real plans: the sick ones by name, and of the healthy ones nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.plans.plan import read_plan
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.model import Finding, Severity
from keiko_perf.render import phrase

SETUP = """
SET max_parallel_workers_per_gather = 0;
CREATE TABLE events (
    id int PRIMARY KEY, agent int, tenant int, region int, kind text, payload text, at timestamptz
);
INSERT INTO events
    SELECT i, i % 5000, i % 50, i % 50, 'k' || i % 3, repeat('x', 60), now() - i * interval '1 s'
    FROM generate_series(1, 200000) i;
CREATE INDEX events_agent ON events (agent);
CREATE TABLE agents (id int PRIMARY KEY, name text);
INSERT INTO agents SELECT i, 'agent ' || i FROM generate_series(1, 5000) i;
VACUUM ANALYZE events; VACUUM ANALYZE agents;
CREATE TABLE visited (id int, agent int);
CREATE INDEX visited_id ON visited (id);
ALTER TABLE visited SET (autovacuum_enabled = off);
INSERT INTO visited SELECT i, i % 100 FROM generate_series(1, 100000) i;
ANALYZE visited;
CREATE TABLE tree (id int PRIMARY KEY, parent int);
INSERT INTO tree SELECT i, i / 3 FROM generate_series(1, 100000) i;
VACUUM ANALYZE tree;
CREATE FUNCTION may_see(int) RETURNS bool STABLE LANGUAGE sql AS 'SELECT $1 = 1'
    SET work_mem = '4MB';
CREATE FUNCTION numbers() RETURNS SETOF int ROWS 10 STABLE LANGUAGE sql
    AS 'SELECT * FROM generate_series(1, 50000)' SET work_mem = '4MB';
"""

SICK = [
    ("plan.selective-seq-scan", "SELECT * FROM events WHERE payload LIKE '%y%'", {}),
    ("plan.selective-seq-scan", "SELECT * FROM events WHERE tenant = 7 AND region = 8", {}),
    ("plan.sorted-for-few", "SELECT * FROM events ORDER BY at DESC LIMIT 20", {}),
    ("plan.sorted-for-few", "SELECT * FROM events WHERE tenant > 3 ORDER BY at LIMIT 20", {}),
    ("plan.random-order", "SELECT * FROM events ORDER BY random() LIMIT 5", {}),
    ("plan.filtered-index-scan",
     "SELECT * FROM events WHERE agent < 1000 AND payload = 'y'", {"enable_seqscan": "off"}),
    ("plan.sort-spill", "SELECT * FROM events ORDER BY payload, at", {"work_mem": "1MB"}),
    ("plan.hash-spill", "SELECT id, count(*) FROM events GROUP BY id + 0, id",
     {"work_mem": "64kB", "enable_sort": "off"}),
    ("plan.hash-spill", "SELECT count(*) FROM events e JOIN events f ON e.id = f.id",
     {"work_mem": "64kB", "enable_mergejoin": "off", "enable_nestloop": "off"}),
    ("plan.row-misestimate",
     # Many rows for each of the few that are expected: the join takes most of the time.
     "SELECT count(a.name) FROM events e JOIN agents a ON a.id BETWEEN e.agent AND e.agent + 50"
     " WHERE e.tenant = 7 AND e.region = 7 AND e.tenant + e.region = 14", {}),
    ("plan.nested-loop-blowup",
     "SELECT count(a.name) FROM events e JOIN agents a ON a.id = e.agent + 1"
     " WHERE e.tenant = 7 AND e.region = 7 AND e.tenant + e.region = 14",
     {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_memoize": "off"}),
    ("plan.nested-loop-blowup",
     "SELECT count(*) FROM agents a JOIN agents b ON a.id * b.id = 7919 WHERE a.id < 1000", {}),
    # One condition too few: none is about `a`.
    ("plan.nested-loop-blowup",
     "SELECT avg(e.region) FROM events e JOIN agents a ON e.agent = 20", {}),
    ("plan.heap-fetches", "SELECT count(id) FROM visited WHERE id > 5",
     {"enable_seqscan": "off", "enable_bitmapscan": "off"}),
    ("plan.lossy-bitmap",
     "SELECT count(payload) FROM events"
     " WHERE agent = ANY (ARRAY(SELECT generate_series(0, 4999, 50)))",
     {"work_mem": "64kB", "enable_seqscan": "off", "enable_indexscan": "off"}),
    ("plan.correlated-subplan",
     "SELECT id, (SELECT count(*) FROM events f WHERE f.agent = e.agent) FROM visited e"
     " WHERE id <= 3000", {}),
    ("plan.jit-overhead",
     "SELECT count(*), sum(id), avg(agent), sum(id + 1), sum(id * 2), min(agent) FROM events"
     " WHERE id < 2000 AND tenant < 40",
     {"jit": "on", "jit_above_cost": "0", "jit_optimize_above_cost": "0",
      "jit_inline_above_cost": "0"}),
]  # fmt: skip

HEALTHY = [
    ("a lookup by key", "SELECT * FROM events WHERE id = 7"),
    ("an index range", "SELECT * FROM events WHERE agent = 77"),
    ("a scan that returns all", "SELECT * FROM events"),
    ("a scan that counts all", "SELECT count(*) FROM events"),
    ("a scan that keeps most", "SELECT * FROM events WHERE tenant <> 7"),
    ("a hash join in memory", "SELECT e.id, a.name FROM events e JOIN agents a ON a.id = e.agent"),
    ("a nested loop over an index",
     "SELECT * FROM events e JOIN agents a ON a.id = e.agent WHERE e.id < 30"),
    ("a sort in memory", "SELECT * FROM agents ORDER BY name"),
    ("the first rows of a small table", "SELECT * FROM agents ORDER BY name LIMIT 1"),
    ("the first rows of an index", "SELECT * FROM events ORDER BY id LIMIT 20"),
    ("a small table", "SELECT * FROM agents WHERE name = 'agent 7' LIMIT 1"),
    ("nothing at all", "SELECT 1"),
    ("an early end", "SELECT EXISTS (SELECT FROM events WHERE tenant = 3)"),
    ("a group in memory", "SELECT tenant, count(*) FROM events GROUP BY tenant"),
]  # fmt: skip


@pytest.fixture(scope="module")
def url(new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database("plans", SETUP) as url:
        yield url


@pytest.mark.postgres
async def test_a_function_that_a_policy_asks_of_each_row_is_told_as_what_no_index_serves(
    database: Database,
) -> None:
    found = await findings(database, "SELECT count(*) FROM events WHERE may_see(tenant)", {})
    (told,) = [one for one in found if one.code == "plan.function-on-column"]
    assert phrase(told.summary) == "asks a function of tenant for 200,000 rows and keeps 4,000"
    assert "ANY (ARRAY(SELECT function()))" in phrase(told.explanation)
    assert not any("would hand out just these rows" in phrase(one.explanation) for one in found)


@pytest.mark.postgres
async def test_a_recursion_that_reads_a_table_whole_each_round_is_told(database: Database) -> None:
    sql = (
        "WITH RECURSIVE t AS (SELECT id, parent FROM tree WHERE id = 9"
        " UNION ALL SELECT c.id, c.parent FROM tree c JOIN t ON c.parent = t.id)"
        " SELECT count(*) FROM t"
    )
    found = await findings(database, sql, {})
    (told,) = [one for one in found if one.code == "plan.work-repeated"]
    assert "rounds of the recursion reads tree from end to end" in phrase(told.summary)


@pytest.mark.postgres
async def test_what_is_not_in_a_long_list_is_told_to_be_no_join(database: Database) -> None:
    few = "SELECT count(*) FROM agents WHERE id BETWEEN 1000 AND 1060"
    sql = f"{few} AND id NOT IN (SELECT agent FROM visited)"
    found = await findings(database, sql, {"work_mem": "64kB"})
    (told,) = [one for one in found if one.code == "plan.correlated-subplan"]
    assert "NOT EXISTS" in phrase(told.explanation)
    assert not any(one.code == "plan.filtered-index-scan" for one in found)


@pytest.mark.postgres
async def test_of_a_function_its_declared_rows_are_blamed_and_not_statistics(
    database: Database,
) -> None:
    sql = "SELECT count(e.kind) FROM numbers() n JOIN events e ON e.id = n"
    found = await findings(database, sql, {})
    told = [one for one in found if one.code in ("plan.row-misestimate", "plan.nested-loop-blowup")]
    assert told
    assert all("ALTER FUNCTION ... ROWS" in phrase(one.explanation) for one in told)


async def findings(
    database: Database, sql: str, settings: dict[str, str] | None = None
) -> tuple[Finding, ...]:
    quiet = {"max_parallel_workers_per_gather": "0", "jit": "off"}
    async with database.transaction(settings=quiet | (settings or {})):
        explained = await database.send(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
    return judge_plan(read_plan(explained[0]["QUERY PLAN"]))


@pytest.mark.postgres
@pytest.mark.parametrize(("code", "sql", "settings"), SICK, ids=[code for code, _, _ in SICK])
async def test_what_is_sick_is_named_with_its_share(
    database: Database, code: str, sql: str, settings: dict[str, str]
) -> None:
    found = await findings(database, sql, settings)
    (named, *_) = [one for one in found if one.code == code] or pytest.fail(f"only {found}")
    share = named.evidence["share_ratio"]
    assert isinstance(share, float)
    assert 0.1 <= share <= 1.0
    assert named.explanation is not None
    assert named.link is not None


@pytest.mark.postgres
@pytest.mark.parametrize(("why", "sql"), HEALTHY, ids=[why for why, _ in HEALTHY])
async def test_of_a_healthy_plan_nothing_is_said(database: Database, why: str, sql: str) -> None:
    assert await findings(database, sql) == ()


@pytest.mark.postgres
async def test_a_scan_that_a_limit_ends_is_not_said_to_reach_the_tables_end(
    database: Database,
) -> None:
    sql = "SELECT * FROM events WHERE payload || id ~ '777$' LIMIT 15"
    _, found = await findings(database, sql)
    assert phrase(found.summary) == "reads 14,777 rows of events one after the other to find 15"


@pytest.mark.postgres
async def test_a_join_that_compares_for_equality_is_not_said_to_have_no_such_condition(
    database: Database,
) -> None:
    off = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_memoize": "off"}
    sql = "SELECT count(*) FROM agents a JOIN agents b ON {} WHERE a.id < 1000"
    equal = await findings(database, sql.format("a.name = b.name"), off)
    other = await findings(database, sql.format("a.id * b.id = 7919"), off)
    (why,) = [phrase(one.explanation or "") for one in equal if "loop" in one.code]
    assert why.startswith("It compares for equality")
    (why,) = [phrase(one.explanation or "") for one in other if "loop" in one.code]
    assert why.startswith("The join has no condition of equality")


@pytest.mark.postgres
async def test_a_plan_that_was_not_executed_is_judged_by_its_cost(database: Database) -> None:
    explained = await explain(database, "SELECT * FROM events WHERE tenant = $1 AND region = $2")
    (found,) = judge_plan(explained.plan)
    assert found.code == "plan.selective-seq-scan"
    assert found.evidence["rows_read"] is None  # an estimate is not told as a fact
    explained = await explain(database, "SELECT * FROM events WHERE agent = $1")
    assert judge_plan(explained.plan) == ()


def scan(**details: Any) -> dict[str, Any]:
    return {
        "Node Type": "Seq Scan", "Relation Name": "t", "Filter": "(a = 1)", "Total Cost": 9999.0,
        "Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": 100.0,
        "Rows Removed by Filter": 100_000,
    } | details  # fmt: skip


@pytest.mark.parametrize(
    ("details", "execution_ms", "fires"),
    [
        ({}, 100.0, True),
        ({}, 1001.0, False),  # less than a tenth of the whole
        ({"Actual Total Time": 0.9}, 0.95, True),  # a quick machine
        ({"Rows Removed by Filter": 9_000}, 100.0, False),  # a small table, a slow machine
        ({"Actual Rows": 20_000}, 100.0, False),  # it wants a good part of the table
        ({"Actual Loops": 0}, 100.0, False),  # never executed
    ],
)
def test_a_sequential_scan_is_named_only_where_it_costs(
    details: dict[str, Any], execution_ms: float, fires: bool
) -> None:
    plan = read_plan([{"Plan": scan(**details), "Execution Time": execution_ms}])
    assert bool(judge_plan(plan)) is fires


def test_workers_that_did_not_come_are_missed() -> None:
    gather = {
        "Node Type": "Gather", "Total Cost": 9999.0, "Plan Rows": 1, "Actual Rows": 1,
        "Actual Loops": 1, "Actual Total Time": 100.0, "Workers Planned": 4, "Workers Launched": 1,
    }  # fmt: skip
    (found,) = judge_plan(read_plan([{"Plan": gather, "Execution Time": 100.0}]))
    assert found.code == "plan.workers-not-launched"
    assert found.severity is Severity.WARNING
    assert judge_plan(read_plan([{"Plan": gather | {"Workers Launched": 4}}])) == ()


def test_planning_that_takes_longer_than_the_rest_is_named() -> None:
    plan = scan(**{"Rows Removed by Filter": 0})
    (found,) = judge_plan(
        read_plan([{"Plan": plan, "Planning Time": 300.0, "Execution Time": 100.0}])
    )
    assert found.code == "plan.slow-planning"
