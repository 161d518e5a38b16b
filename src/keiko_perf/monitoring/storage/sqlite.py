"""
SqliteStore: the windows of all workers of a machine, in one file.

Each worker process writes its windows; any process may read meanwhile (SQLite's write-ahead
log). A window is kept or not, whatever dies when; older ones are rolled up (`windows`), and charts
are answered from what is added up beside them (`charts`). Whoever
writes moves a damaged store aside, never deletes it, and begins a new one; what is none, such as a
text that was named by mistake, is left alone and said to be none. Whoever only reads
changes nothing, whatever file it was given. What cannot be done now (a full disk, a lock that is
not given back) is a StoreUnavailable and leaves the store as it was: the next attempt may succeed.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TypeVar

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import BlockingCall, Snapshot
from keiko_perf.monitoring.storage import charts, minutes, wholes, windows
from keiko_perf.monitoring.storage.minutes import Minutes
from keiko_perf.monitoring.storage.pieces import Piece, read_windows, snapshots, to_us
from keiko_perf.monitoring.storage.points import Point, Sum, points_of

SCHEMA_VERSION = 4
"""
1 had windows only, 2 and 3 other points and nothing merged beside them. Each is read as it is; who
writes brings it up to date.
"""
_WITH_CALLS = 2
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_APPLICATION_ID = 0x6B656B6F  # "keko", as `file` and SQLite's own tools show it
_MAGIC = b"SQLite format 3\0"
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_log = logging.getLogger("keiko_perf.store")
_T = TypeVar("_T")
_inherited: list[sqlite3.Connection] = []
"""Connections from before a fork. They are the parent's: SQLite forbids even closing them here."""


class SqliteStore:
    """
    A store in an SQLite file, which is opened when it is first needed.

    Args:
        path: the file. Its folder is made if it is not there.
        retention_s: how long a window is kept, seen from the newest.
        max_bytes: how large the file may get; then the oldest windows go.
        busy_timeout_s: how long to wait for another process that writes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        retention_s: float = 30 * 86_400.0,
        max_bytes: int = 1 << 30,
        busy_timeout_s: float = 5.0,
    ) -> None:
        if not retention_s > 0 or max_bytes < 1 << 17 or busy_timeout_s < 0:
            raise UsageError(
                "this store could not keep a window",
                cure="Let retention_s be over 0, max_bytes over 131071, busy_timeout_s 0 or more",
            )
        self.path = Path(path)
        self._retention_s = retention_s
        self._max_bytes = max_bytes
        self._busy_timeout_s = busy_timeout_s
        self._lock = Lock()
        self._minutes = Minutes()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = 0

    def append(self, snapshot: Snapshot) -> None:
        self.change(
            lambda one: windows.add(one, snapshot, self._minutes, retention_s=self._retention_s)
        )

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        found: list[Piece] = self.look(
            lambda one: read_windows(one, to_us(start_at), to_us(end_at)), absent=[]
        )
        return snapshots(found)  # not before others may read and write

    def change(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """
        Have *work* write to the file, for what is kept beside the windows.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        return self._do("written", lambda: self._attempt(work))

    def look(self, work: Callable[[sqlite3.Connection], _T], *, absent: _T) -> _T:
        """
        Have *work* read from the file; *absent* is what it finds where there is none.

        Raises:
            StoreUnavailable: it cannot be read.
        """

        def read() -> _T:
            if not self._identify():
                return absent  # reading makes no file
            if self._is_current():
                assert self._connection is not None
                return work(self._connection)
            with closing(self._opened_to_read()) as connection:
                return work(connection) if _tables(connection) else absent

        return self._do("read", read)

    def points(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Point]:
        """As of `Charted`; of a store of an older layout they are made from its windows."""

        def read(connection: sqlite3.Connection) -> list[Point]:
            if _pragma(connection, "user_version") < SCHEMA_VERSION:
                return points_of(windows.read(connection, start_at, end_at), stretch_s)
            return charts.read_points(connection, start_at, end_at, stretch_s)

        return self.look(read, absent=[])

    def sums(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Sum] | None:
        """As of `Charted`; None of a store of an older layout."""

        def read(connection: sqlite3.Connection) -> list[Sum] | None:
            if _pragma(connection, "user_version") < SCHEMA_VERSION:
                return None
            return charts.read_sums(connection, start_at, end_at, stretch_s)

        return self.look(read, absent=None)

    def pieces(
        self, start_at: datetime, end_at: datetime, within_s: int | None = None
    ) -> list[Piece] | None:
        """As of `Charted`; None of a store of an older layout."""

        def read(connection: sqlite3.Connection) -> list[Piece] | None:
            if _pragma(connection, "user_version") < SCHEMA_VERSION:
                return None
            return wholes.cover(connection, to_us(start_at), to_us(end_at), within_s=within_s)

        return self.look(read, absent=None)

    def outlines(
        self, start_at: datetime, end_at: datetime, *, every_s: float, of_each_s: float
    ) -> list[Snapshot]:
        """As of `Charted`."""
        return self.look(
            lambda one: windows.read_outlines(
                one, start_at, end_at, every_s=every_s, of_each_s=of_each_s
            ),
            absent=[],
        )

    def blocking_calls(self, start_at: datetime, end_at: datetime) -> tuple[BlockingCall, ...]:
        """As of `Charted`."""

        def read(connection: sqlite3.Connection) -> tuple[BlockingCall, ...]:
            if _pragma(connection, "user_version") < _WITH_CALLS:
                return ()  # it knew of none
            return charts.read_calls(connection, start_at, end_at)

        return self.look(read, absent=())

    def close(self) -> None:
        """Close the file. To close twice is no mistake; it is opened again when it is needed."""
        with self._lock:
            self._forget()

    # Private

    def _do(self, done: str, work: Callable[[], _T]) -> _T:
        with self._lock:
            try:
                return work()
            except OSError as error:
                self._forget()
                raise self._unavailable(done, error.strerror or str(error)) from error
            except sqlite3.Error as error:
                self._forget()
                raise self._unavailable(done, str(error), _code(error)) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            return work(self._opened())
        except sqlite3.DatabaseError as error:
            if _code(error) not in _DAMAGED:
                raise
            self._forget()
            self._move_aside(str(error))
            return work(self._opened())

    def _opened(self) -> sqlite3.Connection:
        """The connection, which is made anew after a fork, or when the file is another's now."""
        if self._is_current():
            assert self._connection is not None
            return self._connection
        self._forget()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._may_be_a_store():
            raise self._unavailable("written", "file is not a database", sqlite3.SQLITE_NOTADB)
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._identity, self._pid = connection, self._identify(), os.getpid()
        return connection

    def _opened_to_read(self) -> sqlite3.Connection:
        """A connection that makes nothing and changes nothing, for those that write no windows."""
        # What is left of a writer's log needs a file beside the store. Where none can be made,
        # SQLite reads a store that has no log when it is told that nobody else is there.
        has_log = Path(f"{self.path}-wal").exists()
        alone = "" if has_log or os.access(self.path.parent, os.W_OK) else "&immutable=1"
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw{alone}",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA query_only = ON")
            if _tables(connection):
                self._recognise(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_current(self) -> bool:
        return (
            self._connection is not None
            and self._pid == os.getpid()
            and self._identity == self._identify()
        )

    def _identify(self) -> tuple[int, int] | None:
        try:
            file = self.path.stat()
        except FileNotFoundError:
            return None
        return file.st_dev, file.st_ino

    def _prepare(self, connection: sqlite3.Connection) -> None:
        if not _tables(connection):
            # The log needs a lock of its own, so it is switched on before the transaction.
            connection.execute("PRAGMA journal_mode = WAL")
            with windows.transaction(connection):
                if not _tables(connection):  # another worker may have been first
                    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                    for statement in windows.LAYOUT:
                        connection.execute(statement)
        if self._recognise(connection) < SCHEMA_VERSION:
            self._migrate(connection)
        # In WAL mode a power cut may cost the last windows with NORMAL, but never the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        page_bytes = _pragma(connection, "page_size")
        connection.execute(f"PRAGMA max_page_count = {self._max_bytes // page_bytes}")

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring a store of an older layout up to date."""
        with windows.transaction(connection):
            version = _pragma(connection, "user_version")
            if version >= SCHEMA_VERSION:
                return  # another worker was first
            if version < _WITH_CALLS:
                for statement in charts.LAYOUT:
                    connection.execute(statement)
                for one in windows.read(connection, _FIRST, _LAST):
                    charts.add(connection, one, retention_s=self._retention_s)
            else:
                charts.migrate(connection)
            # What is merged beside the windows comes bit by bit, with those that are written.
            for statement in (*minutes.LAYOUT, *wholes.LAYOUT):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _recognise(self, connection: sqlite3.Connection) -> int:
        """The version of the layout, if it is one that is known."""
        if _pragma(connection, "application_id") != _APPLICATION_ID:
            raise StoreUnavailable(
                f"{self.path} is an SQLite database of another program, and is left alone",
                cure="Name another file for the store",
            )
        version = _pragma(connection, "user_version")
        if not 1 <= version <= SCHEMA_VERSION:
            raise StoreUnavailable(
                f"{self.path} has the layout {version}, and this keiko-perf knows {SCHEMA_VERSION}",
                cure="Upgrade keiko-perf, or name another file for the store",
            )
        return version

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid == os.getpid():
            connection.close()
        else:
            _inherited.append(connection)

    def _move_aside(self, reason: str) -> None:
        """Make room for a new file, unless another worker has done it already."""
        with _alone(self.path.parent):
            if not self._is_damaged():
                return
            mark = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            aside = f"{self.path}.corrupt-{mark}"
            for suffix in ("", "-wal", "-shm"):
                file = Path(f"{self.path}{suffix}")
                if file.exists():
                    file.rename(f"{aside}{suffix}")
        _log.warning("%s is damaged (%s): moved to %s, and begun anew", self.path, reason, aside)

    def _may_be_a_store(self) -> bool:
        """
        Whether the file is not there yet, or begins as databases do, damaged or not, or with the
        zeros that a lost power supply leaves.

        Of any other one nobody knows whose it is, and a wrong name must not cost anybody his file:
        SQLite would write over a short one.
        """
        try:
            with self.path.open("rb") as file:
                begins = file.read(len(_MAGIC))
        except FileNotFoundError:
            return True
        return begins == _MAGIC or not any(begins)

    def _is_damaged(self) -> bool:
        try:
            with closing(sqlite3.connect(self.path, timeout=self._busy_timeout_s)) as connection:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            return _code(error) in _DAMAGED
        return bool(verdict != "ok")

    def _unavailable(self, done: str, reason: str, code: int | None = None) -> StoreUnavailable:
        cures = {
            sqlite3.SQLITE_BUSY: "Let the program that holds it finish, or raise busy_timeout_s",
            sqlite3.SQLITE_LOCKED: "Let the program that holds it finish, or raise busy_timeout_s",
            sqlite3.SQLITE_FULL: "Free space on its disk",
            sqlite3.SQLITE_READONLY: "Give this process the right to write the file and its folder",
            sqlite3.SQLITE_CORRUPT: "Move the file away",
            sqlite3.SQLITE_NOTADB: "Name the file that PerformanceMonitor(store=...) writes to",
        }
        other = "See that the file and its folder can be read and written by this process"
        return StoreUnavailable(
            f"the store {self.path} cannot be {done}: {reason}",
            cure=cures.get(code, other) if code is not None else other,
        )


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; the upper bits only say more of the same."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _tables(connection: sqlite3.Connection) -> int:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(tables)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on *folder* that leaves no file behind; where there is none, go on without."""
    try:
        from fcntl import LOCK_EX, flock
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        flock(handle, LOCK_EX)
        yield
    finally:
        os.close(handle)
