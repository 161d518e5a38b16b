"""
Ledger: what is sure of every set of indexes, and what may be hoped, without asking anything.

A statement costs at most what its cheapest known plan costs that uses only indexes of the set. An
index that no known plan uses is worth nothing here, however promising it may be; one that known
plans use together with others is worth asking about by what may be hoped of it alone.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.gains import Gains
from keiko_perf.diagnosis.weighing import Weighing, set_of

_OPTIMISM = 0.5
"""Half of a plan may bring so much more than half of what it saves: 0.5 to this power."""


class Ledger:
    """
    Args:
        weighing: the statements, the candidates, their sizes and the limits.
    """

    def __init__(self, weighing: Weighing) -> None:
        self.weighing = weighing
        self._costs = weighing.costs
        self._known = {number: weighing.costs.known(number) for number in weighing.live}
        self._relevant = {number: weighing.costs.relevant(number) for number in weighing.live}
        self._answers = 0
        self._learnt = dict.fromkeys(weighing.live, -1)
        self._plans: dict[int, list[tuple[Bits, float]]] = {}
        self._asked: dict[int, dict[Bits, float]] = {}
        self._used: dict[int, Bits] = {}
        self._most: dict[int, dict[Bits, float]] = {}
        self._members: dict[int, dict[int, Bits]] = {}
        self.gains = Gains(self)
        self.learn()

    def most(self, number: int, some: Bits) -> float:
        """What a statement costs at most with *some* indexes."""
        if self._answers != self._costs.answers:
            self.learn()
        mine = some & self._relevant[number]
        known = self._most[number].get(mine)
        return self._reckoned(number, mine) if known is None else known

    def _reckoned(self, number: int, mine: Bits) -> float:
        """The same of what matters to the statement; kept until more is known of it."""
        known = self._most[number][mine] = self._sure(number, self._costs.projected(number, mine))
        return known

    def _sure(self, number: int, there: Bits) -> float:
        known = self._asked[number].get(there)
        if known is None:
            known = next(cost for used, cost in self._plans[number] if used & ~there == 0)
        return known

    def learn(self) -> None:
        """Take in what the planner has said since."""
        changed = {one for one, known in self._known.items() if self._learnt[one] != len(known)}
        for number in changed:
            self._asked[number] = {one.asked: one.cost for one in self._known[number]}
            cheapest: dict[Bits, float] = {}
            for one in self._known[number]:
                cheapest[one.used] = min(one.cost, cheapest.get(one.used, one.cost))
            self._plans[number] = sorted(cheapest.items(), key=lambda one: one[1])
            self._used[number] = reduce(or_, cheapest, 0)
            self._most[number] = {}
            self._learnt[number] = len(self._known[number])
        self._answers = self._costs.answers
        self.gains.forget(changed)

    def cost(self, some: Bits) -> float:
        """What reads and writes of the whole workload cost at most with *some* indexes."""
        return self.weighing.base - self.saved(0, some)

    def saved(self, before: Bits, after: Bits) -> float:
        """How much less it costs with *after* than with *before*."""
        if self._answers != self._costs.answers:
            self.learn()
        weighing, relevant, most = self.weighing, self._relevant, self._most
        found = weighing.upkeep_of(before & ~after) - weighing.upkeep_of(after & ~before)
        for number in weighing.affected(before ^ after):
            # In two steps and without `most`: most of the search's time is spent here.
            mine, kept = relevant[number], most[number]
            old = kept.get(before & mine)
            if old is None:
                old = self._reckoned(number, before & mine)
            new = kept.get(after & mine)
            if new is None:
                new = self._reckoned(number, after & mine)
            found += weighing.weights[number] * (old - new)
        return found

    def pays(self, bit: int, some: Bits) -> bool:
        """Whether it is worth having an index beside the others."""
        without = some & ~(1 << bit)
        gains = []
        for number in self.weighing.affected(1 << bit):
            before, after = self.most(number, without), self.most(number, some)
            if before != after:
                gains.append((number, before, after))
        return bool(gains) and self.weighing.pays(bit, gains)

    def used(self, number: int) -> Bits:
        """Every index that a known plan of a statement uses."""
        if self._answers != self._costs.answers:
            self.learn()
        return self._used[number]

    def moves(self) -> list[Bits]:
        """
        What some plan uses, or what is the same to its statement, one by one and together. Of
        those that are the same to all statements the smallest.
        """
        serves: dict[int, list[tuple[int, int]]] = {}
        together: dict[Bits, None] = {}
        for number in self.weighing.live:
            for one in self._costs.known(number):
                if one.used.bit_count() > 1:
                    together[one.used] = None
            if number not in self._members:
                self._members[number] = self._alike(number)
            for stand_in in bits_of(self.used(number)):
                for bit in bits_of(self._members[number].get(stand_in, 0)):
                    serves.setdefault(bit, []).append((number, stand_in))
        smallest: dict[tuple[tuple[int, int], ...], int] = {}
        for bit, uses in sorted(serves.items()):
            known = smallest.setdefault(tuple(uses), bit)
            if self.weighing.size(1 << bit) < self.weighing.size(1 << known):
                smallest[tuple(uses)] = bit
        return [*(1 << bit for bit in sorted(smallest.values())), *together]

    def _alike(self, number: int) -> dict[int, Bits]:
        """For each candidate that stands for others in a statement all that it stands for."""
        found: dict[int, Bits] = {}
        for bit in bits_of(self._costs.relevant(number)):
            stand_in = self._costs.projected(number, 1 << bit).bit_length() - 1
            found[stand_in] = found.get(stand_in, 0) | 1 << bit
        return found


class Hopes(Ledger):
    """
    What may be hoped of every set, where the ledger is only sure of less.

    Of a plan that uses several indexes each that is there does its share, by what reading its table
    costs less, unless the planner has said that it does not.
    """

    def _reckoned(self, number: int, mine: Bits) -> float:
        """What a statement costs with what matters to it, with some luck."""
        there = self._costs.projected(number, mine)
        known = self._most[number][mine] = self._hope(number, there, self._sure(number, there))
        return known

    def _hope(self, number: int, there: Bits, sure: float) -> float:
        least, _ = self._costs.bounds(number, there)
        if least >= sure:
            return sure
        nothing = self._sure(number, 0)
        hoped = sure
        for one in self._known[number]:
            if one.cost < hoped and one.used & there and one.used & ~there:
                share = one.share(there) ** _OPTIMISM
                hoped = min(hoped, nothing - share * (nothing - one.cost))
        return max(least, hoped)


def without(some: Bits, *bits: int) -> Bits:
    """The set without these candidates."""
    return some & ~set_of(bits)
