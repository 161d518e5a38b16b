"""
Search: which of the candidates are worth having, by what the planner says.

First all candidates at once: a statement that they don't help together, none of them helps. Then
one after the other, always the one that saves most beside those chosen already, less what the
workload's writes cost. One whose columns are the first of another one's goes again if that does
nearly as much, and in the end so does whatever the others have made superfluous. The same questions
get the same answer: ties go to the narrower index, then to the one proposed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from keiko_perf.diagnosis.advice import Gain, Refusal
from keiko_perf.diagnosis.costs import NONE, Costs, Indexes
from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.price import IndexRefused, TableLocked
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.errors import StatementRefused
from keiko_perf.model import say

LEAST_GAIN = 0.05
"""An index must make at least one statement cheaper by this share."""
LEAST_SHARE = 0.01
"""It must save this share of the whole workload's cost, unless it makes a statement far cheaper."""
FAR_CHEAPER = 3.0
"""By this factor."""
_OWN = 0.1
"""What an index must save of its own if a wider one begins with its columns: this share."""
_ABOUT_EQUAL = 0.01
"""Of two candidates that save the same but for this share, the narrower one is taken."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An index that is worth having, what it saves beside the others, and its upkeep."""

    index: Index
    gains: tuple[Gain, ...]
    upkeep: float

    @property
    def benefit(self) -> float:
        return sum(gain.saved for gain in self.gains) - self.upkeep


@dataclass(frozen=True, slots=True)
class Found:
    """
    Attributes:
        chosen: in the order in which they were.
        refusals: the others.
        unplanned: statements that the server cannot plan, by number, with its reason.
        cost_before: of the whole workload.
        cost_after: with all that was chosen.
    """

    chosen: tuple[Chosen, ...]
    refusals: tuple[Refusal, ...]
    unplanned: Mapping[int, str]
    cost_before: float
    cost_after: float


@dataclass(slots=True)
class Search:
    """
    Args:
        costs: who is asked.
        candidates: what can be chosen from, the better of two that are worth the same first.
        upkeep: what each candidate costs the workload's writes.
        max_indexes: how many may be chosen.
    """

    costs: Costs
    candidates: tuple[Index, ...]
    upkeep: Mapping[Index, float]
    max_indexes: int
    _unplanned: dict[int, str] = field(default_factory=dict)
    _refused: dict[Index, Refusal] = field(default_factory=dict)
    _impossible: set[Index] = field(default_factory=set)
    _possible: Indexes = NONE
    _places: dict[Index, int] = field(default_factory=dict)
    _cost_before: float = 0.0

    async def run(self) -> Found:
        """Search to the end."""
        numbers = await self._planned()
        self._cost_before = await self._total(numbers, NONE)
        live = await self._helped(numbers)
        chosen = await self._choose(live)
        chosen = await self._without_superfluous(chosen, live)
        described = [await self._described(one, chosen, live) for one in chosen]
        await self._refuse_rest(chosen, live)
        return Found(
            chosen=tuple(described),
            refusals=tuple(sorted(self._refused.values(), key=lambda one: one.index)),
            unplanned=self._unplanned,
            cost_before=self._cost_before,
            cost_after=await self._total(numbers, frozenset(chosen)),
        )

    async def _planned(self) -> list[int]:
        """The statements that the server can plan."""
        planned = []
        locked: dict[frozenset[TableName], str] = {}
        for number, query in enumerate(self.costs.queries):
            if not query.shape.is_plannable:
                continue
            tables = query.shape.tables
            # To wait for the same lock again, for each statement, could take minutes.
            why = next((why for held, why in locked.items() if held and held <= tables), None)
            if why is None:
                try:
                    await self.costs.price(number, NONE)
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
        """The statements that all candidates together make cheaper enough."""
        helped = []
        for number in numbers:
            if self.costs.relevant(number, self._all):
                after = await self._price(number, self._all)
                if _is_gain(await self._price(number, NONE), after):
                    helped.append(number)
        return helped

    @property
    def _all(self) -> Indexes:
        """The candidates that can be made, as one set for as long as they are the same."""
        if len(self._possible) + len(self._impossible) != len(self.candidates):
            self._possible = frozenset(self.candidates) - self._impossible
        return self._possible

    def _preference(self, index: Index) -> tuple[int, int]:
        if not self._places:
            self._places = {one: place for place, one in enumerate(self.candidates)}
        return len(index.keys), self._places[index]

    async def _price(self, number: int, indexes: Indexes) -> float:
        """A price; an index that turns out to be impossible is refused and left out."""
        while True:
            try:
                return (await self.costs.price(number, indexes - self._impossible)).cost
            except IndexRefused as refusal:
                self._impossible.add(refusal.index)
                self._refused[refusal.index] = Refusal(
                    refusal.index,
                    "impossible",
                    say("the server cannot make it: {reason}", reason=refusal.reason),
                )

    async def _choose(self, live: list[int]) -> list[Index]:
        chosen: list[Index] = []
        while len(chosen) < self.max_indexes:
            best = await self._best(chosen, live)
            if best is None:
                break
            chosen = await self._with(best, chosen, live)
        return chosen

    async def _with(self, best: Index, chosen: list[Index], live: list[int]) -> list[Index]:
        """The chosen with one more, in the place of those for which it can stand."""
        replaced = [
            one
            for one in chosen
            if best.begins_with(one) and not await self._adds(one, [*chosen, best], live)
        ]
        if not replaced:
            return [*chosen, best]
        place = chosen.index(replaced[0])
        kept = [one for one in chosen if one not in replaced]
        return [*kept[:place], best, *kept[place:]]

    async def _adds(self, index: Index, chosen: Iterable[Index], live: list[int]) -> bool:
        """Whether an index saves something of its own beside wider ones that begin with it."""
        wider = [one for one in chosen if one.begins_with(index)]
        if not wider:
            return True
        beside = self._saved(await self._gains(index, chosen, live))
        alone = self._saved(await self._gains(index, set(chosen) - set(wider), live))
        return beside >= _OWN * alone

    @staticmethod
    def _saved(gains: Iterable[Gain]) -> float:
        return sum(gain.saved for gain in gains)

    async def _best(self, chosen: list[Index], live: list[int]) -> Index | None:
        best: Index | None = None
        most = 0.0
        for bound, candidate in await self._by_promise(chosen, live):
            if bound <= most / (1 + _ABOUT_EQUAL):
                break
            gains = await self._gains(candidate, chosen, live)
            if not self._pays(candidate, gains) or not await self._adds(candidate, chosen, live):
                continue
            benefit = self._saved(gains) - self.upkeep[candidate]
            if best is None or self._is_better(candidate, benefit, best, most):
                best, most = candidate, benefit
        return best

    def _pays(self, index: Index, gains: list[Gain]) -> bool:
        """Whether what an index saves is worth having it."""
        return self._saved(gains) > self.upkeep[index] and self._is_notable(gains)

    def _is_notable(self, gains: list[Gain]) -> bool:
        if not any(_gained(gain) for gain in gains):
            return False
        is_much = self._saved(gains) >= LEAST_SHARE * self._cost_before
        return is_much or any(
            gain.cost_before >= FAR_CHEAPER * gain.cost_after and gain.saved > 0 for gain in gains
        )

    def _is_better(self, one: Index, benefit: float, other: Index, most: float) -> bool:
        if abs(benefit - most) > _ABOUT_EQUAL * max(benefit, most):
            return benefit > most
        return self._preference(one) < self._preference(other)

    async def _by_promise(self, chosen: list[Index], live: list[int]) -> list[tuple[float, Index]]:
        """The candidates that are left, with the most that each can save; the best first."""
        bounds: dict[Index, float] = {}
        for number in live:
            now = await self._price(number, frozenset(chosen))
            least = await self._price(number, self._all)
            calls = self.costs.queries[number].statement.calls
            for index in self.costs.relevant(number, self._all):
                bounds[index] = bounds.get(index, -self.upkeep[index]) + calls * (now - least)
        left = [(bound, index) for index, bound in bounds.items() if index not in chosen]
        return sorted(left, key=lambda one: (-one[0], self._preference(one[1])))

    async def _gains(
        self, candidate: Index, chosen: Iterable[Index], live: list[int]
    ) -> list[Gain]:
        """What a candidate changes beside the chosen ones, also for the worse."""
        others = frozenset(chosen) - {candidate}
        gains = []
        for number in live:
            if self.costs.relevant(number, frozenset({candidate})):
                before = await self._price(number, others)
                after = await self._price(number, others | {candidate})
                if before != after:
                    gains.append(Gain(self.costs.queries[number].statement, before, after))
        return sorted(gains, key=lambda gain: (-gain.saved, gain.statement.text))

    async def _without_superfluous(self, chosen: list[Index], live: list[int]) -> list[Index]:
        """The chosen without those that later ones have replaced."""
        kept = list(chosen)
        for index in chosen:
            if not self._pays(index, await self._gains(index, kept, live)):
                kept.remove(index)
        return kept

    async def _described(self, index: Index, chosen: list[Index], live: list[int]) -> Chosen:
        """A chosen index with what it adds to those chosen before it."""
        before = chosen[: chosen.index(index)]
        gains = await self._gains(index, before, live)
        return Chosen(index, tuple(gain for gain in gains if gain.saved > 0), self.upkeep[index])

    async def _refuse_rest(self, chosen: list[Index], live: list[int]) -> None:
        for index in sorted(self._all - set(chosen)):
            self._refused[index] = await self._refusal(index, chosen, live)

    async def _refusal(self, index: Index, chosen: list[Index], live: list[int]) -> Refusal:
        alone = await self._gains(index, (), live)
        if not alone:
            return Refusal(index, "unused", say("the planner would not use it"))
        if not any(_gained(gain) for gain in alone):
            return Refusal(
                index,
                "small_gain",
                say("it makes no statement cheaper by {least:ratio} or more", least=LEAST_GAIN),
            )
        if not self._is_notable(alone):
            return Refusal(
                index,
                "small_gain",
                say(
                    "it saves less than {least:ratio} of the workload's cost, and makes no"
                    " statement {factor:factor} cheaper",
                    least=LEAST_SHARE,
                    factor=FAR_CHEAPER,
                ),
            )
        saved = self._saved(alone)
        if saved <= self.upkeep[index]:
            return Refusal(
                index,
                "upkeep",
                say(
                    "it saves {saved:number}, but costs the writes {upkeep:number}",
                    saved=saved,
                    upkeep=self.upkeep[index],
                ),
            )
        rest = await self._gains(index, chosen, live)
        if self._pays(index, rest) and await self._adds(index, chosen, live):
            return Refusal(
                index,
                "limit",
                say("as many are chosen already as were asked for: {most:count}", most=len(chosen)),
            )
        better = [one for one in chosen if one.table == index.table] or chosen
        return Refusal(
            index,
            "superseded",
            say("{better} does as much or more", better=", ".join(map(str, better))),
        )

    async def _total(self, numbers: Iterable[int], indexes: Indexes) -> float:
        total = 0.0
        for number in numbers:
            calls = self.costs.queries[number].statement.calls
            total += calls * await self._price(number, indexes)
        return total


def _is_gain(before: float, after: float) -> bool:
    return before - after >= LEAST_GAIN * before and before > after


def _gained(gain: Gain) -> bool:
    return _is_gain(gain.cost_before, gain.cost_after)
