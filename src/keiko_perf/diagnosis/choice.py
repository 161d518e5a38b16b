"""
Choice: which set of indexes saves most within the limits.

First greedily: always what saves most for its size, less what the workload's writes cost; a single
index, or all those that a plan uses together. Within a budget what was chosen is then exchanged for
what was not, as long as that saves more, and packed anew with all that was learned (see `packing`
and `nomination`). The same questions get the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import combinations

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.ledger import Ledger
from keiko_perf.diagnosis.nomination import Nomination
from keiko_perf.diagnosis.weighing import NEGLIGIBLE, Limits, Weighing, set_of

__all__ = ["Choice", "Limits", "set_of"]

ABOUT_EQUAL = 0.03
"""Of two candidates that save the same but for this share, the smaller one is taken."""
_LEFT_ALIKE = 0.25
"""Nor may the workload cost more than by this share with the smaller one, or else by …"""
_LITTLE = 0.005
"""… this share of what it costs now: where nearly all is saved, a little more is much quicker."""
_WORTH_AN_EXCHANGE = 1e-3
"""Of what the workload costs with what is chosen: an exchange that saves less is not looked for."""
_FEW = 8
"""Of so many that are missed least, two are taken out together."""
_MOST_WEIGHED = 60
"""Additions for which room is looked for in one round."""
_MOST_ROUNDS = 40


@dataclass(slots=True)
class Choice(Weighing):
    """Chooses by what the candidates weigh."""

    _nomination: Nomination | None = None

    async def run(self) -> list[int]:
        """The chosen candidates, the most useful for its size first."""
        if self.limits.budget_bytes is not None:
            return await self._packed()
        return await self._without_superfluous(await self._greedily(0))

    async def _packed(self) -> list[int]:
        """The best set after exchanges, and packed anew with all that was learned by them."""
        order = await self._settled(await self._greedily(0))
        ledger = Ledger(self)
        self._nomination = nomination = Nomination(ledger)
        # Now that questions are bounded and more is known, exchanges may lead elsewhere.
        other = set_of(await self._settled(order))
        again = await nomination.best(other)
        best = min(set_of(order), other, again, key=ledger.cost)
        return await self._without_superfluous(self._by_use(best, ledger))

    def _by_use(self, some: Bits, ledger: Ledger) -> list[int]:
        """The most useful for its size first."""
        order: list[int] = []
        while rest := some & ~set_of(order):
            taken = set_of(order)
            order.append(
                max(
                    bits_of(rest),
                    key=lambda bit: (
                        ledger.saved(taken, taken | 1 << bit) / self.size(1 << bit),
                        -bit,
                    ),
                )
            )
        return order

    def _is_late(self) -> bool:
        """Whether the time is up, or as much was asked as it is worth."""
        if self._nomination is not None:
            return self._nomination.is_late()
        return self.limits.is_late()

    async def _settled(self, order: list[int]) -> list[int]:
        """The chosen after all exchanges, in which each is worth having."""
        order = await self._exchanged(order)
        kept = await self._without_superfluous(order)
        if len(kept) == len(order):
            return kept
        return await self._without_superfluous(await self._greedily(set_of(kept)))

    def _cost(self, chosen: Bits) -> float:
        """What the statements cost with the chosen, at most."""
        return sum(self.weights[one] * self.costs.bounds(one, chosen)[1] for one in self.live)

    def now(self, chosen: Bits) -> float:
        """What the workload costs with the chosen, at most."""
        live = sum(self.weights[one] * self.costs.bounds(one, 0)[1] for one in self.live)
        return self.base - live + self._cost(chosen)

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
        return self._is_late() or (most is not None and len(order) >= most)

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
            if promise >= 0 or self._is_late():
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

    def _fits(self, more: Bits, room: float, chosen: Bits) -> bool:
        if self.surplus(chosen | more) > 0:
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
            if self._is_late():
                break
            better = await self._better(chosen)
            if better is None:
                break
            chosen = set_of(await self._greedily(better))
        kept = [one for one in order if chosen >> one & 1]
        return [*kept, *(one for one in bits_of(chosen) if one not in kept)]

    async def _better(self, chosen: Bits) -> Bits | None:
        """Another set within the limits that saves more; None if none is known."""
        worth = _WORTH_AN_EXCHANGE * self.now(chosen)
        offers: dict[Bits, float] = {}
        losses = {bit: self._loss(bit, chosen) for bit in bits_of(chosen)}
        for more in self._promising(chosen, worth):
            for other in self._instead(more, chosen, losses):
                if other in offers or (chosen, other) in self._hopeless:
                    continue
                most = self.bounds(chosen, other)[1]
                if most > worth:
                    offers[other] = most
        for other in sorted(offers, key=lambda one: (-offers[one], one)):
            least, _ = await self.resolve(chosen, other, until=worth)
            if least > worth / 2 and await self._is_worth(other & ~chosen, chosen & other):
                return other
            self._hopeless.add((chosen, other))
        return None

    def _promising(self, chosen: Bits, worth: float) -> list[Bits]:
        """The additions that may save most, if only there were room."""
        saved = {more: self.bounds(chosen, chosen | more) for more in self.moves(chosen)}
        some = sorted(
            (more for more in saved if saved[more][1] > worth),
            key=lambda more: (-saved[more][1], more),
        )
        # What is known to save is not pushed out by what nobody knows.
        sure = sorted(
            (more for more in some if saved[more][0] > worth),
            key=lambda more: (-saved[more][0], more),
        )
        return list(dict.fromkeys((*sure[:_MOST_WEIGHED], *some[:_MOST_WEIGHED])))

    def _instead(self, more: Bits, chosen: Bits, losses: dict[int, float]) -> Iterator[Bits]:
        """The sets with *more* in them from which so much was taken that they fit."""
        everything = chosen | more
        if self.fits(everything):
            yield everything
            return
        over, surplus = -self.room(everything), self.surplus(everything)
        tables = {self._candidate(new).table for new in bits_of(more)}
        losses = losses | {
            bit: max(self.bounds(everything & ~(1 << bit), everything)[0], 0.0)
            / self.size(1 << bit)
            for bit in losses
            if self._candidate(bit).table in tables
        }
        cheap = sorted(losses, key=lambda bit: (losses[bit], bit))
        room = {bit: self.size(1 << bit) for bit in cheap}
        if surplus <= 1:
            for old in cheap:
                if room[old] >= over:
                    yield everything & ~(1 << old)
        if surplus <= 2:
            for one, other in combinations(cheap[:_FEW], 2):
                if room[one] + room[other] >= over:
                    yield everything & ~(1 << one) & ~(1 << other)
        for old in cheap:
            everything &= ~(1 << old)
            over, surplus = over - room[old], surplus - 1
            if over <= 0 and surplus <= 0:
                yield everything
                return

    def _loss(self, bit: int, some: Bits) -> float:
        """What it costs for its size to do without an index, as far as is known."""
        least, most = self.bounds(some & ~(1 << bit), some)
        return (max(least, 0.0) + min(most, self.base)) / self.size(1 << bit)

    async def _without_superfluous(self, order: list[int]) -> list[int]:
        """The chosen without those that the others have made superfluous."""
        kept = list(order)
        for bit in order:
            others = set_of(kept) & ~(1 << bit)
            if not self.pays(bit, await self.gains(bit, others)):
                kept.remove(bit)
        return kept
