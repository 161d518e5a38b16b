"""
Gains: what each addition saves beside a set, kept as long as nothing new is known of it.

What an addition saves depends only on those of the set that matter to the same statements, and on
what the planner has said of these. So it is reckoned once for each such neighbourhood, and anew only
once the planner has said more. What is kept is bounded; over the bound it is reckoned again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from keiko_perf.diagnosis.costs import Bits

if TYPE_CHECKING:  # each ledger keeps its own
    from keiko_perf.diagnosis.ledger import Ledger

_MOST_KEPT = 200_000


class Gains:
    """
    Args:
        ledger: what is known.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._near: dict[Bits, Bits] = {}
        self._gains: dict[Bits, dict[Bits, float]] = {}
        self._pays: dict[int, dict[Bits, bool]] = {}
        self._kept = 0

    def forget(self, changed: AbstractSet[int]) -> None:
        """Forget what saved anything in statements of which more is known now."""
        if self._kept > _MOST_KEPT:
            self._gains.clear()
            self._pays.clear()
            self._kept = 0
        affected = self.ledger.weighing.affected
        for new in [one for one in self._gains if not changed.isdisjoint(affected(one))]:
            del self._gains[new]
        for bit in [one for one in self._pays if not changed.isdisjoint(affected(1 << one))]:
            del self._pays[bit]

    def saved(self, new: Bits, chosen: Bits) -> float:
        """What is saved by *new* beside the chosen, none of which it holds."""
        nearby = chosen & self.near(new)
        kept = self._gains.get(new)
        if kept is None:
            kept = self._gains[new] = {}
        known = kept.get(nearby)
        if known is None:
            known = kept[nearby] = self.ledger.saved(nearby, nearby | new)
            self._kept += 1
        return known

    def pays(self, bit: int, chosen: Bits) -> bool:
        """Whether it is worth having an index, which is one of them, beside the chosen."""
        nearby = chosen & self.near(1 << bit)
        kept = self._pays.get(bit)
        if kept is None:
            kept = self._pays[bit] = {}
        known = kept.get(nearby)
        if known is None:
            known = kept[nearby] = self.ledger.pays(bit, nearby)
            self._kept += 1
        return known

    def near(self, some: Bits) -> Bits:
        """The candidates that matter to the statements that some matter to."""
        known = self._near.get(some)
        if known is None:
            weighing = self.ledger.weighing
            known = some
            for number in weighing.affected(some):
                known |= weighing.costs.relevant(number)
            self._near[some] = known
        return known
