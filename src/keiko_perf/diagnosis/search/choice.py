"""
Choice: which set of indexes saves most within the limits.

Without a budget greedily: always what saves most, less what the workload's writes cost; a single
index, or all those that a plan uses together. Within one the planner first nominates what is worth
knowing (see `nomination`), what is then taken greedily by what it saves for its size is another
start, and the best set is packed of all that was learned (see `packing`). The same questions get
the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of
from keiko_perf.diagnosis.search.ledger import Ledger
from keiko_perf.diagnosis.search.nomination import Nomination
from keiko_perf.diagnosis.search.weighing import NEGLIGIBLE, Limits, Weighing

__all__ = ["Choice", "Limits"]

ABOUT_EQUAL = 0.03
"""Of two candidates that save the same but for this share, the smaller one is taken."""
_LEFT_ALIKE = 0.25
"""Nor may the workload cost more than by this share with the smaller one, or else by …"""
_LITTLE = 0.005
"""… this share of what it costs now: where nearly all is saved, a little more is much quicker."""
_MOST_SETTLED = 3
"""So often what is superfluous is taken out, and the best set packed of what was learned by it."""
_TO_NOMINATE = 0.85
"""Of many questions that are worth asking; the others are for what is taken greedily."""


@dataclass(slots=True)
class Choice(Weighing):
    """Chooses by what the candidates weigh."""

    _nomination: Nomination | None = None
    _promised: dict[Bits, tuple[tuple[Bits, int, bool], float]] = field(default_factory=dict)

    async def run(self) -> list[int]:
        """The chosen candidates, the most useful for its size first."""
        if self.limits.budget_bytes is not None:
            return await self._packed()
        return await self._without_superfluous(await self._greedily(0))

    async def again(self, start: Bits) -> list[int]:
        """
        The chosen once it is known of some that they don't pay.

        Args:
            start: those that still do; within a budget nothing else is asked about.
        """
        if self._nomination is None:
            return await self.run()
        self._nomination.forget_who_pays()
        return await self._settled(self._nomination.packed(start), self._nomination)

    def may_ask(self) -> bool:
        """Whether what was chosen may be asked about once more; without a budget always."""
        return self._nomination is None or not self._nomination.is_spent()

    async def _packed(self) -> list[int]:
        """The best set of what is nominated and of what is taken greedily."""
        self._nomination = nomination = Nomination(Ledger(self))
        best = await nomination.best(share=1.0 if nomination.is_few() else _TO_NOMINATE)
        best = await nomination.better(best, set_of(await self._greedily(0)))
        return await self._settled(best, nomination)

    async def _settled(self, best: Bits, nomination: Nomination) -> list[int]:
        """The best set without what is superfluous, and with what fits in its place."""
        for _ in range(_MOST_SETTLED):
            order = await self._without_superfluous(self._by_use(best, nomination.ledger))
            best = nomination.packed(set_of(order))
            if best == set_of(order):
                break
        return order

    def _by_use(self, some: Bits, ledger: Ledger) -> list[int]:
        """The most useful first."""
        order: list[int] = []
        while rest := some & ~set_of(order):
            taken = set_of(order)
            order.append(
                max(
                    bits_of(rest),
                    key=lambda bit: (
                        ledger.saved(taken, taken | 1 << bit),
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
            order += bits_of(best & ~taken)
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
        self._now = self._cost(chosen)
        heap = [
            (-self._score(more, self._most_saved(more, chosen)), place, more)
            for place, more in enumerate(self.moves(chosen))
            if self.fits(chosen | more)
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

    def _most_saved(self, more: Bits, chosen: Bits) -> float:
        """What an addition may save at most; reckoned anew once something near it is another."""
        nearby = chosen & self.near(more)
        answers = sum([len(self.costs.known(one)) for one in self.affected(more)])
        state = nearby, answers, not chosen
        known = self._promised.get(more)
        if known is None or known[0] != state:
            known = self._promised[more] = state, self.bounds(chosen, chosen | more)[1]
        return known[1]

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
            if not self.pays(bit, gains):
                return False
        return True

    async def _without_superfluous(self, order: list[int]) -> list[int]:
        """The chosen without those that the others have made superfluous."""
        kept = list(order)
        for bit in order:
            others = set_of(kept) & ~(1 << bit)
            if not await self.is_paying(bit, others):
                kept.remove(bit)
        return kept
