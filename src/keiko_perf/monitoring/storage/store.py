"""
Store: where the windows of a service are kept, behind three methods.

A store takes snapshots, one a window and worker, and hands back those that began within a
range of time. How long it keeps them is its own matter, but always bounded. MemoryStore lives
and dies with its process and knows only that; SqliteStore is shared by all workers of a machine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from keiko_perf.errors import UsageError
from keiko_perf.model import BlockingCall, Snapshot
from keiko_perf.monitoring.storage import charts, wholes, windows
from keiko_perf.monitoring.storage.minutes import Minutes
from keiko_perf.monitoring.storage.pieces import Piece, read_windows, snapshots, to_us
from keiko_perf.monitoring.storage.points import Point, Sum

if TYPE_CHECKING:
    from keiko_perf.monitoring.storage.sqlite import SqliteStore

__all__ = ["Charted", "MemoryStore", "SqliteStore", "Store"]

DAY_S = 86_400.0
_T = TypeVar("_T")


@runtime_checkable
class Store(Protocol):
    """Where windows are kept. Its methods may block, and any thread may call them."""

    def append(self, snapshot: Snapshot) -> None:
        """
        Keep *snapshot*.

        Raises:
            StoreUnavailable: it could not be kept; the cause is named, and it may be tried again.
        """

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        """
        The windows of all workers that began at *start_at* or later and before *end_at*, in
        that order: ranges that adjoin each other share no window. Older windows may have been
        merged into longer ones.

        Raises:
            StoreUnavailable: they cannot be read.
        """

    def close(self) -> None:
        """Give back what is held. To close twice is no mistake."""


@runtime_checkable
class Charted(Protocol):
    """A store that also keeps what charts show, so that it need not be read from the windows."""

    def points(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Point]:
        """
        The points of a chart that touch a range, in their order.

        They are *stretch_s* long, one of `STRETCHES_S`.
        """

    def sums(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Sum] | None:
        """
        What the points of one length that touch the range are added up from, in their order, but
        for the histogram of lags, of which charts show the longest; None where it is not kept.
        """

    def pieces(
        self, start_at: datetime, end_at: datetime, within_s: int | None = None
    ) -> list[Piece] | None:
        """
        The same as `between`, as few pieces, merged and packed, in their order.

        No piece but a window reaches over a multiple of *within_s*, if that is given. None where
        there are none yet.
        """

    def outlines(
        self, start_at: datetime, end_at: datetime, *, every_s: float, of_each_s: float
    ) -> list[Snapshot]:
        """
        The windows of a range without their series, which is a twentieth of the work.

        Only those that began in the first *of_each_s* of each *every_s* of the range.
        """

    def blocking_calls(self, start_at: datetime, end_at: datetime) -> tuple[BlockingCall, ...]:
        """What held the event loops in the windows that began in that time."""


class MemoryStore:
    """
    A store in the memory of this process: SQLite's as well, and so as compact.

    Args:
        retention_s: how long a window is kept, seen from the newest.
        max_bytes: how much memory it may take; then the oldest windows go.
    """

    def __init__(self, *, retention_s: float = DAY_S, max_bytes: int = 64 << 20) -> None:
        if not retention_s > 0 or max_bytes < 1 << 17:
            raise UsageError(
                f"a store of {max_bytes} bytes for {retention_s} s keeps nothing",
                cure="Let retention_s be over 0, and max_bytes 131072 or more",
            )
        self._retention_s = retention_s
        self._lock = Lock()
        self._minutes = Minutes()
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        (page_bytes,) = self._connection.execute("PRAGMA page_size").fetchone()
        self._connection.execute(f"PRAGMA max_page_count = {max_bytes // page_bytes}")
        for statement in windows.LAYOUT:
            self._connection.execute(statement)

    def append(self, snapshot: Snapshot) -> None:
        with self._lock:
            windows.add(self._connection, snapshot, self._minutes, retention_s=self._retention_s)

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        with self._lock:
            found = read_windows(self._connection, to_us(start_at), to_us(end_at))
        return snapshots(found)

    def points(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Point]:
        with self._lock:
            return charts.read_points(self._connection, start_at, end_at, stretch_s)

    def sums(self, start_at: datetime, end_at: datetime, stretch_s: int) -> list[Sum] | None:
        with self._lock:
            return charts.read_sums(self._connection, start_at, end_at, stretch_s)

    def pieces(
        self, start_at: datetime, end_at: datetime, within_s: int | None = None
    ) -> list[Piece]:
        with self._lock:
            return wholes.cover(self._connection, to_us(start_at), to_us(end_at), within_s=within_s)

    def outlines(
        self, start_at: datetime, end_at: datetime, *, every_s: float, of_each_s: float
    ) -> list[Snapshot]:
        with self._lock:
            return windows.read_outlines(
                self._connection, start_at, end_at, every_s=every_s, of_each_s=of_each_s
            )

    def blocking_calls(self, start_at: datetime, end_at: datetime) -> tuple[BlockingCall, ...]:
        with self._lock:
            return charts.read_calls(self._connection, start_at, end_at)

    def change(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Have *work* write to the connection, for what is kept beside the windows."""
        with self._lock:
            return work(self._connection)

    def look(self, work: Callable[[sqlite3.Connection], _T], *, absent: _T) -> _T:
        """Have *work* read from the connection; *absent* is what it finds where nothing is."""
        with self._lock:
            return work(self._connection)

    def close(self) -> None:
        """Nothing is held but memory, and what was kept can still be read."""

    def __del__(self) -> None:
        # Left open until nobody can read it any more; Python warns of a connection that just goes.
        if hasattr(self, "_connection"):
            self._connection.close()
