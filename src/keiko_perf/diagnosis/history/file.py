"""
HistoryFile: what databases did, in an SQLite file that outlives them and us.

A reading and what happened since the one before it are kept together or not at all. After a day
the periods of an hour become one, and after *retention_s*, or where the room ends, the oldest go.
A file of another program, or a damaged one, is left alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.history.history import Period, merged, period_between
from keiko_perf.diagnosis.history.text import (
    read_period,
    read_reading,
    write_period,
    write_reading,
)
from keiko_perf.errors import KeikoError, StoreUnavailable, UsageError

T = TypeVar("T")
SCHEMA_VERSION = 1
HOUR_S = 3_600
_KEPT_AS_IT_IS_S = 86_400
_APPLICATION_ID = 0x6B656B68  # "kekh", as `file` and SQLite's own tools show it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 500
"""Periods that are rolled up with one that comes: after a pause it is caught up on bit by bit."""
_SCHEMA = (
    "CREATE TABLE periods (id INTEGER PRIMARY KEY, place TEXT NOT NULL, start_us INTEGER NOT NULL,"
    " end_us INTEGER NOT NULL, is_hour INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL)",
    "CREATE INDEX periods_by_start ON periods (place, start_us)",
    "CREATE TABLE readings (place TEXT PRIMARY KEY, at_us INTEGER NOT NULL, body BLOB NOT NULL)",
)


class HistoryFile:
    """
    The history of any number of databases, each under its place (`host:port/database`).

    Args:
        path: the file; it is made, with its folder, when the first reading is kept.
        retention_s: how long a period is kept, seen from the newest of its database.
        max_bytes: how large the file may get.
        busy_timeout_s: how long to wait for another process that writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention_s: float = 90 * 86_400.0,
        max_bytes: int = 512 << 20,
        busy_timeout_s: float = 10.0,
    ) -> None:
        if not retention_s > 0 or max_bytes < 1 << 18 or busy_timeout_s < 0:
            raise UsageError(
                "this history could not keep a reading",
                cure="Let retention_s be over 0, max_bytes 262144 or more, and busy_timeout_s not"
                " negative",
            )
        self.path = Path(path)
        self._retention_s = retention_s
        self._max_bytes = max_bytes
        self._busy_timeout_s = busy_timeout_s

    def read_last_at(self, place: str) -> datetime | None:
        """When the last reading of a database was; None if there is none."""
        return self._reading(
            lambda connection: next(
                (
                    _at(us)
                    for (us,) in connection.execute(
                        "SELECT at_us FROM readings WHERE place = ?", (place,)
                    )
                ),
                None,
            ),
            None,
        )

    def keep(self, place: str, evidence: Evidence, *, note: str = "") -> Period | None:
        """
        Keep a reading, and what happened since the one before; that is also handed back.

        Returns:
            None for the first reading of a database.

        Raises:
            StoreUnavailable: it could not be kept; the cause is named.
            UsageError: the reading is older than the one before.
        """

        def write(connection: sqlite3.Connection) -> Period | None:
            with connection:
                connection.execute("BEGIN IMMEDIATE")  # all or nothing
                return self._add(connection, place, evidence, note)

        return self._do("written", self._opened_to_write, self._with_room(write))

    def periods(self, place: str, *, since_at: datetime | None = None) -> list[Period]:
        """
        What happened to a database, in its order, from *since_at* on.

        Raises:
            StoreUnavailable: the file cannot be read.
        """
        start_us = _us(since_at) if since_at else -(1 << 62)
        return self._reading(
            lambda connection: [
                _period(row)
                for row in connection.execute(
                    "SELECT start_us, end_us, body FROM periods WHERE place = ? AND end_us > ?"
                    " ORDER BY start_us",
                    (place, start_us),
                )
            ],
            [],
        )

    def places(self) -> list[str]:
        """The databases of which there is a reading."""
        return self._reading(
            lambda connection: [
                str(place)
                for (place,) in connection.execute("SELECT place FROM readings ORDER BY place")
            ],
            [],
        )

    # Private

    def _add(
        self, connection: sqlite3.Connection, place: str, evidence: Evidence, note: str
    ) -> Period | None:
        found = connection.execute("SELECT body FROM readings WHERE place = ?", (place,)).fetchone()
        period = None
        if found is not None:
            period = period_between(read_reading(found[0]), evidence, note=note)
            connection.execute(
                "INSERT INTO periods (place, start_us, end_us, body) VALUES (?, ?, ?, ?)",
                (place, _us(period.start_at), _us(period.end_at), write_period(period)),
            )
        connection.execute(
            "INSERT OR REPLACE INTO readings (place, at_us, body) VALUES (?, ?, ?)",
            (place, _us(evidence.read_at), write_reading(evidence)),
        )
        newest_us = _us(evidence.read_at)
        _roll_up(connection, place, newest_us - _KEPT_AS_IT_IS_S * 1_000_000)
        connection.execute(
            "DELETE FROM periods WHERE place = ? AND end_us < ?",
            (place, newest_us - round(self._retention_s * 1e6)),
        )
        return period

    def _with_room(
        self, write: Callable[[sqlite3.Connection], T]
    ) -> Callable[[sqlite3.Connection], T]:
        """Where the room ends that `max_page_count` leaves, the oldest quarter goes."""

        def tried(connection: sqlite3.Connection) -> T:
            try:
                return write(connection)
            except sqlite3.OperationalError as error:
                is_full = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL
                if not is_full or self.path.stat().st_size < self._max_bytes // 2:
                    raise
            connection.execute(
                "DELETE FROM periods WHERE id IN (SELECT id FROM periods ORDER BY start_us"
                " LIMIT (SELECT count(*) / 4 + 1 FROM periods))"
            )
            return write(connection)

        return tried

    def _reading(self, work: Callable[[sqlite3.Connection], T], empty: T) -> T:
        return self._do("read", self._opened_to_read, work) if self.path.exists() else empty

    def _do(
        self,
        done: str,
        opened: Callable[[], sqlite3.Connection],
        work: Callable[[sqlite3.Connection], T],
    ) -> T:
        try:
            with closing(opened()) as connection:
                return work(connection)
        except KeikoError:
            raise
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StoreUnavailable(
                f"the history {self.path} cannot be {done}: {error}",
                cure="See that the file and its folder can be read and written, that the disk has"
                " room, and that no other program holds it; a damaged one is moved away by hand",
            ) from error

    def _opened_to_write(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connected("rwc")
        try:
            if not _tables(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    connection.execute("BEGIN IMMEDIATE")  # all or nothing
                    if not _tables(connection):  # another process may have been first
                        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                        for statement in _SCHEMA:
                            connection.execute(statement)
            self._recognise(connection)
            (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {self._max_bytes // page_bytes}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _opened_to_read(self) -> sqlite3.Connection:
        connection = self._connected("rw" if os.access(self.path.parent, os.W_OK) else "ro")
        try:
            connection.execute("PRAGMA query_only = ON")
            self._recognise(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
        )

    def _recognise(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != _APPLICATION_ID:
            raise StoreUnavailable(
                f"{self.path} is no history of keiko-perf, and is left alone",
                cure="Name another file with --history",
            )
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise StoreUnavailable(
                f"{self.path} has the layout {version}, and this keiko-perf knows {SCHEMA_VERSION}",
                cure="Install the version that wrote it, or name another file with --history",
            )


def _roll_up(connection: sqlite3.Connection, place: str, until_us: int) -> None:
    """Let the periods that ended before become one an hour."""
    rows = connection.execute(
        "SELECT start_us, end_us, body, id FROM periods"
        " WHERE place = ? AND is_hour = 0 AND end_us < ? ORDER BY start_us LIMIT ?",
        (place, until_us, _AT_ONCE),
    ).fetchall()
    hours = [list(group) for _, group in groupby(rows, key=_hour)]
    # The last one may have more to come, unless nothing that young is left.
    for group in hours if len(rows) < _AT_ONCE else hours[:-1]:
        whole = merged([_period(row[:3]) for row in group])
        connection.executemany("DELETE FROM periods WHERE id = ?", [(row[3],) for row in group])
        connection.execute(
            "INSERT INTO periods (place, start_us, end_us, is_hour, body) VALUES (?, ?, ?, 1, ?)",
            (place, _us(whole.start_at), _us(whole.end_at), write_period(whole)),
        )


def _hour(row: tuple[int, int, bytes, int]) -> int:
    return row[0] // (HOUR_S * 1_000_000)


def _period(row: tuple[int, int, bytes]) -> Period:
    start_us, end_us, body = row
    return read_period(body, start_at=_at(start_us), end_at=_at(end_us))


def _us(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _at(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


def _tables(connection: sqlite3.Connection) -> int:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(tables)
