"""
Looks: how many requests are in flight, seen at irregular instants.

By Little's law their mean is the rate times the mean response time, so it checks the books of the
engine. Regular instants would fall into step with the arrivals and see what they expect.
"""

from __future__ import annotations

from random import Random

from keiko_perf.loadtest.result import InFlight

_DISTANCE_S = (0.01, 0.04)


class Looks:
    """
    Attributes:
        count: how many measured requests are in flight now; the engine keeps it.
    """

    def __init__(self) -> None:
        self.count = 0
        self._samples = 0
        self._area = 0.0
        self._from = self._last = 0.0
        self._interval_s = 1.0
        self._intervals: list[list[float]] = []  # requests × seconds, seconds
        self._random = Random(0)

    def start(self, from_: float, *, interval_s: float, intervals: int) -> None:
        """What is seen counts from this instant on, and by interval."""
        self._from = self._last = from_
        self._interval_s = interval_s
        self._intervals = [[0.0, 0.0] for _ in range(intervals)]

    def look(self, now: float) -> float:
        """Look, and say after how many seconds to look again."""
        if now > self._from:
            self._samples += 1
            area = self.count * (now - self._last)
            self._area += area
            position = int((now - self._from) / self._interval_s)
            if position < len(self._intervals):
                seen = self._intervals[position]
                seen[0] += area
                seen[1] += now - self._last
            self._last = now
        return self._random.uniform(*_DISTANCE_S)

    def result(self, peak: int) -> InFlight:
        """The mean over time; *peak* is the engine's own."""
        measured_s = self._last - self._from
        mean = self._area / measured_s if measured_s > 0 else 0.0
        timeline = [area / seen_s if seen_s else None for area, seen_s in self._intervals]
        while timeline and timeline[-1] is None:
            timeline.pop()
        return InFlight(samples=self._samples, mean=mean, peak=peak, timeline=tuple(timeline))
