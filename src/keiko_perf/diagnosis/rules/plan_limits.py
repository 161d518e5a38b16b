"""
Plans: the first rows of many, and how far they are walked to.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    LEAST_SHARE,
    MANUAL,
    MANY_ROWS,
    Rule,
    finding,
    matters,
)
from keiko_perf.diagnosis.rules.plan_groups import Scan, limit_above, scans
from keiko_perf.model import Finding, say

_FEW = 0.1
_DEEP = 5_000
"""So many rows are paid for again on each page that follows."""
_INDEX_SCANS = ("Index Scan", "Index Only Scan")
_RANGE = ("<", ">")


def limit_walk(plan: Plan) -> Iterator[Finding]:
    """`plan.limit-walk`: an index is followed in its order until the first matches turn up."""
    for scan in scans(plan, *_INDEX_SCANS):
        limit = limit_above(plan, scan.node)
        if limit is None or not plan.executed:
            continue
        if is_walk(scan):
            kept, share = scan.kept, scan.share
        elif _is_walked_for_a_join(plan, scan, limit):
            kept, share = limit.rows or 0.0, limit.branch_share
        else:
            continue
        if not matters(plan, share):
            continue
        yield finding(
            plan,
            "plan.limit-walk",
            scan.node,
            share,
            say(
                "follows {index} past {read:count} rows to find the first {kept:count}",
                index=scan.node.index or "the index",
                read=scan.read,
                kept=kept,
            ),
            evidence={
                "condition": scan.filter or None,
                "rows_read": round(scan.read),
                "rows_kept": round(kept),
            },
            explanation=say(
                "The planner expects what is looked for to be spread evenly, so that the LIMIT is"
                " soon reached. It is not. An index that begins with what the filter compares and"
                " goes on with the order of the result has them side by side."
            ),
            link=f"{MANUAL}/indexes-ordering.html",
        )


def is_walk(scan: Scan) -> bool:
    """Whether a LIMIT lets it follow an index in its order, with a filter that drops most."""
    node = scan.node
    if node.kind not in _INDEX_SCANS or scan.removed < MANY_ROWS or not scan.is_limited:
        return False
    condition = str(node.details.get("Index Cond", ""))
    is_ordered = not condition or any(sign in condition for sign in _RANGE)
    return is_ordered and scan.kept <= _FEW * scan.read


def _is_walked_for_a_join(plan: Plan, scan: Scan, limit: Node) -> bool:
    """Whether a join throws away nearly all that the index hands out."""
    node, found = scan.node, limit.rows or 0.0
    if node.details.get("Index Cond") or scan.read < 10 * MANY_ROWS or found > 0.01 * scan.read:
        return False
    below = node
    joins = 0
    for above in plan.ancestors(node):
        if above.id == limit.id:
            return joins > 0 and (plan.children(limit)[0].rows or 0.0) <= 0.01 * scan.read
        if above.kind in ("Nested Loop", "Hash Join", "Merge Join"):
            joins += 1
            if below.relationship != "Outer":
                return False
        below = above
    return False


def offset_walk(plan: Plan) -> Iterator[Finding]:
    """`plan.offset-walk`: rows are made, counted and thrown away for an OFFSET."""
    for node in plan.nodes:
        child = plan.child(node, "Outer")
        if node.kind != "Limit" or child is None or node.was_never_executed:
            continue
        skipped, kept = _skipped(node, child)
        is_deep = plan.executed and skipped >= _DEEP and node.branch_share >= LEAST_SHARE
        if skipped < MANY_ROWS or skipped < 10 * kept:
            continue
        if not (is_deep or matters(plan, node.branch_share)):
            continue
        yield finding(
            plan,
            "plan.offset-walk",
            node,
            node.branch_share,
            say(
                "makes {skipped:count} rows only to skip them, and hands out {kept:count}",
                skipped=skipped,
                kept=kept,
            ),
            evidence={
                "rows_skipped": round(skipped) if plan.executed else None,
                "rows_kept": round(kept),
            },
            explanation=say(
                "An OFFSET is counted off row by row, and each further page costs more. Ask for"
                " the rows after the last one seen instead: WHERE (created_at, id) < (…, …) ORDER"
                " BY created_at DESC, id DESC LIMIT 20, with an index in that order."
            ),
            link=f"{MANUAL}/queries-limit.html",
        )


def _skipped(node: Node, child: Node) -> tuple[float, float]:
    """How many rows the OFFSET took, and how many were left to hand out."""
    if node.rows is not None and child.rows is not None:
        return child.rows - node.rows, node.rows
    # The planner charges a Limit, before its first row, for those that are skipped.
    start, first = node.number("Startup Cost"), child.number("Startup Cost")
    run = child.total_cost - first
    return ((start - first) / run * child.plan_rows if run > 0 else 0.0), node.plan_rows


def sorted_for_few(plan: Plan) -> Iterator[Finding]:
    """`plan.sorted-for-few`: a table is read and sorted whole for its first rows."""
    for node in plan.nodes:
        child = plan.child(node, "Outer")
        if node.kind != "Sort" or child is None or child.kind not in ("Seq Scan", "Append"):
            continue
        wanted = _wanted(plan, node)
        kept = child.plan_rows if child.rows is None else child.rows
        read = kept + child.removed() if child.rows is not None else kept
        # What the filter leaves over is few already: the scan is what is spoken of.
        if wanted is None or kept <= _FEW * read or wanted > _FEW * kept:
            continue
        if read < MANY_ROWS or not matters(plan, node.branch_share) or _is_by_chance(node):
            continue
        yield finding(
            plan,
            "plan.sorted-for-few",
            node,
            node.branch_share,
            say(
                "sorts {read:count} rows of {table} for the first {wanted:count}",
                read=read,
                table=child.relation or "the table",
                wanted=wanted,
            ),
            evidence={
                "sort_key": ", ".join(str(key) for key in node.details.get("Sort Key", ())),
                "rows_read": round(read) if plan.executed else None,
                "rows_kept": round(wanted),
            },
            explanation=say(
                "An index in this order would hand out just the first rows. keiko-perf db advise"
                " finds the one that serves most statements, and prices it."
            ),
            link=f"{MANUAL}/indexes-ordering.html",
        )


def random_order(plan: Plan) -> Iterator[Finding]:
    """`plan.random-order`: each row gets a random number, all are sorted, and few are kept."""
    for node in plan.nodes:
        child = plan.child(node, "Outer")
        if node.kind != "Sort" or child is None or not _is_by_chance(node):
            continue
        wanted = _wanted(plan, node)
        sorted_rows = child.plan_rows if child.rows is None else child.rows
        if wanted is None or sorted_rows < MANY_ROWS or wanted > _FEW * sorted_rows:
            continue
        if not matters(plan, node.branch_share):
            continue
        yield finding(
            plan,
            "plan.random-order",
            node,
            node.branch_share,
            say("sorts {read:count} rows by a random number to keep some", read=sorted_rows),
            evidence={
                "rows_read": round(sorted_rows) if plan.executed else None,
                "rows_kept": round(wanted) if plan.executed else None,
            },
            explanation=say(
                "No index has an order by chance. Ask for some rows from a random key on (WHERE id"
                " >= a random number ORDER BY id LIMIT 5), take a sample (TABLESAMPLE), or draw"
                " from a list of keys that the service keeps."
            ),
            link=f"{MANUAL}/sql-select.html#SQL-FROM",
        )


RULES: tuple[Rule, ...] = (limit_walk, offset_walk, sorted_for_few, random_order)


def _wanted(plan: Plan, sort: Node) -> float | None:
    """How many of the sorted rows a LIMIT takes; None if it takes all."""
    if plan.executed:
        is_for_few = "top-N" in str(sort.details.get("Sort Method", ""))
        return (sort.rows or 0.0) if is_for_few else None
    above = plan.parent(sort)
    while above is not None and above.kind == "Gather Merge":
        above = plan.parent(above)
    return above.plan_rows if above is not None and above.kind == "Limit" else None


def _is_by_chance(sort: Node) -> bool:
    """Whether it is ordered by what no index can hold."""
    return any("random()" in str(key) for key in sort.details.get("Sort Key", ()))
