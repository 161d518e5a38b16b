"""
Plans: what a write sets off: triggers, and the checks of foreign keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keiko_perf.diagnosis.plans.plan import Plan
from keiko_perf.diagnosis.rules.plan_costs import LEAST_SHARE, MANUAL, MANY_ROWS, Rule, finding
from keiko_perf.model import Finding, say

_MOST = 4 * LEAST_SHARE
"""A trigger that only sets a column takes less than this of a write."""
_CALLS = 10
_SLOW_CALL_S = 0.001
"""An index finds the rows of a key in a tenth of this, on a busy machine in half."""
_BUSY_CALL_S = 0.0003
"""A trigger that only computes takes a tenth of this."""
_LEAST_S = 0.01
_SLOW_FIRST_CALL_S = 0.005
"""The first call of a session plans its query too."""


def unindexed_foreign_key(plan: Plan) -> Iterator[Finding]:
    """`plan.unindexed-foreign-key`: each deleted row searches the tables that refer to it."""
    for trigger in plan.triggers:
        time_s, calls, share = _cost(plan, trigger)
        constraint = trigger.get("Constraint Name")
        if not _is_search(plan, trigger) or share < LEAST_SHARE or not calls:
            continue
        slow_s = _SLOW_CALL_S if calls >= _CALLS else _SLOW_FIRST_CALL_S
        if time_s / calls < slow_s:
            continue
        yield finding(
            plan,
            "plan.unindexed-foreign-key",
            plan.root,
            share,
            say(
                "the foreign key {constraint} is checked {calls:count} times, {each:duration} each",
                constraint=str(constraint),
                calls=calls,
                each=time_s / calls,
            ),
            evidence={
                "constraint": str(constraint),
                "calls": round(calls),
                "total_s": time_s,
                "mean_s": time_s / calls,
            },
            explanation=say(
                "For each row that goes, the table that refers to it is searched, and so slowly"
                " only without an index on the columns of the foreign key. PostgreSQL makes none"
                " by itself. (Where each row takes thousands of others with it, that is the cost.)"
            ),
            link=f"{MANUAL}/ddl-constraints.html#DDL-CONSTRAINTS-FK",
        )


def trigger_time(plan: Plan) -> Iterator[Finding]:
    """`plan.trigger-time`: a trigger takes more of the time than the write itself."""
    for trigger in plan.triggers:
        time_s, calls, share = _cost(plan, trigger)
        if trigger.get("Constraint Name") or share < _MOST:
            continue
        is_slow = calls >= _CALLS and time_s >= max(_LEAST_S, _BUSY_CALL_S * calls)
        if calls < MANY_ROWS and time_s < 50 * _SLOW_CALL_S and not is_slow:
            continue
        name = str(trigger.get("Trigger Name"))
        yield finding(
            plan,
            "plan.trigger-time",
            plan.root,
            share,
            say(
                "the trigger {name} is called {calls:count} times and takes {time_s:duration}",
                name=name,
                calls=calls,
                time_s=time_s,
            ),
            evidence={"trigger": name, "calls": round(calls), "total_s": time_s},
            explanation=say(
                "It runs for each row. A trigger FOR EACH STATEMENT with transition tables does"
                " the same for all rows at once, and WHEN spares the calls that do nothing."
            ),
            link=f"{MANUAL}/sql-createtrigger.html",
        )


RULES: tuple[Rule, ...] = (unindexed_foreign_key, trigger_time)


def _cost(plan: Plan, trigger: Mapping[str, Any]) -> tuple[float, float, float]:
    """Seconds, calls, and the share of the whole; 0 where EXPLAIN did not say."""
    time, calls = trigger.get("Time"), trigger.get("Calls")
    if not isinstance(time, int | float) or not isinstance(calls, int | float):
        return 0.0, 0.0, 0.0
    share = time / 1000 / plan.execution_s if plan.execution_s else 0.0
    return time / 1000, float(calls), min(share, 1.0)


def looks_up_a_parent(plan: Plan, trigger: Mapping[str, Any]) -> bool:
    """Whether it looks, by the primary key, for what a new row refers to."""
    return _keeps_a_key(plan, trigger, side="c", operation="Insert")


def _is_search(plan: Plan, trigger: Mapping[str, Any]) -> bool:
    """Whether it looks for the rows that refer to one that goes, and not for what one refers to."""
    return _keeps_a_key(plan, trigger, side="a", operation="Delete")


def _keeps_a_key(plan: Plan, trigger: Mapping[str, Any], *, side: str, operation: str) -> bool:
    """Whether it keeps a foreign key, on that side of it: `a` is the parent's, `c` the child's."""
    name = str(trigger.get("Trigger Name", ""))
    if not trigger.get("Constraint Name"):
        return False
    if name.startswith("RI_ConstraintTrigger_"):
        return name.startswith(f"RI_ConstraintTrigger_{side}_")
    return plan.root.details.get("Operation") == operation  # the text form leaves the name out
