"""
Pieces: some of what was measured, still packed, so that whoever reads unpacks what he wants.

The windows of a range of time are read as a window of one worker each, as it was kept or rolled up;
or, where all windows of a worker's minute are wanted, as that one minute (`minutes`). Both are the
same, merged.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage.decoding import Wants, decode
from keiko_perf.monitoring.storage.encoding import encode

ALL_LEVELS = "(0, 1, 2, 3)"
"""SQLite finds a range in an index behind a column only if it is told all that this may be."""
MINUTE_US = 60_000_000
_MOST_KEPT = 128
_MOST_KEPT_BYTES = 4 << 20
"""A minute and more of windows of ten thousand routes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_log = logging.getLogger("keiko_perf.store")


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Attributes:
        started_us: when the first window in it began, in microseconds since 1970, UTC.
        window_s: how much of the time was measured.
        worker: who measured it; empty if there were several.
        body: the contents.
        is_whole: whether it is all that was measured in some time that is over.
    """

    started_us: int
    window_s: float
    worker: str
    body: bytes
    is_whole: bool = False

    @classmethod
    def of(cls, window: Snapshot) -> Piece:
        """A window, packed."""
        return cls(to_us(window.started_at), window.window_s, window.worker, encode(window))

    def snapshot(self, wants: Wants | None = None) -> Snapshot:
        """
        The contents; of the series those alone that are wanted.

        Raises:
            ValueError: they are damaged, or of another format.
        """
        started_at = _EPOCH + self.started_us * _MICROSECOND
        envelope = Snapshot(started_at=started_at, window_s=self.window_s, worker=self.worker)
        return decode(self.body, envelope, wants)


def snapshots(
    pieces: Iterable[Piece], wants: Wants | None = None, *, once: bool = False
) -> list[Snapshot]:
    """
    All of them, in their order, but for those that cannot be read, which is said.

    Args:
        pieces: packed.
        wants: the series that are wanted; all if not given.
        once: whether nobody will read them again soon, so that none is kept unpacked.
    """
    made = []
    for one in pieces:
        try:
            made.append(
                one.snapshot(wants) if wants or once or one.is_whole else _kept.snapshot(one)
            )
        except ValueError as error:
            # It stays a hole in the history; the windows around it are as good as before.
            _log.warning(
                "a window of %s cannot be read: %s", one.worker or "several workers", error
            )
    return made


def read_windows(
    connection: sqlite3.Connection, start_us: int, end_us: int, *, levels: str = ALL_LEVELS
) -> list[Piece]:
    """The windows that began at *start_us* or later and before *end_us*, in that order."""
    rows = connection.execute(
        "SELECT started_us, window_s, worker, body FROM windows"  # noqa: S608 - our own levels
        f" WHERE level IN {levels} AND started_us >= ? AND started_us < ?"
        " ORDER BY started_us, id",
        (start_us, end_us),
    )
    return [Piece(*row) for row in rows.fetchall()]


def read_some_windows(
    connection: sqlite3.Connection, start_us: int, end_us: int, *, every_us: int, of_each_us: int
) -> list[Piece]:
    """The same, but only those that began in the first *of_each_us* of each *every_us*."""
    rows = connection.execute(
        "SELECT started_us, window_s, worker, body FROM windows"  # noqa: S608 - our own levels
        f" WHERE level IN {ALL_LEVELS} AND started_us >= :start AND started_us < :end"
        " AND (started_us - :start) % :every < :of_each ORDER BY started_us, id",
        {"start": start_us, "end": end_us, "every": every_us, "of_each": of_each_us},
    )
    return [Piece(*row) for row in rows.fetchall()]


def read_minutes(
    connection: sqlite3.Connection, start_us: int, end_us: int, *, levels: str = ALL_LEVELS
) -> list[Piece]:
    """The same, with each minute of a worker that was merged already in place of its windows."""
    first, last = -(-start_us // MINUTE_US), end_us // MINUTE_US
    rows = connection.execute(
        "SELECT started_us, window_s, worker, body FROM minutes WHERE minute >= ? AND minute < ?",
        (first, last),
    ).fetchall()
    if not rows:
        return read_windows(connection, start_us, end_us, levels=levels)
    rows += connection.execute(
        "SELECT started_us, window_s, worker, body FROM windows"  # noqa: S608 - our own levels
        f" WHERE level IN {levels} AND started_us >= ? AND started_us < ?"
        f" AND NOT (level = 0 AND started_us >= ? AND started_us < ? AND EXISTS (SELECT 1"
        f" FROM minutes WHERE minute = windows.started_us / {MINUTE_US}"
        "  AND worker = windows.worker))",
        (start_us, end_us, first * MINUTE_US, last * MINUTE_US),
    ).fetchall()
    return sorted((Piece(*row) for row in rows), key=lambda one: one.started_us)


def to_us(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


class _Kept:
    """
    The newest windows, unpacked: they are read again and again, to judge and for open pages.

    Bounded by their number and, as a window of ten thousand routes is 20 MB unpacked, by the bytes
    that they have packed.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Piece, Snapshot] = OrderedDict()
        self._bytes = 0

    def snapshot(self, one: Piece) -> Snapshot:
        with self._lock:
            known = self._kept.get(one)
            if known is not None:
                self._kept.move_to_end(one)
                return known
        made = one.snapshot()
        with self._lock:
            if one not in self._kept:
                self._kept[one] = made
                self._bytes += len(one.body)
            while len(self._kept) > _MOST_KEPT or self._bytes > _MOST_KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[0].body)
        return made


_kept = _Kept()
