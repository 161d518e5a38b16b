"""
History: the stored windows as the points of a chart, at most a thousand of them.

Points stand at equal distances; the windows in between are merged, percentiles exactly. Where
nothing was measured there is a point without a value: a gap is a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from keiko_perf.errors import UsageError
from keiko_perf.model import Gauge, Histogram, Kind, Snapshot

MAX_POINTS = 1000
MAX_HOURS = 8784.0
"""A leap year."""


@dataclass(frozen=True, slots=True)
class Point:
    """
    What was measured in one stretch of time; None is "nothing".

    Attributes:
        at: when the stretch began, aware UTC.
        requests: how many were finished.
        p95_s: of the time that successful ones took, in seconds.
        throughput_per_s: how many requests a second, while it was measured.
        cpu_ratio: the mean.
        memory_ratio: the mean.
    """

    at: datetime
    requests: int = 0
    p95_s: float | None = None
    throughput_per_s: float | None = None
    cpu_ratio: float | None = None
    memory_ratio: float | None = None


def hours_of(text: str | None) -> float:
    """
    The parameter `hours`; a day if it is not given.

    Raises:
        UsageError: it is no number over 0 and up to a year.
    """
    try:
        hours = 24.0 if text is None else float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MAX_HOURS:
        raise UsageError(
            f"hours is a number over 0 and at most {MAX_HOURS:g}, not {(text or '')[:40]!r}",
            cure="Ask for a day as in history?hours=24",
        )
    return hours


def points(
    windows: Iterable[Snapshot],
    start_at: datetime,
    end_at: datetime,
    *,
    window_s: float,
    max_points: int = MAX_POINTS,
) -> list[Point]:
    """
    The points from the first of *windows* to *end_at*.

    Args:
        windows: those that began in the range, of any workers, in any order.
        start_at: where the range begins, aware UTC.
        end_at: where it ends.
        window_s: how long a window is; points stand no closer.
        max_points: how many there are at most.
    """
    windows = tuple(windows)
    if not windows:
        return []
    step_s = distance_s(start_at, end_at, window_s=window_s, max_points=max_points)
    # Windows begin in the middle of a stretch: one that is cut a little late is still in its own.
    origin_s = min(one.started_at for one in windows).timestamp() - step_s / 2
    stretches: defaultdict[int, list[_Part]] = defaultdict(list)
    for window in windows:
        first = int((window.started_at.timestamp() - origin_s) // step_s)
        # Older windows are rolled up, and may be longer than the distance of the points.
        spread = max(1, round(window.window_s / step_s))
        for number in range(first, first + spread):
            stretches[number].append((window, spread))
    # A window that is still going on is no gap yet, hence the two.
    last = max(*stretches, int((end_at.timestamp() - origin_s) // step_s) - 2)
    first = max(0, last - max_points + 1)
    return [
        _point(
            datetime.fromtimestamp(origin_s + (number + 0.5) * step_s, UTC),
            stretches.get(number, []),
        )
        for number in range(first, last + 1)
    ]


def distance_s(
    start_at: datetime, end_at: datetime, *, window_s: float, max_points: int = MAX_POINTS
) -> float:
    """How far the points of a range stand apart: a whole number of windows."""
    # One more than fits: the range may begin and end amid a stretch.
    needed_s = (end_at - start_at).total_seconds() / (max_points - 1)
    return window_s * max(1, ceil(needed_s / window_s))


_Part = tuple[Snapshot, int]
"""A window, and over how many points it is spread."""


def _point(at: datetime, parts: list[_Part]) -> Point:
    if not parts:
        return Point(at)
    windows = [window for window, _ in parts]
    series = [one for window in windows for one in window.of(Kind.ROUTE)]
    requests = sum(one.count for one in series)
    covered = Snapshot.merged(
        Snapshot(started_at=one.started_at, window_s=one.window_s) for one in windows
    )
    assert covered is not None
    return Point(
        at,
        round(sum(window.whole(Kind.ROUTE).count / spread for window, spread in parts)),
        Histogram.merged(one.succeeded for one in series).quantile(0.95),
        requests / covered.window_s if covered.window_s else None,
        mean_of(windows, "cpu_ratio"),
        mean_of(windows, "memory_ratio"),
    )


def mean_of(windows: list[Snapshot], name: str) -> float | None:
    """The mean of a gauge over all of the windows; None if none has it."""
    gauges = [one.gauges[name] for one in windows if name in one.gauges]
    if not gauges:
        return None
    whole = gauges[0]
    for gauge in gauges[1:]:
        whole = Gauge.merge(whole, gauge)
    return whole.mean
