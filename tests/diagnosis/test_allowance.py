"""How many questions a set is worth: a share of what Extend would ask, reckoned without asking."""

from __future__ import annotations

from tests.diagnosis.test_packing import ledger_of
from tests.diagnosis.test_search import A_AND_C, AB, BOTH, NONE, ONLY_A, ONLY_B, A, B, C, Plans

from keiko_perf.diagnosis.allowance import Allowance
from keiko_perf.diagnosis.indexes import Index

STATEMENTS = (BOTH, ONLY_A, A_AND_C, ONLY_B)


async def allowance(budget: float = 9e9) -> Allowance:
    plans = Plans({text: {NONE: 100.0} for text in STATEMENTS})
    candidates: tuple[Index, ...] = (A, B, C, AB)
    ledger = await ledger_of(plans, budget=budget, sizes=(1, 1, 1, 2), candidates=candidates)
    return Allowance(ledger.weighing)


async def test_a_set_is_worth_more_questions_the_more_it_holds() -> None:
    found = await allowance()
    worth = [found.questions(some) for some in (0, 0b1, 0b11, 0b111)]
    assert worth == sorted(worth)
    assert worth[0] < worth[1] < worth[3]


async def test_another_column_is_asked_about_only_where_a_statement_speaks_of_it() -> None:
    found = await allowance()
    assert found.questions(0b1) > found.questions(0b100), "a is spoken of by three, c by one"


async def test_what_is_too_large_for_the_budget_is_asked_by_nobody() -> None:
    assert (await allowance(1.0)).questions(0) < (await allowance()).questions(0)


async def test_without_a_step_it_is_worth_less_than_pricing_each_column_once() -> None:
    columns = 2 + 1 + 2 + 1
    assert (await allowance()).questions(0) < len(STATEMENTS) + columns
