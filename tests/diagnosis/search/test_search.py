"""The search against a planner of our own whose answers are known in advance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnosis.search.planner import (
    A_AND_C,
    AB,
    BOTH,
    NONE,
    ONLY_A,
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
from keiko_perf.diagnosis.schema import Key
from keiko_perf.diagnosis.search.bits import set_of
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.render import phrase


async def test_the_index_that_saves_most_is_chosen_and_the_others_are_refused_with_reasons() -> (
    None
):
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 300.0, frozenset({AB}): 10.0}})
    result = await found(plans, query(BOTH, calls=7))
    assert [one.index for one in result.chosen] == [AB]
    assert (result.cost_before, result.cost_after) == (7000.0, 70.0)
    gain = result.chosen[0].gains[0]
    assert (gain.cost_before, gain.cost_after, gain.saved) == (1000.0, 10.0, 6930.0)
    assert reasons(result) == {A: "superseded", B: "unused", C: "unused"}


async def test_of_two_that_save_the_same_the_narrower_is_chosen() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 10.05, frozenset({AB}): 10.0}})
    result = await found(plans, query(BOTH))
    assert [one.index for one in result.chosen] == [A]


async def test_of_two_that_are_worth_the_same_the_first_proposed_is_chosen() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 10.0, frozenset({B}): 10.0}})
    assert [one.index for one in (await found(plans, query(BOTH))).chosen] == [A]
    turned = await found(plans, query(BOTH), candidates=(B, A))
    assert [one.index for one in turned.chosen] == [B]


async def test_the_most_promising_is_not_taken_without_comparing() -> None:
    # Before anything is asked, each of them could save all that they save together.
    both = {NONE: 1000.0, frozenset({A}): 300.0, frozenset({AB}): 900.0, frozenset({B}): 10.0}
    result = await found(Plans({BOTH: both}), query(BOTH), max_indexes=1)
    assert [one.index for one in result.chosen] == [B]
    assert reasons(result)[A] == "superseded"


async def test_what_saves_less_than_a_twentieth_of_any_statement_is_refused() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 951.0, frozenset({B}): 950.0}})
    result = await found(plans, query(BOTH))
    assert [one.index for one in result.chosen] == [B]
    assert reasons(result)[A] == "small_gain"


@pytest.mark.parametrize(
    ("text", "calls", "is_chosen"),
    [
        ("UPDATE t SET b = $1 WHERE a IS NULL", 1, False),
        ("UPDATE t SET b = $1 WHERE a IS NULL", 2, True),
        ("SELECT b FROM t WHERE a IS NULL", 1, True),
    ],
    ids=["an errand", "a write that comes again", "a report"],
)
async def test_a_write_that_came_once_is_no_reason_for_an_index_however_far_cheaper_it_would_be(
    text: str, calls: int, is_chosen: bool
) -> None:
    plans = Plans({text: {NONE: 100.0, frozenset({A}): 1.0}, ONLY_C: {NONE: 100.0}})
    result = await found(plans, query(text, calls), query(ONLY_C, 1_000))
    assert [one.index for one in result.chosen] == ([A] if is_chosen else [])
    assert is_chosen or reasons(result)[A] == "small_gain"


async def test_an_index_that_costs_the_writes_more_than_it_saves_is_refused() -> None:
    plans = Plans({BOTH: {NONE: 100.0, frozenset({A}): 1.0}})
    result = await found(plans, query(BOTH), upkeep=99.5)
    assert result.chosen == ()
    assert reasons(result)[A] == "upkeep"
    assert result.cost_after == result.cost_before


async def test_an_index_that_later_ones_have_replaced_goes_again() -> None:
    # A helps both statements and is chosen first; then each gets something better of its own.
    plans = Plans(
        {
            BOTH: {NONE: 100.0, frozenset({A}): 40.0, frozenset({B}): 20.0},
            A_AND_C: {NONE: 100.0, frozenset({A}): 10.0, frozenset({C}): 1.0},
        }
    )
    candidates = (A, B, C)
    first = await found(plans, query(BOTH), query(A_AND_C), candidates=candidates, max_indexes=1)
    assert [one.index for one in first.chosen] == [A]
    result = await found(plans, query(BOTH), query(A_AND_C), candidates=candidates)
    assert {one.index for one in result.chosen} == {B, C}
    assert reasons(result) == {A: "superseded"}
    assert result.cost_after == 21.0


async def test_a_refusal_names_what_does_as_much_for_its_statements_and_nothing_else() -> None:
    d, d_too = Index(TABLE, (Key("d"),)), Index(TABLE, (Key("d"), Key("e")))
    only_d = "SELECT 6 FROM t WHERE d = $1 AND e = $2"
    plans = Plans(
        {
            BOTH: {NONE: 100.0, frozenset({A}): 40.0, frozenset({B}): 20.0},
            A_AND_C: {NONE: 100.0, frozenset({A}): 10.0, frozenset({C}): 1.0},
            only_d: {NONE: 100.0, frozenset({d}): 50.0, frozenset({d_too}): 10.0},
        }
    )
    queries = (query(BOTH), query(A_AND_C), query(only_d))
    result = await found(plans, *queries, candidates=(A, B, C, d, d_too))
    assert {one.index for one in result.chosen} == {B, C, d_too}
    because = {one.index: phrase(one.reason) for one in result.refusals}
    assert because[A] == f"{C}, {B} do as much or more together"
    assert because[d] == f"{d_too} does as much or more"


async def test_a_wider_index_that_does_nearly_as_much_stands_in_for_the_one_it_begins_with() -> (
    None
):
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, frozenset({A}): 10.0, frozenset({AB}): 11.0},
            BOTH: {NONE: 1000.0, frozenset({A}): 10.0, frozenset({AB}): 1.0},
        }
    )
    result = await found(plans, query(ONLY_A), query(BOTH))
    assert [one.index for one in result.chosen] == [AB]
    assert reasons(result)[A] == "superseded"
    assert result.cost_after == 12.0


async def test_a_little_gain_in_a_large_workload_is_not_worth_an_index() -> None:
    calls = 1000
    plans = Plans({ONLY_A: {NONE: 100.0}, ONLY_C: {NONE: 10.0, frozenset({C}): 5.0}})
    result = await found(plans, query(ONLY_A, calls), query(ONLY_C, calls // 10))
    assert result.chosen == ()
    assert reasons(result)[C] == "small_gain"
    plans.plans[ONLY_C][frozenset({C})] = 1.0  # far cheaper: somebody waits for this one
    result = await found(plans, query(ONLY_A, calls), query(ONLY_C, calls // 10))
    assert [one.index for one in result.chosen] == [C]


async def test_beyond_the_bound_the_reason_is_the_bound() -> None:
    plans = Plans(
        {BOTH: {NONE: 1000.0, frozenset({A}): 1.0}, ONLY_C: {NONE: 500.0, frozenset({C}): 1.0}}
    )
    result = await found(plans, query(BOTH), query(ONLY_C), max_indexes=1)
    assert [one.index for one in result.chosen] == [A]
    assert reasons(result)[C] == "limit"


async def test_a_statement_without_a_plan_is_named_and_the_rest_goes_on() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 1.0}})
    result = await found(plans, query(ONLY_C), query(BOTH))
    assert result.unplanned == {0: "the server cannot plan it: no plan"}
    assert [one.index for one in result.chosen] == [A]


async def test_a_statement_that_nothing_helps_is_asked_about_only_twice() -> None:
    plans = Plans({BOTH: {NONE: 1000.0}, ONLY_C: {NONE: 10.0}})
    result = await found(plans, query(BOTH), query(ONLY_C))
    assert result.chosen == ()
    assert plans.planner_calls == 4


async def test_the_same_question_gets_the_same_answer() -> None:
    def plans() -> Plans:
        needs = [frozenset({one}) for one in (A, B, AB)]
        return Plans({BOTH: {NONE: 100.0} | dict.fromkeys(needs, 5.0)})

    first, second = plans(), plans()
    assert await found(first, query(BOTH)) == await found(second, query(BOTH))
    assert first.asked == second.asked


INDEXES = st.frozensets(st.sampled_from([A, B, AB]))


@given(
    plans=st.dictionaries(INDEXES, st.integers(1, 99).map(float), max_size=6),
    questions=st.lists(INDEXES, max_size=20),
)
async def test_what_is_inferred_is_what_the_planner_would_have_said(
    plans: dict[frozenset[Index], float], questions: list[frozenset[Index]]
) -> None:
    truth = Plans({BOTH: {NONE: 100.0} | plans})
    thrifty = Plans({BOTH: {NONE: 100.0} | plans})
    candidates = (A, B, AB)
    costs = Costs(thrifty, (query(BOTH),), candidates)
    for indexes in questions:
        some = set_of(candidates.index(one) for one in indexes)
        expected = await truth.price(BOTH, 2, indexes)
        low, high = costs.bounds(0, some)
        assert low <= expected.cost <= high
        assert await costs.price(0, some) == expected.cost
        assert costs.bounds(0, some) == (expected.cost, expected.cost)
    assert thrifty.planner_calls <= len(set(questions))
