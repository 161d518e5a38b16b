"""
Traffic: the requests that are under way and those that wait, and the channels that carry them.

It is the owner of its channels, and has one way of going on for open load and one for users. There
is no task and no timer for a request.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappush

from keiko_perf.loadtest.engine.alarm import Alarm, LoopAlarm, punctual_alarm
from keiko_perf.loadtest.engine.books import Books
from keiko_perf.loadtest.engine.instants import Instants
from keiko_perf.loadtest.engine.prepared import in_turn, prepare
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Channel, Failure, Transport
from keiko_perf.loadtest.users.prompt import Prompt

PAUSE_S = 0.1
"""Of a user who got no connection, so that a dead service is not hammered."""


class Traffic:
    """What one engine has under way."""

    def __init__(
        self, plan: Plan, transport: Transport, *, clock: Callable[[], float] | None, share: Share
    ) -> None:
        self._plan = plan
        self._transport = transport
        self._share = share
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._clock = clock or time.perf_counter
        self._is_virtual = clock is not None
        self._instants = None if self._is_virtual else transport.instants
        # When the answer that is being told of had come: this very instant, unless it is known.
        self._received = self._clock if self._instants is None else self._instants.last
        new_alarm = LoopAlarm if self._is_virtual else punctual_alarm
        self._alarm: Alarm = new_alarm(self._loop, self._ring)
        self._load = plan.load
        self._is_closed = isinstance(plan.load, Users)
        self._think_s = plan.load.think_s if isinstance(plan.load, Users) else 0.0
        self._most_channels = share.count(
            plan.load.count if isinstance(plan.load, Users) else plan.connections
        )
        self._most_in_flight = share.count(plan.max_in_flight)
        # Users who don't think are due the instant they are sent.
        self._is_at_once = self._is_closed and not self._think_s
        self._books = Books(plan, is_service_apart=not self._is_at_once)
        self._meters = self._books.meters
        prepared = prepare(plan, self._meters if plan.steps else ())
        self._requests = share.sequence(in_turn(prepared, plan.order))
        self.prompt = self._prompt(prepared) if self._is_at_once else None
        self._timers: list[asyncio.Handle] = []
        self._until = 0.0

        self._channels: set[Channel] = set()
        self._idle: list[Channel] = []  # the last one used is the next one used
        self._waiting: deque[tuple[float, float, Request]] = deque()  # due, looked at, what
        self._users: list[float] = []  # when each user is due who thinks, a heap
        self._has_arrivals = True
        self._peak = self._opened = 0

    def _prompt(self, prepared: Sequence[Sequence[Request]]) -> Prompt | None:
        """For users who all ask one and the same."""
        requests = [request for row in prepared for request in row]
        if len(requests) != 1 or not requests[0].is_plain:
            return None
        return Prompt(
            wire=requests[0].wire, clock=self._clock, meter=self._meters[0], books=self._books
        )

    def _ring(self) -> None:
        """Send what is due, and set the alarm for what is due next."""
        raise NotImplementedError

    @property
    def _in_flight(self) -> int:
        """How many requests are under way or wait: counted when it is asked, not as they come."""
        return len(self._channels) - len(self._idle) + len(self._waiting)

    # What is due

    def _arrive(self, due: float, now: float) -> None:
        """A request is due, and *now* is when that was noticed."""
        request = next(self._requests)
        books = self._books
        is_measured = due >= books.begins
        books.offered += is_measured
        if self._idle:
            channel = self._idle.pop()
        elif self._in_flight >= self._most_in_flight:
            books.dropped += is_measured
            return
        elif len(self._channels) < self._most_channels:
            channel = self._new_channel()
        else:
            self._waiting.append((due, now, request))
            self._note_peak()
            books.looks.count += is_measured
            books.waited += is_measured
            return
        channel.due = due
        if self._instants is None:
            channel.sent = now
            channel.send(request)
        else:
            now = self._send_at(due, channel, request, self._instants)
        # What is written down is so afterwards: it would take a hundredth of a short answer's time.
        books.looks.count += is_measured
        books.sent(due, now)

    def _send_at(self, due: float, channel: Channel, request: Request, instants: Instants) -> float:
        """Send *request*, which may be due in some microseconds only; hand back when it left."""
        instants.not_before = due
        channel.sent = now = self._clock()
        channel.send(request)
        if instants.sent >= now:
            now = instants.sent
        # Else a connection is to be made first, or one was lost a moment ago and is about to say
        # so: neither comes before the request is due.
        while now < due:
            now = self._clock()
        channel.sent = now
        return now

    def _new_channel(self) -> Channel:
        channel = self._transport.channel(self)
        self._channels.add(channel)
        self._opened += 1
        self._note_peak()
        return channel

    def _note_peak(self) -> None:
        """Only a channel more, or one more that waits for one, can make it the most so far."""
        self._peak = max(self._peak, self._in_flight)

    def _end_arrivals(self, drain_s: float | None = None) -> None:
        if not self._has_arrivals:
            return
        self._has_arrivals = False
        self._is_at_once = False
        if self.prompt is not None:
            self.prompt.stop()
        if not self._in_flight:
            self._end()
        else:
            drain_s = self._plan.timeout_s * 1.2 if drain_s is None else drain_s
            self._timers.append(self._loop.call_later(drain_s, self._end))

    def _count_up(self) -> None:
        """Count what was gathered, where that is much; to be called often."""
        if self.prompt is not None:
            self.prompt.settle()
        self._books.count_up()

    def _settle_books(self) -> Books:
        """The books, brought up to date."""
        if self.prompt is not None:
            self.prompt.settle()
        self._books.settle()
        return self._books

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # What channels tell

    def answered(self, channel: Channel, status: int) -> None:
        clock = self._received
        now = clock()
        # The hot path: the same user asks again, within the same interval. One count, no object.
        if self._is_at_once and status < 400 and channel.is_open and now < self._until:
            meter = self._meters[channel.request.step]  # type: ignore[union-attr]  # just answered
            due = channel.due
            if meter.since <= due < meter.until:
                record = meter.record
                record(now - due)
                meter.received_bytes += channel.received_bytes
                if channel.redirects:
                    self._books.redirected(channel)
                self._books.again += 1
                channel.due = channel.sent = now
                channel.send(next(self._requests))
                return
        if channel.redirects:
            self._books.redirected(channel)
        self._books.answered(channel, status, now)
        if channel.is_open:
            self._go_on(channel, now)
        else:
            self._channels.discard(channel)
            self._go_on(None, now)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        now = self._clock()
        self._books.failed(channel, failure, detail, now=now)
        self._channels.discard(channel)
        self._go_on(None, now, pause_s=PAUSE_S)

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
            self._alarm.set(min(self._users[0], self._until) - self._clock())
        elif self._waiting:
            now = self._clock()  # the answer may have come earlier
            due, noticed, request = self._waiting.popleft()
            self._books.sent_late(due, noticed, now)
            channel = channel or self._new_channel()
            channel.due = due
            channel.sent = now
            channel.send(request)
        elif channel is not None:
            channel.request = None
            self._idle.append(channel)
        if not self._has_arrivals and not self._in_flight:
            self._end()

    def _send_on(self, channel: Channel, now: float) -> None:
        """The next request of a user who does not think."""
        if now >= self._until:
            channel.request = None
            self._idle.append(channel)
            self._end_arrivals()
            return
        books = self._books
        if now >= books.begins:
            books.offered += 1
            books.looks.count += 1
        channel.due = channel.sent = now
        channel.send(next(self._requests))

    # What is under way

    def _sweep(self) -> None:
        """Give up what took too long: one look at all is cheaper than a timer for each."""
        limit = self._clock() - self._plan.timeout_s
        late = [one for one in self._channels if one.request is not None and one.sent <= limit]
        for channel in late:
            channel.expire()

    def _pending(self) -> list[float]:
        """When each request was due that is under way or waits."""
        pending = [channel.due for channel in self._channels if channel.request is not None]
        return pending + [due for due, _, _ in self._waiting]
