"""
Visits: what reading tables takes by the clock, where the planner's word for it is wrong.

The planner takes a page that a nested loop asks for again for one that is still there, and so gives
a look-up less than what its pages cost even in memory: each is found, pinned and read again. A
bitmap that leaves out hardly a page it takes for as quick as reading the whole table, also where
that is too large to be kept; an index that is read from end to end for quicker than the rows; and a
page at a random place for as slow as on a disk that turns, also where the system has it at hand.
Nor does it know that the server keeps a small table, which to spare is to spare little. What is
reckoned here is the planner's own price, unless that is less than what it takes with all pages in
memory, or more than what it takes with all of them fetched from the system. The constants are what
was measured beside reading a table from end to end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt

from keiko_perf.diagnosis.pages import PAGE_BYTES, pages_fetched
from keiko_perf.diagnosis.pricing.lookups import LookupSource
from keiko_perf.diagnosis.schema import Table, TableName

_TOUCHED, _FAR_BYTES = 0.4, 100e6
"""To find a page of the table that lies in memory, beside reading the next one from the system; of
a table of no more bytes than that the processor itself holds the more, the smaller it is."""
_AT_HAND, _AT_RANDOM = 1.0, 1.5
"""To fetch it from the system, which has it at hand: of a look-up, and at random places."""
_APART, _HALF_A_PAGE = 1.8, 0.6
"""More, where look-ups come in another order than the rows lie in: each leads to another leaf and
another page. Where they are few, they lie apart in any order: at so many a page it is half."""
BUFFERS_BYTES = 128.0 * 2**20
"""Of a server as it is installed."""
_BY_BITMAP = 1.25
"""A page that a bitmap tells of, in a table that the buffers cannot hold, beside the next one."""
_READ_ROUND = 0.25
"""A table of more than this share of the buffers is not kept there when it is read as a whole."""
IN_MEMORY = 0.15
"""What any page costs that is at hand; a row costs 0.01."""
_ROW = 0.015
_ROW_BY_BITMAP = 0.03
"""Of a bitmap in a table that the buffers cannot hold."""
_ENTRY = 0.005
"""To look at an entry of an index takes as long as to look at a row; the planner says half."""
_LOOK_UP = 0.3
"""To go down in an index whose upper pages are near."""


@dataclass(frozen=True, slots=True)
class Visit:
    """
    One place in a plan where a table is read.

    Attributes:
        table: which one.
        index: the index's name; empty: the table is read from end to end.
        times: how often.
        cost: of one time, by the planner.
        rows: how many it gives each time; of a bitmap, how many it fetches.
        columns: those that are looked for by one value each, if nothing else is looked for.
        is_filtered: whether it fetches more than it gives.
        is_partial: whether the index holds only some of the rows.
        is_first_enough: whether each time ends with the first row.
        shared_by: among how many processes the planner divides what is done for each row.
        is_bitmap: whether all pages are gathered first.
        is_whole: whether the index is read from end to end for what stands behind its first column.
        ends_early: whether what the planner counts may be less than this cost, as in a merge join.
        source: whose order the look-ups follow; None: nobody's that is known.
        found: how much of what the planner counts for a look-up a join finds on average.
        is_alone: whether the index is enough, and no row is fetched.
        is_assumed: whether the index is not there, so that the way down in it cost nothing.
        repeated: by how many processes of a parallel plan it is done each time, by each of them
            whole; the planner counts one.
    """

    table: TableName
    index: str
    times: float
    cost: float
    rows: float
    columns: tuple[str, ...] = ()
    is_filtered: bool = False
    is_partial: bool = False
    is_first_enough: bool = False
    shared_by: float = 1.0
    is_bitmap: bool = False
    is_whole: bool = False
    ends_early: bool = False
    source: LookupSource | None = None
    found: float = 1.0
    is_alone: bool = False
    is_assumed: bool = False
    repeated: float = 1.0


def misjudged(
    visits: Iterable[Visit],
    tables: Mapping[TableName, Table],
    *,
    page_cost: float = 1.0,
    buffers_bytes: float = BUFFERS_BYTES,
) -> float:
    """
    How much more than the planner says, or less, a plan costs that makes these visits.

    Args:
        visits: of the plan.
        tables: with their statistics.
        page_cost: what the planner was told that the next page costs.
        buffers_bytes: of tables that the server has at hand itself.
    """
    more = 0.0
    for one in visits:
        table = tables.get(one.table)
        if table and table.rows >= 1 and table.size_bytes > 0:
            scatter = _Scatter.of(one, tables, buffers_bytes)
            took = one.repeated * _by_clock(one, table, page_cost, scatter)
            more += one.times * (took - one.cost)
    return more


@dataclass(frozen=True, slots=True)
class _Scatter:
    """
    How the pages of a visit's times lie to each other.

    Attributes:
        order: how far they follow each other, 0 to 1.
        apart: how many of them lead to other pages, unless they follow each other, 0 to 1.
        is_kept: whether the server keeps the table once it was read.
        is_too_large: whether it cannot hold it, however it is read.
        belonging: how many rows belong to each that is looked up, if that is a key; 0: it is none.
    """

    order: float
    apart: float
    is_kept: bool
    is_too_large: bool
    belonging: float = 0.0

    @staticmethod
    def of(visit: Visit, tables: Mapping[TableName, Table], buffers_bytes: float) -> _Scatter:
        size_bytes = tables[visit.table].size_bytes
        kept = size_bytes <= buffers_bytes * _READ_ROUND, size_bytes > buffers_bytes
        if visit.times <= 1:
            return _Scatter(0.0, 0.0, *kept)
        order, again, belonging = 0.0, 0.0, 0.0
        if visit.source is not None:
            order = visit.source.order(tables)
            again = order * (1.0 - 1.0 / visit.source.repeats(tables))
            if len(visit.columns) == len(visit.source.columns) and visit.source.is_key(tables):
                belonging = tables[visit.table].rows / tables[visit.source.table].rows
        a_page = visit.times * PAGE_BYTES / size_bytes
        apart = (1.0 - again) * a_page / (a_page + _HALF_A_PAGE)
        return _Scatter(order, apart, *kept, belonging)


def _by_clock(visit: Visit, table: Table, page_cost: float, scatter: _Scatter) -> float:
    """What one time takes: by the planner, within the bounds of what it can take."""
    if visit.is_alone:
        return visit.cost
    if visit.is_whole:
        return visit.cost + (0.0 if visit.is_partial else table.rows * _ENTRY / visit.shared_by)
    pages = max(table.size_bytes / PAGE_BYTES, 1.0)
    page = min(page_cost, IN_MEMORY) if scatter.is_kept else page_cost
    if not visit.index:
        return max(visit.cost - pages * (page_cost - page), 0.0)
    if visit.is_bitmap and visit.times <= 1:
        some = pages_fetched(visit.rows, pages)
        besides = visit.rows * (_ROW_BY_BITMAP if scatter.is_too_large else _ROW)
        cheap = some * (_BY_BITMAP if scatter.is_too_large else 1.0) * page
        dear = some * _AT_RANDOM * page
        far = 0.0
    else:
        rows = _fetched(visit, table, scatter.belonging)
        in_order = _in_order(visit, table)
        touched = _touched(rows, table, pages, in_order)
        follows = scatter.order * (1.0 + in_order) / 2
        far_off = min(sqrt(table.size_bytes / _FAR_BYTES), 1.0)
        touch = _TOUCHED * far_off
        cheap = touched * touch
        most = _AT_HAND if visit.times > 1 else _AT_RANDOM
        dear = touched * max(most * page, touch)
        besides = _LOOK_UP + rows * _ROW
        far = min(touched, 1.0) * _APART * page_cost * far_off * scatter.apart * (1.0 - follows)
    cost = max(visit.cost, cheap + besides)
    return (min(cost, dear + besides) if _is_known(visit, table) else cost) + far


def _in_order(visit: Visit, table: Table) -> float:
    """How far the rows lie in the order of what is looked for: 0 to 1."""
    first = table.columns.get(visit.columns[0]) if visit.columns else None
    return ((first.correlation or 0.0) if first else 0.0) ** 2


def _touched(rows: float, table: Table, pages: float, in_order: float) -> float:
    """How often it comes to another page."""
    together = 1.0 + rows * pages / table.rows
    return min(in_order * min(together, rows) + (1.0 - in_order) * rows, pages)


def _is_known(visit: Visit, table: Table) -> bool:
    """Whether it is known how many rows it looks at, at most."""
    is_whole = bool(visit.columns) and not _is_partial(visit, table)
    return not ((visit.is_filtered and not is_whole) or visit.is_first_enough or visit.ends_early)


def _is_partial(visit: Visit, table: Table) -> bool:
    return visit.is_partial or any(
        one.name == visit.index and one.is_partial for one in table.indexes
    )


def _fetched(visit: Visit, table: Table, belonging: float) -> float:
    """How many rows a visit looks at each time; at least."""
    rows = visit.rows
    if visit.is_filtered and visit.columns and not _is_partial(visit, table):
        found = table.rows
        for name in visit.columns:
            column = table.columns.get(name)
            found /= max((column.distinct if column else None) or table.rows, 1.0)
        rows = max(rows, found)
    rows = max(rows * visit.found, belonging)
    if visit.is_first_enough:
        return max(rows / 2, 1.0) if visit.is_filtered else 1.0
    return rows


def weighed(visits: Iterable[Visit], weight: float) -> Iterator[Visit]:
    """The visits of a plan that counts only so much."""
    return (replace(one, times=weight * one.times) for one in visits)
