"""
Timeline: windows as the points of all charts, which share one axis of time.

Each point merges what was measured in its stretch, percentiles exactly. A window that is longer
than the distance of the points stands at each point that it covers, as what it is: a mean. Where
nothing was measured there is no value: a gap is a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, floor

from keiko_perf.model import Histogram, Snapshot
from keiko_perf.model.histogram import SCALE
from keiko_perf.monitoring.dashboard.view import Subject
from keiko_perf.monitoring.points import GAUGES, Sum

ROWS_PER_OCTAVE = 4
"""Of the heat map: a row holds durations up to 2^(1/4), 19 %, apart."""
_BUCKETS_PER_ROW = 2**SCALE // ROWS_PER_OCTAVE

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


def points_of_sums(sums: Iterable[Sum], numbers: range, *, step_s: float) -> list[Point]:
    """
    The points *numbers* of the whole service, from what a store has added up already.

    Args:
        sums: of one length, of which *step_s* is a multiple, in any order. They are used up.
        numbers: which points.
        step_s: how far they stand apart.
    """
    wholes: dict[int, Sum] = {}
    for one in sums:
        number = int(one.started_s // step_s)
        if number in wholes:
            wholes[number].add(one)
        elif number in numbers:
            one.stretch_s = round(step_s)
            wholes[number] = one
    return [
        _of_service(number, wholes[number], wholes[number].told_s)
        if number in wholes
        else _gap(number)
        for number in numbers
    ]


def _covered(window: Snapshot, step_s: float) -> Iterable[int]:
    """The points whose middle lies in *window*; of a short one, that of its own middle."""
    start = window.started_at.timestamp() / step_s
    # A window is cut a little late now and then: that must not look like a gap.
    length = window.window_s / step_s * 1.05
    first, last = ceil(start - 0.5), ceil(start + length - 0.5) - 1
    return range(first, last + 1) if last >= first else (floor(start + length / 2),)


def _point(number: int, windows: list[Snapshot], subject: Subject | None) -> Point:
    if not windows:
        return _gap(number, subject)
    covered_s = _covered_s(windows)
    if subject is None:
        whole = Sum()
        for window in windows:
            whole.add(Sum.of(window))
        return _of_service(number, whole, covered_s)
    series = [
        one for window in windows for one in window.of(subject.kind) if subject.is_of(one.name)
    ]
    durations = Histogram.merged(one.succeeded for one in series)
    redirected = sum(one.redirected for one in series)
    refused = sum(one.refused.count for one in series)
    failed = sum(one.errors for one in series)
    return _made(number, durations, _answers(durations, redirected, refused, failed, covered_s))


def _of_service(number: int, whole: Sum, covered_s: float) -> Point:
    answered = (whole.redirected, whole.refused, whole.failed)
    return _made(
        number,
        whole.durations,
        [*_answers(whole.durations, *answered, covered_s), *_of_process(whole, covered_s)],
    )


def _made(number: int, durations: Histogram, values: Iterable[float | None]) -> Point:
    return Point(
        number, tuple(map(_rounded, values)), tuple(durations.grouped(_BUCKETS_PER_ROW))
    )


def _gap(number: int, subject: Subject | None = None) -> Point:
    return Point(number, (None,) * len(columns(subject)))


def _answers(
    durations: Histogram, redirected: int, refused: int, failed: int, covered_s: float
) -> Iterator[float | None]:
    yield from durations.quantiles((0.5, 0.95, 0.99))
    succeeded = durations.count
    for count in (succeeded - redirected, redirected, refused, failed):
        yield count / covered_s if covered_s else None
    everything = succeeded + refused + failed
    yield failed / everything if everything else None


def _of_process(whole: Sum, covered_s: float) -> Iterator[float | None]:
    cpu_ratio, memory_ratio, pool_ratio, *concurrency = map(whole.mean, GAUGES)
    yield from (cpu_ratio, memory_ratio, whole.lags.max_s, whole.gc_max_s)
    yield from (pool_ratio, whole.pool_waiting_peak, whole.waits.quantile(0.95), *concurrency)
    is_told = whole.tasks and covered_s
    for count in (whole.tasks - whole.failed_tasks, whole.failed_tasks):
        yield count / covered_s * 60 if is_told else None


def _covered_s(windows: list[Snapshot]) -> float:
    """For how long at least one worker measured."""
    bare = (Snapshot(started_at=one.started_at, window_s=one.window_s) for one in windows)
    merged = Snapshot.merged(bare)
    return merged.window_s if merged else 0.0


def _rounded(value: float | None) -> float | None:
    """What a chart can show, in fewer bytes."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")
