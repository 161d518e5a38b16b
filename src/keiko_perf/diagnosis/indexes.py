"""
Indexes: a B-tree that could be made, its name, and the statements that make and unmake it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from keiko_perf.diagnosis.parser import quoted
from keiko_perf.diagnosis.schema import ExistingIndex, Key, Table, TableName

_LONGEST_NAME_BYTES = 63
"""NAMEDATALEN - 1: the server cuts what is longer, and then it may collide."""


@dataclass(frozen=True, slots=True, order=True)
class Index:
    """A B-tree on a table."""

    table: TableName
    keys: tuple[Key, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(key.column for key in self.keys)

    def begins_with(self, other: Index) -> bool:
        """Whether its first columns are all of a narrower one's."""
        width = len(other.keys)
        is_wider = self.table == other.table and len(self.keys) > width
        return is_wider and self.keys[:width] == other.keys

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
        keys = ", ".join(map(str, self.keys))
        return f"{' '.join(filter(None, words))} ON {table or self.table} ({keys})"

    def __str__(self) -> str:
        return f"{self.table} ({', '.join(map(str, self.keys))})"


def index_name(index: Index, taken: Collection[str] = ()) -> str:
    """`table_columns_idx` as PostgreSQL names it, with a number if that is *taken*."""
    stem = "_".join((index.table.name, *index.columns))
    number = 0
    while True:
        ending = f"_idx{number or ''}"
        name = _cut(stem, _LONGEST_NAME_BYTES - len(ending)) + ending
        if name not in taken:
            return name
        number += 1


def name_stem(index: Index) -> str:
    """What every name that `index_name` may choose begins with."""
    return _cut("_".join((index.table.name, *index.columns)), _LONGEST_NAME_BYTES - 12)


def create_statement(index: Index, name: str, *, table: Table) -> str:
    """What the user runs to make it, without locking out writers."""
    return index.definition(name=name, concurrently=True, table=table.shown_name)


def drop_statement(name: str, *, table: Table) -> str:
    """What takes it back. An index lives in its table's schema."""
    place = "" if table.is_visible else f"{quoted(table.name.schema)}."
    return f"DROP INDEX CONCURRENTLY {place}{quoted(name)}"


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
    usable = existing.method == "btree" and existing.is_valid and not existing.is_partial
    if not usable or len(theirs) < width:
        return False
    keys = [key for key in theirs if key is not None]
    if len(keys) < width:
        return False
    same_values = {(key.column, key.opclass) for key in keys[:equal]} == {
        (key.column, key.opclass) for key in index.keys[:equal]
    }
    return same_values and _sort_alike(keys[equal:], index.keys[equal:])


def _sort_alike(theirs: Collection[Key], ours: Collection[Key]) -> bool:
    pairs = list(zip(theirs, ours, strict=True))
    forwards = all(their.sorts_like(our) for their, our in pairs)
    return forwards or all(their.sorts_like(our.turned) for their, our in pairs)


def _cut(text: str, length_bytes: int) -> str:
    return text.encode()[:length_bytes].decode(errors="ignore")
