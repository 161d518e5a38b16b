"""
Additions: what every move would bring beside one set of indexes, as the set changes.

A move is an index, or some that are used together; it brings those of them that are not there. When
the set changes, only the moves near the change are reckoned again, once they are asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from keiko_perf.diagnosis.search.bits import Bits
from keiko_perf.diagnosis.search.gains import Gains


class Additions:
    """
    Args:
        gains: what each saves.
        moves: what could be added.
    """

    def __init__(self, gains: Gains, moves: Iterable[Bits]) -> None:
        self._all_gains = gains
        self._weighing = gains.ledger.weighing
        size = self._weighing.size
        self._moves = sorted(moves, key=lambda one: (size(one), one))
        self._sizes = [size(one) for one in self._moves]
        self._gains = [gains.of(one) for one in self._moves]
        self._near = [one.near for one in self._gains]
        self._beside: list[Bits] = [-1] * len(self._moves)
        """What was near to each when it was reckoned."""
        self._new = list(self._moves)
        self._added = list(self._sizes)
        self._saved = [0.0] * len(self._moves)

    def saving(self, chosen: Bits, least: float) -> list[tuple[Bits, float, float]]:
        """What saves more than the least: the new ones, their size, and what they save."""
        self._stand(chosen, len(self._moves))
        new, added = self._new, self._added
        return [
            (new[place], added[place], saved)
            for place, saved in enumerate(self._saved)
            if saved > least
        ]

    def best_first(self, chosen: Bits, view: float, but: Bits) -> list[Bits]:
        """
        What fits and saves something.

        Args:
            chosen: what is there.
            view: how much the size counts.
            but: what is not to be added.
        """
        room = self._weighing.room(chosen)
        fit = self._first_too_large(chosen, room)
        self._stand(chosen, fit)
        new, added, saved = self._new, self._added, self._saved
        fitting = [
            (-saved[place] / added[place] ** view, place)
            for place in range(fit)
            if saved[place] > 0.0 and added[place] <= room and not new[place] & but
        ]
        if self._weighing.limits.max_indexes is not None:
            surplus = self._weighing.surplus
            fitting = [one for one in fitting if surplus(chosen | new[one[1]]) <= 0]
        return [new[place] for _, place in sorted(fitting)]

    def _first_too_large(self, chosen: Bits, room: float) -> int:
        """
        The place of the first move that does not fit; they are in the order of their size. Behind
        it one that holds what is chosen already may still fit, and is found by an exchange.
        """
        place = bisect_right(self._sizes, room)
        while place < len(self._moves) and self._moves[place] & chosen:
            place += 1
        return place

    def _stand(self, chosen: Bits, most: int) -> None:
        """Reckon the first moves again, as far as something near to them has changed."""
        beside, near = self._beside, self._near
        changed = [place for place in range(most) if chosen & near[place] != beside[place]]
        moves, gains, size = self._moves, self._gains, self._weighing.size
        for place in changed:
            beside[place] = chosen & near[place]
            new = moves[place] & ~chosen
            if new == moves[place]:
                self._new[place], self._added[place] = new, self._sizes[place]
                self._saved[place] = gains[place].beside(chosen)
            else:
                self._new[place], self._added[place] = new, size(new)
                self._saved[place] = self._all_gains.of(new).beside(chosen) if new else 0.0
