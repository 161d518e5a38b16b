"""
Sizes: how large an index is, to the planner while it is hypothetical and once it is made.

What is reckoned of a B-tree that is made is measured by `benchmarks/advisor/writes.py`.
"""

from __future__ import annotations

from math import ceil

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.schema import Table

_USABLE_BYTES = 8136.0
_BLOAT = 1.3
"""What HypoPG adds to the size of a B-tree."""
_IN_ORDER = 0.9
_VARYING = frozenset({"text", "varchar", "bpchar", "citext", "numeric", "bytea", "json", "jsonb"})
_PADDING_BYTES = 3.5
"""On average, of what is aligned to eight bytes and may be of any width."""
_DOUBT = 1.05
"""Of 384 that were made the middle one was 1 % larger than reckoned, one of twenty by 6 %."""
_FILLED = 0.9
_POINTER_BYTES = 4.0
_LISTED_BYTES = 6.0
_LIST_PADDING_BYTES = 3.0  # on average: it is aligned to eight
_LONGEST_LIST_BYTES = 812.0
"""Of rows with equal keys, as CREATE INDEX makes it: a tenth of a page."""
_LEAST_ALIKE = 2.0
_NOT_MERGED = frozenset({"numeric", "float4", "float8", "jsonb"})
"""Types whose equal values may look different, so that each is held."""


def built_bytes(index: Index, table: Table, planned_bytes: float) -> float:
    """
    How large a B-tree is once it is made.

    HypoPG's size knows nothing of equal keys, which B-trees hold once, with a list of their rows,
    since PostgreSQL 13, nor of the alignment of values. Of what is not known here it stands.
    """
    columns = [table.columns.get(name) for name in (*index.columns, *index.include)]
    known = [one for one in columns if one is not None]
    if index.method != "btree" or len(known) < len(columns) or table.rows < 1:
        return planned_bytes
    rows = max(share_held(index, table, planned_bytes) * table.rows, 1.0)
    entry = entry_bytes(index, table) + _POINTER_BYTES
    alike = 1.0
    if not index.include and all(one.type not in _NOT_MERGED for one in known):
        distinct = 1.0
        for one in known:
            distinct *= max(one.distinct or table.rows, 1.0)
        alike = min(max(rows / distinct, 1.0), (_LONGEST_LIST_BYTES - entry) / _LISTED_BYTES)
    page_bytes = _FILLED * PAGE_BYTES
    if alike >= _LEAST_ALIKE:
        list_bytes = entry + _LISTED_BYTES * alike + _LIST_PADDING_BYTES
        page_bytes -= list_bytes / 2  # what no whole list fits into any more
        entry = list_bytes / alike
    return PAGE_BYTES * (1 + ceil(rows * entry / page_bytes))


def counted_bytes(index: Index, table: Table, planned_bytes: float) -> float:
    """What an index takes of a budget: its size once it is made, which is not known exactly."""
    return _DOUBT * built_bytes(index, table, planned_bytes)


def entry_bytes(index: Index, table: Table) -> float:
    """An entry of a B-tree, on average: its header and its values, aligned as the whole is."""
    names = [*index.columns, *index.include]
    columns = [table.columns.get(name) for name in names]
    width = sum(one.width_bytes if one else 16.0 for one in columns)
    aligned = 8.0 * -(-width // 8)
    if any(one is None or one.type in _VARYING for one in columns):
        aligned = max(aligned, width + _PADDING_BYTES)
    return 8.0 + aligned


def is_in_order(index: Index, table: Table) -> bool:
    """Whether new entries come at the end of a B-tree, where the page is in memory already."""
    first = table.columns.get(index.columns[0])
    return first is not None and (first.correlation or 0.0) > _IN_ORDER


def share_held(index: Index, table: Table, size_bytes: float) -> float:
    """Which share of the rows a partial index holds, by its size."""
    if not index.where or table.rows < 1:
        return 1.0
    entries = (
        size_bytes * _USABLE_BYTES / PAGE_BYTES / (_planned_entry_bytes(index, table) * _BLOAT)
    )
    return min(1.0, entries / table.rows)


def hypothetical_bytes(index: Index, table: Table) -> float:
    """How large HypoPG says that a B-tree over all rows is."""
    pages = table.rows * _planned_entry_bytes(index, table) * _BLOAT / _USABLE_BYTES
    return max(pages, 1.0) * PAGE_BYTES


def _planned_entry_bytes(index: Index, table: Table) -> float:
    names = [*index.columns, *index.include]
    width = sum(
        table.columns[name].width_bytes if name in table.columns else 16.0 for name in names
    )
    return width + 8 * len(names) + 8 * ((4 * len(names) + 7) // 8)
