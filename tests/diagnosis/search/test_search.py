"""The search against a planner of our own whose answers are known in advance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import permutations, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.verify import IndexRefused, Price
from keiko_perf.diagnosis.pricing.visits import Visit
from keiko_perf.diagnosis.schema import Key, Table, TableName
from keiko_perf.diagnosis.search.answer import Answer
from keiko_perf.diagnosis.search.bits import set_of
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.costs import Costs, Query
from keiko_perf.diagnosis.search.search import Found, Search
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.errors import StatementRefused

TABLE = TableName("", "t")
NONE: frozenset[Index] = frozenset()
A, B, C, AB = (Index(TABLE, tuple(map(Key, columns))) for columns in ("a", "b", "c", "ab"))


@dataclass(slots=True)
class Plans:
    """
    A planner that knows each plan of a statement: the indexes it needs, and its cost. It takes the
    cheapest for which all is there.
    """

    plans: dict[str, dict[frozenset[Index], float]]
    visits: dict[tuple[str, frozenset[Index]], Visit] = field(default_factory=dict)
    impossible: frozenset[Index] = NONE
    planner_calls: int = 0
    asked: list[tuple[str, frozenset[Index]]] = field(default_factory=list)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        if text not in self.plans:
            raise StatementRefused("the server cannot plan it: no plan", cure="Look at it")
        for index in sorted(indexes & self.impossible):
            raise IndexRefused(index, "too wide")
        self.planner_calls += 1
        self.asked.append((text, indexes))
        cost, needed = min(
            (cost, sorted(needs)) for needs, cost in self.plans[text].items() if needs <= indexes
        )
        visit = self.visits.get((text, frozenset(needed)))
        return Price(cost, frozenset(needed), visits=(visit,) if visit else ())

    async def size_bytes(self, index: Index) -> int | None:
        return None

    async def sizes(self, indexes: Iterable[Index]) -> dict[Index, int | IndexRefused | None]:
        return dict.fromkeys(indexes)

    def can_assume(self, index: Index) -> bool:
        return True


def query(text: str, calls: int = 1) -> Query:
    return Query(Statement(text=text, calls=calls), read(text))


BOTH = "SELECT 1 FROM t WHERE a = $1 AND b = $2"
ONLY_A = "SELECT 2 FROM t WHERE a = $1"
A_AND_C = "SELECT 4 FROM t WHERE a = $1 AND c = $2"
ONLY_B = "SELECT 5 FROM t WHERE b = $1"
ONLY_C = "SELECT 3 FROM t WHERE c = $1"


async def found(
    plans: Plans,
    *queries: Query,
    candidates: tuple[Index, ...] = (A, B, AB, C),
    upkeep: float = 0.0,
    max_indexes: int | None = 10,
    budget_bytes: float | None = None,
    sizes: tuple[float, ...] = (),
    in_memory: Plans | None = None,
    tables: dict[TableName, Table] | None = None,
) -> Found:
    costs = Costs(plans, queries, candidates, sizes, tables or {})
    limits = Limits(max_indexes=max_indexes, budget_bytes=budget_bytes)
    asking = in_memory.price if in_memory else None
    return await Search(costs, dict.fromkeys(candidates, upkeep), limits, asking).run()


def reasons(result: Found) -> dict[Index, str]:
    return {one.index: one.code for one in result.refusals}


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


def looked_up(times: float) -> Visit:
    """Ten scattered rows each time, for which the planner reckons next to nothing."""
    return Visit(TABLE, "", times=times, cost=0.1, rows=10.0)


T = Table(name=TABLE, columns={}, rows=1e6, size_bytes=8e8)
ALONE = frozenset({A})


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


async def test_what_saves_less_than_a_twentieth_of_any_statement_is_refused() -> None:
    plans = Plans({BOTH: {NONE: 1000.0, frozenset({A}): 951.0, frozenset({B}): 950.0}})
    result = await found(plans, query(BOTH))
    assert [one.index for one in result.chosen] == [B]
    assert reasons(result)[A] == "small_gain"


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
    assert [one.index for one in result.chosen] == [B, C]
    assert reasons(result) == {A: "superseded"}
    assert result.cost_after == 21.0


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
    # Many dearer statements that nothing helps, each of them worth a question.
    hopeless = [f"SELECT {number} FROM t WHERE b = $1 AND c = $2" for number in range(10, 60)]
    known = {one: {NONE: 1000.0} for one in hopeless}
    plans = Plans(known | {join: {NONE: 900.0, frozenset({A, other}): 10.0}})
    queries = [query(one) for one in (*hopeless, join)]
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
    limits = Limits(max_indexes=10, is_late=lambda: plans.planner_calls >= 2)
    result = await Search(costs, {A: 0.0}, limits).run()
    assert result.chosen == ()
    assert reasons(result) == {A: "late"}
    assert plans.planner_calls == 2


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
    result = await Search(costs, dict.fromkeys(candidates, 0.0), limits).run()
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
