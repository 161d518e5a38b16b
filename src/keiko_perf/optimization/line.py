"""
Line: whether a service works on one request after another.

Two in flight at a single place are served as fast as one and wait twice as long, and so do four
beside two, as at two places: only one at a time would show the difference, at half the throughput
if it was wrong. But who stands in line is never overtaken, however much work varies. And what
passes between one end and the next is one piece of work there, which varies as work does, or hardly
at all; each duration is the sum of as many of these as are in flight, and varies less by as much.
At two places the gaps are long and short even where all work is the same.

It owns no clock and does no I/O.
"""

from __future__ import annotations

from math import inf, sqrt

_FEWEST = 4  # ends of which something can be said
_OVERTAKES, _MOST_OVERTAKES = 0.5, 0.2  # how often at two places, beside how work varies
_EVEN = 0.1  # variance of gaps by their squared mean; at two places it is a third and more
_EVEN_SAYS = 1.5  # what even gaps tell, as a logarithm
_ALIKE = 0.5  # as much as that do durations vary where they are sums of gaps
_CLEAR = 2.0  # evidence, as a logarithm
_OVERTAKEN, _REFUTED = 20, 200  # windows in which nothing counts afterwards
_KEPT = 0.98  # from one window to the next


class Line:
    """
    Attributes:
        is_clear: whether hardly anything else can be the case.
    """

    def __init__(self) -> None:
        self.is_clear = False
        self._last_s: float | None = None
        self._newest_s = -inf  # when the latest of those that have ended began
        self._is_overtaken = False
        self._count, self._gaps_s, self._squares = 0, 0.0, 0.0
        self._evidence = 0.0
        self._windows = self._not_before = 0

    def ended(self, now_s: float, duration_s: float) -> None:
        """
        A request has ended.

        Args:
            now_s: monotonic seconds.
            duration_s: how long it took.
        """
        began_s = now_s - duration_s
        if began_s < self._newest_s:
            self._is_overtaken = True
        else:
            self._newest_s = began_s
        if self._last_s is not None:
            gap_s = now_s - self._last_s
            self._count += 1
            self._gaps_s += gap_s
            self._squares += gap_s * gap_s
        self._last_s = now_s

    def close_window(self, variation: float | None) -> float:
        """
        What a window tells.

        Args:
            variation: of one piece of work if they stand in line, as variance by the squared mean;
                None if it says nothing, because they cannot or nobody waits.

        Returns:
            How much more likely it is than before that they do, as a logarithm.
        """
        self._windows += 1
        if self._is_overtaken:
            self._not_before = max(self._not_before, self._windows + _OVERTAKEN)
        told = 0.0
        if variation is not None and self._windows >= self._not_before:
            told = self._told(variation)
        self._evidence = _KEPT * self._evidence + told if told else 0.0
        self.is_clear = self._evidence > _CLEAR
        self._is_overtaken, self._last_s = False, None
        self._count, self._gaps_s, self._squares = 0, 0.0, 0.0
        return told

    def refute(self) -> None:
        """One at a time was tried, and more are served at once: for long nothing else counts."""
        self._evidence, self.is_clear = 0.0, False
        self._not_before = self._windows + _REFUTED

    def _told(self, variation: float) -> float:
        if self._count < _FEWEST or not self._gaps_s > 0:
            return 0.0
        of_gaps = max(self._count * self._squares / (self._gaps_s * self._gaps_s) - 1, 0.0)
        told = _EVEN_SAYS if of_gaps < _EVEN else 0.0
        if variation > _ALIKE * of_gaps:
            told += self._count * min(_OVERTAKES * sqrt(of_gaps), _MOST_OVERTAKES)
        return told
