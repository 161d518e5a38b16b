"""
Windows: the table in which a store keeps them, on any SQLite connection.

A window is kept as it is for five quarters of an hour. After that the windows of each minute, of
all workers, become one, after two days those of ten minutes, and after ten days those of an hour:
histograms merge exactly, so percentiles stay what they were, only of a longer time. What charts
show is added up beside it (`charts`). The oldest go first: by
age, and where the room ends. They go a few at a time, so that a clock that is wrong for a moment
does not cost the history.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby

from keiko_perf.model import Snapshot
from keiko_perf.monitoring import charts
from keiko_perf.monitoring.encoding import decode, encode

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
LAYOUT = (*(one for one in SCHEMA.split(";") if one.strip()), *charts.LAYOUT)
"""All tables, statement by statement."""
_S = 1_000_000
ROLL_UPS = (
    (0, 4_500 * _S, 60 * _S),
    (1, 172_800 * _S, 600 * _S),
    (2, 864_000 * _S, 3_600 * _S),
)
"""From which level, from which age on, into stretches of which length; in microseconds."""
_AT_ONCE = 240
"""Rows that are rolled up with one window: after a pause it is caught up on bit by bit."""
_FORGOTTEN_AT_ONCE = 10
"""Rows that may go with one window that comes: more than enough for the oldest to keep up."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_log = logging.getLogger(__name__)
_Row = tuple[int, int, float, str, bytes]


def add(connection: sqlite3.Connection, snapshot: Snapshot, *, retention_s: float) -> None:
    """
    Keep *snapshot*, and do what its time brings: roll up older windows, drop the oldest.

    Where the room ends that `max_page_count` leaves, the oldest quarter is given up.
    """
    try:
        _add(connection, snapshot, retention_s)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL or not _is_at_its_bound(connection):
            raise
        _give_up_oldest_quarter(connection)
        _add(connection, snapshot, retention_s)


def read(connection: sqlite3.Connection, start_at: datetime, end_at: datetime) -> list[Snapshot]:
    """The windows that began at *start_at* or later and before *end_at*, in that order."""
    rows = connection.execute(
        "SELECT id, started_us, window_s, worker, body FROM windows"
        " WHERE level IN (0, 1, 2, 3) AND started_us >= ? AND started_us < ?"
        " ORDER BY started_us, id",
        (_to_us(start_at), _to_us(end_at)),
    ).fetchall()
    return _decoded(rows)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _add(connection: sqlite3.Connection, snapshot: Snapshot, retention_s: float) -> None:
    started_us = _to_us(snapshot.started_at)
    body = encode(snapshot)  # before others have to wait
    with transaction(connection):
        connection.execute(
            "DELETE FROM windows WHERE id IN (SELECT id FROM windows"
            " WHERE level IN (0, 1, 2, 3) AND started_us < ? ORDER BY started_us LIMIT ?)",
            (started_us - round(retention_s * _S), _FORGOTTEN_AT_ONCE),
        )
        for level, age_us, stretch_us in ROLL_UPS:
            _roll_up(
                connection, level, (started_us - age_us) // stretch_us * stretch_us, stretch_us
            )
        _insert(connection, 0, snapshot, body)
        charts.add(connection, snapshot, retention_s=retention_s)


def _insert(connection: sqlite3.Connection, level: int, snapshot: Snapshot, body: bytes) -> None:
    connection.execute(
        "INSERT INTO windows (level, started_us, window_s, worker, body) VALUES (?, ?, ?, ?, ?)",
        (
            level,
            _to_us(snapshot.started_at),
            snapshot.window_s,
            snapshot.worker,
            body,
        ),
    )


def _roll_up(connection: sqlite3.Connection, level: int, until_us: int, stretch_us: int) -> None:
    """Make one window of those of each stretch that ended before *until_us*."""
    rows: list[_Row] = connection.execute(
        "SELECT id, started_us, window_s, worker, body FROM windows"
        " WHERE level = ? AND started_us < ? ORDER BY started_us, id LIMIT ?",
        (level, until_us, _AT_ONCE),
    ).fetchall()
    for _, group in groupby(rows, key=lambda row: row[1] // stretch_us):
        stretch = list(group)
        merged = Snapshot.merged(_decoded(stretch))
        connection.executemany("DELETE FROM windows WHERE id = ?", [row[:1] for row in stretch])
        if merged is not None:
            _insert(connection, level + 1, merged, encode(merged))


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
        charts.forget_a_quarter(connection)
    _log.warning("the store is full: its oldest %d windows were given up", given_up)


def _decoded(rows: list[_Row]) -> list[Snapshot]:
    windows = []
    for _, started_us, window_s, worker, body in rows:
        try:
            windows.append(_window(started_us, window_s, worker, body))
        except ValueError as error:
            # It stays a hole in the history; the windows around it are as good as before.
            _log.warning("a window of %s cannot be read: %s", worker or "several workers", error)
    return windows


# The newest windows are read again and again: to judge, for the pages that are open.
@lru_cache(maxsize=128)
def _window(started_us: int, window_s: float, worker: str, body: bytes) -> Snapshot:
    started_at = _EPOCH + started_us * _MICROSECOND
    return decode(body, Snapshot(started_at=started_at, window_s=window_s, worker=worker))


def _to_us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
