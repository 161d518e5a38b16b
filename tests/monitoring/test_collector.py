from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.collector import MetricsCollector
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.store import MemoryStore

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FIGURES = {
    "api_p95",
    "api_p99",
    "rps",
    "cpu_percent",
    "memory_percent",
    "error_rate",
    "refused_rate",
    "tasks_per_minute",
    "task_failure_rate",
    "database_connections",
}


class Service:
    """A recorder and a store whose window is cut when the test says so."""

    def __init__(self) -> None:
        self.clock = FakeClock(now_at=NOON)
        self.recorder = Recorder(clock=self.clock, now=self.clock.now, worker="w1")
        self.store = MemoryStore()
        self.collector = MetricsCollector(self.recorder, self.store, now=self.clock.now)

    def requests(self, count: int, duration_s: float, *, failed: bool = False) -> None:
        for _ in range(count):
            self.recorder.request("GET /", duration_s, status=500 if failed else 200)

    def cut(self) -> Snapshot:
        window = self.recorder.snapshot()
        self.store.append(window)
        return window


@pytest.fixture
def service() -> Service:
    return Service()


async def test_nothing_measured_is_none_and_never_0(service: Service) -> None:
    metrics = await service.collector.get_current_metrics()
    assert metrics == {**dict.fromkeys(FIGURES), "samples": 0, "window_s": 0.0}
    assert await service.collector.snapshot() is None


async def test_a_minute_without_a_request_has_no_figures_either(service: Service) -> None:
    service.clock.advance(30)
    metrics = await service.collector.get_current_metrics()
    assert metrics == {**dict.fromkeys(FIGURES), "samples": 0, "window_s": 30.0}


async def test_the_guides_figures_are_in_the_guides_units(service: Service) -> None:
    service.requests(380, 0.050)
    service.requests(19, 0.150)
    service.requests(1, 9.0, failed=True)
    for failed in (False, False, False, True):
        service.recorder.record(Kind.TASK, "mail", 1.0, failed=failed)
    service.recorder.gauge("cpu_ratio", 0.25)
    service.recorder.gauge("cpu_ratio", 0.75)
    service.recorder.gauge("memory_ratio", 0.40)
    service.recorder.gauge("pool_ratio", 0.60)
    service.clock.advance(20)
    metrics = await service.collector.get_current_metrics()
    assert metrics == {
        "api_p95": pytest.approx(50, rel=0.01),  # the failure is not in it, nor is its duration
        "api_p99": pytest.approx(150, rel=0.01),
        "rps": pytest.approx(20.0),
        "cpu_percent": pytest.approx(50.0),
        "memory_percent": pytest.approx(40.0),
        "error_rate": pytest.approx(0.25),
        "refused_rate": 0.0,
        "tasks_per_minute": pytest.approx(12.0),
        "task_failure_rate": pytest.approx(25.0),
        "database_connections": pytest.approx(60.0),
        "samples": 400,
        "window_s": 20.0,
    }


async def test_the_first_impression_of_a_percentile_comes_with_its_samples(
    service: Service,
) -> None:
    service.clock.advance(1)
    service.requests(10, 0.1)
    metrics = await service.collector.get_current_metrics()
    assert metrics["api_p99"] == pytest.approx(100, rel=0.01)
    assert metrics["samples"] == 10


async def test_the_last_minute_is_the_stored_windows_and_the_current_one(service: Service) -> None:
    for _ in range(12):
        service.requests(10, 0.1)
        service.clock.advance(10)
        service.cut()
    service.requests(7, 0.1)
    service.clock.advance(5)
    metrics = await service.collector.get_current_metrics()
    # Windows that began within the last 60 s: those of 70 to 120, and the 5 s since.
    assert metrics["samples"] == 5 * 10 + 7
    assert metrics["window_s"] == 55.0
    assert metrics["rps"] == pytest.approx(57 / 55)


async def test_a_window_that_is_cut_amid_the_answer_is_counted_once(service: Service) -> None:
    class CutsAtTheWorstMoment(MemoryStore):
        def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
            service.clock.advance(1)
            self.append(service.recorder.snapshot())
            return super().between(start_at, end_at)

    store = CutsAtTheWorstMoment()
    collector = MetricsCollector(service.recorder, store, now=service.clock.now)
    service.clock.advance(5)
    service.requests(10, 0.1)
    snapshot = await collector.snapshot()
    assert snapshot is not None
    assert snapshot.whole(Kind.ROUTE).count == 10
    assert snapshot.window_s == 6.0


async def test_percentiles_of_workers_are_merged_and_not_averaged(service: Service) -> None:
    quick, slow = Histogram([0.010] * 900), Histogram([1.0] * 100)
    for worker, histogram in (("w1", quick), ("w2", slow)):
        service.store.append(
            Snapshot(
                started_at=NOON,
                window_s=10.0,
                series=(Series(kind=Kind.ROUTE, name="GET /", window_s=10.0, succeeded=histogram),),
                gauges={"cpu_ratio": Gauge.of(0.5)},
                worker=worker,
            )
        )
    service.clock.advance(10)
    metrics = await service.collector.get_current_metrics()
    assert metrics["api_p95"] == pytest.approx(1000, rel=0.01)  # the average would be 505
    assert metrics["rps"] == pytest.approx(100.0)


async def test_with_several_workers_only_whole_windows_of_all_count(service: Service) -> None:
    """The current window of this worker has its time, but not the requests of the others."""
    for worker in ("w1", "w2"):
        histogram = Histogram([0.010] * 100)
        series = Series(kind=Kind.ROUTE, name="GET /", window_s=10.0, succeeded=histogram)
        service.store.append(
            Snapshot(started_at=NOON, window_s=10.0, series=(series,), worker=worker)
        )
    service.clock.advance(10)
    service.recorder.snapshot()  # that of w1, which is in the store
    service.requests(50, 0.010)
    service.clock.advance(5)
    metrics = await service.collector.get_current_metrics()
    assert metrics["rps"] == pytest.approx(20.0)
    assert metrics["samples"] == 200


async def test_windows_that_are_too_old_do_not_count(service: Service) -> None:
    service.requests(10, 0.1)
    service.clock.advance(10)
    service.cut()
    service.clock.advance(3600)
    service.recorder.snapshot()
    assert await service.collector.snapshot() is None


def test_no_time_at_all_is_refused(service: Service) -> None:
    with pytest.raises(UsageError, match="metrics_window_s"):
        MetricsCollector(service.recorder, service.store, metrics_window_s=0)


async def test_a_worker_that_has_the_name_of_one_that_died_is_counted_on_top(
    service: Service,
) -> None:
    """A process number comes again: by chance, and in each container that starts anew."""
    service.requests(10, 0.1)
    service.clock.advance(10)
    service.cut()
    service.recorder = Recorder(clock=service.clock, now=service.clock.now, worker="w1")
    service.collector = MetricsCollector(service.recorder, service.store, now=service.clock.now)
    service.requests(5, 0.2)
    service.clock.advance(10)
    assert (await service.collector.get_current_metrics())["samples"] == 15
    service.cut()
    assert (await service.collector.get_current_metrics())["samples"] == 15


@pytest.mark.parametrize(
    ("last_s", "measured_s", "reason"),
    [
        (12.0, 14.0, "all but 2 s of the window before lie within"),
        (6.0, 4.0, "only 2 s of it do"),
        (9.0, 14.0, "half of it does"),
        (25.0, 24.0, "two windows do, and only 1 s of the third"),
    ],
)
async def test_the_last_seconds_are_covered_but_for_half_a_window(
    service: Service, last_s: float, measured_s: float, reason: str
) -> None:
    for _ in range(4):
        service.clock.advance(10)
        service.cut()
    service.clock.advance(4)
    snapshot = await service.collector.snapshot(last_s)
    assert snapshot is not None
    assert snapshot.window_s == pytest.approx(measured_s), reason
