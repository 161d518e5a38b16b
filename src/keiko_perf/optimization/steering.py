"""
Steering: how many may be in flight, decided from how long requests take, one window at a time.

A window begins when a limit is set, and is measured once those in flight before are through: at
least so many requests, and as long as one takes. Then `Knee` says what to aim at, and the next
limit is that, or a little more or less, in turns: as much as has to be for the difference to be
seen, and no more. Failures count as time that was spent for nothing. Where long work does not end
while a window is measured (`account.py`), how many end tells how long all of them take.

It owns no clock and does no I/O: what is told to it is all it knows.
"""

from __future__ import annotations

from math import exp, log, sqrt

from keiko_perf.optimization.account import Account
from keiko_perf.optimization.knee import Knee

_FIRST = 2  # beside an idle service, to see how long a request takes without a queue
_FIRST_GUESS, _FIRST_DOUBT = 40.0, 2.0
_LEAST_WINDOW_S, _LEAST_WINDOW_AT_FIRST_S = 0.1, 0.05
_LEAST_REQUESTS, _LEAST_REQUESTS_AT_FIRST = 16, 4
_MOST_UP_AT_FIRST, _MOST_UP, _MOST_DOWN = 2.2, 1.5, 0.5  # from one window to the next, times
_NEARLY = 0.9  # as much more as may be: then the beginning goes on
_LONGEST = 5.0  # means; what takes longer counts as that, for chance alone says how many do
_LONGEST_OPEN = 20.0  # the same while the account is open: how many do is the question then
_FULL = 0.8  # of the limit
_JUMP = 0.2  # what a change of the limit itself does to a measurement: a share of the change
_SURE, _SURE_AT_FIRST = 0.78, 0.6  # too little costs throughput, too much only some latency
_LEARN_VARIATION = 0.1  # from one window
_LEAST_VARIATION, _UNEVENNESS = 0.01, 0.0008
_TRY_MORE, _TRY_LESS = 0.8, 0.15  # standard deviations of a window's measurement
_LEAST_TRY, _MOST_TRY, _TRY_DOUBT = 0.04, 0.5, 0.5
_LOOK_LOW_EVERY, _MOST_LOW = 16, 0.3  # windows; and how far down, as a logarithm
_AFTER_A_CHANGE = 0.45  # try so much more or less, as a logarithm


class Steering:
    """
    Attributes:
        limit: how many may be in flight now.
        windows: how many measurements were made.
        changes: how often the service was found to have changed.

    Args:
        first: how many may be in flight at first.
        least: the lowest limit there may be.
        most: the highest.
    """

    _began_s: float | None
    _skip: int
    _asked: int
    _count: int
    _beside: int
    _busiest: int
    _sum_s: float
    _squares: float
    _whole_s: float
    _lost_s: float

    def __init__(self, *, first: int = _FIRST, least: int = 1, most: int = 1000) -> None:
        self.limit = min(max(first, least), most)
        self.windows = self.changes = 0
        self._least, self._most = least, most
        self._knee = Knee(min(_FIRST_GUESS, most), doubt=_FIRST_DOUBT, most=most)
        self._account = Account()
        self._base = float(self.limit)
        self._beginning, self._has_grown = True, False
        self._is_found = False
        self._jump = 0.0
        self._rest = 0.5  # what rounding owes
        self._mean_s: float | None = None
        self._variation = 0.5
        self._begin(None, skip=0)  # nothing was in flight before

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        """
        A request has ended.

        Args:
            now_s: monotonic seconds.
            duration_s: how long it took.
            beside: how many were in flight when it began, itself included.
            in_flight: how many are in flight now.
            succeeded: whether it was of use.
        """
        self._busiest = max(self._busiest, beside)
        self._account.ended(now_s, duration_s, in_flight=in_flight)
        if self._skip > 0:
            self._skip -= succeeded
            self._began_s = now_s
            return
        if self._began_s is None:
            self._began_s = now_s - duration_s
        self._asked += 1
        if succeeded:
            self._whole_s += duration_s
            if self._mean_s is not None:
                longest = _LONGEST_OPEN if self._account.is_open else _LONGEST
                duration_s = min(duration_s, longest * self._mean_s)
            self._count += 1
            self._beside += beside
            self._sum_s += duration_s
            self._squares += duration_s * duration_s
        else:
            self._lost_s += duration_s
        least = _LEAST_REQUESTS_AT_FIRST if self._beginning else _LEAST_REQUESTS
        least_s = _LEAST_WINDOW_AT_FIRST_S if self._beginning else _LEAST_WINDOW_S
        lasted_s = now_s - self._began_s
        if self._account.is_open and self._asked * self._count < self._beside:
            return  # as many as are in flight are to end
        if self._asked >= least and lasted_s * max(self._count, 1) >= max(
            least_s * max(self._count, 1), self._sum_s
        ):
            self._end(now_s, lasted_s, in_flight)

    def _begin(self, now_s: float | None, *, skip: int) -> None:
        self._began_s, self._skip = now_s, skip
        self._asked = self._count = self._beside = self._busiest = 0
        self._sum_s = self._squares = self._whole_s = self._lost_s = 0.0

    def _end(self, now_s: float, lasted_s: float, in_flight: int) -> None:
        self.windows += 1
        if not self._sum_s > 0:
            # Nothing but failures, or no time at all passes: there is nothing to learn from.
            self._base = max(self._base * 0.7, self._least) if not self._count else self._base
            self._set(self._base, now_s, in_flight)
            return
        mean_s = self._sum_s / self._count
        variation = max(self._squares / self._count / (mean_s * mean_s) - 1, 0.0)
        rate = max(_LEARN_VARIATION, 1 / (self.windows + 1))
        self._variation += rate * (variation - self._variation)
        whole_s = self._whole_s / self._count
        self._mean_s = (
            whole_s if self._mean_s is None else self._mean_s + 0.2 * (whole_s - self._mean_s)
        )
        variance = max(self._variation, _LEAST_VARIATION) / self._count + _UNEVENNESS
        variance += (_JUMP * self._jump) ** 2
        beside = self._beside / self._count
        is_full = beside > _FULL * self.limit
        self._is_found |= not self._beginning
        self._account.close_window(is_full=is_full, begins=not self._is_found)
        if self._account.is_open and is_full:
            # Little's law counts those too that have not ended.
            mean_s *= beside * lasted_s / self._whole_s
        change = self._knee.learn(beside, mean_s + self._lost_s / self._count, variance)
        if change:
            # What became slower is asked for less first, and what became faster for more.
            self.changes += 1
            offset = -change * _AFTER_A_CHANGE
        else:
            offset = self._aim(sqrt(variance * self._knee.spread))
        self._set(self._base * exp(offset), now_s, in_flight)

    def _aim(self, noise: float) -> float:
        """Set the base anew; how far from it the next window should be, as a logarithm."""
        most_up = _MOST_UP_AT_FIRST if self._beginning else _MOST_UP
        aim = self._knee.aim(
            self._base * _MOST_DOWN,
            self._base * most_up,
            sure=_SURE_AT_FIRST if self._beginning else _SURE,
        )
        # Whoever has no more to ask for cannot tell what more would do.
        reached = max(2.0 * self._busiest + 2, self._base)
        grows = aim.limit > _NEARLY * most_up * self._base
        # Twice in a row as much more as may be: there is new capacity, to be found in long steps.
        may_leap = not self._beginning and not self._account.is_open
        if grows and self._has_grown and may_leap:
            self._beginning = True
            self.changes += 1
        self._beginning &= grows
        self._has_grown = grows
        self._base = max(self._least, min(aim.limit, self._most, reached))
        if self._beginning:
            return 0.0
        turn = self.windows % 4
        if self.windows % _LOOK_LOW_EVERY == 2:
            # Above all the knees that are thought of, nothing would tell one from another.
            return -min(max(_LEAST_TRY, log(self._base / aim.low)), _MOST_LOW)
        if turn == 0:
            wide = max(_TRY_MORE * noise, _LEAST_TRY, _TRY_DOUBT * aim.doubt)
            return min(wide, _MOST_TRY) * (1 - 0.7 * aim.harm)
        if turn == 2:
            return -min(max(_TRY_LESS * noise, _LEAST_TRY, _TRY_DOUBT * aim.doubt), _MOST_TRY)
        return 0.0

    def _set(self, limit: float, now_s: float, in_flight: int) -> None:
        # A limit between two whole ones is kept by using both in turns.
        limit = min(max(limit, self._least), self._most)
        whole = int(limit)
        self._rest += limit - whole
        if self._rest >= 1:
            self._rest -= 1
            whole += 1
        whole = min(whole, self._most)
        self._jump = log(whole / self.limit)
        skip = 0 if whole == self.limit else max(in_flight, 1)
        self.limit = whole
        self._begin(now_s, skip=skip)
