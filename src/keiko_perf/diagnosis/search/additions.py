"""
Additions: what every move would bring beside a set of indexes, kept for each set.

A move is an index, or some that are used together; it brings those of them that are not there. From
one set to the next only the moves near the change are reckoned again, once they are asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from keiko_perf.diagnosis.search.bits import Bits
from keiko_perf.diagnosis.search.gains import Gain, Gains


class Additions:
    """
    Args:
        gains: what each saves; it goes by what is known now.
        moves: what could be added.
    """

    def __init__(self, gains: Gains, moves: Iterable[Bits]) -> None:
        self._of = gains.of
        self._weighing = gains.ledger.weighing
        self._moves = sorted(map(gains.of, moves), key=lambda one: (one.size, one.new))
        self._sizes = [one.size for one in self._moves]
        self._near = [one.near for one in self._moves]
        self._beside: list[Bits] = [-1] * len(self._moves)
        """What was near to each when it was reckoned last, …"""
        self._last = [(one, 0.0) for one in self._moves]
        """… and what it would bring then, and save."""
        self._kept: dict[Bits, list[tuple[Gain, float]]] = {}
        self._best_first: dict[tuple[Bits, float], list[Gain]] = {}

    def saving(self, chosen: Bits, least: float) -> list[tuple[float, Gain]]:
        """What saves more than the least, and how much; what saves most first."""
        found = [
            (-saved, gain.new, gain)
            for gain, saved in self._brought(chosen, len(self._moves))
            if saved > least
        ]
        return [(-saved, gain) for saved, _, gain in sorted(found)]

    def best_first(self, chosen: Bits, view: float) -> list[Gain]:
        """
        What fits and saves something.

        Args:
            chosen: what is there.
            view: how much the size counts.
        """
        known = self._best_first.get((chosen, view))
        if known is None:
            known = self._best_first[chosen, view] = self._ordered(chosen, view)
        return known

    def _ordered(self, chosen: Bits, view: float) -> list[Gain]:
        room = self._weighing.room(chosen)
        fit = self._first_too_large(chosen, room)
        fitting = [
            (-saved / gain.size**view, place, gain)
            for place, (gain, saved) in enumerate(self._brought(chosen, fit)[:fit])
            if saved > 0.0 and gain.size <= room
        ]
        if self._weighing.limits.max_indexes is not None:
            surplus = self._weighing.surplus
            fitting = [one for one in fitting if surplus(chosen | one[2].new) <= 0]
        return [gain for _, _, gain in sorted(fitting)]

    def _first_too_large(self, chosen: Bits, room: float) -> int:
        """
        The place of the first move that does not fit; they are in the order of their size. Behind
        it one that holds what is chosen already may still fit, and is found by an exchange.
        """
        place = bisect_right(self._sizes, room)
        while place < len(self._moves) and self._moves[place].new & chosen:
            place += 1
        return place

    def _brought(self, chosen: Bits, most: int) -> list[tuple[Gain, float]]:
        """What of each of the first moves is not there, and what it saves; at least of so many."""
        found = self._kept.setdefault(chosen, [])
        beside, near, first = self._beside, self._near, len(found)
        changed = [place for place in range(first, most) if chosen & near[place] != beside[place]]
        for place in changed:
            gain = self._moves[place]
            if gain.new & chosen:
                gain = self._of(gain.new & ~chosen)
            beside[place] = chosen & near[place]
            self._last[place] = gain, gain.beside(chosen)
        found += self._last[first:most]
        return found
