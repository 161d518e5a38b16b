"""
Windows: the table in which a store keeps them, on any SQLite connection.

A window is kept as it is for five quarters of an hour. After that the windows of each minute, of
all workers, become one, after two days those of ten minutes, and after ten days those of an hour:
histograms merge exactly, so percentiles stay what they were, only of a longer time. Beside it is
kept what charts show (`charts`), and what was measured in a minute (`minutes`) and in longer
stretches (`wholes`), merged. The oldest go first: by age, and where the room ends. They go a few at
a time, so that a clock that is wrong for a moment does not cost the history.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.storage import charts, minutes, wholes
from keiko_perf.monitoring.storage.decoding import no_series
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.minutes import Minutes
from keiko_perf.monitoring.storage.pieces import (
    ALL_LEVELS,
    Piece,
    read_minutes,
    read_some_windows,
    read_windows,
    snapshots,
    to_us,
)

SCHEMA = """
CREATE TABLE windows (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,       -- 0 as measured, 1 a minute, 2 ten minutes, 3 an hour
    started_us INTEGER NOT NULL,  -- microseconds since 1970, UTC
    window_s REAL NOT NULL,
    worker TEXT NOT NULL,         -- empty if there were several
    body BLOB NOT NULL
);
CREATE INDEX windows_by_start ON windows (level, started_us);
"""
LAYOUT = (
    *(one for one in SCHEMA.split(";") if one.strip()),
    *charts.LAYOUT,
    *minutes.LAYOUT,
    *wholes.LAYOUT,
)
"""All tables, statement by statement."""
_S = 1_000_000
ROLL_UPS = (
    (0, 4_500 * _S, 60 * _S),
    (1, 172_800 * _S, 600 * _S),
    (2, 864_000 * _S, 3_600 * _S),
)
"""From which level, from which age on, into stretches of which length; in microseconds."""
_DUE = """SELECT
    EXISTS (SELECT 1 FROM windows WHERE level = 0 AND started_us < ?),
    EXISTS (SELECT 1 FROM windows WHERE level = 1 AND started_us < ?),
    EXISTS (SELECT 1 FROM windows WHERE level = 2 AND started_us < ?),
    EXISTS (SELECT 1 FROM windows WHERE level IN (0, 1, 2, 3) AND started_us < ?)"""
_AT_ONCE = 240
"""Rows that are rolled up with one window: after a pause it is caught up on bit by bit."""
_FORGOTTEN_AT_ONCE = 10
"""Rows that may go with one window that comes: more than enough for the oldest to keep up."""
_log = logging.getLogger("keiko_perf.store")


def add(
    connection: sqlite3.Connection, snapshot: Snapshot, minute: Minutes, *, retention_s: float
) -> None:
    """
    Keep *snapshot*, and do what its time brings: roll up older windows, drop the oldest.

    Where the room ends that `max_page_count` leaves, the oldest quarter is given up.

    Args:
        connection: of the store.
        snapshot: what was measured in a window.
        minute: what this process wrote in the minute that goes on.
        retention_s: how long a window is kept, seen from the newest.
    """
    try:
        _add(connection, snapshot, minute, retention_s)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL or not _is_at_its_bound(connection):
            raise
        _give_up_oldest_quarter(connection)
        _add(connection, snapshot, minute, retention_s)
    minute.take(snapshot)


def read(connection: sqlite3.Connection, start_at: datetime, end_at: datetime) -> list[Snapshot]:
    """The windows that began at *start_at* or later and before *end_at*, in that order."""
    return snapshots(read_windows(connection, to_us(start_at), to_us(end_at)))


def read_outlines(
    connection: sqlite3.Connection,
    start_at: datetime,
    end_at: datetime,
    *,
    every_s: float,
    of_each_s: float,
) -> list[Snapshot]:
    """As of `Charted.outlines`."""
    found = read_some_windows(
        connection,
        to_us(start_at),
        to_us(end_at),
        every_us=max(round(every_s * 1e6), 1),
        of_each_us=round(of_each_s * 1e6),
    )
    return snapshots(found, no_series)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes meanwhile."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def _add(
    connection: sqlite3.Connection, snapshot: Snapshot, minute: Minutes, retention_s: float
) -> None:
    started_us = to_us(snapshot.started_at)
    # Before others have to wait.
    body = encode(snapshot)
    over = minute.over(snapshot)
    whole = None if over is None else encode(over.whole)
    with transaction(connection):
        if over is not None and whole is not None:
            minutes.keep(connection, over, whole)
        minutes.spoil(connection, snapshot)
        _insert(connection, 0, snapshot, body)
        wholes.add(connection, snapshot)
        is_first = charts.add(connection, snapshot, retention_s=retention_s)
        _tidy(connection, started_us, started_us - round(retention_s * _S))
        if is_first:
            wholes.make(connection, snapshot, retention_s=retention_s)


def _tidy(connection: sqlite3.Connection, now_us: int, kept_us: int) -> None:
    """Roll up and drop what is old enough by now."""
    until = [(now_us - age_us) // stretch_us * stretch_us for _, age_us, stretch_us in ROLL_UPS]
    # Seldom is there anything to do, and that is told by one question.
    *due, is_over = connection.execute(_DUE, (*until, kept_us)).fetchone()
    if is_over:
        connection.execute(
            "DELETE FROM windows WHERE id IN (SELECT id FROM windows"  # noqa: S608 - our own levels
            f" WHERE level IN {ALL_LEVELS} AND started_us < ? ORDER BY started_us LIMIT ?)",
            (kept_us, _FORGOTTEN_AT_ONCE),
        )
        minutes.forget_before(connection, kept_us)
    for (level, _, stretch_us), until_us, is_due in zip(ROLL_UPS, until, due, strict=True):
        if is_due:
            _roll_up(connection, level, until_us, stretch_us)


def _insert(connection: sqlite3.Connection, level: int, snapshot: Snapshot, body: bytes) -> None:
    connection.execute(
        "INSERT INTO windows (level, started_us, window_s, worker, body) VALUES (?, ?, ?, ?, ?)",
        (
            level,
            to_us(snapshot.started_at),
            snapshot.window_s,
            snapshot.worker,
            body,
        ),
    )


def _roll_up(connection: sqlite3.Connection, level: int, until_us: int, stretch_us: int) -> None:
    """Make one window of those of each stretch that ended before *until_us*."""
    begun = connection.execute(
        "SELECT started_us FROM windows WHERE level = ? AND started_us < ?"
        " ORDER BY started_us LIMIT ?",
        (level, until_us, _AT_ONCE),
    ).fetchall()
    stretches = sorted({started_us // stretch_us * stretch_us for (started_us,) in begun})
    if len(begun) == _AT_ONCE and len(stretches) > 1:
        del stretches[-1]  # there may be more in it: it is for the next time
    for start_us in stretches:
        end_us = start_us + stretch_us
        parts = _of_level(connection, level, start_us, end_us)
        merged = Snapshot.merged(snapshots(parts, once=True))
        connection.execute(
            "DELETE FROM windows WHERE level = ? AND started_us >= ? AND started_us < ?",
            (level, start_us, end_us),
        )
        if level == 0:
            minutes.forget(connection, start_us)
        wholes.rolled_up(connection, start_us, stretch_us)
        if merged is not None:
            _insert(connection, level + 1, merged, encode(merged))


def _of_level(
    connection: sqlite3.Connection, level: int, start_us: int, end_us: int
) -> list[Piece]:
    read = read_windows if level else read_minutes
    return read(connection, start_us, end_us, levels=f"({level})")


def _is_at_its_bound(connection: sqlite3.Connection) -> bool:
    # If not, it is the disk that is full, and to delete something here would give nothing back.
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (most,) = connection.execute("PRAGMA max_page_count").fetchone()
    return bool(pages >= 0.95 * most)


def _give_up_oldest_quarter(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        given_up = connection.execute(
            "DELETE FROM windows WHERE id IN (SELECT id FROM windows ORDER BY started_us"
            " LIMIT (SELECT count(*) / 4 + 1 FROM windows))"
        ).rowcount
        (left_us,) = connection.execute("SELECT min(started_us) FROM windows").fetchone()
        minutes.forget_before(connection, left_us)
        wholes.forget_before(connection, left_us)
        charts.forget_a_quarter(connection)
    _log.warning("the store is full: its oldest %d windows were given up", given_up)
