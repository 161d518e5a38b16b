"""
Plans: the same work done again: for each row of another, in a subquery, or in a copy of itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.plans.clauses import without_aliases
from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    LEAST_ROWS,
    LEAST_SHARE,
    MANUAL,
    MANY_ROWS,
    Rule,
    finding,
    matters,
)
from keiko_perf.model import Finding, Message, say

_LOOPS = 10
_ROWS = 10 * LEAST_ROWS
_SAME_EACH_TIME = ("Seq Scan", "CTE Scan", "Function Scan", "Subquery Scan", "Values Scan")
_KEEPS = ("Materialize", "Memoize")
_ASIDE = ("InitPlan", "SubPlan")
_JOINS = ("Hash Join", "Merge Join", "Nested Loop")
_ROUNDS = 3
_FEW_JOINED = 0.2
_WORKS = ("Aggregate", "Sort", "Hash Join", "Merge Join", "Nested Loop", "WindowAgg", "Unique")


def correlated_subplan(plan: Plan) -> Iterator[Finding]:
    """`plan.correlated-subplan`: a subquery that is run again for each row."""
    for node in plan.nodes:
        if node.relationship != "SubPlan" or node.was_never_executed:
            continue
        loops = _times(plan, node)
        # To start it a thousand times takes as long as to read ten thousand rows.
        is_often = plan.executed and loops >= MANY_ROWS
        is_costly = node.branch_share >= (2 if is_often else 3) * LEAST_SHARE
        if not is_costly or not (is_often or matters(plan, node.branch_share)):
            continue
        if loops < MANY_ROWS and not (loops >= _LOOPS and _reads_much(plan, node)):
            continue
        yield finding(
            plan,
            "plan.correlated-subplan",
            node,
            node.branch_share,
            say("a subquery is run {loops:count} times, once for each row", loops=loops)
            if plan.executed
            else say("a subquery would be run for each of some {loops:count} rows", loops=loops),
            evidence={
                "loops": loops if plan.executed else None,
                "subplan": str(node.details.get("Subplan Name")),
            },
            explanation=say(
                "NOT IN is no join, since a NULL in the list leaves everything unknown, and a list"
                " that does not fit into work_mem is searched for each row. NOT EXISTS is one."
            )
            if _is_not_in(plan, node)
            else say(
                "Where most rows are asked for, write it as a join, or as a join with a grouped"
                " subquery: then it is run once, for all. Where only some are, and each run finds"
                " its rows by an index, that takes longer: ask for fewer, or keep what it counts."
            ),
            link=f"{MANUAL}/functions-subquery.html",
        )


def work_repeated(plan: Plan) -> Iterator[Finding]:
    """`plan.work-repeated`: the same rows are read again for each row, or by a copy of itself."""
    for node in plan.nodes:
        inner = plan.child(node, "Inner") if node.kind == "Nested Loop" else None
        if inner is None or inner.kind in _KEEPS or (inner.loops or 0.0) < _LOOPS:
            continue
        rows = _rows_of(plan, inner, _SAME_EACH_TIME)
        is_much = rows >= _ROWS and rows >= MANY_ROWS * (inner.loops or 1.0)
        if is_much and inner.branch_share >= 3 * LEAST_SHARE:
            yield _finding(
                plan,
                inner,
                inner.branch_share,
                say(
                    "is run {loops:count} times over the same rows: {rows:count} in all",
                    loops=inner.loops,
                    rows=rows,
                ),
                {"loops": inner.loops, "rows_read": round(rows)},
            )
    yield from _recursions(plan)
    yield from _copies(plan)


def _recursions(plan: Plan) -> Iterator[Finding]:
    """Each round of a recursion reads the table whole, to join few of its rows."""
    for node in plan.nodes:
        above = list(plan.ancestors(node))
        is_repeated = node.kind == "Seq Scan" and (node.loops or 0.0) >= _ROUNDS
        if not is_repeated or not any(one.kind == "Recursive Union" for one in above):
            continue
        rows = (node.rows or 0.0) + node.removed()
        join = next((one for one in above if one.kind in _JOINS), None)
        share = min(1.0, node.share + (0.0 if join is None else join.share))
        kept = rows if join is None else join.rows or 0.0
        # Who goes through a whole tree is well served by as many scans as it is deep.
        is_for_few = kept <= _FEW_JOINED * rows / (node.loops or 1.0)
        if rows < _ROWS or not is_for_few or share < 3 * LEAST_SHARE:
            continue
        yield finding(
            plan,
            "plan.work-repeated",
            node,
            share,
            say(
                "each of {loops:count} rounds of the recursion reads {table} from end to end, to"
                " join {kept:count} of {rows:count} rows in all",
                loops=node.loops,
                table=node.relation or "the table",
                kept=kept,
                rows=rows,
            ),
            evidence={
                "condition": None if join is None else join.condition,
                "loops": node.loops,
                "rows_read": round(rows),
            },
            explanation=say(
                "An index on the column by which the recursion joins would lead each round to its"
                " few rows."
            ),
            link=f"{MANUAL}/queries-with.html#QUERIES-WITH-RECURSIVE",
        )


def _copies(plan: Plan) -> Iterator[Finding]:
    """Branches that do the same, told once, where they are largest."""
    if not plan.executed or plan.rows_handled < LEAST_ROWS:
        return
    seen: dict[object, list[Node]] = {}
    prints: list[object] = [None] * len(plan.nodes)
    for node in reversed(plan.nodes):
        inputs = [one for one in plan.children(node) if one.relationship not in _ASIDE]
        prints[node.id] = _print(node, [prints[one.id] for one in inputs])
    told: set[int] = set()
    for node in plan.nodes:  # parents first
        if node.kind in _WORKS and node.branch_share >= LEAST_SHARE and not node.was_never_executed:
            seen.setdefault(prints[node.id], []).append(node)
    for nodes in seen.values():
        if len(nodes) < 2 or any(_is_below(plan, node, told) for node in nodes):
            continue
        told.update(node.id for node in nodes)
        rows = _rows_of(plan, nodes[0])
        share = min(1.0, sum(node.branch_share for node in nodes[1:]))
        if rows >= LEAST_ROWS and share >= 2 * LEAST_SHARE:
            yield _finding(
                plan,
                nodes[1],
                share,
                say(
                    "the same {rows:count} rows are worked through {times:count} times in one"
                    " statement",
                    rows=rows,
                    times=len(nodes),
                ),
                {"times": len(nodes), "rows_read": round(rows)},
            )


def cte_materialized(plan: Plan) -> Iterator[Finding]:
    """`plan.cte-materialized`: a WITH query is made whole, and most of it is thrown away."""
    for node in plan.nodes:
        if node.kind != "CTE Scan" or node.was_never_executed:
            continue
        made = _subplan_of(plan, str(node.details.get("CTE Name")))
        if made is None or made.kind == "Recursive Union" or made.rows is None:
            continue
        share = min(1.0, made.branch_share + node.share)
        kept = _kept_of(plan, node)
        is_in_vain = made.rows >= LEAST_ROWS and kept <= 0.1 * made.rows
        if not is_in_vain or share < 3 * LEAST_SHARE or not matters(plan, share):
            continue
        yield finding(
            plan,
            "plan.cte-materialized",
            node,
            share,
            say(
                "the WITH query {name} makes {made:count} rows, of which {kept:count} are used",
                name=str(node.details.get("CTE Name")),
                made=made.rows,
                kept=kept,
            ),
            evidence={
                "condition": node.condition,
                "rows_read": round(made.rows),
                "rows_kept": round(kept),
            },
            explanation=say(
                "What MATERIALIZED, or a second use, makes whole knows nothing of the conditions"
                " outside. Write AS NOT MATERIALIZED, or put the condition into the WITH query."
            ),
            link=f"{MANUAL}/queries-with.html#QUERIES-WITH-CTE-MATERIALIZATION",
        )


RULES: tuple[Rule, ...] = (correlated_subplan, work_repeated, cte_materialized)


def _finding(
    plan: Plan, node: Node, share: float, summary: Message, evidence: dict[str, float | int | None]
) -> Finding:
    return finding(
        plan,
        "plan.work-repeated",
        node,
        share,
        summary,
        evidence={**evidence},
        explanation=say(
            "Do it once: group or filter it in a WITH query or a subquery of its own and join"
            " that, or give the inner side an index, so that each time only the few rows that"
            " match are read."
        ),
        link=f"{MANUAL}/queries-table-expressions.html",
    )


def _reads_much(plan: Plan, node: Node) -> bool:
    """Whether few runs read as much as many would, or some of it in vain."""
    below = [one for one in plan.nodes if any(up.id == node.id for up in plan.ancestors(one))]
    in_vain = sum(
        one.removed() + (one.rows or 0.0) * (one.kind == "Seq Scan") for one in (node, *below)
    )
    return in_vain >= 2 * LEAST_ROWS or _rows_of(plan, node) >= _ROWS


def _times(plan: Plan, node: Node) -> float:
    """How often a subplan is run; without execution, for how many rows it is expected to be."""
    if node.loops is not None:
        return node.loops
    parent = plan.parent(node)
    if parent is None or f"hashed {node.details.get('Subplan Name')}" in str(dict(parent.details)):
        return 0.0
    inputs = [one for one in plan.children(parent) if one.relationship not in _ASIDE]
    return max(one.plan_rows for one in (parent, *inputs))


def _is_not_in(plan: Plan, node: Node) -> bool:
    """Whether its rows are a list that is searched for each row, as of NOT IN."""
    parent = plan.parent(node)
    said = "" if parent is None else " ".join(map(str, dict(parent.details).values()))
    name = str(node.details.get("Subplan Name"))
    return node.kind == "Materialize" and bool(
        re.search(rf"NOT \((?:ANY \(.*)?{re.escape(name)}\b|<> ALL \(.*{re.escape(name)}\b", said)
    )


def _rows_of(plan: Plan, top: Node, kinds: tuple[str, ...] = ()) -> float:
    """The rows that the leaves of a branch read in all loops, or those of these kinds."""
    rows, waiting = 0.0, [top]
    while waiting:
        node = waiting.pop()
        below = plan.children(node)
        waiting += [] if kinds and node.kind in _KEEPS else below
        is_source = not below and (not kinds or node.kind in kinds or _is_whole_index(node))
        rows += (node.rows or 0.0) + node.removed() if is_source else 0.0
    return rows


def _is_whole_index(node: Node) -> bool:
    return node.kind in ("Index Scan", "Index Only Scan") and not node.details.get("Index Cond")


def _print(node: Node, below: list[object]) -> object:
    """
    The same for nodes that do the same, whatever the tables are called in the statement, and
    whatever HAVING makes of the groups.
    """
    names = ["Group Key", "Sort Key", "Join Type", "Strategy", "Index Cond", "Hash Cond"]
    names += [] if node.kind == "Aggregate" else ["Filter"]
    said = tuple(without_aliases(str(node.details.get(name, ""))) for name in names)
    return hash((node.kind, node.relation, node.details.get("CTE Name"), said, tuple(below)))


def _is_below(plan: Plan, node: Node, told: set[int]) -> bool:
    return node.id in told or any(above.id in told for above in plan.ancestors(node))


def _subplan_of(plan: Plan, name: str) -> Node | None:
    wanted = f"CTE {name}"
    return next((one for one in plan.nodes if one.details.get("Subplan Name") == wanted), None)


def _kept_of(plan: Plan, scan: Node) -> float:
    """How many rows of a CTE are left behind its own filter, and the first join."""
    kept = scan.rows or 0.0
    for above in plan.ancestors(scan):
        if above.kind in ("Hash Join", "Merge Join", "Nested Loop"):
            is_inner = above.details.get("Join Type") == "Inner"
            return min(kept, above.rows or 0.0) if is_inner else kept
        if above.kind not in ("Hash", "Materialize", "Sort"):
            return kept
    return kept
