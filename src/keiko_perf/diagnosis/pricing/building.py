"""
Building: how long it takes to make an index without locking out writers.

CREATE INDEX CONCURRENTLY reads the table twice, sorts what the index holds, and writes it. The
constants are measured by `benchmarks/advisor/writes.py` with the table in memory; where an index of
the kind was made on a sample of the table (see scratch), its time counts instead of them.
"""

from __future__ import annotations

from math import log2

from keiko_perf.diagnosis.candidates.gin import is_of_trigrams, items_per_row
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.sizes import is_in_order, share_held
from keiko_perf.diagnosis.schema import Table

_LEAST_S = 0.02
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
