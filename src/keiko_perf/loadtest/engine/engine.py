"""
Engine: carries out a plan and measures it.

Open load: a request is due when the plan says, whatever the service does. If a connection is free
it is sent at once; else it waits, and its wait is latency; over `max_in_flight` it is dropped,
counted, and the run is invalid. Closed load: a user is due again when its answer was there and was
thought about. Nothing is sent that was not due, and nothing that was due is left out.

Everything happens in callbacks of the event loop that runs: there is no task for a request, and
when a run ends, however it ends, no task and no socket is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop
from math import inf

from keiko_perf.loadtest.engine.alarm import (
    Alarm,
    FileAlarm,
    Lead,
    LoopAlarm,
    Repeating,
    precise_alarm,
)
from keiko_perf.loadtest.engine.environment import environment, is_same_host
from keiko_perf.loadtest.engine.instants import together
from keiko_perf.loadtest.engine.traffic import Traffic
from keiko_perf.loadtest.engine.watch import Watch
from keiko_perf.loadtest.pacer import Users, arrivals
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.progress import OnTick, Progress
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.transport import Transport

Gate = Callable[[], Awaitable[float]]

AT_ONCE = 64
"""Requests that are sent before the loop may look at answers again."""

_COUNT_UP_S = 0.025
_EARLY_S = 2e-6  # what it takes from the alarm to the request
# Where connections know when they send, a request is prepared before it is due. How long that takes
# is learnt: code that is asked for only now and then has left the caches.
_PREPARED_IN_TIME = 0.99
_PUNCTUAL_S = 1e-6
_LONGEST_PREPARING_S = 100e-6
_PREPARING_SHARE = 0.07  # of the time between two requests, at most
_STOPPING_S = 5.0  # how long a stopped run waits for what is under way


class Engine(Traffic):
    """One run."""

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        on_tick: OnTick | None,
        *,
        clock: Callable[[], float] | None,
        share: Share | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(plan, transport, clock=clock, share=share or Share())
        self._on_tick = on_tick
        self._gate = gate
        self._begins_at: float | None = None
        # A timer that rings together with the arrivals would always see one under way.
        new_alarm = LoopAlarm if self._is_virtual else precise_alarm
        self._look_alarm: Alarm = new_alarm(self._loop, self._look)
        self._prepares = self._instants is not None and not plan.scenarios
        self._looks_at = inf
        self._looks_exactly = self._is_virtual or isinstance(self._look_alarm, FileAlarm)
        self._early_s = 0.0 if self._is_virtual else _EARLY_S
        self._preparing = Lead(in_time=_PREPARED_IN_TIME, longest_s=_LONGEST_PREPARING_S)
        # Where the service runs in this thread too, or time is virtual, CPU time says nothing.
        self._owns_cpu = not self._is_virtual and not transport.is_in_process
        self._watch = Watch()
        self._repeating: tuple[Repeating, ...] = ()
        self._is_interrupted = False
        self._ticked_at, self._ticked = 0.0, 0
        self._ticked_offered, self._ticked_cpu_s = 0, 0.0

    async def run(self, stop: asyncio.Event | None) -> Result:
        stopping = None if stop is None else self._loop.create_task(stop.wait())
        try:
            await self._prepare()
            self._same_host = self._owns_cpu and await is_same_host(self._plan.target)
            if self._gate is not None:
                self._begins_at = await self._gate()
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
            self._watch.stop()
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

    # Arrivals

    def _start(self) -> None:
        """Begin, at an instant that several processes share or else now."""
        now = self._clock()
        self._begun = now if self._begins_at is None else self._begins_at
        at, calendar_ns = together(self._clock)
        self._begun_at = datetime.fromtimestamp(calendar_ns / 1e9 + (self._begun - at), UTC)
        if self._owns_cpu:
            self._watch.start()
        self._books.begin(self._begun + self._plan.warmup_s)
        self._until = self._begun + self._plan.total_s
        if self.prompt is not None:
            self.prompt.begin(self._until)
        if isinstance(self._load, Users):
            self._users = [
                self._begun + start_s for start_s in self._share.sequence(self._load.starts())
            ]
            heapify(self._users)
        else:
            plan = self._plan
            self._schedule = self._share.sequence(
                arrivals(self._load, duration_s=plan.duration_s, warmup_s=plan.warmup_s)
            )
            self._next = self._begun + next(self._schedule, inf)
        self._repeating = (
            Repeating(self._loop, min(0.1, self._plan.timeout_s / 10), self._sweep),
            Repeating(self._loop, 1.0, self._tick),
        )
        if self._looks_exactly:
            self._look_alarm.set(0.0)
        else:
            self._repeating += (Repeating(self._loop, _COUNT_UP_S, self._count_up),)
        self._alarm.set(self._begun - now)

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
        left = AT_ONCE
        while due - now <= self._early_s and left:
            if self._prepares and self._idle:  # the connection waits for what is left
                self._prepare_for(due, now)
            else:
                while now < due:
                    now = clock()
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
            self._alarm.set(due - now - self._lead_for(due - now))

    def _prepare_for(self, due: float, now: float) -> None:
        """Do what is to be done for a request before it is due, and have it sent when it is."""
        if self._looks_at < due:
            self._look()  # else it would come right after the request, and see it each time
        self._arrive(due, now)
        assert self._instants is not None
        self._preparing.learn(was_late=self._instants.sent - due > _PUNCTUAL_S)

    def _lead_for(self, after_s: float) -> float:
        """How long before the next request, which is due in *after_s*, to turn to it."""
        if self._prepares:
            self._early_s = _EARLY_S + min(self._preparing.seconds, _PREPARING_SHARE * after_s)
        return self._early_s

    def _ring_for_users(self) -> None:
        now = self._clock()
        users = self._users
        left = AT_ONCE
        while users and users[0] <= now < self._until and left:
            self._arrive(heappop(users), now)
            now = self._clock()
            left -= 1
        if now >= self._until:
            self._end_arrivals()
        else:
            self._alarm.set(min(users[0] if users else inf, self._until) - now)

    def _interrupt(self) -> None:
        drain_s = min(_STOPPING_S, self._plan.timeout_s)
        if self._has_arrivals:
            self._is_interrupted = True
            self._end_arrivals(drain_s)
        else:
            self._timers.append(self._loop.call_later(drain_s, self._end))

    # What happens beside

    def _look(self) -> None:
        self._count_up()
        now = self._clock()
        after_s = self._books.looks.look(now)
        self._looks_at = now + after_s
        self._look_alarm.set(after_s)

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
        books = self._settle_books()
        since_s = now - (self._ticked_at or self._begun)
        rate_per_s = (books.finished - self._ticked) / since_s if since_s > 0 else 0.0
        offered_per_s = (books.offered - self._ticked_offered) / since_s if since_s > 0 else 0.0
        cpu_s = self._watch.cpu_s
        cpu_ratio = (cpu_s - self._ticked_cpu_s) / since_s if since_s > 0 else 0.0
        self._ticked_at, self._ticked = now, books.finished
        self._ticked_offered, self._ticked_cpu_s = books.offered, cpu_s
        steps = books.progress(now, min(self._pending(), default=now))
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
            recent=books.recent(steps),
            offered_per_s=offered_per_s,
            steps=steps,
            connections=len(self._channels),
            late=books.late,
            cpu_ratio=cpu_ratio if self._owns_cpu else None,
            errors=books.errors,
            is_draining=not self._has_arrivals,
        )

    def _result(self) -> Result:
        now, books, plan = self._clock(), self._settle_books(), self._plan
        is_whole = not self._is_interrupted
        duration_s = max(0.0, max(now, self._until if is_whole else now) - books.begins)
        pending = [due for due in self._pending() if due >= books.begins]
        elapsed_s, late = now - self._begun, books.late
        cpu_ratio = self._watch.cpu_s / elapsed_s if self._owns_cpu and elapsed_s > 0 else None
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
            late=late,
            cpu_ratio=cpu_ratio,
            in_flight=books.looks.result(self._peak),
            interrupted=self._is_interrupted,
            environment=environment(self._loop),
            generators=(self._watch.seen(cpu_ratio=cpu_ratio, late=late, opened=self._opened),),
            same_host=self._same_host,
        )
