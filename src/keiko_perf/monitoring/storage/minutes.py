"""
Minutes: what each worker measured in one minute, merged by the one who has it at hand.

To merge windows that are kept they have to be unpacked, which is most of what a roll-up costs. So
whoever writes the windows of a minute merges them while he has them before him, and keeps that
beside them. A minute is there only if it is all that the store has of that worker and time, to the
last window: what comes late takes it away again, and its windows are read instead.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage.pieces import MINUTE_US, to_us

LAYOUT = (
    """CREATE TABLE minutes (
    started_us INTEGER NOT NULL,  -- when the first window of it began, microseconds since 1970, UTC
    minute INTEGER NOT NULL,      -- since 1970
    worker TEXT NOT NULL,
    window_s REAL NOT NULL,
    body BLOB NOT NULL
)""",
    "CREATE UNIQUE INDEX minutes_by_worker ON minutes (minute, worker)",
)
"""The table, statement by statement."""
_MOST_WORKERS = 64
_NEVER = 1 << 60
_AT_ONCE = 8
"""Windows that are merged together: one by one it would cost twice as much."""
_SLACK_S = 0.5
"""By how much the windows of a minute may overlap or leave out, since one clock tells when and
another how long; what has a gap does not merge without forgetting it."""


@dataclass(slots=True)
class _Open:
    """The minute of a worker that goes on, so far."""

    minute: int
    windows: int = 0
    sum_us: int = 0
    some: list[Snapshot] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Minute:
    """
    A minute that is over.

    Attributes:
        minute: since 1970.
        windows: of how many windows it is.
        sum_us: when they began, in microseconds, added up: it tells them from others.
        whole: all of them merged.
    """

    minute: int
    windows: int
    sum_us: int
    whole: Snapshot


class Minutes:
    """
    What one process writes, minute by minute. Whoever owns it guards it.

    It holds as much as a window of each worker that writes through it, and some.
    """

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def over(self, window: Snapshot) -> Minute | None:
        """The minute that is over when *window* comes; None if that goes on, or is of no use."""
        known = self._open.get(window.worker)
        if known is None or known.minute == minute_of(window) or known.windows < 2:
            return None
        whole = Snapshot.merged(known.some)
        assert whole is not None
        last_s = (max(one.ended_at for one in known.some) - whole.started_at).total_seconds()
        if abs(last_s - whole.window_s) > _SLACK_S:
            return None
        return Minute(known.minute, known.windows, known.sum_us, whole)

    def take(self, window: Snapshot) -> None:
        """Add *window*, which was kept."""
        minute = minute_of(window)
        known = self._open.get(window.worker)
        if known is None or known.minute != minute:
            self._open.pop(window.worker, None)
            if len(self._open) >= _MOST_WORKERS:
                del self._open[next(iter(self._open))]
            known = self._open[window.worker] = _Open(minute)
        known.windows += 1
        known.sum_us += to_us(window.started_at)
        known.some.append(window)
        if len(known.some) > _AT_ONCE:
            whole = Snapshot.merged(known.some)
            known.some = [] if whole is None else [whole]


def keep(connection: sqlite3.Connection, over: Minute, body: bytes) -> None:
    """Keep a minute, packed, if it is all that was kept of its worker in that time."""
    whole, start_us = over.whole, over.minute * MINUTE_US
    found = connection.execute(
        "SELECT count(*), sum(started_us) FROM windows"
        " WHERE level = 0 AND started_us >= ? AND started_us < ? AND worker = ?",
        (start_us, start_us + MINUTE_US, whole.worker),
    ).fetchone()
    if tuple(found) == (over.windows, over.sum_us):
        connection.execute(
            "INSERT OR REPLACE INTO minutes (started_us, minute, worker, window_s, body)"
            " VALUES (?, ?, ?, ?, ?)",
            (to_us(whole.started_at), over.minute, whole.worker, whole.window_s, body),
        )


def spoil(connection: sqlite3.Connection, window: Snapshot) -> None:
    """*window* came: the minute that it is in is no longer all of it."""
    connection.execute(
        "DELETE FROM minutes WHERE minute = ? AND worker = ?", (minute_of(window), window.worker)
    )


def forget(connection: sqlite3.Connection, start_us: int) -> None:
    """The windows of the minute that begins at *start_us* are kept no longer."""
    connection.execute("DELETE FROM minutes WHERE minute = ?", (start_us // MINUTE_US,))


def forget_before(connection: sqlite3.Connection, start_us: int | None) -> None:
    """Some of the windows before *start_us* are kept no longer; of all, if it is None."""
    # Not the minutes: no window is missing whose minute is.
    last = _NEVER if start_us is None else start_us // MINUTE_US
    connection.execute("DELETE FROM minutes WHERE minute <= ?", (last,))


def minute_of(window: Snapshot) -> int:
    """The minute in which a window began."""
    return to_us(window.started_at) // MINUTE_US
