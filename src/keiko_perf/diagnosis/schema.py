"""
Schema: the tables, columns and indexes of a database, as values.

Only what the advisor decides by is here. Names are kept as they are stored, unquoted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from keiko_perf.diagnosis.statements.parser import quoted


class TableName(NamedTuple):
    """A table's name; the schema is empty where a statement leaves it to the search path."""

    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(quoted(part) for part in self if part)


@dataclass(frozen=True, slots=True)
class Key:
    """
    One column of an index, or one expression.

    Attributes:
        column: its name; of an expression, its SQL.
        descending: whether it is sorted downwards.
        nulls_first: whether NULLs come before the rest; None is the default of the direction.
        opclass: the operator class if it is not the type's own, such as `text_pattern_ops`.
        is_expression: whether it is an expression.
    """

    column: str
    descending: bool = False
    nulls_first: bool | None = None
    opclass: str = ""
    is_expression: bool = False

    @property
    def starts_with_nulls(self) -> bool:
        return self.descending if self.nulls_first is None else self.nulls_first

    @property
    def turned(self) -> Key:
        """The same key read backwards."""
        return replace(self, descending=not self.descending, nulls_first=not self.starts_with_nulls)

    def sorts_like(self, other: Key) -> bool:
        """Whether both give the same order."""
        return (self.column, self.descending, self.starts_with_nulls, self.opclass) == (
            other.column,
            other.descending,
            other.starts_with_nulls,
            other.opclass,
        )

    def __str__(self) -> str:
        name = f"({self.column})" if self.is_expression else quoted(self.column)
        words = [name, self.opclass, "DESC" if self.descending else ""]
        if self.starts_with_nulls is not self.descending:
            words.append("NULLS FIRST" if self.starts_with_nulls else "NULLS LAST")
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingIndex:
    """
    An index that is there.

    Attributes:
        name: without its schema, which is the table's.
        keys: in their order; None is an expression.
        include: columns that it holds besides.
        method: `btree`, `gin`, …
        unique: whether it refuses equal keys.
        is_partial: whether it holds only some of the rows.
        is_valid: whether the planner may use it.
    """

    name: str
    keys: tuple[Key | None, ...]
    include: tuple[str, ...] = ()
    method: str = "btree"
    unique: bool = False
    is_partial: bool = False
    is_valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """
    A column of a table, with the planner's statistics of it.

    Attributes:
        name: as stored.
        distinct: how many different values, estimated; None if not known.
        correlation: of the values' order with the rows' order, -1 to 1; None if not known.
        is_sortable: whether a B-tree can hold it.
        pattern_opclass: what a B-tree needs to serve `LIKE 'x%'`: empty if nothing, None if it
            cannot.
        type: its type's name, of a domain that of what is behind it; an array's begins with `_`.
        width_bytes: of a value, on average.
        rarest: the share of the rows that the rarest of the known values has, at least.
        null_ratio: the share of NULLs.
        is_reference: whether it is a part of a foreign key.
    """

    name: str
    distinct: float | None = None
    correlation: float | None = None
    is_sortable: bool = True
    pattern_opclass: str | None = None
    type: str = ""
    width_bytes: float = 8.0
    is_reference: bool = False
    rarest: float = 0.0
    null_ratio: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    A table whose indexes can be advised on.

    Attributes:
        name: with its schema.
        columns: by name, in their order.
        indexes: those that are there.
        rows: how many, estimated.
        size_bytes: of its rows, without indexes.
        is_visible: whether it is found without its schema.
        is_partitioned: whether it is the parent of partitions.
        is_readable: whether the role may SELECT from it.
        hot_ratio: the share of updates that had to touch no index, 0 to 1.
        inserted_ratio: the share of inserts among all rows written so far, 0 to 1.
        updated_ratio: that of updates; the rest are deletes.
    """

    name: TableName
    columns: Mapping[str, Column]
    indexes: tuple[ExistingIndex, ...] = ()
    rows: float = 0.0
    size_bytes: float = 0.0
    is_visible: bool = True
    is_partitioned: bool = False
    is_readable: bool = True
    hot_ratio: float = 0.0
    inserted_ratio: float = 1.0
    updated_ratio: float = 0.0

    @property
    def shown_name(self) -> str:
        """The name as SQL has to write it."""
        return quoted(self.name.name) if self.is_visible else str(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """
    Attributes:
        tables: by their name.
        search_path: schemas in which a bare name is looked for, in this order.
        views: the SELECT behind each view, by its name.
        trigrams: the schema of the extension pg_trgm; None if it is not there.
    """

    tables: Mapping[TableName, Table] = field(default_factory=dict)
    search_path: tuple[str, ...] = ("public",)
    views: Mapping[TableName, str] = field(default_factory=dict)
    trigrams: str | None = None

    @property
    def columns(self) -> dict[TableName, tuple[str, ...]]:
        """The columns of each table, by which a statement's bare column names are resolved."""
        return {name: tuple(table.columns) for name, table in self.tables.items()}
