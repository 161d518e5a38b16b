"""
Floor: what a statement costs at least if it reads its table by a given index.

From the statistics alone, to spare the planner questions about indexes that are hopeless for a
statement: the rows that the index cannot leave out have to be fetched. It is meant to be too low,
and is 0 where nothing is known, as of joins, of ranges, and where a LIMIT may end it early.
"""

from __future__ import annotations

from math import exp

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.sizes import share_held
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.schema import Table
from keiko_perf.diagnosis.statements.predicates import Use

_CAUTION = 0.6
_ROW_COST = 0.01
_ENTRY_COST = 0.005
_IN_ORDER = 0.5


def floor(index: Index, use: Use, table: Table, size_bytes: float) -> float:
    """
    The least cost of a plan that reads *use*'s rows by *index*, in the planner's units.

    Args:
        index: a B-tree; of others nothing is known.
        use: of its table.
        table: with statistics.
        size_bytes: of the index.
    """
    if index.method != "btree" or table.rows < 1 or table.size_bytes <= 0:
        return 0.0
    ratio = _share_fetched(index, use, table, size_bytes)
    if ratio is None:
        return 0.0
    rows = table.rows * ratio
    held = {*index.columns, *index.include}
    if not use.reads_all and held >= use.columns:
        pages = size_bytes / PAGE_BYTES * ratio / max(share_held(index, table, size_bytes), ratio)
        return _CAUTION * (pages + rows * _ENTRY_COST)
    pages = table.size_bytes / PAGE_BYTES
    first = table.columns.get(index.keys[0].column)
    if first is None or abs(first.correlation or 0.0) > _IN_ORDER:
        pages *= ratio
    else:
        pages *= 1.0 - exp(-rows / pages)
    return _CAUTION * (pages + rows * _ROW_COST)


def _share_fetched(index: Index, use: Use, table: Table, size_bytes: float) -> float | None:
    """The share of the rows that its equalities leave; None if it is not known."""
    if use.is_limited and _may_end_early(index, use):
        return None
    ratio = share_held(index, table, size_bytes)
    for key in index.keys:
        column = table.columns.get(key.column)
        if key.column in use.nulls and column is not None:
            ratio *= column.null_ratio
        elif key.column in (*use.equals, *use.listed) and column is not None:
            ratio *= column.rarest
        elif (
            any(join.column == key.column for join in use.joins)
            or key.is_expression
            or key.column in (*use.ranges, *use.prefixes, *use.alternatives)
        ):
            return None
    return ratio


def _may_end_early(index: Index, use: Use) -> bool:
    """Whether the first rows by an index are enough: in its order, or in none."""
    fixed = {*use.nulls, *use.equals, *use.listed}
    first = next((key.column for key in index.keys if key.column not in fixed), None)
    return not use.order_by or first in {one.column for one in use.order_by[:1]}
