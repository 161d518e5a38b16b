"""
Store: where the windows of a service are kept, behind three methods.

A store takes snapshots, one a window and worker, and hands back those that began within a
range of time. How long it keeps them is its own matter, but always bounded. MemoryStore lives
and dies with its process and knows only that; SqliteStore is shared by all workers of a machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from keiko_perf.errors import UsageError
from keiko_perf.model import Snapshot

if TYPE_CHECKING:
    from keiko_perf.monitoring.sqlite import SqliteStore

__all__ = ["MemoryStore", "SqliteStore", "Store"]

DAY_S = 86_400.0


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
        that order: ranges that adjoin each other share no window.

        Raises:
            StoreUnavailable: they cannot be read.
        """

    def close(self) -> None:
        """Give back what is held. To close twice is no mistake."""


class MemoryStore:
    """
    A store in the memory of this process.

    Args:
        retention_s: how long a window is kept, seen from the newest.
        max_windows: how many are kept at most.
    """

    def __init__(self, *, retention_s: float = DAY_S, max_windows: int = 10_000) -> None:
        if not retention_s > 0 or max_windows < 1:
            raise UsageError(
                f"a store of {max_windows} windows over {retention_s} s keeps nothing",
                cure="let retention_s be over 0, and max_windows at least 1",
            )
        self._retention = timedelta(seconds=retention_s)
        self._windows: deque[Snapshot] = deque(maxlen=max_windows)
        self._lock = Lock()

    def append(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._windows.append(snapshot)
            oldest_at = snapshot.started_at - self._retention
            while self._windows[0].started_at < oldest_at:
                self._windows.popleft()

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        with self._lock:
            windows: Iterable[Snapshot] = tuple(self._windows)
        found = [one for one in windows if start_at <= one.started_at < end_at]
        return sorted(found, key=lambda one: one.started_at)

    def close(self) -> None:
        """Nothing is held but memory, and what was kept can still be read."""


def __getattr__(name: str) -> Any:
    if name == "SqliteStore":
        from keiko_perf.monitoring.sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
