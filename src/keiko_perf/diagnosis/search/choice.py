"""
Choice: which set of indexes saves most within the limits.

The planner nominates what is worth knowing (see `nomination`), and the best set is packed of all
that was learned (see `packing`), without what turns out to be superfluous. Without a budget a
smaller index then takes the place of one that does about the same. The same questions get the same
answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiko_perf.diagnosis.search.bits import Bits, bits_of, set_of, without
from keiko_perf.diagnosis.search.ledger import Ledger
from keiko_perf.diagnosis.search.nomination import Nomination
from keiko_perf.diagnosis.search.weighing import Limits, Weighing

__all__ = ["Choice", "Limits"]

_ABOUT_EQUAL = 0.03
"""Of two candidates that save the same but for this share, the smaller one is taken."""
_LEFT_ALIKE = 0.25
"""Nor may the workload cost more than by this share with the smaller one, or else by …"""
_LITTLE = 0.005
"""… this share of what it costs now: where nearly all is saved, a little more is much quicker."""
_MOST_SETTLED = 3
"""So often what is superfluous is taken out, and the best set packed of what was learned by it."""


@dataclass(slots=True)
class Choice(Weighing):
    """Chooses by what the candidates weigh."""

    _nomination: Nomination | None = None

    async def run(self) -> list[int]:
        """The chosen candidates, the most useful first."""
        self._nomination = Nomination(Ledger(self))
        return await self._settled(await self._nomination.best(), self._nomination)

    async def again(self, start: Bits) -> list[int]:
        """
        The chosen once it is known of some that they don't pay.

        Args:
            start: those that still do; nothing else is asked about.
        """
        if self._nomination is None:
            return await self.run()
        self._nomination.forget_who_pays()
        return await self._settled(self._nomination.packed(start), self._nomination)

    def most_useful_first(self, order: list[int]) -> list[int]:
        """The chosen by what each adds to those before it, as far as that is known by now."""
        return (
            order
            if self._nomination is None
            else self._by_use(set_of(order), self._nomination.ledger)
        )

    def may_ask(self) -> bool:
        """Whether what was chosen may be asked about once more."""
        return self._nomination is None or not self._nomination.is_spent()

    async def _settled(self, best: Bits, nomination: Nomination) -> list[int]:
        """The best set without what is superfluous, and with what fits in its place."""
        for _ in range(_MOST_SETTLED):
            if self.limits.budget_bytes is None:
                best = self._smaller(best, nomination.ledger)
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
            saved = {bit: ledger.saved(taken, taken | 1 << bit) for bit in bits_of(rest)}
            order.append(max(saved, key=lambda bit: (saved[bit], -bit)))
        return order

    async def _without_superfluous(self, order: list[int]) -> list[int]:
        """The chosen without those that the others have made superfluous."""
        kept = list(order)
        for bit in order:
            others = set_of(kept) & ~(1 << bit)
            if not await self.is_paying(bit, others):
                kept.remove(bit)
        return kept

    def _smaller(self, chosen: Bits, ledger: Ledger) -> Bits:
        """With the smallest in the place of each that does about the same."""
        for bit in bits_of(chosen):
            rest = without(chosen, bit)
            alike = [bit, *self._alike(bit, rest, ledger)]
            chosen = rest | 1 << min(alike, key=self._preference)
        return chosen

    def _alike(self, bit: int, rest: Bits, ledger: Ledger) -> Iterator[int]:
        """Those that save about as much as one of the chosen, which pays beside none of them."""
        saved = ledger.saved(rest, rest | 1 << bit)
        doubt = max(_LEFT_ALIKE * ledger.cost(rest | 1 << bit), _LITTLE * ledger.cost(rest))
        enough = max(saved / (1 + _ABOUT_EQUAL), saved - doubt)
        for move in ledger.moves():
            other, there = move.bit_length() - 1, rest | move
            is_alike = (
                there != rest
                and move == 1 << other
                and ledger.saved(rest, there) >= enough
                and ledger.pays(other, there)
            )
            if is_alike and not ledger.pays(bit, there | 1 << bit):
                yield other

    def _preference(self, bit: int) -> tuple[float, int, int]:
        return self.size(1 << bit), len(self.costs.candidates[bit].keys), bit
