"""
Timeline: windows as the points of all charts, which share one axis of time.

Each point merges what was measured in its stretch, percentiles exactly. A window that is longer
than the distance of the points stands at each point that it covers, as what it is: a mean. Where
nothing was measured there is no value: a gap is a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil, floor

from keiko_perf.model import Histogram, Snapshot
from keiko_perf.monitoring.dashboard.view import Subject
from keiko_perf.monitoring.storage.points import BUCKETS_PER_ROW, Sum
from keiko_perf.monitoring.storage.points import Point as Figures

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
        else:
            one.stretch_s = round(step_s)
            wholes[number] = one
    found = {number: whole.point() for number, whole in wholes.items()}
    return [
        _of_service(number, found[number]) if number in found else _gap(number)
        for number in numbers
    ]


def points_of_figures(figures: Iterable[Figures], numbers: range) -> list[Point]:
    """The points *numbers* of the whole service, from those of the same length of a store."""
    found = {round(one.at.timestamp() // one.stretch_s): one for one in figures}
    return [
        _of_service(number, found[number]) if number in found else _gap(number)
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
        return _of_service(number, replace(whole.point(), covered_s=covered_s))
    series = [
        one for window in windows for one in window.of(subject.kind) if subject.is_of(one.name)
    ]
    durations = Histogram.merged(one.succeeded for one in series)
    answers = _answers(
        durations.count,
        sum(one.redirected for one in series),
        sum(one.refused.count for one in series),
        sum(one.errors for one in series),
        covered_s,
    )
    values = (*durations.quantiles((0.5, 0.95, 0.99)), *answers)
    return _made(number, values, tuple(durations.grouped(BUCKETS_PER_ROW)))


def _of_service(number: int, figures: Figures) -> Point:
    succeeded = figures.requests - figures.refused - figures.failed
    counts = (succeeded, figures.redirected, figures.refused, figures.failed)
    values = (
        *(figures.p50_s, figures.p95_s, figures.p99_s, *_answers(*counts, figures.covered_s)),
        *(figures.cpu_ratio, figures.memory_ratio, figures.lag_max_s, figures.gc_max_s),
        *(figures.pool_ratio, figures.pool_waiting_peak, figures.pool_wait_p95_s),
        *(figures.concurrency_limit, figures.concurrency_in_use, figures.concurrency_waiting),
        *_tasks(figures),
    )
    return _made(number, values, figures.heat)


def _made(number: int, values: Iterable[float | None], heat: tuple[tuple[int, int], ...]) -> Point:
    return Point(number, tuple(map(_rounded, values)), heat)


def _gap(number: int, subject: Subject | None = None) -> Point:
    return Point(number, (None,) * len(columns(subject)))


def _answers(
    succeeded: int, redirected: int, refused: int, failed: int, covered_s: float
) -> Iterator[float | None]:
    for count in (succeeded - redirected, redirected, refused, failed):
        yield count / covered_s if covered_s else None
    everything = succeeded + refused + failed
    yield failed / everything if everything else None


def _tasks(figures: Figures) -> Iterator[float | None]:
    for count in (figures.tasks - figures.failed_tasks, figures.failed_tasks):
        yield count / figures.covered_s * 60 if figures.tasks and figures.covered_s else None


def _covered_s(windows: list[Snapshot]) -> float:
    """For how long at least one worker measured."""
    bare = (Snapshot(started_at=one.started_at, window_s=one.window_s) for one in windows)
    merged = Snapshot.merged(bare)
    return merged.window_s if merged else 0.0


def _rounded(value: float | None) -> float | None:
    """What a chart can show, in fewer bytes."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")
