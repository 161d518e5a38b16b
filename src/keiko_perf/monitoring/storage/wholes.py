"""
Wholes: all that was measured in a stretch of time that is over, merged once for whoever looks back.

A table over a day, or one endpoint's month, wants what tens of thousands of windows hold, and to
unpack and merge those takes seconds. So once a stretch of 4 minutes, half an hour, 2 or 12 hours is
over, all of it is merged and kept beside its windows, from the shorter ones that are there already;
and a range is read as the few longest pieces that cover it, the windows themselves at its ends. It
is the same, merged: what comes late is added, and what is rolled up takes along what would straddle
it. Bounded as the windows are.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.pieces import (
    ALL_LEVELS,
    MINUTE_US,
    Piece,
    read_minutes,
    read_windows,
    snapshots,
    to_us,
)
from keiko_perf.monitoring.storage.points import STRETCHES_S

LAYOUT = (
    """CREATE TABLE wholes (
    id INTEGER PRIMARY KEY,
    stretch_s INTEGER NOT NULL,
    started_s INTEGER NOT NULL,   -- seconds since 1970 in UTC, a multiple of stretch_s
    started_us INTEGER NOT NULL,  -- when the first window began, in microseconds
    window_s REAL NOT NULL,
    worker TEXT NOT NULL,         -- empty if there were several
    body BLOB NOT NULL
)""",
    "CREATE UNIQUE INDEX wholes_by_start ON wholes (stretch_s, started_s)",
)
"""The table, statement by statement."""
LENGTHS_S = STRETCHES_S[1:]
"""How long they are: as the points of charts, so that one of each makes the chart of a series."""
_REACH_S = {240: 172_800, 1_800: 864_000}
"""How far back they are made and kept: farther back the windows are longer than they are."""
_GRACE_S = 30
"""After which, and two windows, all workers have written what they measured in a stretch."""
_AT_ONCE = 2
"""Of each length: a store that has none yet gets them bit by bit."""
_FORGOTTEN_AT_ONCE = 4
_S = 1_000_000
_NEVER = 1 << 60
_AT = ", ".join("(?, ?)" for _ in LENGTHS_S)


def add(connection: sqlite3.Connection, window: Snapshot) -> None:
    """Add *window* to those that it comes too late for."""
    started_s = to_us(window.started_at) // _S
    places = [number for one in LENGTHS_S for number in (one, started_s // one * one)]
    for id_, started_us, window_s, worker, body in connection.execute(
        "SELECT id, started_us, window_s, worker, body FROM wholes"  # noqa: S608 - question marks
        f" WHERE (stretch_s, started_s) IN (VALUES {_AT})",
        places,
    ).fetchall():
        known = Piece(started_us, window_s, worker, body, is_whole=True)
        merged = Snapshot.merged([*snapshots([known]), window])
        assert merged is not None
        connection.execute(
            "UPDATE wholes SET started_us = ?, window_s = ?, worker = ?, body = ? WHERE id = ?",
            (*_row(merged), id_),
        )


def make(connection: sqlite3.Connection, window: Snapshot, *, retention_s: float) -> None:
    """Make those that are over now that *window* has come, and forget the oldest."""
    now_s = to_us(window.started_at) // _S
    closed_s = now_s - _GRACE_S - round(2 * window.window_s)
    for stretch_s in LENGTHS_S:
        oldest_s = now_s - round(min(retention_s, _REACH_S.get(stretch_s, retention_s)))
        end_s = closed_s // stretch_s * stretch_s
        for _ in range(_AT_ONCE):
            started_s = _next(connection, stretch_s, oldest_s, end_s)
            if started_s is None:
                break
            _make(connection, stretch_s, started_s)
        connection.execute(
            "DELETE FROM wholes WHERE id IN (SELECT id FROM wholes"
            " WHERE stretch_s = ? AND started_s < ? ORDER BY started_s LIMIT ?)",
            (stretch_s, oldest_s, _FORGOTTEN_AT_ONCE),
        )


def cover(
    connection: sqlite3.Connection, start_us: int, end_us: int, *, within_s: int | None = None
) -> list[Piece]:
    """
    All that was measured by windows that began in a range, as few pieces, in their order.

    Args:
        connection: of the store.
        start_us: where the range begins, in microseconds since 1970.
        end_us: where it ends.
        within_s: no piece but a window may reach over a multiple of so many seconds; any may if
            not given.
    """
    lengths_s = [one for one in LENGTHS_S if within_s is None or one <= within_s]
    has_minutes = within_s is None or within_s * _S % MINUTE_US == 0
    return _cover(connection, (start_us, end_us), lengths_s, within_s, has_minutes=has_minutes)


def rolled_up(connection: sqlite3.Connection, start_us: int, length_us: int) -> None:
    """The windows of a stretch became one: what would hold a part of it goes."""
    for stretch_s in LENGTHS_S:
        if stretch_s * _S % length_us:
            connection.execute(
                "DELETE FROM wholes WHERE stretch_s = ? AND started_s > ? AND started_s < ?",
                (stretch_s, start_us // _S - stretch_s, (start_us + length_us) // _S),
            )


def forget_before(connection: sqlite3.Connection, start_us: int | None) -> None:
    """The windows before *start_us* are kept no longer; none is, if it is None."""
    last_s = _NEVER if start_us is None else start_us // _S
    connection.execute("DELETE FROM wholes WHERE started_s < ?", (last_s,))


def _next(connection: sqlite3.Connection, stretch_s: int, oldest_s: int, end_s: int) -> int | None:
    """The next stretch to be made in which something was measured."""
    (last_s,) = connection.execute(
        "SELECT max(started_s) FROM wholes WHERE stretch_s = ? AND started_s < ?",
        (stretch_s, end_s),
    ).fetchone()
    # A stretch of which the oldest windows are gone is never a whole.
    first_s = -(-oldest_s // stretch_s) * stretch_s
    if last_s is not None:
        first_s = max(first_s, last_s + stretch_s)
    (found_us,) = connection.execute(
        "SELECT min(started_us) FROM windows"  # noqa: S608 - our own levels
        f" WHERE level IN {ALL_LEVELS} AND started_us >= ? AND started_us < ?",
        (first_s * _S, end_s * _S),
    ).fetchone()
    return None if found_us is None else found_us // _S // stretch_s * stretch_s


def _make(connection: sqlite3.Connection, stretch_s: int, started_s: int) -> None:
    range_us = started_s * _S, (started_s + stretch_s) * _S
    shorter_s = [one for one in LENGTHS_S if one < stretch_s]
    parts = _cover(connection, range_us, shorter_s, None, has_minutes=True)
    # What cannot be read is a hole, and not tried again.
    merged = Snapshot.merged(snapshots(parts, once=True)) or Snapshot(
        started_at=datetime.fromtimestamp(started_s, UTC), window_s=0.0
    )
    connection.execute(
        "INSERT INTO wholes (stretch_s, started_s, started_us, window_s, worker, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (stretch_s, started_s, *_row(merged)),
    )


def _cover(
    connection: sqlite3.Connection,
    range_us: tuple[int, int],
    lengths_s: list[int],
    within_s: int | None,
    *,
    has_minutes: bool,
) -> list[Piece]:
    found: list[Piece] = []
    gaps = [range_us]
    for stretch_s in reversed(lengths_s):
        gaps = [
            left
            for gap in gaps
            for left in _fill(connection, gap, stretch_s, within_s or stretch_s, found)
        ]
    read = read_minutes if has_minutes else read_windows
    for gap in gaps:
        found += read(connection, *gap)
    return sorted(found, key=lambda one: one.started_us)


def _fill(
    connection: sqlite3.Connection,
    gap: tuple[int, int],
    stretch_s: int,
    within_s: int,
    found: list[Piece],
) -> list[tuple[int, int]]:
    """Add the wholes of one length that lie in *gap* to *found*; what is left of it."""
    until_us, end_us = gap
    left = []
    for started_s, started_us, window_s, worker, body in connection.execute(
        "SELECT started_s, started_us, window_s, worker, body FROM wholes"
        " WHERE stretch_s = ? AND started_s >= ? AND started_s <= ?"
        " AND started_s / ? = (started_s + stretch_s - 1) / ? ORDER BY started_s",
        (stretch_s, -(-until_us // _S), end_us // _S - stretch_s, within_s, within_s),
    ):
        found.append(Piece(started_us, window_s, worker, body, is_whole=True))
        if started_s * _S > until_us:
            left.append((until_us, started_s * _S))
        until_us = (started_s + stretch_s) * _S
    if until_us < end_us:
        left.append((until_us, end_us))
    return left


def _row(merged: Snapshot) -> tuple[object, ...]:
    return to_us(merged.started_at), merged.window_s, merged.worker, encode(merged)
