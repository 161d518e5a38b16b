"""
History: a service over time as the guide's arrays have it, at most a thousand points.

It is read from the points that the store keeps (`charts`), so that a day or a month costs what an
hour does. Points stand at equal distances; where nothing was measured there is a point without a
value: a gap is a gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from keiko_perf.errors import UsageError
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.dashboard.timelines import newest
from keiko_perf.monitoring.storage.points import MAX_POINTS, STRETCHES_S, Point, stretch_for
from keiko_perf.monitoring.storage.steady import SteadyStore

MAX_HOURS = 8784.0
"""A leap year."""


@dataclass(frozen=True, slots=True)
class History:
    """
    Attributes:
        step_s: how far its points stand apart.
        points: from the first that was measured on, without a hole.
    """

    step_s: int
    points: tuple[Point, ...]


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


def history(
    store: SteadyStore,
    start_at: datetime,
    end_at: datetime,
    *,
    window_s: float,
    current: Snapshot | None = None,
) -> History:
    """
    What was measured from *start_at* to *end_at*. It reads the store, and so it blocks.

    Args:
        store: where the windows are.
        start_at: where the range begins, aware UTC.
        end_at: where it ends: now.
        window_s: how long a window is; points stand no closer.
        current: the window that is not over yet.
    """
    # Points that are shorter than a window would have gaps between them.
    fitting = (end_at - start_at).total_seconds() / window_s + 1
    max_points = max(1, min(MAX_POINTS, int(fitting)))
    step_s = stretch_for(start_at, end_at, max_points=max_points)
    found = {one.at: one for one in store.points(start_at, end_at, step_s)}
    if step_s == STRETCHES_S[0]:
        # Of a longer point the window that goes on is too small a part to read all of it again.
        found |= {one.at: one for one in newest(store, end_at, window_s, current)}
    return History(step_s, _without_holes(found.values(), end_at, step_s, window_s, max_points))


def _without_holes(
    found: Iterable[Point], end_at: datetime, step_s: int, window_s: float, max_points: int
) -> tuple[Point, ...]:
    known = {round(one.at.timestamp()) // step_s: one for one in found}
    if not known:
        return ()
    # What is about to be measured is no gap yet.
    last = max(*known, int((end_at.timestamp() - 2 * window_s) // step_s) - 1)
    first = max(min(known), last - max_points + 1)
    return tuple(
        known.get(number) or _gap(datetime.fromtimestamp(number * step_s, UTC), step_s)
        for number in range(first, last + 1)
    )


def _gap(at: datetime, step_s: int) -> Point:
    return Point(at=at, stretch_s=step_s, covered_s=0.0)
