"""Plans that look sick but cost too little, and sick ones that no server makes at will."""

from __future__ import annotations

from typing import Any

import pytest

from keiko_perf.diagnosis.plan import read_plan
from keiko_perf.diagnosis.rules.plans import judge_plan


def node(kind: str, *children: dict[str, Any], **details: Any) -> dict[str, Any]:
    """A node of a plan that was executed; `total_ms` is the time of one loop."""
    total_ms, loops = details.pop("total_ms", 100.0), details.pop("loops", 1)
    rows, planned = details.pop("rows", 1), details.pop("planned", 1)
    return {
        "Node Type": kind, "Total Cost": 9999.0, "Plan Rows": planned, "Actual Rows": rows,
        "Actual Loops": loops, "Actual Total Time": total_ms, "Plans": list(children), **details,
    }  # fmt: skip


def outer(**details: Any) -> dict[str, Any]:
    return node("Seq Scan", **{"Parent Relationship": "Outer", "total_ms": 1.0, **details})


def inner(**details: Any) -> dict[str, Any]:
    return node("Index Scan", **{"Parent Relationship": "Inner", "total_ms": 0.01, **details})


def subplan(total_ms: float) -> dict[str, Any]:
    relationship = {"Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1"}
    return node("Index Scan", **relationship, loops=5000, total_ms=total_ms)


def incremental_sort(*, disk: dict[str, Any] | None) -> dict[str, Any]:
    groups = {"Group Count": 2, "Sort Methods Used": ["external merge"]}
    if disk is not None:
        groups["Sort Space Disk"] = disk
    return node(
        "Incremental Sort",
        outer(rows=50_000, planned=50_000),
        **{"Full-sort Groups": groups, "Sort Key": ["a", "b"]},
    )


def codes(root: dict[str, Any], **whole: Any) -> set[str]:
    plan = read_plan([{"Plan": root, "Execution Time": 100.0, **whole}])
    return {one.code for one in judge_plan(plan)}


JIT = {"Functions": 9, "Timing": {"Total": 60.0}}
HASH = {"Parent Relationship": "Inner", "Hash Batches": 8, "Peak Memory Usage": 4096}


@pytest.mark.parametrize(
    ("why", "root", "whole", "expected"),
    [
        ("the inner side never ran",
         node("Nested Loop", outer(rows=0), inner(loops=0)), {}, None),
        ("as many loops as were expected",
         node("Nested Loop", outer(rows=9000, planned=9000), inner(loops=9000)), {}, None),
        ("a subquery run for each row",
         node("Seq Scan", subplan(0.018)), {}, "plan.correlated-subplan"),
        ("a subquery run for each row that costs next to nothing",
         node("Seq Scan", subplan(0.002)), {}, None),
        ("a sort by groups that went to disk",
         incremental_sort(disk={"Peak Sort Space Used": 9000}), {}, "plan.sort-spill"),
        ("a sort by groups in memory", incremental_sort(disk=None), {}, None),
        ("a hash in batches",
         node("Hash Join", outer(rows=50_000, planned=50_000),
              node("Hash", total_ms=60.0, rows=40_000, planned=40_000, **HASH)), {},
         "plan.hash-spill"),
        ("a hash in batches that takes a moment",
         node("Hash Join", outer(total_ms=99.0), node("Hash", total_ms=0.5, **HASH)), {}, None),
        ("an index that finds too much",
         node("Index Scan", Filter="(b = 1)", **{"Rows Removed by Filter": 50_000}), {},
         "plan.filtered-index-scan"),
        ("an index that finds too much, in a small part of the time",
         node("Index Scan", Filter="(b = 1)", total_ms=5.0, **{"Rows Removed by Filter": 50_000}),
         {}, None),
        ("compiling took most of the time", outer(), {"JIT": JIT}, "plan.jit-overhead"),
        ("compiling took a moment", outer(), {"JIT": {**JIT, "Timing": {"Total": 3.0}}}, None),
    ],
)  # fmt: skip
def test_a_rule_speaks_only_where_it_costs(
    why: str, root: dict[str, Any], whole: dict[str, Any], expected: str | None
) -> None:
    assert codes(root, **whole) == ({expected} if expected else set()), why


@pytest.mark.parametrize(
    ("why", "above"),
    [
        ("EXISTS takes one row", {"Parent Relationship": "SubPlan"}),
        ("a Limit above", None),
    ],
)
def test_fewer_rows_than_expected_are_no_misestimate_where_not_all_were_wanted(
    why: str, above: dict[str, Any] | None
) -> None:
    few = {"rows": 1, "planned": 50_000}
    scan = node("Seq Scan", **few, **(above or {}), total_ms=40.0)
    join = node("Hash Join", scan, node("Hash"), total_ms=90.0)
    asked = node("Result" if above else "Limit", join)
    assert "plan.row-misestimate" not in codes(asked), why


def test_rows_of_one_loop_are_rounded_and_so_no_misestimate() -> None:
    few = inner(loops=9000, rows=0, planned=40, total_ms=0.009)
    join = node("Nested Loop", outer(rows=9000, planned=9000), few, total_ms=99.0)
    assert "plan.row-misestimate" not in codes(node("Aggregate", join))
