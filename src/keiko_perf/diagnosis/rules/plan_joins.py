"""
Plans: joins and subqueries that run more often, or for more rows, than was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    LEAST_SHARE,
    MANUAL,
    MANY_ROWS,
    Rule,
    finding,
    matters,
)
from keiko_perf.model import Finding, say

_WRONG = 10.0
"""From this factor on an estimate is wrong enough to choose another plan."""
_EQUALITY = re.compile(r"[\w\"]\.[\w\"]+\)* = \(*[\w\"]+\.[\w\"]")
"""In a join filter: a column of one table equals one of another."""
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")


def nested_loop_blowup(plan: Plan) -> Iterator[Finding]:
    """`plan.nested-loop-blowup`: the inner side runs far more often than was expected."""
    for node in plan.nodes:
        if node.kind != "Nested Loop":
            continue
        outer, inner = plan.child(node, "Outer"), plan.child(node, "Inner")
        if outer is None or inner is None or not (inner.loops and outer.rows is not None):
            continue
        share = min(1.0, node.share + inner.branch_share)
        rejected = node.removed("Rows Removed by Join Filter")
        expected = max(outer.plan_rows, 1.0) * max(outer.loops or 0.0, 1.0)
        is_wrong = inner.loops >= MANY_ROWS and outer.rows >= _WRONG * expected
        is_cross = rejected >= 100 * MANY_ROWS and rejected >= 10 * (node.rows or 0.0)
        if not (is_wrong or is_cross) or not matters(plan, share):
            continue
        yield finding(
            "plan.nested-loop-blowup",
            node,
            share,
            say(
                "runs its inner side {loops:count} times where {expected:count} were expected",
                loops=inner.loops,
                expected=expected,
            )
            if is_wrong
            else say(
                "compares each row with each other and rejects {rejected:count}", rejected=rejected
            ),
            evidence={
                "inner_loops": inner.loops,
                "outer_rows_expected": expected,
                "rows_rejected": rejected,
                "inner_node": inner.name,
            },
            explanation=say(
                "For so many rows a hash join is cheaper. The planner chose by an estimate that"
                " was too low: ANALYZE the tables of the outer side, or give them extended"
                " statistics."
            )
            if is_wrong
            else say(
                "It compares for equality, so an index on the inner side's column, or a hash join,"
                " would find the few that match. The planner took this way because it expected"
                " fewer rows, or to be done early."
            )
            if _EQUALITY.search(str(node.details.get("Join Filter")))
            else say("The join has no condition of equality that an index or a hash could serve."),
            link=f"{MANUAL}/planner-stats.html",
        )


def row_misestimate(plan: Plan) -> Iterator[Finding]:
    """`plan.row-misestimate`: a wrong number of rows, where a join or sort above pays for it."""
    blamed: set[int] = set()
    for node in reversed(plan.nodes):  # children first: where the error begins
        if node.rows_per_loop is None or any(child in blamed for child in node.children):
            # An error is passed on upwards; it is told once, where it arises.
            if any(child in blamed for child in node.children):
                blamed.add(node.id)
            continue
        factor = _misestimate(node)
        if factor < _WRONG or _may_stop_early(plan, node):
            continue
        blamed.add(node.id)
        costly = max((_branch_of_join(plan, above) for above in plan.ancestors(node)), default=0.0)
        # Twice as wrong is needed again where too many rows were expected: that costs less.
        is_under = (node.rows_per_loop or 0.0) > node.plan_rows
        if not (is_under or factor >= _WRONG**2) or not matters(plan, costly):
            continue
        yield finding(
            "plan.row-misestimate",
            node,
            costly,
            say(
                "{expected:count} rows were expected and {actual:count} came",
                expected=node.plan_rows,
                actual=node.rows_per_loop,
            ),
            evidence={
                "rows_expected": node.plan_rows,
                "rows_seen": node.rows_per_loop,
                "misestimate_factor": round(factor, 1),
                "condition": _condition(node),
            },
            cure=f"ANALYZE {node.relation};" if node.relation else None,
            explanation=say(
                "The joins and sorts above were chosen for another number of rows. If ANALYZE does"
                " not help, the columns of the condition depend on each other: CREATE STATISTICS"
                " tells the planner how."
            ),
            link=f"{MANUAL}/planner-stats.html#PLANNER-STATS-EXTENDED",
        )


def correlated_subplan(plan: Plan) -> Iterator[Finding]:
    """`plan.correlated-subplan`: a subquery that is run again for each row."""
    for node in plan.nodes:
        if node.relationship != "SubPlan" or (node.loops or 0.0) < MANY_ROWS:
            continue
        if not matters(plan, node.branch_share) or node.branch_share < 3 * LEAST_SHARE:
            continue
        yield finding(
            "plan.correlated-subplan",
            node,
            node.branch_share,
            say("a subquery is run {loops:count} times, once for each row", loops=node.loops),
            evidence={"loops": node.loops, "subplan": str(node.details.get("Subplan Name"))},
            explanation=say(
                "Write it as a join, or as a join with a grouped subquery: then it is run once."
            ),
            link=f"{MANUAL}/functions-subquery.html",
        )


RULES: tuple[Rule, ...] = (nested_loop_blowup, row_misestimate, correlated_subplan)


def _misestimate(node: Node) -> float:
    """By what factor the rows were misjudged; 1 where too few are concerned to matter."""
    actual, expected = node.rows_per_loop or 0.0, node.plan_rows
    if max(actual, expected) * (node.loops or 1.0) < MANY_ROWS:
        return 1.0
    low, high = sorted((max(actual, 1.0), max(expected, 1.0)))
    return high / low


def _may_stop_early(plan: Plan, node: Node) -> bool:
    """Whether something above may not have wanted all rows, so that fewer came than there are."""
    if (node.rows_per_loop or 0.0) > node.plan_rows:
        return False
    stoppers = ("Limit", "Merge Join", "Nested Loop")
    below = node
    for above in plan.ancestors(node):
        kind = above.details.get("Join Type")
        if above.kind in stoppers and (above.kind != "Nested Loop" or kind in ("Semi", "Anti")):
            return True
        if above.kind == "Nested Loop" and below.relationship == "Inner":
            return True  # EXPLAIN rounds the rows of one loop
        if below.relationship in ("SubPlan", "InitPlan"):
            return True  # EXISTS takes one row
        below = above
    return False


def _branch_of_join(plan: Plan, node: Node) -> float:
    """What a join or a sort costs that was chosen by the rows below it."""
    if node.kind == "Nested Loop":
        inner = plan.child(node, "Inner")
        return node.share + (inner.branch_share if inner is not None else 0.0)
    if node.kind in (*_JOINS, "Sort", "Incremental Sort", "Aggregate", "Materialize"):
        return node.share
    return 0.0


def _condition(node: Node) -> str | None:
    names = ("Index Cond", "Recheck Cond", "Filter", "Hash Cond", "Merge Cond", "Join Filter")
    shown = [str(node.details[name]) for name in names if name in node.details]
    return " AND ".join(shown) or None
