"""The packing in its plainest form: everything is reckoned anew, each time it is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from itertools import combinations
from operator import add

from keiko_perf.diagnosis.search.bits import Bits, bits_of, without
from keiko_perf.diagnosis.search.ledger import Ledger


class NaivePacking:
    """What `Packing` finds, slowly."""

    def __init__(self, ledger: Ledger, moves: Iterable[Bits]) -> None:
        self.ledger = ledger
        self.weighing = ledger.weighing
        self.size = ledger.weighing.size
        self.moves = sorted(moves, key=lambda one: (self.size(one), one))

    def thorough(self, *starts: Bits) -> Bits:
        filled = [self.filled(0, view) for view in (1.0, 0.5, 0.0)]
        filled += [self.filled(self.paying(one)) for one in starts if self.weighing.fits(one)]
        ledger = self.ledger
        best = self.improved(min(filled, key=lambda one: (ledger.cost(one), self.size(one), one)))
        for _ in range(3):
            best = self.anew(best, 1e-5 * ledger.cost(best)) or best
        return best

    def filled(self, chosen: Bits, view: float = 1.0, but: Bits = 0) -> Bits:
        while True:
            best, highest = 0, 0.0
            for new in self.additions(chosen, but):
                score = self.gain(new, chosen) / self.size(new) ** view
                if score > highest and self.pay(new, chosen | new):
                    best, highest = new, score
            if not best:
                return chosen
            chosen |= best

    def additions(self, chosen: Bits, but: Bits) -> Iterator[Bits]:
        for more in self.moves:
            if self.size(more) > self.weighing.room(chosen) and not more & chosen:
                return
            new = more & ~chosen
            if new and not new & but and self.weighing.fits(chosen | new):
                yield new

    def gain(self, new: Bits, chosen: Bits) -> float:
        return self.ledger.saved(chosen, chosen | new)

    def pay(self, some: Bits, chosen: Bits) -> bool:
        return all(self.ledger.pays(bit, chosen) for bit in bits_of(some))

    def losses(self, some: Bits, chosen: Bits) -> dict[int, float]:
        return {bit: self.gain(1 << bit, without(chosen, bit)) for bit in bits_of(some)}

    def paying(self, chosen: Bits) -> Bits:
        losses = self.losses(chosen, chosen)
        for bit in sorted(losses, key=lambda one: (losses[one], one)):
            if not self.ledger.pays(bit, chosen):
                chosen = without(chosen, bit)
        return chosen

    def improved(self, chosen: Bits) -> Bits:
        for _ in range(40):
            other = self.exchanged(chosen, 1e-5 * self.ledger.cost(chosen))
            if not other:
                break
            chosen = other
        return chosen

    def exchanged(self, chosen: Bits, least: float) -> Bits:
        offers: dict[Bits, float] = {}
        for more in self.moves:
            new = more & ~chosen
            gain = self.gain(new, chosen) if new else 0.0
            for other, lost in self.fitting(chosen, new) if gain > least else ():
                if gain - lost > least:
                    offers[other] = gain - lost
        best, most = 0, least
        for other in sorted(offers, key=lambda one: (-offers[one], one))[:4]:
            full = self.filled(self.paying(other))
            if self.ledger.saved(chosen, full) > most:
                best, most = full, self.ledger.saved(chosen, full)
        return best

    def fitting(self, chosen: Bits, new: Bits) -> Iterator[tuple[Bits, float]]:
        everything = chosen | new
        over, surplus = -self.weighing.room(everything), self.weighing.surplus(everything)
        if over <= 0 and surplus <= 0:
            yield everything, 0.0
            return
        losses = self.losses(chosen, everything)
        cheap = sorted(losses, key=lambda bit: (losses[bit] / self.size(1 << bit), bit))
        most = (cheap[:place] for place in range(3, len(cheap) + 1))
        for gone in (*((one,) for one in cheap), *combinations(cheap[:6], 2), *most):
            size = sum(self.size(1 << bit) for bit in gone)
            if len(gone) >= surplus and size >= over:
                # Not by `sum`: since Python 3.12 it is more exact than one after the other.
                yield without(everything, *gone), reduce(add, [losses[bit] for bit in gone])
                if len(gone) > 2:
                    return

    def anew(self, chosen: Bits, least: float) -> Bits:
        losses = self.losses(chosen, chosen)
        cheap = sorted(losses, key=lambda bit: (losses[bit] / self.size(1 << bit), bit))
        others: dict[Bits, float] = {}
        for gone in (*combinations(cheap[:20], 1), *combinations(cheap[:6], 2)):
            rest = without(chosen, *gone)
            found = [
                self.paying(self.filled(self.filled(rest, view, but=chosen & ~rest), view))
                for view in (1.0, 0.0)
            ]
            for other in found:
                if other != chosen:
                    others[other] = self.ledger.saved(chosen, other)
        for other in sorted(others, key=lambda one: (-others[one], one))[:5]:
            improved = self.improved(other)
            if self.ledger.saved(chosen, improved) > least:
                return improved
        return 0
