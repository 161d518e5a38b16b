"""
Building: how long it takes to make an index without locking out writers, and how large it is then.

CREATE INDEX CONCURRENTLY reads the table twice, sorts what the index holds, and writes it. The
constants are measured by `benchmarks/advisor/writes.py` with the table in memory; where an index of
the kind was made on a sample of the table (see scratch), its time counts instead of them.
"""

from __future__ import annotations

from math import ceil, log2

from keiko_perf.diagnosis.advice.upkeep import entry_bytes, is_in_order
from keiko_perf.diagnosis.candidates.gin import is_of_trigrams, items_per_row
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.pricing.floor import share_held
from keiko_perf.diagnosis.schema import Table

_DOUBT = 1.05
"""Of 384 that were made the middle one was 1 % larger than reckoned, one of twenty by 6 %."""
_LEAST_S = 0.02
_FILLED = 0.9
_POINTER_BYTES = 4.0
_LISTED_BYTES = 6.0
_LIST_PADDING_BYTES = 3.0  # on average: it is aligned to eight
_LONGEST_LIST_BYTES = 812.0
"""Of rows with equal keys, as CREATE INDEX makes it: a tenth of a page."""
_LEAST_ALIKE = 2.0
_NOT_MERGED = frozenset({"numeric", "float4", "float8", "jsonb"})
"""Types whose equal values may look different, so that each is held."""
_READ_S = 0.25e-6
"""A row, in both passes."""
_COMPARED_S = 0.02e-6
"""A row, for each of log2(rows) comparisons …"""
_IN_ORDER_S = 0.05e-6
"""… or at all, where the rows lie in the order of the index."""
_NEXT_KEY_S = 0.1e-6
"""A row, for each further key, and for an expression."""
_WRITTEN_BYTES_PER_S = 400e6
_TRIGRAM_S = 0.45e-6
_ITEM_S = 1.1e-6
_BRIN_S = 0.4e-6
_IN_MEMORY_BYTES = 1e9
"""Of a larger table the rest is read from a disk, twice."""
_DISK_BYTES_PER_S = 300e6


def build_s(index: Index, table: Table, size_bytes: float) -> float:
    """About how long CREATE INDEX CONCURRENTLY takes on a server with nothing else to do."""
    read_s = table.rows * _READ_S
    read_s += 2 * max(table.size_bytes - _IN_MEMORY_BYTES, 0.0) / _DISK_BYTES_PER_S
    written_s = size_bytes / _WRITTEN_BYTES_PER_S
    return _LEAST_S + read_s + table.rows * _row_s(index, table, size_bytes) + written_s


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


def scaled_build_s(sample_s: float, sample_rows: float, rows: float) -> float:
    """What the making on a sample tells of the whole: it is sorted, and read once more."""
    sample_rows, rows = max(sample_rows, 2.0), max(rows, 2.0)
    whole_s = sample_s * rows / sample_rows * log2(rows) / log2(sample_rows)
    return whole_s + rows * _READ_S


def _row_s(index: Index, table: Table, size_bytes: float) -> float:
    if index.method == "brin":
        return _BRIN_S
    if index.method == "gin":
        return items_per_row(index, table) * (_TRIGRAM_S if is_of_trigrams(index) else _ITEM_S)
    held = share_held(index, table, size_bytes)
    expressions = sum(key.is_expression for key in index.keys)
    more_s = (len(index.keys) - 1 + expressions) * _NEXT_KEY_S
    if is_in_order(index, table):
        return held * (_IN_ORDER_S + more_s)
    return held * (_COMPARED_S * log2(max(held * table.rows, 2.0)) + more_s)
