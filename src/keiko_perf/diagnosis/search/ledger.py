"""
Ledger: what is sure of every set of indexes, and what may be hoped, without asking anything.

A statement costs at most what its cheapest known plan costs that uses only indexes of the set. An
index that no known plan uses is worth nothing here, however promising it may be; one that known
plans use together with others is worth asking about by what may be hoped of it alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from operator import or_

from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.search.answer import Answer
from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of
from keiko_perf.diagnosis.search.gains import Gains
from keiko_perf.diagnosis.search.weighing import Weighing

_MOST_RECKONED, _MOST_HOPED = 60_000, 250_000
"""
So often it is reckoned what a statement costs with a set, or is hoped to cost; then the search is
content with less. 88 statements of an application take 23,000 and 150,000 at most, some seconds;
where each reads fourteen tables and hundreds of candidates matter to it, it would take minutes.
"""
_LEAST_PROMISE = 5e-5
"""Of what the workload costs."""
_MOST_PROMISING = 80
_OPTIMISM = 0.5
"""Half of a plan may bring so much more than half of what it saves: 0.5 to this power."""


class Page:
    """What is known of one statement: what it costs at most with each set that was asked about."""

    __slots__ = ("_ledger", "_members", "_more", "_projected", "answers", "asked",
                 "is_misjudged", "kept", "known", "live", "number", "plans", "said", "several",
                 "told", "used", "weight")  # fmt: skip

    def __init__(self, ledger: Ledger, number: int) -> None:
        weighing = ledger.weighing
        self._ledger = ledger
        self.number = number
        self.weight = weighing.weights[number]
        self._members = ledger.members(number)
        self._projected = partial(weighing.costs.projected, number)
        self.known = weighing.costs.known(number)
        self.answers = 0
        self.asked: dict[Bits, float] = {}
        self.plans: list[tuple[Bits, float]] = []
        self.several: list[tuple[Answer, dict[Bits, float]]] = []
        """The answers that use more than one, with what is hoped of parts of their plans."""
        self.used: Bits = 0
        self.live: Bits = 0
        """The candidates that matter by what is known: those that stand for others, and these."""
        self.told: dict[Bits, float] = {}
        """What follows, by what stands for a set."""
        self.kept: dict[Bits, float] = {}
        """What follows, by what of a set matters to the statement."""
        self.is_misjudged = False
        """Whether the planner's word for any known plan is not what it takes by the clock."""
        self._more: dict[Bits, float] = {}
        self.said: dict[Bits, float] = {}
        """What a plan costs at least that uses these, whatever else it may use of what is there."""

    def learn(self) -> bool:
        """Take in what the planner has said since; whether it has."""
        if self.answers == len(self.known):
            return False
        new = self.known[self.answers :]
        self.answers = len(self.known)
        self.asked |= {one.asked: one.cost for one in new}
        self.several += [(one, {}) for one in new if one.used.bit_count() > 1]
        cheapest: dict[Bits, float] = {}
        for one in self.known:
            cheapest[one.used] = min(one.cost, cheapest.get(one.used, one.cost))
        self.plans = sorted(cheapest.items(), key=lambda one: one[1])
        self.used = reduce(or_, cheapest, 0)
        hoped = self._ledger.hoped(self.number)
        self.live = self.used | hoped
        for bit in bits_of(self.live):
            self.live |= self._members.get(bit, 0)
        self.is_misjudged = any(one.misjudged for one in self.known)
        self.told.clear()
        self.kept.clear()
        self._more.clear()
        self.said.clear()
        return True

    def most(self, some: Bits) -> float:
        """What it costs at most with *some* indexes."""
        known = self.kept.get(some & self.live)
        return self.enter(some & self.live) if known is None else known

    def enter(self, mine: Bits) -> float:
        """What follows for a set that nobody has asked of yet."""
        self._ledger.reckonings += 1
        there = self._projected(mine)
        known = self.told.get(there)
        if known is None:
            known = self.told[there] = self._ledger.reckoned(self, there)
        self.kept[mine] = known
        return known

    def more(self, some: Bits) -> float:
        """How much more than that it costs by the clock."""
        there = self._projected(some & self.live)
        known = self._more.get(there)
        if known is None:
            known = self._more[there] = self._ledger.more(self, there)
        return known

    def sure(self, there: Bits) -> float:
        """What it costs at most with what stands for a set."""
        known = self.asked.get(there)
        return self.cheapest(there)[1] if known is None else known

    def cheapest(self, there: Bits) -> tuple[Bits, float]:
        """The cheapest known plan with what stands for a set: what it uses of it, and its cost."""
        for used, cost in self.plans:
            if not used & ~there:
                return used, cost
        raise KeyError(there)  # each statement was asked about without any


class Ledger:
    """
    Args:
        weighing: the statements, the candidates, their sizes and the limits.
    """

    def __init__(self, weighing: Weighing) -> None:
        self.weighing = weighing
        self.most_reckonings = _MOST_RECKONED
        self._costs = weighing.costs
        self._members: dict[int, dict[int, Bits]] = {}
        self._pages = {number: Page(self, number) for number in weighing.live}
        self._answers = -1
        self.reckonings = 0
        """How often something was reckoned that nobody had asked of yet."""
        self.gains = Gains(self)

    def page(self, number: int) -> Page:
        """What is known of a statement."""
        return self._pages[number]

    def is_worn_out(self) -> bool:
        """Whether so much was reckoned that what is known has to do."""
        return self.reckonings >= self.most_reckonings

    def learn(self) -> None:
        """Take in what the planner has said since."""
        if self._answers != self._costs.answers:
            self._answers = self._costs.answers
            # What matters to a statement, matters to it from now on, whatever else is said.
            changed = (page.live for page in self._pages.values() if page.learn())
            self.gains.forget(reduce(or_, changed, 0))

    def most(self, number: int, some: Bits) -> float:
        """What a statement costs at most with *some* indexes."""
        self.learn()
        return self._pages[number].most(some)

    def hoped(self, number: int) -> Bits:
        """The candidates of which something is hoped though no plan has used them."""
        return 0

    def reckoned(self, page: Page, there: Bits) -> float:
        """What a statement costs at most with what stands for a set."""
        return page.sure(there)

    def cost(self, some: Bits) -> float:
        """What reads and writes of the whole workload cost at most with *some* indexes."""
        return self.weighing.base - self.saved(0, some)

    def saved(self, before: Bits, after: Bits) -> float:
        """How much less it costs with *after* than with *before*."""
        weighing = self.weighing
        found = weighing.upkeep_of(before & ~after) - weighing.upkeep_of(after & ~before)
        self.learn()
        for number in weighing.affected(before ^ after):
            page = self._pages[number]
            if (before ^ after) & page.live:
                found += page.weight * (page.most(before) - page.most(after))
        return found

    def pays(self, bit: int, some: Bits) -> bool:
        """
        Whether it is worth having an index beside the others: by what the planner says, and by the
        clock.
        """
        without = some & ~(1 << bit)
        self.learn()
        found = [
            (page, page.most(without), page.most(some)) for page in self.gains.of(1 << bit).pages
        ]
        said = [(page.number, before, after) for page, before, after in found if before != after]
        if not said or not self.weighing.pays(bit, said):
            return False
        if not any(page.is_misjudged for page, _, _ in found):
            return True
        by_clock = [
            (page.number, before + page.more(without), after + page.more(some))
            if page.is_misjudged else (page.number, before, after)
            for page, before, after in found
        ]  # fmt: skip
        return self.weighing.pays(bit, [one for one in by_clock if one[1] != one[2]])

    def more(self, page: Page, there: Bits) -> float:
        """How much more than that it costs by the clock with what stands for a set."""
        return self._costs.plan(page.number, there).real - page.sure(there)

    def used(self, number: int) -> Bits:
        """Every index that a known plan of a statement uses."""
        self.learn()
        return self._pages[number].used

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
                for bit in bits_of(self.members(number).get(stand_in, 0)):
                    serves.setdefault(bit, []).append((number, stand_in))
        smallest: dict[tuple[tuple[int, int], ...], int] = {}
        for bit, uses in sorted(serves.items()):
            known = smallest.setdefault(tuple(uses), bit)
            if self.weighing.size(1 << bit) < self.weighing.size(1 << known):
                smallest[tuple(uses)] = bit
        return [*(1 << bit for bit in sorted(smallest.values())), *together]

    def members(self, number: int) -> dict[int, Bits]:
        """For each candidate that stands for others in a statement all that it stands for."""
        known = self._members.get(number)
        if known is None:
            known = self._members[number] = self._alike(number)
        return known

    def _alike(self, number: int) -> dict[int, Bits]:
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
        self.most_reckonings = _MOST_HOPED
        self._expected = {number: dict(self._expectations(number)) for number in weighing.live}
        self._hoped = {number: set_of(mine) for number, mine in self._expected.items()}
        self._promising = self._most_promising()
        self._trusted: dict[int, tuple[int, float]] = {}
        self._best_first = {number: self._by_table(number) for number in weighing.live}
        self._beginning: dict[Bits, Bits] = {}
        self._beside: dict[Bits, Bits] = {}

    def _expectations(self, number: int) -> Iterator[tuple[int, float]]:
        """What each candidate that stands for others might save a statement."""
        for bit in bits_of(self._costs.projected(number, self._costs.relevant(number))):
            if saved := self._costs.expected(number, bit):
                yield bit, saved

    def _most_promising(self) -> list[Bits]:
        """The candidates that might save most for their size."""
        weighing = self.weighing
        saved: dict[int, float] = {}
        for number, mine in self._expected.items():
            members = self.members(number)
            for stand_in, one in mine.items():
                for bit in bits_of(members[stand_in]):
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

    def hoped(self, number: int) -> Bits:
        return self._hoped[number]

    def more(self, page: Page, there: Bits) -> float:
        # The plan that is hoped for looks up as much as the best of those that are like it.
        known = super().more(page, there)
        if page.told[there] == page.sure(there):
            return known
        return min([known, *(one.misjudged for one, _ in page.several if one.used & there)])

    def reckoned(self, page: Page, there: Bits) -> float:
        """What a statement costs with what stands for a set, with some luck."""
        sure = page.sure(there)
        if there in page.asked:
            return sure
        nothing = page.sure(0)
        trust = self._trust(page)
        expected = trust * self._expected_of(page.number, there)
        hoped = min(sure, nothing - expected)
        if there & page.used:
            untouched = there & ~self._on_the_tables_of(page.cheapest(there)[0])
            hoped = min(hoped, sure - trust * self._expected_of(page.number, untouched))
        for one, parts in page.several:
            used = one.used & there
            if one.cost < hoped and used and used != one.used:
                part = parts.get(used)
                if part is None:
                    share = one.share(used) ** _OPTIMISM
                    part = parts[used] = nothing - share * (nothing - one.cost)
                if part < hoped:
                    hoped = min(hoped, max(part, self._said(page, one.used, there)))
        if hoped >= sure:
            return sure
        least, _ = self._costs.bounded(page.number, there)
        return min(max(least, hoped), sure)

    def _said(self, page: Page, used: Bits, there: Bits) -> float:
        """
        The least that the parts of a plan can bring which are there, by what the planner has said
        where it had these to choose from, and what begins like the others.
        """
        parts = used & there | self._alike_in(used & ~there) & there
        known = page.said.get(parts)
        if known is None:
            costs = [one.cost for one in page.known if not parts & ~one.asked]
            known = page.said[parts] = max(costs, default=0.0)
        return known

    def _on_the_tables_of(self, some: Bits) -> Bits:
        """The candidates on the same tables as some."""
        known = self._beside.get(some)
        if known is None:
            candidates = self._costs.candidates
            tables = {candidates[bit].table for bit in bits_of(some)}
            known = self._beside[some] = set_of(
                bit for bit, one in enumerate(candidates) if one.table in tables
            )
        return known

    def _alike_in(self, some: Bits) -> Bits:
        """The candidates that begin with the same column as one of some."""
        known = self._beginning.get(some)
        if known is None:
            candidates = self._costs.candidates
            firsts = {(candidates[bit].table, candidates[bit].keys[0]) for bit in bits_of(some)}
            known = self._beginning[some] = set_of(
                bit for bit, one in enumerate(candidates) if (one.table, one.keys[0]) in firsts
            )
        return known

    def trust(self) -> dict[int, float]:
        """How much of what was expected of each statement came true where it was asked."""
        self.learn()
        return {number: self._trust(page) for number, page in self._pages.items()}

    def _trust(self, page: Page) -> float:
        answers, trust = self._trusted.get(page.number, (0, 1.0))
        if answers != page.answers:
            nothing, came, whole = page.sure(0), 1.0, 1.0
            for one in page.known:
                if expected := self._expected_of(page.number, one.asked):
                    came += min(max((nothing - one.cost) / expected, 0.0), 1.0)
                    whole += 1.0
            trust = came / whole
            self._trusted[page.number] = page.answers, trust
        return trust

    def _expected_of(self, number: int, there: Bits) -> float:
        """What the best of some candidates for each table might save together."""
        found = 0.0
        for of_table, ordered in self._best_first[number]:
            if there & of_table:
                for bit, saved in ordered:
                    if there & bit:
                        found += saved
                        break
        return found

    def _by_table(self, number: int) -> list[tuple[Bits, list[tuple[Bits, float]]]]:
        """Of each table the candidates with what they might save a statement, the best first."""
        tables: dict[TableName, list[tuple[Bits, float]]] = {}
        expected = self._expected[number]
        for bit in sorted(expected, key=lambda one: (-expected[one], one)):
            table = self._costs.candidates[bit].table
            tables.setdefault(table, []).append((1 << bit, expected[bit]))
        return [(reduce(or_, dict(mine)), mine) for mine in tables.values()]
