"""
Search: which of the candidates are worth having, by what the planner says.

Without a budget first all candidates at once: a statement that they don't help together, none of
them helps. Then `Choice` chooses; and each of the others is refused with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field

from keiko_perf.diagnosis.advice.advice import Gain, Refusal
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.pricing.price import TableLocked
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of
from keiko_perf.diagnosis.search.choice import Choice, Limits
from keiko_perf.diagnosis.search.costs import Asking, Costs
from keiko_perf.diagnosis.search.proving import LEAST_GAIN, Gains, Proving, is_gain
from keiko_perf.errors import StatementRefused
from keiko_perf.model import Message, say

LEAST_SHARE = 0.01
"""It must save this share of the whole workload's cost, unless it makes a statement far cheaper."""
LEAST_SHARE_OF_BUDGET = 0.0001
"""The same where the user has set a budget to use."""
_LEAST_SHARE_IF_UNCLEAR, _CLEAR = 0.0003, 0.2
"""And where no statement becomes cheaper by so much: what saves less is lost among what varies."""
FAR_CHEAPER = 3.0
"""By this factor."""
_LEAST_HELP = 0.01
"""Of what a statement costs: within a budget what saves so little is weighed as well."""
_MOST_NAMED = 3
_MOST_EXPLAINED = 40
"""Of more candidates, and within a budget, the reasons are what is known already."""


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
        upkeep: what each candidate costs the workload's writes.
        limits: what may be chosen.
        in_memory: who says what a statement costs whose pages are in memory; None: nobody.
        untold: the candidates that it cannot say it of, as the planner is not asked about them.
    """

    costs: Costs
    upkeep: Mapping[Index, float]
    limits: Limits
    in_memory: InitVar[Asking | None] = None
    untold: InitVar[Bits] = 0
    proving: Proving = field(init=False)
    _unplanned: dict[int, str] = field(default_factory=dict)
    _late: list[int] = field(default_factory=list)
    _cost_before: float = 0.0
    _upkeep: tuple[float, ...] = ()
    """The upkeep by bit."""

    def __post_init__(self, in_memory: Asking | None, untold: Bits) -> None:
        self._upkeep = tuple(self.upkeep[one] for one in self.costs.candidates)
        self.proving = Proving(
            self.costs, self.limits, self.pays, self._just, in_memory, lasting=untold
        )

    async def run(self) -> Found:
        """Search to the end."""
        numbers = await self._planned()
        self._cost_before = sum(
            [self._calls(one) * await self.costs.price(one, 0) for one in numbers]
        )
        choice = Choice(
            costs=self.costs,
            live=tuple(await self._helped(numbers)),
            upkeep=self._upkeep,
            limits=self.limits,
            pays=self.pays,
            base=self._cost_before,
        )
        order = await self.proving.best(choice)
        chosen = await self._described(order, choice)
        refusals = await _Refusing(self, choice, set_of(order)).all()
        return Found(
            chosen=tuple(chosen),
            refusals=tuple(sorted(refusals, key=lambda one: one.index)),
            unplanned=self._unplanned,
            cost_before=self._cost_before,
            cost_after=sum(
                [self._calls(one) * await self._finally(one, set_of(order)) for one in numbers]
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

    async def _helped(self, numbers: Iterable[int]) -> list[int]:
        """The statements that all candidates together may make cheaper enough, or dearer."""
        helped = []
        for number in numbers:
            everything = self.costs.relevant(number)
            if not everything or self.limits.is_late():
                continue
            before = await self.costs.price(number, 0)
            if self.costs.most_saved(number, everything) < self._least_help * before:
                continue
            # Within a budget the search itself decides whom to ask, and about what.
            if (
                self.limits.budget_bytes is not None
                or is_gain(before, await self.costs.price(number, everything))
                or is_gain(self.costs.plan(number, everything).real, before)
            ):
                helped.append(number)
        return helped

    @property
    def _least_help(self) -> float:
        """What all candidates together must save a statement for it to be weighed at all."""
        return LEAST_GAIN if self.limits.budget_bytes is None else _LEAST_HELP

    def pays(self, bit: int, gains: Gains) -> bool:
        """Whether what an index saves is worth having it, where it does more than what is there."""
        if self.proving.barred >> bit & 1:
            return False
        gains = [one for one in gains if self.costs.does_more(one[0], bit)]
        saved = sum([self._calls(number) * (before - after) for number, before, after in gains])
        return saved > self._upkeep[bit] and self.is_notable(gains, saved)

    def is_notable(self, gains: Gains, saved: float) -> bool:
        """Whether somebody would notice."""
        has_budget = self.limits.budget_bytes is not None
        if not any(is_gain(before, after) for _, before, after in gains):
            return False
        if saved >= self.least_share(gains) * self._cost_before:
            return True
        return not has_budget and any(
            before >= FAR_CHEAPER * after and before > after and self._calls(number) > 0
            for number, before, after in gains
        )

    def least_share(self, gains: Gains) -> float:
        """Which share of the workload's cost an index must save."""
        if self.limits.budget_bytes is None:
            return LEAST_SHARE
        is_clear = any(is_gain(before, after, _CLEAR) for _, before, after in gains)
        return LEAST_SHARE_OF_BUDGET if is_clear else _LEAST_SHARE_IF_UNCLEAR

    async def _described(self, order: list[int], choice: Choice) -> list[Chosen]:
        """The chosen with what each adds to those before it; the best for its size first."""
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
                    self.upkeep[index],
                    tuple(gain for gain in changed if gain.saved < 0),
                )
            )
            before |= 1 << bit
        return found

    async def _exactly(self, number: int, some: Bits) -> float:
        """What a statement costs; at most where it is a small part of the workload, or late."""
        if self.limits.is_late() or self._is_small(number, some):
            return min(self.costs.bounds(number, some)[1], await self.costs.price(number, 0))
        return await self.costs.price(number, some)

    async def _just(self, number: int, some: Bits) -> float:
        """The same under just these indexes, not what stands for them."""
        if self.limits.is_late():
            return self.costs.bounds(number, some)[1]
        return await self.costs.exact(number, some)

    def _is_small(self, number: int, some: Bits) -> bool:
        """Whether a doubt about a statement is a small part of the workload."""
        low, high = self.costs.bounds(number, some)
        doubt = min(high, self.costs.bounds(number, 0)[1]) - low
        return self._calls(number) * doubt <= 1e-4 * self._cost_before

    async def _finally(self, number: int, chosen: Bits) -> float:
        """What a statement costs with all that was chosen; at most, once the time is up."""
        if self.limits.is_late():
            return self.costs.bounds(number, chosen)[1]
        return await self.costs.exact(number, chosen)


@dataclass(slots=True)
class _Refusing:
    """Why each of the other candidates was not chosen."""

    search: Search
    choice: Choice
    chosen: Bits

    async def all(self) -> list[Refusal]:
        candidates = self.search.costs.candidates
        has_budget = self.search.limits.budget_bytes is not None
        is_few = len(candidates) <= _MOST_EXPLAINED and not has_budget
        found = []
        for bit, index in enumerate(candidates):
            if not self.chosen >> bit & 1:
                if is_few and not self.search.limits.is_late():
                    await self.choice.gains(bit, 0)
                    await self.choice.gains(bit, self.chosen)
                found.append(self._refusal(bit, index))
        return found

    def _refusal(self, bit: int, index: Index) -> Refusal:
        if not self.search.costs.can_be_priced(bit):
            return Refusal(
                index,
                "unverified",
                say(
                    "the planner cannot be asked about it: it depends on a parameter's value;"
                    " --scratch-schema tries it on a sample"
                ),
            )
        if self.search.proving.fleeting >> bit & 1:
            return Refusal(
                index,
                "in_memory",
                say("it saves something only where pages come from the disk, not from memory"),
            )
        if self.search.proving.slower >> bit & 1:
            return _slower(index)
        seeming = self.search.proving.seeming(self.choice, bit, 0)
        alone = [one for one in seeming if self.search.costs.does_more(one[0], bit)]
        saved = self.choice.saved(alone)
        upkeep = self.search.upkeep[index]
        if seeming and not alone:
            return Refusal(
                index, "exists", say("what it would be used for, an index that is there does")
            )
        if not alone:
            return Refusal(index, "unused", say("the planner would not use it"))
        if not self.search.is_notable(alone, saved):
            return Refusal(index, "small_gain", self._why_small(alone))
        if saved <= upkeep:
            return Refusal(
                index,
                "upkeep",
                say(
                    "it saves {saved:number}, but costs the writes {upkeep:number}",
                    saved=saved,
                    upkeep=upkeep,
                ),
            )
        return self._beside_others(bit, index, alone)

    def _why_small(self, gains: Gains) -> Message:
        if not any(is_gain(before, after) for _, before, after in gains):
            return say("it makes no statement cheaper by {least:ratio} or more", least=LEAST_GAIN)
        if self.search.limits.budget_bytes is not None:
            share = self.search.least_share(gains)
            return say("it saves less than {least:ratio} of the workload's cost", least=share)
        return say(
            "it saves less than {least:ratio} of the workload's cost, and makes no"
            " statement {factor:factor} cheaper",
            least=LEAST_SHARE,
            factor=FAR_CHEAPER,
        )

    def _beside_others(self, bit: int, index: Index, alone: Gains) -> Refusal:
        limits = self.search.limits
        rest = self.search.proving.seeming(self.choice, bit, self.chosen)
        if self.search.pays(bit, rest) and not self._is_begun(bit):
            by_clock = self.search.proving.seeming_by_clock(self.choice, bit, self.chosen)
            if not self.search.pays(bit, by_clock):
                return _slower(index)
            if limits.budget_bytes is not None and self.choice.room(self.chosen | 1 << bit) < 0:
                return Refusal(
                    index,
                    "budget",
                    say(
                        "those that were chosen save more within {budget:bytes}",
                        budget=int(limits.budget_bytes),
                    ),
                )
            if limits.max_indexes is not None and self.chosen.bit_count() >= limits.max_indexes:
                return Refusal(
                    index,
                    "limit",
                    say(
                        "as many are chosen already as were asked for: {most:count}",
                        most=limits.max_indexes,
                    ),
                )
        better = self._better(bit, alone)
        if not better:
            return Refusal(index, "late", say("the time was up before it was compared"))
        if len(better) == 1:
            reason = say("{better} does as much or more", better=str(better[0]))
        else:
            named = ", ".join(map(str, better))
            reason = say("{better} do as much or more together", better=named)
        return Refusal(index, "superseded", reason)

    def _better(self, bit: int, alone: Gains) -> list[Index]:
        """What was chosen for the statements that it would help, what does most for them first."""
        candidates = self.search.costs.candidates
        wider = [
            one for one in bits_of(self.chosen) if candidates[one].begins_with(candidates[bit])
        ]
        helped = {number for number, _, _ in alone}
        does: dict[int, float] = {}
        for one in bits_of(self.chosen):
            gains = self.search.proving.seeming(self.choice, one, 0)
            does[one] = self.choice.saved([gain for gain in gains if gain[0] in helped])
        most = sorted((one for one in does if does[one] > 0), key=lambda one: -does[one])
        named = wider[:1] or most[:_MOST_NAMED] or list(does)[:_MOST_NAMED]
        return [candidates[one] for one in named]

    def _is_begun(self, bit: int) -> bool:
        """Whether a wider one that was chosen begins with it."""
        candidates = self.search.costs.candidates
        return any(candidates[one].begins_with(candidates[bit]) for one in bits_of(self.chosen))


def _slower(index: Index) -> Refusal:
    return Refusal(
        index,
        "slower",
        say("its look-ups take longer than the planner says, so that it saves little or nothing"),
    )
