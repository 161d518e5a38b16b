"""
Books: what the engine writes down while it runs, and the result that this becomes.

Requests that were due in the warm-up are sent and not written down.
"""

from __future__ import annotations

from math import ceil

from keiko_perf.loadtest.engine.looks import Looks
from keiko_perf.loadtest.engine.meter import ErrorLog, StepMeter, interval_s
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import MOST_STEPS, Plan
from keiko_perf.loadtest.progress import StepProgress
from keiko_perf.loadtest.result import ErrorGroup, StepResult
from keiko_perf.loadtest.transport import Asked, Channel, Failure
from keiko_perf.loadtest.users.reply import USUAL, Reply
from keiko_perf.model import OTHER, Histogram, Kind, Series

_RECENT = 10  # intervals


class Books:
    """
    Args:
        plan: what is carried out.
        is_service_apart: whether requests can be due before they are sent.

    Attributes:
        folded: how many names of requests came after the most that are kept apart.
        begins: the instant from which on requests are measured, on the engine's clock.
        offered: how many requests were due.
        finished: how many of them ended, well or not.
        failures: how many of those not well.
        dropped: how many were not sent.
        waited: how many waited for a connection.
        again: how many ended well and had the next one due at once, since `settle`; they count
            as offered and as finished.
        looks: how many are in flight, seen now and then.
    """

    __slots__ = (
        "_errors",
        "_gathers",
        "_intervals",
        "_is_service_apart",
        "_meters",
        "_numbers",
        "_per_interval",
        "_prompt",
        "_queued",
        "_queued_late",
        "again",
        "begins",
        "dropped",
        "failures",
        "finished",
        "folded",
        "looks",
        "offered",
        "waited",
    )

    def __init__(self, plan: Plan, *, is_service_apart: bool) -> None:
        self._gathers = isinstance(plan.load, Users) and not plan.load.think_s
        self._meters = [StepMeter(step.name, gathers=self._gathers) for step in plan.steps]
        self._numbers: dict[str, int] = {}
        self.folded = 0
        self._errors = ErrorLog(plan.target.origin)
        self._is_service_apart = is_service_apart
        self._per_interval = 1.0 / interval_s(plan)
        self._intervals = max(1, ceil(plan.duration_s * self._per_interval - 1e-9))
        self._prompt = Histogram()  # lag of requests that found a connection
        self._queued = Histogram()  # lag of those that waited for one
        self._queued_late = Histogram()  # the generator's own part of that
        self.begins = 0.0
        self.offered = self.finished = self.failures = self.dropped = self.waited = self.again = 0
        self.looks = Looks()

    def begin(self, at: float) -> None:
        """Measure what is due from *at* on."""
        self.begins = at
        for meter in self._meters:
            meter.begin(at)
        self.looks.start(at, interval_s=self.interval_s, intervals=self._intervals)

    # While it runs

    def number(self, name: str) -> int:
        """The step that requests of *name* are counted for, a new one if need be."""
        number = self._numbers.get(name)
        if number is None:
            if len(self._numbers) >= MOST_STEPS and name != OTHER:
                self.folded += 1
                return self.number(OTHER)
            meter = StepMeter(name, gathers=self._gathers)
            meter.begin(self.begins)
            self._meters.append(meter)
            number = self._numbers[name] = len(self._meters) - 1
        return number

    def sent(self, due: float, now: float) -> None:
        """A request found a connection the moment it was noticed."""
        if due >= self.begins:
            self._prompt.record(now - due)

    def sent_late(self, due: float, noticed: float, now: float) -> None:
        """A request waited for a connection, from *noticed* to *now*."""
        if due >= self.begins:
            self._queued.record(now - due)
            self._queued_late.record(noticed - due)

    @property
    def meters(self) -> list[StepMeter]:
        """One for each step, and for each name that was met; they observe answers, too."""
        return self._meters

    def answered(self, channel: Asked, status: int, now: float) -> None:
        """One count for each histogram, and no object."""
        due = channel.due
        if due < self.begins:
            return
        meter = self._meters[channel.request.step]  # type: ignore[union-attr]  # just answered
        meter.received_bytes += channel.received_bytes
        if status >= 400:
            failure = Failure.HTTP_4XX if status < 500 else Failure.HTTP_5XX
            self.failed(channel, failure, f"HTTP {status}", now=now)
            return
        if not meter.since <= due < meter.until:
            meter.move_to(self._position(due), self.interval_s)
        meter.record(now - due)
        if self._is_service_apart:
            sent = channel.sent
            meter.record_service(now - sent)
            meter.record_lag(sent - due)
        self.finished += 1
        self.looks.count -= 1

    def settled(self, reply: Reply) -> bool:
        """A user had time to check an answer; whether it is a success."""
        due, meter = reply.due, self._meters[reply.request.step]
        if reply.judgement is USUAL and meter.since <= due < meter.until:
            record = meter.record
            record(reply.done - due)
            meter.received_bytes += reply.received_bytes
            self.again += 1
            return True
        self.offered += due >= self.begins
        status = 200 if reply.is_expected else reply.status
        if reply.failure is not None:
            if due >= self.begins:
                meter.received_bytes += reply.received_bytes
            self.failed(reply, reply.failure, reply.detail, now=reply.done)
        elif status < 400 and reply.sent != due:
            self._answered_apart(reply)
        else:
            self.answered(reply, status, reply.done)
        return reply.failure is None and status < 400

    def _answered_apart(self, reply: Reply) -> None:
        """A success of a request that was sent after it was due, where most are sent at once."""
        if reply.due < self.begins:
            return
        meter = self._meters[reply.request.step]
        meter.received_bytes += reply.received_bytes
        service_s = reply.done - reply.sent
        meter.record_apart(
            self._position(reply.due), response_s=reply.response_s, service_s=service_s
        )
        self.finished += 1
        self.looks.count -= 1

    def redirected(self, channel: Channel) -> None:
        """An answer was found by way of others."""
        if channel.due >= self.begins:
            meter = self._meters[channel.request.step]  # type: ignore[union-attr]  # just answered
            meter.redirects += channel.redirects

    def failed(self, channel: Asked, failure: Failure, detail: str, *, now: float) -> None:
        """A request had no good answer."""
        request = channel.request
        if channel.due < self.begins or request is None:
            return
        meter = self._meters[request.step]
        meter.fail(
            self._position(channel.due),
            response_s=now - channel.due,
            service_s=now - channel.sent,
        )
        at_s = now - self.begins
        self._errors.add(failure, request, step=meter.name, detail=detail, at_s=at_s)
        self.failures += 1
        self.finished += 1
        self.looks.count -= 1

    def settle(self) -> None:
        """Bring `offered` and `finished` up to date."""
        self.offered += self.again
        self.finished += self.again
        self.again = 0

    def count_up(self) -> None:
        """Count the durations that were gathered, where that are many; to be called often."""
        for meter in self._meters:
            meter.settle()

    def _position(self, due: float) -> int:
        return int((due - self.begins) * self._per_interval)

    def broke(self, failure: Failure, where: str, detail: str, *, example: str, due: float) -> None:
        """Something that was due at *due* failed, and was no request."""
        if due >= self.begins:
            at_s = due - self.begins
            self._errors.note(failure, where, detail, example=example, at_s=at_s)

    def recent(self, steps: tuple[StepProgress, ...]) -> Series:
        """The response times of the successes that were due in the last intervals, of all steps."""
        return Series(
            kind=Kind.STEP,
            name="",
            window_s=_RECENT / self._per_interval,
            succeeded=Histogram.merged(one.recent.succeeded for one in steps),
        )

    def progress(self, now: float, oldest_due: float) -> tuple[StepProgress, ...]:
        """How each step is going; nothing that is under way was due before *oldest_due*."""
        begun_s = max(0.0, now - self.begins)
        first = max(0, int(begun_s * self._per_interval) - _RECENT + 1)
        settled_to = max(0, int((oldest_due - self.begins) * self._per_interval))
        return tuple(
            meter.progress(
                first=first,
                settled_to=min(settled_to, first),
                recent_s=begun_s - first * self.interval_s,
                whole_s=begun_s,
            )
            for meter in self._meters
        )

    # Afterwards

    @property
    def interval_s(self) -> float:
        return 1.0 / self._per_interval

    def steps(self, duration_s: float, *, is_whole: bool) -> tuple[StepResult, ...]:
        """What was measured over *duration_s*, which is shorter than planned unless whole."""
        intervals = self._intervals
        if not is_whole:
            intervals = min(intervals, int(duration_s * self._per_interval) + 1)
        return tuple(
            meter.result(
                duration_s=duration_s,
                intervals=intervals,
                is_service_apart=self._is_service_apart,
            )
            for meter in self._meters
        )

    @property
    def errors(self) -> tuple[ErrorGroup, ...]:
        return self._errors.groups()

    @property
    def lag(self) -> Histogram:
        """From due to sent."""
        return Histogram.merged((self._prompt, self._queued))

    @property
    def late(self) -> Histogram:
        """The generator's own part of the lag."""
        return Histogram.merged((self._prompt, self._queued_late))
