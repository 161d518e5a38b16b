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
from functools import lru_cache
from math import floor
from threading import Lock

from keiko_perf.model import Kind, Snapshot
from keiko_perf.monitoring.dashboard.timeline import (
    Point,
    points,
    points_of_figures,
    points_of_sums,
)
from keiko_perf.monitoring.dashboard.view import MAX_POINTS, Subject, View
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.monitoring.storage.heaviest import are_many
from keiko_perf.monitoring.storage.pieces import snapshots
from keiko_perf.monitoring.storage.points import STRETCHES_S, points_of, reach_s, started_s_of
from keiko_perf.monitoring.storage.points import Point as Figures
from keiko_perf.monitoring.storage.steady import SteadyStore

_MAX_KEPT = 12
"""Kinds of timelines; each of them up to a few thousand small points."""
_FRESH_S = 3600.0
_LONGEST_WINDOW_S = 600.0
_GRACE_S = 10.0


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
        step_s = self._step_s(view, now)
        start_at, end_at = view.bounds(now)
        return self._timeline(view, step_s, (start_at, min(end_at, now)), now, current)

    def tail(self, view: View, now: datetime, current: Snapshot | None) -> Timeline:
        """The newest points of a live view, which are those that still change."""
        step_s = self._step_s(view, now)
        open_s = max(2.0 * step_s, self._grace_s())
        return self._timeline(view, step_s, (now - timedelta(seconds=open_s), now), now, current)

    def _step_s(self, view: View, now: datetime) -> int:
        """
        How far the points of *view* stand apart.

        Closer ones than a store has are made from the windows. Of thousands of routes that would
        take many seconds: then it is those of the store.
        """
        step_s = view.step_s(self._monitor.window_s)
        if view.subject is not None or step_s >= STRETCHES_S[0]:
            return step_s
        pieces = self._monitor.store.pieces(*view.bounds(now)) or ()
        return STRETCHES_S[0] if are_many(pieces) else step_s

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
            fresh = None
            if view.subject is None:
                fresh = self._of_points(wanted, step_s, now, current)
            if fresh is None:
                windows = self._windows(wanted, step_s, now, current, view.subject)
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

    def _of_points(
        self, wanted: range, step_s: int, now: datetime, current: Snapshot | None
    ) -> list[Point] | None:
        """These points from those of the store; None if it has none of that length."""
        store = self._monitor.store
        start_s, end_s = wanted[0] * step_s, (wanted[-1] + 1) * step_s
        stretch_s = max((one for one in STRETCHES_S if step_s % one == 0), default=None)
        if stretch_s is None or now.timestamp() - start_s > reach_s(stretch_s):
            return None
        bounds = datetime.fromtimestamp(start_s, UTC), datetime.fromtimestamp(end_s, UTC)
        if stretch_s == step_s and store.has_points:
            figures = store.points(*bounds, stretch_s)
            if stretch_s == STRETCHES_S[0]:
                # Of a longer point the window that goes on is too small a part.
                figures += newest(store, min(now, bounds[1]), self._monitor.window_s, current)
            return points_of_figures(figures, wanted)
        sums = store.sums(*bounds, stretch_s)
        return None if sums is None else points_of_sums(sums, wanted, step_s=step_s)

    def _windows(
        self,
        wanted: range,
        step_s: int,
        now: datetime,
        current: Snapshot | None,
        subject: Subject | None,
    ) -> list[Snapshot]:
        start_s, end_s = wanted[0] * step_s, (wanted[-1] + 1) * step_s
        # One that began before may reach in; old ones are rolled up and reach farther.
        is_old = now.timestamp() - start_s > _FRESH_S
        reach_s = _LONGEST_WINDOW_S if is_old else 2 * self._monitor.window_s
        range_ = datetime.fromtimestamp(start_s - reach_s, UTC), datetime.fromtimestamp(end_s, UTC)
        windows = (
            None if subject is None else series_of(self._monitor.store, range_, subject, step_s)
        )
        if windows is None:
            windows = self._monitor.store.between(*range_)
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


def series_of(
    store: SteadyStore,
    range_: tuple[datetime, datetime],
    subject: Subject,
    within_s: int | None = None,
) -> list[Snapshot] | None:
    """
    What was measured of one series in a range, and of it alone; None if the store cannot tell.

    Args:
        store: where it is.
        range_: from when to when.
        subject: the series.
        within_s: it is told apart by at least so many seconds.
    """
    pieces = store.pieces(*range_, within_s)
    if pieces is None:
        return None

    @lru_cache(maxsize=1024)  # the names of a piece are those of the one before
    def wants(kind: Kind, name: str) -> bool:
        return kind is subject.kind and subject.is_of(name)

    return snapshots(pieces, wants)


def newest(
    store: SteadyStore, end_at: datetime, window_s: float, current: Snapshot | None
) -> list[Figures]:
    """The shortest of a store's points that is not over yet, with the window that goes on."""
    step_s = STRETCHES_S[0]
    first_s = end_at.timestamp() // step_s * step_s
    windows = with_current(
        store.between(datetime.fromtimestamp(first_s - window_s, UTC), end_at), current
    )
    return points_of([one for one in windows if started_s_of(one, step_s) >= first_s], step_s)


def with_current(windows: list[Snapshot], current: Snapshot | None) -> list[Snapshot]:
    """
    *windows* and the one that goes on, unless it would distort the picture.

    A window that has hardly begun says little, one that was cut meanwhile is there already, and
    of several workers only one's current window can be seen.
    """
    if current is None or current.window_s < 1 or not current.series + tuple(current.gauges):
        return windows
    recent_s = current.started_at - timedelta(seconds=60)
    for one in windows:
        is_other = one.worker != current.worker and one.ended_at >= recent_s
        if is_other or (one.worker, one.started_at) == (current.worker, current.started_at):
            return windows
    return [*windows, current]
