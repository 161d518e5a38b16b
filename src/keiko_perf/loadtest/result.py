"""
Result: what a load test measured, frozen.

Response time runs from the instant a request was due to the last byte of its answer, service time
from the instant it was sent; what lies between, its schedule lag, is the wait for a connection
and the generator's own lateness. Failures are apart from successes. A result knows whether it may
be believed: `invalid` gives the reasons why not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keiko_perf.loadtest.engine.generator import Generator
from keiko_perf.loadtest.pacer import Load, Users
from keiko_perf.loadtest.transport import Failure
from keiko_perf.loadtest.verdicts.promise import Promise, Stopped
from keiko_perf.loadtest.verdicts.steady import Warmup
from keiko_perf.loadtest.verdicts.validity import (
    CPU_LIMIT_RATIO,
    LATE_FLOOR_S,
    LATE_SHARE,
    notes,
    why_invalid,
)
from keiko_perf.loadtest.watching.watched import Watched
from keiko_perf.model import Gauge, Histogram, Kind, Message, Series, Snapshot, Target

__all__ = [
    "CPU_LIMIT_RATIO",
    "LATE_FLOOR_S",
    "LATE_SHARE",
    "ErrorGroup",
    "InFlight",
    "Result",
    "StepResult",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """
    Attributes:
        name: of the step.
        response: response times, from due.
        service: service times, from sent.
        timeline: response times of successes by the interval in which they were due.
        failures: how many failures were due in each interval.
        lag: from due to sent.
        phases: what else was measured of its answers, each from due unless it says otherwise:
            `first byte`, `first event`, and `event gap` from event to event.
        received_bytes: how long its answers were in all, on the wire and before encryption, those
            with a status from 400 on among them. None where an older version measured it.
        redirects: how many redirects its requests followed, likewise.
    """

    name: str
    response: Series
    service: Series
    timeline: tuple[Histogram, ...]
    failures: tuple[int, ...] = ()
    lag: Series
    phases: Mapping[str, Histogram] = field(default_factory=dict)
    received_bytes: int | None = None
    redirects: int | None = None


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
        cpu_ratio: the generator's thread, as a share of one core; of several processes the busiest
            one's. None if it was not measured.
        in_flight: how many requests were under way.
        interrupted: whether the run was stopped before its end.
        environment: what it was measured with.
        targets: what was promised of it.
        generators: what each process of the generator saw of itself.
        lost: how many processes ended before the run did, and took their measurements with them.
        same_host: whether the service runs on the generator's machine.
        promises: what was promised of each stretch of it, or would have ended it.
        stopped: which of these did end it, if one did.
        warmup: how much of its beginning no target is judged by; None if nobody asked for that.
        watched: what the service and its database did meanwhile; None if nobody watched.
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
    generators: tuple[Generator, ...] = ()
    lost: int = 0
    same_host: bool = False
    promises: tuple[Promise, ...] = ()
    stopped: Stopped | None = None
    warmup: Warmup | None = None
    watched: Watched | None = None

    @property
    def first_settled(self) -> int:
        """The first interval that targets are judged by."""
        return self.warmup.intervals if self.warmup is not None else 0

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
    def received_bytes(self) -> int | None:
        """How long the answers of all steps were; None where an older version measured them."""
        return _sum(step.received_bytes for step in self.steps)

    @property
    def redirects(self) -> int | None:
        """How many redirects were followed, likewise."""
        return _sum(step.redirects for step in self.steps)

    @property
    def is_closed(self) -> bool:
        """Whether the service's own pace set the rate."""
        return isinstance(self.load, Users)

    @property
    def invalid(self) -> tuple[Message, ...]:
        """Why the result may not be believed; empty if it may."""
        return why_invalid(self)

    @property
    def notes(self) -> tuple[Message, ...]:
        """What whoever reads the figures should know, though it makes none of them wrong."""
        return notes(self)

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


def _sum(counts: Iterable[int | None]) -> int | None:
    """All of them; None if one is not known."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
