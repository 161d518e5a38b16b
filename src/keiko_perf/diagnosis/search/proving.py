"""
Proving: the best set of those that do what the planner promises of them.

What was chosen is looked at once more: by what its plans really cost (see visits), and by what is
left of a small gain where the pages are in memory (see memory). What then is not worth having is
taken out, and chosen anew without it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keiko_perf.diagnosis.search.bits import Bits, set_of
from keiko_perf.diagnosis.search.choice import Choice, Limits
from keiko_perf.diagnosis.search.costs import Asking, Costs
from keiko_perf.diagnosis.search.worth import Gains, is_gain

_CHEAPER_ANYWHERE = 0.5
"""An index that makes a statement cheaper by so much does so wherever the pages are."""
_LEAST_IN_MEMORY = 0.12
"""By so much where all pages are there: beside the rows there are costs that no planner counts."""
_CAUTION = 0.1
"""What a statement loses counts so much more: it is slower for certain, what others gain is not."""
_MOST_ASKED_AGAIN = 2
"""Statements that gain most by an index."""
_MOST_CHOICES = 3
"""So often it is chosen anew, without what turned out to be of no use, while it may ask."""


@dataclass(slots=True)
class Proving:
    """
    Args:
        costs: who is asked.
        limits: what may be chosen.
        pays: whether it is worth having an index, by the gains of statements.
        exactly: asks what a statement costs under some indexes, where it matters.
        in_memory: who says what a statement costs whose pages are in memory; None: nobody.

    Attributes:
        barred: what is not to be chosen any more.
        fleeting: what saves nothing where the pages are in memory.
        lasting: what saves something there, too, or cannot be asked about; it is not asked again.
        slower: what its plans really cost too much for.
    """

    costs: Costs
    limits: Limits
    pays: Callable[[int, Gains], bool]
    exactly: Callable[[int, Bits], Awaitable[float]]
    in_memory: Asking | None
    barred: Bits = 0
    fleeting: Bits = 0
    lasting: Bits = 0
    slower: Bits = 0

    async def best(self, choice: Choice) -> list[int]:
        """The best set of those that do what the planner promises of them."""
        kept: list[int] = []
        best: list[int] = []
        for number in range(_MOST_CHOICES):
            order = await (choice.again(set_of(kept)) if number else choice.run())
            if number and set_of(order) == set_of(kept):
                break
            quicker = await self._quicker(order, choice)
            kept = await self._lasting(quicker, choice)
            self.slower |= set_of(order) & ~set_of(quicker)
            self.barred |= self.fleeting | self.slower
            # What is refused beside some may leave room for what is worse.
            is_better = self._cost(kept, choice) < self._cost(best, choice)
            best = kept if is_better or not number else best
            if kept == order or self.limits.is_late() or not choice.may_ask():
                break
        self.slower &= ~set_of(best)
        return best

    def _cost(self, order: list[int], choice: Choice) -> float:
        """What the planner says of the workload with the chosen, as far as it is known."""
        some = set_of(order)
        plans = (choice.weights[one] * self.costs.plan(one, some).cost for one in choice.live)
        return sum(plans) + choice.upkeep_of(some)

    def seeming(self, choice: Choice, bit: int, others: Bits) -> Gains:
        """What an index changes at most, as far as is known."""
        found = []
        for number in choice.affected(1 << bit):
            _low, before = self.costs.bounds(number, others)
            after, _high = self.costs.bounds(number, others | (1 << bit))
            if before > after and before < float("inf"):
                found.append((number, before, after))
        return found

    def seeming_by_clock(self, choice: Choice, bit: int, others: Bits) -> Gains:
        """What each statement takes beside *others* without and with an index, as far as known."""
        plan = self.costs.plan
        found = [
            (number, plan(number, others).real, plan(number, others | 1 << bit).real)
            for number in choice.affected(1 << bit)
        ]
        return [one for one in found if one[1] != one[2]]

    async def _quicker(self, order: list[int], choice: Choice) -> list[int]:
        """The chosen without those that are not worth having by what their plans really cost."""
        kept = list(order)
        judged = 0
        while judged != set_of(kept):
            # What is taken out may have been what made another one worth having.
            judged = set_of(kept)
            for bit in [one for one in reversed(order) if judged >> one & 1]:
                if not self.pays(bit, await self._by_clock(bit, set_of(kept), choice)):
                    kept.remove(bit)
        return kept

    async def _by_clock(self, bit: int, everything: Bits, choice: Choice) -> Gains:
        """What each statement takes without one of the chosen and with it, if not the same."""
        others = everything & ~(1 << bit)
        using = []
        for number in choice.affected(1 << bit):
            # What is only known to be at most so dear may be dearer: where there is more to
            # choose from, the planner sometimes takes what takes longer. It is asked about
            # in the end in any case: who loses has to be told.
            await self.exactly(number, everything)
            # Two plans without it differ by chance: to judge it by them costs TPC-H 3 % more.
            if self._uses(number, everything, bit):
                using.append(number)
                if choice.may_ask():
                    await self.exactly(number, others)
        gains = [self._gain(number, others, everything) for number in using]
        if gains:
            # What it is chosen for is not left to what is only known to be at most so dear.
            most = max(gains, key=lambda one: choice.weights[one[0]] * (one[1] - one[2]))[0]
            await self.exactly(most, others)
            gains = [self._gain(number, others, everything) for number in using]
        return [one for one in gains if one[1] != one[2]]

    def _gain(self, number: int, others: Bits, everything: Bits) -> tuple[int, float, float]:
        """What a statement takes without one of the chosen and with it, a loss with caution."""
        before = self.costs.plan(number, others).real
        after = self.costs.plan(number, everything).real
        return number, before, after + _CAUTION * max(after - before, 0.0)

    def _uses(self, number: int, some: Bits, bit: int) -> bool:
        """Whether a statement's plan under some indexes uses one of them."""
        used = self.costs.plan(number, some).used
        return bool(used & (1 << bit | self.costs.projected(number, 1 << bit)))

    async def _lasting(self, order: list[int], choice: Choice) -> list[int]:
        """The chosen without those whose gain is not there where the pages are in memory."""
        if self.in_memory is None:
            return order
        kept = list(order)
        for bit in reversed(order):
            if self.limits.is_late():
                break
            if self.lasting >> bit & 1:
                continue
            others = set_of(kept) & ~(1 << bit)
            gains = self.seeming(choice, bit, others)
            if await self._lasts(bit, others, gains, self.in_memory):
                self.lasting |= 1 << bit
            else:
                kept.remove(bit)
                self.fleeting |= 1 << bit
        return kept

    async def _lasts(self, bit: int, others: Bits, gains: Gains, in_memory: Asking) -> bool:
        """Whether a statement is cheaper by an index, wherever its pages are."""
        gains = sorted(gains, key=lambda one: (one[2] / max(one[1], 1e-9), one[0]))[
            :_MOST_ASKED_AGAIN
        ]
        if not gains or gains[0][2] <= (1 - _CHEAPER_ANYWHERE) * gains[0][1]:
            return True
        for number, _, _ in gains:
            before = await self.costs.cost_in_memory(in_memory, number, others)
            after = await self.costs.cost_in_memory(in_memory, number, others | 1 << bit)
            if is_gain(before, after, _LEAST_IN_MEMORY):
                return True
        return False
