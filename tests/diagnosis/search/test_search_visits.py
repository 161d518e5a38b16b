"""What is cheaper only on a disk, by look-ups, or beside what is refused, is not chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.diagnosis.search.planner import (
    A_AND_C,
    ALONE,
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
    T,
    found,
    looked_up,
    query,
    reasons,
)

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.verify import Price


@pytest.mark.parametrize("budget_bytes", [None, 99])
async def test_what_saves_something_only_on_a_disk_is_refused(budget_bytes: float | None) -> None:
    on_disk = {
        ONLY_A: {NONE: 1000.0, frozenset({A}): 700.0},
        ONLY_B: {NONE: 1000.0, frozenset({B}): 700.0},
        ONLY_C: {NONE: 1000.0, frozenset({C}): 10.0},
    }
    in_memory = Plans(
        on_disk
        | {
            ONLY_A: {NONE: 500.0, frozenset({A}): 480.0},
            ONLY_B: {NONE: 500.0, frozenset({B}): 400.0},
        }
    )
    result = await found(
        Plans(on_disk),
        *map(query, on_disk),
        candidates=(A, B, C),
        budget_bytes=budget_bytes,
        sizes=(10, 10, 10),
        in_memory=in_memory,
    )
    assert {one.index for one in result.chosen} == {B, C}
    assert reasons(result) == {A: "in_memory"}
    assert result.cost_after == 1000.0 + 700.0 + 10.0, "as it is priced otherwise"
    assert ONLY_C not in {text for text, _ in in_memory.asked}, (
        "what saves so much, saves it anyway"
    )


@pytest.mark.parametrize("budget_bytes", [None, 99])
async def test_what_looks_up_more_than_the_planner_says_is_refused(
    budget_bytes: float | None,
) -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, ALONE: 100.0},
            ONLY_B: {NONE: 1000.0, frozenset({B}): 100.0},
        },
        visits={(ONLY_A, ALONE): looked_up(1000), (ONLY_B, frozenset({B})): looked_up(10)},
    )
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A, B),
        budget_bytes=budget_bytes,
        sizes=(10, 10),
        tables={TABLE: T},
    )
    assert [one.index for one in result.chosen] == [B]
    if budget_bytes is None:
        assert reasons(result) == {A: "slower"}
    assert result.cost_after == 1000.0 + 100.0, "as the planner prices it"


@pytest.mark.parametrize("budget_bytes", [None, 99])
async def test_what_helps_only_beside_one_that_is_refused_is_not_kept(
    budget_bytes: float | None,
) -> None:
    plans = Plans(
        {
            BOTH: {NONE: 1000.0, frozenset({A, B}): 500.0},
            A_AND_C: {NONE: 1000.0, ALONE: 900.0},
        },
        visits={(A_AND_C, ALONE): looked_up(1000)},
    )
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A, B),
        budget_bytes=budget_bytes,
        sizes=(10, 10),
        tables={TABLE: T},
    )
    assert result.chosen == ()
    if budget_bytes is None:
        assert reasons(result)[A] == "slower"
    assert result.cost_after == result.cost_before


class Contrary(Plans):
    """It takes A wherever it is there, dear or not."""

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        if A in indexes and text == A_AND_C:
            self.planner_calls += 1
            return Price(2000.0, ALONE)
        return await Plans.price(self, text, parameters, indexes)


@pytest.mark.parametrize("budget_bytes", [None, 99])
async def test_a_dearer_plan_that_the_planner_takes_all_the_same_counts(
    budget_bytes: float | None,
) -> None:
    plans = Contrary({ONLY_A: {NONE: 1000.0, ALONE: 500.0}, A_AND_C: {NONE: 1000.0}})
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A,),
        budget_bytes=budget_bytes,
        sizes=(10,),
        tables={TABLE: T},
    )
    assert result.chosen == ()
    assert result.cost_after == 2000.0


@pytest.mark.parametrize("budget_bytes", [None, 99])
@pytest.mark.parametrize("is_assumed", [True, False])
async def test_a_plan_that_nobody_takes_once_the_index_is_there_is_not_held_against_it(
    is_assumed: bool, budget_bytes: float | None
) -> None:
    visit = replace(looked_up(1000), is_assumed=is_assumed)
    plans = Plans(
        {ONLY_A: {NONE: 1000.0, ALONE: 100.0}, A_AND_C: {NONE: 1000.0, ALONE: 900.0}},
        visits={(A_AND_C, ALONE): visit},
    )
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A,),
        budget_bytes=budget_bytes,
        sizes=(10,),
        tables={TABLE: T},
    )
    if is_assumed:
        (chosen,) = result.chosen
        assert [one.statement.text for one in chosen.losses] == []
    else:
        assert reasons(result) == {A: "slower"}


@pytest.mark.parametrize("budget_bytes", [None, 99])
async def test_what_nobody_uses_once_it_is_there_is_not_chosen_for_what_it_seems_to_save(
    budget_bytes: float | None,
) -> None:
    cheap = replace(looked_up(1000), is_assumed=True, is_alone=True)
    plans = Plans(
        {ONLY_A: {NONE: 1000.0, ALONE: 900.0}, ONLY_B: {NONE: 1000.0, frozenset({B}): 500.0}},
        visits={(ONLY_A, ALONE): cheap, (ONLY_B, frozenset({B})): cheap},
    )
    result = await found(
        plans,
        *map(query, plans.plans),
        candidates=(A, B),
        budget_bytes=budget_bytes,
        sizes=(10, 10),
        tables={TABLE: T},
    )
    # The ways down in a real index cost 375 more: the planner then reads the table as before.
    assert [one.index for one in result.chosen] == [B]


async def test_a_statement_that_loses_by_its_look_ups_is_told() -> None:
    plans = Plans(
        {ONLY_A: {NONE: 1000.0, ALONE: 10.0}, A_AND_C: {NONE: 1000.0, ALONE: 900.0}},
        visits={(A_AND_C, ALONE): looked_up(100)},
    )
    tables = {TABLE: T}
    result = await found(plans, query(ONLY_A, 9), query(A_AND_C), candidates=(A,), tables=tables)
    (chosen,) = result.chosen
    assert [one.statement.text for one in chosen.gains] == [ONLY_A]
    (loss,) = chosen.losses
    assert loss.statement.text == A_AND_C
    assert loss.cost_before == 1000.0
    assert loss.cost_after > 1050.0
    assert chosen.benefit == 9 * 990.0 + loss.saved
