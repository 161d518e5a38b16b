"""Within a budget and a time what saves most for its size is chosen, and all that it asks for."""

from __future__ import annotations

from itertools import permutations, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnosis.search.planner import (
    A_AND_C,
    AB,
    BOTH,
    NONE,
    ONLY_A,
    ONLY_B,
    ONLY_C,
    TABLE,
    A,
    B,
    C,
    Plans,
    found,
    query,
    reasons,
)

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.verify import Price
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.search.answer import Answer
from keiko_perf.diagnosis.search.bits import set_of
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.diagnosis.search.search import Search
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Query

HOPELESS = {
    f"SELECT {number} FROM t WHERE b = $1 AND c = $2": {NONE: 1000.0} for number in range(10, 60)
}
"""Many dear statements that nothing helps, each of them worth a question."""


async def budgeted(plans: Plans, *queries: Query, budget: float, wide: float = 15) -> set[Index]:
    """What is chosen of indexes that are 10 (one column) and 15 bytes (two columns) large."""
    result = await found(
        plans, *queries, max_indexes=None, budget_bytes=budget, sizes=(10, 10, wide, 10)
    )
    return {one.index for one in result.chosen}


async def test_within_a_budget_what_saves_most_for_its_size_comes_first() -> None:
    plans = Plans(
        {
            BOTH: {NONE: 1000.0, frozenset({A}): 300.0, frozenset({AB}): 10.0},
            ONLY_C: {NONE: 900.0, frozenset({C}): 1.0},
        }
    )
    both = query(BOTH), query(ONLY_C)
    assert await budgeted(plans, *both, budget=9) == set()
    assert await budgeted(plans, *both, budget=14) == {C}
    assert await budgeted(plans, *both, budget=20) == {A, C}
    assert await budgeted(plans, *both, budget=25) == {AB, C}


async def test_what_was_chosen_first_is_exchanged_for_what_does_not_fit_beside_it() -> None:
    # For its size A is the better one; but beside it there is no room for anything.
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 300.0, frozenset({AB}): 100.0}})
    assert await budgeted(plans, query(BOTH), budget=15) == {AB}


async def test_two_are_exchanged_for_one_that_saves_more_than_both() -> None:
    # For their size B and C are better than AB, but beside C there is no room for it.
    plans = Plans(
        {
            BOTH: {NONE: 1300.0, frozenset({AB}): 10.0},
            ONLY_C: {NONE: 700.0, frozenset({C}): 10.0},
            ONLY_B: {NONE: 700.0, frozenset({B}): 140.0},
        }
    )
    three = query(BOTH), query(ONLY_C), query(ONLY_B)
    assert await budgeted(plans, *three, budget=20, wide=19) == {AB}


async def test_small_gains_count_beside_the_one_that_an_index_is_made_for() -> None:
    # A twentieth of a dear statement is more than half of a cheap one.
    plans = Plans(
        {
            ONLY_A: {NONE: 100.0, frozenset({A}): 50.0},
            A_AND_C: {NONE: 1000.0, frozenset({A}): 950.0},
            ONLY_C: {NONE: 100.0, frozenset({C}): 40.0},
        }
    )
    three = query(ONLY_A), query(A_AND_C), query(ONLY_C)
    assert await budgeted(plans, *three, budget=10) == {A}


async def test_two_that_help_only_together_are_found() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A, B}): 10.0}})
    assert await budgeted(plans, query(BOTH), budget=20) == {A, B}
    assert await budgeted(plans, query(BOTH), budget=19) == set()


async def test_what_helps_only_together_on_two_tables_is_found_before_much_else_is_asked() -> None:
    other = Index(TableName("", "u"), (Key("d"), Key("c")))
    join = "SELECT 6 FROM t JOIN u ON t.a = u.c WHERE u.d = $1"
    plans = Plans(HOPELESS | {join: {NONE: 900.0, frozenset({A, other}): 10.0}})
    queries = [query(one) for one in plans.plans]
    result = await found(
        plans,
        *queries,
        candidates=(A, B, AB, C, other),
        max_indexes=None,
        budget_bytes=25,
        sizes=(10, 10, 15, 10, 15),
    )
    assert {one.index for one in result.chosen} == {A, other}
    assert plans.asked[len(queries)] == (join, frozenset({A, other}))


async def test_what_saves_most_comes_first_also_if_it_was_first_seen_beside_another() -> None:
    other = Index(TableName("", "u"), (Key("d"), Key("c")))
    join = "SELECT 6 FROM t JOIN u ON t.a = u.c WHERE u.d = $1"
    helped = {NONE: 900.0, frozenset({A}): 300.0, frozenset({A, other}): 10.0}
    plans = Plans(HOPELESS | {join: helped, ONLY_C: {NONE: 2000.0, frozenset({C}): 1810.0}})
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(C, B, AB, A, other),
        max_indexes=None,
        budget_bytes=60,
        sizes=(10, 10, 15, 10, 15),
    )
    assert [one.index for one in result.chosen] == [A, other, C]


CANDIDATES = (A, B, AB, C)
NEEDS = st.frozensets(st.sampled_from(CANDIDATES), min_size=1, max_size=2)


@given(
    first=st.dictionaries(NEEDS, st.integers(1, 99).map(float), max_size=5),
    second=st.dictionaries(NEEDS, st.integers(1, 99).map(float), max_size=5),
    budget=st.integers(5, 50),
)
async def test_whatever_is_chosen_fits_and_costs_less(
    first: dict[frozenset[Index], float], second: dict[frozenset[Index], float], budget: int
) -> None:
    plans = Plans({BOTH: {NONE: 100.0} | first, ONLY_C: {NONE: 100.0} | second})
    sizes = dict(zip(CANDIDATES, (10, 10, 15, 10), strict=True))
    chosen = await budgeted(plans, query(BOTH), query(ONLY_C), budget=budget)
    assert sum(sizes[one] for one in chosen) <= budget
    cost = sum([(await plans.price(one, 2, frozenset(chosen))).cost for one in plans.plans])
    assert cost < 200 or not chosen


async def test_what_there_is_no_room_for_beside_the_better_ones_is_refused_for_the_budget() -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, frozenset({A}): 10.0},
            ONLY_C: {NONE: 500.0, frozenset({C}): 10.0},
        }
    )
    result = await found(
        plans,
        query(ONLY_A),
        query(ONLY_C),
        candidates=(A, C),
        max_indexes=None,
        budget_bytes=15,
        sizes=(10, 10),
    )
    assert [one.index for one in result.chosen] == [A]
    (refusal,) = result.refusals
    assert (refusal.index, refusal.code) == (C, "budget")
    assert refusal.reason.values["budget"] == 15


async def test_what_was_not_compared_before_the_time_was_up_is_refused_as_late() -> None:
    plans = Plans({ONLY_A: {NONE: 1000.0, frozenset({A}): 10.0}})
    costs = Costs(plans, (query(ONLY_A),), (A,))
    limits = Limits(max_indexes=10, is_late=lambda: plans.planner_calls >= 1)
    result = await Search(costs, lambda: {A: 0.0}, limits).run()
    assert result.chosen == ()
    assert reasons(result) == {A: "late"}
    assert plans.planner_calls == 1


@pytest.mark.parametrize("budget_bytes", [None, 70.0])
@pytest.mark.parametrize("end_at", [60, 150, 300])
async def test_once_the_time_is_up_nothing_is_asked_any_more_and_the_best_so_far_is_given(
    budget_bytes: float | None, end_at: int
) -> None:
    """The clock goes on by one for each question. There are 120 statements of ten columns."""
    columns = "abcdefghij"
    singles = [Index(TABLE, (Key(one),)) for one in columns]
    pairs = [Index(TABLE, tuple(map(Key, two))) for two in permutations(columns, 2)]
    plans = Columns({f"SELECT {i} FROM t WHERE {columns[i % 10]} = $1 AND"
                     f" {columns[(i + 1 + i % 9) % 10]} = $2": {} for i in range(120)})  # fmt: skip
    candidates = (*singles, *pairs)
    costs = Costs(plans, tuple(map(query, plans.plans)), candidates, (10.0,) * 10 + (15.0,) * 90)
    limits = Limits(budget_bytes=budget_bytes, is_late=lambda: plans.planner_calls >= end_at)
    result = await Search(costs, lambda: dict.fromkeys(candidates, 0.0), limits).run()
    # A question that was decided on in time may be the last.
    assert plans.planner_calls <= end_at + 1
    assert len(result.late) == max(0, 120 - end_at)
    looked_at = list(plans.plans)[: 120 - len(result.late)]
    assert result.cost_before == 100.0 * len(looked_at)
    chosen = frozenset(one.index for one in result.chosen)
    assert budget_bytes is None or sum(5 + 5 * len(one.keys) for one in chosen) <= budget_bytes
    costs_now = [(await plans.price(one, 0, chosen)).cost for one in looked_at]
    assert sum(costs_now) <= result.cost_after <= result.cost_before
    assert end_at < 300 or budget_bytes is None or result.cost_after < result.cost_before


class Columns(Plans):
    """A planner that reads a table by the index that has most of the columns in front."""

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        self.planner_calls += 1
        (use,) = read(text).uses
        cost, used = 100.0, NONE
        for index in sorted(indexes):
            fitting = len(list(takewhile(use.equals.__contains__, index.columns)))
            if 100.0 / (1 + 9 * fitting) < cost:
                cost, used = 100.0 / (1 + 9 * fitting), frozenset({index})
        return Price(cost, used)


@pytest.mark.parametrize(
    ("before", "after", "least"), [(100.0, 70.0, 0.0001), (2000.0, 1750.0, 0.0003)]
)
async def test_a_budget_refuses_small_gains_with_the_share_that_it_asks_for(
    before: float, after: float, least: float
) -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1_000_000.0, frozenset({A}): 10.0},
            ONLY_C: {NONE: before, frozenset({C}): after},
        }
    )
    result = await found(
        plans, query(ONLY_A), query(ONLY_C), candidates=(A, C), budget_bytes=99, sizes=(10, 10)
    )
    (refusal,) = result.refusals
    assert (refusal.index, refusal.code) == (C, "small_gain")
    assert refusal.reason.values == {"least": least}


async def test_a_clear_gain_may_be_smaller_than_one_that_is_lost_among_what_varies() -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1_000_000.0, frozenset({A}): 10.0},
            ONLY_B: {NONE: 2000.0, frozenset({B}): 1750.0},
            ONLY_C: {NONE: 300.0, frozenset({C}): 50.0},
        }
    )
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A, B, C),
        budget_bytes=99,
        sizes=(10, 10, 10),
    )
    assert {one.index for one in result.chosen} == {A, C}
    assert reasons(result) == {B: "small_gain"}


async def test_a_dearer_plan_that_more_indexes_lead_to_counts_only_where_they_are_there() -> None:
    # With B to choose from the planner takes A's plan for 60, without it for 40.
    costs = Costs(Plans({BOTH: {NONE: 100.0, frozenset({A}): 40.0}}), (query(BOTH),), (A, B, C))
    await costs.ask(0, set_of([0]))
    (alone,) = costs.known(0)
    costs.known(0).insert(0, Answer(asked=set_of([0, 1, 2]), used=set_of([0]), cost=60.0))
    assert costs.bounds(0, set_of([0])) == (alone.cost, alone.cost) == (40.0, 40.0)
    assert costs.bounds(0, set_of([0, 1])) == (60.0, 60.0)
    costs.known(0).append(Answer(asked=set_of([0, 1]), used=set_of([0]), cost=70.0))
    costs._bounds[0].clear()
    assert costs.bounds(0, set_of([0, 1])) == (70.0, 70.0)  # just this was asked
