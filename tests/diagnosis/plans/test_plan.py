"""What EXPLAIN's averages come to when they are added up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.diagnosis.plans.json_text import _parse_without_recursion, parse
from keiko_perf.diagnosis.plans.plan import Plan, read_plan
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.errors import UsageError


def node(kind: str, *children: dict[str, Any], **details: Any) -> dict[str, Any]:
    """A node as EXPLAIN writes it; `ms`, `rows` and `loops` are what was measured."""
    measured = {
        "ms": "Actual Total Time", "rows": "Actual Rows", "loops": "Actual Loops",
        "cost": "Total Cost", "expected": "Plan Rows", "on": "Relation Name",
        "as_": "Parent Relationship", "name": "Subplan Name",
    }  # fmt: skip
    said = {measured.get(key, key): value for key, value in details.items()}
    for child, side in zip(children, ("Outer", "Inner"), strict=False):
        child.setdefault("Parent Relationship", side)
    return {"Node Type": kind, "Total Cost": 100.0, "Plan Rows": 1} | said | {
        "Plans": list(children)
    }  # fmt: skip


def plan_of(root: dict[str, Any], **rest: Any) -> Plan:
    return read_plan([{"Plan": root} | rest])


def test_self_time_is_what_the_children_did_not_take() -> None:
    plan = plan_of(
        node(
            "Sort",
            node("Seq Scan", ms=30.0, rows=10, loops=1, on="tasks"),
            ms=50.0,
            rows=10,
            loops=1,
        ),
        **{"Execution Time": 100.0, "Planning Time": 2.0},
    )
    sort, scan = plan.nodes
    assert (sort.self_s, scan.self_s) == pytest.approx((0.020, 0.030))
    assert (sort.share, scan.share, sort.branch_share) == pytest.approx((0.2, 0.3, 0.5))
    assert (plan.execution_s, plan.planning_s) == (0.1, 0.002)
    assert scan.name == "Seq Scan on tasks"
    assert plan.parent(scan) is sort
    assert plan.children(sort) == [scan]


def test_the_inner_side_counts_as_often_as_it_ran() -> None:
    plan = plan_of(
        node(
            "Nested Loop",
            node("Seq Scan", ms=10.0, rows=1000, loops=1),
            node("Index Scan", ms=0.05, rows=2, loops=1000, **{"Rows Removed by Filter": 3}),
            ms=65.0,
            rows=2000,
            loops=1,
        )
    )
    loop, outer, inner = plan.nodes
    assert inner.total_s == pytest.approx(0.050)
    assert inner.rows == 2000
    assert inner.rows_per_loop == 2
    assert inner.removed() == 3000
    assert loop.self_s == pytest.approx(0.005)
    assert plan.child(loop, "Outer") is outer


def test_below_a_gather_time_is_the_wall_clocks_and_rows_are_those_of_all_processes() -> None:
    plan = plan_of(
        node(
            "Gather",
            node("Seq Scan", ms=90.0, rows=100, loops=5, **{"Parallel Aware": True}, on="t"),
            ms=100.0,
            rows=500,
            loops=1,
            **{"Workers Planned": 4, "Workers Launched": 4},
        )
    )
    gather, scan = plan.nodes
    assert scan.total_s == pytest.approx(0.090)
    assert scan.rows == 500
    assert gather.self_s == pytest.approx(0.010)
    assert scan.name == "Parallel Seq Scan on t"


def test_a_node_that_was_never_executed_took_no_time_and_gave_no_rows() -> None:
    plan = plan_of(
        node(
            "Append",
            node("Seq Scan", ms=1.0, rows=1, loops=1),
            node("Seq Scan", ms=0.0, rows=0, loops=0),
            ms=1.0,
            rows=1,
            loops=1,
        )
    )
    never = plan.nodes[2]
    assert never.was_never_executed
    assert (never.rows, never.total_s, never.rows_per_loop) == (0, 0, None)
    assert not plan.nodes[1].was_never_executed


def test_a_ctes_time_is_taken_off_the_scan_that_drew_from_it_and_counted_once() -> None:
    plan = plan_of(
        node(
            "Aggregate",
            node("Seq Scan", ms=80.0, rows=9, loops=1, as_="InitPlan", name="CTE big"),
            node("CTE Scan", ms=85.0, rows=9, loops=1, as_="Outer", **{"CTE Name": "big"}),
            ms=90.0,
            rows=1,
            loops=1,
        )
    )
    aggregate, scan, cte_scan = plan.nodes
    assert scan.self_s == pytest.approx(0.080)
    assert cte_scan.self_s == pytest.approx(0.005)
    assert aggregate.self_s == pytest.approx(0.005)


def test_without_times_costs_tell_the_share() -> None:
    plan = plan_of(node("Limit", node("Sort", node("Seq Scan", cost=80.0), cost=100.0), cost=100.0))
    assert not plan.executed
    assert plan.execution_s is None
    assert [one.share for one in plan.nodes] == pytest.approx([0.0, 0.2, 0.8])
    assert all(one.rows is None and one.self_s is None for one in plan.nodes)


def test_an_inner_side_costs_as_often_as_it_is_expected_to_run() -> None:
    plan = plan_of(
        node(
            "Nested Loop",
            node("Seq Scan", cost=10.0, expected=100),
            node("Index Scan", cost=8.0, expected=1),
            cost=820.0,
        )
    )
    assert [one.share for one in plan.nodes] == pytest.approx([10 / 820, 10 / 820, 800 / 820])


def nested(depth: int) -> dict[str, Any]:
    root = node("Seq Scan", ms=1.0, rows=1, loops=1)
    for _ in range(depth - 1):
        root = node("Result", root, ms=1.0, rows=1, loops=1)
    return root


def test_no_plan_is_too_deep() -> None:
    plan = plan_of(nested(5_000))
    assert len(plan.nodes) == 5_000
    assert sum(1 for _ in plan.ancestors(plan.nodes[-1])) == 4_999
    assert judge_plan(plan) == ()


def test_no_plans_text_is_too_deep() -> None:
    one = '{"Node Type": "Result", "Total Cost": 1, "Plans": ['
    text = '[{"Plan": ' + one * 5_000 + '{"Node Type": "Seq Scan"}' + "]}" * 5_000 + "}]"
    assert len(read_plan(text).nodes) == 5_001


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "not JSON"),
        ("Seq Scan on tasks", "not JSON"),
        ("<explain xmlns='x'/>", "XML"),
        ('- Plan: \n    Node Type: "Seq Scan"', "not JSON"),
        ('[{"Plan": {"Node Type": "Seq Scan"', "cut off"),
        ("[]", "no plan in it"),
        ('[{"Plan": 5}]', "no plan in it"),
        ('[{"Plan": {"Total Cost": 5}}]', "no type"),
        ('[{"Plan": {"Node Type": "Sort", "Plans": {}}}]', "not a list"),
        ('[{"Plan": {"Node Type": "Sort", "Plans": [7]}}]', "not an object"),
        ('[{"Plan": {"Node Type": "Sort", "Total Cost": "much"}}]', "'Total Cost' is not a number"),
        ('[{"Plan": {"Node Type": "Sort", "Actual Loops": -1}}]', "'Actual Loops' is not a number"),
        ('[{"Plan": {"Node Type": "Sort", "Plan Rows": NaN}}]', "'Plan Rows' is not a number"),
        (None, "no plan in it"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_reason(given: object, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_plan(given)
    assert says in refused.value.what
    assert "EXPLAIN" in refused.value.cure


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(JSON, st.sampled_from([None, 2]))
def test_without_recursion_json_means_the_same(value: object, indent: int | None) -> None:
    assert _parse_without_recursion(json.dumps(value, indent=indent)) == value


@given(st.text(alphabet='{}[]:,"1a\\ \ntrue', max_size=12))
def test_without_recursion_the_same_is_no_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"\w"):
            _parse_without_recursion(text)
    else:
        assert _parse_without_recursion(text) == expected


def test_deep_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="no JSON"):
        parse("[" * 100_000)


def test_what_the_newest_servers_add_is_read_as_well() -> None:
    scan = node(
        "Index Scan", ms=0.002, rows=0.25, loops=4000, on="t", as_="Inner",
        **{"Index Searches": 4000, "Disabled": False, "Shared I/O Read Time": 6.0,
           "Local I/O Read Time": 2.0, "Shared Read Blocks": 9},
    )  # fmt: skip
    outer = node("Seq Scan", ms=1.0, rows=4000.0, loops=1, on="u")
    plan = plan_of(
        node("Nested Loop", outer, scan, ms=10.0, rows=1000.00, loops=1),
        **{"Execution Time": 12.0, "Serialization": {"Time": 1.0, "Output Volume": 9}},
        Planning={"Shared Hit Blocks": 5, "Memory Used": 77, "Memory Allocated": 99},
        JIT={"Functions": 3, "Timing": {"Generation": {"Deform": 0.1, "Total": 0.4}, "Total": 2.0}},
    )
    inner = plan.nodes[2]
    assert inner.rows == 1000  # 18 tells a fraction of a row for each loop
    assert inner.io_read_s == pytest.approx(0.008)  # 17 tells shared and local apart
    assert judge_plan(plan) == ()


def test_an_init_plans_time_is_taken_off_the_node_that_asks_for_it() -> None:
    plan = plan_of(
        node(
            "Limit",
            node("Aggregate", ms=70.0, rows=1, loops=1, as_="InitPlan",
                 name="InitPlan 1 (returns $0)"),
            node("Seq Scan", ms=75.0, rows=9, loops=1, as_="Outer", Filter="(a > $0)"),
            ms=80.0, rows=9, loops=1,
        )
    )  # fmt: skip
    limit, init, scan = plan.nodes
    assert (limit.self_s, init.self_s, scan.self_s) == pytest.approx((0.005, 0.070, 0.005))


def test_a_leader_that_does_not_take_part_is_no_process() -> None:
    plan = plan_of(
        node(
            "Gather",
            node("Seq Scan", ms=90.0, rows=100, loops=2, on="t"),
            ms=100.0, rows=200, loops=1, **{"Workers Planned": 2, "Workers Launched": 2},
        )
    )  # fmt: skip
    assert plan.nodes[1].total_s == pytest.approx(0.090)
    assert plan.nodes[1].processes == 2
