"""
Timelines: the points of a service's charts, each computed once.

A point whose stretch is over does not change any more and is kept, so that a live page costs a few
windows a beat and not its whole range. Reading and merging a day takes a while: the methods block
and belong into a thread.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor
from threading import Lock

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.dashboard.timeline import Point, points, points_of_sums
from keiko_perf.monitoring.dashboard.view import MAX_POINTS, Subject, View
from keiko_perf.monitoring.points import STRETCHES_S, Sum, reach_s, sums_of
from keiko_perf.monitoring.protocol import Monitor

_MAX_KEPT = 12
"""Kinds of timelines; each of them up to a few thousand small points."""
_FRESH_S = 3600.0
_LONGEST_WINDOW_S = 600.0
_GRACE_S = 10.0
_OTHERS_S = 60.0
"""A worker that wrote within it is there still."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    Attributes:
        step_s: how far the points stand apart.
        points: in order, without a hole in their numbers.
    """

    step_s: int
    points: tuple[Point, ...]


class Timelines:
    """
    Args:
        monitor: of the service.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Subject | None, int], dict[int, Point]] = OrderedDict()

    def of(self, view: View, now: datetime, current: Snapshot | None) -> Timeline:
        """All points of *view*; *current* is the window that is not over yet."""
        step_s = view.step_s(self._monitor.window_s)
        start_at, end_at = view.bounds(now)
        return self._timeline(view, step_s, (start_at, min(end_at, now)), now, current)

    def tail(self, view: View, now: datetime, current: Snapshot | None) -> Timeline:
        """The newest points of a live view, which are those that still change."""
        step_s = view.step_s(self._monitor.window_s)
        open_s = max(2.0 * step_s, self._grace_s())
        return self._timeline(view, step_s, (now - timedelta(seconds=open_s), now), now, current)

    def _timeline(
        self,
        view: View,
        step_s: int,
        bounds: tuple[datetime, datetime],
        now: datetime,
        current: Snapshot | None,
    ) -> Timeline:
        first, last = (floor(at.timestamp() / step_s) for at in bounds)
        numbers = range(first, last + 1)
        with self._lock:
            kept = dict(self._take(view.subject, step_s))
        missing = [number for number in numbers if number not in kept]
        if missing:
            wanted = range(missing[0], missing[-1] + 1)
            added_up = None if view.subject else self._added_up(wanted, step_s, now, current)
            if added_up is not None:
                fresh = points_of_sums(added_up, wanted, step_s=step_s)
            else:
                windows = self._windows(wanted, step_s, now, current)
                fresh = points(windows, wanted, step_s=step_s, subject=view.subject)
            made = {one.number: one for one in fresh}
            kept |= made
            self._keep(view.subject, step_s, made, now)
        found = [kept[number] for number in numbers]
        # What is about to be measured is no gap yet.
        recent = (now.timestamp() - 3 * self._monitor.window_s) / step_s - 1
        while found and found[-1].is_empty and found[-1].number > recent:
            found.pop()
        return Timeline(step_s, tuple(found))

    def _added_up(
        self, wanted: range, step_s: int, now: datetime, current: Snapshot | None
    ) -> list[Sum] | None:
        """What the store has added up for these points; None if it has not."""
        start_s, end_s = wanted[0] * step_s, (wanted[-1] + 1) * step_s
        stretch_s = max((one for one in STRETCHES_S if step_s % one == 0), default=None)
        if stretch_s is None or now.timestamp() - start_s > reach_s(stretch_s):
            return None
        start_at, end_at = (datetime.fromtimestamp(at_s, UTC) for at_s in (start_s, end_s))
        found = self._monitor.store.sums(start_at, end_at, stretch_s)
        if found is None or current is None or not start_at <= current.started_at < end_at:
            return found
        others_s = _OTHERS_S + 2 * self._monitor.window_s
        recent = self._monitor.store.between(current.started_at - timedelta(seconds=others_s), now)
        return [*found, *sums_of(with_current(recent, current)[len(recent) :], stretch_s)]

    def _windows(
        self, wanted: range, step_s: int, now: datetime, current: Snapshot | None
    ) -> list[Snapshot]:
        start_s, end_s = wanted[0] * step_s, (wanted[-1] + 1) * step_s
        # One that began before may reach in; old ones are rolled up and reach farther.
        is_old = now.timestamp() - start_s > _FRESH_S
        reach_s = _LONGEST_WINDOW_S if is_old else 2 * self._monitor.window_s
        windows = self._monitor.store.between(
            datetime.fromtimestamp(start_s - reach_s, UTC), datetime.fromtimestamp(end_s, UTC)
        )
        return with_current(windows, current)

    def _take(self, subject: Subject | None, step_s: int) -> dict[int, Point]:
        kept = self._kept.setdefault((subject, step_s), {})
        self._kept.move_to_end((subject, step_s))
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return kept

    def _keep(
        self, subject: Subject | None, step_s: int, made: dict[int, Point], now: datetime
    ) -> None:
        if not self._monitor.store.statistics().is_working:
            return  # what could not be read must not look like a gap for ever
        closed_s = now.timestamp() - self._grace_s()
        with self._lock:
            kept = self._take(subject, step_s)
            kept |= {n: one for n, one in made.items() if (n + 1) * step_s <= closed_s}
            for number in sorted(kept)[: max(0, len(kept) - 4 * MAX_POINTS)]:
                del kept[number]

    def _grace_s(self) -> float:
        """How long after its end a point may still change: other workers cut their windows late."""
        return 2 * self._monitor.window_s + _GRACE_S


def with_current(windows: list[Snapshot], current: Snapshot | None) -> list[Snapshot]:
    """
    *windows* and the one that goes on, unless it would distort the picture.

    A window that has hardly begun says little, one that was cut meanwhile is there already, and
    of several workers only one's current window can be seen.
    """
    if current is None or current.window_s < 1 or not current.series + tuple(current.gauges):
        return windows
    recent_s = current.started_at - timedelta(seconds=_OTHERS_S)
    for one in windows:
        is_other = one.worker != current.worker and one.ended_at >= recent_s
        if is_other or (one.worker, one.started_at) == (current.worker, current.started_at):
            return windows
    return [*windows, current]
