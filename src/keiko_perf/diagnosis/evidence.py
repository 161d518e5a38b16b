"""
Evidence: what was read from a database, or why it could not be.

Values only. Counters are since the database's statistics began, which `Evidence.since_at` tells;
nothing here resets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from keiko_perf.model import Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementStats:
    """
    One normalised statement of pg_stat_statements.

    Attributes:
        query: its text, with `$1` for constants.
        calls: how often it was executed.
        total_s: all the time that took.
        mean_s: the time of one execution.
        stddev_s: its standard deviation.
        max_s: the longest.
        rows: rows returned or changed, in all.
        hit_blocks: blocks found in shared buffers.
        read_blocks: blocks that had to be fetched.
        temp_blocks: blocks written to temporary files.
    """

    query: str
    calls: int
    total_s: float
    mean_s: float
    stddev_s: float
    max_s: float
    rows: int
    hit_blocks: int
    read_blocks: int
    temp_blocks: int

    @property
    def rows_per_call(self) -> float:
        return self.rows / self.calls if self.calls else 0.0

    @property
    def hit_ratio(self) -> float | None:
        """The share of blocks found in shared buffers; None if it touched none."""
        blocks = self.hit_blocks + self.read_blocks
        return self.hit_blocks / blocks if blocks else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStats:
    """
    One table, or partition.

    Attributes:
        schema: its schema.
        name: its name.
        size_bytes: with TOAST, without indexes.
        estimated_rows: the planner's number (pg_class.reltuples); None if it has none.
        inserts: rows inserted; updates and deletes likewise.
        live_rows: live rows, as the statistics collector believes.
        dead_rows: dead rows, likewise.
        modified_rows: rows changed since it was last analysed.
        inserted_rows: rows inserted since it was last vacuumed.
        last_vacuum_at: the last vacuum, by hand or automatic; None if never.
        last_analyze_at: the last analyze, likewise.
        seq_scans: sequential scans.
        index_scans: index scans.
        options: the table's own settings, such as autovacuum_enabled.
    """

    schema: str
    name: str
    size_bytes: int
    estimated_rows: float | None
    inserts: int
    updates: int
    deletes: int
    live_rows: int
    dead_rows: int
    modified_rows: int
    inserted_rows: int
    last_vacuum_at: datetime | None
    last_analyze_at: datetime | None
    seq_scans: int
    index_scans: int
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """As one would write it: without the schema where that is `public`."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def dead_ratio(self) -> float:
        """The share of rows that are dead, 0 to 1; 0 of an empty table."""
        rows = self.live_rows + self.dead_rows
        return self.dead_rows / rows if rows else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStats:
    """
    One index.

    Attributes:
        schema: its schema.
        table: the table it is on.
        name: its name.
        shape: everything that makes it what it is but its name; equal shapes are duplicates.
        size_bytes: its size.
        scans: how often it was used.
        last_scan_at: when it was last; None if never, or before PostgreSQL 16.
        is_valid: whether queries may use it.
        is_being_built: whether a CREATE INDEX or REINDEX is at work on it now.
        is_unique: whether it forbids duplicates, and so is needed without being scanned.
        backs: what needs it: a constraint, a replica identity, a partitioned index; empty if
            nothing does.
        table_writes: rows inserted, updated and deleted in its table: what it costs.
        table_scans: how often the table was read in any way: what it could have served.
    """

    schema: str
    table: str
    name: str
    shape: str
    size_bytes: int
    scans: int
    last_scan_at: datetime | None
    is_valid: bool
    is_being_built: bool
    is_unique: bool
    backs: str
    table_writes: int
    table_scans: int

    @property
    def full_name(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Autovacuum:
    """The server's settings that decide when a table is vacuumed and analysed by itself."""

    is_on: bool = True
    vacuum_threshold: float = 50
    vacuum_scale_ratio: float = 0.2
    analyze_threshold: float = 50
    analyze_scale_ratio: float = 0.1
    vacuum_max_threshold: float = -1  # PostgreSQL 18 caps the formula; negative is no cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """
    Attributes:
        read_at: when, aware UTC, by the database's clock.
        since_at: since when the counters of tables and indexes count; None if not known.
        statements: statements by their total time, the largest first; empty if a gap says why.
        statements_total_s: the time of all statements, also those that are not listed.
        statements_left_out: how many are not listed.
        tables: tables by size; indexes likewise.
        tables_left_out: how many are not listed.
        indexes_left_out: how many are not listed.
        autovacuum: when the server cleans up by itself.
        is_standby: whether this server follows another, so that its counters tell only its own use.
        gaps: what could not be looked at.
    """

    read_at: datetime
    since_at: datetime | None = None
    statements: tuple[StatementStats, ...] = ()
    statements_total_s: float = 0.0
    statements_left_out: int = 0
    tables: tuple[TableStats, ...] = ()
    tables_left_out: int = 0
    indexes: tuple[IndexStats, ...] = ()
    indexes_left_out: int = 0
    autovacuum: Autovacuum = field(default_factory=Autovacuum)
    is_standby: bool = False
    gaps: tuple[Gap, ...] = ()
