"""
Evidence: what was read from a database, or why it could not be.

Values only, one topic a file. Counters are since the database's statistics began, which
`Evidence.since_at` tells; nothing here resets them. What is None was not or could not be read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keiko_perf.diagnosis.evidence.relations import (
    Autovacuum,
    ForeignKey,
    IndexStats,
    NarrowKey,
    SequenceStats,
    TableStats,
)
from keiko_perf.diagnosis.evidence.replication import Replication, Slot, Standby
from keiko_perf.diagnosis.evidence.server import (
    Archiver,
    Checkpoints,
    Collation,
    DatabaseStats,
    Extension,
    Machine,
    Setting,
    Settings,
    Wal,
)
from keiko_perf.diagnosis.evidence.sessions import (
    Connections,
    PreparedTransaction,
    Session,
    Waiter,
)
from keiko_perf.diagnosis.evidence.statements import ColumnGroup, StatementStats
from keiko_perf.model import Gap

__all__ = [
    "Archiver",
    "Autovacuum",
    "Checkpoints",
    "Collation",
    "ColumnGroup",
    "Connections",
    "DatabaseStats",
    "Evidence",
    "Extension",
    "ForeignKey",
    "IndexStats",
    "Machine",
    "NarrowKey",
    "PreparedTransaction",
    "Replication",
    "SequenceStats",
    "Session",
    "Setting",
    "Settings",
    "Slot",
    "Standby",
    "StatementStats",
    "TableStats",
    "Waiter",
    "Wal",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """
    Attributes:
        read_at: when, aware UTC, by the database's clock.
        since_at: since when the counters of tables and indexes count; None if not known.
        statements: statements by their total time, the largest first; empty if a gap says why.
        statements_since_at: since when the counters of statements count; None if not known.
        statements_total_s: the time of all statements, also those that are not listed.
        statements_left_out: how many are not listed.
        statements_evicted: how often the server forgot the rarest for want of room.
        tables: tables by size; indexes likewise.
        tables_left_out: how many are not listed.
        indexes_left_out: how many are not listed.
        autovacuum: when the server cleans up by itself.
        foreign_keys: those without an index on the side that refers, the largest table first.
        sequences: those that can come to an end.
        narrow_keys: int and smallint keys that are far on, whatever numbers them.
        column_groups: columns of which the workload asks for several at once, with what the planner
            knows of each.
        connections: who is connected, and what waits for what.
        replication: who follows, and how far behind.
        checkpoints: how often, and why.
        wal: what was written to the log.
        archiver: what becomes of the log's files.
        database: what the whole database did.
        settings: the server's settings that rules look at.
        extensions: those that are installed.
        collations: those that the system's library has changed since.
        machine: the memory of the server's machine; None if that is not this one.
        is_standby: whether this server follows another, so that its counters tell only its own use.
        gaps: what could not be looked at.
    """

    read_at: datetime
    since_at: datetime | None = None
    statements: tuple[StatementStats, ...] = ()
    statements_since_at: datetime | None = None
    statements_total_s: float = 0.0
    statements_left_out: int = 0
    statements_evicted: int | None = None
    tables: tuple[TableStats, ...] = ()
    tables_left_out: int = 0
    indexes: tuple[IndexStats, ...] = ()
    indexes_left_out: int = 0
    autovacuum: Autovacuum = field(default_factory=Autovacuum)
    foreign_keys: tuple[ForeignKey, ...] = ()
    sequences: tuple[SequenceStats, ...] = ()
    narrow_keys: tuple[NarrowKey, ...] = ()
    column_groups: tuple[ColumnGroup, ...] = ()
    connections: Connections | None = None
    replication: Replication | None = None
    checkpoints: Checkpoints | None = None
    wal: Wal | None = None
    archiver: Archiver | None = None
    database: DatabaseStats | None = None
    settings: Settings = field(default_factory=Settings)
    extensions: tuple[Extension, ...] = ()
    collations: tuple[Collation, ...] = ()
    machine: Machine | None = None
    is_standby: bool = False
    gaps: tuple[Gap, ...] = ()

    @property
    def counted(self) -> timedelta | None:
        """How long the counters of tables and indexes have counted."""
        return None if self.since_at is None else self.read_at - self.since_at

    @property
    def counted_s(self) -> float | None:
        """Likewise, in seconds and never 0."""
        counted = self.counted
        return None if counted is None else max(counted.total_seconds(), 1.0)
