"""
Every name of the guide, imported from `keiko_perf` itself, on a real PostgreSQL or a real served
app: one test a row of the guide's tables.
"""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

import keiko_perf
from keiko_perf.demo.cluster import Cluster

TOKEN = "a-token-of-a-test"
ROWS = 60_000


# --- Monitoring ---------------------------------------------------------------------------------


def test_performance_kpis_have_the_guides_defaults() -> None:
    kpis = keiko_perf.PerformanceKPIs()
    assert {name: getattr(kpis, name) for name in kpis.__slots__} == {
        "api_response_time_p95": 200.0,
        "api_response_time_p99": 500.0,
        "requests_per_second": 1000.0,
        "tasks_per_minute": 500.0,
        "cpu_usage_max": 70.0,
        "memory_usage_max": 80.0,
        "database_connections_max": 80.0,
        "error_rate_max": 0.1,
        "task_failure_rate_max": 1.0,
    }


@pytest.fixture
def service() -> tuple[FastAPI, keiko_perf.PerformanceMonitor]:
    """An agents API as the guide's readers run it, monitored as the README says."""
    app = FastAPI()
    monitor = keiko_perf.PerformanceMonitor(window_s=0.5)
    monitor.install(app)

    @app.get("/api/v1/agents")
    async def agents(request: Request) -> list[dict[str, str]]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            raise HTTPException(401)
        await asyncio.sleep(0.002)
        return [{"id": "1", "name": "Keiko"}]

    @app.post("/api/v1/agents")
    async def create(request: Request) -> dict[str, Any]:
        return {"created": await request.json()}

    @app.get("/api/v1/broken")
    async def broken() -> None:
        raise RuntimeError("broken on purpose")

    @app.get("/api/v1/slow")
    async def slow() -> None:
        await asyncio.sleep(0.3)

    return app, monitor


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own server
        return json.loads(answer.read())


def ask_often(url: str, times: int) -> None:
    """Requests of four clients, whatever they are answered."""

    def ask() -> None:
        for _ in range(times // 4):
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                    answer.read()
            except OSError:
                continue

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()


async def test_performance_monitor_tells_health_and_alerts(
    service: tuple[FastAPI, keiko_perf.PerformanceMonitor], serve: Callable[[Any], Any]
) -> None:
    app, monitor = service
    assert isinstance(monitor.kpis, keiko_perf.PerformanceKPIs)
    assert isinstance(monitor.metrics_collector, keiko_perf.MetricsCollector)
    with serve(app) as url:
        # Nothing was seen yet: that is neither healthy nor a crash.
        health = await monitor.check_performance_health()
        assert health["api_response_time"] is None
        await asyncio.to_thread(ask_often, f"{url}/api/v1/agents", 80)
        health = await monitor.check_performance_health()
        assert {"throughput", "cpu_usage", "memory_usage"} <= set(health)
        assert len(health) == 9
        assert health["api_response_time"] is True
        assert health["error_rate"] is True
        await asyncio.to_thread(ask_often, f"{url}/api/v1/broken", 40)
        await asyncio.to_thread(ask_often, f"{url}/api/v1/slow", 40)
        health = await monitor.check_performance_health()
        alerts = {alert["metric"]: alert for alert in await monitor.get_performance_alerts()}
    assert health["error_rate"] is False
    assert health["api_response_time"] is False
    assert alerts["error_rate"]["severity"] == "critical"
    assert alerts["api_response_time"]["severity"] == "critical"
    assert "200" in alerts["api_response_time"]["message"]
    assert all(alert["severity"] in ("warning", "critical") for alert in alerts.values())


async def test_metrics_collector_gives_the_current_metrics(
    service: tuple[FastAPI, keiko_perf.PerformanceMonitor], serve: Callable[[Any], Any]
) -> None:
    app, monitor = service
    with serve(app) as url:
        before = await monitor.metrics_collector.get_current_metrics()
        assert before["api_p95"] is None
        await asyncio.to_thread(ask_often, f"{url}/api/v1/agents", 80)
        await asyncio.sleep(1.1)  # two windows, so that the process was sampled
        metrics = await monitor.metrics_collector.get_current_metrics()
    assert 2.0 <= metrics["api_p95"] <= metrics["api_p99"] < 1000.0
    assert metrics["rps"] > 0
    assert metrics["error_rate"] == 0.0
    assert 0 <= metrics["cpu_percent"] <= 100
    assert 0 < metrics["memory_percent"] <= 100
    assert {"tasks_per_minute", "task_failure_rate", "database_connections"} <= set(metrics)


def test_performance_router_serves_metrics_and_history(
    service: tuple[FastAPI, keiko_perf.PerformanceMonitor], serve: Callable[[Any], Any]
) -> None:
    app, _ = service
    with serve(app) as url:
        ask_often(f"{url}/api/v1/agents", 80)
        metrics = get(f"{url}/performance/metrics")
        history = get(f"{url}/performance/history?hours=24")
        with pytest.raises(urllib.error.HTTPError, match="422"):
            get(f"{url}/performance/history?hours=0")
    assert metrics["api_p95"] > 0
    lengths = {
        len(history[name])
        for name in ("timestamps", "response_times", "throughput", "cpu_usage", "memory_usage")
    }
    assert len(lengths) == 1


def test_performance_router_can_be_included_by_hand(serve: Callable[[Any], Any]) -> None:
    app = FastAPI()
    app.include_router(keiko_perf.performance_router)
    with serve(app) as url:
        assert get(f"{url}/performance/metrics")["api_p95"] is None


def test_the_dashboard_is_one_page_of_our_own_under_a_strict_policy(
    service: tuple[FastAPI, keiko_perf.PerformanceMonitor], serve: Callable[[Any], Any]
) -> None:
    app, _ = service
    with serve(app) as url, urllib.request.urlopen(f"{url}/performance/dashboard") as answer:  # noqa: S310
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    assert "<html" in page
    assert "unsafe" not in policy
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


# --- Diagnosis ----------------------------------------------------------------------------------


@pytest.fixture
async def db_session(postgres: Cluster) -> AsyncIterator[AsyncSession]:
    """A session on a database with one slow statement and one table that was much deleted from."""
    url = await postgres.create_database("guide")
    engine = create_async_engine(url)
    async with engine.begin() as db:
        await db.execute(
            text(
                "CREATE TABLE tasks (id bigint PRIMARY KEY, agent_id int, status text, "
                "created_at timestamptz, payload text) "
                "WITH (autovacuum_enabled = false)"  # or it may clean up before anybody looks
            )
        )
        await db.execute(
            text(
                "INSERT INTO tasks SELECT i, i % 500, (ARRAY['pending','done','done','done'])"
                "[1 + i / 500 % 4], now() - make_interval(secs => i), repeat('x', 100) "
                f"FROM generate_series(1, {ROWS}) i"
            )
        )
        await db.execute(text("DELETE FROM tasks WHERE id % 3 = 0"))
    async with engine.connect() as db:
        await db.execution_options(isolation_level="AUTOCOMMIT")
        await db.execute(text("ANALYZE tasks"))
        await db.execute(text("SELECT pg_stat_force_next_flush()"))
    async with AsyncSession(engine) as session:
        for agent in range(20):
            await session.execute(
                text(
                    "SELECT id, payload FROM tasks WHERE agent_id = :agent AND status = :status "
                    "ORDER BY created_at DESC LIMIT 20"
                ),
                {"agent": agent, "status": "pending"},
            )
        await session.rollback()
        yield session
    await engine.dispose()
    await postgres.drop_database("guide")


@pytest.mark.postgres
async def test_analyze_slow_queries(db_session: AsyncSession) -> None:
    analyzer = keiko_perf.DatabasePerformanceAnalyzer(db_session)
    assert await analyzer.analyze_slow_queries(min_duration_ms=60_000) == []
    slow = await analyzer.analyze_slow_queries(min_duration_ms=0.5)
    found = next(one for one in slow if "ORDER BY created_at DESC" in one["query"])
    assert found["calls"] == 20
    assert found["mean_exec_time_ms"] * 20 == pytest.approx(found["total_exec_time_ms"], rel=0.01)
    assert found["avg_rows"] == pytest.approx(20)
    assert 0 <= found["cache_hit_percent"] <= 100
    assert len(slow) <= 20
    assert all(len(one["query"]) <= 201 for one in slow)
    means = [one["mean_exec_time_ms"] for one in slow]
    assert means == sorted(means, reverse=True)


@pytest.mark.postgres
async def test_analyze_missing_indexes(db_session: AsyncSession) -> None:
    missing = await keiko_perf.DatabasePerformanceAnalyzer(db_session).analyze_missing_indexes()
    (found,) = [one for one in missing if one["table"].endswith("tasks")]
    assert found["column"].startswith(("agent_id", "status"))
    assert found["distinct_values"] is not None
    assert "correlation" in found
    assert found["suggested_index"].startswith("CREATE INDEX")


@pytest.mark.postgres
async def test_get_table_statistics(db_session: AsyncSession) -> None:
    tables = await keiko_perf.DatabasePerformanceAnalyzer(db_session).get_table_statistics()
    (tasks,) = [one for one in tables if one["table"].endswith("tasks")]
    assert set(tasks) >= {
        "table", "inserts", "updates", "deletes", "live_tuples", "dead_tuples",
        "dead_tuple_ratio", "last_vacuum", "last_analyze", "needs_vacuum",
    }  # fmt: skip
    assert (tasks["inserts"], tasks["deletes"]) == (ROWS, ROWS // 3)
    assert tasks["dead_tuples"] > 0
    assert tasks["needs_vacuum"] is True
    assert tasks["last_analyze"] is not None


@pytest.mark.postgres
async def test_analyze_query_plan(db_session: AsyncSession) -> None:
    optimizer = keiko_perf.QueryOptimizer(db_session)
    sick = await optimizer.analyze_query_plan(
        "SELECT id, payload FROM tasks WHERE agent_id = 7 AND status = 'pending'"
    )
    assert sick["total_cost"] > 0
    assert sick["execution_time"] > 0
    assert sick["planning_time"] > 0
    assert any("tasks" in advice for advice in sick["recommendations"])
    healthy = await optimizer.analyze_query_plan("SELECT payload FROM tasks WHERE id = 7")
    assert not [*healthy["findings"]]


@pytest.mark.postgres
async def test_analyze_query_plan_never_executes_what_can_write(db_session: AsyncSession) -> None:
    plan = await keiko_perf.QueryOptimizer(db_session).analyze_query_plan("DELETE FROM tasks")
    assert plan["execution_time"] is None
    assert plan["total_cost"] > 0
    left = await db_session.scalar(text("SELECT count(*) FROM tasks"))
    assert left == ROWS - ROWS // 3


@pytest.mark.postgres
async def test_suggest_index_optimizations(db_session: AsyncSession) -> None:
    suggested = await keiko_perf.QueryOptimizer(db_session).suggest_index_optimizations("tasks")
    assert suggested
    assert all(one.startswith("CREATE INDEX") for one in suggested)
    assert "agent_id" in suggested[0]
    assert not any("payload" in one for one in suggested)  # nobody filters by it


# --- Optimization -------------------------------------------------------------------------------


async def test_batch_process_with_concurrency() -> None:
    optimizer = keiko_perf.AsyncPerformanceOptimizer(max_concurrent=100)
    running = peak = 0

    async def processor(item: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0)
        running -= 1
        if item == 13:
            raise LookupError("thirteen")
        return item * 2

    results = await optimizer.batch_process_with_concurrency(range(12), processor, batch_size=5)
    assert results == [item * 2 for item in range(12)]
    assert peak <= 5
    with pytest.raises(ExceptionGroup) as caught:
        await optimizer.batch_process_with_concurrency(range(20), processor, batch_size=5)
    assert isinstance(caught.value.exceptions[0], LookupError)


async def test_optimize_database_operations() -> None:
    class Operation:
        def __init__(self, name: str, *, is_read: bool) -> None:
            self.name = name
            self.is_read = is_read

        async def __call__(self) -> str:
            order.append(self.name)
            await asyncio.sleep(0)
            return self.name

    order: list[str] = []
    operations = [
        Operation("write 1", is_read=False),
        Operation("read 1", is_read=True),
        Operation("write 2", is_read=False),
        Operation("read 2", is_read=True),
    ]
    optimizer = keiko_perf.AsyncPerformanceOptimizer()
    results = await optimizer.optimize_database_operations(operations)
    assert results == ["write 1", "read 1", "write 2", "read 2"]
    assert order.index("write 1") < order.index("write 2")


async def test_memory_optimizer_and_decorator() -> None:
    memory = keiko_perf.MemoryOptimizer()
    for kept in ("a string", {"a": "dict"}, ("a", "tuple")):
        memory.cache_object("agents", str(type(kept)), kept)
    assert memory.get_cached_object("agents", str(dict)) == {"a": "dict"}
    assert memory.get_cached_object("agents", str(str)) == "a string"
    usage = memory.check_memory_usage()
    assert usage["rss_mb"] > 1
    assert usage["vms_mb"] >= usage["rss_mb"]
    assert 0 < usage["percent"] <= 100
    assert await memory.optimize_memory_if_needed() is False
    memory.clear_caches()
    assert memory.get_cached_object("agents", str(dict)) is None

    @keiko_perf.memory_optimized
    async def answer(number: int) -> int:
        return number

    assert await answer(42) == 42


# --- Load tests ---------------------------------------------------------------------------------


async def test_load_tester(
    service: tuple[FastAPI, keiko_perf.PerformanceMonitor], serve: Callable[[Any], Any]
) -> None:
    app, _ = service
    with serve(app) as url:
        tester = keiko_perf.LoadTester(url, TOKEN)
        result = await tester.run_load_test(
            "/api/v1/agents", concurrent_users=5, duration_seconds=2
        )
        assert isinstance(result, keiko_perf.LoadTestResult)
        assert result.failed_requests == 0
        assert result.total_requests == result.successful_requests > 50
        assert 2.0 <= result.avg_response_time <= result.p99_response_time
        assert result.p95_response_time <= result.p99_response_time
        assert result.requests_per_second == pytest.approx(result.total_requests / 2, rel=0.25)
        assert result.error_rate == 0.0
        refused = await keiko_perf.LoadTester(url, "another").run_load_test(
            "/api/v1/agents", concurrent_users=2, duration_seconds=1
        )
        assert refused.error_rate == 100.0
        posted = await tester.run_load_test(
            "/api/v1/agents", concurrent_users=2, duration_seconds=1, request_data={"name": "Rei"}
        )
        assert posted.failed_requests == 0
    assert TOKEN not in repr(tester)


# --- All of them --------------------------------------------------------------------------------


def test_every_public_name_can_be_imported() -> None:
    for name in keiko_perf.__all__:
        assert getattr(keiko_perf, name) is not None
