"""
Knee: what is believed of how long requests take, given how many are in flight.

With n in flight a request takes about `r · (1 + (n/c)^p)^(q/p)`: some r as long as n is well below
the knee c, and longer as n^q above it. A queue has a sharp knee and q = 1, whatever is shared
softens it, and where requests get in each other's way q is more than 1. The belief is a
probability for each of some shapes (p, q) and some c, by Bayes' rule, and for each of them a level,
the logarithm of r, by a Kalman filter. Between two measurements each of these may have come about:

- the level wandered a little: the faster it is found to, the more neighbours alone are compared;
- the level jumped (a stall, a neighbour that came or went): such a measurement says next to
  nothing about the knee, which stays where it was believed to be;
- the knee is elsewhere while the level stayed (capacity was added or taken away).

It is arithmetic alone and costs some 0.5 ms of CPU for a measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, log1p, sqrt

_SHAPES = ((16.0, 1.0, 0.0), (5.0, 1.0, 2.0), (2.5, 1.0, 4.0), (2.5, 2.0, 2.0), (12.0, 2.0, 1.0))
"""p, q, and how much less likely it is beforehand, as a logarithm: the simplest first."""
_STEP = 0.1  # between two knees, as a logarithm
_LEAST_LOG = -0.3
_WORTH = 0.08  # one per cent more in flight should bring so many per cent more throughput
_LOW = 0.25  # how sure it is that no less than `Aim.low` is enough
_ENOUGH = 0.99  # of the best throughput; for what little is beyond, nobody should wait
_MEMORY = 0.995  # what a measurement counts once the next one is there
_KNOWN = 4  # measurements, before a change can be told
_OUTLIER = 4.0  # in standard deviations: more than that counts as that
_LEAST_SPREAD, _MOST_SPREAD, _STRANGE = 0.7, 6.0, 6.0
_LEARN_SPREAD = 0.03
_LEAST_DRIFT, _FIRST_DRIFT, _MOST_DRIFT = 1e-6, 1e-5, 0.04  # variance, from one to the next
_LEARN_DRIFT = 0.1
_JUMPS, _JUMP_VARIANCE = 0.002, 0.5  # how often the level jumps, and how far, as a variance
_MOVES = 0.01  # how often the knee does
_CHANGES_SHAPE = 0.1  # how much of that to any shape; a service hardly changes its kind
_NEGLIGIBLE, _TINY = 1e-4, 1e-300


@dataclass(frozen=True, slots=True)
class Aim:
    """
    Attributes:
        limit: the least that gives nearly all the throughput there is, as far as is known.
        doubt: how much the logarithm of it may be off, a standard deviation.
        harm: how likely it is that more than that brings less, 0 to 1.
        low: what may well be enough: only there would it show.
    """

    limit: float
    doubt: float
    harm: float
    low: float


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
        self._goals = [log_c + _best_load(p, q) for p, q, _ in _SHAPES for log_c in self._logs]
        self._penalties = [penalty for _, _, penalty in _SHAPES for _ in self._logs]
        self._spread, self._drift, self._off = 1.0, _FIRST_DRIFT, 0.0
        self._count = 0
        # For each shape and knee: how likely it is, the level beside it, and the variance of that.
        self._weights = self._around(log(limit), doubt)
        self._levels = [0.0] * len(self._goals)
        self._variances = [0.0] * len(self._goals)
        self._elsewhere = self._around(log(limit), 1.0)

    def learn(self, in_flight: float, duration_s: float, variance: float) -> int:
        """
        Take a measurement into account.

        Args:
            in_flight: how many were.
            duration_s: how long one took, on average.
            variance: of the logarithm of that average.

        Returns:
            1 or -1 if the service became slower or faster all at once; otherwise 0.
        """
        curve, value = self._curve(log(in_flight)), log(duration_s)
        self._count += 1
        if self._count == 1:
            self._levels = [value - one for one in curve]
            self._variances = [variance] * len(curve)
            return 0
        off = self._surprise(value, curve, variance)
        jumped = self._update(value, curve, variance * self._spread)
        self._move()
        if self._count <= _KNOWN:
            return 0
        if jumped > 0.5:
            self._off = 0.0
            return 1 if off > 0 else -1
        self._learn_noise(max(-_OUTLIER, min(_OUTLIER, off)))
        return 0

    def aim(self, least: float, most: float, *, sure: float) -> Aim:
        """
        What to aim at, where only limits from *least* to *most* are considered.

        Args:
            least: the lowest.
            most: the highest.
            sure: how sure it should be that no more is needed, 0 to 1.
        """
        lowest, highest = log(least), log(most)
        self._elsewhere = self._around((lowest + highest) / 2, 1.0)
        goals = [
            (min(max(goal, lowest), highest), weight)
            for goal, weight in zip(self._goals, self._weights, strict=True)
            if weight > _NEGLIGIBLE
        ]
        goals.sort()
        total = sum(weight for _, weight in goals)
        mean = sum(goal * weight for goal, weight in goals) / total
        doubt = sqrt(sum(weight * (goal - mean) ** 2 for goal, weight in goals) / total)
        harmful = sum(
            sum(self._weights[at * len(self._logs) : (at + 1) * len(self._logs)])
            for at, (_, q, _) in enumerate(_SHAPES)
            if q > 1
        )
        return Aim(
            limit=exp(_quantile(goals, sure * total)),
            doubt=doubt,
            harm=harmful,
            low=exp(_quantile(goals, _LOW * total)),
        )

    @property
    def spread(self) -> float:
        """How many times the variance of measurements is what theirs alone would make it."""
        return self._spread

    def _around(self, log_limit: float, doubt: float) -> list[float]:
        """What to believe where nothing is known but a limit."""
        weights = [
            exp(-0.5 * ((goal - log_limit) / doubt) ** 2 - penalty)
            for goal, penalty in zip(self._goals, self._penalties, strict=True)
        ]
        total = sum(weights)
        return [one / total for one in weights]

    def _curve(self, log_n: float) -> list[float]:
        """How much longer than r it takes, as a logarithm, by each shape and knee."""
        curve = []
        for p, q, _ in _SHAPES:
            for log_c in self._logs:
                excess = p * (log_n - log_c)
                # log1p(exp(x)), where exp would overflow, or adds nothing
                grown = excess if excess > 30 else log1p(exp(excess)) if excess > -30 else 0.0
                curve.append(q / p * grown)
        return curve

    def _surprise(self, value: float, curve: Sequence[float], variance: float) -> float:
        """How far *value* is from what was expected, in standard deviations."""
        expected = [level + one for level, one in zip(self._levels, curve, strict=True)]
        mean = sum(w * one for w, one in zip(self._weights, expected, strict=True))
        unsure = sum(
            weight * ((one - mean) ** 2 + own)
            for weight, one, own in zip(self._weights, expected, self._variances, strict=True)
        )
        return (value - mean) / sqrt(variance * self._spread + self._drift + unsure)

    def _update(self, value: float, curve: Sequence[float], noise: float) -> float:
        """Bayes' rule; how likely it is that the level jumped."""
        levels, variances, likely = self._levels, self._variances, self._weights
        total = all_jumped = 0.0
        weights = []
        for at, one in enumerate(curve):
            off = value - levels[at] - one
            before = variances[at] + self._drift
            whole = before + noise
            wide = whole + _JUMP_VARIANCE
            half = -0.5 * off * off
            stays = (1 - _JUMPS) * exp(half / whole) / sqrt(whole)
            jumps = _JUMPS * exp(half / wide) / sqrt(wide)
            either = stays + jumps + _TINY
            jumped = jumps / either
            gain, jump_gain = before / whole, (before + _JUMP_VARIANCE) / wide
            apart = off * (jump_gain - gain)
            levels[at] += off * gain + jumped * apart
            variances[at] = (
                (1 - jumped) * gain * noise
                + jumped * jump_gain * noise
                + jumped * (1 - jumped) * apart * apart
            )
            weight = likely[at] ** _MEMORY * either
            weights.append(weight)
            total += weight
            all_jumped += weight * jumped
        self._weights = [weight / total for weight in weights]
        return all_jumped / total

    def _move(self) -> None:
        """Let the knee be elsewhere, at the level that is believed in."""
        whole = _center(self._weights, self._levels, self._variances)
        for at in range(len(_SHAPES)):
            part = slice(at * len(self._logs), (at + 1) * len(self._logs))
            weights, anew = self._weights[part], self._elsewhere[part]
            share = sum(weights)
            level, variance = whole
            if share > _NEGLIGIBLE:
                level, variance = _center(weights, self._levels[part], self._variances[part])
            come = _MOVES * ((1 - _CHANGES_SHAPE) * share / sum(anew) + _CHANGES_SHAPE)
            for index, weight, other in zip(
                range(part.start, part.stop), weights, anew, strict=True
            ):
                stayed, moved = (1 - _MOVES) * weight, come * other
                self._weights[index] = stayed + moved
                fresh = moved / (stayed + moved)
                off = level - self._levels[index]
                self._variances[index] += fresh * (
                    variance - self._variances[index] + (1 - fresh) * off * off
                )
                self._levels[index] += fresh * off

    def _learn_noise(self, off: float) -> None:
        spread = self._spread * (1 + _LEARN_SPREAD * (min(off * off, _STRANGE) - 1))
        self._spread = min(max(spread, _LEAST_SPREAD), _MOST_SPREAD)
        # Two in a row off to the same side: the level wanders faster than was thought.
        both = max(-2.0, min(2.0, off * self._off))
        self._drift = min(max(self._drift * exp(_LEARN_DRIFT * both), _LEAST_DRIFT), _MOST_DRIFT)
        self._off = off


def _center(
    weights: Sequence[float], levels: Sequence[float], variances: Sequence[float]
) -> tuple[float, float]:
    """The mean level, and its variance."""
    total = sum(weights)
    mean = sum(w * level for w, level in zip(weights, levels, strict=True)) / total
    variance = sum(
        w * (own + (level - mean) ** 2)
        for w, level, own in zip(weights, levels, variances, strict=True)
    )
    return mean, variance / total


def _quantile(goals: Sequence[tuple[float, float]], weight: float) -> float:
    """Up to where so much of the weight is, in *goals* from the lowest on."""
    below, last = 0.0, None
    for goal, one in goals:
        if below + one >= weight:
            return goal if last is None else last + (goal - last) * (weight - below) / one
        below, last = below + one, goal
    return goals[-1][0]


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
