"""
Expectation: what reading a table by an index might cost, from the statistics alone.

The planner's own way to reckon, coarsely: which share of the rows the conditions leave, how many
pages of the table those lie on, and what is read of the index. It decides nothing; by it is chosen
what the planner is asked about first.
"""

from __future__ import annotations

from collections.abc import Mapping

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.projection import covers
from keiko_perf.diagnosis.candidates.sizes import share_held
from keiko_perf.diagnosis.pages import (
    PAGE_BYTES,
    RANDOM_PAGE_COST,
    page_cost,
    pages_fetched,
)
from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.diagnosis.statements.predicates import Use

_ROW_COST = 0.0125
_ENTRY_COST = 0.0075
_LOOKUP_COST = 0.5
_UNKNOWN = 0.1
_LISTED = 3.0
"""Values of an IN."""
_LIMIT = 20.0
_IN_ORDER = 0.95


def expectation(
    index: Index, use: Use, table: Table, size_bytes: float, given: Mapping[TableName, float]
) -> float | None:
    """
    What reading *use*'s rows by *index* might cost, in the planner's units; None if nobody knows.

    Args:
        index: a B-tree; of others nothing is known.
        use: of its table.
        table: with statistics.
        size_bytes: of the index.
        given: how many rows each table of the statement gives now.
    """
    if index.method != "btree" or table.rows < 1 or table.size_bytes <= 0:
        return None
    rows = _Rows(use, table, given)
    held = share_held(index, table, size_bytes)
    ratio, lookups, width = held, 1.0, 0
    for key in index.keys:
        one = rows.ratio(key.column)
        if one is None:
            break
        width += 1
        ratio *= one
        lookups = max(lookups, rows.lookups(key.column))
        if key.column not in rows.equal:
            break
    fetched = ratio
    for key in index.keys[width:]:  # what need not be fetched
        fetched *= (rows.ratio(key.column) if width or rows.is_compared(key.column) else 1.0) or 1.0
    is_covering = covers(index, use)
    is_of_use = width or is_covering or index.where or _is_ordered(index, width, use)
    if not is_of_use and not any(rows.is_compared(key.column) for key in index.keys):
        return None
    if use.is_limited and (not use.order_by or _is_ordered(index, width, use)):
        enough = min(_LIMIT / max(table.rows * rows.least, 1.0), 1.0)
        ratio, fetched = enough * ratio, enough * fetched
    return _cost(ratio, fetched, lookups, index, table, size_bytes, held, is_covering=is_covering)


class _Rows:
    """Which share of a table's rows each condition leaves."""

    def __init__(self, use: Use, table: Table, given: Mapping[TableName, float]) -> None:
        self._use = use
        self._table = table
        self._given = given
        self._joined = {join.column: join.other for join in use.joins}
        self.equal = {*use.equals, *use.listed, *use.nulls, *self._joined}
        fixed = 1.0
        for name in {*use.equals, *use.listed, *use.nulls}:
            fixed *= self._of_equality(name)
        rows = given.get(table.name)
        self.least = _UNKNOWN if rows is None else min(max(rows / table.rows, 1e-9), 1.0)
        ranges = {*use.ranges, *use.prefixes}
        self._of_range = min(self.least / max(fixed, 1e-12), 1.0) ** (1 / max(len(ranges), 1))
        self._ranges = ranges

    def ratio(self, name: str) -> float | None:
        if name in self._use.equals or name in self._use.listed or name in self._use.nulls:
            return self._of_equality(name)
        if name in self._joined:
            return min(self.lookups(name) / self._distinct(name), 1.0)
        return self._of_range if name in self._ranges else None

    def is_compared(self, name: str) -> bool:
        """Whether it is compared with a value, whatever else is read."""
        use = self._use
        return name in (*use.equals, *use.listed, *use.nulls) or name in self._ranges

    def lookups(self, name: str) -> float:
        """How many values it is looked for by."""
        other = self._joined.get(name)
        if name in self._use.equals or other is None:
            return 1.0
        return max(self._given.get(other, 1.0 / _UNKNOWN), 1.0)

    def _of_equality(self, name: str) -> float:
        column = self._table.columns.get(name)
        if name in self._use.nulls:
            return column.null_ratio if column else _UNKNOWN
        several = _LISTED if name in self._use.listed else 1.0
        return min(several / self._distinct(name), 1.0)

    def _distinct(self, name: str) -> float:
        column = self._table.columns.get(name)
        return max((column.distinct if column else None) or 1.0 / _UNKNOWN, 1.0)


def _is_ordered(index: Index, width: int, use: Use) -> bool:
    """Whether the keys behind the equalities give the order that is asked for."""
    rest = index.keys[width:] or index.keys[-1:]
    return bool(use.order_by) and rest[0].column == use.order_by[0].column


def _cost(
    ratio: float,
    fetched: float,
    lookups: float,
    index: Index,
    table: Table,
    size_bytes: float,
    held: float,
    *,
    is_covering: bool,
) -> float:
    leaves = max(size_bytes / PAGE_BYTES, 1.0)
    read = min(max(leaves * ratio / max(held, 1e-9), lookups), leaves)
    cost = read * RANDOM_PAGE_COST + lookups * _LOOKUP_COST + table.rows * ratio * _ENTRY_COST
    rows = table.rows * fetched
    if is_covering:
        return cost + rows * _ROW_COST
    pages = max(table.size_bytes / PAGE_BYTES, 1.0)
    first = table.columns.get(index.keys[0].column)
    if first is not None and abs(first.correlation or 0.0) > _IN_ORDER:
        return cost + max(pages * fetched, 1.0) + rows * _ROW_COST
    some = pages_fetched(rows, pages)
    return cost + max(some, 1.0) * page_cost(some, pages) + rows * _ROW_COST
