"""
Account: whether those that have ended tell how long all that were begun will take.

Long work that is rare ends late. Where more was let in a moment ago, it is above all short work
that has ended since, so more in flight seems to take no longer, and a limit that believes it runs
away. The account holds the time that all were in flight against the durations of those that ended.
Over a while both are the same, also after a stall; the first is more for as long as what takes long
does not end. Then, if work varies so much that this matters, it `is_open`, for many windows.

It owns no clock and does no I/O.
"""

from __future__ import annotations

_HORIZON = 24.0  # windows that the account is about
_OPEN = 1.07  # as much more time in flight than has ended
_VARIES = 1.3  # variance by the squared mean: that of exponential work is 1
_LEARN_VARIATION = 0.1  # from one window
_FOR = 1000  # windows


class Account:
    """
    Attributes:
        is_open: whether what has ended is not to be trusted.
    """

    def __init__(self) -> None:
        self.is_open = False
        self._last_s: float | None = None
        self._count, self._in_flight_s, self._ended_s, self._squares = 0, 0.0, 0.0, 0.0
        self._all_in_flight_s = self._all_ended_s = 0.0  # of the windows before, too
        self._variation = 0.5
        self._windows = self._until = 0

    def ended(self, now_s: float, duration_s: float, *, in_flight: int) -> None:
        """
        A request has ended.

        Args:
            now_s: monotonic seconds.
            duration_s: how long it took.
            in_flight: how many still are.
        """
        since_s = duration_s if self._last_s is None else now_s - self._last_s
        self._last_s = now_s if in_flight else None  # while nobody is in flight, no time is spent
        self._in_flight_s += since_s * (in_flight + 1)
        self._ended_s += duration_s
        self._count += 1
        self._squares += duration_s * duration_s

    def close_window(self, *, is_full: bool, begins: bool) -> None:
        """
        Take a window into account.

        Args:
            is_full: whether as many were in flight as may be: otherwise nobody knows how many were
                between one end and the next.
            begins: whether the limit is still found for the first time, in long steps.
        """
        self._windows += 1
        if is_full and self._ended_s > 0:
            rate = max(_LEARN_VARIATION, 1 / (self._windows + 1))
            variation = self._count * self._squares / (self._ended_s * self._ended_s) - 1
            self._variation += rate * (variation - self._variation)
            keep = 1 - 1 / _HORIZON
            self._all_in_flight_s = keep * self._all_in_flight_s + self._in_flight_s
            self._all_ended_s = keep * self._all_ended_s + self._ended_s
            lacks = self._all_in_flight_s > _OPEN * self._all_ended_s
            if lacks and self._variation > _VARIES and not begins:
                self._until = self._windows + _FOR
        self._count, self._in_flight_s, self._ended_s, self._squares = 0, 0.0, 0.0, 0.0
        self.is_open = self._windows < self._until
