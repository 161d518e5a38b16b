"""
Knee: what is believed of how long requests take, given how many are in flight.

With n in flight a request takes about `r · (1 + (n/c)^p)^(q/p)`: some r as long as n is well below
the knee c, and longer as n^q above it. A queue has a sharp knee and q = 1, whatever is shared
softens it, and where requests get in each other's way q is more than 1. The belief is a
probability for each of some shapes (p, q) and some c, by Bayes' rule. For each, r is followed by
a Kalman filter, as a service that others use too is never equally fast for long: the faster r is
found to wander, the more a measurement is compared with its neighbours alone. Older measurements
count less and less, and a little is always left for what nobody believes any more. Where several
in a row contradict the belief (a CUSUM, so that one outlier does not), it is given up: the
service has changed.

It is arithmetic alone and costs some 0.3 ms of CPU for a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p, sqrt
from operator import add, mul

_SHAPES = ((16.0, 1.0, 0.0), (5.0, 1.0, 2.0), (2.5, 1.0, 4.0), (2.5, 2.0, 2.0), (12.0, 2.0, 1.0))
"""p, q, and how much less likely it is beforehand, as a logarithm: the simplest first."""
_STEP = 0.1  # between two knees, as a logarithm
_LEAST_LOG = -0.3
_WORTH = 0.04  # one per cent more in flight should bring so many per cent more throughput
_ENOUGH = 0.99  # of the best throughput; for what little is beyond, nobody should wait
_MEMORY = 0.985  # what a measurement counts once the next one is there
_ANEW = 0.5  # how likely it is, after a change, that the knee is elsewhere
_KNOWN = 4  # measurements, before the belief can be contradicted
_OUTLIER = 4.0  # in standard deviations: more than that counts as that
_SLACK, _ALARM = 0.5, 6.5  # of the CUSUM, in standard deviations
_LEAST_SPREAD, _MOST_SPREAD, _STRANGE = 0.7, 6.0, 6.0
_RENEWED = 0.01  # of the belief, with each measurement, for what may have come about meanwhile
_NEGLIGIBLE, _TINY = 1e-4, 1e-300
_UNKNOWN = 1e4  # the variance of the logarithm of r, of which nothing is known
_LEAST_DRIFT, _FIRST_DRIFT, _MOST_DRIFT = 1e-6, 1e-5, 0.04  # of it, from one to the next
_LEARN_DRIFT = 0.1


@dataclass(frozen=True, slots=True)
class Aim:
    """
    Attributes:
        limit: the least that gives nearly all the throughput there is, as far as is known.
        doubt: how much the logarithm of it may be off, a standard deviation.
        harm: how likely it is that more than that brings less, 0 to 1.
    """

    limit: float
    doubt: float
    harm: float


class Knee:
    """
    The belief.

    Args:
        limit: what to take for best beforehand.
        doubt: how much the logarithm of that may be off.
        most: the highest knee that is thought of.
    """

    def __init__(self, limit: float, *, doubt: float, most: int) -> None:
        count = round((log(most) - _LEAST_LOG) / _STEP) + 2
        self._logs = [_LEAST_LOG + step * _STEP for step in range(count)]
        self._offsets = [_best_load(p, q) for p, q, _ in _SHAPES]
        self._goals = [log_c + offset for offset in self._offsets for log_c in self._logs]
        self._spread = 1.0
        self._count, self._above, self._below = 0, 0.0, 0.0
        # For each shape and knee: the logarithm of r, which wanders, and how ill it fits so far.
        self._levels, self._costs = [0.0] * len(self._goals), [0.0] * len(self._goals)
        self._unsure = _UNKNOWN  # the variance of a level
        self._drift = _FIRST_DRIFT  # by how much it grows from one measurement to the next
        self._off = 0.0
        self._last: tuple[float, list[float], float] = (0.0, [], 1.0)
        self._weights = [1 / len(self._goals)] * len(self._goals)
        self._penalties = [penalty for _, _, penalty in _SHAPES for _ in self._logs]
        self._renew(log(limit))
        self._expect(log(limit), doubt)

    def learn(self, in_flight: float, duration_s: float, variance: float) -> int:
        """
        Take a measurement into account.

        Args:
            in_flight: how many were.
            duration_s: how long one took, on average.
            variance: of the logarithm of that average.

        Returns:
            1 or -1 if the service has become slower or faster than was believed; otherwise 0.
        """
        shape = self._curves(log(in_flight))
        value, change = log(duration_s), 0
        if self._count >= _KNOWN:
            value, change = self._contradiction(value, shape, variance)
        if change:
            # Either it is faster or slower as a whole, with its knee where it was, or all is new.
            self._count = 0
            self._mix(_ANEW)
            self._unsure = _UNKNOWN
            self._spread = 1.0
            self._add(*self._last)
        self._add(value, shape, variance)
        self._last = (value, shape, variance)
        self._weigh()
        return change

    def aim(self, least: float, most: float, *, sure: float) -> Aim:
        """
        What to aim at, where only limits from *least* to *most* are considered.

        Args:
            least: the lowest.
            most: the highest.
            sure: how sure it should be that no more is needed, 0 to 1.
        """
        lowest, highest = log(least), log(most)
        self._renew((lowest + highest) / 2)
        goals = [
            (min(max(goal, lowest), highest), weight)
            for goal, weight in zip(self._goals, self._weights, strict=True)
            if weight > _NEGLIGIBLE
        ]
        total = sum(weight for _, weight in goals)
        mean = sum(goal * weight for goal, weight in goals) / total
        doubt = sqrt(sum(weight * (goal - mean) ** 2 for goal, weight in goals) / total)
        harmful = sum(
            sum(self._weights[at * len(self._logs) : (at + 1) * len(self._logs)])
            for at, (_, q, _) in enumerate(_SHAPES)
            if q > 1
        )
        return Aim(limit=exp(_quantile(goals, sure * total)), doubt=doubt, harm=harmful)

    @property
    def spread(self) -> float:
        """How many times the variance of measurements is what theirs alone would make it."""
        return self._spread

    def _renew(self, log_limit: float) -> None:
        """What to believe where nothing is known but the limit now."""
        anew = [
            exp(-0.5 * (goal - log_limit) ** 2 - penalty)
            for goal, penalty in zip(self._goals, self._penalties, strict=True)
        ]
        total = sum(anew)
        self._anew = [one / total for one in anew]

    def _expect(self, log_limit: float, doubt: float) -> None:
        # Like a measurement, it counts less and less.
        for at, goal in enumerate(self._goals):
            self._costs[at] += 0.5 * ((goal - log_limit) / doubt) ** 2

    def _curves(self, log_n: float) -> list[float]:
        """How much longer than r it takes, as a logarithm, by each shape and knee."""
        curves = []
        for p, q, _ in _SHAPES:
            for log_c in self._logs:
                excess = p * (log_n - log_c)
                # log1p(exp(x)), where exp would overflow, or adds nothing
                grown = excess if excess > 30 else log1p(exp(excess)) if excess > -30 else 0.0
                curves.append(q / p * grown)
        return curves

    def _contradiction(
        self, value: float, shape: Sequence[float], variance: float
    ) -> tuple[float, int]:
        """*value*, no further off than an outlier may be; and whether the service has changed."""
        expected = list(map(add, self._levels, shape))
        mean = sum(map(mul, self._weights, expected))
        unsure = sum(
            weight * (one - mean) ** 2 for weight, one in zip(self._weights, expected, strict=True)
        )
        deviation = sqrt(variance * self._spread + unsure + self._unsure + self._drift)
        off = max(-_OUTLIER, min(_OUTLIER, (value - mean) / deviation))
        spread = self._spread * (1 + 0.03 * (min(off * off, _STRANGE) - 1))
        self._spread = min(max(spread, _LEAST_SPREAD), _MOST_SPREAD)
        # Two in a row off to the same side: the level wanders faster than was thought.
        both = max(-2.0, min(2.0, off * self._off))
        self._drift = min(max(self._drift * exp(_LEARN_DRIFT * both), _LEAST_DRIFT), _MOST_DRIFT)
        self._off = off
        self._above = max(0.0, self._above + off - _SLACK)
        self._below = max(0.0, self._below - off - _SLACK)
        change = 0
        if max(self._above, self._below) > _ALARM:
            change = 1 if self._above > self._below else -1
            self._above = self._below = 0.0
        return mean + off * deviation, change

    def _add(self, value: float, shape: Sequence[float], variance: float) -> None:
        self._count += 1
        unsure = self._unsure + self._drift
        whole = unsure + variance * self._spread
        gain, half = unsure / whole, 0.5 / whole
        self._unsure = unsure * (1 - gain)
        for at, one in enumerate(shape):
            off = value - one - self._levels[at]
            self._levels[at] += gain * off
            self._costs[at] = _MEMORY * self._costs[at] + half * off * off

    def _weigh(self) -> None:
        costs = list(map(add, self._costs, self._penalties))
        least = min(costs)
        weights = [exp(least - cost) for cost in costs]
        total = sum(weights)
        self._weights = [one / total for one in weights]
        self._mix(_RENEWED)

    def _mix(self, share: float) -> None:
        """Believe that much less of what is believed, and that much more of anything else."""
        self._weights = [
            (1 - share) * one + share * other
            for one, other in zip(self._weights, self._anew, strict=True)
        ]
        self._costs = [
            -log(max(one, _TINY)) - penalty
            for one, penalty in zip(self._weights, self._penalties, strict=True)
        ]


def _quantile(goals: Sequence[tuple[float, float]], weight: float) -> float:
    """Up to where so much of the weight is."""
    below, last = 0.0, None
    for goal, one in sorted(goals):
        if below + one >= weight:
            return goal if last is None else last + (goal - last) * (weight - below) / one
        below, last = below + one, goal
    return max(goals)[0]


def _best_load(p: float, q: float) -> float:
    """The logarithm of the load n/c to aim at on a curve."""

    def throughput(x: float) -> float:
        return x - q / p * log1p(exp(p * x))

    steps = [step * 0.005 - 1 for step in range(900)]  # up to 33 times the knee
    best = max(throughput(x) for x in steps) if q > 1 else 0.0
    for x in steps:
        gain = 1 - q / (1 + exp(-p * x))
        if throughput(x) >= best + log(_ENOUGH) or gain <= _WORTH:
            return x
    return steps[-1]
