"""
Line: how many of those who stand in line are served at once.

Durations tell it only where a limit that is too low was tried, and one that is too high: four in
flight at two places take twice as long, but so they do where each slows down all others. Yet where
some places serve whoever came first, it is known when a request's turn came: as soon as so many of
those before it had ended that a place was left. What passes from then on is its work. With the
right number of places that is as short and as alike as work is. With more there is waiting in it,
and with fewer a request ends before its turn, or the gap between two others is taken for work. So
each number is as likely as what it makes of the times at which requests began and ended, and eight
of these tell two places from four most of the time.

Who shares processors, or gets in the way of others, ends in any order. With few places that is
unlikely, and with as many as are in flight it is not: it says nothing of how many to let in.

It owns no clock and does no I/O.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Generator
from math import log, sqrt

_PLACES = 4  # more are found as well by durations, and may at any time be many more
_KEPT, _TOLD = 160, 64  # requests that are remembered; that a window is judged by
_FEWEST = 4  # of which something can be said
_REFUTES = 3  # so many that ended before their turn
_OUT_OF_TURN = 4.0  # what one of them says, as a logarithm
_SHORTEST = 0.02  # work, as a share of the duration: two that ended together are told late
_ALIKE, _SPREAD = 0.1, 0.3  # of logarithms of work: the least, and beforehand
_FIRST = 2.0  # requests that what is said beforehand counts as
_AT_ONCE = 1e-9  # work, in seconds; a share of the time, where a sum is rounded
_KEPT_SEEN, _KEPT_UNSEEN = 0.9, 0.98  # of the evidence, from one window to the next
_FROM_ONE, _FROM_ALL, _LEAST = 6.0, 12.0, -6.0  # evidence: the most from windows, and the least
_DOUBT, _SURE = 0.5, 5.0  # evidence that is not heard, and the most that is
_CLEAR = 4.0
_PIECE = 8  # requests


class Line:
    """
    Attributes:
        is_clear: whether hardly anything else can be the case.
        is_ruled_out: whether a few places with a line can hardly be the case.
    """

    def __init__(self) -> None:
        self.is_clear = self.is_ruled_out = False
        self._ended: deque[tuple[float, float, int]] = deque(maxlen=_KEPT)
        self._new = 0
        self._evidence: list[float] = []  # by how many places

    def ended(self, now_s: float, duration_s: float, beside: int) -> None:
        """
        A request has ended.

        Args:
            now_s: monotonic seconds.
            duration_s: how long it took.
            beside: how many were in flight when it began, itself included.
        """
        self._ended.append((now_s, duration_s, beside))
        self._new += 1

    def forget(self) -> None:
        """What has ended since says nothing."""
        self._ended.clear()
        self._new = 0

    def closing(self) -> Generator[None, None, list[float]]:
        """
        What all windows tell, one more of them.

        Returns:
            By how many places, from one on, how much more likely that makes them than if nobody
            stood in line, as a logarithm; in pieces, as a thought has them.
        """
        window = yield from self._window()
        evidence = self._evidence
        evidence.extend([0.0] * (len(window) - len(evidence)))
        for at, one in enumerate(evidence):
            if at < len(window):
                evidence[at] = _KEPT_SEEN * one + window[at]
            elif one > 0:
                evidence[at] = _KEPT_UNSEEN * one
        _keep_below(_FROM_ALL, evidence)
        best = max(evidence, default=0.0)
        self.is_clear, self.is_ruled_out = best > _CLEAR, best < -_CLEAR
        if best <= _DOUBT:
            return []
        told = [one - _DOUBT for one in evidence]
        _keep_below(_SURE, told)
        return told

    def _window(self) -> Generator[None, None, list[float]]:
        """The same of one window."""
        ended, new = list(self._ended), min(self._new, _TOLD)
        self._new = 0
        most = max((beside for _, _, beside in ended[-new:]), default=0) if new else 0
        if new < _FEWEST or most < 2:
            return []
        ends_s = [now_s for now_s, _, _ in ended]
        places = [*range(1, min(most, _PLACES + 1)), most]
        works = [_Work() for _ in places]
        for at in range(len(ended) - new, len(ended)):
            now_s, duration_s, beside = ended[at]
            began_s = now_s - duration_s
            if began_s < ends_s[0]:
                continue  # who was before it has not been seen
            # Its turn comes with the end of so many of those before it that places are left.
            turn = bisect_right(ends_s, began_s + _AT_ONCE * now_s) + beside - 1
            for count, work in zip(places, works, strict=True):
                if beside <= count:
                    work.add(duration_s)
                elif turn - count < at:
                    work.add(max(now_s - ends_s[turn - count], _SHORTEST * duration_s))
                else:
                    work.out_of_turn += 1
            if all(work.out_of_turn >= _REFUTES for work in works[:-1]):
                return [_LEAST] * len(works[:-1])
            if at % _PIECE == 0:
                yield
        if works[-1].count < _FEWEST:
            return []
        mean = works[-1].mean
        unlike = works[-1].likely(mean)
        told = [work.likely(mean) - unlike for work in works[:-1]]
        _keep_below(_FROM_ONE, told)
        return told


class _Work:
    """What each of some requests was, if there are so many places."""

    __slots__ = ("_logs", "_squares", "count", "out_of_turn")

    def __init__(self) -> None:
        self.count = self.out_of_turn = 0
        self._logs = self._squares = 0.0

    def add(self, work_s: float) -> None:
        one = log(max(work_s, _AT_ONCE))
        self.count += 1
        self._logs += one
        self._squares += one * one

    @property
    def mean(self) -> float:
        """Of the logarithms."""
        return self._logs / self.count

    def likely(self, mean: float) -> float:
        """
        How likely it is to see just that, as a logarithm.

        Args:
            mean: of logarithms, for those that ended before their turn.
        """
        apart = max(self._squares - self._logs * self._logs / max(self.count, 1), 0.0)
        variance = (apart + _FIRST * _SPREAD * _SPREAD) / (self.count + _FIRST - 1)
        spread = max(sqrt(variance), _ALIKE)
        return -self.count * log(spread) - self._logs - self.out_of_turn * (_OUT_OF_TURN + mean)


def _keep_below(most: float, evidence: list[float]) -> None:
    """Let none be above *most*, and all as far apart as they are, but for the least likely."""
    less = max(max(evidence, default=0.0) - most, 0.0)
    evidence[:] = [max(one - less, _LEAST) for one in evidence]
