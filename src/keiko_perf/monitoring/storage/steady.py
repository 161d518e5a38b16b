"""
SteadyStore: a store in front of a store that may fail, so that nothing else has to care.

A disk is full, a file locked: windows are held back, up to a bound, and are read from here; once
the store works again it gets them, in order. It is said once that it failed, and once that it
works again. A store of somebody else's may raise what it likes: that is no different.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import BlockingCall, Snapshot
from keiko_perf.model.blocking import merged_calls
from keiko_perf.monitoring.storage.pieces import Piece
from keiko_perf.monitoring.storage.points import Point, Sum, points_of, started_s_of
from keiko_perf.monitoring.storage.store import Charted, Store

_log = logging.getLogger("keiko_perf.store")


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """
    Attributes:
        is_working: whether the last attempt to write succeeded.
        held_back: how many windows wait for the store to work again.
        lost: how many were given up, because there were too many.
    """

    is_working: bool
    held_back: int
    lost: int


class SteadyStore:
    """
    Args:
        store: where the windows are to go.
        max_held_back: how many wait at most; then the oldest is given up. 360 are an hour of
            windows of 10 s.
    """

    def __init__(self, store: Store, *, max_held_back: int = 360) -> None:
        self._store = store
        self._held_back: deque[Snapshot] = deque()
        self._max_held_back = max_held_back
        self._is_working = True
        self._lost = 0
        self._writing = Lock()
        self._counting = Lock()  # never held over a call to the store, which may be slow

    def append(self, snapshot: Snapshot) -> None:
        """Keep *snapshot*, here if not there; it does not raise."""
        with self._counting:
            if len(self._held_back) >= self._max_held_back:
                self._held_back.popleft()
                self._lost += 1
            self._held_back.append(snapshot)
        with self._writing:
            self._hand_over()

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        """As of `Store`, with what is held back; only that, while the store cannot be read."""
        held_back = self._held_back_in(start_at, end_at)
        try:
            stored = self._store.between(start_at, end_at)
        except Exception as error:  # a stranger's store
            self._failed(error)
            stored = []
        # A window that is being handed over may be on both sides.
        known = {(one.worker, one.started_at) for one in stored}
        more = [one for one in held_back if (one.worker, one.started_at) not in known]
        return sorted([*stored, *more], key=lambda one: one.started_at)

    def points(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Point]:
        """
        The points of a chart of all workers that touch a range, *stretch_s* long, in order.

        Stretches in which nothing was measured have no point. It takes some milliseconds, whatever
        the range, while the store works; of a store of another kind, and where something is held
        back, the windows are read.
        """
        store = self._store
        if not isinstance(store, Charted):
            return points_of(self.between(start_at, end_at), stretch_s)
        held_back = self._held_back_in(start_at, end_at)
        try:
            found = store.points(start_at, end_at, stretch_s)
        except Exception as error:  # a stranger's store
            self._failed(error)
            return points_of(self.between(start_at, end_at), stretch_s)
        if not held_back:
            return found
        # What is held back is in no point yet: those that it is in are made from their windows.
        first_s = min(started_s_of(one, stretch_s) for one in held_back)
        first_at = datetime.fromtimestamp(first_s, UTC)
        longest_s = max(one.window_s for one in held_back)
        windows = self.between(first_at - timedelta(seconds=longest_s), end_at)
        newer = [one for one in windows if started_s_of(one, stretch_s) >= first_s]
        return [
            *(one for one in found if one.at < first_at),
            *points_of(newer, stretch_s),
        ]

    @property
    def has_points(self) -> bool:
        """Whether a chart is read from points that are there, and not made from the windows."""
        return isinstance(self._store, Charted) and not self._held_back

    def sums(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Sum] | None:
        """
        What the points of one length that touch the range are added up from, in their order.

        None where that is not to be had: the windows tell it then. That is so of a store of another
        kind, and while something is held back.
        """
        store = self._store
        if not isinstance(store, Charted) or self._held_back:
            return None
        try:
            return store.sums(start_at, end_at, stretch_s)
        except Exception as error:  # a stranger's store
            self._failed(error)
            return None

    def pieces(
        self, start_at: datetime, end_at: datetime, within_s: int | None = None
    ) -> list[Piece] | None:
        """
        The same as `between`, as few pieces, merged and packed; as of `Charted`.

        None of a store of another kind, and where it cannot be read.
        """
        store = self._store
        if not isinstance(store, Charted):
            return None
        held_back = self._held_back_in(start_at, end_at)
        try:
            found = store.pieces(start_at, end_at, within_s)
        except Exception as error:  # a stranger's store
            self._failed(error)
            return None
        if not held_back or found is None:
            return found
        # One that is being handed over may be on both sides: it is in none but a piece of its own,
        # for as long as the stretch that it is in goes on.
        known = {(one.worker, one.started_us) for one in found}
        more = map(Piece.of, held_back)
        return [*found, *(one for one in more if (one.worker, one.started_us) not in known)]

    def outlines(
        self, start_at: datetime, end_at: datetime, *, every_s: float, of_each_s: float
    ) -> list[Snapshot]:
        """
        The windows of a range, as `between` has them, whose series nobody needs; as of `Charted`.
        """
        store = self._store
        if not isinstance(store, Charted) or self._held_back_in(start_at, end_at):
            every, of_each = timedelta(seconds=every_s), timedelta(seconds=of_each_s)
            found = self.between(start_at, end_at)
            return [one for one in found if (one.started_at - start_at) % every < of_each]
        try:
            return store.outlines(start_at, end_at, every_s=every_s, of_each_s=of_each_s)
        except Exception as error:  # a stranger's store
            self._failed(error)
            return []

    def blocking_calls(self, start_at: datetime, end_at: datetime) -> tuple[BlockingCall, ...]:
        """What held the event loops of all workers in that time, the longest in all first."""
        store = self._store
        if isinstance(store, Charted) and not self._held_back:
            try:
                return store.blocking_calls(start_at, end_at)
            except Exception as error:  # a stranger's store
                self._failed(error)
        windows = self.between(start_at, end_at)
        return merged_calls(call for one in windows for call in one.blocking)

    def close(self) -> None:
        """Close the store; what it did not take by now is kept, in case that it is used again."""
        try:
            self._store.close()
        except Exception as error:  # a stranger's store
            self._failed(error)
        waiting = len(self._held_back)
        if waiting:
            _log.error("windows that the store has not taken: %d", waiting)

    def statistics(self) -> StoreStatistics:
        with self._counting:
            return StoreStatistics(self._is_working, len(self._held_back), self._lost)

    def _hand_over(self) -> None:
        while (oldest := self._oldest()) is not None:
            try:
                self._store.append(oldest)
            except Exception as error:  # a stranger's store
                self._failed(error)
                return
            with self._counting:
                if self._held_back and self._held_back[0] is oldest:
                    self._held_back.popleft()
        if not self._is_working:
            self._is_working = True
            _log.warning("the store works again; windows that were lost: %d", self._lost)

    def _held_back_in(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        with self._counting:
            return [one for one in self._held_back if start_at <= one.started_at < end_at]

    def _oldest(self) -> Snapshot | None:
        with self._counting:
            return self._held_back[0] if self._held_back else None

    def _failed(self, error: Exception) -> None:
        if self._is_working:
            self._is_working = False
            told = isinstance(error, StoreUnavailable)
            said = error if told else f"the store raised {error!r}."
            trace = None if told else error
            _log.error(
                "%s Windows are held back until the store works again.", said, exc_info=trace
            )
