"""
Ledger: what is sure of every set of indexes, and what may be hoped, without asking anything.

A statement costs at most what its cheapest known plan costs that uses only indexes of the set. An
index that no known plan uses is worth nothing here, however promising it may be; one that known
plans use together with others is worth asking about by what may be hoped of it alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.weighing import Weighing, set_of

_LEAST_PROMISE = 2e-4
"""Of what the workload costs."""
_MOST_PROMISING = 30
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
        self._answers = dict.fromkeys(weighing.live, 0)
        self._plans: dict[int, list[tuple[Bits, float]]] = {}
        self._asked: dict[int, dict[Bits, float]] = {}
        self._most: dict[int, dict[Bits, float]] = {}
        self._members = {number: self._alike(number) for number in weighing.live}

    def most(self, number: int, some: Bits) -> float:
        """What a statement costs at most with *some* indexes."""
        mine = some & self._relevant[number]
        if self._answers[number] != len(self._known[number]):
            self._learn(number)
        known = self._most[number].get(mine)
        if known is None:
            there = self._costs.projected(number, mine)
            known = self._asked[number].get(there)
            if known is None:
                known = next(cost for used, cost in self._plans[number] if used & ~there == 0)
            self._most[number][mine] = known
        return known

    def _learn(self, number: int) -> None:
        """Take in what the planner has said of a statement since."""
        self._asked[number] = {one.asked: one.cost for one in self._known[number]}
        cheapest: dict[Bits, float] = {}
        for one in self._known[number]:
            cheapest[one.used] = min(one.cost, cheapest.get(one.used, one.cost))
        self._plans[number] = sorted(cheapest.items(), key=lambda one: one[1])
        self._most[number] = {}
        self._answers[number] = len(self._known[number])

    def cost(self, some: Bits) -> float:
        """What reads and writes of the whole workload cost at most with *some* indexes."""
        return self.weighing.base - self.saved(0, some)

    def saved(self, before: Bits, after: Bits) -> float:
        """How much less it costs with *after* than with *before*."""
        weighing = self.weighing
        found = weighing.upkeep_of(before & ~after) - weighing.upkeep_of(after & ~before)
        for number in weighing.affected(before ^ after):
            found += weighing.weights[number] * (
                self.most(number, before) - self.most(number, after)
            )
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
        some = 0
        for one in self._costs.known(number):
            some |= one.used
        return some

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

    def __init__(self, weighing: Weighing) -> None:
        super().__init__(weighing)
        self._hoped: dict[int, dict[Bits, float]] = {}
        self._expected = {number: dict(self._expectations(number)) for number in weighing.live}
        self._promising = self._most_promising()

    def _expectations(self, number: int) -> Iterator[tuple[int, float]]:
        """What each candidate that stands for others might save a statement."""
        for bit in bits_of(self._costs.projected(number, self._relevant[number])):
            if saved := self._costs.expected(number, bit):
                yield bit, saved

    def _most_promising(self) -> list[Bits]:
        """The candidates that might save most for their size."""
        weighing = self.weighing
        saved: dict[int, float] = {}
        for number, mine in self._expected.items():
            for stand_in, one in mine.items():
                for bit in bits_of(self._members[number][stand_in]):
                    saved[bit] = saved.get(bit, 0.0) + weighing.weights[number] * one
        worth = {
            bit: one - weighing.upkeep[bit]
            for bit, one in saved.items()
            if one - weighing.upkeep[bit] > _LEAST_PROMISE * weighing.base
        }
        ordered = sorted(worth, key=lambda bit: (-worth[bit] / weighing.size(1 << bit), bit))
        largest = sorted(worth, key=lambda bit: (-worth[bit], bit))
        some = dict.fromkeys([*ordered[:_MOST_PROMISING], *largest[:_MOST_PROMISING]])
        return [1 << bit for bit in some]

    def moves(self) -> list[Bits]:
        """What plans use, and what nobody has asked about though it may save much."""
        return list(dict.fromkeys([*super().moves(), *self._promising]))

    def most(self, number: int, some: Bits) -> float:
        """What a statement costs with *some* indexes, with some luck."""
        if self._answers[number] != len(self._known[number]):
            self._learn(number)
        mine = some & self._relevant[number]
        known = self._hoped[number].get(mine)
        if known is None:
            there = self._costs.projected(number, mine)
            known = self._hoped[number][mine] = self._hope(
                number, there, super().most(number, mine)
            )
        return known

    def _learn(self, number: int) -> None:
        super()._learn(number)
        self._hoped[number] = {}

    def _hope(self, number: int, there: Bits, sure: float) -> float:
        least, _ = self._costs.bounds(number, there)
        if least >= sure:
            return sure
        nothing = super().most(number, 0)
        hoped = min(sure, nothing - self._expected_of(number, there))
        for one in self._known[number]:
            if one.cost < hoped and one.used & there and one.used & ~there:
                share = one.share(there) ** _OPTIMISM
                hoped = min(hoped, nothing - share * (nothing - one.cost))
        return max(least, hoped)


    def _expected_of(self, number: int, there: Bits) -> float:
        """What the best of some candidates for each table might save together."""
        best: dict[TableName, float] = {}
        for bit, saved in self._expected[number].items():
            if there >> bit & 1:
                table = self._costs.candidates[bit].table
                best[table] = max(best.get(table, 0.0), saved)
        return sum(best.values())


def without(some: Bits, *bits: int) -> Bits:
    """The set without these candidates."""
    return some & ~set_of(bits)
