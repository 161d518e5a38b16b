"""Time in which nothing was done; no server waits for a disk or a lock at will."""

from __future__ import annotations

from typing import Any

import pytest

from keiko_perf.diagnosis.plans.plan import read_plan
from keiko_perf.diagnosis.rules.plans import judge_plan


def plan(kind: str, *children: dict[str, Any], **details: Any) -> dict[str, Any]:
    return {
        "Node Type": kind, "Total Cost": 999.0, "Plan Rows": 100, "Actual Rows": 100,
        "Actual Loops": 1, "Actual Total Time": 1000.0, "Shared Hit Blocks": 5, **details,
        "Plans": list(children),
    }  # fmt: skip


def codes(root: dict[str, Any], **whole: Any) -> set[str]:
    read = read_plan([{"Plan": root, "Execution Time": 1000.0, **whole}])
    return {one.code for one in judge_plan(read)}


COLD = {"Actual Rows": 90_000, "Plan Rows": 90_000, "Shared Read Blocks": 20_000}
READ = COLD | {"I/O Read Time": 800.0}
FEW = {"Actual Rows": 3000, "Plan Rows": 3000, "Shared Read Blocks": 5000}
QUICK = plan("Index Scan", **{"Actual Total Time": 1})
MANY = plan("Seq Scan", **{"Actual Total Time": 1, "Actual Rows": 90_000})


@pytest.mark.parametrize(
    ("why", "root", "expected"),
    [
        ("most of the time went into reading", plan("Seq Scan", **READ), "plan.cold-read"),
        ("as 17 and later call it",
         plan("Seq Scan", **COLD | {"Shared I/O Read Time": 800.0}), "plan.cold-read"),
        ("the system had the pages in memory",
         plan("Seq Scan", **COLD | {"I/O Read Time": 60.0}), None),
        ("nobody timed it, and it took no longer than rows do",
         plan("Seq Scan", **COLD), None),
        ("nobody timed it, and few rows took long",
         plan("Index Scan", **COLD | FEW), "plan.cold-read"),
        ("nobody timed it, and it computes",
         plan("Index Scan", **COLD | FEW, Filter="(slow(a) = 1)"), None),
        ("few pages", plan("Seq Scan", **READ | {"Shared Read Blocks": 900}), None),
        ("three processes waited at once",
         plan("Gather", plan("Seq Scan", **READ | {"Actual Loops": 3}),
              **READ | {"Workers Launched": 2, "Workers Planned": 2}), None),
        ("a row that another holds", plan("LockRows", QUICK), "plan.lock-or-io-wait"),
        ("many rows are locked in that time", plan("LockRows", MANY), None),
        ("an update that waits", plan("ModifyTable", QUICK, Operation="Update"),
         "plan.lock-or-io-wait"),
        ("a scan that does next to nothing", plan("Seq Scan"), "plan.lock-or-io-wait"),
        ("a scan that computes", plan("Seq Scan", Filter="(slow(a) = 1)"), None),
        ("a scan of which no page was counted",
         {k: v for k, v in plan("Seq Scan").items() if k != "Shared Hit Blocks"}, None),
        ("a function", plan("Function Scan"), None),
        ("a moment", plan("LockRows", **{"Actual Total Time": 90.0}), None),
    ],
)  # fmt: skip
def test_waiting_is_told_only_where_it_is_known(
    why: str, root: dict[str, Any], expected: str | None
) -> None:
    assert codes(root) == ({expected} if expected else set()), why


@pytest.mark.parametrize(
    ("why", "trigger", "expected"),
    [
        ("a parent that another holds",
         {"Trigger Name": "RI_ConstraintTrigger_c_16756", "Time": 900.0, "Calls": 1}, True),
        ("the text form leaves the trigger's name out", {"Time": 900.0, "Calls": 1}, True),
        ("many rows that come",
         {"Trigger Name": "RI_ConstraintTrigger_c_16756", "Time": 900.0, "Calls": 90_000}, False),
        ("a moment", {"Trigger Name": "RI_ConstraintTrigger_c_16756", "Time": 90.0, "Calls": 1},
         False),
        ("the other side of a foreign key",
         {"Trigger Name": "RI_ConstraintTrigger_a_16756", "Time": 900.0, "Calls": 1}, False),
        ("a trigger of the users",
         {"Trigger Name": "audit", "Constraint Name": None, "Time": 900.0, "Calls": 1}, False),
        ("nobody said how often", {"Trigger Name": "RI_ConstraintTrigger_c_1", "Time": 900.0},
         False),
    ],
)  # fmt: skip
def test_a_foreign_key_waits_for_the_row_that_it_refers_to(
    why: str, trigger: dict[str, Any], expected: bool
) -> None:
    root = plan("ModifyTable", QUICK, Operation="Insert", **{"Actual Total Time": 1.0})
    told = codes(root, Triggers=[{"Constraint Name": "card_account_id_fkey", **trigger}])
    assert ("plan.lock-or-io-wait" in told) == expected, why


def test_a_triggers_time_is_no_wait_of_the_write_that_it_is_part_of() -> None:
    root = plan("ModifyTable", plan("Seq Scan", **{"Actual Total Time": 1}), Operation="Update")
    trigger = {"Trigger Name": "slow", "Relation": "t", "Time": 990.0, "Calls": 100}
    assert codes(root, Triggers=[trigger]) == {"plan.trigger-time"}
