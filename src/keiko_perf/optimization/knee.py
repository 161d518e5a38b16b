"""
Knee: what is believed of how long requests take, given how many are in flight.

Where the knee is, and how sharp (`curves.py`), is not known. The belief is a probability for each
of some shapes and some knees, by Bayes' rule, and for each of them a level, the logarithm of the
time without a queue, by a Kalman filter. Between two measurements each of these may have happened:

- the level wandered a little: the faster it is found to, the more neighbours alone are compared;
- the level jumped (a stall, a neighbour that came or went): such a measurement says next to
  nothing about the knee, which stays where it was believed to be;
- the knee is elsewhere while the level stayed (capacity was added or taken away).

It is arithmetic alone. To learn from a measurement and to aim anew cost 0.8 to 1.3 ms of CPU
where that was measured, during which an event loop would serve nobody: `learning` and `aiming`
do it in pieces.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import ceil, exp, log, sqrt
from operator import add, mul
from typing import TypeVar

from keiko_perf.optimization.curves import STEP, Curves

T = TypeVar("T")
InPieces = Generator[None, None, T]  # returns what it was about

_LEAST_LOG = -0.3
_LOW = 0.25  # how sure it is that no less than `Aim.low` is enough
_MEMORY = 0.998  # what a measurement counts once the next one is there
_KNOWN = 4  # measurements, before a change can be told
_OUTLIER = 4.0  # in standard deviations: more than that counts as that
_LEAST_SPREAD, _MOST_SPREAD, _STRANGE = 0.7, 6.0, 6.0
_LEARN_SPREAD = 0.03
_LEAST_DRIFT, _FIRST_DRIFT, _MOST_DRIFT = 1e-6, 1e-5, 0.04  # variance, from one to the next
_LEARN_DRIFT = 0.1
_JUMPS, _JUMP_VARIANCE = 0.006, 0.5  # how often the level jumps, and how far, as a variance
_REST_VARIANCE = 0.05  # what a pause adds to what is not known of the level
_MOVES = 0.004  # how often the knee does
_CHANGES_SHAPE = 0.1  # how much of that to any shape; a service hardly changes its kind
_PARTS, _NEAR = 8, 1.4  # where the lowest cost is looked for
_PIECE = 50  # knees, each of which is some microseconds' work
_STILL = 0.3  # a goal by so much above a number of places still is theirs
_NEGLIGIBLE, _TINY = 1e-4, 1e-300


@dataclass(frozen=True, slots=True)
class Aim:
    """
    Attributes:
        limit: what costs least, in throughput and in waiting, as far as is known.
        loss: what it is expected to cost, as a logarithm.
        doubt: how much the logarithm of it may be off, a standard deviation.
        low: what may well be enough: only there would it show.
        middle: what is enough as surely as was asked for.
    """

    limit: int
    loss: float
    doubt: float
    low: float
    middle: float


class Knee:
    """
    The belief.

    Args:
        limit: what to take for best beforehand.
        doubt: how much the logarithm of that may be off.
        most: the highest knee that is thought of.
    """

    def __init__(self, limit: float, *, doubt: float, most: int) -> None:
        count = round((log(most) - _LEAST_LOG) / STEP) + 2
        self._curves = Curves(_LEAST_LOG, count)
        knees, shapes = self._curves.logs, self._curves.shapes
        self._goals = [knee + shape.goal for shape in shapes for knee in knees]
        self._told: Sequence[float] = ()
        # Which of what is told is about each goal: the first is about one place.
        self._places = [max(ceil(exp(goal) - _STILL) - 1, 0) for goal in self._goals]
        self._penalties = [shape.penalty for shape in shapes for _ in knees]
        self._spread, self._drift, self._off = 1.0, _FIRST_DRIFT, 0.0
        self._count = 0
        # For each shape and knee: how likely it is, the level beside it, and the variance of that.
        self._weights = self._around(log(limit), doubt)
        self._likely = self._weights
        self._levels = [0.0] * len(self._goals)
        self._variances = [0.0] * len(self._goals)
        self._middle = log(limit)
        self._elsewhere = self._around(self._middle, 1.0)

    def learn(self, in_flight: float, duration_s: float, variance: float) -> int:
        """Take a measurement into account, as `learning` does, at once."""
        return at_once(self.learning(in_flight, duration_s, variance))

    def learning(self, in_flight: float, duration_s: float, variance: float) -> InPieces[int]:
        """
        Take a measurement into account.

        Args:
            in_flight: how many were.
            duration_s: how long one took, on average.
            variance: of the logarithm of that average.

        Returns:
            1 or -1 if the service became slower or faster all at once; otherwise 0.
        """
        curve, value = self._curves.longer(log(in_flight)), log(duration_s)
        self._count += 1
        if self._count == 1:
            self._levels = [value - one for one in curve]
            self._variances = [variance] * len(curve)
            return 0
        off = self._surprise(value, curve, variance)
        yield
        jumped = yield from self._update(value, curve, variance * self._spread)
        yield from self._move()
        if self._count <= _KNOWN:
            return 0
        if jumped > 0.5 or abs(off) > _OUTLIER:
            self._off = 0.0
            return 1 if off > 0 else -1
        self._learn_noise(max(-_OUTLIER, min(_OUTLIER, off)))
        return 0

    def hear(self, told: Sequence[float]) -> None:
        """
        Something else than durations tells how many places there are.

        It is put beside the belief, not into it, and stands until something else is told: what
        durations say is learnt as if it was not there, so that what was wrong is soon forgotten.

        Args:
            told: how much more likely each number is, from one place on, as a logarithm; all that
                are not named are as likely as before.
        """
        self._told = told

    def rest(self) -> None:
        """Nothing was measured for a while: the level may well be another by now."""
        self._variances = [variance + _REST_VARIANCE for variance in self._variances]

    def aim(self, least: float, most: float, *, sure: float) -> Aim:
        """What to aim at, as `aiming` says, at once."""
        return at_once(self.aiming(least, most, sure=sure))

    def aiming(self, least: float, most: float, *, sure: float) -> InPieces[Aim]:
        """
        What to aim at, where only limits from *least* to *most* are considered.

        Args:
            least: the lowest.
            most: the highest.
            sure: how sure it is to be that no less than `Aim.middle` is enough.
        """
        lowest, highest = log(least), log(most)
        middle = (lowest + highest) / 2
        if middle != self._middle:  # it hardly ever is another
            self._middle, self._elsewhere = middle, self._around(middle, 1.0)
        self._likely = self._weights
        if self._told:
            self._likely = self._with_told()
            yield
        goals = [
            (min(max(goal, lowest), highest), weight)
            for goal, weight in zip(self._goals, self._likely, strict=True)
            if weight > _NEGLIGIBLE
        ]
        goals.sort()
        total = sum(weight for _, weight in goals)
        mean = sum(goal * weight for goal, weight in goals) / total
        doubt = sqrt(sum(weight * (goal - mean) ** 2 for goal, weight in goals) / total)
        yield
        limit, loss = yield from self._best(ceil(least), int(most))
        return Aim(
            limit=limit,
            loss=loss,
            doubt=doubt,
            low=exp(_quantile(goals, _LOW * total)),
            middle=exp(_quantile(goals, sure * total)),
        )

    def loss(self, limit: int) -> float:
        """What so many in flight are expected to cost, as a logarithm."""
        return self._curves.expected_loss(log(limit), self._likely)

    def _best(self, least: int, most: int) -> InPieces[tuple[int, float]]:
        """What costs least from *least* to *most*: looked for coarsely first, then finely."""
        losses: dict[int, float] = {}
        low, high = least, most
        while True:
            tried = _between(low, high)
            for limit in tried:
                if limit not in losses:
                    losses[limit] = self.loss(limit)
                    yield
            best = min(losses, key=losses.__getitem__)
            if len(tried) > high - low or high < _NEAR * low:
                return best, losses[best]
            low = max((one for one in losses if one < best), default=best)
            high = min((one for one in losses if one > best), default=best)

    @property
    def spread(self) -> float:
        """How many times the variance of measurements is what theirs alone would make it."""
        return self._spread

    def _with_told(self) -> list[float]:
        """How likely each shape and knee is, with what `hear` was told."""
        told, most = [*map(exp, self._told), 1.0], len(self._told)
        weights = [
            weight * told[min(one, most)]
            for weight, one in zip(self._weights, self._places, strict=True)
        ]
        total = sum(weights)
        return [weight / total for weight in weights]

    def _around(self, log_limit: float, doubt: float) -> list[float]:
        """What to believe where nothing is known but a limit."""
        weights = [
            exp(-0.5 * ((goal - log_limit) / doubt) ** 2 - penalty)
            for goal, penalty in zip(self._goals, self._penalties, strict=True)
        ]
        total = sum(weights)
        return [one / total for one in weights]

    def _surprise(self, value: float, curve: Sequence[float], variance: float) -> float:
        """How far *value* is from what was expected, in standard deviations."""
        mean, unsure = _center(self._weights, list(map(add, self._levels, curve)), self._variances)
        return (value - mean) / sqrt(variance * self._spread + self._drift + unsure)

    def _update(self, value: float, curve: Sequence[float], noise: float) -> InPieces[float]:
        """Bayes' rule; how likely it is that the level jumped."""
        levels, variances, likely = self._levels, self._variances, self._weights
        total = all_jumped = 0.0
        weights = []
        for at, one in enumerate(curve):
            if at % _PIECE == _PIECE - 1:
                yield
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

    def _move(self) -> InPieces[None]:
        """Let the knee be elsewhere, at the level that is believed in."""
        whole = _center(self._weights, self._levels, self._variances)
        count = len(self._curves.logs)
        for first in range(0, len(self._weights), count):
            yield
            part = slice(first, first + count)
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


def at_once(pieces: InPieces[T]) -> T:
    """What they come to."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: T = end.value
            return result


def _center(
    weights: Sequence[float], levels: Sequence[float], variances: Sequence[float]
) -> tuple[float, float]:
    """The mean level, and its variance."""
    total = sum(weights)
    mean = sum(map(mul, weights, levels)) / total
    off = [(level - mean) ** 2 for level in levels]
    return mean, sum(map(mul, weights, map(add, variances, off))) / total


def _quantile(goals: Sequence[tuple[float, float]], weight: float) -> float:
    """Up to where so much of the weight is, in *goals* from the lowest on."""
    below, last = 0.0, None
    for goal, one in goals:
        if below + one >= weight:
            return goal if last is None else last + (goal - last) * (weight - below) / one
        below, last = below + one, goal
    return goals[-1][0]


def _between(low: int, high: int) -> Sequence[int]:
    """All from *low* to *high*, or some, each as much more than the one before."""
    if high - low <= _PARTS:
        return range(low, high + 1)
    ratio = (high / low) ** (1 / _PARTS)
    return [round(low * ratio**part) for part in range(_PARTS + 1)]
