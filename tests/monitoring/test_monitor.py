"""The monitor judges, alerts and keeps, whatever fails; and it leaves no task behind."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest
from tests.monitoring.watching import (
    GUIDE_CHECKS,
    BrokenStore,
    Time,
    serve_requests,
    until,
    watched,
    windows_of,
)

from keiko_perf.model import Kind, Outcome, Reading, Snapshot, Target
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import (
    MemoryStore,
    Patience,
    PerformanceKPIs,
    PerformanceMonitor,
    SqliteStore,
)
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.render import phrase


async def test_before_anything_was_measured_nothing_is_healthy_or_ill():
    health = await PerformanceMonitor().check_performance_health()
    assert set(health) == GUIDE_CHECKS
    assert health["api_response_time"] is None
    assert health["error_rate"] is None
    assert health["database_connections"] is None
    assert await PerformanceMonitor().get_performance_alerts() == [] or health["memory_usage"]


async def test_health_and_alerts_without_a_ticker_judge_what_was_recorded_so_far():
    time = Time()
    monitor = watched(time)
    serve_requests(monitor, time, count=400, duration_s=0.412, failed=8)
    health = await monitor.check_performance_health()
    assert health["api_response_time"] is False
    assert health["api_response_time_p99"] is True
    assert health["error_rate"] is False
    assert health["throughput"] is True  # all that was asked for was served
    assert health["tasks_per_minute"] is None
    alerts = {one["metric"]: one for one in await monitor.get_performance_alerts()}
    assert alerts["api_response_time"] == {
        "metric": "api_response_time",
        "severity": "critical",
        "message": "response time p95 is 412 ms, limit 200 ms",
    }
    assert alerts["error_rate"]["message"] == "error rate is 2 %, limit 0.1 %"


async def test_cpu_and_memory_are_warnings():
    time = Time()
    monitor = watched(time, kpis=PerformanceKPIs(memory_usage_max=0.0, cpu_usage_max=0.0))
    monitor.recorder.gauge("cpu_ratio", 0.5)
    time.s += 10
    alerts = {one["metric"]: one["severity"] for one in await monitor.get_performance_alerts()}
    assert alerts == {"cpu_usage": "warning", "memory_usage": "warning"}


async def test_a_target_of_ones_own_is_judged_beside_the_nine():
    time = Time()
    mine = Target(kpi=LATENCY_P95, at_most=0.01, subject="GET /agents")
    monitor = watched(time, targets=[mine])
    serve_requests(monitor, time, count=100, duration_s=0.05)
    health = await monitor.check_performance_health()
    assert health["api_response_time"] is True
    assert health["api_response_time[GET /agents]"] is False
    (alert,) = await monitor.get_performance_alerts()
    assert alert["message"] == "response time p95 of GET /agents is 50 ms, limit 10 ms"


async def test_questions_in_a_row_do_not_measure_their_own_cpu():
    time = Time()
    samples = []
    monitor = watched(time, sample=lambda recorder: samples.append(time.s))
    for pause_s in (0.0, 0.01, 0.5, 0.6):
        time.s += pause_s
        await monitor.check_performance_health()
        await monitor.get_performance_alerts()
    assert samples == [1000.0, 1001.11]


async def test_a_minute_ago_is_forgotten():
    time = Time()
    monitor = watched(time)
    serve_requests(monitor, time, count=100, duration_s=0.9)
    await monitor.tick()
    assert (await monitor.check_performance_health())["api_response_time"] is False
    time.s += 120
    await monitor.tick()
    time.s += 1
    serve_requests(monitor, time, count=100, duration_s=0.01)
    assert (await monitor.check_performance_health())["api_response_time"] is True


async def test_an_alert_is_told_once_it_fires_and_once_it_resolves():
    time, told = Time(), []

    async def notify(alert):
        told.append((alert.metric, alert.state.value))

    monitor = watched(
        time,
        window_s=10,
        metrics_window_s=10,
        notify=[notify],
        patience=Patience(for_s=20, good_windows=2),
        kpis=PerformanceKPIs(cpu_usage_max=100, memory_usage_max=100),
    )
    for duration_s in [0.9] * 4 + [0.01] * 3:
        serve_requests(monitor, time, count=400, duration_s=duration_s)
        await monitor.tick()
        await monitor._alerting.courier.flush()
    assert told == [
        ("api_response_time", "firing"),
        ("api_response_time_p99", "firing"),
        ("api_response_time", "resolved"),
        ("api_response_time_p99", "resolved"),
    ]
    assert monitor.statistics().ticks == 7
    assert monitor.statistics().deliveries.delivered == 4


async def test_an_alert_ends_where_nobody_asks_any_more_but_not_while_requests_hang():
    time = Time()
    monitor = watched(
        time,
        window_s=10,
        metrics_window_s=10,
        patience=Patience(for_s=0, unknown_s=60),
        kpis=PerformanceKPIs(cpu_usage_max=100, memory_usage_max=100),
    )

    async def states(windows, hanging):
        for _ in range(windows):
            if hanging:
                monitor.recorder.gauge("in_flight", hanging)
            time.s += 10
            await monitor.tick()
        return {one.metric: one.state.value for one in monitor.alerts}

    serve_requests(monitor, time, count=400, duration_s=0.9)
    await monitor.tick()
    assert (await states(20, hanging=4))["api_response_time"] == "firing"
    assert (await states(6, hanging=0))["api_response_time"] == "firing"
    assert (await states(1, hanging=0))["api_response_time"] == "resolved"
    (ended,) = (one for one in monitor.alerts if one.metric == "api_response_time")
    assert "no successful request was seen. The alert ends" in phrase(ended.message)


async def test_each_window_is_kept_once():
    time = Time()
    monitor = watched(time)
    for count in (5, 7, 11):
        serve_requests(monitor, time, count=count, duration_s=0.01)
        await monitor.tick()
    kept = [one.whole(Kind.ROUTE).count for one in await windows_of(monitor)]
    assert kept == [5, 7, 11]


async def test_a_full_disk_is_said_once_and_nothing_is_lost(caplog):
    time, store = Time(), BrokenStore()
    monitor = watched(time, store=store)
    for is_full in (False, True, True, True):
        store.is_full = is_full
        serve_requests(monitor, time, count=100, duration_s=0.4)
        await monitor.tick()
    assert (await monitor.check_performance_health())["api_response_time"] is False
    assert monitor.statistics().store.held_back == 3
    assert len([one for one in caplog.records if "disk is full" in one.getMessage()]) == 1
    store.is_full = False
    serve_requests(monitor, time, count=100, duration_s=0.4)
    await monitor.tick()
    assert monitor.statistics().store.held_back == 0
    start = datetime(2000, 1, 1, tzinfo=UTC)
    stored = store.between(start, start + timedelta(days=36500))
    assert sum(one.whole(Kind.ROUTE).count for one in stored) == 500
    assert "works again" in caplog.text


def test_what_is_held_back_is_bounded_and_counted():
    time, store = Time(), BrokenStore()
    store.is_full = True
    steady = SteadyStore(store, max_held_back=3)
    for _ in range(5):
        time.s += 10
        steady.append(Snapshot(started_at=time.now(), window_s=10.0))
    assert (steady.statistics().held_back, steady.statistics().lost) == (3, 2)
    assert not steady.statistics().is_working


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
async def test_a_target_that_cannot_be_computed_is_unknown_and_the_others_are_judged(value, caplog):
    def broken(snapshot, subject):
        if value is None:
            raise ZeroDivisionError
        return Reading(value, 100)

    kpi = LATENCY_P95.__class__("mine", LATENCY_P95.label, "duration", broken)
    time = Time()
    monitor = watched(time, targets=[Target(kpi=kpi, at_most=1.0)], patience=Patience(for_s=0))
    for _ in range(3):
        serve_requests(monitor, time, count=400, duration_s=0.4)
        await monitor.tick()
    verdicts = await monitor.verdicts()
    assert verdicts["mine"].outcome is Outcome.UNKNOWN
    assert phrase(verdicts["mine"].reason) == "it cannot be computed"
    assert [alert.metric for alert in monitor.alerts] == ["api_response_time"]
    said = [one for one in caplog.records if "cannot be computed" in one.message]
    assert len(said) == (1 if value is None else 0)


async def test_a_store_of_somebody_elses_may_raise_what_it_likes(caplog):
    class Strange(MemoryStore):
        def append(self, snapshot):
            raise KeyError("append")

        def between(self, start_at, end_at):
            raise KeyError("between")

        def close(self):
            raise KeyError("close")

    time = Time()
    monitor = watched(time, store=Strange())
    serve_requests(monitor, time, count=400, duration_s=0.4)
    await monitor.tick()
    assert (await monitor.check_performance_health())["api_response_time"] is False
    monitor.store.close()
    assert monitor.store.statistics().held_back == 1
    assert [one.message.partition(":")[0] for one in caplog.records] == [
        "the store raised KeyError('append'). Windows are held back until the store works again.",
        "windows that the store has not taken",
    ]


async def test_the_process_is_sampled_beside_the_event_loop_and_probes_are_asked_on_it():
    where = {}
    monitor = PerformanceMonitor(sample=lambda _: where.update(sample=threading.get_ident()))
    monitor.recorder.add_probe(lambda: where.update(probe=threading.get_ident()) or {})
    await monitor.tick()
    assert where["probe"] == threading.get_ident()
    assert where["sample"] != threading.get_ident()


async def test_a_sampler_that_raises_stops_nothing_and_is_said_once(caplog):
    def broken(recorder):
        raise ValueError("a kernel's file that is like no other")

    monitor = PerformanceMonitor(sample=broken, window_s=0.01, metrics_window_s=1.0)
    assert (await monitor.check_performance_health())["cpu_usage"] is None
    monitor.start()
    await until(lambda: monitor.statistics().ticks >= 3)
    await monitor.stop()
    assert monitor.statistics().failed_ticks == 0
    assert len([one for one in caplog.records if "cannot be sampled" in one.message]) == 1


async def test_it_ticks_by_itself_and_leaves_no_task_behind():
    before = asyncio.all_tasks()
    monitor = PerformanceMonitor(window_s=0.02, metrics_window_s=1.0)
    monitor.start()
    monitor.start()
    await until(lambda: monitor.statistics().ticks >= 3)
    assert (await monitor.check_performance_health())["cpu_usage"] is not None
    await monitor.stop()
    await monitor.stop()
    assert asyncio.all_tasks() == before


async def test_the_last_window_is_kept_when_it_stops():
    monitor = PerformanceMonitor(window_s=60)
    monitor.start()
    await asyncio.sleep(0)
    monitor.recorder.record(Kind.ROUTE, "GET /", 0.01)
    await monitor.stop()
    assert sum(one.whole(Kind.ROUTE).count for one in await windows_of(monitor)) == 1


def test_the_last_window_is_kept_when_its_loop_ends_without_a_word(tmp_path):
    monitor = PerformanceMonitor(window_s=60, store=tmp_path / "perf.sqlite")

    async def serve():
        monitor.start()
        await asyncio.sleep(0)
        monitor.recorder.record(Kind.ROUTE, "GET /", 0.01)

    asyncio.run(serve())
    again = SqliteStore(tmp_path / "perf.sqlite")
    start = datetime(2000, 1, 1, tzinfo=UTC)
    kept = again.between(start, start + timedelta(days=36500))
    again.close()
    assert sum(one.whole(Kind.ROUTE).count for one in kept) == 1


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_at_any_moment_it_keeps_each_window_once(turns):
    before = asyncio.all_tasks()
    monitor = PerformanceMonitor(window_s=0.001, metrics_window_s=1.0)
    monitor.start()
    for _ in range(20):
        monitor.recorder.record(Kind.ROUTE, "GET /", 0.01)
        await asyncio.sleep(0.0005)
    for _ in range(turns):
        await asyncio.sleep(0)
    await monitor.stop()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert sum(one.whole(Kind.ROUTE).count for one in await windows_of(monitor)) == 20
    assert asyncio.all_tasks() == before


def test_it_starts_anew_in_another_loop():
    monitor = PerformanceMonitor(window_s=60)

    async def serve():
        monitor.start()
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(serve()) == asyncio.run(serve()) > 1


def test_it_ticks_in_each_loop_that_it_is_started_in():
    monitor = PerformanceMonitor(window_s=0.01, metrics_window_s=1.0)

    async def serve():
        before = monitor.statistics().ticks
        monitor.start()
        await until(lambda: monitor.statistics().ticks >= before + 3)
        await monitor.stop()

    asyncio.run(serve())
    asyncio.run(serve())


async def test_a_watched_task_counts():
    time = Time()
    monitor = watched(time)

    @monitor.task
    async def reindex():
        time.s += 0.5

    for _ in range(3):
        await reindex()
    assert monitor.recorder.peek().find(Kind.TASK, "reindex").count == 3


def test_the_level_of_the_log_is_left_to_the_application():
    PerformanceMonitor()
    assert logging.getLogger("keiko_perf").level == logging.NOTSET
