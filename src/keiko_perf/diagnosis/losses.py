"""
Losses: what it costs to do without each index of a set, and what may go to make room for another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from keiko_perf.diagnosis.costs import Bits, bits_of
from keiko_perf.diagnosis.gains import Gains

MISSED_LEAST = 6
"""Of so many that are missed least for their size two are taken out together."""


class Losses:
    """
    Args:
        gains: what each saves.
        chosen: the set.
    """

    def __init__(self, gains: Gains, chosen: Bits) -> None:
        self._weighing = gains.ledger.weighing
        self._chosen = chosen
        self._sizes = {bit: self._weighing.size(1 << bit) for bit in bits_of(chosen)}
        self._gains = {bit: gains.of(1 << bit) for bit in self._sizes}
        self._each = {bit: self._lost(bit, chosen) for bit in self._sizes}
        self._cheapest = sorted(self._for_size(self._each))

    def cheapest_first(self) -> list[int]:
        """Those that are missed least for their size first."""
        return [bit for _, bit in self._cheapest]

    def making_room(self, new: Bits, over: float) -> Iterator[tuple[Bits, float]]:
        """
        What may go so that *new* fits: one, or two of those that are missed least for their size,
        or as many of these as it takes; each with what is lost beside *new*.

        Args:
            new: what comes.
            over: by how many bytes it is too large.
        """
        surplus = self._weighing.surplus(self._chosen | new)
        if over <= 0 and surplus <= 0:
            yield 0, 0.0
            return
        losses, cheapest = self._beside(new)
        if surplus <= 1:
            sizes = self._sizes
            yield from ((1 << bit, lost) for bit, lost in losses.items() if sizes[bit] >= over)
        yield from self._several(losses, [bit for _, bit in cheapest], over, surplus)

    def _several(
        self, losses: dict[int, float], cheapest: list[int], over: float, surplus: int
    ) -> Iterator[tuple[Bits, float]]:
        sizes = self._sizes
        if surplus <= 2:
            for one, other in combinations(cheapest[:MISSED_LEAST], 2):
                if sizes[one] + sizes[other] >= over:
                    yield 1 << one | 1 << other, losses[one] + losses[other]
        gone, size, lost = 0, 0.0, 0.0
        for count, bit in enumerate(cheapest, 1):
            gone, size, lost = gone | 1 << bit, size + sizes[bit], lost + losses[bit]
            if count > 2 and count >= surplus and size >= over:
                yield gone, lost
                return

    def _beside(self, new: Bits) -> tuple[dict[int, float], list[tuple[float, int]]]:
        """The losses beside *new* as well: only near it they are others."""
        near = self._chosen & self._weighing.near(new)
        if not near:
            return self._each, self._cheapest
        everything = self._chosen | new
        others = {bit: self._lost(bit, everything) for bit in bits_of(near)}
        rest = [one for one in self._cheapest if one[1] not in others]
        return self._each | others, sorted([*rest, *self._for_size(others)])

    def _for_size(self, losses: dict[int, float]) -> Iterator[tuple[float, int]]:
        return ((lost / self._sizes[bit], bit) for bit, lost in losses.items())

    def _lost(self, bit: int, some: Bits) -> float:
        return self._gains[bit].beside(some & ~(1 << bit))


def least_missed_first(gains: Gains, chosen: Bits) -> list[int]:
    """The indexes of a set, those first without which it costs least more, whatever their size."""
    return [
        bit
        for _, bit in sorted(
            (gains.of(1 << bit).beside(chosen & ~(1 << bit)), bit) for bit in bits_of(chosen)
        )
    ]
