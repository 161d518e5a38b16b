"""
What a rule about plans speaks of, and in which words: only what costs enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

from keiko_perf.diagnosis.plans.plan import Node, Plan
from keiko_perf.model import Finding, Severity, Text

LEAST_SHARE = 0.1
"""Of the plan's time, or of its cost if it was not executed."""
LEAST_ROWS = 10_000
"""A plan that handles fewer rows in all is quick, however it does it. Rows are counted and not
seconds: a busy machine takes five times as long for the same plan, and a quick one a third."""
LEAST_COST = 500.0
"""The same for a plan that was not executed, in the planner's unit."""
MANY_ROWS = 1_000
"""Fewer rows than this are read in a moment, however it is done."""
SEVERE_S = 1.0
"""A part that takes longer than this, and most of the time, is severe."""
MANUAL = "https://www.postgresql.org/docs/current"
WORK_MEM = f"{MANUAL}/runtime-config-resource.html#GUC-WORK-MEM"

Rule = Callable[[Plan], Iterator[Finding]]


def finding(
    plan: Plan,
    code: str,
    node: Node,
    share: float,
    summary: Text,
    *,
    evidence: dict[str, float | int | str | None],
    explanation: Text,
    cure: str | None = None,
    link: str,
) -> Finding:
    """What is wrong with a node; *share* is what it costs, of the whole plan."""
    share = min(share, 1.0)
    return Finding(
        code=code,
        severity=_severity(plan, share),
        subject=node.name,
        summary=summary,
        evidence={"step": node.id + 1, "share_ratio": round(share, 3)} | evidence,
        explanation=explanation,
        cure=cure,
        link=link,
    )


def _severity(plan: Plan, share: float) -> Severity:
    taken_s = share * (plan.execution_s or 0.0) if plan.executed else 0.0
    if share >= 0.5 and taken_s >= SEVERE_S:
        return Severity.CRITICAL
    return Severity.WARNING if share >= 0.3 else Severity.NOTE


def matters(plan: Plan, share: float) -> bool:
    """Whether a part of the plan costs enough to speak of it."""
    if share < LEAST_SHARE:
        return False
    if plan.executed:
        return plan.rows_handled >= LEAST_ROWS
    return share * plan.total_cost >= LEAST_COST


def megabytes(needed_bytes: float) -> int:
    """The next power of two that is enough, from 8 MB to 1 GB."""
    megabytes = 8
    while megabytes < min(1024, ceil(needed_bytes / 1024**2)):
        megabytes *= 2
    return megabytes
