"""What is judged by the clock is asked, if need be, when nothing else may be asked any more."""

from __future__ import annotations

from dataclasses import dataclass

from tests.diagnosis.search.planner import (
    A_AND_C,
    ALONE,
    BOTH,
    NONE,
    ONLY_A,
    A,
    B,
    Plans,
    query,
)

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.verify import Price
from keiko_perf.diagnosis.search.bits import Bits, set_of
from keiko_perf.diagnosis.search.choice import Choice, Limits
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.diagnosis.search.proving import Proving
from keiko_perf.diagnosis.search.worth import Worth


@dataclass(slots=True)
class Spent(Choice):
    """It chooses what it is told to, and has no question left."""

    order: tuple[int, ...] = ()

    async def run(self) -> list[int]:
        return list(self.order)

    async def again(self, start: Bits) -> list[int]:
        raise AssertionError("nothing may be asked to choose anew")

    def may_ask(self) -> bool:
        return False


async def proven(plans: Plans, *texts: str, chosen: tuple[Index, ...]) -> set[Index]:
    """Which of the chosen are kept, where only what they cost without any is known."""
    candidates, limits = (A, B), Limits(budget_bytes=99)
    costs = Costs(plans, tuple(map(query, texts)), candidates, (10.0, 10.0), {})
    base = sum([await costs.price(number, 0) for number in range(len(texts))])
    worth = Worth(costs, upkeep=(0.0, 0.0), has_budget=True, cost_before=base)
    order = tuple(map(candidates.index, chosen))
    live = tuple(range(len(texts)))
    choice = Spent(costs, live, worth.upkeep, limits, worth.pays, base, order=order)
    proving = Proving(costs, limits, worth.pays, costs.exact, in_memory=None)
    kept = await proving.best(choice)
    assert proving.slower == set_of(order) & ~set_of(kept)
    return {candidates[bit] for bit in kept}


class Contrary(Plans):
    """It takes A wherever it is there, dear or not."""

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        if A in indexes and text == A_AND_C:
            self.asked.append((text, indexes))
            return Price(2000.0, ALONE)
        return await Plans.price(self, text, parameters, indexes)


async def test_who_loses_by_the_chosen_is_asked_in_any_case() -> None:
    plans = {ONLY_A: {NONE: 1000.0, ALONE: 500.0}, A_AND_C: {NONE: 1000.0}}
    assert await proven(Plans(plans), ONLY_A, A_AND_C, chosen=(A,)) == {A}
    contrary = Contrary(plans)
    assert await proven(contrary, ONLY_A, A_AND_C, chosen=(A,)) == set()
    assert (A_AND_C, ALONE) in contrary.asked


async def test_what_the_statement_that_gains_most_costs_without_it_is_asked_in_any_case() -> None:
    # Without any it costs 1000; but beside B it is of no use, which nobody has asked yet.
    plans = {BOTH: {NONE: 1000.0, ALONE: 100.0, frozenset({B}): 900.0}}
    assert await proven(Plans(plans), BOTH, chosen=(A, B)) == {A}
    plans[BOTH][frozenset({B})] = 101.0
    beside = Plans(plans)
    assert await proven(beside, BOTH, chosen=(B, A)) == {B}
    assert (BOTH, frozenset({B})) in beside.asked


async def test_of_the_others_only_what_is_known_is_taken() -> None:
    plans = {
        BOTH: {NONE: 1000.0, ALONE: 100.0, frozenset({B}): 900.0},
        A_AND_C: {NONE: 500.0, ALONE: 400.0},
    }
    asked = Plans(plans)
    assert await proven(asked, BOTH, A_AND_C, chosen=(A,)) == {A}
    assert asked.asked.count((A_AND_C, NONE)) == 1
    assert asked.planner_calls == len(plans) * 2, "each without any, and with the chosen"
