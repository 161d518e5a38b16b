"""
Simulation: a service of some shape, asked by more than it can serve, in a time of its own.

    result = simulate(Shape("ten at once", work=exponential(0.05), places=lambda _: 10), Steering())
    result.throughput_per_s, result.quantile_s(0.99), result.limits[-1]

It is for trying a limiter, ours or another, on a service like one's own: the same seed gives the
same run. Requests are worked on in `places`, each at a `speed` that may depend on how many there
are (contention) and on the time (stalls, neighbours); the others queue in front of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf, log
from random import Random
from typing import Protocol

_NO_BOUND = 10**9
_REJECTED_AFTER_S = 0.002

Work = Callable[[Random], float]


class Controller(Protocol):
    """What decides how many may be in flight; `Steering` is one."""

    limit: int

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A limit that never changes."""

    limit: int

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        """Nothing is learned."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    Attributes:
        name: what to call it.
        work: how many seconds of work one request is.
        places: how many are worked on at once, at an instant.
        speed: how fast each of so many is worked on, at an instant.
        changes: the instants at which places, speed or what is asked change.
        delay_s: how long the way there and back takes.
        rejects_above: from how many on it answers with a failure at once.
        asked: how many at once it is asked for, at an instant, whatever the controller allows.
        duration_s: how long it is asked.
    """

    name: str
    work: Work
    places: Callable[[float], int] = lambda _now_s: _NO_BOUND
    speed: Callable[[int, float], float] = lambda _count, _now_s: 1.0
    changes: Sequence[float] = ()
    delay_s: float = 0.0
    rejects_above: int = _NO_BOUND
    asked: Callable[[float], int] = lambda _now_s: _NO_BOUND
    duration_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """
    Attributes:
        duration_s: how long it was asked.
        ended_s: when each success ended.
        durations_s: how long each took, in the same order.
        limits: the limit after each request.
    """

    duration_s: float
    ended_s: list[float] = field(default_factory=list)
    durations_s: list[float] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return len(self.limits) - len(self.ended_s)

    @property
    def throughput_per_s(self) -> float:
        """Successes a second."""
        return len(self.ended_s) / self.duration_s

    def quantile_s(self, quantile: float) -> float:
        """The duration that this share of the successes kept to; infinite if there was none."""
        ordered = sorted(self.durations_s)
        return ordered[int(quantile * len(ordered))] if ordered else inf

    def rate_per_s(self, from_s: float, to_s: float) -> float:
        """Successes a second between two instants."""
        return sum(from_s <= at < to_s for at in self.ended_s) / (to_s - from_s)


def constant(mean_s: float) -> Work:
    """Each request is the same work."""
    return lambda _random: mean_s


def exponential(mean_s: float) -> Work:
    """Work as it comes by chance."""
    return lambda random: random.expovariate(1 / mean_s)


def lognormal(mean_s: float, sigma: float) -> Work:
    """Work with a light tail (sigma 0.2) or a heavy one (sigma 1)."""
    return lambda random: mean_s * random.lognormvariate(-sigma * sigma / 2, sigma)


def two_kinds(short_s: float, long_s: float, *, long_ratio: float) -> Work:
    """Mostly short work, and some long."""

    def work(random: Random) -> float:
        mean_s = long_s if random.random() < long_ratio else short_s
        return mean_s * (0.9 + 0.2 * random.random())

    return work


def contention(sigma: float, kappa: float) -> Callable[[int, float], float]:
    """How much all slow each other down, by the universal scalability law."""
    return lambda count, _now_s: 1 / (1 + sigma * (count - 1) + kappa * count * (count - 1))


def simulate(shape: Shape, controller: Controller, *, seed: int = 1) -> Simulated:
    """Ask a service of *shape* for as much at once as *controller* allows, all the time."""
    return _Run(shape, controller, Random(seed)).run()


class _Run:
    def __init__(self, shape: Shape, controller: Controller, random: Random) -> None:
        self._shape = shape
        self._controller = controller
        self._random = random
        self._now_s = self._worked = 0.0  # `worked` is what each in work has got of it
        self._in_work: list[tuple[float, int, float, int]] = []
        self._queue: deque[tuple[float, int]] = deque()
        self._under_way: list[tuple[float, int, str, float, int]] = []
        self._number = self._in_flight = 0
        self._result = Simulated(shape.duration_s)

    def run(self) -> Simulated:
        shape = self._shape
        changes = [*shape.changes, inf]
        self._admit()
        while True:
            speed = shape.speed(len(self._in_work), self._now_s) if self._in_work else 0.0
            done_s = (
                self._now_s + (self._in_work[0][0] - self._worked) / speed if speed > 0 else inf
            )
            way_s = self._under_way[0][0] if self._under_way else inf
            next_s = min(done_s, way_s, changes[0])
            if next_s > shape.duration_s:
                return self._result
            self._worked += (next_s - self._now_s) * speed
            self._now_s = next_s
            if next_s == changes[0]:
                changes.pop(0)
                self._fill()
                self._admit()
            elif done_s <= way_s:
                self._finish()
            else:
                self._arrive_or_return()

    def _admit(self) -> None:
        asked = self._shape.asked(self._now_s)
        while self._in_flight < min(self._controller.limit, asked):
            self._in_flight += 1
            self._travel("there", self._now_s, self._in_flight)

    def _travel(self, way: str, began_s: float, beside: int, extra_s: float = 0.0) -> None:
        self._number += 1
        at_s = self._now_s + self._shape.delay_s / 2 + extra_s
        heappush(self._under_way, (at_s, self._number, way, began_s, beside))

    def _arrive_or_return(self) -> None:
        _, _, way, began_s, beside = heappop(self._under_way)
        if way == "there":
            if len(self._in_work) + len(self._queue) >= self._shape.rejects_above:
                self._travel("rejected", began_s, beside, _REJECTED_AFTER_S)
            else:
                self._queue.append((began_s, beside))
                self._fill()
            return
        self._in_flight -= 1
        duration_s, succeeded = self._now_s - began_s, way == "back"
        if succeeded:
            self._result.ended_s.append(self._now_s)
            self._result.durations_s.append(duration_s)
        self._controller.ended(
            self._now_s,
            duration_s,
            beside=beside,
            in_flight=self._in_flight,
            succeeded=succeeded,
        )
        self._result.limits.append(self._controller.limit)
        self._admit()

    def _finish(self) -> None:
        worked, _, began_s, beside = heappop(self._in_work)
        self._worked = worked  # not a rounding before or after
        self._fill()
        self._travel("back", began_s, beside)

    def _fill(self) -> None:
        places = self._shape.places(self._now_s)
        while self._queue and len(self._in_work) < places:
            began_s, beside = self._queue.popleft()
            self._number += 1
            ends = self._worked + self._shape.work(self._random)
            heappush(self._in_work, (ends, self._number, began_s, beside))


def settled(result: Simulated, *, after_s: float, of_per_s: float) -> float | None:
    """How long after an instant half a second's throughput came to 90 % of *of_per_s*."""
    start_s = after_s
    while start_s + 0.5 <= result.duration_s:
        if result.rate_per_s(start_s, start_s + 0.5) >= 0.9 * of_per_s:
            return start_s - after_s
        start_s += 0.1
    return None


def geometric_mean(ratios: Sequence[float]) -> float:
    """Of ratios over 0."""
    return float(2.0 ** (sum(log(one, 2) for one in ratios) / len(ratios)))
