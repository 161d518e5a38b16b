"""
Plans: joins and subqueries that run more often, or for more rows, than was expected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import (
    MANUAL,
    MANY_ROWS,
    Rule,
    finding,
    matters,
)
from keiko_perf.model import Finding, Text, say

_WRONG = 10.0
"""From this factor on an estimate is wrong enough to choose another plan."""
_MANY_LOOPS = 200
"""From so many rows or loops on another plan would be chosen for them."""
_EQUALITY = re.compile(r"[\w\"]\.[\w\"]+\)* = \(*[\w\"]+\.[\w\"]")
"""In a join filter: a column of one table equals one of another."""
_JOINS = ("Nested Loop", "Hash Join", "Merge Join")
_FUNCTION = "Function Scan"
_DECLARED = say(
    "Of a function the planner takes what it was declared with, 1,000 rows if nothing was said:"
    " ALTER FUNCTION ... ROWS tells it. Measure before and after: the other plan is not always"
    " quicker."
)


def nested_loop_blowup(plan: Plan) -> Iterator[Finding]:
    """`plan.nested-loop-blowup`: the inner side runs far more often than was expected."""
    for node in plan.nodes:
        outer, inner = plan.child(node, "Outer"), plan.child(node, "Inner")
        if node.kind != "Nested Loop" or outer is None or inner is None:
            continue
        if not inner.loops or outer.rows is None:
            continue
        share = min(1.0, node.share + inner.branch_share)
        rejected = node.removed("Rows Removed by Join Filter")
        expected = max(outer.plan_rows, 1.0) * max(outer.loops or 0.0, 1.0)
        is_wrong = inner.loops >= _MANY_LOOPS and outer.rows >= _WRONG * expected
        is_cross = rejected >= 100 * MANY_ROWS and rejected >= 10 * (node.rows or 0.0)
        is_product = _is_product(plan, node, inner)
        if not (is_wrong or is_cross or is_product) or not matters(plan, share):
            continue
        yield finding(
            plan,
            "plan.nested-loop-blowup",
            node,
            share,
            _how_it_blew_up(node, inner, expected, rejected, is_wrong=is_wrong, is_cross=is_cross),
            evidence={
                "inner_loops": inner.loops,
                "outer_rows_expected": expected,
                "rows_rejected": rejected,
                "inner_node": inner.name,
            },
            explanation=_DECLARED
            if is_wrong and outer.kind == _FUNCTION
            else _why_it_blew_up(node, is_wrong=is_wrong, is_cross=is_cross),
            link=f"{MANUAL}/planner-stats.html",
        )


def _is_product(plan: Plan, node: Node, inner: Node) -> bool:
    """Whether each row is put beside each other, with no condition at all or a loose one."""
    pairs = (node.rows or 0.0) + node.removed("Rows Removed by Join Filter")
    loops, each = inner.loops or 0.0, inner.rows_per_loop or 0.0
    is_forgotten = "Join Filter" not in node.details and each >= 10
    if loops < 100 or pairs < 100 * MANY_ROWS or not (is_forgotten or each >= 100):
        return False
    if inner.kind == "Materialize" and inner.children:
        # What is kept to be gone through again is the same for each row of the other side.
        return plan.children(inner)[0].kind != "Function Scan"
    return not (inner.details.get("Index Cond") or inner.children or inner.kind == "Function Scan")


def _how_it_blew_up(
    node: Node, inner: Node, expected: float, rejected: float, *, is_wrong: bool, is_cross: bool
) -> Text:
    if is_wrong:
        return say(
            "runs its inner side {loops:count} times; expected: {expected:count}",
            loops=inner.loops,
            expected=expected,
        )
    if is_cross:
        return say(
            "compares each row with each other and rejects {rejected:count}", rejected=rejected
        )
    return say("puts each row beside each other: {rows:count} pairs", rows=node.rows)


def _why_it_blew_up(node: Node, *, is_wrong: bool, is_cross: bool) -> Text:
    if is_wrong:
        return say(
            "For so many rows another join may be cheaper: SET enable_nestloop = off shows, for"
            " a session, whether it is. The planner chose by an estimate that was too low: ANALYZE"
            " the tables of the outer side, or give them extended statistics."
        )
    if is_cross and _EQUALITY.search(str(node.details.get("Join Filter"))):
        return say(
            "It compares for equality, so an index on the inner side's column, or a hash join,"
            " would find the few that match. The planner took this way because it expected"
            " fewer rows, or to be done early."
        )
    return say("The join has no condition of equality that an index or a hash could serve.")


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
        if factor < _WRONG or _may_stop_early(plan, node) or _is_recursive(plan, node):
            continue
        blamed.add(node.id)
        costly = max((_branch_of_join(plan, above) for above in plan.ancestors(node)), default=0.0)
        # Twice as wrong is needed again where too many rows were expected: that costs less.
        is_under = (node.rows_per_loop or 0.0) > node.plan_rows
        if not (is_under or factor >= _WRONG**2) or not matters(plan, costly):
            continue
        yield finding(
            plan,
            "plan.row-misestimate",
            node,
            costly,
            say(
                "expected rows: {expected:count}, and {actual:count} came",
                expected=node.plan_rows,
                actual=node.rows_per_loop,
            ),
            evidence={
                "rows_expected": node.plan_rows,
                "rows_seen": node.rows_per_loop,
                "misestimate_factor": round(factor, 1),
                "condition": node.condition,
            },
            cure=f"ANALYZE {node.relation};" if node.relation else None,
            explanation=_DECLARED
            if node.kind == _FUNCTION
            else say(
                "The joins and sorts above were chosen for another number of rows. If ANALYZE does"
                " not help, the columns of the condition depend on each other: CREATE STATISTICS"
                " tells the planner how."
            ),
            link=f"{MANUAL}/planner-stats.html#PLANNER-STATS-EXTENDED",
        )


RULES: tuple[Rule, ...] = (nested_loop_blowup, row_misestimate)


def _misestimate(node: Node) -> float:
    """By what factor the rows were misjudged; 1 where too few are concerned to matter."""
    actual, expected = node.rows_per_loop or 0.0, node.plan_rows
    if max(actual, expected) * (node.loops or 1.0) < _MANY_LOOPS:
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


def _is_recursive(plan: Plan, node: Node) -> bool:
    """Whether it is a guess at how far a recursion goes, which no statistics can make better."""
    if node.kind == "CTE Scan":
        made = f"CTE {node.details.get('CTE Name')}"
        return any(
            one.kind == "Recursive Union" and one.details.get("Subplan Name") == made
            for one in plan.nodes
        )
    return any(one.kind == "Recursive Union" for one in (node, *plan.ancestors(node)))


def _branch_of_join(plan: Plan, node: Node) -> float:
    """What a join or a sort costs that was chosen by the rows below it."""
    if node.kind == "Nested Loop":
        inner = plan.child(node, "Inner")
        return node.share + (inner.branch_share if inner is not None else 0.0)
    if node.kind == "Aggregate" and node.details.get("Strategy") == "Plain":
        return 0.0  # it is the only way there is, for however many rows
    if node.kind in (*_JOINS, "Sort", "Incremental Sort", "Aggregate", "Materialize"):
        return node.share
    return 0.0
