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

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import sqrt

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pages import PAGE_BYTES, pages_fetched
from keiko_perf.diagnosis.pricing.lookups import LookupSource, source_of
from keiko_perf.diagnosis.pricing.nodes import Node, shared_by, table_of
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
"""A page that a bitmap tells of, where nearly all are read, beside the next one."""
_READ_ROUND = 0.25
"""A table of more than this share of the buffers is not kept there when it is read as a whole."""
IN_MEMORY = 0.15
"""What any page costs that is at hand; a row costs 0.01."""
_ROW = 0.015
_ENTRY = 0.005
"""To look at an entry of an index takes as long as to look at a row; the planner says half."""
_LOOK_UP = 0.3
"""To go down in an index whose upper pages are near."""
_COMPARED = re.compile(r'\(\(?(?:"[^"]+"|[\w$]+)\.("[^"]+"|[\w$]+)', re.ASCII)
_EQUALITY = re.compile(
    r'\(\(?(?:"[^"]+"|[\w$]+)\.("[^"]+"|[\w$]+)\)?(?:::[\w ]+)? = (?!ANY )', re.ASCII
)
_IN_FULL = frozenset({"Sort", "Hash", "Materialize", "ModifyTable"})
_ENDS_WITH_THE_FIRST = frozenset({"Semi", "Anti"})


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
    return sum(
        one.times
        * (_by_clock(one, table, page_cost, _Scatter.of(one, tables, buffers_bytes)) - one.cost)
        for one in visits
        if (table := tables.get(one.table)) and table.rows >= 1 and table.size_bytes > 0
    )


@dataclass(frozen=True, slots=True)
class _Scatter:
    """
    How the pages of a visit's times lie to each other.

    Attributes:
        order: how far they follow each other, 0 to 1.
        apart: how many of them lead to other pages, unless they follow each other, 0 to 1.
        is_kept: whether the server keeps the table once it was read.
    """

    order: float
    apart: float
    is_kept: bool

    @staticmethod
    def of(visit: Visit, tables: Mapping[TableName, Table], buffers_bytes: float) -> _Scatter:
        size_bytes = tables[visit.table].size_bytes
        is_kept = size_bytes <= buffers_bytes * _READ_ROUND
        if visit.times <= 1:
            return _Scatter(0.0, 0.0, is_kept)
        order, again = 0.0, 0.0
        if visit.source is not None:
            order = visit.source.order(tables)
            again = order * (1.0 - 1.0 / visit.source.repeats(tables))
        a_page = visit.times * PAGE_BYTES / size_bytes
        return _Scatter(order, (1.0 - again) * a_page / (a_page + _HALF_A_PAGE), is_kept)


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
        besides = visit.rows * _ROW / visit.shared_by
        cheap = some * (1.0 if scatter.is_kept else _BY_BITMAP) * page
        dear = some * _AT_RANDOM * page
        far = 0.0
    else:
        rows = _fetched(visit, table)
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


def _fetched(visit: Visit, table: Table) -> float:
    """How many rows a visit looks at each time; at least."""
    rows = visit.rows
    if visit.is_filtered and visit.columns and not _is_partial(visit, table):
        found = table.rows
        for name in visit.columns:
            column = table.columns.get(name)
            found /= max((column.distinct if column else None) or table.rows, 1.0)
        rows = max(rows, found)
    rows *= visit.found
    if visit.is_first_enough:
        return max(rows / 2, 1.0) if visit.is_filtered else 1.0
    return rows


def weighed(visits: Iterable[Visit], weight: float) -> Iterator[Visit]:
    """The visits of a plan that counts only so much."""
    return (replace(one, times=weight * one.times) for one in visits)


# From a plan


def visits_of(plan: Node, assumed: Mapping[str, Index] | None = None) -> tuple[Visit, ...]:
    """
    The visits of a plan.

    Of a subplan nobody knows how often it runs; what a LIMIT ends early counts as far as it comes.

    Args:
        plan: as EXPLAIN with VERBOSE gives it in JSON.
        assumed: the indexes that are only assumed to be there, by their names.
    """
    return tuple(_walk(plan, assumed or {}, _Way()))


@dataclass(frozen=True, slots=True)
class _Way:
    """How a plan comes to a node."""

    times: float = 1.0
    full: float = 1.0
    """How often, were it not for a LIMIT."""
    workers: int = 0
    is_first_enough: bool = False
    ends_early: bool = False
    outer: Node | None = None
    """For each row of which it comes there."""
    given: float = 0.0
    """So many rows each time, by what the join gives; 0: it is not known."""


def _walk(node: Node, assumed: Mapping[str, Index], way: _Way) -> Iterator[Visit]:
    kind = node["Node Type"]
    way = replace(way, workers=node.get("Workers Planned", way.workers))
    if _is_whole(node, assumed):
        yield replace(_by_index(node, assumed, way), is_whole=True)
    elif kind == "Index Scan":
        yield _by_index(node, assumed, way)
    elif kind == "Index Only Scan" and way.times > 1:
        yield replace(_by_index(node, assumed, way), is_alone=True)
    elif kind == "Seq Scan" and (table := table_of(node)):
        cost, rows = float(node["Total Cost"]), float(node["Plan Rows"])
        yield Visit(table, "", way.times, cost, rows)
    elif kind == "Bitmap Heap Scan":
        yield from _by_bitmap(node, assumed, way)
    children = node.get("Plans", ())
    for child in children:
        if child.get("Parent Relationship") != "SubPlan":
            yield from _walk(child, assumed, _way_to(child, node, children, way))


def _way_to(
    child: Node,
    node: Node,
    children: Iterable[Node],
    way: _Way,
) -> _Way:
    kind = node["Node Type"]
    way = replace(way, given=way.given if kind == "Memoize" else 0.0)
    if child.get("Parent Relationship") == "InitPlan":
        return _Way(workers=way.workers)
    if kind in _IN_FULL or (kind == "Aggregate" and node.get("Strategy") != "Sorted"):
        return replace(way, times=way.full, is_first_enough=False, ends_early=False)
    if kind == "Merge Join":
        return replace(way, ends_early=True)
    if kind == "Limit":
        return replace(way, times=way.times * _share_read(node, child))
    if kind == "Memoize":
        missed = min(float(node["Total Cost"]) / max(float(child["Total Cost"]), 1e-9), 1.0)
        return replace(way, times=way.times * missed, full=way.full * missed)
    is_kept = child["Node Type"] == "Materialize"
    if kind == "Nested Loop" and child.get("Parent Relationship") == "Inner" and not is_kept:
        first = next(iter(children))
        outer = max(float(first["Plan Rows"]), 1.0)
        is_enough = node.get("Join Type") in _ENDS_WITH_THE_FIRST or node.get("Inner Unique", False)
        return replace(
            way,
            times=way.times * outer,
            full=way.full * outer,
            is_first_enough=is_enough,
            outer=first,
            given=_given(node, outer),
        )
    return way


def _given(loop: Node, outer_rows: float) -> float:
    """How many rows an inner join finds for each: some values may have none on the other side."""
    if loop.get("Join Type", "Inner") != "Inner" or "Join Filter" in loop:
        return 0.0
    return float(loop["Plan Rows"]) / outer_rows


def _share_read(limit: Node, child: Node) -> float:
    started, whole = float(child["Startup Cost"]), float(child["Total Cost"])
    if whole <= started:
        return 1.0
    return min(max((float(limit["Total Cost"]) - started) / (whole - started), 0.0), 1.0)


def _by_index(node: Node, assumed: Mapping[str, Index], way: _Way) -> Visit:
    name = node.get("Index Name", "")
    condition = node.get("Index Cond", "")
    rows = float(node["Plan Rows"])
    return Visit(
        TableName(node.get("Schema", ""), node["Relation Name"]),
        name,
        times=way.times,
        cost=float(node["Total Cost"]),
        rows=rows,
        columns=_looked_for(condition),
        is_filtered="Filter" in node,
        shared_by=shared_by(node, way.workers),
        is_partial=_holds_some(name, assumed),
        is_first_enough=way.is_first_enough,
        is_assumed=_is_assumed(name, assumed),
        ends_early=way.ends_early,
        source=source_of(condition, way.outer, assumed) if way.outer else None,
        found=_found(rows, way.given),
    )


def _found(rows: float, given: float) -> float:
    """How much of the *rows* counted for a look-up a join finds, which gives so many for each."""
    if not given or rows <= 1:  # the planner says one where it means a thousandth
        return 1.0
    return min(given / rows, 1.0)


def _by_bitmap(node: Node, assumed: Mapping[str, Index], way: _Way) -> Iterator[Visit]:
    plans = (one for one in node.get("Plans", ()) if one["Node Type"] == "Bitmap Index Scan")
    bitmap = next(plans, None)
    if bitmap is None:  # of several: how many rows they leave together is not told
        return
    yield Visit(
        TableName(node.get("Schema", ""), node["Relation Name"]),
        bitmap.get("Index Name", ""),
        times=way.times,
        cost=float(node["Total Cost"]) - float(bitmap["Total Cost"]),
        rows=float(bitmap["Plan Rows"]),
        is_partial=_holds_some(bitmap.get("Index Name", ""), assumed),
        shared_by=shared_by(node, way.workers),
        is_bitmap=True,
        is_assumed=_is_assumed(bitmap.get("Index Name", ""), assumed),
    )


def _is_whole(node: Node, assumed: Mapping[str, Index]) -> bool:
    """Whether an index is read from end to end: it has a condition, but not on its first column."""
    index = assumed.get(node.get("Index Name", ""))
    if index is None or "Index Cond" not in node or node["Node Type"] == "Bitmap Index Scan":
        return False
    first = index.keys[0]
    compared = {one.strip('"') for one in _COMPARED.findall(node["Index Cond"])}
    return not first.is_expression and bool(compared) and first.column not in compared


def _is_assumed(name: str, assumed: Mapping[str, Index]) -> bool:
    # HypoPG's names begin so; an index that was made for the sake of the question has its own.
    return name in assumed and name.startswith("<")


def _holds_some(name: str, assumed: Mapping[str, Index]) -> bool:
    return name in assumed and bool(assumed[name].where)


def _looked_for(condition: str) -> tuple[str, ...]:
    """The columns that a condition compares with one value each; none if it does more than that."""
    found = [one.strip('"') for one in _EQUALITY.findall(condition)]
    return tuple(found) if len(found) == condition.count(" AND ") + 1 else ()
