"""
Choice: which set of indexes saves most within the limits.

First greedily: always what saves most for its size, less what the workload's writes cost; a single
index, or all those that a plan uses together. What each would save is bounded by what the planner
has said so far, and it is asked again only where the bounds don't decide. Then what was chosen is
exchanged for what was not, as long as that saves more. The same questions get the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from keiko_perf.diagnosis.costs import Bits, Costs, bits_of
from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.schema import TableName

ABOUT_EQUAL = 0.03
"""Of two candidates that save the same but for this share, the smaller one is taken."""
_OWN = 0.1
"""What an index must save of its own if a wider one begins with its columns: this share."""
_NEGLIGIBLE = 1e-4
"""A doubt about this share of the workload's cost is not worth a question."""
_TOLERANCE = 0.1
_NEGLIGIBLE_NOW = 5e-4
"""Of what the workload costs with what was chosen so far."""
_MANY = 150
"""From so many statements on doubts are borne in any case."""
_NEGLIGIBLE_OF_ONE = 0.04
"""Of what a statement costs of it on average."""
_WORTH_AN_EXCHANGE = 1e-3
_SIZE_OF_UNKNOWN = 8192.0
_MOST_ROUNDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """
    Attributes:
        max_indexes: how many may be chosen; None: as many as pay.
        budget_bytes: how large they may be together; None: as large as they are.
        is_late: whether the time is up; what was chosen so far then stands.
    """

    max_indexes: int | None = None
    budget_bytes: float | None = None
    is_late: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Choice:
    """
    Args:
        costs: who knows what a statement costs.
        live: the statements that any index helps.
        upkeep: what each candidate costs the workload's writes, by its bit.
        limits: what may be chosen.
        pays: whether it is worth having an index, by the gains of statements (number, before,
            after).
        base: the cost of the whole workload without any of the candidates.
    """

    costs: Costs
    live: tuple[int, ...]
    upkeep: tuple[float, ...]
    limits: Limits
    pays: Callable[[int, list[tuple[int, float, float]]], bool]
    base: float
    weights: dict[int, float] = field(default_factory=dict)
    _affected: dict[Bits, tuple[int, ...]] = field(default_factory=dict)
    _now: float = 0.0
    _sizes: dict[Bits, float] = field(default_factory=dict)
    _begun: dict[Bits, Bits] = field(default_factory=dict)
    _by_table: dict[TableName, list[int]] = field(default_factory=dict)
    _hopeless: set[tuple[Bits, Bits]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.weights = {
            number: float(self.costs.queries[number].statement.calls) for number in self.live
        }

    async def run(self) -> list[int]:
        """The chosen candidates, the most useful for its size first."""
        chosen = await self._greedily(0)
        if self.limits.budget_bytes is not None:
            chosen = await self._exchanged(chosen)
        return await self._without_superfluous(chosen)

    # What is known

    def size(self, some: Bits) -> float:
        """How large the indexes are together."""
        known = self._sizes.get(some)
        if known is None:
            known = sum(self.costs.sizes[bit] or _SIZE_OF_UNKNOWN for bit in bits_of(some))
            self._sizes[some] = known
        return known

    def affected(self, some: Bits) -> tuple[int, ...]:
        """The statements that some of the indexes can matter to."""
        known = self._affected.get(some)
        if known is None:
            known = tuple(one for one in self.live if self.costs.relevant(one) & some)
            self._affected[some] = known
        return known

    def upkeep_of(self, some: Bits) -> float:
        return sum(self.upkeep[bit] for bit in bits_of(some))

    def bounds(self, before: Bits, after: Bits) -> tuple[float, float]:
        """The least and the most that the workload saves by *after* in place of *before*."""
        least = most = self.upkeep_of(before & ~after) - self.upkeep_of(after & ~before)
        added = after & ~before
        is_added_only = before & ~after == 0
        for number in self.affected(before ^ after):
            low, high = self.costs.bounds(number, before)
            new_low, new_high = self.costs.bounds(number, after)
            if is_added_only:  # more indexes never cost more
                new_high = min(new_high, high)
            if new_low < new_high:
                # Either the plan uses what is new, or it is one that there was before.
                new = self.costs.projected(number, added)
                new_low = max(new_low, min(low, self.costs.floor(number, new), new_high))
                new_low = max(new_low, min(low - self.costs.most_saved(number, new), new_high))
                if before and self._is_rough:
                    # It saves no more beside others than alone; what helps only together is
                    # weighed together.
                    alone = self.costs.bounds(number, 0)[1] - self.costs.bounds(number, new)[0]
                    new_low = max(new_low, min(low - alone, new_high))
            weight = self.weights[number]
            least += weight * (low - new_high)
            most += weight * (high - new_low)
        return least, most

    async def resolve(self, before: Bits, after: Bits, *, until: float) -> tuple[float, float]:
        """Ask until the saving is known, or known to be at most *until*."""
        while True:
            least, most = self.bounds(before, after)
            if most <= until or most - least <= _NEGLIGIBLE * self.base:
                return least, most
            number, some = self._most_doubtful(before, after)
            await self.costs.refine(number, some, new=after & ~before)

    def _most_doubtful(self, before: Bits, after: Bits) -> tuple[int, Bits]:
        def doubt(number: int, some: Bits) -> float:
            low, high = self.costs.bounds(number, some)
            return self.weights[number] * (min(high, 1e300) - low)

        return max(
            (
                (number, some)
                for number in self.affected(before ^ after)
                for some in (after, before)
            ),
            key=lambda one: (doubt(*one), -one[0]),
        )

    @property
    def _is_rough(self) -> bool:
        """Whether a small doubt is borne, so that many indexes can be weighed."""
        return self.limits.budget_bytes is not None or len(self.live) > _MANY

    def _borne(self, saved: float) -> float:
        """How large a doubt about an addition is borne that saves so much."""
        if not self._is_rough:
            return _NEGLIGIBLE * self.base
        share = max(_NEGLIGIBLE_NOW, _NEGLIGIBLE_OF_ONE / max(len(self.live), 1))
        return max(share * self._now, _TOLERANCE * saved)

    def _cost(self, chosen: Bits) -> float:
        """What the statements cost with the chosen, at most."""
        return sum(self.weights[one] * self.costs.bounds(one, chosen)[1] for one in self.live)

    # Greedily

    async def _greedily(self, chosen: Bits) -> list[int]:
        order = list(bits_of(chosen))
        while not self._is_full(order):
            taken = set_of(order)
            best = await self._best(taken)
            if best is None:
                break
            for bit in bits_of(best & ~taken):
                order = await self._with(bit, order)
        return order

    def _is_full(self, order: list[int]) -> bool:
        most = self.limits.max_indexes
        return self.limits.is_late() or (most is not None and len(order) >= most)

    def moves(self, chosen: Bits) -> Iterator[Bits]:
        """What could be added: any candidate, or those that a plan uses together."""
        everything = 0
        together: dict[Bits, None] = {}
        for number in self.live:
            everything |= self.costs.relevant(number)
            for answer in self.costs.known(number):
                if (answer.used & ~chosen).bit_count() > 1:
                    together[answer.used & ~chosen] = None
        for bit in bits_of(everything & ~chosen):
            yield 1 << bit
        yield from together

    async def _best(self, chosen: Bits) -> Bits | None:
        """The addition that saves most for its size."""
        room = self._room(chosen)
        self._now = self._cost(chosen)
        heap = [
            (-self._score(more, self.bounds(chosen, chosen | more)[1]), place, more)
            for place, more in enumerate(self.moves(chosen))
            if self._fits(more, room, chosen)
        ]
        heapify(heap)
        while heap:
            promise, place, more = heappop(heap)
            if promise >= 0 or self.limits.is_late():
                return None
            least, most = self.bounds(chosen, chosen | more)
            if self._is_rough and most - least <= self._borne(most):
                most = least
            now = -self._score(more, most)
            next_best = heap[0][0] if heap else 0.0
            if now > next_best or now >= 0:
                if now < 0:
                    heappush(heap, (now, place, more))
            elif most - least > self._borne(most):
                number, some = self._most_doubtful(chosen, chosen | more)
                await self.costs.refine(number, some, new=more)
                heappush(heap, (now, place, more))
            elif await self._is_worth(more, chosen):
                if self.limits.budget_bytes is None:
                    return await self._smallest_alike(more, most, chosen, heap)
                return more
        return None

    def _room(self, chosen: Bits) -> float:
        budget = self.limits.budget_bytes
        return float("inf") if budget is None else budget - self.size(chosen)

    def _fits(self, more: Bits, room: float, chosen: Bits) -> bool:
        most = self.limits.max_indexes
        if most is not None and (chosen | more).bit_count() > most:
            return False
        return room == float("inf") or self.size(more) <= room + self._replaceable(more, chosen)

    def _replaceable(self, more: Bits, chosen: Bits) -> float:
        """How much room the indexes take that the new ones begin with: they may go."""
        return self.size(chosen & self._beginnings(more))

    def _beginnings(self, some: Bits) -> Bits:
        """The candidates that some of the indexes begin with."""
        known = self._begun.get(some)
        if known is None:
            known = 0
            for new in bits_of(some):
                index = self.costs.candidates[new]
                known |= set_of(
                    old for old in self._on(index.table) if index.begins_with(self._candidate(old))
                )
            self._begun[some] = known
        return known

    def _candidate(self, bit: int) -> Index:
        return self.costs.candidates[bit]

    def _on(self, table: TableName) -> list[int]:
        if not self._by_table:
            for bit, index in enumerate(self.costs.candidates):
                self._by_table.setdefault(index.table, []).append(bit)
        return self._by_table[table]

    def _score(self, more: Bits, saved: float) -> float:
        if self.limits.budget_bytes is None or saved <= 0:
            return saved
        return saved / self.size(more)

    async def _smallest_alike(
        self, best: Bits, saved: float, chosen: Bits, heap: list[tuple[float, int, Bits]]
    ) -> Bits:
        """Of those that save about as much the one that is the smallest, then the first."""
        alike = [best]
        for promise, _, more in sorted(heap):
            if -promise < saved / (1 + ABOUT_EQUAL):
                break
            least, _ = await self.resolve(
                chosen, chosen | more, until=saved / (1 + ABOUT_EQUAL) - _NEGLIGIBLE * self.base
            )
            if least >= saved / (1 + ABOUT_EQUAL) and await self._is_worth(more, chosen):
                alike.append(more)
        return min(alike, key=self._preference)

    def _preference(self, some: Bits) -> tuple[int, float, int, int]:
        keys = sum(len(self.costs.candidates[bit].keys) for bit in bits_of(some))
        return some.bit_count(), self.size(some), keys, some & -some

    async def _is_worth(self, more: Bits, chosen: Bits) -> bool:
        everything = chosen | more
        for bit in bits_of(more):
            gains = await self.gains(bit, everything & ~(1 << bit))
            if not self.pays(bit, gains) or not await self._adds(bit, everything):
                return False
        return True

    async def gains(self, bit: int, others: Bits) -> list[tuple[int, float, float]]:
        """What each statement costs beside *others* without and with an index, if not the same."""
        found = []
        for number in self.affected(1 << bit):
            low, high = self.costs.bounds(number, others)
            new_low, new_high = self.costs.bounds(number, others | (1 << bit))
            doubt = max(high - new_low, 0.0) - max(low - new_high, 0.0)
            if self.weights[number] * doubt > _NEGLIGIBLE * self.base:
                high = await self.costs.price(number, others)
                new_high = await self.costs.price(number, others | (1 << bit))
            if high != new_high and high < float("inf") and new_high < float("inf"):
                found.append((number, high, new_high))
        return found

    async def _adds(self, bit: int, chosen: Bits) -> bool:
        """Whether an index saves something of its own beside wider ones that begin with it."""
        indexes = self.costs.candidates
        wider = set_of(one for one in bits_of(chosen) if indexes[one].begins_with(indexes[bit]))
        if not wider:
            return True
        beside = self._saved(await self.gains(bit, chosen & ~(1 << bit)))
        alone = self._saved(await self.gains(bit, chosen & ~(1 << bit) & ~wider))
        return beside >= _OWN * alone

    def _saved(self, gains: Iterable[tuple[int, float, float]]) -> float:
        return sum(self.weights[number] * (before - after) for number, before, after in gains)

    async def _with(self, bit: int, order: list[int]) -> list[int]:
        """The chosen with one more, in the place of those for which it can stand."""
        indexes = self.costs.candidates
        everything = set_of([*order, bit])
        replaced = [
            one
            for one in order
            if indexes[bit].begins_with(indexes[one]) and not await self._adds(one, everything)
        ]
        over = [one for one in order if indexes[bit].begins_with(indexes[one])]
        if self.limits.budget_bytes is not None and self._room(everything) < 0:
            replaced = over
        if not replaced:
            return [*order, bit]
        place = order.index(replaced[0])
        kept = [one for one in order if one not in replaced]
        return [*kept[:place], bit, *kept[place:]]

    # Exchanges

    async def _exchanged(self, order: list[int]) -> list[int]:
        """The chosen after all exchanges that save more."""
        chosen = set_of(order)
        for _ in range(_MOST_ROUNDS):
            if self.limits.is_late():
                break
            better = await self._better(chosen)
            if better is None:
                break
            chosen = set_of(await self._greedily(better))
        kept = [one for one in order if chosen >> one & 1]
        return [*kept, *(one for one in bits_of(chosen) if one not in kept)]

    async def _better(self, chosen: Bits) -> Bits | None:
        """Another set within the limits that saves more; None if none is known."""
        worth = _WORTH_AN_EXCHANGE * self.base
        offers: list[tuple[float, Bits]] = []
        for more in self.moves(chosen):
            if self.bounds(chosen, chosen | more)[1] <= worth:
                continue
            for other in self._instead(more, chosen):
                most = self.bounds(chosen, other)[1]
                if most > worth and (chosen, other) not in self._hopeless:
                    offers.append((most, other))
        for _, other in sorted(offers, key=lambda one: (-one[0], one[1])):
            least, _ = await self.resolve(chosen, other, until=worth)
            if least > worth / 2:
                return other
            self._hopeless.add((chosen, other))
        return None

    def _instead(self, more: Bits, chosen: Bits) -> Iterator[Bits]:
        """The sets with *more* in them from which so much was taken that they fit."""
        everything = chosen | more
        if self._is_within(everything):
            yield everything
            return
        for old in bits_of(chosen):
            if self._is_within(everything & ~(1 << old)):
                yield everything & ~(1 << old)
        rest = everything
        while not self._is_within(rest) and rest & chosen:
            rest &= ~(1 << min(bits_of(rest & chosen), key=lambda one: self._loss(one, rest)))
        if self._is_within(rest):
            yield rest

    def _is_within(self, some: Bits) -> bool:
        most = self.limits.max_indexes
        return self._room(some) >= 0 and (most is None or some.bit_count() <= most)

    def _loss(self, bit: int, some: Bits) -> tuple[float, int]:
        """What it costs for its size to do without an index, at most, as far as is known."""
        most = self.bounds(some & ~(1 << bit), some)[1]
        return most / self.size(1 << bit), bit

    async def _without_superfluous(self, order: list[int]) -> list[int]:
        """The chosen without those that the others have made superfluous."""
        kept = list(order)
        for bit in order:
            others = set_of(kept) & ~(1 << bit)
            if not self.pays(bit, await self.gains(bit, others)):
                kept.remove(bit)
        return kept


def set_of(numbers: Iterable[int]) -> Bits:
    """The set of some candidates."""
    some = 0
    for one in numbers:
        some |= 1 << one
    return some
