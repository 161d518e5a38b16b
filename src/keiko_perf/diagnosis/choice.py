"""
Choice: which set of indexes saves most within the limits.

First greedily: always what saves most for its size, less what the workload's writes cost; a single
index, or all those that a plan uses together. Then what was chosen is exchanged for what was not,
as long as that saves more. The same questions get the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.weighing import NEGLIGIBLE, Limits, Weighing, set_of

__all__ = ["Choice", "Limits", "set_of"]

ABOUT_EQUAL = 0.03
"""Of two candidates that save the same but for this share, the smaller one is taken."""
_LEFT_ALIKE = 0.25
"""Nor may the workload cost more than by this share with the smaller one, or else by …"""
_LITTLE = 0.005
"""… this share of what it costs now: where nearly all is saved, a little more is much quicker."""
_WORTH_AN_EXCHANGE = 1e-3
_MOST_ROUNDS = 40


class Choice(Weighing):
    """Chooses by what the candidates weigh."""

    __slots__ = ()

    async def run(self) -> list[int]:
        """The chosen candidates, the most useful for its size first."""
        chosen = await self._greedily(0)
        if self.limits.budget_bytes is not None:
            chosen = await self._exchanged(chosen)
        return await self._without_superfluous(chosen)

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
        room = self.room(chosen)
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
            if self.is_rough and most - least <= self.borne(most):
                most = least
            now = -self._score(more, most)
            next_best = heap[0][0] if heap else 0.0
            if now > next_best or now >= 0:
                if now < 0:
                    heappush(heap, (now, place, more))
            elif most - least > self.borne(most):
                number, some = self.most_doubtful(chosen, chosen | more)
                await self.costs.refine(number, some, new=more)
                heappush(heap, (now, place, more))
            elif await self._is_worth(more, chosen):
                if self.limits.budget_bytes is None:
                    return await self._smallest_alike(more, most, chosen, heap)
                return more
        return None

    def room(self, chosen: Bits) -> float:
        budget = self.limits.budget_bytes
        return float("inf") if budget is None else budget - self.size(chosen)

    def _fits(self, more: Bits, room: float, chosen: Bits) -> bool:
        most = self.limits.max_indexes
        if most is not None and (chosen | more).bit_count() > most:
            return False
        return room == float("inf") or self.size(more) <= room + self._replaceable(more, chosen)

    def _replaceable(self, more: Bits, chosen: Bits) -> float:
        """How much room the indexes take that the new ones begin with: they may go."""
        return self.size(chosen & self.beginnings(more))

    def _score(self, more: Bits, saved: float) -> float:
        if self.limits.budget_bytes is None or saved <= 0:
            return saved
        return saved / self.size(more)

    async def _smallest_alike(
        self, best: Bits, saved: float, chosen: Bits, heap: list[tuple[float, int, Bits]]
    ) -> Bits:
        """Of those that save about as much the one that is the smallest, then the first."""
        alike, enough = [best], self._about(saved)
        for promise, _, more in sorted(heap):
            if -promise < enough:
                break
            least, _ = await self.resolve(
                chosen, chosen | more, until=enough - NEGLIGIBLE * self.base
            )
            if least >= enough and await self._is_worth(more, chosen):
                alike.append(more)
        return min(alike, key=self._preference)

    def _about(self, saved: float) -> float:
        """How much saves about as much: nor is what the workload costs then much more."""
        left = max(self._now - saved, 0.0)
        doubt = max(_LEFT_ALIKE * left, _LITTLE * self._now)
        return saved - min(saved - saved / (1 + ABOUT_EQUAL), doubt)

    def _preference(self, some: Bits) -> tuple[int, float, int, int]:
        keys = sum(len(self.costs.candidates[bit].keys) for bit in bits_of(some))
        return some.bit_count(), self.size(some), keys, some & -some

    async def _is_worth(self, more: Bits, chosen: Bits) -> bool:
        everything = chosen | more
        for bit in bits_of(more):
            gains = await self.gains(bit, everything & ~(1 << bit))
            if not self.pays(bit, gains) or not await self.adds(bit, everything):
                return False
        return True

    async def _with(self, bit: int, order: list[int]) -> list[int]:
        """The chosen with one more, in the place of those for which it can stand."""
        indexes = self.costs.candidates
        everything = set_of([*order, bit])
        replaced = [
            one
            for one in order
            if indexes[bit].begins_with(indexes[one]) and not await self.adds(one, everything)
        ]
        over = [one for one in order if indexes[bit].begins_with(indexes[one])]
        if self.limits.budget_bytes is not None and self.room(everything) < 0:
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
        return self.room(some) >= 0 and (most is None or some.bit_count() <= most)

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
