"""The guide's two front doors, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime

import psycopg
import pytest

from keiko_perf import DatabasePerformanceAnalyzer, QueryOptimizer
from keiko_perf.errors import StatementRefused, UsageError

SETUP = """
CREATE TABLE tasks (id int PRIMARY KEY, agent int, status text, note text)
WITH (autovacuum_enabled = off);
INSERT INTO tasks SELECT i, i % 3000, 'open', repeat('n', 50) FROM generate_series(1, 100000) i;
CREATE TABLE "Odd; DROP TABLE tasks" (x int);
CREATE VIEW open_tasks AS SELECT * FROM tasks;
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """A database that all tests here only read."""
    with new_database("doors") as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            db.execute(SETUP)
            for agent in range(20):
                db.execute("SELECT * FROM tasks WHERE agent = %s", (agent,))
            db.execute("SELECT pg_sleep(0.15)")
            db.execute(f"SELECT 1 AS {'x' * 60}, 2 AS {'y' * 60}, 3 AS {'z' * 60}, 4 AS w")
            db.execute("SELECT pg_stat_force_next_flush()")
        yield url


@pytest.mark.postgres
async def test_slow_queries_are_those_above_the_limit_by_mean_time(url: str) -> None:
    analyzer = DatabasePerformanceAnalyzer(url)
    # What fills the tables may take a second, too, where the machine is busy.
    assert all(o["mean_exec_time_ms"] > 1000 for o in await analyzer.analyze_slow_queries())
    assert not any("pg_sleep" in o["query"] for o in await analyzer.analyze_slow_queries(10_000))
    slow = [o for o in await analyzer.analyze_slow_queries(120) if "pg_sleep" in o["query"]]
    (sleep,) = slow
    assert set(sleep) == {
        "query", "mean_exec_time_ms", "calls", "total_exec_time_ms", "avg_rows",
        "cache_hit_percent",
    }  # fmt: skip
    assert sleep["mean_exec_time_ms"] == pytest.approx(sleep["total_exec_time_ms"])
    assert sleep["mean_exec_time_ms"] >= 150
    assert (sleep["calls"], sleep["avg_rows"], sleep["cache_hit_percent"]) == (1, 1.0, None)
    every = await analyzer.analyze_slow_queries(0)
    assert len(every) == 20
    means = [one["mean_exec_time_ms"] for one in every]
    assert means == sorted(means, reverse=True)


@pytest.mark.postgres
async def test_a_long_statement_is_cut_at_200_characters(url: str) -> None:
    every = await DatabasePerformanceAnalyzer(url).analyze_slow_queries(0)
    cut = [one["query"] for one in every if one["query"].endswith("…")]
    assert cut
    assert all(len(query) == 201 for query in cut)


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf")])
async def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(UsageError, match="limit"):
        await DatabasePerformanceAnalyzer("postgresql://host/db").analyze_slow_queries(limit)


@pytest.mark.postgres
async def test_table_statistics_have_the_guides_keys(url: str) -> None:
    tables = {o["table"]: o for o in await DatabasePerformanceAnalyzer(url).get_table_statistics()}
    tasks = tables["tasks"]
    assert set(tasks) == {
        "table", "inserts", "updates", "deletes", "live_tuples", "dead_tuples",
        "dead_tuple_ratio", "last_vacuum", "last_analyze", "needs_vacuum",
    }  # fmt: skip
    assert (tasks["inserts"], tasks["dead_tuple_ratio"], tasks["last_vacuum"]) == (100_000, 0, None)
    assert isinstance(tasks["last_analyze"], datetime)
    assert tasks["needs_vacuum"] is False


@pytest.mark.postgres
async def test_a_plan_is_measured_and_its_weak_point_named(url: str) -> None:
    answer = await QueryOptimizer(url).analyze_query_plan("SELECT * FROM tasks WHERE agent = 7")
    assert answer["executed"]
    assert answer["not_executed_because"] is None
    assert answer["total_cost"] > 0
    assert answer["execution_time"] == pytest.approx(answer["plan"].execution_s * 1000)
    assert answer["planning_time"] > 0
    assert [one.code for one in answer["findings"]] == ["plan.selective-seq-scan"]
    (advice,) = answer["recommendations"]
    assert "tasks" in advice


@pytest.mark.postgres
async def test_of_a_healthy_plan_it_says_that_nothing_is_to_do(url: str) -> None:
    answer = await QueryOptimizer(url).analyze_query_plan("SELECT * FROM tasks WHERE id = 7")
    assert answer["findings"] == []
    (advice,) = answer["recommendations"]
    assert "nothing to do" in advice.lower()


@pytest.mark.postgres
async def test_what_writes_is_planned_and_it_says_so(url: str) -> None:
    answer = await QueryOptimizer(url).analyze_query_plan("DELETE FROM tasks")
    assert not answer["executed"]
    assert answer["execution_time"] is None
    assert answer["not_executed_because"] == "it writes"
    left = await DatabasePerformanceAnalyzer(url).get_table_statistics()
    assert {one["table"]: one["deletes"] for one in left}["tasks"] == 0


@pytest.mark.postgres
async def test_two_statements_are_refused(url: str) -> None:
    with pytest.raises(StatementRefused, match="2 statements"):
        await QueryOptimizer(url).analyze_query_plan("SELECT 1; DROP TABLE tasks")


@pytest.mark.postgres
async def test_indexes_are_suggested_for_the_columns_that_the_workload_uses(url: str) -> None:
    (suggested,) = await QueryOptimizer(url).suggest_index_optimizations("tasks")
    assert suggested.startswith("CREATE INDEX")
    assert "(agent)" in suggested
    assert await QueryOptimizer(url).suggest_index_optimizations('"Odd; DROP TABLE tasks"') == []


@pytest.mark.postgres
@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "",
        " ",
        "tasks; DROP TABLE tasks",
        "tasks'--",
        '"',
        "a.b.c.d",
        "x\0y",
        "open_tasks",
    ],
)
async def test_a_table_that_is_none_is_refused(url: str, name: str) -> None:
    with pytest.raises(UsageError):
        await QueryOptimizer(url).suggest_index_optimizations(name)
    assert await QueryOptimizer(url).suggest_index_optimizations("tasks")
