"""
Steering: how many may be in flight, decided from how long requests take, one window at a time.

A window begins when a limit is set, and is measured once as many are through as were in flight: at
least so many requests, and as long as one takes. Then `Knee` says what to aim at, and the next
limit is that, or a little more or less, in turns: as much as has to be for the difference to be
seen, and no more. Failures count as time that was spent for nothing. Where long work does not end
while a window is measured (`account.py`), how many end tells how long all of them take. Where they
stand in line for a few places, when they begin and end tells how many (`line.py`).

It owns no clock and does no I/O: what is told to it is all it knows.
"""

from __future__ import annotations

from math import ceil, exp, inf, log, sqrt

from keiko_perf.optimization.account import Account
from keiko_perf.optimization.knee import Aim, InPieces, Knee
from keiko_perf.optimization.line import Line

_FIRST = 2  # beside an idle service, to see how long a request takes without a queue
_FIRST_GUESS, _FIRST_DOUBT = 40.0, 2.0
_LEAST_WINDOW_S, _LEAST_WINDOW_AT_FIRST_S = 0.1, 0.05
_SOONEST_S, _MANY, _TURNS = 0.01, 64, 4.0  # a quick service's first windows: requests, means
_AS_LONG_AT_FIRST = 0.5  # times as long as one takes
_LEAST_REQUESTS, _LEAST_REQUESTS_AT_FIRST = 16, 8
_MOST_UP_AT_FIRST, _MOST_UP, _MOST_DOWN = 2.2, 1.5, 0.5  # from one window to the next, times
_SURE_AT_FIRST, _SURE = 0.4, 0.6  # that no less is enough, to go on in long steps
_NEARLY = 0.9  # as much more as may be: then the beginning goes on
_REST_S = 1.0  # idle for longer: who knows how fast the service is now
_LONGEST = 5.0  # means; what takes longer counts as that, for chance alone says how many do
_LONGEST_OPEN = 20.0  # the same while the account is open: how many do is the question then
_FULL = 0.8  # of the limit
# What a change of the limit itself does to a measurement, as a share of the change: where requests
# end in any order, some that are measured began before it. It is an error to one side, not noise.
_JUMP = 0.2
_VARIATION, _SEEN, _REMEMBERED = 0.7, 3, 400  # what work varies by at first; requests
_LEAST_VARIATION, _UNEVENNESS = 0.01, 0.0008
_TRY_MORE, _TRY_LESS = 0.8, 0.15  # standard deviations of a window's measurement
_LEAST_TRY, _MOST_TRY, _TRY_DOUBT = 0.04, 0.7, 0.5
_UP_COST, _DOWN_COST, _LOW_COST = 0.03, 0.015, 0.05  # what such a look may be expected to cost
_CHEAP = 0.008  # so little that one more is looked at in every turn
_OWED_AT_FIRST = 0.99
_LOOK_LOW_EVERY = 16  # windows
_PIECES, _THINK = 60, 16  # a thought has no more; it takes one in so many requests
_MOST_IN_LINE = 8  # with more in flight nobody looks whether they stand in line for a few places
_FEW = 4  # in flight: where so few share and stand in no line, one more brings something still
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
    _least_requests: int
    _least_s: float
    _longest_s: float
    _pieces: int

    def __init__(self, *, first: int = _FIRST, least: int = 1, most: int = 1000) -> None:
        self.limit = min(max(first, least), most)
        self.windows = self.changes = 0
        self._least, self._most = least, most
        self._knee = Knee(min(_FIRST_GUESS, most), doubt=_FIRST_DOUBT, most=most)
        self._account = Account()
        self._line = Line()
        self._base = self.limit
        self._beginning, self._has_grown = True, False
        self._is_found = False
        self._jump = 0.0
        self._owed = [0.0, 0.0]  # looks down and up that are still to be done
        self._mean_s: float | None = None
        self._idle_since_s: float | None = None
        self._variation, self._seen = _VARIATION, _SEEN
        self._thought: InPieces[int] | None = None
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
        if self._idle_since_s is not None:
            self._was_idle(now_s - duration_s)
        if not in_flight:
            self._idle_since_s = now_s
        if beside > self._busiest:
            self._busiest = beside
        self._account.ended(now_s, duration_s, in_flight=in_flight)
        if self.limit <= _MOST_IN_LINE:
            self._line.ended(now_s, duration_s, beside)
        if self._thought is not None:
            self._think_on(now_s, in_flight)
            return
        if self._skip > 0:
            self._skip -= succeeded
            self._began_s = now_s
            return
        if self._began_s is None:
            self._began_s = now_s - duration_s
        self._asked = asked = self._asked + 1
        if succeeded:
            self._whole_s += duration_s
            if duration_s > self._longest_s:
                duration_s = self._longest_s
            self._count += 1
            self._beside += beside
            self._sum_s += duration_s
            self._squares += duration_s * duration_s
        else:
            self._lost_s += duration_s
        lasted_s = now_s - self._began_s
        if asked >= self._least_requests and lasted_s >= self._least_s and self._is_over(lasted_s):
            # Some thousand requests a second would feel it if it were done while one of them waits.
            self._thought = self._think(lasted_s)
            self._pieces = ceil(_PIECES / max(self._count // _THINK, 1))
            self._think_on(now_s, in_flight)

    def _was_idle(self, until_s: float) -> None:
        """While nobody was in flight, nothing was measured."""
        if self._idle_since_s is not None and self._began_s is not None:
            idle_s = max(until_s - self._idle_since_s, 0.0)
            self._began_s += idle_s
            if idle_s > _REST_S:
                self._knee.rest()
        self._idle_since_s = None

    def _is_over(self, lasted_s: float) -> bool:
        """Whether a window that has lasted long enough by the clock has by what it measures."""
        if self._account.is_open and self._asked * self._count < self._beside:
            return False  # as many as are in flight are to end
        if lasted_s < _LEAST_WINDOW_AT_FIRST_S and self._beginning:
            # Where many end several times over in less, nobody waits for the clock.
            return self._count >= _MANY and lasted_s * self._count >= _TURNS * self._sum_s
        as_long = _AS_LONG_AT_FIRST if self._beginning else 1.0
        return lasted_s * max(self._count, 1) >= as_long * self._sum_s

    def _begin(self, now_s: float | None, *, skip: int) -> None:
        self._began_s, self._skip = now_s, skip
        self._asked = self._count = self._beside = self._busiest = 0
        self._sum_s = self._squares = self._whole_s = self._lost_s = 0.0
        # These are looked at by each request, and change from one window to the next alone.
        self._least_requests = _LEAST_REQUESTS_AT_FIRST if self._beginning else _LEAST_REQUESTS
        self._least_s = _SOONEST_S if self._beginning else _LEAST_WINDOW_S
        longest = _LONGEST_OPEN if self._account.is_open else _LONGEST
        self._longest_s = inf if self._mean_s is None else longest * self._mean_s

    def _think_on(self, now_s: float, in_flight: int) -> None:
        """Do as much as the end of one request has to bear."""
        assert self._thought is not None
        try:
            for _ in range(self._pieces):
                next(self._thought)
        except StopIteration as end:
            self._thought = None
            self._set(end.value, now_s, in_flight)

    def _think(self, lasted_s: float) -> InPieces[int]:
        """What limit a window leads to."""
        self.windows += 1
        if not self._sum_s > 0:
            # Nothing but failures, or no time at all passes: there is nothing to learn from.
            self._base = max(int(self._base * 0.7), self._least) if not self._count else self._base
            return self._base
        mean_s = self._sum_s / self._count
        whole_s = self._whole_s / self._count
        self._mean_s = (
            whole_s if self._mean_s is None else self._mean_s + 0.2 * (whole_s - self._mean_s)
        )
        variance = max(self._variation, _LEAST_VARIATION) / self._count + _UNEVENNESS
        variance += (_JUMP * self._jump) ** 2
        beside = self._beside / self._count
        is_full = beside > _FULL * self.limit
        self._is_found |= not self._beginning
        if self._lost_s or self.limit > _MOST_IN_LINE:
            self._line.forget()
        self._account.close_window(is_full=is_full, begins=not self._is_found)
        if self._account.is_open and is_full:
            # Little's law counts those too that have not ended.
            mean_s *= beside * lasted_s / self._whole_s
        change = yield from self._knee.learning(
            beside, mean_s + self._lost_s / self._count, variance
        )
        if change:
            # What became slower is asked for less first, and what became faster for more.
            self.changes += 1
            self._line.forget()
            # Upwards: half of two would be much less.
            return ceil(self._base * exp(-change * _AFTER_A_CHANGE))
        self._knee.hear((yield from self._line.closing()))
        # Only now: what a stall does to durations is not how work varies.
        self._learn_variation()
        return (yield from self._aim(sqrt(variance * self._knee.spread)))

    def _varied(self) -> float:
        """The variance of durations by their squared mean."""
        mean_s = self._sum_s / self._count
        among = max(self._count - 1, 1) / self._count  # a few are closer to their own mean
        return max(self._squares / self._count / (mean_s * mean_s) - 1, 0.0) / among

    def _learn_variation(self) -> None:
        """How much work varies, by all requests so far and later by the last some hundred."""
        self._seen += self._count
        self._variation += self._count / self._seen * (self._varied() - self._variation)
        self._seen = min(self._seen, _REMEMBERED)

    def _aim(self, noise: float) -> InPieces[int]:
        """Set the base anew; what the next window should be measured at."""
        most_up = _MOST_UP_AT_FIRST if self._beginning else _MOST_UP
        # Whoever has no more to ask for cannot tell what more would do.
        reached = max(2 * self._busiest + 2, self._base)
        highest = max(int(self._base * most_up), self._base + 1)
        aim = yield from self._knee.aiming(
            self._least if self._line.is_clear else max(self._base * _MOST_DOWN, self._least),
            max(min(highest, self._most, reached), self._base),
            sure=_SURE if self._is_found else _SURE_AT_FIRST,
        )
        # At first everything may be the case, and costs tell little.
        limit = round(aim.middle) if self._beginning else aim.limit
        grows = limit >= _NEARLY * highest and limit > self._base
        # Twice in a row as much more as may be: there is new capacity, to be found in long steps.
        may_leap = not self._beginning and not self._account.is_open
        if grows and self._has_grown and may_leap:
            self._beginning = True
            self.changes += 1
        if self._beginning and not grows and not self._line.is_clear:
            # The first measurements were rough: a look down is owed, whatever it may cost.
            self._owed[0] = _OWED_AT_FIRST
        self._beginning &= grows
        self._has_grown = grows
        if limit <= _FEW and self._line.is_ruled_out and not self._beginning:
            limit = min(limit + 1, self._most)
        self._base = limit
        if self._beginning:
            return self._base
        return self._look(aim, noise)

    def _look(self, aim: Aim, noise: float) -> int:
        """More or less than the base, in turns."""
        turn, wide = self.windows % 4, max(_LEAST_TRY, _TRY_DOUBT * aim.doubt)
        if self.windows % _LOOK_LOW_EVERY == 2:
            # Above all the knees that are thought of, nothing would tell one from another.
            return self._probe(-max(_LEAST_TRY, log(self._base / aim.low)), aim.loss, _LOW_COST)
        if turn == 0:
            return self._probe(max(_TRY_MORE * noise, wide), aim.loss, _UP_COST)
        if turn == 2:
            return self._probe(-max(_TRY_LESS * noise, wide), aim.loss, _DOWN_COST)
        return self._base

    def _probe(self, offset: float, loss: float, most_cost: float) -> int:
        """
        About so much more or less than the base, and no more than may be paid for.

        One more or less is much where few are in flight: then it is done now and then.
        """
        offset = min(max(offset, -_MOST_TRY), _MOST_TRY)
        wanted = self._base * exp(offset) - self._base
        toward = 1 if wanted > 0 else -1
        most = self._most - self._base if wanted > 0 else self._base - self._least
        count = min(max(round(abs(wanted)), 1), most)
        if not count:
            return self._base
        share = min(abs(wanted) / count, 1.0)
        while (cost := self._knee.loss(self._base + toward * count) - loss) > most_cost:
            if count == 1:
                share = min(share, most_cost / cost)
                # Where fewer are served at once, as many requests take longer.
                share *= min((self._base + toward) / self._base, 1.0)
                break
            count = max(min(int(count * most_cost / cost), count - 1), 1)
        if cost < _CHEAP:
            share = 1.0  # small as it is, the step tells more than what it costs
        owed = self._owed[toward > 0] + share
        self._owed[toward > 0] = owed - int(owed)
        return self._base + toward * count * int(owed)

    def _set(self, limit: int, now_s: float, in_flight: int) -> None:
        limit = min(max(limit, self._least), self._most)
        self._jump = log(limit / self.limit)
        skip = 0 if limit == self.limit else max(in_flight, 1)
        self.limit = limit
        self._begin(now_s, skip=skip)
