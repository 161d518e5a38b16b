"""
Snapshot: everything that was measured in one window, frozen.

Snapshots of several workers, or of several windows, merge into one: histograms exactly, gauges
by their samples, counters by their sum. A window that nobody measured stays out of the rates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from keiko_perf.model.asked import Asked, Exemplar, merged_asked, merged_exemplars
from keiko_perf.model.blocking import BlockingCall, merged_calls
from keiko_perf.model.repeats import Repeats, merged_repeats
from keiko_perf.model.series import Kind, Series


@dataclass(frozen=True, slots=True)
class Gauge:
    """
    A quantity that goes up and down, sampled within a window.

    Attributes:
        total: the samples added up.
        samples: how many there were, at least one.
        peak: the largest.
    """

    total: float
    samples: int
    peak: float

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError("a gauge without a sample is no gauge: leave it out")

    @classmethod
    def of(cls, *samples: float) -> Self:
        """The gauge of some samples."""
        return cls(sum(samples), len(samples), max(samples))

    @property
    def mean(self) -> float:
        return self.total / self.samples

    def merge(self, other: Gauge) -> Gauge:
        """Both as one."""
        return Gauge(
            self.total + other.total, self.samples + other.samples, max(self.peak, other.peak)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    Attributes:
        started_at: when the window began, aware UTC.
        window_s: how long it was measured; of merged snapshots, how much of the time in all.
        series: what was measured, at most one for each kind and name.
        gauges: sampled quantities by name, such as `cpu_ratio`.
        counters: plain counts by name, such as `arrived`.
        blocking: what held the event loop, that which took the most time first.
        asked: the statements of each route, those that took the most time first.
        exemplars: slow requests of each route, the slowest first.
        repeats: what was asked again, and what a cache would have spared.
        worker: which process measured it; empty once merged over several.
    """

    started_at: datetime
    window_s: float
    series: tuple[Series, ...] = ()
    gauges: Mapping[str, Gauge] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    blocking: tuple[BlockingCall, ...] = ()
    asked: tuple[Asked, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    repeats: tuple[Repeats, ...] = ()
    worker: str = ""
    _wholes: dict[Kind, Series] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )  # each target asks for them once more

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("a snapshot's time is aware, in UTC")
        if self.window_s < 0:
            raise ValueError(f"a window lasts no negative time, {self.window_s} s")

    @property
    def ended_at(self) -> datetime:
        """When the window ended, if it had no gaps."""
        return self.started_at + timedelta(seconds=self.window_s)

    def of(self, kind: Kind) -> tuple[Series, ...]:
        """The series of one kind."""
        return tuple(series for series in self.series if series.kind is kind)

    def find(self, kind: Kind, name: str) -> Series | None:
        """One series, or None if nothing of that name was seen."""
        return next((one for one in self.of(kind) if one.name == name), None)

    def whole(self, kind: Kind) -> Series:
        """All series of one kind as one."""
        known = self._wholes.get(kind)
        if known is None:
            known = Series.merged(self.of(kind), kind=kind, name="", window_s=self.window_s)
            self._wholes[kind] = known
        return known

    @classmethod
    def merged(cls, snapshots: Iterable[Snapshot]) -> Snapshot | None:
        """
        One snapshot of all the given ones, of several workers or windows; None of none.

        Its window is the time that at least one of them measured.
        """
        snapshots = sorted(snapshots, key=lambda one: one.started_at)
        if len(snapshots) < 2:
            return snapshots[0] if snapshots else None
        window_s = _covered_s(snapshots)
        workers = {one.worker for one in snapshots}
        return cls(
            started_at=snapshots[0].started_at,
            window_s=window_s,
            series=_merged_series(snapshots, window_s),
            gauges=_merged_gauges(snapshots),
            counters=_summed_counters(snapshots),
            blocking=merged_calls(call for one in snapshots for call in one.blocking),
            asked=merged_asked(asked for one in snapshots for asked in one.asked),
            exemplars=merged_exemplars(shown for one in snapshots for shown in one.exemplars),
            repeats=merged_repeats(asked for one in snapshots for asked in one.repeats),
            worker=workers.pop() if len(workers) == 1 else "",
        )


def _covered_s(snapshots: list[Snapshot]) -> float:
    """The length of the union of the windows, which are sorted by their start."""
    covered_s = 0.0
    until = snapshots[0].started_at
    for one in snapshots:
        if one.ended_at > until:
            covered_s += (one.ended_at - max(until, one.started_at)).total_seconds()
            until = one.ended_at
    return covered_s


def _merged_series(snapshots: list[Snapshot], window_s: float) -> tuple[Series, ...]:
    groups: defaultdict[tuple[Kind, str], list[Series]] = defaultdict(list)
    for one in snapshots:
        for series in one.series:
            groups[series.kind, series.name].append(series)
    return tuple(
        Series.merged(group, kind=kind, name=name, window_s=window_s)
        for (kind, name), group in groups.items()
    )


def _merged_gauges(snapshots: list[Snapshot]) -> dict[str, Gauge]:
    gauges: dict[str, Gauge] = {}
    for one in snapshots:
        for name, gauge in one.gauges.items():
            gauges[name] = gauges[name].merge(gauge) if name in gauges else gauge
    return gauges


def _summed_counters(snapshots: list[Snapshot]) -> dict[str, int]:
    counters: defaultdict[str, int] = defaultdict(int)
    for one in snapshots:
        for name, count in one.counters.items():
            counters[name] += count
    return dict(counters)
