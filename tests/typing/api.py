"""
The public names as a user's type checker sees them: mypy reads this file, nobody runs it.

What each front door takes and answers: a change of a type that users rely on shows here.
"""

from __future__ import annotations

from typing import Any, assert_type

from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

import keiko_perf
from keiko_perf import (
    AsyncPerformanceOptimizer,
    Comparison,
    DatabasePerformanceAnalyzer,
    Finding,
    Gap,
    Histogram,
    KeikoError,
    LoadTester,
    LoadTestResult,
    MemoryOptimizer,
    MetricsCollector,
    Outcome,
    PerformanceKPIs,
    PerformanceMonitor,
    QueryOptimizer,
    Recommendation,
    Report,
    Series,
    Severity,
    Snapshot,
    Target,
    Verdict,
    memory_optimized,
    performance_router,
)
from keiko_perf.fakes import FakeClock, in_virtual_time
from keiko_perf.model import Gauge, Kind, Kpi, Status
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import (
    Alert,
    MemoryStore,
    PerfMiddleware,
    Recorder,
    SqliteStore,
    Store,
    WebhookNotifier,
)
from keiko_perf.optimization import Batch, Cache, Limiter, MemoryUsage, Outcomes
from keiko_perf.optimization import Outcome as ItemOutcome
from keiko_perf.render import phrase, render

app = FastAPI()


async def monitoring(engine: AsyncEngine) -> None:
    kpis = PerformanceKPIs(api_response_time_p95=150, error_rate_max=0.5)
    slow = Target(kpi=LATENCY_P95, at_most=0.5, subject="GET /agents", severity=Severity.WARNING)
    monitor = PerformanceMonitor(
        kpis=kpis,
        targets=[slow],
        store="keiko-perf.db",
        token="secret",
        notify=[WebhookNotifier("https://hooks.example.com/1"), told],
        clock=FakeClock(),
    )
    monitor.install(app)
    monitor.watch_engine(engine)
    assert_type(monitor.kpis, PerformanceKPIs)
    assert_type(monitor.metrics_collector, MetricsCollector)
    assert_type(await monitor.check_performance_health(), dict[str, bool | None])
    assert_type(await monitor.get_performance_alerts(), list[dict[str, str]])
    assert_type(await monitor.verdicts(), dict[str, Verdict])
    assert_type(monitor.alerts, tuple[Alert, ...])
    metrics = await monitor.metrics_collector.get_current_metrics()
    assert_type(metrics, dict[str, float | int | None])
    assert_type(performance_router, APIRouter)
    app.add_middleware(PerfMiddleware, recorder=monitor.recorder)
    stores: list[Store] = [MemoryStore(), SqliteStore("keiko-perf.db")]
    PerformanceMonitor(store=stores[0])
    recorder = Recorder()
    recorder.record(Kind.ROUTE, "GET /", 0.25, failed=True)
    assert_type(recorder.snapshot(), Snapshot)

    @monitor.task
    async def remind(agent_id: int) -> str:
        return str(agent_id)

    @monitor.task(name="mails")
    def send(address: str) -> bool:
        return bool(address)

    assert_type(await remind(1), str)
    assert_type(send("a"), bool)
    # What a decorated function takes is still checked.
    await remind("1")  # type: ignore[arg-type]  # on purpose


async def told(alert: Alert) -> None:
    assert_type(alert.severity, Severity)


async def diagnosis(session: AsyncSession, engine: AsyncEngine) -> None:
    for source in (session, engine, "postgresql://me@localhost/app"):
        analyzer = DatabasePerformanceAnalyzer(source)
        assert_type(await analyzer.analyze_slow_queries(), list[dict[str, Any]])
        await analyzer.analyze_slow_queries(min_duration_ms=0.5)
        assert_type(await analyzer.analyze_missing_indexes(), list[dict[str, Any]])
        assert_type(await analyzer.get_table_statistics(), list[dict[str, Any]])
        optimizer = QueryOptimizer(source)
        assert_type(await optimizer.analyze_query_plan("SELECT 1"), dict[str, Any])
        assert_type(await optimizer.suggest_index_optimizations("tasks"), list[str])


async def length(text: str) -> int:
    return len(text)


async def optimization() -> None:
    optimizer = AsyncPerformanceOptimizer(max_concurrent=10)
    texts = ["a", "bc"]
    assert_type(await optimizer.batch_process_with_concurrency(texts, length), list[int])
    assert_type(
        await optimizer.batch_process_with_concurrency(texts, length, return_exceptions=True),
        list[int | Exception],
    )
    # An item that the processor does not take is refused before it runs.
    await optimizer.batch_process_with_concurrency([1], length)  # type: ignore[arg-type]  # on purpose

    batch = Batch(texts, length, limit=5)
    assert_type(await batch.collect(), list[ItemOutcome[str, int]])
    async with Batch(texts, length, limit=5).as_completed() as outcomes:
        assert_type(outcomes, Outcomes[str, int])
        async for outcome in outcomes:
            assert_type(outcome, ItemOutcome[str, int])
    async with Limiter(5) as limiter:
        assert_type(limiter, Limiter)
    cache: Cache[str, int] = Cache(1_000_000, ttl_s=60)
    assert_type(cache.get("a"), int | None)
    assert_type(cache.get("a", "nothing"), int | str)
    assert_type(await cache.get_or_load("a", length), int)

    memory = MemoryOptimizer(memory_threshold_mb=500)
    assert_type(memory.cache_object("agents", 1, object()), bool)
    assert_type(memory.clear_caches(), int)
    assert_type(memory.check_memory_usage(), MemoryUsage)
    assert_type(memory.check_memory_usage()["percent"], float)
    assert_type(await memory.optimize_memory_if_needed(), bool)
    assert_type(await kept(1), str)
    assert_type(await kept_too(1), str)


@memory_optimized
async def kept(number: int) -> str:
    return str(number)


@memory_optimized(memory_threshold_mb=500)
async def kept_too(number: int) -> str:
    return str(number)


async def loadtest() -> None:
    tester = LoadTester("http://127.0.0.1:8000", "token")
    result = await tester.run_load_test(
        "/api/v1/agents", concurrent_users=5, duration_seconds=10, request_data={"name": "a"}
    )
    assert_type(result, LoadTestResult)
    assert_type(result.total_requests, int)
    assert_type(result.p95_response_time, float | None)
    assert_type(result.error_rate, float | None)


def model(snapshot: Snapshot, report: Report, comparison: Comparison, series: Series) -> None:
    histogram = Histogram([0.1, 0.2])
    histogram.record(0.3)
    assert_type(histogram.quantile(0.95), float | None)
    assert_type(series.succeeded, Histogram)
    assert_type(series.error_ratio, float | None)
    assert_type(Snapshot.merged([snapshot]), Snapshot | None)
    assert_type(snapshot.gauges["cpu_ratio"], Gauge)
    verdict = Target(kpi=LATENCY_P95, at_most=0.2).judge(snapshot)
    assert_type(verdict, Verdict)
    assert_type(verdict.outcome, Outcome)
    assert_type(verdict.target.kpi, Kpi)
    assert_type(report.status, Status)
    assert_type(report.status.exit_code, int)
    assert_type(next(report.findings), Finding)
    assert_type(next(report.recommendations), Recommendation)
    assert_type(next(report.gaps), Gap)
    assert_type(comparison.ratio, float | None)
    assert_type(render(report, "html", lang="de"), str)
    assert_type(phrase(verdict.reason), str)


def rest(error: KeikoError) -> None:
    assert_type(error.what, str)
    assert_type(error.cure, str)
    assert_type(error.exit_code, int)
    assert_type(keiko_perf.__version__, str)
    assert_type(in_virtual_time(length("a")), int)
