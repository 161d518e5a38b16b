"""
Engine: carries out a plan and measures it.

Open load: a request is due when the plan says, whatever the service does. If a connection is free
it is sent at once; else it waits, and its wait is latency; over `max_in_flight` it is dropped,
counted, and the run is invalid. Closed load: a user is due again when its answer was there and was
thought about. Nothing is sent that was not due, and nothing that was due is left out.

Everything happens in callbacks of the event loop that runs: there is no task for a request, and
when `run` ends, however it ends, no task and no socket is left.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from math import inf

from keiko_perf.errors import MissingExtra
from keiko_perf.loadtest.alarm import Alarm, FileAlarm, LoopAlarm, Repeating, precise_alarm
from keiko_perf.loadtest.books import Books
from keiko_perf.loadtest.environment import environment
from keiko_perf.loadtest.pacer import Users, arrivals
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.progress import OnTick, Progress
from keiko_perf.loadtest.request import Request, in_turn
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.transport import Channel, Failure, Transport

__all__ = ["OnTick", "Progress", "run"]

_AT_ONCE = 64  # requests that are sent before the loop may look at answers again
_PAUSE_S = 0.1  # of a user who got no connection, so that a dead service is not hammered
_STOPPING_S = 5.0  # how long a stopped run waits for what is under way


async def run(
    plan: Plan,
    on_tick: OnTick | None = None,
    *,
    transport: Transport | None = None,
    stop: asyncio.Event | None = None,
    clock: Callable[[], float] | None = None,
) -> Result:
    """
    Carry out *plan* in the event loop that runs.

    Args:
        plan: what to do.
        on_tick: called each second. What it raises ends the run.
        transport: how requests get there; HTTP/1.1 over sockets if None.
        stop: once set, no more requests are sent, those under way are waited for up to 5 s, and
            the result says that it was interrupted. To cancel the task ends the run at once,
            without a result.
        clock: monotonic seconds. With one that is given, such as a virtual loop's, the event
            loop's own timers do the pacing.

    Raises:
        UsageError: the target may not be put under load.
        ServiceUnavailable: the target's name leads nowhere.
        MissingExtra: httptools is not installed.
    """
    transport = transport or _http(plan)
    try:
        await transport.open()
        engine = _kind(plan)(plan, transport, on_tick, clock=clock)
        return await engine.run(stop)
    finally:
        await transport.close()


def _http(plan: Plan) -> Transport:
    try:
        from keiko_perf.loadtest.http1 import HttpTransport
    except ImportError as error:
        raise MissingExtra("httptools", extra="load", purpose="the load engine") from error
    return HttpTransport(plan)


def _kind(plan: Plan) -> type[Engine]:
    if not plan.scenarios:
        return Engine
    from keiko_perf.loadtest.crew import Crew  # is an engine itself

    return Crew


class Engine:
    """One run. It is the owner of its channels."""

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        on_tick: OnTick | None,
        *,
        clock: Callable[[], float] | None,
    ) -> None:
        self._plan = plan
        self._transport = transport
        self._on_tick = on_tick
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._clock = clock or time.perf_counter
        self._alarm = self._new_alarm(self._ring, is_virtual=clock is not None)
        # A timer that rings together with the arrivals would always see one under way.
        self._look_alarm = self._new_alarm(self._look, is_virtual=clock is not None)
        self._looks_exactly = clock is not None or isinstance(self._look_alarm, FileAlarm)
        # Where the service runs in this thread too, or time is virtual, CPU time says nothing.
        self._owns_cpu = clock is None and not transport.is_in_process
        self._requests = in_turn(plan)
        self._load = plan.load
        self._is_closed = isinstance(plan.load, Users)
        self._think_s = plan.load.think_s if isinstance(plan.load, Users) else 0.0
        self._most_channels = plan.load.count if isinstance(plan.load, Users) else plan.connections
        # Users who don't think are due the instant they are sent.
        is_apart = not (self._is_closed and not self._think_s)
        self._books = Books(plan, is_service_apart=is_apart)
        self._timers: list[asyncio.Handle] = []
        self._repeating: tuple[Repeating, ...] = ()

        self._channels: set[Channel] = set()
        self._idle: list[Channel] = []  # the last one used is the next one used
        self._waiting: deque[tuple[float, float, Request]] = deque()  # due, looked at, what
        self._users: list[float] = []  # when each user is due who thinks, a heap
        self._in_flight = 0
        self._has_arrivals = True
        self._is_interrupted = False
        self._peak = self._opened = 0
        self._ticked_at, self._ticked = 0.0, 0
        self._ticked_offered, self._ticked_cpu_s = 0, 0.0

    async def run(self, stop: asyncio.Event | None) -> Result:
        stopping = None if stop is None else self._loop.create_task(stop.wait())
        try:
            await self._prepare()
            self._start()
            if stopping is not None:
                await asyncio.wait((self._over, stopping), return_when=asyncio.FIRST_COMPLETED)
                if not self._over.done():
                    self._interrupt()
            await self._over
            return self._result()
        finally:
            self._alarm.close()
            self._look_alarm.close()
            for repeating in self._repeating:
                repeating.cancel()
            for timer in self._timers:
                timer.cancel()
            for channel in tuple(self._channels):
                channel.close()
            if stopping is not None:
                stopping.cancel()
                await asyncio.gather(stopping, return_exceptions=True)
            await self._clean_up()

    async def _prepare(self) -> None:
        """What is to be done before the load."""

    async def _clean_up(self) -> None:
        """What is to be done after it, however it ended; the channels are closed already."""

    def _new_alarm(self, ring: Callable[[], None], *, is_virtual: bool) -> Alarm:
        return LoopAlarm(self._loop, ring) if is_virtual else precise_alarm(self._loop, ring)

    # Arrivals

    def _start(self) -> None:
        self._cpu_s = time.thread_time()
        self._begun = self._clock()
        self._begun_at = datetime.now(UTC)
        self._books.begin(self._begun + self._plan.warmup_s)
        self._until = self._begun + self._plan.total_s
        if isinstance(self._load, Users):
            self._users = [self._begun + start_s for start_s in self._load.starts()]
            heapify(self._users)
        else:
            plan = self._plan
            self._schedule = arrivals(
                self._load, duration_s=plan.duration_s, warmup_s=plan.warmup_s
            )
            self._next = self._begun + next(self._schedule, inf)
        self._repeating = (
            Repeating(self._loop, min(0.1, self._plan.timeout_s / 10), self._sweep),
            Repeating(self._loop, 1.0, self._tick),
        )
        if self._looks_exactly:
            self._look_alarm.set(0.0)
        self._alarm.set(0.0)

    def _ring(self) -> None:
        """Send what is due, and set the alarm for what is due next."""
        if not self._has_arrivals:
            return
        if self._is_closed:
            self._ring_for_users()
        else:
            self._ring_for_schedule()

    def _ring_for_schedule(self) -> None:
        due, clock, schedule = self._next, self._clock, self._schedule
        now = clock()
        left = _AT_ONCE
        while due <= now and left:
            self._arrive(due, now)
            due = self._begun + next(schedule, inf)
            now = clock()
            left -= 1
        self._next = due
        if due == inf:
            # The load lasts until its end, though nothing more is due in it.
            left_s = max(0.0, self._until - now)
            self._timers.append(self._loop.call_later(left_s, self._end_arrivals))
        else:
            self._alarm.set(due - now)

    def _ring_for_users(self) -> None:
        now = self._clock()
        users = self._users
        left = _AT_ONCE
        while users and users[0] <= now < self._until and left:
            self._arrive(heappop(users), now)
            now = self._clock()
            left -= 1
        if now >= self._until:
            self._end_arrivals()
        else:
            self._alarm.set(min(users[0] if users else inf, self._until) - now)

    def _arrive(self, due: float, now: float) -> None:
        """A request is due, and *now* is when that was noticed."""
        request = next(self._requests)
        books = self._books
        is_measured = due >= books.begins
        books.offered += is_measured
        if self._in_flight >= self._plan.max_in_flight:
            books.dropped += is_measured
            return
        self._in_flight += 1
        if self._in_flight > self._peak:
            self._peak = self._in_flight
        books.looks.count += is_measured
        if self._idle:
            channel = self._idle.pop()
        elif len(self._channels) < self._most_channels:
            channel = self._new_channel()
        else:
            self._waiting.append((due, now, request))
            books.waited += is_measured
            return
        books.sent(due, now)
        channel.due = due
        channel.sent = now
        channel.send(request)

    def _new_channel(self) -> Channel:
        channel = self._transport.channel(self)
        self._channels.add(channel)
        self._opened += 1
        return channel

    def _end_arrivals(self, drain_s: float | None = None) -> None:
        if not self._has_arrivals:
            return
        self._has_arrivals = False
        if not self._in_flight:
            self._end()
        else:
            drain_s = self._plan.timeout_s * 1.2 if drain_s is None else drain_s
            self._timers.append(self._loop.call_later(drain_s, self._end))

    def _interrupt(self) -> None:
        drain_s = min(_STOPPING_S, self._plan.timeout_s)
        if self._has_arrivals:
            self._is_interrupted = True
            self._end_arrivals(drain_s)
        else:
            self._timers.append(self._loop.call_later(drain_s, self._end))

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # What channels tell

    def answered(self, channel: Channel, status: int) -> None:
        now = self._clock()
        self._books.answered(channel, status, now)
        self._in_flight -= 1
        if channel.is_open:
            self._go_on(channel, now)
        else:
            self._channels.discard(channel)
            self._go_on(None, now)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        now = self._clock()
        self._books.failed(channel, failure, detail, now=now)
        self._in_flight -= 1
        self._channels.discard(channel)
        self._go_on(None, now, pause_s=_PAUSE_S)

    def lost(self, channel: Channel) -> None:
        self._channels.discard(channel)
        if channel in self._idle:
            self._idle.remove(channel)

    def _go_on(self, channel: Channel | None, now: float, pause_s: float = 0.0) -> None:
        """Use a channel that got free, or the room that one left, for what is due next."""
        if self._is_closed and self._has_arrivals:
            due = now + (self._think_s or pause_s)
            if channel is not None and due == now:
                self._send_on(channel, now)
                return
            heappush(self._users, due)
            if channel is not None:
                channel.request = None
                self._idle.append(channel)
            self._alarm.set(min(self._users[0], self._until) - now)
        elif self._waiting:
            due, noticed, request = self._waiting.popleft()
            self._books.sent_late(due, noticed, now)
            channel = channel or self._new_channel()
            channel.due = due
            channel.sent = now
            channel.send(request)
        elif channel is not None:
            channel.request = None
            self._idle.append(channel)
        if not self._in_flight and not self._has_arrivals:
            self._end()

    def _send_on(self, channel: Channel, now: float) -> None:
        """The next request of a user who does not think."""
        if now >= self._until:
            channel.request = None
            self._idle.append(channel)
            self._end_arrivals()
            return
        self._in_flight += 1
        books = self._books
        if now >= books.begins:
            books.offered += 1
            books.looks.count += 1
        channel.due = channel.sent = now
        channel.send(next(self._requests))

    # What happens beside

    def _sweep(self) -> None:
        """Give up what took too long: one look at all is cheaper than a timer for each."""
        limit = self._clock() - self._plan.timeout_s
        late = [one for one in self._channels if one.request is not None and one.sent <= limit]
        for channel in late:
            channel.expire()

    def _look(self) -> None:
        self._look_alarm.set(self._books.looks.look(self._clock()))

    def _tick(self) -> None:
        if self._on_tick is None:
            return
        now = self._clock()
        try:
            self._on_tick(self._progress(now))
        except Exception as error:  # the caller's code: what it raises ends the run
            if not self._over.done():
                self._over.set_exception(error)

    def _progress(self, now: float) -> Progress:
        books = self._books
        since_s = now - (self._ticked_at or self._begun)
        rate_per_s = (books.finished - self._ticked) / since_s if since_s > 0 else 0.0
        offered_per_s = (books.offered - self._ticked_offered) / since_s if since_s > 0 else 0.0
        cpu_s = time.thread_time()
        cpu_ratio = (cpu_s - (self._ticked_cpu_s or self._cpu_s)) / since_s if since_s > 0 else 0.0
        self._ticked_at, self._ticked = now, books.finished
        self._ticked_offered, self._ticked_cpu_s = books.offered, cpu_s
        return Progress(
            elapsed_s=min(now - self._begun, self._plan.total_s),
            total_s=self._plan.total_s,
            is_warming_up=now < books.begins,
            offered=books.offered,
            succeeded=books.finished - books.failures,
            failed=books.failures,
            dropped=books.dropped,
            in_flight=self._in_flight,
            rate_per_s=rate_per_s,
            recent=books.recent(now),
            offered_per_s=offered_per_s,
            steps=books.progress(now, min(self._pending(), default=now)),
            connections=len(self._channels),
            late=books.late,
            cpu_ratio=cpu_ratio if self._owns_cpu else None,
        )

    def _pending(self) -> list[float]:
        """When each request was due that is under way or waits."""
        pending = [channel.due for channel in self._channels if channel.request is not None]
        return pending + [due for due, _, _ in self._waiting]

    def _result(self) -> Result:
        now, books, plan = self._clock(), self._books, self._plan
        is_whole = not self._is_interrupted
        duration_s = max(0.0, max(now, self._until if is_whole else now) - books.begins)
        pending = [due for due in self._pending() if due >= books.begins]
        cpu_s, elapsed_s = time.thread_time() - self._cpu_s, now - self._begun
        return Result(
            target=plan.target.url,
            load=plan.load,
            started_at=self._begun_at + timedelta(seconds=plan.warmup_s),
            planned_s=plan.duration_s,
            duration_s=duration_s,
            interval_s=books.interval_s,
            steps=books.steps(duration_s, is_whole=is_whole),
            errors=books.errors,
            offered=books.offered,
            dropped=books.dropped,
            unfinished=len(pending),
            unfinished_s=now - min(pending) if pending else 0.0,
            waited=books.waited,
            connections=self._most_channels,
            opened=self._opened,
            lag=books.lag,
            late=books.late,
            cpu_ratio=cpu_s / elapsed_s if self._owns_cpu and elapsed_s > 0 else None,
            in_flight=books.looks.result(self._peak),
            interrupted=self._is_interrupted,
            environment=environment(self._loop),
        )
