"""
Nomination: the plans worth knowing, found with few questions.

The planner is asked about few, large sets for each statement: all candidates, where they lie on
several tables and may help only together; the narrow ones; those that it has not used yet. What a
plan uses is nominated, with what the statement then costs,
and nothing else is weighed. What the parts of such plans may bring is hoped, and asked where the
set that is best with hope would hold them. Then it is asked whether anything else would help beside
the best set or in the place of one of its indexes, until there is nothing new or enough was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil

from keiko_perf.diagnosis.search.allowance import Allowance
from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of
from keiko_perf.diagnosis.search.ledger import Hopes, Ledger
from keiko_perf.diagnosis.search.packing import Packing

_MOST_ROUNDS = 30
_WORTH_ASKING = 1e-4
"""Of what the workload costs: what could save less is not asked about."""
_WORTH_EXPLORING = 1e-3
"""The same of what nothing is known of yet."""
_LEAST_ASKED = 16
_FOR_THE_END, _FOR_EACH = 10, 4
"""Questions that are left: what is chosen, and each index of it, is looked at once more."""
_MOST_LEFT = 0.2
"""Of all: of few not many are left."""
_TOGETHER = 0.5
"""Of the questions: what helps only together no statistics foretell, nor does a part of it."""
_TO_EXPLORE = 0.85
"""Of the questions; the others are first for what is hoped of the best set."""
_OF_AN_AVERAGE = 0.25
"""What a question may bring at least: this of what each would bring if all brought the same."""
_PASSES = ((1, False), (99, False), (1, True), (2, False))
"""What each statement is asked about: how wide, and whether in the place of what it has used."""
_AT_ONCE = 4
"""Questions at least before the best set with hope is looked for again."""
_LATER_ARE_QUICKER = 4.0
"""What was reckoned for one look is kept for the next ones."""


class Nomination:
    """Asks for plans, and packs what they use."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._weighing = ledger.weighing
        self._costs = ledger.weighing.costs
        self._hopes = Hopes(ledger.weighing)
        self._calls_before = self._costs.session.planner_calls
        self._allowance = Allowance(self._hopes)
        self._best: Bits = 0
        self._at_once = _AT_ONCE
        self._share = 1.0
        self._known_packing: Packing | None = None
        self._packed_at = -1
        self._asked_beside: set[tuple[int, Bits]] = set()

    async def best(self) -> Bits:
        """The best set when the planner nominates nothing new."""
        self._share = _TOGETHER
        await self._explore_together()
        self._share = _TO_EXPLORE
        best = await self._hoped(0)
        for width, is_instead in _PASSES:
            await self._explore(width, is_instead=is_instead)
            best = await self._hoped(self._packing().best(best))
        best = await self._further(best)
        self._share = 1.0
        best = await self._hoped(self._packing().thorough(best))
        return self.packed(await self._further(best))

    async def _further(self, best: Bits) -> Bits:
        """The best set with what would help beside it or in the place of one of its indexes."""
        for _ in range(_MOST_ROUNDS):
            if self.is_late() or not await self._look_further(best):
                break
            best = self._packing().better(best)
        return best

    def packed(self, start: Bits) -> Bits:
        """The best set that one leads to, without asking anything more."""
        return self._packing().thorough(start)

    def forget_who_pays(self) -> None:
        """From now on others pay than before, by what is known besides."""
        self.ledger.gains.forget_who_pays()
        self._known_packing = None

    def is_spent(self) -> bool:
        """Whether as much was asked as may be, the look at what was chosen included."""
        return self._costs.session.planner_calls >= max(self._allowance.most(), _LEAST_ASKED)

    def _left(self) -> float:
        """How many questions are still worth it, the look at what was chosen included."""
        return self._allowance.questions() - self._costs.session.planner_calls

    def is_late(self) -> bool:
        """Whether the time is up, or as much was asked as it is worth."""
        if self._weighing.limits.is_late():
            return True
        # It is known better with every answer, which matters once it is all used up.
        return all(self._is_used_up(by_all=by_all) for by_all in (False, True))

    def _is_used_up(self, *, by_all: bool) -> bool:
        asked = self._costs.session.planner_calls - self._calls_before
        worth = self._allowance.questions(by_all=by_all)
        chosen = self._best.bit_count()
        # Of nothing that was chosen there is nothing to look at once more.
        left = min(_FOR_THE_END + _FOR_EACH * chosen, _MOST_LEFT * worth) if chosen else 0.0
        worth -= self._calls_before + left
        return asked >= self._share * max(worth, _LEAST_ASKED)

    def _packing(self) -> Packing:
        """Of what is known now; it remembers what it tried until the planner says more."""
        if self._known_packing is None or self._packed_at != self._costs.answers:
            self._packed_at = self._costs.answers
            self._known_packing = Packing(self.ledger, self.ledger.moves())
        return self._known_packing

    async def _explore_together(self) -> None:
        """
        Ask what each statement would use of all candidates, if they lie on several tables; without
        a budget in any case, since an index may be worth having for one statement alone.
        """
        has_budget = self._weighing.limits.budget_bytes is not None
        # Few questions are for the statements that may matter most.
        questions = max(self._allowance.questions() - self._calls_before, _LEAST_ASKED)
        worth = max(_WORTH_EXPLORING, _OF_AN_AVERAGE / questions) if has_budget else 0.0
        for number in self._promising(worth):
            if self.is_late():
                break
            some = self._costs.relevant(number)
            tables = {self._costs.candidates[bit].table for bit in bits_of(some)}
            if len(tables) > 1 or not has_budget:
                await self._ask(number, self._costs.projected(number, some))

    async def _explore(self, width: int, *, is_instead: bool) -> None:
        """Ask each statement which of the narrow ones it would use, or which in their place."""
        for number in self._promising((2 if is_instead else 1) * _WORTH_EXPLORING):
            if self.is_late():
                break
            some = self._costs.relevant(number)
            some = set_of(bit for bit in bits_of(some) if self._width(bit) <= width)
            wanted = self._costs.projected(number, some)
            await self._ask(number, wanted & ~self.ledger.used(number) if is_instead else wanted)

    def _promising(self, share: float) -> list[int]:
        """The statements that may save such a share of the workload, the largest first."""
        potential = {one: self._potential(one) for one in self._weighing.live}
        worth = share * self._weighing.base
        return sorted(
            (one for one in potential if potential[one] >= worth),
            key=lambda one: (-potential[one], one),
        )

    def _potential(self, number: int) -> float:
        low, _ = self._costs.bounds(number, self._costs.relevant(number))
        return self._weighing.weights[number] * (self.ledger.most(number, 0) - low)

    def _width(self, bit: int) -> int:
        index = self._costs.candidates[bit]
        return len(index.keys) + len(index.include)

    async def _hoped(self, best: Bits) -> Bits:
        """The best set once it is known what the parts of plans are worth that it might hold."""
        hoped = best
        for number in range(_MOST_ROUNDS):
            if self.is_late() or self._hopes.is_worn_out():
                break  # nothing may be asked, so that it does not matter what is hoped
            before = self._hopes.reckonings
            packing = Packing(self._hopes, self._hopes.moves())
            hoped = packing.better(hoped) if number % 4 else packing.best(best)
            left = self._hopes.most_reckonings - self._hopes.reckonings
            took = self._hopes.reckonings - before
            self._at_once = enough_at_once(
                self._left(), looks=_LATER_ARE_QUICKER * left / max(took, 1)
            )
            if not await self._ask_about(hoped, best):
                break
            best = self._best = self._packing().better(best)
        self._best = self._packing().best(best)
        return self._best

    async def _ask_about(self, hoped: Bits, best: Bits) -> bool:
        """
        Ask what is only hoped of a set, where it matters most; whether anything was asked.

        Args:
            hoped: the set.
            best: what is known to be worth having: to ask how much more it saves decides nothing,
                so that it comes last.
        """
        worth = _WORTH_ASKING * self.ledger.cost(hoped)
        return await self._ask_first(self._doubts(hoped, hoped & best), hoped, worth) or (
            await self._ask_first(self._doubts(hoped, 0), hoped, worth)
        )

    def _doubts(self, hoped: Bits, sure: Bits) -> list[tuple[float, int]]:
        """What is hoped of each statement with a set beyond what is hoped of a part of it."""
        found = []
        for number in self._weighing.affected(hoped & ~sure):
            with_all = self._hopes.most(number, hoped)
            doubt = self.ledger.most(number, hoped) - with_all
            if sure:
                doubt = min(doubt, self._hopes.most(number, sure) - with_all)
            found.append((self._weighing.weights[number] * doubt, number))
        return sorted(found, key=lambda one: (-one[0], one[1]))

    async def _ask_first(
        self, doubts: Iterable[tuple[float, int]], hoped: Bits, worth: float
    ) -> bool:
        """Ask the first of the statements about a set; whether anything was asked."""
        asked = 0
        for doubt, number in doubts:
            if doubt <= worth or asked >= self._at_once or self.is_late():
                break
            asked += await self._ask(number, self._costs.projected(number, hoped))
        return asked > 0

    async def _ask(self, number: int, wanted: Bits) -> bool:
        """Ask unless what is known decides it; whether it was asked."""
        if not wanted:
            return False
        for one in self._costs.known(number):
            if one.used & ~wanted == 0 and wanted & ~one.asked == 0:
                return False
        await self._costs.ask(number, wanted)
        return True

    async def _look_further(self, chosen: Bits) -> bool:
        """
        Ask whether what no plan has used yet would help beside the chosen, or in the place of one
        of them; whether anything was asked.
        """
        worth = _WORTH_EXPLORING * self.ledger.cost(chosen)
        beside = self._questions(self._weighing.live, chosen)
        instead = [
            question
            for bit in bits_of(chosen)
            for question in self._questions(self._weighing.affected(1 << bit), chosen & ~(1 << bit))
        ]
        return await self._put(beside, worth) or await self._put(instead, worth)

    async def _put(self, questions: Iterable[tuple[float, int, Bits]], worth: float) -> bool:
        """Ask those that promise most; whether anything was asked."""
        asked = 0
        for most, number, wanted in sorted(questions, key=lambda one: (-one[0], *one[1:])):
            if most < worth or asked >= _AT_ONCE or self.is_late():
                break
            if (number, wanted) not in self._asked_beside:
                self._asked_beside.add((number, wanted))
                asked += await self._ask(number, wanted)
        return asked > 0

    def _questions(self, numbers: Iterable[int], chosen: Bits) -> Iterator[tuple[float, int, Bits]]:
        """How much each statement could save at most with what it has not used, and that."""
        for number in numbers:
            mine = self._costs.projected(number, chosen)
            rest = self._costs.projected(number, self._costs.relevant(number))
            rest &= ~self.ledger.used(number)
            if not rest:
                continue
            low, _ = self._costs.bounds(number, mine | rest)
            most = self._weighing.weights[number] * (self.ledger.most(number, chosen) - low)
            if most > 0:
                yield most, number, mine | rest


def enough_at_once(questions: float, looks: float) -> int:
    """How much is asked before the best set is looked for again, if that may be done so often."""
    return max(_AT_ONCE, ceil(questions / max(looks, 1.0)))
