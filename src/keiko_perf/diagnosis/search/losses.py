"""
Losses: what it costs to do without each index of a set, and what may go to make room for another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from heapq import merge

from keiko_perf.diagnosis.search.bits import Bits, bits_of
from keiko_perf.diagnosis.search.gains import Gain, Gains

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
        self._gains = {bit: gains.of(1 << bit) for bit in bits_of(chosen)}
        self._sizes = {bit: gain.size for bit, gain in self._gains.items()}
        self._each = {bit: gain.beside(chosen & ~gain.new) for bit, gain in self._gains.items()}
        self._least = sorted((lost, bit) for bit, lost in self._each.items())
        self._cheapest = self._by_size(self._each)

    def cheapest_first(self) -> list[int]:
        """Those that are missed least for their size first."""
        return [bit for _, bit in self._cheapest]

    def making_room(self, new: Gain, over: float, most_lost: float) -> Iterable[tuple[Bits, float]]:
        """
        What may go so that *new* fits: one, or two of those that are missed least for their size,
        or as many of these as it takes; each with what is lost beside *new*.

        Args:
            new: what comes.
            over: by how many bytes it is too large.
            most_lost: what loses more is left out.
        """
        surplus = self._weighing.surplus(self._chosen | new.new)
        if over <= 0 and surplus <= 0:
            return ((0, 0.0),)
        near = self._chosen & new.near
        everything = self._chosen | new.new
        gains = self._gains
        beside = {bit: gains[bit].beside(everything & ~(1 << bit)) for bit in bits_of(near)}
        # Of several none loses more than all together, unless one that is taken out is a gain.
        eligible = [(bit, lost) for bit, lost in beside.items() if lost <= most_lost]
        for lost, bit in self._least:
            if lost > most_lost:
                break
            if bit not in beside:
                eligible.append((bit, lost))
        sizes = self._sizes
        found = []
        if surplus <= 1:
            found = [(1 << bit, lost) for bit, lost in eligible if sizes[bit] >= over]
        is_hopeless = len(eligible) < 2 or sum([sizes[bit] for bit, _ in eligible]) < over
        if is_hopeless and min([lost for _, lost in eligible], default=0.0) >= 0.0:
            return found
        return found + self._several(beside, over, surplus, most_lost)

    def _several(
        self, beside: Mapping[int, float], over: float, surplus: int, most_lost: float
    ) -> list[tuple[Bits, float]]:
        """Two of those that are missed least, or as many as it takes."""
        sizes, found = self._sizes, []
        first: list[tuple[int, float]] = []
        gone, size, lost, is_over = 0, 0.0, 0.0, False
        for count, (bit, one_lost) in enumerate(self._in_order(beside), 1):
            if count <= MISSED_LEAST and surplus <= 2:
                found += [
                    (1 << other | 1 << bit, other_lost + one_lost)
                    for other, other_lost in first
                    if sizes[other] + sizes[bit] >= over and other_lost + one_lost <= most_lost
                ]
                first.append((bit, one_lost))
            elif is_over:
                break
            if not is_over:
                gone, size, lost = gone | 1 << bit, size + sizes[bit], lost + one_lost
                is_enough = count > 2 and count >= surplus and size >= over
                if is_enough and lost <= most_lost:
                    found.append((gone, lost))
                # Whoever comes later loses nothing less than nothing.
                is_over = is_enough or (one_lost >= 0.0 and lost > most_lost)
        return found

    def _in_order(self, beside: Mapping[int, float]) -> Iterator[tuple[int, float]]:
        """Those that are missed least for their size first; near to what comes by other losses."""
        each = self._each
        for _, bit in merge(
            (one for one in self._cheapest if one[1] not in beside), self._by_size(beside)
        ):
            yield bit, beside[bit] if bit in beside else each[bit]

    def _by_size(self, losses: Mapping[int, float]) -> list[tuple[float, int]]:
        sizes = self._sizes
        return sorted((lost / sizes[bit], bit) for bit, lost in losses.items())


def least_missed_first(each: Mapping[int, Gain], chosen: Bits) -> list[int]:
    """The indexes of a set, those first without which it costs least more, whatever their size."""
    return [
        bit
        for _, bit in sorted((gain.beside(chosen & ~gain.new), bit) for bit, gain in each.items())
    ]
