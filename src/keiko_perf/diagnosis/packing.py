"""
Packing: the set within the limits that saves most, by what the ledger is sure of.

It fills the room from several points of view, by what is saved and by what is saved for the size,
and then looks for something better: with one more in the place of others, or without one or two
and the room filled anew. No question is asked, so that much can be tried. The same ledger gives the
same set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.ledger import Ledger, without

_VIEWS = (1.0, 0.5, 0.0)
"""How much the size counts in what is taken first."""
_MOST_ROUNDS = 40
_MOST_ANEW = 3
"""So often something is taken out and the room filled anew."""
_TRIED = 4
"""So many of the most promising exchanges are tried to the end."""
_TRIED_ANEW = 5
"""The same of sets that were filled anew."""
_MISSED_LEAST = 6
"""Of so many that are missed least for their size two are taken out together, …"""
_TAKEN_OUT = 20
"""… and of so many one, before the room is filled anew."""
_LEAST = 1e-5
"""Of what the workload costs: what saves less is no improvement."""


class Packing:
    """Finds a good set among *moves*: indexes one by one, and such as are used together."""

    def __init__(self, ledger: Ledger, moves: Iterable[Bits]) -> None:
        self.ledger = ledger
        self._weighing = ledger.weighing
        self._size = ledger.weighing.size
        self._moves = sorted(((one, self._size(one)) for one in moves), key=lambda one: one[::-1])
        self._near: dict[Bits, Bits] = {}
        self._gains: dict[tuple[Bits, Bits], float] = {}
        self._pay_known: dict[tuple[int, Bits], bool] = {}

    def best(self, *starts: Bits) -> Bits:
        """A good set, from nothing and from *starts*."""
        filled = [self.filled(0, view) for view in _VIEWS]
        filled += [self.filled(self.paying(one)) for one in starts if self._weighing.fits(one)]
        return self._improved(min(filled, key=self._rank))

    def better(self, start: Bits) -> Bits:
        """A set at least as good as *start*, near it."""
        return self._improved(self.filled(self.paying(start)))

    def thorough(self, *starts: Bits) -> Bits:
        """A good set, with all patience."""
        best = self.best(*starts)
        for _ in range(_MOST_ANEW):
            other = self._anew(best, _LEAST * self.ledger.cost(best))
            if not other:
                break
            best = other
        return best

    def _rank(self, some: Bits) -> tuple[float, float, Bits]:
        return self.ledger.cost(some), self._size(some), some

    def filled(self, chosen: Bits, view: float = 1.0, *, but: Bits = 0) -> Bits:
        """With whatever saves most for its size added, as long as it fits and pays."""
        while True:
            best, highest = 0, 0.0
            for new, size in self._additions(chosen, but):
                score = self._gain(new, chosen) / size**view
                if score > highest and self._pay(new, chosen | new):
                    best, highest = new, score
            if not best:
                return chosen
            chosen |= best

    def _additions(self, chosen: Bits, but: Bits) -> Iterator[tuple[Bits, float]]:
        """What still fits, with its size."""
        room = self._weighing.room(chosen)
        for more, size in self._moves:
            if size > room and not more & chosen:
                # They are in the order of their size. One that holds what is chosen already may
                # still fit, and is found by an exchange.
                return
            new = more & ~chosen
            added = size if new == more else self._size(new)
            if (
                new
                and not new & but
                and added <= room
                and self._weighing.surplus(chosen | new) <= 0
            ):
                yield new, added

    def _pay(self, some: Bits, chosen: Bits) -> bool:
        return all(self._pays(bit, chosen) for bit in bits_of(some))

    def _pays(self, bit: int, chosen: Bits) -> bool:
        nearby = chosen & self._neighbours(1 << bit)
        known = self._pay_known.get((bit, nearby))
        if known is None:
            known = self._pay_known[bit, nearby] = self.ledger.pays(bit, nearby)
        return known

    def _gain(self, new: Bits, chosen: Bits) -> float:
        """What is saved by *new* beside the chosen."""
        nearby = chosen & self._neighbours(new)
        known = self._gains.get((new, nearby))
        if known is None:
            known = self._gains[new, nearby] = self.ledger.saved(nearby, nearby | new)
        return known

    def _neighbours(self, some: Bits) -> Bits:
        """The candidates that matter to the statements that some matter to."""
        known = self._near.get(some)
        if known is None:
            known = 0
            for number in self._weighing.affected(some):
                known |= self._weighing.costs.relevant(number)
            self._near[some] = known
        return known

    def paying(self, chosen: Bits) -> Bits:
        """Without those that are not worth having beside the others, the least useful first."""
        losses = self._losses(chosen, chosen)
        for bit in sorted(losses, key=lambda one: (losses[one], one)):
            if not self._pays(bit, chosen):
                chosen = without(chosen, bit)
        return chosen

    def _improved(self, chosen: Bits) -> Bits:
        for _ in range(_MOST_ROUNDS):
            least = _LEAST * self.ledger.cost(chosen)
            other = self._exchanged(chosen, least)
            if not other:
                break
            chosen = other
        return chosen

    def _exchanged(self, chosen: Bits, least: float) -> Bits:
        """With one more in the place of others, if that saves something; else nothing."""
        offers: dict[Bits, float] = {}
        for more, _ in self._moves:
            new = more & ~chosen
            gain = self._gain(new, chosen) if new else 0.0
            if gain > least:
                for other, lost in self._fitting(chosen, new):
                    if gain - lost > least:
                        offers[other] = gain - lost
        ordered = sorted(offers, key=lambda one: (-offers[one], one))
        return self._first_better(chosen, ordered[:_TRIED], least)

    def _anew(self, chosen: Bits, least: float) -> Bits:
        """Without one or two and then filled with others, if that saves something."""
        losses = self._losses(chosen, chosen)
        cheap = sorted(losses, key=lambda bit: (losses[bit] / self._size(1 << bit), bit))
        others: dict[Bits, float] = {}
        for gone in (
            *((one,) for one in cheap[:_TAKEN_OUT]),
            *combinations(cheap[:_MISSED_LEAST], 2),
        ):
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

    def _first_better(self, chosen: Bits, others: Iterable[Bits], least: float) -> Bits:
        best, most = 0, least
        for other in others:
            full = self.filled(self.paying(other))
            saved = self.ledger.saved(chosen, full)
            if saved > most:
                best, most = full, saved
        return best

    def _fitting(self, chosen: Bits, new: Bits) -> Iterator[tuple[Bits, float]]:
        """The sets with *new* from which so much is taken that they fit, and what that loses."""
        everything = chosen | new
        over = -self._weighing.room(everything)
        surplus = self._weighing.surplus(everything)
        if over <= 0 and surplus <= 0:
            yield everything, 0.0
            return
        losses = self._losses(chosen, everything)
        sizes = {bit: self._size(1 << bit) for bit in losses}
        cheap = sorted(losses, key=lambda bit: (losses[bit] / sizes[bit], bit))
        pairs = combinations(cheap[:_MISSED_LEAST], 2)
        most = (cheap[:place] for place in range(3, len(cheap) + 1))
        for gone in (*((one,) for one in cheap), *pairs, *most):
            if len(gone) >= surplus and sum(sizes[bit] for bit in gone) >= over:
                yield without(everything, *gone), sum(losses[bit] for bit in gone)
                if len(gone) > 2:
                    return

    def _losses(self, some: Bits, chosen: Bits) -> dict[int, float]:
        """What it costs to do without each of *some*."""
        return {bit: self._gain(1 << bit, without(chosen, bit)) for bit in bits_of(some)}
