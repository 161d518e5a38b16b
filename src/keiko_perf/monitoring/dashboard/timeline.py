"""
Timeline: windows as the points of all charts, which share one axis of time.

Each point merges what was measured in its stretch, percentiles exactly. A window that is longer
than the distance of the points stands at each point that it covers, as what it is: a mean. Where
nothing was measured there is no value: a gap is a gap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, floor, log2

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.dashboard.view import Subject
from keiko_perf.monitoring.pools import POOL_WAITING

ROWS_PER_OCTAVE = 4
"""Of the heat map: a row holds durations up to 2^(1/4), 19 %, apart."""

SUBJECT_COLUMNS = ("p50", "p95", "p99", "ok", "redirected", "refused", "failed", "errors")
PROCESS_COLUMNS = (
    *("cpu", "memory", "lag", "gc", "pool", "waiting", "wait"),
    *("concurrency_limit", "concurrency_in_use", "concurrency_waiting"),
    *("tasks", "task_failures"),
)
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """
    Attributes:
        number: which one: it begins at *number* times the distance of the points.
        values: in the order of the columns; None is "nothing was measured".
        heat: how many requests fell into which row of the heat map: row *r* ends at
            2^((r + 1) / 4) seconds.
    """

    number: int
    values: tuple[float | None, ...]
    heat: tuple[tuple[int, int], ...] = ()

    @property
    def is_empty(self) -> bool:
        return all(value is None for value in self.values)


def columns(subject: Subject | None) -> tuple[str, ...]:
    """What a point has: durations in s, rates per s (tasks per min), shares from 0 to 1."""
    return SUBJECT_COLUMNS if subject else SUBJECT_COLUMNS + PROCESS_COLUMNS


def points(
    windows: Iterable[Snapshot], numbers: range, *, step_s: float, subject: Subject | None = None
) -> list[Point]:
    """
    The points *numbers*, from the windows that were measured about that time.

    Args:
        windows: of any workers, in any order.
        numbers: which points.
        step_s: how far they stand apart.
        subject: one series; None for the whole service.
    """
    stretches: defaultdict[int, list[Snapshot]] = defaultdict(list)
    for window in windows:
        for number in _covered(window, step_s):
            if number in numbers:
                stretches[number].append(window)
    return [_point(number, stretches.get(number, []), subject) for number in numbers]


def _covered(window: Snapshot, step_s: float) -> Iterable[int]:
    """The points whose middle lies in *window*; of a short one, that of its own middle."""
    start = window.started_at.timestamp() / step_s
    # A window is cut a little late now and then: that must not look like a gap.
    length = window.window_s / step_s * 1.05
    first, last = ceil(start - 0.5), ceil(start + length - 0.5) - 1
    return range(first, last + 1) if last >= first else (floor(start + length / 2),)


def _point(number: int, windows: list[Snapshot], subject: Subject | None) -> Point:
    if not windows:
        return Point(number, (None,) * len(columns(subject)))
    covered_s = _covered_s(windows)
    kind = Kind.ROUTE if subject is None else subject.kind
    series = [
        one
        for window in windows
        for one in window.of(kind)
        if subject is None or subject.is_of(one.name)
    ]
    succeeded = Histogram.merged(one.succeeded for one in series)
    values = [*_of_subject(series, succeeded, covered_s)]
    if subject is None:
        values.extend(_of_process(windows, covered_s))
    return Point(number, tuple(map(_rounded, values)), _heat(succeeded))


def _of_subject(
    series: list[Series], succeeded: Histogram, covered_s: float
) -> Iterator[float | None]:
    yield from succeeded.quantiles((0.5, 0.95, 0.99))
    redirected = sum(one.redirected for one in series)
    refused = sum(one.refused.count for one in series)
    failed = sum(one.errors for one in series)
    for count in (succeeded.count - redirected, redirected, refused, failed):
        yield count / covered_s if covered_s else None
    everything = succeeded.count + refused + failed
    yield failed / everything if everything else None


def _of_process(windows: list[Snapshot], covered_s: float) -> Iterator[float | None]:
    yield _mean_of(windows, "cpu_ratio")
    yield _mean_of(windows, "memory_ratio")
    yield _longest(windows, Kind.LOOP)
    yield _longest(windows, Kind.GC)
    yield _mean_of(windows, "pool_ratio")
    yield _most(windows, POOL_WAITING)
    waits = [one.succeeded for window in windows for one in window.of(Kind.POOL)]
    yield Histogram.merged(waits).quantile(0.95) if waits else None
    for name in ("concurrency_limit", "concurrency_in_use", "concurrency_waiting"):
        yield _mean_of(windows, name)
    tasks = [one for window in windows for one in window.of(Kind.TASK)]
    runs, failures = sum(one.count for one in tasks), sum(one.errors for one in tasks)
    is_told = bool(tasks) and covered_s > 0
    yield (runs - failures) / covered_s * 60 if is_told else None
    yield failures / covered_s * 60 if is_told else None


def _mean_of(windows: list[Snapshot], name: str) -> float | None:
    """The mean of a gauge over all of the windows; None if none has it."""
    gauges = [one.gauges[name] for one in windows if name in one.gauges]
    if not gauges:
        return None
    whole = gauges[0]
    for gauge in gauges[1:]:
        whole = Gauge.merge(whole, gauge)
    return whole.mean


def _longest(windows: list[Snapshot], kind: Kind) -> float | None:
    longest = [one.succeeded.max_s for window in windows for one in window.of(kind)]
    return max((one for one in longest if one is not None), default=None)


def _most(windows: list[Snapshot], gauge: str) -> float | None:
    """The peak of a gauge in any of the processes."""
    return max((one.gauges[gauge].peak for one in windows if gauge in one.gauges), default=None)


def _covered_s(windows: list[Snapshot]) -> float:
    """For how long at least one worker measured."""
    bare = (Snapshot(started_at=one.started_at, window_s=one.window_s) for one in windows)
    merged = Snapshot.merged(bare)
    return merged.window_s if merged else 0.0


def _heat(durations: Histogram) -> tuple[tuple[int, int], ...]:
    rows: Counter[int] = Counter()
    for _, upper_s, count in durations.buckets():
        rows[ceil(log2(upper_s) * ROWS_PER_OCTAVE - 1e-9) - 1] += count
    return tuple(sorted(rows.items()))


def _rounded(value: float | None) -> float | None:
    """What a chart can show, in fewer bytes."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")
