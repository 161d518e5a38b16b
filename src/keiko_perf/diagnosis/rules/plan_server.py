"""
Plans: what is spent on planning, compiling and partitions rather than on rows.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.diagnosis.rules.plan_costs import LEAST_SHARE, MANUAL, Rule, finding, matters
from keiko_perf.diagnosis.rules.plan_groups import COST_OF_A_ROW
from keiko_perf.model import Finding, say

_SLOW_S = 0.02
"""Planning that takes less than this may be that of any join, on a busy machine."""
_MANY_PARTITIONS = 20
_TOO_MANY_PARTITIONS = 50
_SMALL_PARTITION_ROWS = 1_000


def jit_overhead(plan: Plan) -> Iterator[Finding]:
    """`plan.jit-overhead`: compiling took a large part of the time."""
    timing = plan.jit.get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    if not isinstance(total, int | float) or not plan.execution_s:
        return
    share = total / 1000 / plan.execution_s
    if share < 3 * LEAST_SHARE:
        return
    yield finding(
        plan,
        "plan.jit-overhead",
        plan.root,
        min(share, 1.0),
        say("{compiling:duration} went into compiling expressions", compiling=total / 1000),
        evidence={"compiling_s": total / 1000, "functions": plan.jit.get("Functions")},
        cure="SET jit = off;",
        explanation=say(
            "It pays for statements that run for many seconds. Raise jit_above_cost, or switch it"
            " off for the role that runs this."
        ),
        link=f"{MANUAL}/jit-decision.html",
    )


def workers_not_launched(plan: Plan) -> Iterator[Finding]:
    """`plan.workers-not-launched`: fewer processes helped than were planned."""
    for node in plan.nodes:
        planned, launched = node.number("Workers Planned"), node.number("Workers Launched")
        is_short = plan.executed and not node.was_never_executed and launched < planned
        if not is_short or node.branch_share < LEAST_SHARE:
            continue
        yield finding(
            plan,
            "plan.workers-not-launched",
            node,
            node.branch_share,
            say(
                "{launched:count} of {planned:count} planned workers helped",
                launched=launched,
                planned=planned,
            ),
            evidence={"workers_planned": round(planned), "workers_launched": round(launched)},
            explanation=say(
                "All of max_parallel_workers were busy, or there are fewer than the plan asks for."
                " It was made for more, and another one may be better without them."
            ),
            link=f"{MANUAL}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS",
        )


def slow_planning(plan: Plan) -> Iterator[Finding]:
    """`plan.slow-planning`: making the plan takes longer than following it."""
    planning_s, execution_s = plan.planning_s, plan.execution_s
    if planning_s is None or execution_s is None or planning_s < max(_SLOW_S, execution_s):
        return
    yield finding(
        plan,
        "plan.slow-planning",
        plan.root,
        planning_s / (planning_s + execution_s),
        say(
            "planning takes {planning_s:duration}, execution {execution_s:duration}",
            planning_s=planning_s,
            execution_s=execution_s,
        ),
        evidence={"planning_s": planning_s, "execution_s": execution_s},
        explanation=say(
            "Many partitions, joins or indexes make it so. A prepared statement is planned once;"
            " a condition on the partition key leaves partitions out early."
        ),
        link=f"{MANUAL}/sql-prepare.html",
    )


def too_many_partitions(plan: Plan) -> Iterator[Finding]:
    """`plan.too-many-partitions`: most of the partitions that were looked into hold nothing."""
    for node in plan.nodes:
        if node.kind not in ("Append", "Merge Append"):
            continue
        members = [one for one in plan.children(node) if not one.was_never_executed]
        if len(members) < _MANY_PARTITIONS or not _is_costly(plan, node):
            continue
        found = [one for one in members if _has_rows(one)]
        read = sum(_read(plan, one) for one in members)
        is_in_vain = len(found) <= 0.25 * len(members)
        is_split_up = len(members) >= _TOO_MANY_PARTITIONS and read < _SMALL_PARTITION_ROWS * len(
            members
        )
        if not (is_in_vain or is_split_up):
            continue
        yield finding(
            plan,
            "plan.too-many-partitions",
            node,
            _share(plan, node),
            say(
                "looks into {members:count} partitions, and {found:count} of them have rows for it",
                members=len(members),
                found=len(found),
            ),
            evidence={
                "partitions": len(members),
                "partitions_with_rows": len(found),
                "planning_s": plan.planning_s,
            },
            explanation=say(
                "A condition on the partition key, comparing it with a value and not with an"
                " expression of it, leaves the others out. If no statement has one, the table is"
                " partitioned by the wrong column, or into too small parts."
            ),
            link=f"{MANUAL}/ddl-partitioning.html#DDL-PARTITION-PRUNING",
        )


RULES: tuple[Rule, ...] = (jit_overhead, workers_not_launched, slow_planning, too_many_partitions)


def _is_costly(plan: Plan, node: Node) -> bool:
    """Whether the partitions take much of the time, or planning for them does."""
    if not plan.executed:
        return node.branch_share >= 3 * LEAST_SHARE and matters(plan, node.branch_share)
    is_planning = (plan.planning_s or 0.0) >= (plan.execution_s or 0.0) > 0
    return _share(plan, node) >= 3 * LEAST_SHARE or is_planning


def _share(plan: Plan, node: Node) -> float:
    """What it costs with what no node is charged for: each partition is opened and closed."""
    unaccounted = 1.0 - plan.root.branch_share if plan.executed else 0.0
    return min(1.0, node.branch_share + max(0.0, unaccounted))


def _has_rows(node: Node) -> bool:
    """Whether a member gave any; the planner expects one at least of each."""
    return node.rows > 0 if node.rows is not None else node.plan_rows > 1


def _read(plan: Plan, node: Node) -> float:
    """How many rows a member read, in whatever way; by its cost if it was not executed."""
    if not plan.executed:
        is_whole = node.kind == "Seq Scan"
        return node.total_cost / COST_OF_A_ROW if is_whole else node.plan_rows
    return (
        (node.rows or 0.0)
        + node.removed()
        + sum((one.rows or 0.0) + one.removed() for one in plan.children(node))
    )
