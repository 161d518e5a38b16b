"""
Points: the figures of a service over time, as a chart shows them. Pure.

A point is what all workers measured in one stretch of time. Percentiles are those of the merged
histograms, never averaged; a stretch that nobody measured has no point.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Self

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.model.kpi import (
    CPU_RATIO,
    ERROR_RATIO,
    LATENCY_P95,
    LATENCY_P99,
    MEMORY_RATIO,
    POOL_RATIO,
)
from keiko_perf.monitoring.pools.occupancy import POOL_WAITING
from keiko_perf.monitoring.tally import IN_FLIGHT

MAX_POINTS = 1000
STRETCHES_S = (20, 240, 1800, 7200, 43_200)
"""How long points are: 360 of them are 2 h, a day, a week, a month, half a year."""
KEPT = 1_100
"""Points of a length that are kept: a chart's, and some. The longer ones are for good."""
_KEPT_FOR_GOOD_S = 7_200
BUCKETS_PER_ROW = 16
"""Of a heat map: a row holds durations up to 2^(1/4), 19 %, apart."""
GAUGES = (
    *("cpu_ratio", "memory_ratio", "pool_ratio"),
    *("concurrency_limit", "concurrency_in_use", "concurrency_waiting"),
)
"""Those of which a chart shows the mean."""
SUMMED = (LATENCY_P95, LATENCY_P99, ERROR_RATIO, CPU_RATIO, MEMORY_RATIO, POOL_RATIO)
"""What can be read of a `Sum` as of the windows that it is added up from."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """
    What all workers measured in one stretch of time; None is "nothing was measured".

    Attributes:
        at: when the stretch began, aware UTC.
        stretch_s: how long it is.
        covered_s: how much of it was measured.
        requests: how many were answered, `failed` and `refused` among them.
        failed: how many failed.
        refused: how many were refused (4xx).
        redirected: how many of those that succeeded were redirected (3xx).
        p50_s, p95_s, p99_s: of the time that successful ones took.
        lag_p99_s, lag_max_s: how late the event loops were.
        gc_max_s: the longest pause of the collector.
        pool_wait_p95_s: of the waits for a connection of the pool.
        pool_waiting_peak: the most that waited for one at once in a worker.
        tasks: how many background tasks were run, `failed_tasks` among them.
        failed_tasks: how many failed.
        cpu_ratio, memory_ratio, pool_ratio: the means.
        concurrency_limit, concurrency_in_use, concurrency_waiting: the means.
        in_flight_peak: the most requests that a worker answered at once.
        heat: how many successful requests are in which row of a heat map: row *r* ends at
            2^((r + 1) / 4) seconds.
    """

    at: datetime
    stretch_s: float
    covered_s: float
    requests: int = 0
    failed: int = 0
    refused: int = 0
    redirected: int = 0
    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    lag_p99_s: float | None = None
    lag_max_s: float | None = None
    gc_max_s: float | None = None
    pool_wait_p95_s: float | None = None
    pool_waiting_peak: float | None = None
    tasks: int = 0
    failed_tasks: int = 0
    cpu_ratio: float | None = None
    memory_ratio: float | None = None
    pool_ratio: float | None = None
    concurrency_limit: float | None = None
    concurrency_in_use: float | None = None
    concurrency_waiting: float | None = None
    in_flight_peak: float | None = None
    heat: tuple[tuple[int, int], ...] = ()

    @property
    def throughput_per_s(self) -> float | None:
        """Requests a second, while it was measured."""
        return self.requests / self.covered_s if self.covered_s > 0 else None


def stretch_for(start_at: datetime, end_at: datetime, *, max_points: int = MAX_POINTS) -> int:
    """How long the points of a chart are: as short as *max_points* allow, in seconds."""
    seconds = (end_at - start_at).total_seconds()
    fitting = (one for one in STRETCHES_S if seconds / one + 1 <= max_points)
    return next(fitting, STRETCHES_S[-1])


def reach_s(stretch_s: int) -> float:
    """How far back there are points of a length."""
    return inf if stretch_s >= _KEPT_FOR_GOOD_S else KEPT * stretch_s


def points_of(windows: Iterable[Snapshot], stretch_s: int) -> list[Point]:
    """The points of some windows, of any workers and in any order."""
    return [one.point() for one in sums_of(windows, stretch_s)]


def sums_of(windows: Iterable[Snapshot], stretch_s: int) -> list[Sum]:
    """What those are added up from, in their order."""
    sums: dict[int, Sum] = {}
    for window in windows:
        started_s = started_s_of(window, stretch_s)
        sums.setdefault(started_s, Sum(stretch_s, started_s)).add(Sum.of(window))
    return [sums[started_s] for started_s in sorted(sums)]


@dataclass(slots=True)
class Sum:
    """
    A point that is being added up.

    Attributes:
        stretch_s: how long it is.
        started_s: when it began, in seconds since 1970.
        first_us: when the first window began, in microseconds since 1970; None before any.
        redirected: how many requests were redirected (3xx).
        gauges: those of `GAUGES` that were sampled.
        in_flight_peak: the most requests that a worker answered at once.
        pool_waiting_peak: the most that waited for a connection in one worker.
        lag_max_s: how late an event loop was at most.
        gc_max_s: the longest pause of the collector.
        durations: of successful requests.
        lags: of the event loops.
        waits: for a connection of the pool.
    """

    stretch_s: int = 0
    started_s: int = 0
    first_us: int | None = None
    covered_s: float = 0.0
    longest_s: float = 0.0
    requests: int = 0
    failed: int = 0
    refused: int = 0
    redirected: int = 0
    tasks: int = 0
    failed_tasks: int = 0
    in_flight_peak: float | None = None
    pool_waiting_peak: float | None = None
    lag_max_s: float | None = None
    gc_max_s: float | None = None
    durations: Histogram = field(default_factory=Histogram)
    lags: Histogram = field(default_factory=Histogram)
    waits: Histogram = field(default_factory=Histogram)
    gauges: dict[str, Gauge] = field(default_factory=dict)

    @classmethod
    def of(cls, window: Snapshot) -> Self:
        """What one worker measured in one window, of no stretch yet."""
        whole = cls(
            first_us=(window.started_at - _EPOCH) // _MICROSECOND,
            covered_s=window.window_s,
            longest_s=window.window_s,
        )
        routes = window.of(Kind.ROUTE)
        whole.durations = Histogram.merged(series.succeeded for series in routes)
        for series in routes:
            if series.failed:
                whole.failed += series.failed.count
            if series.refused:
                whole.refused += series.refused.count
            whole.redirected += series.redirected
        whole.requests = whole.durations.count + whole.failed + whole.refused
        for series in window.of(Kind.TASK):
            whole.tasks += series.count
            whole.failed_tasks += series.errors
        for series in window.of(Kind.LOOP):
            whole.lags.merge(series.succeeded)
        whole.lag_max_s = whole.lags.max_s
        for series in window.of(Kind.POOL):
            whole.waits.merge(series.succeeded)
        for series in window.of(Kind.GC):
            whole.gc_max_s = _greater(whole.gc_max_s, series.succeeded.max_s)
        whole.gauges = {name: window.gauges[name] for name in GAUGES if name in window.gauges}
        whole.in_flight_peak = _peak(window, IN_FLIGHT)
        whole.pool_waiting_peak = _peak(window, POOL_WAITING)
        return whole

    def add(self, other: Sum) -> None:
        """Add all of *other*."""
        self._cover(other)
        self.longest_s = max(self.longest_s, other.longest_s)
        self.requests += other.requests
        self.failed += other.failed
        self.refused += other.refused
        self.redirected += other.redirected
        self.tasks += other.tasks
        self.failed_tasks += other.failed_tasks
        self.durations.merge(other.durations)
        self.lags.merge(other.lags)
        self.waits.merge(other.waits)
        for name, gauge in other.gauges.items():
            known = self.gauges.get(name)
            self.gauges[name] = gauge if known is None else known.merge(gauge)
        self.in_flight_peak = _greater(self.in_flight_peak, other.in_flight_peak)
        self.pool_waiting_peak = _greater(self.pool_waiting_peak, other.pool_waiting_peak)
        self.lag_max_s = _greater(self.lag_max_s, other.lag_max_s)
        self.gc_max_s = _greater(self.gc_max_s, other.gc_max_s)

    def _cover(self, other: Sum) -> None:
        """Windows of several workers overlap: time counts once. A gap between them does not."""
        if self.first_us is None or other.first_us is None:
            self.first_us, self.covered_s = other.first_us, other.covered_s
            return
        both = ((self.first_us, self.covered_s), (other.first_us, other.covered_s))
        (first_us, first_s), (then_us, then_s) = sorted(both)
        apart_s = (then_us - first_us) / 1e6
        is_gap = apart_s >= first_s
        self.first_us = first_us
        self.covered_s = first_s + then_s if is_gap else max(first_s, apart_s + then_s)

    def point(self) -> Point:
        """What it is by now."""
        p50_s, p95_s, p99_s = self.durations.quantiles((0.5, 0.95, 0.99))
        return Point(
            at=_EPOCH + timedelta(seconds=self.started_s),
            stretch_s=self.stretch_s,
            covered_s=self.told_s,
            requests=self.requests,
            failed=self.failed,
            refused=self.refused,
            redirected=self.redirected,
            p50_s=p50_s,
            p95_s=p95_s,
            p99_s=p99_s,
            lag_p99_s=self.lags.quantile(0.99),
            lag_max_s=self.lag_max_s,
            gc_max_s=self.gc_max_s,
            pool_wait_p95_s=self.waits.quantile(0.95),
            pool_waiting_peak=self.pool_waiting_peak,
            tasks=self.tasks,
            failed_tasks=self.failed_tasks,
            in_flight_peak=self.in_flight_peak,
            heat=tuple(self.durations.grouped(BUCKETS_PER_ROW)),
            **{name: gauge.mean for name, gauge in self.gauges.items()},
        )

    def snapshot(self) -> Snapshot:
        """
        What it is as a window of the whole service, which a target in `SUMMED` can be held against.

        How long those took that failed or were refused is not known of it: they are counted.
        """
        first_us = self.started_s * 1_000_000 if self.first_us is None else self.first_us
        return Snapshot(
            started_at=_EPOCH + first_us * _MICROSECOND,
            window_s=self.told_s,
            series=(
                Series(
                    kind=Kind.ROUTE,
                    name="",
                    window_s=self.told_s,
                    succeeded=self.durations,
                    failed=Histogram([0.0] * self.failed),
                    refused=Histogram([0.0] * self.refused),
                    redirected=self.redirected,
                ),
            ),
            gauges=self.gauges,
        )

    @property
    def told_s(self) -> float:
        """How much of its time was measured."""
        # Workers do not cut at the same moment: their last windows reach into the next point,
        # which begins with as much of its own.
        return min(self.covered_s, max(self.stretch_s, self.longest_s))


def started_s_of(window: Snapshot, stretch_s: int) -> int:
    """The stretch that a window is in: that of its middle, for it may begin a little early."""
    middle_s = (window.started_at - _EPOCH).total_seconds() + window.window_s / 2
    return int(middle_s // stretch_s) * stretch_s


def _peak(window: Snapshot, name: str) -> float | None:
    gauge = window.gauges.get(name)
    return None if gauge is None else gauge.peak


def _greater(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
