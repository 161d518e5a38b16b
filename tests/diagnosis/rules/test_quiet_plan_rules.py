"""Plans that look sick but cost too little, and sick ones that no server makes at will."""

from __future__ import annotations

from typing import Any

import pytest

from keiko_perf.diagnosis.plans.plan import read_plan
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


def subplan(
    total_ms: float, loops: int = 5000, kind: str = "Index Scan", rows: int = 1
) -> dict[str, Any]:
    relationship = {"Parent Relationship": "SubPlan", "Subplan Name": "SubPlan 1"}
    return node(kind, **relationship, loops=loops, rows=rows, planned=rows, total_ms=total_ms)


def product(few: int, *, below: dict[str, Any] | None = None, **details: Any) -> dict[str, Any]:
    """Each of 45,000 rows beside a few that are kept in memory."""
    kept = node("Materialize", below or outer(rows=few, planned=few), rows=few, planned=few,
                loops=45_000, total_ms=0.001, **{"Parent Relationship": "Inner"})  # fmt: skip
    many = outer(rows=45_000, planned=45_000)
    return node("Nested Loop", many, kept, rows=few * 45_000, planned=few * 45_000, **details)


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


def bitmap(**details: Any) -> dict[str, Any]:
    below = node("Bitmap Index Scan", total_ms=5.0, rows=200_000, planned=200_000)
    return node("Bitmap Heap Scan", below, **details)


def join_of(few: int, *, cost: float) -> dict[str, Any]:
    """A join that reads a table of 60,000 rows for a few."""
    whole = outer(rows=60_000, planned=60_000, total_ms=60.0) | {"Total Cost": cost}
    hashed = node("Hash", total_ms=1.0, rows=few, planned=few, **{"Parent Relationship": "Inner"})
    return node("Hash Join", whole, hashed, rows=few, planned=few)


def month(filter_: str) -> dict[str, Any]:
    """A scan of one partition, of which a thirtieth is kept."""
    about = {"Relation Name": "event_202403", "Alias": "event_1", "Filter": f"({filter_})"}
    removed = {"Rows Removed by Filter": 29_000}
    return node("Seq Scan", rows=1000, planned=1000, **about, **removed)


WALKED = {"Shared Hit Blocks": 900, "rows": 1}
LOSSY = {"Exact Heap Blocks": 800, "Lossy Heap Blocks": 3000}
SPILLED = node(
    "Sort", outer(rows=60_000, planned=60_000), rows=60_000, planned=60_000, total_ms=9.0,
    **{"Parent Relationship": "Outer", "Sort Space Type": "Disk", "Sort Space Used": 2400,
       "Sort Method": "external merge", "Sort Key": ["a"], "Temp Written Blocks": 300},
)  # fmt: skip
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
        ("an index that is walked for one row",
         node("Index Scan", **WALKED, **{"Index Cond": "(no = 777)"}), {},
         "plan.filtered-index-scan"),
        ("an index that is walked in steps, of which none is in vain",
         node("Index Scan", **WALKED, loops=900, total_ms=0.1, **{"Index Cond": "(no = x.no)"}),
         {}, None),
        ("an index of another kind, which reads as it must",
         node("Index Scan", **WALKED, **{"Index Cond": "(tags @> '{a}'::text[])"}), {}, None),
        ("an index that nobody asked for a value", node("Index Scan", **WALKED), {}, None),
        ("a bitmap that forgot its rows",
         bitmap(rows=200_000, planned=200_000, **LOSSY), {}, "plan.lossy-bitmap"),
        ("a BRIN index, which knows of no rows",
         bitmap(rows=200_000, planned=200_000, **LOSSY | {"Exact Heap Blocks": 0}), {}, None),
        ("a bitmap that forgot some rows of many",
         bitmap(rows=200_000, planned=200_000, **LOSSY | {"Exact Heap Blocks": 9000}), {}, None),
        ("an ordered aggregate that sorted on disk",
         node("Aggregate", outer(rows=50_000, planned=50_000), Strategy="Plain",
              **{"Temp Written Blocks": 900}), {}, "plan.sort-spill"),
        ("an aggregate above what went to disk",
         node("Aggregate", outer(rows=50_000, planned=50_000, **{"Temp Written Blocks": 900}),
              Strategy="Plain", **{"Temp Written Blocks": 900}), {}, None),
        ("a window over what a sort wrote to disk",
         node("WindowAgg", SPILLED, **{"Temp Written Blocks": 900}), {}, "plan.sort-spill"),
        ("a window in memory over a quick sort on disk",
         node("WindowAgg", SPILLED, **{"Temp Written Blocks": 300}), {}, None),
        ("each row beside each other",
         node("Nested Loop", outer(rows=3000, planned=3000),
              node("Materialize", outer(rows=1000, planned=1000), rows=1000, planned=1000,
                   loops=3000, total_ms=0.02, **{"Parent Relationship": "Inner"}),
              rows=3_000_000, planned=3_000_000), {}, "plan.nested-loop-blowup"),
        ("each row beside a few, without a condition", product(15), {},
         "plan.nested-loop-blowup"),
        ("each row beside the months of a year, of which a condition takes one",
         product(12, **{"Join Filter": "(a.at < m.ends)"}), {}, None),
        ("each row beside a few of a function",
         product(15, below=node("Function Scan", rows=15, planned=15)), {}, None),
        ("some subqueries that read a table whole",
         node("Seq Scan", subplan(1.0, loops=40, kind="Seq Scan", rows=1200)), {},
         "plan.correlated-subplan"),
        ("some subqueries that read what they need",
         node("Seq Scan", subplan(1.0, loops=40, rows=1000)), {}, None),
        ("some triggers that take a millisecond each",
         outer(), {"Triggers": [{"Trigger Name": "t", "Time": 60.0, "Calls": 60}]},
         "plan.trigger-time"),
        ("some triggers that compute",
         outer(), {"Triggers": [{"Trigger Name": "t", "Time": 45.0, "Calls": 300}]}, None),
        ("the first trigger of a session",
         outer(), {"Triggers": [{"Trigger Name": "t", "Time": 45.0, "Calls": 1}]}, None),
        ("a thousand subqueries of a row each",
         node("Index Scan", subplan(0.05, loops=1000)), {}, "plan.correlated-subplan"),
        ("some hundred subqueries of a row each",
         node("Index Scan", subplan(0.1, loops=900)), {}, None),
        ("pages far down, in a moment",
         node("Limit", outer(rows=5500, planned=5500, total_ms=99.0), rows=50), {},
         "plan.offset-walk"),
        ("one of the first pages",
         node("Limit", outer(rows=3000, planned=3000, total_ms=99.0), rows=50), {}, None),
        ("a few rows to join, each of which an index would find",
         join_of(10, cost=1350.0), {}, "plan.selective-seq-scan"),
        ("rows to join that cost more to look up than to read all",
         join_of(900, cost=1350.0), {}, None),
        ("a day of the month that pruning left",
         month("(at >= '2024-03-01') AND (at < '2024-03-02')"), {}, None),
        ("another column of the month that pruning left",
         month("(at >= '2024-03-01') AND (kind = 5)"), {}, "plan.selective-seq-scan"),
        ("a value in the month that pruning left", month("(at = '2024-03-01')"), {},
         "plan.selective-seq-scan"),
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


def test_how_far_a_recursion_goes_no_statistics_tell() -> None:
    many = {"rows": 9000, "planned": 60, "total_ms": 50.0}
    join = node("Hash Join", outer(), node("Hash"), **many, **{"Parent Relationship": "Inner"})
    names = {"Parent Relationship": "InitPlan", "Subplan Name": "CTE t"}
    union = node("Recursive Union", outer(), join, **many, **names)
    scan = node("CTE Scan", **many, **{"CTE Name": "t", "Parent Relationship": "Outer"})
    sort = node("Sort", scan, rows=9000, planned=60, **{"Parent Relationship": "Outer"})
    assert "plan.row-misestimate" not in codes(node("Sort", union, sort))
    other = node("CTE Scan", **many, **{"CTE Name": "u", "Parent Relationship": "Outer"})
    assert "plan.row-misestimate" in codes(node("Sort", union, node("Sort", other, total_ms=90.0)))


def test_what_having_makes_of_the_groups_is_no_other_work() -> None:
    def groups(having: str, **details: Any) -> dict[str, Any]:
        scan = outer(rows=50_000, planned=50_000, total_ms=20.0, **{"Relation Name": "posting"})
        return node("Aggregate", scan, total_ms=45.0, Filter=having, **details)

    union = node("Append", groups("(sum(a) > 5)"), groups("(sum(b) < 9)"))
    assert codes(union) == {"plan.work-repeated"}
    named = {"Group Key": ["kind"]}
    assert codes(node("Append", groups("(sum(a) > 5)"), groups("(sum(a) > 5)", **named))) == set()
