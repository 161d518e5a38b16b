"""
Result: what a load test measured, frozen.

Response time runs from the instant a request was due to the last byte of its answer, service time
from the instant it was sent; what lies between, its schedule lag, is the wait for a connection
and the generator's own lateness. Failures are apart from successes. A result knows whether it may
be believed: `invalid` gives the reasons why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keiko_perf.loadtest.pacer import Load, Users
from keiko_perf.loadtest.transport import Failure
from keiko_perf.model import (
    Gauge,
    Histogram,
    Kind,
    Message,
    Series,
    Snapshot,
    Target,
    samples_needed,
    say,
)

CPU_LIMIT_RATIO = 0.9
"""A generator's thread that is busier than this was itself what limited the load."""

LATE_SHARE = 0.1
LATE_FLOOR_S = 0.005
"""A woken thread waits for a time slice of whatever else runs, up to 4 ms: less is no fault."""

_LITTLE_SHARE = 0.3
_LITTLE_SAMPLES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """
    Attributes:
        name: of the step.
        response: response times, from due.
        service: service times, from sent.
        timeline: response times of successes by the interval in which they were due.
        failures: how many failures were due in each interval.
    """

    name: str
    response: Series
    service: Series
    timeline: tuple[Histogram, ...]
    failures: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """
    Failures of one kind.

    Attributes:
        failure: the class.
        step: where.
        detail: what exactly; `model.OTHER` for what is over the bound on the number of groups.
        count: how many.
        first_s: when the first was seen, from the start of measuring.
        last_s: when the last was seen.
        example: one of them as a curl line, its secrets masked.
    """

    failure: Failure
    step: str
    detail: str
    count: int
    first_s: float
    last_s: float
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """
    How many requests were under way, sampled at irregular instants.

    Attributes:
        samples: how often it was looked at.
        mean: over time; by Little's law it is the rate times the mean response time.
        peak: the most that were under way at once, exact.
        timeline: the mean of each interval; None where nobody looked.
    """

    samples: int = 0
    mean: float = 0.0
    peak: int = 0
    timeline: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    Attributes:
        target: the base URL.
        load: what was asked for.
        started_at: when measuring began, aware UTC.
        planned_s: how long was to be measured.
        duration_s: how long it took in truth, until the last answer.
        interval_s: the width of an interval of the timelines.
        steps: in the plan's order.
        errors: the failures, most frequent first.
        offered: how many requests were due.
        dropped: how many of them were not sent, because too many were in flight.
        unfinished: how many had no answer yet when the run ended.
        unfinished_s: how old the oldest of them was.
        waited: how many waited for a connection.
        connections: how many connections there were to wait for.
        opened: how many connections were made.
        lag: from due to sent.
        late: the generator's own part of it: how late it turned to a request that was due.
        cpu_ratio: the generator's thread, as a share of one core; None if it was not measured.
        in_flight: how many requests were under way.
        interrupted: whether the run was stopped before its end.
        environment: what it was measured with.
        targets: what was promised of it.
    """

    target: str
    load: Load
    started_at: datetime
    planned_s: float
    duration_s: float
    interval_s: float
    steps: tuple[StepResult, ...]
    errors: tuple[ErrorGroup, ...] = ()
    offered: int
    dropped: int = 0
    unfinished: int = 0
    unfinished_s: float = 0.0
    waited: int = 0
    connections: int = 1
    opened: int = 0
    lag: Histogram = field(default_factory=Histogram)
    late: Histogram = field(default_factory=Histogram)
    cpu_ratio: float | None = None
    in_flight: InFlight = InFlight()
    interrupted: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()

    @property
    def ended_at(self) -> datetime:
        return self.started_at + timedelta(seconds=self.duration_s)

    @property
    def response(self) -> Series:
        """The response times of all steps."""
        return self._whole([step.response for step in self.steps])

    @property
    def service(self) -> Series:
        """The service times of all steps."""
        return self._whole([step.service for step in self.steps])

    @property
    def offered_per_s(self) -> float:
        """How many requests were due a second."""
        asked_s = min(self.planned_s, self.duration_s) if self.interrupted else self.planned_s
        return self.offered / asked_s if asked_s > 0 else 0.0

    @property
    def achieved_per_s(self) -> float:
        """How many requests were answered a second, well or not."""
        return self.response.rate_per_s

    @property
    def is_closed(self) -> bool:
        """Whether the service's own pace set the rate."""
        return isinstance(self.load, Users)

    @property
    def invalid(self) -> tuple[Message, ...]:
        """Why the result may not be believed; empty if it may."""
        return _why_invalid(self)

    def step(self, name: str) -> StepResult | None:
        """One step, or None if the plan had none of that name."""
        return next((step for step in self.steps if step.name == name), None)

    def timeline(self, step: str) -> tuple[Histogram, ...]:
        """The response times of a step's successes, one histogram for each interval."""
        found = self.step(step)
        return found.timeline if found else ()

    def snapshot(self) -> Snapshot:
        """The result in the words of the model, response times from due, for targets to judge."""
        gauges = {} if self.cpu_ratio is None else {"generator_cpu_ratio": Gauge.of(self.cpu_ratio)}
        return Snapshot(
            started_at=self.started_at,
            window_s=self.duration_s,
            series=tuple(step.response for step in self.steps),
            gauges=gauges,
            counters={"arrived": self.offered},
        )

    def _whole(self, series: list[Series]) -> Series:
        return Series.merged(series, kind=Kind.STEP, name="", window_s=self.duration_s)


def _why_invalid(result: Result) -> tuple[Message, ...]:
    checks = (_nothing, _dropped, _unfinished, _starved, _busy, _late, _against_little)
    return tuple(reason for check in checks if (reason := check(result)) is not None)


def _nothing(result: Result) -> Message | None:
    return None if result.response.count else say("no request was finished")


def _dropped(result: Result) -> Message | None:
    if not result.dropped:
        return None
    return say(
        "{dropped:count} requests were not sent, because too many were in flight",
        dropped=result.dropped,
    )


def _unfinished(result: Result) -> Message | None:
    # Whoever stops a run knows that what was under way is left out.
    if not result.unfinished or result.interrupted:
        return None
    return say(
        "{count:count} requests had no answer when the run ended, the oldest after {age:duration}",
        count=result.unfinished,
        age=result.unfinished_s,
    )


def _starved(result: Result) -> Message | None:
    count = sum(one.count for one in result.errors if one.failure is Failure.GENERATOR)
    if not count:
        return None
    return say(
        "{count:count} requests failed for want of ports, files or memory on this machine",
        count=count,
    )


def _busy(result: Result) -> Message | None:
    if result.cpu_ratio is None or result.cpu_ratio <= CPU_LIMIT_RATIO:
        return None
    return say(
        "the load generator used {cpu:ratio} of its core, so it was the limit itself",
        cpu=result.cpu_ratio,
    )


def _late(result: Result) -> Message | None:
    q = 0.99 if result.late.count >= samples_needed(0.99) else 0.5
    if result.late.count < samples_needed(q):
        return None
    late_s = result.late.quantile(q) or 0.0
    response_s = result.response.succeeded.quantile(q) or 0.0
    if late_s <= max(LATE_FLOOR_S, LATE_SHARE * response_s):
        return None
    return say(
        "the load generator was late by {late:duration} (p{percent}): the response times hold that",
        late=late_s,
        percent=f"{q * 100:g}",
    )


def _against_little(result: Result) -> Message | None:
    """Mean in flight = rate x mean response time, whatever the distribution (Little, 1961)."""
    seen = result.in_flight
    if result.unfinished or not result.duration_s:
        return None
    expected = result.response.sum_s / result.duration_s
    if seen.samples * min(seen.mean, expected, 1.0) < _LITTLE_SAMPLES:
        return None
    if abs(seen.mean - expected) <= _LITTLE_SHARE * max(seen.mean, expected):
        return None
    return say(
        "on average {seen:number} requests were in flight, by the response times {expected:number}",
        seen=seen.mean,
        expected=expected,
    )
