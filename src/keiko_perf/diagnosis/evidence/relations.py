"""
Relations: tables, indexes, foreign keys and sequences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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
        last_vacuum_at: the last vacuum, by hand or automatic; None if never.
        last_analyze_at: the last analyze, likewise.
        seq_scans: sequential scans.
        index_scans: index scans.
        options: the table's own settings, such as autovacuum_enabled.
        hot_updates: updates that touched no index.
        moved_updates: updates whose new row did not fit on its page; None before PostgreSQL 16.
        toast_bytes: how much of the size is TOAST.
        columns: how many columns it has.
        has_primary_key: whether it has one.
        is_partition: whether it is a part of another.
        frozen_age: how many transactions ago its oldest unfrozen row may be; TOAST included.
        multixact_age: the same in multixacts.
        row_bytes: what a row takes on a page by the planner's statistics; None if not known.
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
    last_vacuum_at: datetime | None
    last_analyze_at: datetime | None
    seq_scans: int
    index_scans: int
    options: Mapping[str, str] = field(default_factory=dict)
    hot_updates: int = 0
    moved_updates: int | None = None
    toast_bytes: int = 0
    columns: int = 0
    has_primary_key: bool = True
    is_partition: bool = False
    frozen_age: int | None = None
    multixact_age: int | None = None
    row_bytes: float | None = None

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
        is_valid: whether queries may use it.
        is_being_built: whether a CREATE INDEX or REINDEX is at work on it now.
        is_unique: whether it forbids duplicates, and so is needed without being scanned.
        backs: what needs it: a constraint, a replica identity, a partitioned index; empty if
            nothing does.
        table_writes: rows inserted, updated and deleted in its table: what it costs.
        table_scans: how often the table was read in any way: what it could have served.
        keys: what it sorts by, one text a key, equal where the keys are; empty if it is no B-tree.
        kind: what else has to agree for one to stand in for another: access method and predicate.
        has_included: whether it carries further columns.
        transactions: how many the server has begun since it was made; None if not known.
        rows_read: entries that its scans have read.
        rows: entries in it, as the planner believes; None if not known.
        table_rows: rows of its table, likewise.
        entry_bytes: what an entry takes by the planner's statistics; None if not known.
        distinct_values: of its only column, by the planner's statistics; None if not known.
    """

    schema: str
    table: str
    name: str
    shape: str
    size_bytes: int
    scans: int
    is_valid: bool
    is_being_built: bool
    is_unique: bool
    backs: str
    table_writes: int
    table_scans: int
    keys: tuple[str, ...] = ()
    kind: str = ""
    has_included: bool = False
    transactions: int | None = None
    rows_read: int = 0
    rows: float | None = None
    table_rows: float | None = None
    entry_bytes: float | None = None
    distinct_values: float | None = None

    @property
    def full_name(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def table_name(self) -> str:
        """Its table as one would write it."""
        return self.table if self.schema == "public" else f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """
    A foreign key whose referring side no index serves.

    Attributes:
        schema: of the table that refers.
        table: that table.
        name: the constraint's.
        columns: those that refer.
        referenced: the table that they refer to, as one would write it.
        rows: of the table that refers, as the planner believes.
        size_bytes: its size.
        deletes: rows deleted from the table that is referred to: each one searches this one.
        is_partitioned: whether the table is partitioned, so that no index is made concurrently.
    """

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    referenced: str
    rows: float
    size_bytes: int
    deletes: int
    is_partitioned: bool = False

    @property
    def full_name(self) -> str:
        return self.table if self.schema == "public" else f"{self.schema}.{self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceStats:
    """
    A sequence that ends before it wraps: by its own limit, or by its column's type.

    Attributes:
        schema: its schema.
        name: its name.
        last_value: the last it gave; None if it gave none.
        limit: the last it can give.
        table: the table that it numbers, as one would write it; None if it belongs to none.
        column: the column that it numbers.
        column_type: its type, as one would write it.
        is_narrow: whether it stays as narrow as it is where its column is made wider.
    """

    schema: str
    name: str
    last_value: int | None
    limit: int
    table: str | None = None
    column: str | None = None
    column_type: str | None = None
    is_narrow: bool = False

    @property
    def full_name(self) -> str:
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def used_ratio(self) -> float:
        return max(self.last_value or 0, 0) / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowKey:
    """
    An int or smallint that rows are known by, or that refers to such a one, and that grows.

    Attributes:
        table: its table, as one would write it.
        column: the column, likewise.
        column_type: its type.
        largest: its largest value, by the planner's statistics.
        limit: the largest that fits.
    """

    table: str
    column: str
    column_type: str
    largest: int
    limit: int

    @property
    def used_ratio(self) -> float:
        return max(self.largest, 0) / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Autovacuum:
    """The server's settings that decide when a table is vacuumed and analysed by itself."""

    is_on: bool = True
    vacuum_threshold: float = 50
    vacuum_scale_ratio: float = 0.2
    analyze_threshold: float = 50
    analyze_scale_ratio: float = 0.1
    vacuum_max_threshold: float = -1  # PostgreSQL 18 caps the formula; negative is no cap
    freeze_max_age: float = 200_000_000
    multixact_freeze_max_age: float = 400_000_000
