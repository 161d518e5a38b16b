"""
Chunks: the windows of a range, as few snapshots as will do.

A table over a day wants all that was measured in it, merged; but what was measured an hour ago does
not change any more. So stretches of time that are over are merged once and kept, packed: a page
that is open reads and merges the newest windows and not its whole range. What comes later than a
few windows, since a full disk held it back elsewhere, is seen within the hour.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from threading import Lock

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.encoding import decode, encode
from keiko_perf.monitoring.protocol import Monitor

LENGTHS_S = (21_600, 3_600, 600, 60)
"""Each a multiple of the next one."""
MOST_KEPT = 600
"""Of some thousands of bytes each."""
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

    def between(self, start_at: datetime, end_at: datetime, now: datetime) -> list[Snapshot]:
        """All that was measured from *start_at* on and before *end_at*. It blocks."""
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
