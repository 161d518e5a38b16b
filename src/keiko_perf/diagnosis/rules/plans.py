"""
Plans: which node costs too much, and why.

A rule speaks only where what it saw costs a tenth of the whole or more, and more than a moment.
A sequential scan that returns most of a table, a hash join, a nested loop over an index: these are
what a good plan is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from keiko_perf.diagnosis.plan import Plan
from keiko_perf.diagnosis.rules import plan_joins, plan_memory, plan_scans
from keiko_perf.diagnosis.rules.plan_costs import LEAST_SHARE, MANUAL, Rule, finding
from keiko_perf.model import Finding, say


def judge_plan(plan: Plan, rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """What is wrong with a plan, the most expensive first; of a healthy one, nothing."""
    found = [one for rule in (RULES if rules is None else rules) for one in rule(plan)]
    return tuple(sorted(found, key=lambda one: (-one.severity, -_share_of(one))))


def jit_overhead(plan: Plan) -> Iterator[Finding]:
    """`plan.jit-overhead`: compiling took a large part of the time."""
    timing = plan.jit.get("Timing")
    total = timing.get("Total") if isinstance(timing, dict) else None
    if not isinstance(total, int | float) or not plan.execution_s:
        return
    share = total / 1000 / plan.execution_s
    if share < 2.5 * LEAST_SHARE:
        return
    yield finding(
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
                "All of max_parallel_workers were busy. The plan was made for more, and another"
                " one may be better without them."
            ),
            link=f"{MANUAL}/runtime-config-resource.html#GUC-MAX-PARALLEL-WORKERS",
        )


def slow_planning(plan: Plan) -> Iterator[Finding]:
    """`plan.slow-planning`: making the plan takes longer than following it."""
    planning_s, execution_s = plan.planning_s, plan.execution_s
    if planning_s is None or execution_s is None or planning_s < max(0.05, execution_s):
        return
    yield finding(
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


RULES: tuple[Rule, ...] = (
    *plan_scans.RULES,
    *plan_memory.RULES,
    *plan_joins.RULES,
    jit_overhead,
    workers_not_launched,
    slow_planning,
)


def _share_of(finding: Finding) -> float:
    share = finding.evidence["share_ratio"]
    assert isinstance(share, int | float)
    return share
