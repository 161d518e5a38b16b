"""
Chunks: the windows of a range, as few snapshots as will do.

A table over a day wants all that was measured in it, merged; but what was measured an hour ago does
not change any more. A store that has merged such stretches already (`wholes`) is asked for them,
and what they come to is kept for as long as they are the same. Of another store they are merged
here once and kept, packed: a page that is open reads and merges the newest windows and not its
whole range; what comes later than a few windows, since a full disk held it back elsewhere, is seen
within the hour.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Lock

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.dashboard.timelines import with_current
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.heaviest import Few, are_many, heaviest
from keiko_perf.monitoring.storage.pieces import Piece, snapshots
from keiko_perf.monitoring.storage.points import STRETCHES_S

LENGTHS_S = (21_600, 3_600, 600, 60)
"""Each a multiple of the next one."""
MOST_KEPT = 600
"""Of some thousands of bytes each."""
MOST_MERGED = 6
"""Two of a view: its halves, whose figures are compared."""
_STEADY = 16
_KEPT_S = 3_600.0
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class _Chunk:
    """
    Attributes:
        made_at: when it was merged.
        envelope: what was merged, without its contents; None if nothing was measured.
        body: the contents.
    """

    made_at: datetime
    envelope: Snapshot | None
    body: bytes

    def snapshot(self) -> Snapshot | None:
        return self.envelope and decode(self.body, self.envelope)


class Chunks:
    """
    Args:
        monitor: of the service.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._lock = Lock()
        self._kept: OrderedDict[tuple[int, int], _Chunk] = OrderedDict()
        self._merged: OrderedDict[tuple[int, ...], Snapshot] = OrderedDict()

    def between(self, start_at: datetime, end_at: datetime, now: datetime) -> list[Snapshot]:
        """All that was measured from *start_at* on and before *end_at*. It blocks."""
        pieces = self._monitor.store.pieces(start_at, end_at)
        if pieces is not None:
            return self._few(pieces, start_at, end_at)
        closed_s = now.timestamp() - 2 * self._monitor.window_s - _GRACE_S
        last_s = min(end_at.timestamp(), closed_s)
        shortest_s = LENGTHS_S[-1]
        first_s = ceil(start_at.timestamp() / shortest_s) * shortest_s
        if first_s + shortest_s > last_s:
            return self._monitor.store.between(start_at, end_at)
        found = self._monitor.store.between(start_at, _at(first_s))
        at_s = first_s
        while (length_s := _longest(at_s, last_s)) is not None:
            chunk = self._chunk(length_s, at_s // length_s, now).snapshot()
            found += () if chunk is None else (chunk,)
            at_s += length_s
        return found + self._monitor.store.between(_at(at_s), end_at)

    def heaviest(
        self, start_at: datetime, end_at: datetime, now: datetime, current: Snapshot | None
    ) -> Few:
        """
        The same with *current*, the window that goes on; of many series the heaviest alone.

        It blocks.
        """
        pieces = self._monitor.store.pieces(start_at, end_at)
        if pieces is None or not are_many(pieces):
            return Few(with_current(self.between(start_at, end_at, now), current))
        # The halves are told apart, so that no piece is in both.
        middle_at = _middle(pieces)
        if start_at < middle_at < end_at:
            pieces = [
                *(self._monitor.store.pieces(start_at, middle_at) or ()),
                *(self._monitor.store.pieces(middle_at, end_at) or ()),
            ]
        few = heaviest(pieces, () if current is None else (current,))
        if current is None:
            return few
        return Few(with_current(few.windows[:-1], few.windows[-1]), few.left_out)

    def _few(self, pieces: list[Piece], start_at: datetime, end_at: datetime) -> list[Snapshot]:
        """Those up to the last that is whole as one for each half of the time, and the newest."""
        found: list[Snapshot] = []
        middle_at = _middle(pieces)
        earlier: list[Piece] = []
        if start_at < middle_at < end_at:  # so that none is in both halves
            earlier = self._monitor.store.pieces(start_at, middle_at) or []
            pieces = self._monitor.store.pieces(middle_at, end_at) or []
        # Without those in between a half would have forgotten that there is more in its time.
        over = max((number for number, one in enumerate(pieces, 1) if one.is_whole), default=0)
        for half in (earlier, pieces[:over]):
            merged = self._half(half)
            found += () if merged is None else (merged,)
        return found + snapshots(pieces[over:])

    def _half(self, pieces: list[Piece]) -> Snapshot | None:
        key = tuple(map(hash, pieces))  # without their bodies, which are a megabyte and more
        with self._lock:
            known = self._merged.get(key)
            if known is not None:
                self._merged.move_to_end(key)
                return known
        made = Snapshot.merged(snapshots(pieces))
        if made is not None:
            with self._lock:
                self._merged[key] = made
                while len(self._merged) > MOST_MERGED:
                    self._merged.popitem(last=False)
        return made

    def _chunk(self, length_s: int, number: int, now: datetime) -> _Chunk:
        with self._lock:
            known = self._known(length_s, number, now)
        if known is not None:
            return known
        windows = self._parts(length_s, number, now)
        if windows is None:
            start_at = _at(number * length_s)
            windows = self._monitor.store.between(start_at, start_at + timedelta(seconds=length_s))
        made = _packed(Snapshot.merged(windows), now)
        # What could not be read must not look like a gap.
        if self._monitor.store.statistics().is_working:
            with self._lock:
                self._kept[length_s, number] = made
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
        return made

    def _known(self, length_s: int, number: int, now: datetime) -> _Chunk | None:
        chunk = self._kept.get((length_s, number))
        if chunk is None or abs((now - chunk.made_at).total_seconds()) > _KEPT_S:
            return None
        self._kept.move_to_end((length_s, number))
        return chunk

    def _parts(self, length_s: int, number: int, now: datetime) -> list[Snapshot] | None:
        """The shorter ones that make up a chunk; None if it is less to read it from the store."""
        shorter_s = next((one for one in LENGTHS_S if one < length_s), None)
        if shorter_s is None:
            return None
        times = length_s // shorter_s
        numbers = range(number * times, (number + 1) * times)
        with self._lock:
            known = sum(self._known(shorter_s, one, now) is not None for one in numbers)
        if known < times / 2:
            return None
        snapshots = (self._chunk(shorter_s, one, now).snapshot() for one in numbers)
        return [one for one in snapshots if one is not None]


def _middle(pieces: list[Piece]) -> datetime:
    """
    The middle of the time that they are of.

    It is a multiple of the longest of the store's stretches that is short beside that, so that it
    is the same for a while.
    """
    if not pieces:
        return _at(0.0)
    first_s, last = pieces[0].started_us / 1e6, pieces[-1]
    end_s = last.started_us / 1e6 + last.window_s
    fitting_s = [one for one in STRETCHES_S if one <= (end_s - first_s) / _STEADY]
    grid_s = max(fitting_s, default=1)
    return _at((first_s + end_s) / 2 // grid_s * grid_s)


def _longest(at_s: int, last_s: float) -> int | None:
    """How long a chunk that begins at *at_s* may be, to be over by *last_s*."""
    fitting = (one for one in LENGTHS_S if at_s % one == 0 and at_s + one <= last_s)
    return next(fitting, None)


def _packed(whole: Snapshot | None, now: datetime) -> _Chunk:
    if whole is None:
        return _Chunk(now, None, b"")
    envelope = Snapshot(started_at=whole.started_at, window_s=whole.window_s, worker=whole.worker)
    return _Chunk(now, envelope, encode(whole))


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
