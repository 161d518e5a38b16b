"""
Knee: what is believed of how long requests take, given how many are in flight.

With n in flight a request takes about `r · (1 + (n/c)^p)^(q/p)`: some r as long as n is well below
the knee c, and longer as n^q above it. A queue has a sharp knee and q = 1, whatever is shared
softens it, and where requests get in each other's way q is more than 1. The belief is a
probability for each of some shapes (p, q) and some c, by Bayes' rule; r is fitted for each,
weighted by how exact a measurement was. Older measurements count less and less. Where several in
a row contradict the belief (a CUSUM, so that one outlier does not), it is given up: the service
has changed.

It is arithmetic alone and costs some 0.5 ms of CPU for a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p, sqrt
from operator import mul

_SHAPES = ((16.0, 1.0, 0.0), (5.0, 1.0, 1.0), (2.5, 1.0, 2.0), (2.5, 2.0, 1.0), (12.0, 2.0, 0.5))
"""p, q, and how much less likely it is beforehand, as a logarithm: the simplest first."""
_STEP = 0.1  # between two knees, as a logarithm
_LEAST_LOG = -0.3
_WORTH = 0.04  # one per cent more in flight should bring so many per cent more throughput
_ENOUGH = 0.99  # of the best throughput; for what little is beyond, nobody should wait
_MEMORY = 0.97  # what a measurement counts once the next one is there
_KEPT = 0.02  # what it counts after a change
_KNOWN = 4  # measurements, before the belief can be contradicted
_OUTLIER = 4.0  # in standard deviations: more than that counts as that
_SLACK, _ALARM = 0.5, 6.5  # of the CUSUM, in standard deviations
_LEAST_SPREAD, _MOST_SPREAD = 0.7, 10.0
_NEGLIGIBLE = 1e-4
_RATHER_MORE = 0.3  # standard deviations: too little costs throughput, too much only some latency


@dataclass(frozen=True, slots=True)
class Aim:
    """
    Attributes:
        limit: the least that gives nearly all the throughput there is, as far as is known; in
            doubt rather more than less.
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
        # Sums over the measurements for each shape and knee: of the weights, and, times them, of
        # what is left once the curve is taken away, and of its square.
        self._weight = 0.0
        self._first, self._second = [0.0] * len(self._goals), [0.0] * len(self._goals)
        self._last: tuple[float, list[float], float] = (0.0, [], 1.0)
        self._weights = [1 / len(self._goals)] * len(self._goals)
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
            self._count = 0
            self._scale(_KEPT)
            self._add(*self._last)
        self._add(value, shape, variance)
        self._last = (value, shape, variance)
        self._weigh()
        return change

    def settle(self, limit: float) -> None:
        """After a change: begin anew around *limit*."""
        self._expect(log(limit), 1.0)
        self._weigh()

    def aim(self, least: float, most: float) -> Aim:
        """What to aim at, where only limits from *least* to *most* are considered."""
        lowest, highest = log(least), log(most)
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
        return Aim(limit=exp(mean + _RATHER_MORE * doubt), doubt=doubt, harm=harmful)

    @property
    def spread(self) -> float:
        """How many times the variance of measurements is what theirs alone would make it."""
        return self._spread

    def _expect(self, log_limit: float, doubt: float) -> None:
        penalties = [penalty for _, _, penalty in _SHAPES for _ in self._logs]
        self._prior = [
            0.5 * ((goal - log_limit) / doubt) ** 2 + penalty
            for goal, penalty in zip(self._goals, penalties, strict=True)
        ]

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
        expected = [
            first / self._weight + one for first, one in zip(self._first, shape, strict=True)
        ]
        mean = sum(map(mul, self._weights, expected))
        unsure = sum(
            weight * (one - mean) ** 2 for weight, one in zip(self._weights, expected, strict=True)
        )
        deviation = sqrt(variance * self._spread + unsure)
        off = max(-_OUTLIER, min(_OUTLIER, (value - mean) / deviation))
        spread = self._spread + 0.03 * (off * off - 1) * self._spread
        self._spread = min(max(spread, _LEAST_SPREAD), _MOST_SPREAD)
        self._above = max(0.0, self._above + off - _SLACK)
        self._below = max(0.0, self._below - off - _SLACK)
        change = 0
        if max(self._above, self._below) > _ALARM:
            change = 1 if self._above > self._below else -1
            self._above = self._below = 0.0
        return mean + off * deviation, change

    def _scale(self, by: float) -> None:
        self._weight *= by
        self._first = [one * by for one in self._first]
        self._second = [one * by for one in self._second]

    def _add(self, value: float, shape: Sequence[float], variance: float) -> None:
        self._scale(_MEMORY)
        weight = 1 / variance
        self._weight += weight
        self._count += 1
        for at, one in enumerate(shape):
            rest = value - one
            self._first[at] += weight * rest
            self._second[at] += weight * rest * rest

    def _weigh(self) -> None:
        weight, twice = self._weight, 2 * self._spread
        costs = [
            (second - first * first / weight) / twice + prior
            for first, second, prior in zip(self._first, self._second, self._prior, strict=True)
        ]
        least = min(costs)
        weights = [exp(least - cost) for cost in costs]
        total = sum(weights)
        self._weights = [one / total for one in weights]


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
