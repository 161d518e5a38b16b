"""
Indexes: one that could be made, its name, and the statements that make and unmake it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from keiko_perf.diagnosis.schema import ExistingIndex, Key, Table, TableName
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Message

_WORD = re.compile(r"[a-zA-Z0-9]+")
_LONGEST_NAME_BYTES = 63
"""NAMEDATALEN - 1: the server cuts what is longer, and then it may collide."""


@dataclass(frozen=True, slots=True)
class Index:
    """
    An index on a table; indexes are in the order of their definitions.

    Attributes:
        table: where.
        keys: what it searches and sorts by.
        include: columns that it holds besides, so that the table need not be read.
        where: the rows that it holds, as SQL; empty: all.
        method: `btree`, `gin` or `brin`.
    """

    table: TableName
    keys: tuple[Key, ...]
    include: tuple[str, ...] = ()
    where: str = ""
    method: str = "btree"

    def __lt__(self, other: Index) -> bool:
        return _place(self) < _place(other)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, or expressions, of the keys."""
        return tuple(key.column for key in self.keys)

    @property
    def is_plain(self) -> bool:
        """Whether it is a B-tree over columns of all rows."""
        is_odd = self.include or self.where or any(key.is_expression for key in self.keys)
        return self.method == "btree" and not is_odd

    @property
    def kind(self) -> str:
        """`plain`, `covering`, `partial`, `expression`, or the method if it is no B-tree."""
        if self.method != "btree":
            return self.method
        if any(key.is_expression for key in self.keys):
            return "expression"
        if self.where:
            return "partial"
        return "covering" if self.include else "plain"

    def begins_with(self, other: Index) -> bool:
        """Whether its first columns are all of a narrower one's, and it does all that one does."""
        width = len(other.keys)
        is_wider = len(self.keys) > width or len(self.include) > len(other.include)
        return (
            is_wider
            and self.table == other.table
            and self.method == other.method
            and self.keys[:width] == other.keys
            and self.where in ("", other.where)
            and set(other.include) <= {*self.columns, *self.include}
        )

    def definition(self, *, name: str = "", concurrently: bool = False, table: str = "") -> str:
        """
        The statement that makes it.

        Args:
            name: its name, unquoted; without one the server chooses.
            concurrently: without a lock that keeps writers out.
            table: the table as SQL writes it; with its schema by default.
        """
        words = [
            "CREATE INDEX",
            "CONCURRENTLY" if concurrently else "",
            quoted(name) if name else "",
        ]
        return f"{' '.join(filter(None, words))} ON {table or self.table} {self.rest}"

    @property
    def rest(self) -> str:
        """What stands behind the table in the statement that makes it."""
        method = "" if self.method == "btree" else f"USING {self.method} "
        keys = ", ".join(map(str, self.keys))
        include = f" INCLUDE ({', '.join(map(quoted, self.include))})" if self.include else ""
        where = f" WHERE {self.where}" if self.where else ""
        return f"{method}({keys}){include}{where}"

    @property
    def shown(self) -> str:
        """Its keys and what else it holds, as a sentence shows them."""
        return self.rest[1:-1] if self.is_plain else self.rest

    def __str__(self) -> str:
        return f"{self.table} {self.rest}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A candidate that is not recommended.

    Attributes:
        index: which one.
        code: why, for programs: `exists`, `unique`, `unused`, `small_gain`, `upkeep`, `slower`,
            `in_memory`, `superseded`, `limit`, `budget`, `late`, `impossible`, `unverified`,
            `second_choice`.
        reason: why, for people.
    """

    index: Index
    code: str
    reason: Message


@lru_cache(maxsize=8192)
def _place(index: Index) -> str:
    return index.definition()


def index_name(index: Index, taken: Collection[str] = ()) -> str:
    """`table_columns_idx` as PostgreSQL names it, with a number if that is *taken*."""
    stem = _stem(index)
    number = 0
    while True:
        ending = f"_idx{number or ''}"
        name = _cut(stem, _LONGEST_NAME_BYTES - len(ending)) + ending
        if name not in taken:
            return name
        number += 1


def name_stem(index: Index) -> str:
    """What every name that `index_name` may choose begins with."""
    return _cut(_stem(index), _LONGEST_NAME_BYTES - 12)


def create_statement(index: Index, name: str, *, table: Table) -> str:
    """
    What the user runs to make it, without locking out writers.

    A partitioned table's can only be made with them locked out, or partition by partition.
    """
    return index.definition(
        name=name, concurrently=not table.is_partitioned, table=table.shown_name
    )


def drop_statement(name: str, *, table: Table) -> str:
    """What takes it back. An index lives in its table's schema."""
    place = "" if table.is_visible else f"{quoted(table.name.schema)}."
    words = "DROP INDEX" if table.is_partitioned else "DROP INDEX CONCURRENTLY"
    return f"{words} {place}{quoted(name)}"


def is_replaced(existing: ExistingIndex, index: Index) -> bool:
    """Whether an index that is there does nothing that a new one would not do as well."""
    width = len(existing.keys)
    if existing.unique or existing.is_partial or not existing.is_valid or index.where:
        return False
    held = {*index.columns, *index.include}
    return (
        existing.method == index.method == "btree"
        and existing.keys == index.keys[:width]
        and held.issuperset(existing.include)
    )


def serves(existing: ExistingIndex, index: Index, *, equal: int) -> bool:
    """
    Whether an index that is there does all that another one would.

    Args:
        existing: the one that is there.
        index: the other one.
        equal: how many of its first columns are only compared for equality: their order and
            direction do not matter.
    """
    width = len(index.keys)
    theirs = existing.keys[:width]
    usable = (
        existing.method == "btree"
        and index.method == "btree"
        and existing.is_valid
        and not existing.is_partial
        and not any(key.is_expression for key in index.keys)
    )
    if not usable or len(theirs) < width:
        return False
    keys = [key for key in theirs if key is not None]
    held = {*existing.include, *(key.column for key in existing.keys if key)}
    if len(keys) < width or not held.issuperset(index.include):
        return False
    same_values = {(key.column, key.opclass) for key in keys[:equal]} == {
        (key.column, key.opclass) for key in index.keys[:equal]
    }
    return same_values and _sort_alike(keys[equal:], index.keys[equal:])


def _stem(index: Index) -> str:
    """The table and the columns, as PostgreSQL makes a name; of an expression its words."""
    words = (
        "_".join(_WORD.findall(key.column)) if key.is_expression else key.column
        for key in index.keys
    )
    return "_".join(filter(None, (index.table.name, *words)))


def _sort_alike(theirs: Collection[Key], ours: Collection[Key]) -> bool:
    pairs = list(zip(theirs, ours, strict=True))
    forwards = all(their.sorts_like(our) for their, our in pairs)
    return forwards or all(their.sorts_like(our.turned) for their, our in pairs)


def _cut(text: str, length_bytes: int) -> str:
    return text.encode()[:length_bytes].decode(errors="ignore")
