"""
Meter: what the engine writes down for each request, in a bounded room.

A success is one count in the histogram of its step and second; the totals are merged from these
afterwards, which is exact. Nothing is kept for a single request once it was counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf

from keiko_perf.loadtest.engine.tally import ENOUGH, Tally
from keiko_perf.loadtest.engine.timeline import Timeline
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.progress import StepProgress
from keiko_perf.loadtest.request import Request, curl
from keiko_perf.loadtest.result import ErrorGroup, StepResult
from keiko_perf.loadtest.transport import Failure
from keiko_perf.model import OTHER, Histogram, Kind, Series

MOST_INTERVALS = 3600
_MOST_IN_ALL = 36_000  # of all steps together, some 10 MB
_NAMES_OF_SCENARIOS = 20  # how many requests have is not known beforehand; there may be 200
_MOST_GROUPS = 100


def interval_s(plan: Plan) -> float:
    """The width of an interval: 1 s, or as much more as keeps their number in bounds."""
    names = len(plan.steps) or _NAMES_OF_SCENARIOS
    most = max(60, min(MOST_INTERVALS, _MOST_IN_ALL // names))
    return max(1.0, plan.duration_s / most)


class StepMeter:
    """
    The measurements of one step.

    Args:
        name: the step's.
        gathers: whether response times are counted many at a time. That costs less, and makes a
            pause now and then, in which what is due on a schedule would be late.

    Attributes:
        since: the instant at which the interval that `record` counts in begins; what was due
            before it belongs to another one.
        until: the instant at which it ends, likewise.
        record: counts a response time in the current interval.
        record_service: counts a service time.
        record_lag: counts a schedule lag.
        failed: response times of failures by interval; most have none.
        received_bytes: how long the answers were in all, on the wire.
        redirects: how many redirects were followed.

    It is an `Observer` of the answers to its requests, too.
    """

    __slots__ = (
        "_apart",
        "_begins",
        "_phases",
        "_settled",
        "_settled_failed",
        "_settled_to",
        "_tally",
        "_timeline",
        "failed",
        "failed_lag",
        "failed_service",
        "lag",
        "name",
        "received_bytes",
        "record",
        "record_lag",
        "record_service",
        "redirects",
        "service",
        "since",
        "until",
    )

    def __init__(self, name: str, *, gathers: bool = False) -> None:
        self.name = name
        self._timeline = Timeline()
        self.since = self.until = inf
        self._tally = Tally(Histogram()) if gathers else None
        self.record = Histogram().record if self._tally is None else self._tally.record
        self.service = Histogram()
        self.record_service = self.service.record
        self.lag = Histogram()
        self.record_lag = self.lag.record
        self.failed = Timeline()
        self.failed_service = Histogram()
        self.failed_lag = Histogram()
        self.received_bytes = self.redirects = 0
        self._apart = Timeline()
        self._begins = inf
        self._phases: dict[str, Histogram] = {}
        self._settled = Histogram()  # the successes of the first intervals, merged
        self._settled_failed = Histogram()  # their failures
        self._settled_to = 0

    def begin(self, at: float) -> None:
        """Measure what is due from *at* on."""
        self._begins = at
        self.since = self.until = inf

    def move_to(self, position: int, interval_s: float) -> None:
        """Count in another interval from now on."""
        self.settle(at_least=1)
        self.since = self._begins + position * interval_s
        self.until = self._begins + (position + 1) * interval_s
        into = self._timeline.at(position)
        if self._tally is None:
            self.record = into.record
        else:
            self._tally.move_to(into)

    def settle(self, *, at_least: int = ENOUGH) -> None:
        """Count what was gathered, if that is so much."""
        if self._tally is not None:
            self._tally.settle(at_least=at_least)

    def record_many(self, durations_s: Iterable[float]) -> None:
        """Count response times in the current interval."""
        if self._tally is not None:
            self._tally.gather(durations_s)
        else:
            for duration_s in durations_s:
                self.record(duration_s)

    def record_apart(self, position: int, *, response_s: float, service_s: float) -> None:
        """
        Count a success of interval *position* that was sent after it was due, among others that
        were sent when they were due, whose service time is their response time.
        """
        self._apart.at(position).record(response_s)
        self.record_service(service_s)
        self.record_lag(max(0.0, response_s - service_s))

    def fail(self, position: int, *, response_s: float, service_s: float) -> None:
        """Count a failure that was due in interval *position*."""
        self.failed.at(position).record(response_s)
        self.failed_service.record(service_s)
        self.failed_lag.record(max(0.0, response_s - service_s))

    def began(self, due: float, now: float) -> None:
        """The first byte of an answer came."""
        self._phase("first byte", due, now - due)

    def event(self, due: float, before: float | None, now: float) -> None:
        """A server-sent event came."""
        if before is None:
            self._phase("first event", due, now - due)
        else:
            self._phase("event gap", due, now - before)

    def _phase(self, name: str, due: float, duration_s: float) -> None:
        if due >= self._begins:
            self._phases.setdefault(name, Histogram()).record(duration_s)

    def progress(
        self, *, first: int, settled_to: int, recent_s: float, whole_s: float
    ) -> StepProgress:
        """
        What was measured so far.

        Args:
            first: the first interval that is recent.
            settled_to: nothing under way was due before this interval, so what lies before it is
                merged once and for all.
            recent_s: how long the recent intervals lasted so far.
            whole_s: how long all lasted so far.
        """
        self.settle(at_least=1)
        for one in self.successes(self._settled_to, settled_to):
            self._settled.merge(one)
        for one in self.failed.read(self._settled_to, settled_to):
            self._settled_failed.merge(one)
        self._settled_to = max(self._settled_to, settled_to)
        failed = self.failed.read(self._settled_to)
        first = max(first, self._settled_to)
        recent = Histogram.merged(self.successes(first))
        return StepProgress(
            recent=Series(
                kind=Kind.STEP,
                name=self.name,
                window_s=recent_s,
                succeeded=recent,
                failed=Histogram.merged(self.failed.read(first)),
            ),
            whole=Series(
                kind=Kind.STEP,
                name=self.name,
                window_s=whole_s,
                succeeded=Histogram.merged(
                    (self._settled, *self.successes(self._settled_to, first), recent)
                ),
                failed=Histogram.merged((self._settled_failed, *failed)),
            ),
        )

    def successes(self, first: int = 0, end: int | None = None) -> Iterator[Histogram]:
        """The response times of the successes from interval *first* on, before *end*."""
        self.settle(at_least=1)
        yield from self._timeline.read(first, end)
        yield from self._apart.read(first, end)

    def result(self, *, duration_s: float, intervals: int, is_service_apart: bool) -> StepResult:
        """What was measured, over *duration_s*."""
        ends = (self._timeline.end, self._apart.end, self.failed.end)
        every = range(max(intervals, *ends))
        response = Histogram.merged(self.successes())
        at_once = () if is_service_apart else self._timeline.read()

        def series(succeeded: Histogram, failures: Histogram) -> Series:
            return Series(
                kind=Kind.STEP,
                name=self.name,
                window_s=duration_s,
                succeeded=succeeded,
                failed=failures,
            )

        return StepResult(
            name=self.name,
            response=series(response, Histogram.merged(self.failed.read())),
            service=series(Histogram.merged((self.service, *at_once)), self.failed_service),
            lag=series(self.lag, self.failed_lag),
            timeline=tuple(Histogram.merged(self.successes(at, at + 1)) for at in every),
            failures=tuple(sum(one.count for one in self.failed.read(at, at + 1)) for at in every),
            phases=dict(self._phases),
            received_bytes=self.received_bytes,
            redirects=self.redirects,
        )


@dataclass(slots=True)
class _Group:
    count: int
    first_s: float
    last_s: float
    example: str


class ErrorLog:
    """Failures by class, step and detail, at most so many groups; the rest is one a class."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._groups: dict[tuple[Failure, str, str], _Group] = {}

    def add(
        self, failure: Failure, request: Request, *, step: str, detail: str, at_s: float
    ) -> None:
        """Count one failure, seen *at_s* after the start of measuring."""
        group = self._group(failure, step, detail, at_s)
        if not group.count:
            group.example = curl(request, self._base_url)
        group.count += 1

    def note(self, failure: Failure, step: str, detail: str, *, example: str, at_s: float) -> None:
        """Count something that failed and was no request."""
        group = self._group(failure, step, detail, at_s)
        group.example = group.example or example
        group.count += 1

    def _group(self, failure: Failure, step: str, detail: str, at_s: float) -> _Group:
        key = (failure, step, detail)
        if key not in self._groups and len(self._groups) >= _MOST_GROUPS:
            key = (failure, OTHER, OTHER)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(0, at_s, at_s, "")
        group.last_s = at_s
        return group

    def groups(self) -> tuple[ErrorGroup, ...]:
        """All groups, the most frequent first."""
        found = sorted(self._groups.items(), key=lambda item: (-item[1].count, item[0]))
        return tuple(
            ErrorGroup(
                failure=failure,
                step=step,
                detail=detail,
                count=group.count,
                first_s=group.first_s,
                last_s=group.last_s,
                example=group.example,
            )
            for (failure, step, detail), group in found
        )
