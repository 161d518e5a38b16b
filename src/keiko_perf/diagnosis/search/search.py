"""
Search: which of the candidates are worth having, by what the planner says.

`Choice` chooses, and each of the others is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, field

from keiko_perf.diagnosis.candidates.indexes import Index, Refusal
from keiko_perf.diagnosis.pricing.price import TableLocked
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.search.bits import Bits, set_of
from keiko_perf.diagnosis.search.choice import Choice, Limits
from keiko_perf.diagnosis.search.costs import Asking, Costs
from keiko_perf.diagnosis.search.proving import Proving
from keiko_perf.diagnosis.search.refusing import Refusing
from keiko_perf.diagnosis.search.worth import Gains, Worth, is_gain
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.errors import StatementRefused


@dataclass(frozen=True, slots=True)
class Gain:
    """
    One statement that an index makes cheaper.

    Attributes:
        statement: which one.
        cost_before: of one execution without the index, in the planner's units.
        cost_after: with it.
        way_before: how its plan reads the index's table without it; empty if not known.
    """

    statement: Statement
    cost_before: float
    cost_after: float
    way_before: str = ""

    @property
    def answer(self) -> dict[str, object]:
        """What programs read of it."""
        return {
            "query": self.statement.text,
            "calls": self.statement.calls,
            "total_s": self.statement.total_s,
            "rows": self.statement.rows,
            "cost_before": self.cost_before,
            "cost_after": self.cost_after,
            "plan_before": self.way_before,
        }

    @property
    def saved(self) -> float:
        """What all its executions save."""
        return self.statement.calls * (self.cost_before - self.cost_after)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An index that is worth having, what it changes beside the others, and its upkeep."""

    index: Index
    gains: tuple[Gain, ...]
    upkeep: float
    losses: tuple[Gain, ...] = ()

    @property
    def benefit(self) -> float:
        return sum(gain.saved for gain in (*self.gains, *self.losses)) - self.upkeep


@dataclass(frozen=True, slots=True)
class Found:
    """
    Attributes:
        chosen: the most useful first.
        refusals: the others.
        unplanned: statements that the server cannot plan, by number, with its reason.
        cost_before: of the whole workload, as far as it was looked at.
        cost_after: with all that was chosen; at most, if the time was up.
        late: the statements that were not looked at before the time was up.
    """

    chosen: tuple[Chosen, ...]
    refusals: tuple[Refusal, ...]
    unplanned: Mapping[int, str]
    cost_before: float
    cost_after: float
    late: tuple[int, ...] = ()


@dataclass(slots=True)
class Search:
    """
    Args:
        costs: who is asked.
        upkeep: says what each candidate costs the workload's writes, once the planner was asked
            about every statement.
        limits: what may be chosen.
        in_memory: who says what a statement costs whose pages are in memory; None: nobody.
        untold: the candidates that it cannot say it of, as the planner is not asked about them.
    """

    costs: Costs
    upkeep: Callable[[], Mapping[Index, float]]
    limits: Limits
    in_memory: InitVar[Asking | None] = None
    untold: InitVar[Bits] = 0
    proving: Proving = field(init=False)
    worth: Worth = field(init=False)
    _unplanned: dict[int, str] = field(default_factory=dict)
    _late: list[int] = field(default_factory=list)

    def __post_init__(self, in_memory: Asking | None, untold: Bits) -> None:
        self.worth = Worth(
            self.costs,
            upkeep=(0.0,) * len(self.costs.candidates),
            has_budget=self.limits.budget_bytes is not None,
        )
        self.proving = Proving(
            self.costs, self.limits, self.pays, self._just, in_memory, lasting=untold
        )

    async def run(self) -> Found:
        """Search to the end."""
        numbers = await self._planned()
        upkeep = self.upkeep()
        self.worth.upkeep = tuple(upkeep[one] for one in self.costs.candidates)
        self.worth.cost_before = sum(
            [self._calls(one) * await self.costs.price(one, 0) for one in numbers]
        )
        choice = Choice(
            costs=self.costs,
            live=tuple(one for one in numbers if self.costs.relevant(one)),
            upkeep=self.worth.upkeep,
            limits=self.limits,
            pays=self.pays,
            base=self.worth.cost_before,
        )
        order = choice.most_useful_first(await self.proving.best(choice))
        chosen = await self._described(order, choice)
        refusals = await Refusing(self.worth, self.proving, choice, set_of(order)).all()
        return Found(
            chosen=tuple(chosen),
            refusals=tuple(sorted(refusals, key=lambda one: one.index)),
            unplanned=self._unplanned,
            cost_before=self.worth.cost_before,
            cost_after=sum(
                [self._calls(one) * await self._just(one, set_of(order)) for one in numbers]
            ),
            late=tuple(self._late),
        )

    def _calls(self, number: int) -> float:
        return self.costs.queries[number].statement.calls

    async def _planned(self) -> list[int]:
        """The statements that the server can plan."""
        planned = []
        locked: dict[frozenset[TableName], str] = {}
        for number, query in enumerate(self.costs.queries):
            if not query.shape.is_plannable:
                continue
            if self.limits.is_late():
                self._late.append(number)
                continue
            tables = query.shape.tables
            # To wait for the same lock again, for each statement, could take minutes.
            why = next((why for held, why in locked.items() if held and held <= tables), None)
            if why is None:
                try:
                    await self.costs.price(number, 0)
                except StatementRefused as refusal:
                    why = refusal.what
                    if isinstance(refusal, TableLocked):
                        locked[tables] = why
            if why is None:
                planned.append(number)
            else:
                self._unplanned[number] = why
        return planned

    def pays(self, bit: int, gains: Gains) -> bool:
        """Whether an index may be chosen, and what it saves is worth having it."""
        return not self.proving.barred >> bit & 1 and self.worth.pays(bit, gains)

    async def _described(self, order: list[int], choice: Choice) -> list[Chosen]:
        """The chosen with what each adds to those before it."""
        found = []
        before, everything = 0, set_of(order)
        for bit in order:
            said, by_clock = [], []
            for number in choice.affected(1 << bit):
                without = await self._exactly(number, before)
                with_it = await self._exactly(number, before | (1 << bit))
                said.append((number, without, with_it))
                old = self.costs.plan(number, everything & ~(1 << bit)).real
                by_clock.append((number, old, self.costs.plan(number, everything).real))
            # Whatever the planner says: what gains and what loses is told in the same measure.
            loses = any(is_gain(new, old) for _, old, new in by_clock)
            changed = [
                Gain(self.costs.queries[number].statement, without, with_it)
                for number, without, with_it in (by_clock if loses else said)
                if without != with_it
            ]
            changed.sort(key=lambda gain: (-gain.saved, gain.statement.text))
            index = self.costs.candidates[bit]
            found.append(
                Chosen(
                    index,
                    tuple(gain for gain in changed if gain.saved > 0),
                    self.worth.upkeep[bit],
                    tuple(gain for gain in changed if gain.saved < 0),
                )
            )
            before |= 1 << bit
        return found

    async def _exactly(self, number: int, some: Bits) -> float:
        """What a statement costs; at most once the time is up."""
        if self.limits.is_late():
            return min(self.costs.bounds(number, some)[1], await self.costs.price(number, 0))
        return await self.costs.price(number, some)

    async def _just(self, number: int, some: Bits) -> float:
        """The same under just these indexes, not what stands for them."""
        if self.limits.is_late():
            return self.costs.bounds(number, some)[1]
        return await self.costs.exact(number, some)
