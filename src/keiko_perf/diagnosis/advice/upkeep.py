"""
Upkeep: what an index costs with every row that is written.

In the planner's own units, so that it can be weighed against what reads save. The constants are
measured: `benchmarks/advisor/writes.py` makes an index of each kind on a real PostgreSQL, writes
rows, and prints the time and the bytes of WAL beside what is reckoned here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import exp, log2

from keiko_perf.diagnosis.candidates.gin import items_per_row
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.sizes import entry_bytes, is_in_order, share_held
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.diagnosis.statements.workload import Query

_OPERATOR_COST = 0.0025
_DESCENT_OPERATIONS = 50
"""What the planner itself reckons for a page on the way down a B-tree (`btcostestimate`)."""
_FANOUT = 256
_RECURS = 2
"""Executions from which on a statement counts as traffic."""
_BETWEEN_CHECKPOINTS = 10_000.0
"""Rows that are written to a table from one checkpoint to the next, where nobody knows."""
_DIRTIED_PAGE = 1.0
"""A leaf that is changed for the first time: written whole, twice, as much as a page's reading."""
_INSERTED = 0.4
"""The CPU's work on the way down and on the page, beyond what the planner reckons."""
_APPENDED = 0.25
_COMPUTED = 1.0
"""For an expression's value."""
_RECORD_BYTES = 50.0
"""Of WAL for an entry in a B-tree, besides the entry."""
_GIN_KEY_COST = 0.2
_GIN_KEY_VACUUM_COST = 0.02
_GIN_KEY_BYTES = 45.0
_GIN_LIST_BYTES = 100.0
"""Of a row on the list of what is pending."""
_BRIN_COST = 0.25
_BRIN_BYTES = 10.0
_VACUUMED_SHARE = 0.2
"""Dead rows after which autovacuum reads the whole index (`autovacuum_vacuum_scale_factor`)."""
_WORD = re.compile(r"[^\W\d][\w$]*")


@dataclass(frozen=True, slots=True)
class Writes:
    """
    Rows of one table that the workload writes.

    Attributes:
        inserted: rows.
        updated: rows, by the columns that are set.
        deleted: rows.
        loaded: rows that were written in one go, once: none of the traffic above, but counted by
            the table's counters like any other.
    """

    inserted: float = 0.0
    updated: tuple[tuple[frozenset[str], float], ...] = ()
    deleted: float = 0.0
    loaded: float = 0.0

    @property
    def rows(self) -> float:
        """Of the traffic."""
        return self.inserted + self.deleted + sum(rows for _, rows in self.updated)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """
    What an index adds to the workload's writes.

    Attributes:
        cost: in the planner's units.
        entries: entries made in it.
        wal_bytes: of WAL for those, without page images.
        hot_lost: updates that were HOT, and with the index are not: every index of the table then
            gets an entry for them.
    """

    cost: float = 0.0
    entries: float = 0.0
    wal_bytes: float = 0.0
    hot_lost: float = 0.0


NO_UPKEEP = Upkeep()


def writes_of(
    queries: Iterable[Query], planned: Mapping[str, float] | None = None
) -> dict[TableName, Writes]:
    """
    What a workload writes, by table.

    What ran only once is kept apart: it is the loading of a table, or its clearing, and no traffic
    that an index would slow down again.

    Args:
        queries: the workload.
        planned: how many rows the planner expects an execution to write of which nobody counted
            them, by the statement's text.
    """
    found: dict[TableName, Writes] = {}
    for query in queries:
        statement = query.statement
        rows = float(statement.rows_written)
        is_once = statement.calls < _RECURS and rows > statement.calls
        if statement.rows is None:
            rows = max(rows, statement.calls * (planned or {}).get(statement.text, 1.0))
        for write in query.shape.writes:
            known = found.get(write.table, Writes())
            if is_once:
                known = replace(known, loaded=known.loaded + rows)
            elif write.kind == "insert":
                known = replace(known, inserted=known.inserted + rows)
            elif write.kind == "update":
                known = replace(known, updated=(*known.updated, (write.columns, rows)))
            else:
                known = replace(known, deleted=known.deleted + rows)
            found[write.table] = known
    return found


def with_counters(
    writes: Mapping[TableName, Writes],
    written: Mapping[str, float],
    tables: Mapping[TableName, Table],
) -> dict[TableName, Writes]:
    """
    The writes of a workload, and those that its statements don't show.

    What a table's counters saw beyond them (by COPY, triggers, functions, statements that were not
    kept) is taken for inserts, updates of columns that no index speaks of, and deletes, in the
    shares that the table's writes have had so far.
    """
    found = dict(writes)
    for name, table in tables.items():
        known = found.get(name, Writes())
        # As a history of snapshots names them.
        shown = name.name if name.schema == "public" else f"{name.schema}.{name.name}"
        unseen = written.get(shown, 0.0) - known.rows - known.loaded
        if unseen > 0:
            deleted_ratio = max(1 - table.inserted_ratio - table.updated_ratio, 0.0)
            found[name] = replace(
                known,
                inserted=known.inserted + unseen * table.inserted_ratio,
                updated=(*known.updated, (frozenset(), unseen * table.updated_ratio)),
                deleted=known.deleted + unseen * deleted_ratio,
            )
    return found


def upkeep(index: Index, writes: Writes, table: Table, size_bytes: float = 0.0) -> Upkeep:
    """
    What an index adds to the workload's writes.

    An insert makes an entry. An update makes one if it sets a column that the index speaks of, in
    its keys, its INCLUDE or its WHERE, and then also one in every other index, which a HOT update
    would have spared; else only as often as the table's updates are not HOT. What is deleted, and
    the old version of what is updated without HOT, is left to VACUUM, which reads the index.
    """
    spoken_of = columns_of(index, table)
    entries, hot_lost, dead = writes.inserted, 0.0, writes.deleted
    for changed, rows in writes.updated:
        if spoken_of & changed:
            entries += rows
            dead += rows
            hot_lost += rows * table.hot_ratio
        else:
            entries += rows * (1 - table.hot_ratio)
            dead += rows * (1 - table.hot_ratio)
    other = _plain_entry_cost(table.rows, PAGE_BYTES * table.rows / _FANOUT)
    return Upkeep(
        cost=entries * entry_cost(index, table, size_bytes)
        + dead * vacuum_cost(index, table, size_bytes)
        + hot_lost * len(table.indexes) * other,
        entries=entries,
        wal_bytes=entries * wal_bytes(index, table, size_bytes),
        hot_lost=hot_lost,
    )


def columns_of(index: Index, table: Table) -> frozenset[str]:
    """The columns whose change keeps an update from being HOT: all that the index speaks of."""
    plain = {key.column for key in index.keys if not key.is_expression}
    written = [index.where, *(key.column for key in index.keys if key.is_expression)]
    words = {word for one in written for word in _WORD.findall(one)}
    return frozenset(plain.union(index.include, words & table.columns.keys()))


def entry_cost(index: Index, table: Table, size_bytes: float) -> float:
    """What a row that is written costs an index, in the planner's units."""
    if index.method == "brin":
        return _BRIN_COST
    if index.method == "gin":
        return items_per_row(index, table) * _GIN_KEY_COST + _dirtied(size_bytes)
    held = share_held(index, table, size_bytes)
    computed = _COMPUTED * sum(key.is_expression for key in index.keys)
    if is_in_order(index, table):
        return _OPERATOR_COST + held * (_APPENDED + computed)
    return _OPERATOR_COST + held * (_plain_entry_cost(table.rows, size_bytes) + computed)


def vacuum_cost(index: Index, table: Table, size_bytes: float) -> float:
    """What a dead row costs: its share of VACUUM's reading of the index."""
    if index.method == "brin" or table.rows < 1:
        return 0.0
    read = size_bytes / PAGE_BYTES / max(_VACUUMED_SHARE * table.rows, 50.0)
    is_gin = index.method == "gin"
    return read + (items_per_row(index, table) * _GIN_KEY_VACUUM_COST if is_gin else 0.0)


def wal_bytes(index: Index, table: Table, size_bytes: float) -> float:
    """
    Bytes of WAL for a row that is written.

    Without page images: after each checkpoint the first change of a page writes it whole.
    """
    if index.method == "brin":
        return _BRIN_BYTES
    if index.method == "gin":
        return _GIN_LIST_BYTES + items_per_row(index, table) * _GIN_KEY_BYTES
    held = share_held(index, table, size_bytes)
    return held * (_RECORD_BYTES + entry_bytes(index, table))


def _plain_entry_cost(rows: float, size_bytes: float) -> float:
    return _INSERTED + _descent(rows) + _dirtied(size_bytes)


def _descent(rows: float) -> float:
    rows = max(rows, 2.0)
    levels = 1 + log2(rows) / log2(_FANOUT)
    return (log2(rows) + levels * _DESCENT_OPERATIONS) * _OPERATOR_COST


def _dirtied(size_bytes: float) -> float:
    """A write's share of the pages that are changed between two checkpoints, at random places."""
    pages = max(size_bytes / PAGE_BYTES, 1.0)
    changed = pages * (1 - exp(-_BETWEEN_CHECKPOINTS / pages))
    return _DIRTIED_PAGE * changed / _BETWEEN_CHECKPOINTS
