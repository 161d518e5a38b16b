"""
AIMD, Vegas, Gradient2 and Envoy's gradient, written plainly from how they are described.

None was tuned; each has the same window: 20 requests, and a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from statistics import mean

from keiko_perf.optimization.simulation import Controller, Fixed
from keiko_perf.optimization.steering import Steering


class Adapts:
    """A window of requests, and what an algorithm makes of it."""

    def __init__(self) -> None:
        self.limit = 20
        self.exact = 20.0
        self.began_s = 0.0
        self.durations_s: list[float] = []
        self.failed = False

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        self.failed |= not succeeded
        self.durations_s.append(duration_s)
        if len(self.durations_s) >= 20 and now_s - self.began_s >= 0.1:
            self.exact = min(max(self.decide(mean(self.durations_s)), 1.0), 1000.0)
            self.limit = int(self.exact)
            self.began_s, self.durations_s, self.failed = now_s, [], False

    def decide(self, mean_s: float) -> float:
        raise NotImplementedError


class Aimd(Adapts):
    """One more for each window, a tenth less after a failure or a time-out of 5 s."""

    def decide(self, mean_s: float) -> float:
        bad = self.failed or max(self.durations_s) > 5
        return self.exact * 0.9 if bad else self.exact + 1


class Vegas(Adapts):
    """Keep the queue, as told by the shortest time, between alpha and beta."""

    shortest_s = float("inf")

    def decide(self, mean_s: float) -> float:
        self.shortest_s = min(self.shortest_s, mean_s)
        queue = self.exact * (1 - self.shortest_s / mean_s)
        if self.failed:
            return self.exact * 0.9
        if queue < 3:
            return self.exact + 1
        return self.exact - 1 if queue > 6 else self.exact


class Gradient2(Adapts):
    """By the ratio of a long average to a short one, with a tolerance and room for a queue."""

    long_s = 0.0

    def decide(self, mean_s: float) -> float:
        self.long_s = mean_s if not self.long_s else self.long_s + (mean_s - self.long_s) / 60
        if self.long_s > 2 * mean_s:
            self.long_s *= 0.95
        gradient = max(0.5, min(1.0, 1.5 * self.long_s / mean_s))
        return 0.8 * self.exact + 0.2 * (self.exact * gradient + 4)


class EnvoyGradient(Adapts):
    """By the ratio of the time at a limit of 3, measured now and then, to that of a window."""

    unloaded_s = 0.0
    probe_at_s = 0.0
    before: float | None = None

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        if self.before is None and now_s >= self.probe_at_s:
            self.before, self.exact, self.limit, self.durations_s = self.exact, 3.0, 3, []
            self.skip = in_flight
        if self.before is not None:
            self.skip -= 1
            if self.skip < 0:
                self.durations_s.append(duration_s)
            if len(self.durations_s) >= 50:
                self.unloaded_s = sorted(self.durations_s)[25]
                self.exact, self.before, self.durations_s = self.before, None, []
                self.limit, self.began_s = int(self.exact), now_s
                self.probe_at_s = now_s + 30
            return
        super().ended(now_s, duration_s, beside=beside, in_flight=in_flight, succeeded=succeeded)

    def decide(self, mean_s: float) -> float:
        middle_s = sorted(self.durations_s)[len(self.durations_s) // 2]
        gradient = max(0.5, min(2.0, 1.25 * self.unloaded_s / middle_s))
        return max(self.exact * gradient + sqrt(self.exact), 3.0)


ALGORITHMS: dict[str, Callable[[], Controller]] = {
    "keiko-perf": Steering,
    "fixed 20": lambda: Fixed(limit=20),
    "fixed 100": lambda: Fixed(limit=100),
    "AIMD": Aimd,
    "Vegas": Vegas,
    "Gradient2": Gradient2,
    "Envoy's gradient": EnvoyGradient,
}
