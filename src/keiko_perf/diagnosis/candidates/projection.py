"""
Projection: what an index is to one statement.

Two indexes that a statement would use alike (the same equalities in front, in whatever order; the
same ranges or order behind them; both or neither hold all that is read; about the same size where
much of it is read) are one and the same to it, and the planner is asked about one of them. One that
holds a statement's conditions behind its first column may still be read from end to end, where that
is less than the table. An index whose projection is None cannot matter to the statement at all.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import takewhile
from math import log2

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.kinds import still_read
from keiko_perf.diagnosis.candidates.sizes import share_held
from keiko_perf.diagnosis.pages import PAGE_BYTES, RANDOM_PAGE_COST
from keiko_perf.diagnosis.schema import Key, Table
from keiko_perf.diagnosis.statements.predicates import Shape, Use

_MOST_SHARED = 0.05
_MANY_ROWS = 500.0
"""Of an index from which more entries are read its size matters."""
_SIZES_PER_DOUBLING = 4.0


def projection(
    index: Index, shape: Shape, table: Table | None = None, size_bytes: float | None = None
) -> Hashable | None:
    """
    What *index* is to a statement of this *shape*: equal values are equal uses.

    Args:
        index: on whichever table.
        shape: of the statement.
        table: the index's, with statistics; without it sizes are not told apart.
        size_bytes: of the index, if known.
    """
    found = tuple(
        _to_use(index, use, table, size_bytes) for use in shape.uses if use.table == index.table
    )
    return found if any(one is not None for one in found) else None


def does_more(index: Index, shape: Shape, table: Table) -> bool:
    """
    Whether *index* does more for a statement than an index that is there already.

    A hypothetical index that does the same looks cheaper than the real one, since its way down
    costs it nothing: what the planner then says it saves is not there once it is built.
    """
    for use in shape.uses:
        if use.table != index.table:
            continue
        equal = _equalities(index, use)
        tail = _tail(index.keys[len(equal) :], use)
        if index.method != "btree" or index.where or covers(index, use):
            return True
        if (equal or tail) and not _is_there(equal, tail, use, table):
            return True
        if not (equal or tail) and not _is_held(_within(index, use), table):
            return True
    return False


def _to_use(
    index: Index, use: Use, table: Table | None, size_bytes: float | None
) -> Hashable | None:
    if index.method != "btree":
        return _unordered(index, use)
    if index.where and not _is_implied(index.where, use):
        return None
    equal = _equalities(index, use)
    tail = _tail(index.keys[len(equal) :], use)
    is_covering = covers(index, use)
    if not (equal or tail or is_covering or index.where):
        return _read_whole(index, use, table, size_bytes)
    is_state_alone = index.where and not (equal or tail or is_covering)
    # Rows that many others share: to read them one by one is no better than to read all.
    if is_state_alone and table and share_held(index, table, size_bytes or 0.0) > _MOST_SHARED:
        return None
    size = 0 if size_bytes is None else _size_class(equal, is_covering, table, size_bytes)
    return frozenset(equal), _without_joins(index, use), tail, is_covering, index.where, size


def _unordered(index: Index, use: Use) -> Hashable | None:
    """What an index is that keeps no order: GIN by what is contained, BRIN by ranges."""
    key = index.keys[0]
    if index.method == "brin":
        return str(index) if key.column in use.ranges else None
    terms = tuple(one for one in use.contained if one.column == key.column)
    return ("gin", key.opclass, terms) if terms else None


def _read_whole(
    index: Index, use: Use, table: Table | None, size_bytes: float | None
) -> Hashable | None:
    """What it is to a use whose conditions it holds, though not in front: less to read."""
    within = _within(index, use)
    if not within or table is None or not size_bytes or table.size_bytes <= 0:
        return None
    # Of an index that is read from end to end the pages come in no order, those of a table do.
    if size_bytes * RANDOM_PAGE_COST > table.size_bytes:
        return None
    return "within", within, _class_of(size_bytes)


def _within(index: Index, use: Use) -> frozenset[str]:
    """The columns of an index that a use compares with values."""
    compared = {*use.equals, *use.listed, *use.nulls, *use.ranges}
    return frozenset(key.column for key in index.keys if key.column in compared)


def _is_held(within: frozenset[str], table: Table) -> bool:
    """Whether an index that is there holds these columns (none are held by any)."""
    return (
        any(
            within <= {key.column for key in one.keys if key}
            for one in table.indexes
            if one.method == "btree" and one.is_valid and not one.is_partial
        )
        or not within
    )


def _without_joins(index: Index, use: Use) -> Hashable:
    """
    What it is where no other table has given a join's value: the columns in front of that one.
    Of several joins' columns each may be the one that was given, so that their order counts.
    """
    joined = {join.column for join in use.joins} - {*use.equals, *use.listed, *use.nulls}
    names = [key.column for key in index.keys]
    places = [place for place, name in enumerate(names) if name in joined]
    if not places:
        return ()
    rest = tuple(names[places[0] :]) if len(places) > 1 else ()
    return frozenset(names[: places[0]]), rest


def _is_there(equal: tuple[str, ...], tail: tuple[str, ...], use: Use, table: Table) -> bool:
    """Whether an index that is there does for a use all that a candidate would."""
    for existing in table.indexes:
        keys = tuple(takewhile(lambda key: key is not None, existing.keys))
        if existing.method == "btree" and existing.is_valid and not existing.is_partial and keys:
            there = Index(table.name, tuple(key for key in keys if key is not None))
            theirs = _equalities(there, use)
            if set(theirs) == set(equal) and _tail(there.keys[len(theirs) :], use) == tail:
                return True
    return False


def _is_implied(where: str, use: Use) -> bool:
    known = {one.sql for one in use.fixed}
    known |= {f"{name} IS NOT NULL" for name in (*use.equals, *use.listed, *use.ranges)}
    return where in known or known.issuperset(where.split(" AND "))


def _equalities(index: Index, use: Use) -> tuple[str, ...]:
    equal = {*use.equals, *use.listed, *use.nulls, *use.alternatives}
    equal |= {join.column for join in use.joins}
    equal |= {one.sql for one in use.computed if one.kind in ("equals", "listed")}
    found: list[str] = []
    for key in index.keys:
        if key.column not in equal:
            break
        found.append(f"{key.column} {key.opclass}")
    return tuple(found)


def _tail(keys: tuple[Key, ...], use: Use) -> tuple[str, ...]:
    """The keys behind the equalities, as far as the statement has a use for them."""
    ranges = {*use.ranges, *use.prefixes}
    ranges |= {one.sql for one in use.computed if one.kind in ("ranges", "prefixes")}
    ordered = {key.column for key in use.order_by} | set(use.group_by)
    if not keys or keys[0].column not in ranges | ordered:
        return ()
    useful = ranges | ordered | use.leading
    found = list(takewhile(lambda key: key.column in useful, keys))
    # Read backwards, it is the same for the same price.
    return tuple(str(key.turned if found[0].starts_with_nulls else key) for key in found)


def covers(index: Index, use: Use) -> bool:
    """Whether an index holds all that is read."""
    if use.reads_all:
        return False
    held = {*index.columns, *index.include}
    if index.where:
        fixed = {one.column for one in use.fixed if one.sql in index.where}
        return held >= still_read(use, fixed)
    return held >= use.columns


def _size_class(
    equal: tuple[str, ...], is_covering: bool, table: Table | None, size_bytes: float
) -> int:
    if table is None:
        return 0
    rows = table.rows
    for one in equal:
        column = table.columns.get(one.split(" ")[0])
        rows /= max((column.distinct if column else None) or 10.0, 1.0)
    if equal and rows < _MANY_ROWS and not (is_covering and rows > 1):
        return 0
    return _class_of(size_bytes)


def _class_of(size_bytes: float) -> int:
    """The same for sizes that are about the same."""
    return round(_SIZES_PER_DOUBLING * log2(max(size_bytes, PAGE_BYTES)))
