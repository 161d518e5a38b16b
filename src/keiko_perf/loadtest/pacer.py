"""
Pacer: when each request is due, as a pure schedule.

Open load (`ConstantRate`, `Stages`, `Poisson`) is due at instants that nothing the service does
can move: that is what makes its answers comparable. Closed load (`Users`) has no schedule: a user
is due again once the last answer was there and was thought about.

An instant is counted from the start of the load, in seconds, and computed from its number and
not from the instant before it, so that rounding never adds up.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from math import gcd, isfinite, sqrt
from random import Random

from keiko_perf.errors import UsageError

LONGEST_CYCLE = 10_000
"""Weights whose sum, once reduced, is larger are refused: the order would not be worth its room."""

MOST_INSTANTS = 10_000_000
"""A longer recording is refused; an instant takes eight bytes."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ConstantRate:
    """Open load: *per_s* requests a second at equal distances."""

    per_s: float

    def __post_init__(self) -> None:
        _refuse_unless(_positive(self.per_s), f"a rate is a number above 0, not {self.per_s!r}")

    @property
    def peak_per_s(self) -> float:
        return self.per_s

    def instants(self, until_s: float) -> Iterator[float]:
        """When requests are due, before *until_s*."""
        for number in count():
            due_s = number / self.per_s
            if due_s >= until_s:
                return
            yield due_s


@dataclass(frozen=True, slots=True)
class Poisson:
    """
    Open load: requests that know nothing of each other, *per_s* a second on average.

    The distances are exponential (a Poisson process), drawn with *seed*: the same seed gives the
    same instants.
    """

    per_s: float
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_unless(_positive(self.per_s), f"a rate is a number above 0, not {self.per_s!r}")

    @property
    def peak_per_s(self) -> float:
        return self.per_s

    def instants(self, until_s: float) -> Iterator[float]:
        """When requests are due, before *until_s*."""
        random = Random(self.seed)
        due_s = random.expovariate(self.per_s)
        while due_s < until_s:
            yield due_s
            due_s += random.expovariate(self.per_s)


@dataclass(frozen=True, slots=True)
class Stage:
    """Go evenly to *per_s* requests a second within *duration_s*; 0 s is a jump."""

    duration_s: float
    per_s: float

    def __post_init__(self) -> None:
        _refuse_unless(
            isfinite(self.duration_s) and self.duration_s >= 0,
            f"a stage lasts a number of seconds from 0 on, not {self.duration_s!r}",
        )
        _refuse_unless(
            isfinite(self.per_s) and self.per_s >= 0,
            f"a stage ends at a rate from 0 on, not {self.per_s!r}",
        )


@dataclass(frozen=True, slots=True)
class Stages:
    """Open load: one stage after the other, from *start_per_s* on."""

    stages: tuple[Stage, ...]
    start_per_s: float = 0.0

    def __post_init__(self) -> None:
        _refuse_unless(bool(self.stages), "staged load needs at least one stage")
        _refuse_unless(
            isfinite(self.start_per_s) and self.start_per_s >= 0,
            f"the stages start at a rate from 0 on, not {self.start_per_s!r}",
        )
        _refuse_unless(self.duration_s > 0, "the stages last no time at all")
        _refuse_unless(self.peak_per_s > 0, "no stage ever asks for a request")

    @classmethod
    def spike(
        cls, per_s: float, peak_per_s: float, *, before_s: float, spike_s: float, after_s: float
    ) -> Stages:
        """*per_s*, a jump to *peak_per_s* for *spike_s*, and a jump back to see it recover."""
        return cls(
            (
                Stage(before_s, per_s),
                Stage(0.0, peak_per_s),
                Stage(spike_s, peak_per_s),
                Stage(0.0, per_s),
                Stage(after_s, per_s),
            ),
            per_s,
        )

    @property
    def duration_s(self) -> float:
        return sum(stage.duration_s for stage in self.stages)

    @property
    def peak_per_s(self) -> float:
        return max(self.start_per_s, *(stage.per_s for stage in self.stages))

    def after(self, warmup_s: float) -> Stages:
        """The same after *warmup_s* at the rate that the stages start from."""
        if not warmup_s:
            return self
        return Stages((Stage(warmup_s, self.start_per_s), *self.stages), self.start_per_s)

    def instants(self, until_s: float) -> Iterator[float]:
        """When requests are due, before *until_s*: request k where the rate's integral is k."""
        begun_s = passed = 0.0
        rate, number = self.start_per_s, 0
        for stage in self.stages:
            expected = (rate + stage.per_s) / 2 * stage.duration_s
            while number < passed + expected - _ROUNDING:
                due_s = begun_s + _reached_s(max(0.0, number - passed), rate, stage)
                if due_s >= until_s:
                    return
                yield due_s
                number += 1
            begun_s += stage.duration_s
            passed += expected
            rate = stage.per_s


@dataclass(frozen=True, slots=True, init=False)
class Replay:
    """
    Open load: requests at the distances at which others were recorded.

    Args:
        instants_s: when each came, in seconds on any clock and in any order; the first one is due
            at once. They are kept to a microsecond.

    Raises:
        UsageError: there is none, there are too many, or one is no number.
    """

    instants_s: array[float] = field(repr=False)

    def __init__(self, instants_s: Iterable[float]) -> None:
        given = sorted(islice(instants_s, MOST_INSTANTS + 1))
        _refuse_unless(bool(given), "a replay needs at least one instant")
        _refuse_unless(
            len(given) <= MOST_INSTANTS, f"a replay of more than {MOST_INSTANTS} instants"
        )
        _refuse_unless(all(map(isfinite, given)), "an instant of the replay is no number")
        whole_us = array("d", [round((one - given[0]) * 1e6) / 1e6 for one in given])
        object.__setattr__(self, "instants_s", whole_us)

    @property
    def count(self) -> int:
        return len(self.instants_s)

    @property
    def duration_s(self) -> float:
        """To the last instant, and one mean distance more, so that the rate is the recording's."""
        last_s = self.instants_s[-1]
        return last_s * self.count / (self.count - 1) if last_s > 0 else 1.0

    @property
    def peak_per_s(self) -> float:
        """The most instants within any one second."""
        most = first = 0
        for number, instant_s in enumerate(self.instants_s):
            while instant_s - self.instants_s[first] >= 1.0:
                first += 1
            most = max(most, number - first + 1)
        return float(most)

    def instants(self, until_s: float) -> Iterator[float]:
        """When requests are due, before *until_s*."""
        for instant_s in self.instants_s:
            if instant_s >= until_s:
                return
            yield instant_s


@dataclass(frozen=True, slots=True)
class Users:
    """
    Closed load: *count* users, each of whom asks, waits for the answer, thinks and asks again.

    A slow service is asked less often by closed load, so its worst moments are hardly sampled:
    the percentiles leave out whoever would have come meanwhile. Users start spread over the first
    think time, so that they don't march in step.
    """

    count: int
    think_s: float = 0.0

    def __post_init__(self) -> None:
        _refuse_unless(self.count >= 1, f"closed load needs at least one user, not {self.count!r}")
        _refuse_unless(
            isfinite(self.think_s) and self.think_s >= 0,
            f"a user thinks for a number of seconds from 0 on, not {self.think_s!r}",
        )

    def starts(self) -> Iterator[float]:
        """When each user asks first."""
        return (self.think_s * number / self.count for number in range(self.count))


OpenLoad = ConstantRate | Poisson | Stages | Replay
Load = OpenLoad | Users


def arrivals(load: OpenLoad, *, duration_s: float, warmup_s: float = 0.0) -> Iterator[float]:
    """When the requests of *load* are due, those of the warm-up before it included."""
    if isinstance(load, Stages):
        load = load.after(warmup_s)
    return load.instants(warmup_s + duration_s)


def weighted_order(weights: tuple[int, ...]) -> tuple[int, ...]:
    """
    One cycle of an order in which index *i* comes up *weights[i]* times, evenly spread.

    It is nginx' smooth weighted round robin, so two runs send the same sequence.

    Raises:
        UsageError: the cycle is longer than `LONGEST_CYCLE`.
    """
    weights = tuple(weight // gcd(*weights) for weight in weights)
    length = sum(weights)
    if length > LONGEST_CYCLE:
        raise UsageError(
            f"the weights of the steps repeat only after {length} requests",
            cure=f"Choose weights with a sum of at most {LONGEST_CYCLE}",
        )
    credit = [0] * len(weights)
    order = []
    for _ in range(length):
        credit = [one + weight for one, weight in zip(credit, weights, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= length
        order.append(chosen)
    return tuple(order)


def _reached_s(number: float, rate: float, stage: Stage) -> float:
    """When *number* requests are due in a stage that starts at *rate*; the stable root."""
    if not number:
        return 0.0
    slope = (stage.per_s - rate) / stage.duration_s
    root = sqrt(max(0.0, rate * rate + 2 * slope * number))
    return min(2 * number / (rate + root), stage.duration_s)


def _positive(number: float) -> bool:
    return isfinite(number) and number > 0


def _refuse_unless(holds: bool, what: str) -> None:
    if not holds:
        raise UsageError(what, cure="Correct the load of the plan")
