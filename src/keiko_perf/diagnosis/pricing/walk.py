"""
Walk: where a plan reads tables, and how often it comes there.

Of a plan as EXPLAIN with VERBOSE gives it in JSON. What each process of a parallel plan does for
itself, such as to hash the rows that all of them join with, the planner counts once, as if nothing
else had to wait for the processors meanwhile; it is done as often as there are processes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.lookups import source_of
from keiko_perf.diagnosis.pricing.nodes import Node, nodes, processes, shared_by, table_of
from keiko_perf.diagnosis.pricing.visits import Visit
from keiko_perf.diagnosis.schema import TableName

_COMPARED = re.compile(r'\(\(?(?:"[^"]+"|[\w$]+)\.("[^"]+"|[\w$]+)', re.ASCII)
_EQUALITY = re.compile(
    r'\(\(?(?:"[^"]+"|[\w$]+)\.("[^"]+"|[\w$]+)\)?(?:::[\w ]+)? = (?!ANY )', re.ASCII
)
_IN_FULL = frozenset({"Sort", "Hash", "Materialize", "ModifyTable"})
_ENDS_WITH_THE_FIRST = frozenset({"Semi", "Anti"})


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
    repeated: float = 1.0


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
        yield Visit(table, "", way.times, cost, rows, repeated=way.repeated)
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
    if _is_repeated(child, node, way):
        way = replace(way, repeated=processes(way.workers))
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


def _is_repeated(child: Node, node: Node, way: _Way) -> bool:
    """Whether each process of a parallel plan does the whole of it for itself."""
    is_inner = way.workers > 0 and child.get("Parent Relationship") == "Inner"
    is_once = node["Node Type"] != "Nested Loop" or child["Node Type"] == "Materialize"
    return is_inner and is_once and not any(one.get("Parallel Aware") for one in nodes(child))


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
        repeated=way.repeated,
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
        repeated=way.repeated,
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
