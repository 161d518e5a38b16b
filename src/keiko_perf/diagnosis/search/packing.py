"""
Packing: the set within the limits that saves most, by what the ledger is sure of.

It fills the room from several points of view, by what is saved and by what is saved for the size,
and then looks for something better: with one more in the place of others, or without one or two
and the room filled anew. No question is asked, so that much can be tried. The same ledger gives the
same set.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from itertools import combinations

from keiko_perf.diagnosis.search.additions import Additions
from keiko_perf.diagnosis.search.bits import Bits, bits_of, without
from keiko_perf.diagnosis.search.ledger import Ledger
from keiko_perf.diagnosis.search.losses import MISSED_LEAST, Losses, least_missed_first

_VIEWS = (1.0, 0.5, 0.0)
"""How much the size counts in what is taken first."""
_MOST_ROUNDS = 40
_MOST_ANEW = 3
"""So often something is taken out and the room filled anew."""
_TRIED = 4
"""So many of the most promising exchanges are tried to the end."""
_TRIED_ANEW = 5
"""The same of sets that were filled anew."""
_TAKEN_OUT = 20
"""Of so many that are missed least one is taken out before the room is filled anew."""
_LEAST = 1e-5
"""Of what the workload costs: what saves less is no improvement."""


class Packing:
    """
    Finds a good set among *moves*: indexes one by one, and such as are used together.

    It goes by what the ledger knows when it is made. Once the time is up, or too much was
    reckoned, it only fills the room.
    """

    def __init__(self, ledger: Ledger, moves: Iterable[Bits]) -> None:
        self.ledger = ledger
        self._weighing = ledger.weighing
        self._size = ledger.weighing.size
        self._gains = ledger.gains
        ledger.learn()
        self._additions = Additions(self._gains, moves)
        self._exchanges: dict[Bits, Bits] = {}
        self._anews: dict[Bits, Bits] = {}
        self._paying: dict[Bits, Bits] = {}

    def _is_late(self) -> bool:
        return self._weighing.limits.is_late() or self.ledger.is_worn_out()

    def best(self, *starts: Bits) -> Bits:
        """A good set, from nothing and from *starts*."""
        views = _VIEWS[:1] if self._is_late() else _VIEWS
        filled = [self.filled(0, view) for view in views]
        filled += [self.filled(self.paying(one)) for one in starts if self._weighing.fits(one)]
        return self._improved(min(filled, key=self._rank))

    def better(self, start: Bits) -> Bits:
        """A set at least as good as *start*, near it."""
        return self._improved(self.filled(self.paying(start)))

    def thorough(self, *starts: Bits) -> Bits:
        """A good set, with all patience."""
        best = self.best(*starts)
        for _ in range(_MOST_ANEW):
            other = self._anews.get(best)
            if other is None:
                other = self._anews[best] = self._anew(best, _LEAST * self.ledger.cost(best))
            if not other:
                break
            best = other
        return best

    def _rank(self, some: Bits) -> tuple[float, float, Bits]:
        return self.ledger.cost(some), self._size(some), some

    def filled(self, chosen: Bits, view: float = 1.0, *, but: Bits = 0) -> Bits:
        """With whatever saves most for its size added, as long as it fits and pays."""
        while True:
            for gain in self._additions.best_first(chosen, view):
                if not gain.new & but and gain.pays(chosen | gain.new):
                    chosen |= gain.new
                    break
            else:
                return chosen

    def paying(self, chosen: Bits) -> Bits:
        """Without those that are not worth having beside the others, the least useful first."""
        known = self._paying.get(chosen)
        if known is None:
            known = self._paying[chosen] = self._only_paying(chosen)
        return known

    def _only_paying(self, chosen: Bits) -> Bits:
        each = {bit: self._gains.of(1 << bit) for bit in bits_of(chosen)}
        if all(gain.pays(chosen) for gain in each.values()):
            return chosen
        for bit in least_missed_first(each, chosen):
            if not each[bit].pays(chosen):
                chosen = without(chosen, bit)
        return chosen

    def _improved(self, chosen: Bits) -> Bits:
        for _ in range(_MOST_ROUNDS):
            if self._is_late():
                break
            other = self._exchanges.get(chosen)
            if other is None:
                least = _LEAST * self.ledger.cost(chosen)
                other = self._exchanges[chosen] = self._exchanged(chosen, least)
            if not other:
                break
            chosen = other
        return chosen

    def _exchanged(self, chosen: Bits, least: float) -> Bits:
        """With one more in the place of others, if that saves something; else nothing."""
        offers: dict[Bits, float] = {}
        losses, room = Losses(self._gains, chosen), self._weighing.room(chosen)
        # To do without one that is there may spare its upkeep, and no more.
        spared = self._weighing.upkeep_of(chosen)
        best: list[float] = []
        for saved, gain in self._additions.saving(chosen, least):
            worst = best[0] if len(best) == _TRIED else least
            if saved + spared < worst:
                break
            over = gain.size - room
            for gone, lost in losses.making_room(gain, over, most_lost=saved - worst):
                if saved - lost > least:
                    offers[(chosen | gain.new) & ~gone] = saved - lost
                    insort(best, saved - lost)
                    del best[:-_TRIED]
        ordered = sorted(offers, key=lambda one: (-offers[one], one))
        found, most = 0, least
        for other in ordered[:_TRIED]:
            full = self.filled(self.paying(other))
            saved = self.ledger.saved(chosen, full)
            if saved > most:
                found, most = full, saved
        return found

    def _anew(self, chosen: Bits, least: float) -> Bits:
        """Without one or two, then filled with others, if that saves something."""
        cheap = Losses(self._gains, chosen).cheapest_first()
        others: dict[Bits, float] = {}
        # Without two: TPC-H within 400 MB costs 3 % more where only one goes.
        for gone in (*combinations(cheap[:_TAKEN_OUT], 1), *combinations(cheap[:MISSED_LEAST], 2)):
            if self._is_late():
                break
            rest = without(chosen, *gone)
            for view in (1.0, 0.0):
                filled = self.filled(rest, view, but=chosen & ~rest)
                other = self.paying(self.filled(filled, view))
                if other != chosen:
                    others[other] = self.ledger.saved(chosen, other)
        for other in sorted(others, key=lambda one: (-others[one], one))[:_TRIED_ANEW]:
            improved = self._improved(other)
            if self.ledger.saved(chosen, improved) > least:
                return improved
        return 0
