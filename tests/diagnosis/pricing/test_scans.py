"""What reading each table costs in a plan, whatever repeats it."""

from __future__ import annotations

from typing import Any

import pytest

from keiko_perf.diagnosis.pricing.planner import scans_of
from keiko_perf.diagnosis.schema import TableName


def scan(table: str, cost: float, **more: Any) -> dict[str, Any]:
    node = {"Node Type": "Seq Scan", "Relation Name": table, "Schema": "public", "Plan Rows": 10}
    return {**node, "Total Cost": cost, **more}


@pytest.mark.parametrize(
    ("cost", "times", "why"),
    [
        (5100.0, 50.0, "what is not the tasks' own is the subplan's"),
        (200.0, 1.0, "a hashed one runs once"),
        (120.0, 1.0, "it runs at least once, if at all"),
    ],
)
def test_a_subplan_is_read_as_often_as_what_it_is_part_of_is_dearer_for_it(
    cost: float, times: float, why: str
) -> None:
    plan = {
        "Node Type": "Sort",
        "Total Cost": cost,
        "Plan Rows": 10,
        "Plans": [
            scan("task", 100.0, **{"Parent Relationship": "Outer"}),
            scan("badge", 900.0, **{"Parent Relationship": "InitPlan"}),
            scan("event", 100.0, **{"Parent Relationship": "SubPlan"}),
        ],
    }
    found = scans_of(plan)
    assert found[TableName("public", "event")] == pytest.approx(times * 100.0), why
    assert found[TableName("public", "task")] == 100.0
    assert found[TableName("public", "badge")] == 900.0


@pytest.mark.parametrize(
    ("where", "task", "event", "why"),
    [
        ("Output", 60.0, 20.0 * 100.0, "once for each row that is given"),
        ("Filter", 2060.0, 20.6 * 100.0, "of how many rows it decides is not told"),
    ],
)
def test_what_a_table_costs_itself_is_told_from_its_subplans(
    where: str, task: float, event: float, why: str
) -> None:
    event_scan = scan("event", 100.0, **{"Parent Relationship": "SubPlan"})
    told = {"Output": ["id", "(SubPlan 1)"]} if where == "Output" else {"Filter": "(SubPlan 1)"}
    plan = scan("task", 2060.0, **{"Plan Rows": 20, "Plans": [event_scan], **told})
    found = scans_of(plan)
    assert found[TableName("public", "task")] == pytest.approx(task), why
    assert found[TableName("public", "event")] == pytest.approx(event), why
