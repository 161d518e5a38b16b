"""What reading tables by indexes takes by the clock, from plans as EXPLAIN gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.descents import descents
from keiko_perf.diagnosis.pricing.visits import IN_MEMORY, Visit, misjudged, weighed
from keiko_perf.diagnosis.pricing.walk import visits_of
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Table, TableName

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
INFINITE = float("inf")
FEW = 6.0
"""Look-ups that are so few beside the table's pages that their order does not matter."""
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
    more = {"Plan_Rows": rows * inner["Plan Rows"], **more}
    return node("Nested Loop", outer(rows), {**inner, "Parent Relationship": "Inner"}, **more)


def only(plan: dict[str, Any]) -> Visit:
    (visit,) = visits_of(plan)
    return visit


def test_what_a_nested_loop_repeats_touches_a_page_for_each_scattered_row() -> None:
    visit = only(loop(look_up()))
    assert (visit.table, visit.times, visit.rows) == (ORDERS, 6000.0, 15.0)
    more = misjudged([visit], TABLES, buffers_bytes=INFINITE)
    assert 6000 * (15 * 0.4) * 0.7 < more < 6000 * (15 * 0.4) * 1.3


def test_rows_that_lie_together_are_on_few_pages() -> None:
    scattered = misjudged([only(loop(look_up(), FEW))], TABLES)
    together = misjudged([only(loop(look_up("(orders.day = c.day)"), FEW))], TABLES)
    assert together < 0.1 * scattered


def test_what_is_filtered_afterwards_is_looked_at_as_well() -> None:
    visit = only(loop(look_up(Filter="(orders.total > 5)", Plan_Rows=1.0)))
    alone = misjudged([only(loop(look_up()))], TABLES)
    assert misjudged([visit], TABLES) == pytest.approx(alone)
    assert alone > 0.0


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
    visit = only(loop(look_up(condition, Filter="(orders.total > 5)", Plan_Rows=1.0), FEW))
    assert visit.columns == (), why
    assert misjudged([visit], TABLES) < 0.1 * misjudged([only(loop(look_up(), FEW))], TABLES)


def test_several_values_are_looked_for_together() -> None:
    visit = only(loop(look_up('(("o".client = c.id) AND ((o."Day")::text = c.day))')))
    assert visit.columns == ("client", "Day")


@pytest.mark.parametrize("name", ["some", "assumed"])
def test_of_an_index_that_holds_some_rows_only_what_it_gives_counts(name: str) -> None:
    inner = look_up(Filter="(orders.total > 5)", Plan_Rows=1.0, Index_Name=name)
    (visit,) = visits_of(loop(inner, FEW), {"assumed": SOME})
    assert misjudged([visit], TABLES) == pytest.approx(0.0, abs=0.01)


def test_once_is_as_the_planner_says_unless_that_is_more_than_pages_from_the_system() -> None:
    plain = look_up("(orders.client > 5)", Plan_Rows=1000.0, Total_Cost=1200.0)
    assert misjudged(visits_of(plain), TABLES) == 0.0
    on_a_slow_disk = look_up("(orders.client > 5)", Plan_Rows=1000.0, Total_Cost=4000.0)
    assert misjudged(visits_of(on_a_slow_disk), TABLES) == pytest.approx(0.3 + 1515.0 - 4000.0)
    filtered = {**on_a_slow_disk, "Filter": "(orders.total > 5)"}
    assert misjudged(visits_of(filtered), TABLES) == 0.0, "who knows how many are looked at"
    merged = node("Merge Join", on_a_slow_disk, node("Sort"))
    assert misjudged(visits_of(merged), TABLES) == 0.0, "it may end early"
    sorted_first = node("Merge Join", node("Sort", on_a_slow_disk), node("Sort"))
    assert misjudged(visits_of(sorted_first), TABLES) < 0.0


def test_a_join_that_ends_with_the_first_row_reads_no_more() -> None:
    whole, semi, unique = (
        misjudged([only(loop(look_up(), FEW, **more))], TABLES)
        for more in ({}, {"Join_Type": "Semi"}, {"Inner_Unique": True})
    )
    assert semi == unique < 0.01 * whole


def test_what_is_kept_is_not_repeated_and_what_is_remembered_not_always() -> None:
    kept = loop(node("Materialize", look_up(), Parent_Relationship="Inner"))
    assert only(kept).times == 1.0
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
    pages, too_large = 100e6 / 8192, 99e6
    plan = bitmap(40_000.0, Parallel_Aware=True)
    visit = only(plan)
    more = misjudged([visit], TABLES, buffers_bytes=too_large)
    assert more == pytest.approx(pages * 1.25 + 40_000 * 0.03 - 12_800, abs=10)
    shared = only(node("Gather", plan, Workers_Planned=2))
    assert misjudged([shared], TABLES, buffers_bytes=too_large) == more, "gathered by one process"
    assert misjudged([visit], TABLES) < more / 10, "the buffers can hold them"
    few = only(bitmap(1000.0, Total_Cost=1500.0))
    assert misjudged([few], TABLES, buffers_bytes=too_large) == 0.0
    dear = only(bitmap(1000.0, Total_Cost=3000.0))
    assert misjudged([dear], TABLES) < 0.0, "its pages do not come from a disk that turns"
    # Where pages cost less the planner says less; the dearest still holds.
    assert misjudged([visit], TABLES, page_cost=IN_MEMORY) < 0.0


def test_a_page_of_a_table_that_the_server_keeps_costs_what_one_in_memory_does() -> None:
    kept, larger = 4 * TABLE.size_bytes, 3 * TABLE.size_bytes
    pages = TABLE.size_bytes / 8192
    (whole,) = visits_of(scan(Total_Cost=pages + 9000.0))
    assert whole.index == ""
    assert misjudged([whole], TABLES, buffers_bytes=larger) == 0.0, "it is read through a ring"
    spared = misjudged([whole], TABLES, buffers_bytes=kept)
    assert spared == pytest.approx(-pages * (1 - IN_MEMORY))
    assert misjudged([whole], TABLES, page_cost=0.1, buffers_bytes=kept) == 0.0, "cheaper anyway"
    assert misjudged([replace(whole, cost=1.0)], TABLES, buffers_bytes=kept) == -1.0, "never less"
    visit = only(bitmap(40_000.0))
    assert misjudged([visit], TABLES, buffers_bytes=larger) >= 0.0
    assert misjudged([visit], TABLES, buffers_bytes=kept) < 0.9 * spared, "nearly all are read"


def test_a_page_of_a_small_table_is_near_and_of_a_large_one_far() -> None:
    scattered = only(loop(look_up(Plan_Rows=140.0, Total_Cost=14.7), 28.0))
    more = [
        misjudged([scattered], {ORDERS: replace(TABLE, size_bytes=size, rows=size / 150)})
        for size in (2e6, 32e6, 100e6, 800e6)
    ]
    assert more[0] < 2.0, "what was measured: 0.06 of a page, where the planner says 0.1"
    assert 0.0 < more[1] < more[2] / 2
    assert more[2] == pytest.approx(28 * (140 * 0.4 + 2.4 - 14.7), rel=0.02)
    assert more[3] == pytest.approx(more[2], rel=0.01), "no further off than out of the processor"


def test_rows_that_several_processes_share_are_reckoned_as_the_planner_does() -> None:
    plan = node("Gather", bitmap(40_000.0, Parallel_Aware=True), Workers_Planned=2)
    assert only(plan).shared_by == pytest.approx(2.4)


def in_parallel(kind: str, inner: str, *, together: bool = False) -> dict[str, Any]:
    """A join of two processes, whose inner side is made of look-ups by each or by them together."""
    driver = {**outer(6000.0), "Parallel Aware": together}
    look_ups = node("Nested Loop", driver, {**look_up(), "Parent Relationship": "Inner"})
    made = node(inner, look_ups, Parent_Relationship="Inner", Parallel_Aware=together)
    shared = {**outer(100.0), "Parallel Aware": True}
    return node("Gather", node(kind, shared, made), Workers_Planned=2)


@pytest.mark.parametrize(
    ("kind", "inner"),
    [("Hash Join", "Hash"), ("Merge Join", "Sort"), ("Nested Loop", "Materialize")],
)
def test_what_each_process_makes_for_itself_is_made_by_all_of_them(kind: str, inner: str) -> None:
    plan = in_parallel(kind, inner)
    visit = only(plan)
    assert visit.repeated == pytest.approx(2.4)
    (alone,) = visits_of(plan["Plans"][0])
    assert alone.repeated == 1.0, "in one process it is made once"
    assert misjudged([visit], TABLES) == pytest.approx(
        2.4 * misjudged([alone], TABLES) + 1.4 * alone.times * alone.cost
    )
    together = in_parallel(kind, inner, together=True)
    assert only(together).repeated == 1.0, "each makes its part of it"


def test_what_is_looked_up_for_each_row_is_shared_as_the_rows_are() -> None:
    driver = {**outer(6000.0), "Parallel Aware": True}
    join = node("Nested Loop", driver, {**look_up(), "Parent Relationship": "Inner"})
    assert only(node("Gather", join, Workers_Planned=2)).repeated == 1.0


BOTH_KEYS = "((orders.client = c.client) AND (orders.day = c.day))"
CLIENTS = TableName("public", "clients")


def clients(*keys: str, **more: Any) -> Table:
    index = ExistingIndex(name="key", keys=tuple(map(Key, keys)), **{"unique": True, **more})
    return Table(name=CLIENTS, columns={}, rows=50_000.0, size_bytes=10e6, indexes=(index,))


def looked_up_together(condition: str = BOTH_KEYS) -> Visit:
    driver = node("Seq Scan", Plan_Rows=6000.0, Parent_Relationship="Outer")
    named = {"Schema": "public", "Relation Name": "clients", "Alias": "c"}
    inner = {**look_up(condition, Plan_Rows=1.0), "Parent Relationship": "Inner"}
    return visits_of(node("Nested Loop", driver | named, inner, Plan_Rows=6.0))[-1]


def test_all_that_belongs_to_a_key_of_several_columns_is_looked_at() -> None:
    # The planner multiplies 1/50,000 by 1/50,000: of 750,000 orders none is left.
    visit = looked_up_together()
    known = misjudged([visit], TABLES | {CLIENTS: clients("client", "day")})
    fifteen = replace(visit, rows=15.0)
    assert known == pytest.approx(misjudged([fifteen], TABLES | {CLIENTS: clients("id")}))
    assert known > 3 * misjudged([visit], TABLES | {CLIENTS: clients("id")})


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (clients("client", "day", "hour"), "there may be many of them for each two columns"),
        (clients("client", "day", unique=False), "it is no key"),
        (clients("client", "day", is_partial=True), "of the others nothing is known"),
    ],
)
def test_what_belongs_to_no_key_is_as_the_planner_says(table: Table, why: str) -> None:
    none = misjudged([looked_up_together()], TABLES | {CLIENTS: clients("id")})
    assert misjudged([looked_up_together()], TABLES | {CLIENTS: table}) == none, why


@pytest.mark.parametrize(("first", "second"), [("client", "day"), ("day", "client")])
def test_whose_order_look_ups_follow_is_decided_by_the_first_column_of_the_index(
    first: str, second: str
) -> None:
    condition = f"((orders.{first} = c.{first}) AND (orders.{second} = c.{second}))"
    source = looked_up_together(condition).source
    assert source is not None
    assert source.column == first
    assert source.columns == (first, second)


def test_of_a_key_with_something_else_besides_nothing_is_known() -> None:
    more = looked_up_together(f"({BOTH_KEYS[1:-1]} AND (orders.state = 7))")
    assert more.columns == ("client", "day", "state")
    some = TABLES | {CLIENTS: clients("client", "day")}
    assert misjudged([more], some) == misjudged([more], TABLES | {CLIENTS: clients("id")})


def test_of_several_bitmaps_nothing_is_known() -> None:
    several = node("BitmapAnd", *bitmap(10.0)["Plans"])
    heap = {**bitmap(10.0), "Plans": [several]}
    assert visits_of(heap) == ()


@pytest.mark.parametrize("kind", ["Index Scan", "Index Only Scan"])
def test_an_index_that_is_read_from_end_to_end_is_no_quicker_than_the_rows(kind: str) -> None:
    index = Index(ORDERS, (Key("client"), Key("day")))
    behind = {**look_up("(orders.day = 5)", Total_Cost=4000.0), "Node Type": kind}
    (visit,) = visits_of(behind, {"by_client": index})
    assert misjudged([visit], TABLES) == pytest.approx(750_000 * 0.005)
    from_its_start = {**behind, "Index Cond": "((orders.client > 7) AND (orders.day = 5))"}
    assert not any(one.is_whole for one in visits_of(from_its_start, {"by_client": index}))
    assert not any(one.is_whole for one in visits_of(behind)), "it was before, too"
    some = Index(ORDERS, (Key("client"), Key("day")), where="day > 4")
    assert misjudged(visits_of(behind, {"by_client": some}), TABLES) == 0.0
    shared = node("Gather", {**behind, "Parallel Aware": True}, Workers_Planned=2)
    assert misjudged(visits_of(shared, {"by_client": index}), TABLES) == pytest.approx(
        750_000 * 0.005 / 2.4
    )


def test_what_is_not_known_of_a_table_makes_nothing_dearer() -> None:
    visit = only(loop(look_up()))
    assert misjudged([visit], {}) == 0.0
    assert misjudged([visit], {ORDERS: Table(name=ORDERS, columns={})}) == 0.0


def test_a_plan_that_counts_half_visits_half_as_often() -> None:
    visits = visits_of(loop(look_up()))
    assert [one.times for one in weighed(visits, 0.5)] == [3000.0]


LINES = TableName("public", "lines")
BY_ORDER = Table(
    name=LINES,
    columns={"order": Column(name="order", distinct=1e6, correlation=1.0)},
    rows=4e6,
    size_bytes=800e6,
)
"""Larger than what the server has at hand itself."""
LED = {ORDERS: TABLE, LINES: BY_ORDER}


def led(outer_plan: dict[str, Any], refers: str = "orders.day") -> dict[str, Any]:
    """A look-up of four lines for each row of a plan."""
    inner = node(
        "Index Scan",
        Schema="public",
        Relation_Name="lines",
        Index_Name="by_order",
        Total_Cost=1.0,
        Plan_Rows=4.0,
        Index_Cond=f'(lines."order" = {refers})',
        Parent_Relationship="Inner",
    )
    return node("Nested Loop", outer_plan, inner, Plan_Rows=4 * outer_plan["Plan Rows"])


def scan(kind: str = "Seq Scan", **more: Any) -> dict[str, Any]:
    return node(
        kind, Schema="public", Relation_Name="orders", Alias="orders", **{"Plan_Rows": 1e5, **more}
    )


def each(plan: dict[str, Any], tables: Mapping[TableName, Table] = LED) -> float:
    """How much more than the planner says the last look-up of a plan takes each time."""
    visit = next(one for one in visits_of(plan) if one.table == LINES)
    return misjudged([visit], tables) / visit.times


def test_what_is_looked_up_in_the_order_it_lies_in_is_near() -> None:
    in_order, scattered = each(led(scan())), each(led(scan(), "orders.client"))
    assert in_order == 0.0
    assert scattered == pytest.approx(1.8 * 1.02 / 1.62, rel=0.01), "one for each of its pages"
    many, few = (each(led(scan(Plan_Rows=rows), "orders.client")) for rows in (4e6, 100.0))
    assert many == pytest.approx(1.8, rel=0.02)
    assert few < 0.01, "which lie apart in their order, too"
    small = {**LED, LINES: replace(BY_ORDER, rows=1e4, size_bytes=2e6)}
    some, two = (each(led(scan(Plan_Rows=n), "orders.client"), small) for n in (1e5, 2.0))
    assert some - two == pytest.approx(1.8 * 0.14, rel=0.05), "the processor holds it"


def test_where_the_rows_lie_in_another_order_only_the_index_is_near() -> None:
    elsewhere = replace(BY_ORDER, columns={"order": Column(name="order", correlation=0.0)})
    tables = {**LED, LINES: elsewhere}
    in_order, scattered = (
        each(led(scan(), one), tables) for one in ("orders.day", "orders.client")
    )
    apart = each(led(scan(), "orders.client"))
    assert scattered - in_order > 0.4 * apart


@pytest.mark.parametrize(
    ("outer_plan", "refers", "is_near", "why"),
    [
        (node("Hash Join", scan(), node("Hash")), "orders.day", True, "it keeps the order"),
        (
            node("Hash Join", scan(), node("Hash"), Hash_Cond="(orders.day = c.day)"),
            "c.day",
            True,
            "what is equal to it comes in the same order",
        ),
        (node("Hash Join", node("Seq Scan"), node("Hash", scan())), "orders.day", False, "hashed"),
        (node("Sort", scan(), Sort_Key=["orders.client"]), "orders.client", True, "sorted"),
        (node("Sort", scan(), Sort_Key=["orders.client"]), "orders.day", False, "by another"),
        (
            node("Merge Join", node("Sort"), node("Sort"), Merge_Cond="(c.id = orders.client)"),
            "orders.client",
            True,
            "merged",
        ),
        (node("Aggregate", scan(), Strategy="Hashed"), "orders.day", False, "in any order"),
        (scan("Index Scan", Index_Name="some"), "orders.client", True, "by the index's order"),
        (scan("Index Scan", Index_Name="some"), "orders.day", False, "by another order"),
        (scan("Index Scan", Index_Name="unknown"), "orders.client", False, "who knows"),
    ],
)
def test_whose_order_look_ups_follow(
    outer_plan: dict[str, Any], refers: str, is_near: bool, why: str
) -> None:
    assert (each(led({**outer_plan, "Plan Rows": 1e5}, refers)) < 0.5) is is_near, why


@pytest.mark.parametrize("column", ["client", "day"])
def test_an_index_that_is_only_assumed_gives_its_own_order(column: str) -> None:
    index = Index(ORDERS, (Key(column),))
    visits = visits_of(led(scan("Index Scan", Index_Name="new"), "orders.client"), {"new": index})
    visit = next(one for one in visits if one.table == LINES)
    assert visit.source is not None
    assert visit.source.is_sorted is (column == "client")


def test_values_that_come_several_times_in_a_row_are_looked_up_once() -> None:
    # Each day is that of fifteen orders; the lines themselves lie in another order.
    tables = {
        **LED,
        LINES: Table(
            name=LINES,
            columns={"order": Column(name="order", distinct=1e6, correlation=0.0)},
            rows=4e6,
            size_bytes=800e6,
        ),
    }
    again, scattered = (
        each(led(scan(), one), tables) - each(led(scan(Plan_Rows=2.0), one), tables)
        for one in ("orders.day", "orders.client")
    )
    assert again == pytest.approx(scattered / 15 / 2, rel=0.01), "and the index is near"


def test_what_a_join_finds_is_looked_at() -> None:
    # Of each two customers one has no order.
    whole, half = (
        misjudged([only(loop(look_up(), Plan_Rows=rows))], TABLES, buffers_bytes=INFINITE)
        for rows in (90_000.0, 45_000.0)
    )
    assert 0.3 * whole < half < 0.5 * whole
    doubtful = loop(look_up(Plan_Rows=1.0, Filter="(orders.total > 5)"), Plan_Rows=7.0)
    assert only(doubtful).found == 1.0, "the planner says one where it means a thousandth"
    assert only(loop(look_up(), Plan_Rows=45_000.0, Join_Filter="(a.b > 3)")).found == 1.0


ASSUMED = "<13>btree_orders_client"


@pytest.mark.parametrize("kind", ["Index Scan", "Index Only Scan"])
def test_the_way_down_costs_something_once_an_index_is_there(kind: str) -> None:
    plan = loop({**look_up(), "Index Name": ASSUMED, "Node Type": kind})
    whole, some = Index(ORDERS, (Key("client"),)), SOME
    # 750,000 entries: a root, pages below it, and leaves.
    assert descents(visits_of(plan, {ASSUMED: whole}), TABLES) == 6000 * 3 * 0.125
    assert descents(visits_of(plan, {ASSUMED: some}), TABLES) == 6000 * 0.125, "of few nobody knows"
    assert descents(visits_of(plan, {ASSUMED: whole}), {}) == 0.0, "nor of an unknown table"
    assert descents(visits_of(plan), TABLES) == 0.0, "the planner has counted it"
    built = loop({**look_up(), "Node Type": kind})
    assert descents(visits_of(built, {"by_client": whole}), TABLES) == 0.0, "it is there meanwhile"


def test_where_the_index_is_enough_no_page_of_the_table_is_touched() -> None:
    plan = loop({**look_up(), "Node Type": "Index Only Scan"})
    assert misjudged(visits_of(plan), TABLES) == 0.0
