"""
Journal: what happened to a service beside its figures: markers, silences, alerts, deliveries.

It is one small table in the store's own file, so that every worker sees the same and a restart
forgets nothing; a store that is no SQLite gets a journal in memory. An entry has a topic, a key
that is its own within the topic, a time and a body in JSON's types. Each topic is bounded: the
oldest entries go. Its methods block, as those of a store do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from keiko_perf.errors import StoreUnavailable
from keiko_perf.monitoring.storage.store import MemoryStore
from keiko_perf.monitoring.storage.windows import transaction

MOST = 1000
"""Entries of a topic."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, topic TEXT NOT NULL,"
    " key TEXT NOT NULL, at_us INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (topic, key))",
    "CREATE INDEX IF NOT EXISTS journal_by_time ON journal (topic, at_us)",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Entry:
    """
    Attributes:
        key: its own within the topic.
        at: aware UTC.
        body: in JSON's types.
    """

    key: str
    at: datetime
    body: dict[str, Any]


@runtime_checkable
class Place(Protocol):
    """What keeps a journal: a store that lets others use its SQLite connection."""

    def change(self, work: Callable[[sqlite3.Connection], _T]) -> _T: ...

    def look(self, work: Callable[[sqlite3.Connection], _T], *, absent: _T) -> _T: ...


class Page:
    """The journal within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entries(
        self, topic: str, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> list[Entry]:
        """Those of *topic* from *start_at* on and before *end_at*, the oldest first."""
        rows = self._connection.execute(
            "SELECT key, at_us, body FROM journal WHERE topic = ? AND at_us >= ? AND at_us < ?"
            " ORDER BY at_us, id",
            (topic, _to_us(start_at, -(1 << 62)), _to_us(end_at, 1 << 62)),
        )
        return [
            Entry(key, _EPOCH + at_us * _MICROSECOND, json.loads(body)) for key, at_us, body in rows
        ]

    def find(self, topic: str, key: str) -> Entry | None:
        """One entry."""
        row = self._connection.execute(
            "SELECT key, at_us, body FROM journal WHERE topic = ? AND key = ?", (topic, key)
        ).fetchone()
        return row and Entry(row[0], _EPOCH + row[1] * _MICROSECOND, json.loads(row[2]))

    def put(self, topic: str, key: str, at: datetime, body: Mapping[str, Any]) -> None:
        """Write an entry; one of the same key is replaced."""
        self._connection.execute(
            "INSERT INTO journal (topic, key, at_us, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (topic, key) DO UPDATE SET at_us = excluded.at_us, body = excluded.body",
            (topic, key, _to_us(at, 0), json.dumps(body, separators=(",", ":"))),
        )
        self._connection.execute(
            "DELETE FROM journal WHERE topic = ? AND id IN (SELECT id FROM journal"
            " WHERE topic = ? ORDER BY at_us DESC, id DESC LIMIT -1 OFFSET ?)",
            (topic, topic, MOST),
        )

    def drop(self, topic: str, key: str) -> bool:
        """Take an entry out; whether it was there."""
        gone = self._connection.execute(
            "DELETE FROM journal WHERE topic = ? AND key = ?", (topic, key)
        )
        return gone.rowcount > 0


class Journal:
    """
    Args:
        store: the one whose file it shares, if it has one.
    """

    def __init__(self, store: object) -> None:
        self.is_shared = isinstance(store, Place) and not isinstance(store, MemoryStore)
        self._place: Place = store if isinstance(store, Place) else MemoryStore()

    def write(self, work: Callable[[Page], _T]) -> _T:
        """
        All that *work* changes, or nothing; nobody else writes meanwhile.

        Raises:
            StoreUnavailable: it cannot be written; the cause is named.
        """

        def changed(connection: sqlite3.Connection) -> _T:
            with transaction(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
                return work(Page(connection))

        try:
            return self._place.change(changed)
        except sqlite3.Error as error:
            raise _unavailable("written", error) from error

    def read(self, work: Callable[[Page], _T], *, absent: _T) -> _T:
        """
        What *work* finds; *absent* where there is no journal yet.

        Raises:
            StoreUnavailable: it cannot be read.
        """

        def looked(connection: sqlite3.Connection) -> _T:
            return work(Page(connection)) if _has_journal(connection) else absent

        try:
            return self._place.look(looked, absent=absent)
        except sqlite3.Error as error:
            raise _unavailable("read", error) from error


def _unavailable(done: str, error: sqlite3.Error) -> StoreUnavailable:
    """A store in memory that is full, for instance; one in a file says it in its own words."""
    return StoreUnavailable(
        f"the journal cannot be {done}: {error}", cure="Give the store more room (max_bytes)"
    )


def _has_journal(connection: sqlite3.Connection) -> bool:
    row = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'journal'"
    ).fetchone()
    return row is not None


def _to_us(at: datetime | None, otherwise: int) -> int:
    return otherwise if at is None else (at - _EPOCH) // _MICROSECOND
