"""
Lookups: in whose order the rows come for each of which something is looked up.

A table that is read from end to end gives its rows as they lie there; a join that asks for each row
keeps the order of its first side. What is looked up in the order in which it lies is found on the
page of before, or the next one; in any other order each time on another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.nodes import Node, nodes, table_of
from keiko_perf.diagnosis.schema import Table, TableName

_NAME = r'(?:"[^"]+"|[\w$]+)\.(?:"[^"]+"|[\w$]+)'
_CAST = r"\)?(?:::[\w ]+)?"
_NAMES = re.compile(_NAME, re.ASCII)
_EQUAL = re.compile(rf"({_NAME}){_CAST} = \(?({_NAME})", re.ASCII)
_CONDITIONS = ("Hash Cond", "Merge Cond", "Index Cond", "Join Filter")
_KEEPING = frozenset({
    "Nested Loop", "Hash Join", "Limit", "Gather Merge", "Unique", "Group", "Materialize",
})  # fmt: skip
"""They give rows as their first side does."""
_AS_THEY_LIE = frozenset({"Seq Scan", "Bitmap Heap Scan"})
_BY_INDEX = frozenset({"Index Scan", "Index Only Scan"})


@dataclass(frozen=True, slots=True)
class LookupSource:
    """
    Where the values come from that are looked up.

    Attributes:
        table: that is read for them.
        column: of it, that holds them, or what equals them.
        index: by which it is read; empty: as its rows lie.
        is_sorted: whether they come sorted.
        columns: all of it that are looked up together.
    """

    table: TableName
    column: str
    index: str = ""
    is_sorted: bool = False
    columns: tuple[str, ...] = ()

    def is_key(self, tables: Mapping[TableName, Table]) -> bool:
        """
        Whether several columns that are looked up are a key of the table. The planner takes them
        for independent, as if most of its rows had nothing that belongs to them.
        """
        table = tables.get(self.table)
        if table is None or table.rows < 1 or len(self.columns) < 2:
            return False
        keys = (one.keys for one in table.indexes if one.unique and not one.is_partial)
        return any(
            all(key is not None and key.column in self.columns for key in one) for one in keys
        )

    def order(self, tables: Mapping[TableName, Table]) -> float:
        """How far they come in their order: 0 to 1."""
        if self.is_sorted:
            return 1.0
        table = tables.get(self.table)
        if table is None:
            return 0.0
        if self.index:
            keys = next((one.keys for one in table.indexes if one.name == self.index), ())
            first = keys[0] if keys else None
            return float(first is not None and first.column == self.column)
        column = table.columns.get(self.column)
        return ((column.correlation if column else None) or 0.0) ** 2

    def repeats(self, tables: Mapping[TableName, Table]) -> float:
        """How many rows have the same value."""
        table = tables.get(self.table)
        column = table.columns.get(self.column) if table else None
        if table is None or column is None or not column.distinct:
            return 1.0
        return max(table.rows / column.distinct, 1.0)


def source_of(condition: str, outer: Node, assumed: Mapping[str, Index]) -> LookupSource | None:
    """
    Whose order a look-up follows; None: it is not known.

    Args:
        condition: of the look-up.
        outer: the plan for each row of which it is done.
        assumed: the indexes that are only assumed to be there, by their names.
    """
    names = _same(_NAMES.findall(condition), outer)
    driver: Node = outer
    while driver["Node Type"] in _KEEPING and driver.get("Plans"):
        driver = driver["Plans"][0]
    kind = driver["Node Type"]
    if kind in ("Sort", "Merge Join"):
        by = " ".join(driver.get("Sort Key", ())[:1]) + driver.get("Merge Cond", "")
        return LookupSource(TableName("", ""), "", is_sorted=True) if _mentions(by, names) else None
    if kind not in _AS_THEY_LIE | _BY_INDEX:
        return None
    alias = driver.get("Alias", "")
    mine = tuple(column for table, column in map(_parts, names) if table == alias)
    table = table_of(driver)
    if table is None or not mine:
        return None
    name = driver.get("Index Name", "") if kind in _BY_INDEX else ""
    first = assumed[name].keys[0].column if name in assumed else ""
    if first in mine:
        return LookupSource(table, first, is_sorted=True, columns=mine)
    return LookupSource(table, mine[0], index=name, columns=mine)


def _same(said: list[str], plan: Node) -> list[str]:
    """The names as they are said, in the order of an index, and those that a plan makes equal."""
    names = set(said)
    pairs = [pair for condition in _all_conditions(plan) for pair in _EQUAL.findall(condition)]
    while more := {
        other
        for one, another in pairs
        for other in (one, another)
        if (one in names) != (another in names) and other not in names
    }:
        names |= more
    return [*dict.fromkeys(said), *sorted(names.difference(said))]


def _all_conditions(plan: Node) -> Iterator[str]:
    return (node[one] for node in nodes(plan) for one in _CONDITIONS if one in node)


def _mentions(text: str, names: list[str]) -> bool:
    return any(one in names for one in _NAMES.findall(text))


def _parts(name: str) -> tuple[str, str]:
    """The table's alias and the column, without quotes."""
    found = re.findall(r'"[^"]+"|[\w$]+', name)
    return found[0].strip('"'), found[-1].strip('"')
