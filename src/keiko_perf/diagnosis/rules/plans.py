"""
Plans: which node costs too much, and why.

A rule speaks only where what it saw costs a tenth of the whole or more, and handles many rows.
A sequential scan that returns most of a table, a hash join, a nested loop over an index: these are
what a good plan is made of.
"""

from __future__ import annotations

from collections.abc import Iterable

from keiko_perf.diagnosis.plans.plan import Plan
from keiko_perf.diagnosis.rules import (
    plan_columns,
    plan_joins,
    plan_limits,
    plan_memory,
    plan_repeats,
    plan_scans,
    plan_server,
    plan_waits,
    plan_writes,
)
from keiko_perf.diagnosis.rules.plan_costs import Rule
from keiko_perf.model import Finding


def judge_plan(plan: Plan, rules: Iterable[Rule] | None = None) -> tuple[Finding, ...]:
    """What is wrong with a plan, the most expensive first; of a healthy one, nothing."""
    found = [one for rule in (RULES if rules is None else rules) for one in rule(plan)]
    return tuple(sorted(found, key=lambda one: (-one.severity, -_share_of(one))))


RULES: tuple[Rule, ...] = (
    *plan_columns.RULES,
    *plan_scans.RULES,
    *plan_memory.RULES,
    *plan_joins.RULES,
    *plan_repeats.RULES,
    *plan_limits.RULES,
    *plan_writes.RULES,
    *plan_waits.RULES,
    *plan_server.RULES,
)


def _share_of(finding: Finding) -> float:
    share = finding.evidence["share_ratio"]
    assert isinstance(share, int | float)
    return share
