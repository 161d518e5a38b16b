"""
Server: what the whole database and server did, and how they are set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

_UNITS = {
    "B": 1.0, "kB": 1024.0, "MB": 1024.0**2, "GB": 1024.0**3, "TB": 1024.0**4,
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One of the server's settings, as pg_settings shows it."""

    value: str
    unit: str | None = None
    source: str = "default"

    @property
    def number(self) -> float | None:
        """In bytes or seconds where it has such a unit; None if it is no number."""
        unit = self.unit or ""
        digits = unit.rstrip("BkMGTusminhd")
        try:
            size = float(digits or 1) * (_UNITS[unit.removeprefix(digits)] if unit else 1.0)
            return float(self.value) * size
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that could be read, by name."""

    by_name: Mapping[str, Setting] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A setting in bytes, seconds or as a plain number; None if it was not read."""
        setting = self.by_name.get(name)
        return None if setting is None else setting.number

    def text(self, name: str) -> str | None:
        """A setting as it is; None if it was not read."""
        setting = self.by_name.get(name)
        return None if setting is None else setting.value

    def is_on(self, name: str) -> bool | None:
        """Whether a switch is on; None if it was not read."""
        value = self.text(name)
        return None if value is None else value == "on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """
    The memory of the server's machine.

    Attributes:
        memory_bytes: how much it has.
        available_bytes: how much could be had without taking it from others.
        swapped_bytes: how much was moved to disk for want of room.
    """

    memory_bytes: float
    available_bytes: float
    swapped_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStats:
    """
    The counters of the current database, since `Evidence.since_at`.

    Attributes:
        commits: transactions committed.
        rollbacks: transactions rolled back.
        hit_blocks: blocks found in shared buffers.
        read_blocks: blocks that had to be fetched.
        read_s: the time that took; None if the server does not time it.
        temp_bytes: written to temporary files.
        temp_files: how many of those.
        deadlocks: transactions that were ended to resolve a deadlock.
        sessions: connections made to it; None before PostgreSQL 14.
        workers_planned: parallel workers that plans asked for; None before PostgreSQL 18.
        workers_launched: those that there were; likewise.
        oldest: the database of the whole server whose rows are oldest.
        oldest_age: how old, in transactions.
        checksum_failures: pages of all databases that came back damaged; None if not checked.
        checksum_failed_at: when the last one did.
    """

    commits: int = 0
    rollbacks: int = 0
    hit_blocks: int = 0
    read_blocks: int = 0
    read_s: float | None = None
    temp_bytes: float = 0.0
    temp_files: int = 0
    deadlocks: int = 0
    sessions: int | None = None
    workers_planned: int | None = None
    workers_launched: int | None = None
    oldest: str = ""
    oldest_age: int = 0
    checksum_failures: int | None = None
    checksum_failed_at: datetime | None = None

    @property
    def hit_ratio(self) -> float | None:
        blocks = self.hit_blocks + self.read_blocks
        return self.hit_blocks / blocks if blocks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """How many checkpoints were due by time, how many were asked for, since when."""

    timed: int
    requested: int
    since_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wal:
    """What was written to the log since when; only PostgreSQL 14 and newer count it."""

    bytes: float
    records: float
    since_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """Files of the log that were archived and those that could not be; None where none was."""

    archived: int
    failed: int
    last_archived_at: datetime | None = None
    last_failed_at: datetime | None = None
    last_failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """An extension, the version of it that is installed, and the one that the server has."""

    name: str
    version: str
    available: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collation:
    """
    An order of texts that the system's library has changed since.

    Attributes:
        database: the current database.
        schema: of the collation; None if it is the database's own.
        name: its name, or that of the database.
        version: the one by which indexes were made.
        actual: the one that the library has now.
        indexes: how many are sorted by it.
    """

    database: str
    schema: str | None
    name: str
    version: str
    actual: str
    indexes: int
