"""
Timeline: the durations of each interval of a run, in a room that hardly grows with its length.

Intervals that nothing was counted in for long are kept as bytes, a tenth of the room, and come
back if an answer is so late that it belongs to one of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.model import Histogram

MOST_OPEN = 64


class Timeline:
    """Histograms by the number of their interval."""

    __slots__ = ("_open", "_packed", "end")

    def __init__(self) -> None:
        self._open: dict[int, Histogram] = {}
        self._packed: dict[int, bytes] = {}
        self.end = 0  # after the last interval that there is

    def at(self, position: int) -> Histogram:
        """To count in, until another position is asked for."""
        found = self._open.get(position)
        if found is None:
            packed = self._packed.pop(position, None)
            found = Histogram() if packed is None else Histogram.unpack(packed)
            if len(self._open) >= MOST_OPEN:
                oldest = min(self._open)
                self._packed[oldest] = self._open.pop(oldest).pack()
            self._open[position] = found
            self.end = max(self.end, position + 1)
        return found

    def read(self, first: int = 0, end: int | None = None) -> Iterator[Histogram]:
        """What was counted from interval *first* on, before *end*: what there is, in order."""
        for position in range(first, self.end if end is None else min(end, self.end)):
            found = self._open.get(position)
            if found is not None:
                yield found
            elif position in self._packed:
                yield Histogram.unpack(self._packed[position])
