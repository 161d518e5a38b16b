"""
GIN: an estimate of what no hypothetical index can show.

HypoPG makes no GIN. What one would find for a term without parameters are exactly the rows of a
partial B-tree over that term, which can be assumed; so the planner prices that one in its place,
and what GIN reads to find them is added. It is an estimate, and is marked as one.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Key, Table
from keiko_perf.diagnosis.statements.predicates import Contained, Shape

_PER_KEY = 12.0
"""What the planner reckons for each key that is looked up: three pages at random."""
_ENTRY_BYTES = 2.2
"""Of a posting: measured on PostgreSQL 15, lists of 100 to 10,000 rows."""
_KEY_BYTES = 24.0
_TRIGRAMS_KNOWN = 40_000.0
"""Different trigrams of a large text column."""
_BYTES_PER_ITEM = 12.0
"""Of an array's or a document's value, for each of its items."""


def stands_for(index: Index, shape: Shape, table: Table) -> Iterator[tuple[Index, float]]:
    """For a GIN index, what can be assumed in its place in a statement, and what to add."""
    key = next((one for one in table.columns.values() if one.is_sortable), None)
    if index.method != "gin" or key is None:
        return
    for use in shape.uses:
        for term in use.contained:
            if use.table == index.table and term.column == index.columns[0] and term.sql:
                yield Index(index.table, (Key(key.name),), where=term.sql), _lookups(term)


def gin_size_bytes(index: Index, table: Table) -> float:
    """About how large a GIN index would be."""
    column = table.columns.get(index.columns[0])
    items = items_per_row(index, table)
    if is_of_trigrams(index):
        keys = min(_TRIGRAMS_KNOWN, items * table.rows)
    else:
        distinct = column.distinct if column and column.distinct else table.rows
        keys = min(items * table.rows, distinct)
    return 16_384.0 + items * table.rows * _ENTRY_BYTES + keys * _KEY_BYTES


def items_per_row(index: Index, table: Table) -> float:
    """About how many keys of a GIN index lead to one row: trigrams, elements, or paths."""
    column = table.columns.get(index.columns[0])
    width = column.width_bytes if column else 40.0
    return width if is_of_trigrams(index) else max(1.0, width / _BYTES_PER_ITEM)


def is_of_trigrams(index: Index) -> bool:
    """Whether its keys are the trigrams of a text."""
    return "trgm" in index.keys[0].opclass


def _lookups(term: Contained) -> float:
    """What it costs to find the rows: each trigram of a pattern, or each value, is a key."""
    pattern = term.sql.partition("'")[2].rpartition("'")[0]
    if term.operator in ("~~", "~~*", "~", "~*"):
        runs = pattern.replace("_", "%").split("%")
        return _PER_KEY * max(1, sum(max(len(run) - 2, 0) for run in runs))
    return _PER_KEY * (1 + pattern.count(","))
