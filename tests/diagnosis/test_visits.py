"""What reading tables by indexes costs at least, from plans as EXPLAIN gives them."""

from __future__ import annotations

from typing import Any

import pytest

from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Table, TableName
from keiko_perf.diagnosis.visits import IN_MEMORY, Visit, underrated, visits_of, weighed

ORDERS = TableName("public", "orders")
SCATTERED = Column(name="client", distinct=50_000.0, correlation=0.0)
TOGETHER = Column(name="day", distinct=50_000.0, correlation=1.0)
TABLE = Table(
    name=ORDERS,
    columns={"client": SCATTERED, "day": TOGETHER},
    indexes=(ExistingIndex(name="some", keys=(Key("client"),), is_partial=True),),
    rows=750_000.0,
    size_bytes=100e6,
)
TABLES = {ORDERS: TABLE}
SOME = Index(ORDERS, (Key("client"),), where="day > 5")


def node(kind: str, *plans: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = {key.replace("_", " "): value for key, value in more.items()}
    found = {"Node Type": kind, "Startup Cost": 0.0, "Total Cost": 1000.0, "Plan Rows": 100.0}
    return {**found, **named, **({"Plans": list(plans)} if plans else {})}


def look_up(condition: str = "(orders.client = c.id)", **more: Any) -> dict[str, Any]:
    return node(
        "Index Scan",
        Schema="public",
        Relation_Name="orders",
        **{"Index_Name": "by_client", "Total_Cost": 1.5, "Plan_Rows": 15.0, "Index_Cond": condition}
        | more,
    )


def outer(rows: float) -> dict[str, Any]:
    return node("Seq Scan", Plan_Rows=rows, Parent_Relationship="Outer")


def loop(inner: dict[str, Any], rows: float = 6000.0, **more: Any) -> dict[str, Any]:
    return node("Nested Loop", outer(rows), {**inner, "Parent Relationship": "Inner"}, **more)


def only(plan: dict[str, Any]) -> Visit:
    (visit,) = visits_of(plan)
    return visit


def test_what_a_nested_loop_repeats_touches_a_page_for_each_scattered_row() -> None:
    visit = only(loop(look_up()))
    assert (visit.table, visit.times, visit.rows) == (ORDERS, 6000.0, 15.0)
    more = underrated([visit], TABLES)
    assert 6000 * (15 * 0.4) * 0.7 < more < 6000 * (15 * 0.4) * 1.3


def test_rows_that_lie_together_are_on_few_pages() -> None:
    scattered = underrated([only(loop(look_up()))], TABLES)
    together = underrated([only(loop(look_up("(orders.day = c.day)")))], TABLES)
    assert together < 0.1 * scattered


def test_what_is_filtered_afterwards_is_looked_at_as_well() -> None:
    visit = only(loop(look_up(Filter="(orders.total > 5)", Plan_Rows=1.0)))
    alone = underrated([only(loop(look_up()))], TABLES)
    assert underrated([visit], TABLES) == pytest.approx(alone)


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("(orders.client > c.id)", "a range may leave anything"),
        ("(orders.client = ANY (c.ids))", "nor is it known how many values there are"),
        ("((orders.client = c.id) AND (orders.day > c.day))", "it leaves fewer than the first"),
    ],
)
def test_where_it_is_not_known_how_many_are_looked_at_only_what_is_given_counts(
    condition: str, why: str
) -> None:
    visit = only(loop(look_up(condition, Filter="(orders.total > 5)", Plan_Rows=1.0)))
    assert visit.columns == (), why
    assert underrated([visit], TABLES) < 0.1 * underrated([only(loop(look_up()))], TABLES)


def test_several_values_are_looked_for_together() -> None:
    visit = only(loop(look_up('(("o".client = c.id) AND ((o."Day")::text = c.day))')))
    assert visit.columns == ("client", "Day")


@pytest.mark.parametrize("name", ["some", "assumed"])
def test_of_an_index_that_holds_some_rows_only_what_it_gives_counts(name: str) -> None:
    inner = look_up(Filter="(orders.total > 5)", Plan_Rows=1.0, Index_Name=name)
    (visit,) = visits_of(loop(inner), {"assumed": SOME})
    assert underrated([visit], TABLES) == pytest.approx(0.0, abs=1e-9)


def test_once_is_as_the_planner_says() -> None:
    assert visits_of(look_up()) == ()
    assert visits_of(loop(look_up(), rows=1.0)) == ()


def test_a_join_that_ends_with_the_first_row_reads_no_more() -> None:
    whole = underrated([only(loop(look_up()))], TABLES)
    semi = underrated([only(loop(look_up(), Join_Type="Semi"))], TABLES)
    unique = underrated([only(loop(look_up(), Inner_Unique=True))], TABLES)
    assert semi == unique == 0.0 < whole


def test_what_is_kept_is_not_repeated_and_what_is_remembered_not_always() -> None:
    kept = loop(node("Materialize", look_up(), Parent_Relationship="Inner"))
    assert visits_of(kept) == ()
    assert only(loop(node("Memoize", look_up(), Total_Cost=0.3))).times == pytest.approx(1200.0)


def test_a_limit_ends_what_it_needs_not_sort() -> None:
    limit = node("Limit", loop(look_up()), Total_Cost=100.0)
    assert only(limit).times == pytest.approx(600.0)
    assert only(node("Limit", node("Sort", loop(look_up())), Total_Cost=100.0)).times == 6000.0
    hashed = node("Aggregate", loop(look_up()), Strategy="Hashed")
    assert only(node("Limit", hashed, Total_Cost=100.0)).times == 6000.0
    in_order = node("Aggregate", loop(look_up()), Strategy="Sorted")
    assert only(node("Limit", in_order, Total_Cost=100.0)).times == pytest.approx(600.0)


def test_of_a_subplan_nobody_knows_how_often_it_runs() -> None:
    below = {**loop(look_up()), "Parent Relationship": "SubPlan"}
    assert visits_of(node("Seq Scan", below)) == ()
    first = {**loop(look_up()), "Parent Relationship": "InitPlan"}
    assert only(loop(node("Result", first))).times == 6000.0


def bitmap(rows: float, **more: Any) -> dict[str, Any]:
    inner = node("Bitmap Index Scan", Index_Name="i", Plan_Rows=rows, Total_Cost=100.0)
    return node(
        "Bitmap Heap Scan",
        inner,
        Schema="public",
        Relation_Name="orders",
        **{"Total_Cost": 12_900.0, **more},
    )


def test_a_bitmap_that_leaves_out_hardly_a_page_is_dearer_than_reading_on() -> None:
    pages = 100e6 / 8192
    visit = only(bitmap(40_000.0))
    assert pages * 1.25 - 12_800 <= underrated([visit], TABLES) <= pages * 1.25 - 12_800 + 700
    assert underrated([only(bitmap(1000.0))], TABLES) == 0.0
    assert underrated([visit], TABLES, page_cost=IN_MEMORY) == 0.0


def test_rows_that_several_processes_share_are_reckoned_as_the_planner_does() -> None:
    plan = node("Gather", bitmap(40_000.0, Parallel_Aware=True), Workers_Planned=2)
    assert only(plan).shared_by == pytest.approx(2.4)


def test_of_several_bitmaps_nothing_is_known() -> None:
    several = node("BitmapAnd", *bitmap(10.0)["Plans"])
    heap = {**bitmap(10.0), "Plans": [several]}
    assert visits_of(heap) == ()


@pytest.mark.parametrize("kind", ["Index Scan", "Index Only Scan"])
def test_an_index_that_is_read_from_end_to_end_is_no_quicker_than_the_rows(kind: str) -> None:
    index = Index(ORDERS, (Key("client"), Key("day")))
    behind = {**look_up("(orders.day = 5)", Total_Cost=4000.0), "Node Type": kind}
    (visit,) = visits_of(behind, {"by_client": index})
    assert underrated([visit], TABLES) == pytest.approx(750_000 * 0.005)
    from_its_start = {**behind, "Index Cond": "((orders.client > 7) AND (orders.day = 5))"}
    assert visits_of(from_its_start, {"by_client": index}) == ()
    assert visits_of(behind) == (), "of what is there it was before, too"
    some = Index(ORDERS, (Key("client"), Key("day")), where="day > 4")
    assert underrated(visits_of(behind, {"by_client": some}), TABLES) == 0.0
    shared = node("Gather", {**behind, "Parallel Aware": True}, Workers_Planned=2)
    assert underrated(visits_of(shared, {"by_client": index}), TABLES) == pytest.approx(
        750_000 * 0.005 / 2.4
    )


def test_what_is_not_known_of_a_table_makes_nothing_dearer() -> None:
    visit = only(loop(look_up()))
    assert underrated([visit], {}) == 0.0
    assert underrated([visit], {ORDERS: Table(name=ORDERS, columns={})}) == 0.0


def test_a_plan_that_counts_half_visits_half_as_often() -> None:
    visits = visits_of(loop(look_up()))
    assert [one.times for one in weighed(visits, 0.5)] == [3000.0]
