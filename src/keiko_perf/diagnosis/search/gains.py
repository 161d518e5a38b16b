"""
Gains: what each addition saves beside a set, kept as long as nothing new is known of it.

What an addition saves depends only on those of the set that matter to the same statements, and on
what the planner has said of these. So it is reckoned once for each such neighbourhood, and anew
only once the planner has said more. Where much is kept by then, all of it goes.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from keiko_perf.diagnosis.search.bits import Bits

if TYPE_CHECKING:  # each ledger keeps its own
    from keiko_perf.diagnosis.search.ledger import Ledger, Page

_MOST_KEPT = 200_000


class Gain:
    """What one addition saves beside whatever is there."""

    __slots__ = ("_all_parts", "_gains", "_kept", "_new", "_parts", "_upkeep", "near")

    def __init__(self, gains: Gains, new: Bits) -> None:
        weighing = gains.ledger.weighing
        self.near: Bits = 0
        """What matters to the statements that it matters to, by what is known."""
        self._gains = gains
        self._new = new
        self._upkeep = weighing.upkeep_of(new)
        self._all_parts = tuple(gains.ledger.page(one) for one in weighing.affected(new))
        self._parts: list[Page] = []
        self._kept: dict[Bits, float] = {}
        self.forget()

    def beside(self, chosen: Bits) -> float:
        """What it saves beside the chosen, none of which it holds."""
        nearby = chosen & self.near
        known = self._kept.get(nearby)
        if known is None:
            known = self._kept[nearby] = self._reckoned(nearby)
            self._gains.kept += 1
        return known

    def _reckoned(self, nearby: Bits) -> float:
        found = -self._upkeep
        after = nearby | self._new
        for page in self._parts:
            # In two steps and without a call: most of the search's time is spent here.
            kept, mine = page.kept, page.live
            old = kept.get(nearby & mine)
            if old is None:
                old = page.enter(nearby & mine)
            new = kept.get(after & mine)
            if new is None:
                new = page.enter(after & mine)
            found += page.weight * (old - new)
        return found

    def forget(self) -> None:
        """Forget what was reckoned, and look anew where it matters."""
        self._kept.clear()
        self._parts = [page for page in self._all_parts if page.live & self._new]
        self.near = self._new
        for page in self._parts:
            self.near |= page.live


class Gains:
    """
    Args:
        ledger: what is known.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.kept = 0
        self._of: dict[Bits, Gain] = {}
        self._pays: dict[int, tuple[Bits, dict[Bits, bool]]] = {}

    def of(self, new: Bits) -> Gain:
        """What an addition saves."""
        known = self._of.get(new)
        if known is None:
            known = self._of[new] = Gain(self, new)
        return known

    def pays(self, bit: int, chosen: Bits) -> bool:
        """Whether it is worth having an index, which is one of them, beside the chosen."""
        known_of = self._pays.get(bit)
        if known_of is None:
            known_of = self._pays[bit] = self.ledger.weighing.near(1 << bit), {}
        near, kept = known_of
        nearby = chosen & near
        known = kept.get(nearby)
        if known is None:
            known = kept[nearby] = self.ledger.pays(bit, nearby)
            self.kept += 1
        return known

    def forget_who_pays(self) -> None:
        """From now on others pay than before."""
        self._pays.clear()

    def forget(self, changed: AbstractSet[int]) -> None:
        """Forget what is saved in statements of which more is known now."""
        if self.kept > _MOST_KEPT:
            self._of.clear()
            self._pays.clear()
            self.kept = 0
        affected = self.ledger.weighing.affected
        for new, gain in self._of.items():
            if not changed.isdisjoint(affected(new)):
                gain.forget()
        for bit, (_, kept) in self._pays.items():
            if not changed.isdisjoint(affected(1 << bit)):
                kept.clear()
