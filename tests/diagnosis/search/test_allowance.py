"""How many questions the search is worth: a share of what Extend would ask, without asking."""

from __future__ import annotations

from itertools import permutations

import pytest
from tests.diagnosis.search.planner import A_AND_C, AB, BOTH, NONE, ONLY_A, ONLY_B, A, B, C, Plans
from tests.diagnosis.search.test_packing import ledger_of

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Column, Key, Table
from keiko_perf.diagnosis.search.allowance import Allowance
from keiko_perf.diagnosis.search.ledger import Hopes, Ledger
from keiko_perf.diagnosis.search.rehearsal import Rehearsal

PLANS = {
    BOTH: {NONE: 100.0, frozenset({A}): 60.0, frozenset({AB}): 10.0, frozenset({B}): 80.0},
    ONLY_A: {NONE: 100.0, frozenset({A}): 50.0, frozenset({AB}): 50.0},
    A_AND_C: {NONE: 100.0, frozenset({C}): 90.0},
    ONLY_B: {NONE: 100.0, frozenset({B}): 30.0},
}
SPOKEN_OF = {BOTH: "ab", ONLY_A: "a", A_AND_C: "ac", ONLY_B: "b"}
ONE = 1e6
"""How large an index is of whose table nothing is known."""


def naive_extend(budget: float) -> int:
    """How often Extend asks: each statement with those that speak of its columns, once."""
    asked: set[tuple[str, frozenset[tuple[str, ...]]]] = set()

    def cost(indexes: list[tuple[str, ...]]) -> float:
        whole = 0.0
        for text, plans in PLANS.items():
            relevant = frozenset(one for one in indexes if set(one) & set(SPOKEN_OF[text]))
            asked.add((text, relevant))
            there = {Index(A.table, tuple(map(Key, one))) for one in relevant}
            whole += min(cost for needs, cost in plans.items() if needs <= there)
        return whole

    chosen: list[tuple[str, ...]] = []
    now = cost(chosen)
    while True:
        room = budget - ONE * len(chosen)
        steps = [([*chosen, (one,)], ONE) for one in "abc" if (one,) not in chosen and room >= ONE]
        for there in chosen:
            rest = [one for one in chosen if one != there]
            steps += [
                ([*rest, (*there, one)], 1.0)
                for one in "abc"
                if one not in there and len(there) < 3 and room >= 0
            ]
        costs = [(cost(some), some, more) for some, more in steps]
        better = [one for one in costs if one[0] * 1.003 < now]
        if not better:
            return len(asked)
        now, chosen, _ = max(better, key=lambda one: (now - one[0]) / one[2])


async def told(
    budget: float, *asked: Index, plans: dict[str, dict[frozenset[Index], float]]
) -> Ledger:
    everything = (A, B, C, AB)
    ledger = await ledger_of(Plans(plans), budget=budget, sizes=(1, 1, 1, 1), candidates=everything)
    for number in ledger.weighing.live:
        for index in asked:
            costs = ledger.weighing.costs
            some = 1 << everything.index(index)
            if costs.relevant(number) & some:
                await costs.ask(number, costs.projected(number, some))
    return ledger


@pytest.mark.parametrize("room", [0.0, 1.0, 2.0, 3.0, 9.0])
async def test_extends_questions_are_counted_to_the_last_without_asking_one(room: float) -> None:
    for order in permutations((A, B, C, AB)):
        ledger = await told(room * ONE, *order, plans=PLANS)
        weighing = ledger.weighing
        before = weighing.costs.answers
        rehearsal = Rehearsal(weighing.costs, weighing.live, weighing.weights)
        assert rehearsal.questions(room * ONE, {}) == naive_extend(room * ONE)
        assert weighing.costs.answers == before


async def test_more_room_is_worth_more_questions() -> None:
    worth = [
        Allowance(Hopes((await told(room * ONE, A, B, C, AB, plans=PLANS)).weighing)).questions()
        for room in (0.5, 1.0, 2.0)
    ]
    assert worth == sorted(worth)
    assert worth[0] < worth[-1]


async def test_what_is_too_large_for_the_budget_is_asked_by_nobody() -> None:
    ledger = await told(0.5 * ONE, plans=PLANS)
    assert Allowance(Hopes(ledger.weighing)).questions() < len(PLANS)


async def test_more_than_is_worth_anybodys_time_is_not_asked_whatever_extend_would() -> None:
    many = {f"SELECT {number} FROM t WHERE a = $1 AND b = $2": {NONE: 1.0} for number in range(300)}
    few = await told(9 * ONE, plans=dict(list(many.items())[:3]))
    all_of_them = await told(9 * ONE, plans=many)
    worth = [Allowance(Hopes(one.weighing)).questions() for one in (few, all_of_them)]
    assert worth[0] < worth[1] <= 5 * 300 + 250


async def test_the_most_is_a_share_of_what_extend_asks_the_look_at_the_end_included() -> None:
    ledger = await told(3 * ONE, *(A, B, C, AB), plans=PLANS)
    weighing = ledger.weighing
    hopes = Hopes(weighing)
    extend = Rehearsal(weighing.costs, weighing.live, weighing.weights).questions(
        3 * ONE, hopes.trust()
    )
    assert extend / 5 < Allowance(hopes).most() < extend / 3


async def test_extend_has_the_planners_sizes_whatever_a_budget_counts() -> None:
    columns = {name: Column(name=name) for name in "abc"}
    table = Table(name=A.table, columns=columns, rows=40_000.0, size_bytes=2e6)
    asked = []
    for share in (1.0, 0.5):
        weighing = (await told(ONE, A, B, C, AB, plans=PLANS)).weighing
        weighing.costs.tables = {A.table: table}
        weighing.costs.counted = tuple(share * one for one in weighing.costs.sizes)
        rehearsal = Rehearsal(weighing.costs, weighing.live, weighing.weights)
        asked.append([rehearsal.questions(room * ONE, {}) for room in (0.5, 1.0, 1.5, 2.0, 3.0)])
    assert asked[0] == asked[1]
    assert asked[0][0] < asked[0][-1]
