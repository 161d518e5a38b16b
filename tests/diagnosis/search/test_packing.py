"""What is sure of sets of indexes, and the best of them by that, beside trying every set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnosis.search.naive_packing import NaivePacking
from tests.diagnosis.search.planner import (
    A_AND_C,
    AB,
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
    looked_up,
    query,
)

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.schema import Column, Key, Table, TableName
from keiko_perf.diagnosis.search.bits import Bits, set_of
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.diagnosis.search.ledger import Hopes, Ledger
from keiko_perf.diagnosis.search.losses import Losses
from keiko_perf.diagnosis.search.nomination import Nomination, enough_at_once
from keiko_perf.diagnosis.search.packing import Packing
from keiko_perf.diagnosis.search.weighing import Weighing

ALL = (A, B, C)
Known = Mapping[frozenset[Index], float]


async def ledger_of(
    plans: Plans,
    *,
    budget: float,
    sizes: tuple[float, ...],
    asked: tuple[frozenset[Index], ...] = (),
    max_indexes: int | None = None,
    candidates: tuple[Index, ...] = ALL,
    upkeep: float = 0.0,
    tables: Mapping[TableName, Table] | None = None,
) -> Ledger:
    """What is known once each statement was asked about nothing and about the sets *asked*."""
    queries = tuple(query(text) for text in plans.plans)
    costs = Costs(plans, queries, candidates, sizes, tables or {})
    live = tuple(range(len(plans.plans)))
    for number in live:
        for some in (NONE, *asked):
            await costs.ask(number, costs.projected(number, bits(some)))
    base = sum([await costs.price(number, 0) for number in live])
    return Ledger(
        Weighing(
            costs=costs,
            live=live,
            upkeep=(upkeep,) * len(candidates),
            limits=Limits(budget_bytes=budget, max_indexes=max_indexes),
            pays=lambda _, gains: sum(before - after for _, before, after in gains) > 0,
            base=base,
        )
    )


def bits(some: frozenset[Index]) -> Bits:
    return set_of(ALL.index(one) for one in some)


def best_of(ledger: Ledger, *starts: Bits) -> Bits:
    return Packing(ledger, ledger.moves()).thorough(*starts)


EACH = tuple(frozenset({one}) for one in ALL)


async def test_what_no_known_plan_uses_is_worth_nothing() -> None:
    plans = Plans({BOTH: {NONE: 100.0, EACH[0]: 10.0, EACH[1]: 20.0}})
    ledger = await ledger_of(plans, budget=99, sizes=(10, 10, 10), asked=(EACH[1],))
    assert ledger.saved(0, bits(EACH[1])) == 80
    assert ledger.saved(0, bits(EACH[0])) == 0
    assert ledger.moves() == [bits(EACH[1])]
    await ledger.weighing.costs.ask(0, bits(EACH[0]))  # it learns what is asked afterwards
    assert ledger.cost(bits(frozenset(ALL))) == 10


async def test_a_large_one_makes_room_for_two_that_save_more_together() -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, EACH[0]: 400.0},
            ONLY_B: {NONE: 1000.0, EACH[1]: 650.0},
            ONLY_C: {NONE: 1000.0, EACH[2]: 650.0},
        }
    )
    ledger = await ledger_of(plans, budget=20, sizes=(12, 10, 10), asked=EACH)
    assert best_of(ledger) == bits(frozenset({B, C}))
    assert best_of(ledger, bits(EACH[0])) == bits(frozenset({B, C}))


async def test_what_takes_longer_by_the_clock_gives_its_room_to_others() -> None:
    plans = Plans(
        {ONLY_A: {NONE: 1000.0, EACH[0]: 100.0}, ONLY_B: {NONE: 1000.0, EACH[1]: 700.0}},
        visits={(ONLY_A, EACH[0]): looked_up(1000)},
    )
    ledger = await ledger_of(
        plans, budget=10, sizes=(10, 10, 10), asked=EACH, tables={TABLE: T}
    )  # room for one
    assert ledger.saved(0, bits(EACH[0])) == 900.0, "the planner's word is kept"
    assert not ledger.pays(0, bits(EACH[0]))
    assert best_of(ledger) == bits(EACH[1])
    hopes = Hopes(ledger.weighing)
    assert not hopes.pays(0, bits(EACH[0]))
    assert hopes.pays(1, bits(EACH[1]))


EVERY = "SELECT 7 FROM t WHERE a = $1 AND b = $2 AND c = $3"
A_WITH_B, A_WITH_C = frozenset({A, B}), frozenset({A, C})


async def test_of_half_a_plan_no_more_is_hoped_than_the_planner_has_said_of_that_half() -> None:
    plans = Plans({EVERY: {NONE: 100.0, A_WITH_B: 10.0, EACH[0]: 95.0}})
    ledger = await ledger_of(plans, budget=99, sizes=(10, 10, 10), asked=(A_WITH_B,))
    hopes = Hopes(ledger.weighing)
    assert hopes.most(0, bits(A_WITH_C)) < 50.0
    await ledger.weighing.costs.ask(0, bits(EACH[0]))
    assert hopes.most(0, bits(A_WITH_C)) == 95.0, "what else is there is no part of the plan"


async def test_what_is_hoped_for_takes_as_long_by_the_clock_as_what_is_like_it() -> None:
    like_b = Index(TABLE, (Key("b"), Key("c")))
    known = {NONE: 100.0, A_WITH_B: 10.0, EACH[0]: 90.0, frozenset({like_b}): 98.0}
    slow = {(EVERY, A_WITH_B): looked_up(1000), (EVERY, EACH[0]): looked_up(1000)}
    ledger = await ledger_of(
        Plans({EVERY: known}, visits=slow),
        budget=99,
        sizes=(10,) * 4,
        asked=(A_WITH_B, EACH[0]),
        candidates=(*ALL, like_b),
        tables={TABLE: T},
    )
    await ledger.weighing.costs.ask(0, 1 << len(ALL))
    hopes, a_with_another = Hopes(ledger.weighing), bits(EACH[0]) | 1 << len(ALL)
    assert hopes.most(0, a_with_another) < 50.0
    assert not hopes.pays(0, a_with_another)


async def test_beside_a_plan_that_does_more_than_was_foretold_another_table_is_hoped_for() -> None:
    u = TableName("", "u")
    other = Index(u, (Key("d"),))
    join = "SELECT 6 FROM t JOIN u ON t.c = u.c WHERE t.a = $1 AND u.d = $2"
    columns = {name: Column(name=name, distinct=100_000.0) for name in "acd"}
    tables = {
        TABLE: replace(T, columns=columns),
        u: replace(T, name=u, columns=columns),
    }
    plans = Plans({join: {NONE: 1000.0, ALONE: 200.0}}, scans={TABLE: 300.0, u: 180.0})
    ledger = await ledger_of(
        plans, budget=9, sizes=(1, 1), asked=(ALONE,), candidates=(A, other), tables=tables
    )
    hopes = Hopes(ledger.weighing)
    hopes.learn()
    assert hopes.most(0, 0b01) == 200.0
    by_the_other = 1000.0 - hopes.most(0, 0b10)
    assert 100.0 < by_the_other <= 180.0
    assert hopes.most(0, 0b11) == pytest.approx(200.0 - by_the_other)


async def test_where_nothing_more_may_be_asked_what_is_known_has_to_do() -> None:
    plans = Plans({ONLY_A: {NONE: 1000.0, EACH[0]: 100.0}})
    weighing = (await ledger_of(plans, budget=99, sizes=(10, 10, 10))).weighing
    asked = plans.planner_calls
    silent = _Silent(**{one.name: getattr(weighing, one.name) for one in fields(weighing)})
    assert await silent.gains(0, 0) == []
    assert plans.planner_calls == asked
    assert await weighing.gains(0, 0) == [(0, 1000.0, 100.0)]


class _Silent(Weighing):
    def may_ask(self) -> bool:
        return False


async def test_no_more_are_taken_than_were_asked_for() -> None:
    plans = Plans({text: {NONE: 100.0, EACH[place]: 1.0 + place}
                   for place, text in enumerate((ONLY_A, ONLY_B, ONLY_C))})  # fmt: skip
    ledger = await ledger_of(plans, budget=99, sizes=(10, 10, 10), asked=EACH, max_indexes=2)
    assert best_of(ledger) == bits(frozenset({A, B}))


COSTS = st.integers(1, 99).map(float)
SOME = st.sampled_from([*EACH, frozenset({A, B}), frozenset({A, C})])


@given(
    first=st.dictionaries(st.sampled_from([*EACH[:2], frozenset({A, B})]), COSTS),
    second=st.dictionaries(st.sampled_from([EACH[0], EACH[2], frozenset({A, C})]), COSTS),
    sizes=st.tuples(*[st.integers(5, 30).map(float)] * 3),
    budget=st.integers(5, 60),
)
async def test_of_three_indexes_none_of_the_eight_sets_is_better(
    first: Known, second: Known, sizes: tuple[float, float, float], budget: int
) -> None:
    plans = Plans({BOTH: {NONE: 100.0, **first}, A_AND_C: {NONE: 100.0, **second}})
    every = tuple(frozenset(some) for n in (1, 2, 3) for some in combinations(ALL, n))
    ledger = await ledger_of(plans, budget=budget, sizes=sizes, asked=every)
    best = best_of(ledger)
    assert ledger.weighing.fits(best)
    fitting = [bits(one) for one in (NONE, *every) if ledger.weighing.fits(bits(one))]
    assert ledger.cost(best) == min(map(ledger.cost, fitting))


SIX = (*ALL, AB, *(Index(TABLE, tuple(map(Key, columns))) for columns in ("ac", "bc")))
PLANS = st.dictionaries(
    st.frozensets(st.sampled_from(SIX), min_size=1, max_size=3), COSTS, min_size=2, max_size=6
)
QUESTIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 63)), min_size=3, max_size=12)


@given(
    plans=st.tuples(*[PLANS] * 5),
    rounds=st.lists(QUESTIONS, min_size=1, max_size=3),
    sizes=st.tuples(*[st.integers(5, 30).map(float)] * 6),
    budget=st.integers(10, 90),
    upkeep=st.sampled_from([0.0, 3.0]),
    max_indexes=st.sampled_from([None, 2]),
)
async def test_what_is_kept_between_rounds_leads_to_what_is_reckoned_anew(
    plans: tuple[Known, ...],
    rounds: list[list[tuple[int, int]]],
    sizes: tuple[float, ...],
    budget: int,
    upkeep: float,
    max_indexes: int | None,
) -> None:
    texts = (BOTH, ONLY_A, A_AND_C, ONLY_B, "SELECT 6 FROM t WHERE c = $1 AND b = $2")
    ledger = await ledger_of(
        Plans({text: {NONE: 100.0, **some} for text, some in zip(texts, plans, strict=True)}),
        budget=budget,
        sizes=sizes,
        max_indexes=max_indexes,
        candidates=SIX,
        upkeep=upkeep,
    )
    hopes = Hopes(ledger.weighing)
    costs, best = ledger.weighing.costs, 0
    for questions in rounds:
        for number, some in questions:
            await costs.ask(number, costs.projected(number, some))
        moves = ledger.moves()
        for known, anew in ((ledger, Ledger(ledger.weighing)), (hopes, Hopes(ledger.weighing))):
            packed, naive = Packing(known, moves).thorough(best), NaivePacking(anew, moves)
            assert packed == naive.thorough(best)
            best = packed
            losses = Losses(known.gains, best)
            for new in [one & ~best for one in moves if one & ~best]:
                over = -ledger.weighing.room(best | new)
                for most in (1e9, 20.0):
                    ways = losses.making_room(known.gains.of(new), over, most)
                    found = {(best | new) & ~gone: lost for gone, lost in ways}
                    expected = dict(naive.fitting(best, new))
                    assert found == {one: lost for one, lost in expected.items() if lost <= most}


async def test_once_the_time_is_up_the_room_is_filled_and_nothing_is_exchanged() -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, EACH[0]: 400.0},
            ONLY_B: {NONE: 1000.0, EACH[1]: 650.0},
            ONLY_C: {NONE: 1000.0, EACH[2]: 650.0},
        }
    )
    # For its size A is the best, but beside it there is no room for what saves more together.
    ledger = await ledger_of(plans, budget=24, sizes=(15, 12, 12), asked=EACH)
    ledger.weighing.limits = replace(ledger.weighing.limits, is_late=lambda: True)
    assert best_of(ledger) == bits(EACH[0])
    assert best_of(ledger, bits(frozenset({B, C}))) == bits(frozenset({B, C}))


async def test_where_too_much_was_reckoned_the_room_is_filled_and_nothing_is_exchanged() -> None:
    plans = Plans(
        {
            ONLY_A: {NONE: 1000.0, EACH[0]: 400.0},
            ONLY_B: {NONE: 1000.0, EACH[1]: 650.0},
            ONLY_C: {NONE: 1000.0, EACH[2]: 650.0},
        }
    )
    ledger = await ledger_of(plans, budget=24, sizes=(15, 12, 12), asked=EACH)
    assert best_of(ledger) == bits(frozenset({B, C}))
    assert 0 < ledger.reckonings < ledger.most_reckonings
    ledger.most_reckonings = ledger.reckonings
    assert best_of(ledger) == bits(EACH[0])


@pytest.mark.parametrize(
    ("questions", "looks", "expected", "why"),
    [
        (300.0, 100.0, 4, "a look takes little"),
        (300.0, 20.0, 15, "each look has its share of them"),
        (300.0, 0.2, 300, "there is not even one more look"),
        (-3.0, 0.0, 4, "nothing is left"),
    ],
)
def test_the_more_a_look_for_the_best_set_takes_the_more_is_asked_at_once(
    questions: float, looks: float, expected: int, why: str
) -> None:
    assert enough_at_once(questions, looks) == expected, why


async def test_no_more_is_asked_than_it_is_worth() -> None:
    texts = [f"SELECT {i} FROM t WHERE a = $1 AND b = $2 AND c = $3" for i in range(60)]
    plans = Plans({text: {NONE: 100.0, **dict.fromkeys(EACH, 50.0)} for text in texts})
    ledger = await ledger_of(plans, budget=10, sizes=(10, 10, 10))
    before = plans.planner_calls
    nomination = Nomination(ledger)
    best = await nomination.best()
    assert best.bit_count() == 1
    # There is room for one of three columns: a third of 60 and of one and a half times 180.
    assert before < plans.planner_calls <= max((60 + 1.5 * 180) / 3, before + 10) + 1
