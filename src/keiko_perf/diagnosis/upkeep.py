"""
Upkeep: what an index costs with every row that is written.

In the planner's own units, so that it can be weighed against what reads save. Measured on
PostgreSQL 15, 100,000 inserts into tables of 0.2 and 1 million rows: a three-column index in random
order adds about as much time per row as 0.5 to 1.5 units of a sequential scan take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2

from keiko_perf.diagnosis.costs import Query
from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.schema import Table, TableName

_OPERATOR_COST = 0.0025
_DESCENT_OPERATIONS = 50
"""What the planner itself reckons for a page on the way down a B-tree (`btcostestimate`)."""
_FANOUT = 256
_RECURS = 2
"""Executions from which on a statement counts as traffic."""
_DIRTIED_PAGE = 1.0
"""A leaf that is changed: about as much work, with its WAL, as reading a page in sequence."""


@dataclass(frozen=True, slots=True)
class Writes:
    """
    Rows of one table that the workload writes.

    Attributes:
        inserted: rows.
        updated: rows, by the columns that are set.
    """

    inserted: float = 0.0
    updated: tuple[tuple[frozenset[str], float], ...] = ()

    @property
    def rows(self) -> float:
        return self.inserted + sum(rows for _, rows in self.updated)


def writes_of(queries: Iterable[Query]) -> dict[TableName, Writes]:
    """
    What a workload writes, by table.

    A deleted row leaves its entry to VACUUM and is not counted; nor is what ran only once, which
    is the loading of a table and no traffic that an index would slow down again.
    """
    found: dict[TableName, Writes] = {}
    for query in queries:
        rows = float(query.statement.rows_written)
        if query.statement.calls < _RECURS and rows > query.statement.calls:
            continue
        for write in query.shape.writes:
            known = found.get(write.table, Writes())
            if write.kind == "insert":
                known = Writes(known.inserted + rows, known.updated)
            elif write.kind == "update":
                known = Writes(known.inserted, (*known.updated, (write.columns, rows)))
            found[write.table] = known
    return found


def upkeep(index: Index, writes: Writes, table: Table) -> float:
    """
    What an index adds to the workload's writes.

    An insert makes an entry. An update makes one if it sets one of the index's columns, and then
    also one in every other index, which a HOT update would have spared; else only as often as the
    table's updates are not HOT.
    """
    columns = set(index.columns)
    entries = writes.inserted
    for changed, rows in writes.updated:
        if columns & changed:
            entries += rows * (1 + table.hot_ratio * len(table.indexes))
        else:
            entries += rows * (1 - table.hot_ratio)
    return entries * entry_cost(table.rows)


def entry_cost(rows: float) -> float:
    """What one entry costs to make in a B-tree of so many."""
    rows = max(rows, 2.0)
    levels = 1 + log2(rows) / log2(_FANOUT)
    descent = (log2(rows) + levels * _DESCENT_OPERATIONS) * _OPERATOR_COST
    return descent + _DIRTIED_PAGE
