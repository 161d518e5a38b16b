"""
Desk: traffic that users ask for, each at any time.

Requests go through the channels, the waiting line and the books of the engine; whoever asks waits
for the answer in one future. An answer is counted when its user had time to check it: with the
user's next request, or at the end of the iteration. Its times are those at which it happened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from math import inf
from typing import Any

from keiko_perf.loadtest.books import Books
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.reply import Reply, RequestFailed
from keiko_perf.loadtest.request import Request, Wishes
from keiko_perf.loadtest.scenario import Scenario
from keiko_perf.loadtest.traffic import Traffic
from keiko_perf.loadtest.transport import Channel, Failure, Transport
from keiko_perf.loadtest.user import User

Wake = asyncio.Future[Reply]


class Desk(Traffic):
    """
    Attributes:
        target: where the requests go.
        seed: of the users' chance.
        wishes: of every request.
    """

    def __init__(self, plan: Plan, transport: Transport, *more: Any, **options: Any) -> None:
        super().__init__(plan, transport, *more, **options)
        self.target = plan.target
        self.seed = plan.seed
        self.wishes = Wishes(collects=True, takes_gzip=plan.accept_gzip)
        self._books = Books(plan, is_service_apart=False)
        self._meters = self._books.meters
        self._books.begins = inf  # what is asked for before the load is not measured
        if isinstance(plan.load, Users):
            # A user who asks for several things at once has a connection for each.
            self._most_channels = self._share.count(max(plan.load.count, plan.connections))
        self._known: dict[str, dict[tuple[str, str], Request]] = {}
        self._headers: dict[str, dict[str, str]] = {}
        for one in plan.scenarios:
            self._known[one.name] = {}
            headers = {name.lower(): text for name, text in {**plan.headers, **one.headers}.items()}
            if plan.accept_gzip:
                headers.setdefault("accept-encoding", "gzip")
            self._headers[one.name] = headers
        self._is_open = True  # whether users may ask
        # Who waits for a channel: due, noticed, what, who, and the future to tell.
        self._line: deque[tuple[float, float, Request, User, Wake]] = deque()
        self._asked: dict[Channel, tuple[User, Wake]] = {}
        self._without_cookies: object = None

    # What users call

    def ask(self, user: User, request: Request) -> asyncio.Future[Reply]:
        """Send *request* for *user*; the future gets the reply, or the failure."""
        if not self._is_open:
            raise asyncio.CancelledError
        if user.open_replies:
            self._settle(user)
        wake: asyncio.Future[Reply] = self._loop.create_future()
        now, due, books = self._clock(), user.due, self._books
        user.asked += 1
        if due:
            user.due = 0.0
        else:
            due = now
        if due >= books.begins:
            books.offered += 1
            books.looks.count += 1
        self._in_flight += 1
        if self._in_flight > self._peak:
            self._peak = self._in_flight
        if self._idle:
            channel = self._idle.pop()
        elif len(self._channels) < self._most_channels:
            channel = self._new_channel()
        else:
            self._line.append((due, now, request, user, wake))
            books.waited += due >= books.begins
            return wake
        if due != now:
            books.sent(due, now)
        channel.due = due
        channel.sent = now
        self._asked[channel] = user, wake
        channel.send(request)
        return wake

    def step(self, name: str) -> int:
        """The step that requests of *name* are counted for."""
        return self._books.number(name)

    def known_to_all(self, scenario: Scenario) -> dict[tuple[str, str], Request]:
        """Requests that any user of *scenario* sends in the same words."""
        return self._known[scenario.name]

    def headers_of(self, scenario: Scenario) -> Mapping[str, str]:
        """What each request of *scenario* carries, names in lower case."""
        return self._headers[scenario.name]

    def name_of(self, request: Request) -> str:
        """What results call *request*."""
        return self._meters[request.step].name

    # What channels tell

    def answered(self, channel: Channel, status: int) -> None:
        now = self._clock()
        user, wake = self._asked.pop(channel)
        answer = channel.answer
        reply = Reply(user, channel, now, status=status, answer=answer)
        user.open_replies.append(reply)
        self._in_flight -= 1
        if channel.due >= self._books.begins:
            self._books.looks.count -= 1
        # Connections repeat the headers that they know, so most are looked through once.
        if answer is not None and answer.headers is not self._without_cookies:
            lines = [text for name, text in answer.headers if name == b"set-cookie"]
            if lines:
                user.received(reply, lines)
            else:
                self._without_cookies = answer.headers
        if not wake.done():  # else the user gave up waiting
            wake.set_result(reply)
        if channel.is_open:
            if self._line or not self._has_arrivals:
                self._go_on(channel, now)
            else:
                channel.request = None
                self._idle.append(channel)
        else:
            self._channels.discard(channel)
            self._go_on(None, now)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        now = self._clock()
        user, wake = self._asked.pop(channel)
        user.failed += 1
        self._in_flight -= 1
        self._books.failed(channel, failure, detail, now=now)
        self._channels.discard(channel)
        if not wake.done():
            assert channel.request is not None
            wake.set_exception(RequestFailed(self.name_of(channel.request), failure, detail))
        self._go_on(None, now)

    def _go_on(self, channel: Channel | None, now: float, pause_s: float = 0.0) -> None:
        if self._line:
            due, noticed, request, user, wake = self._line.popleft()
            self._books.sent_late(due, noticed, now)
            channel = channel or self._new_channel()
            channel.due = due
            channel.sent = now
            self._asked[channel] = user, wake
            channel.send(request)
        elif channel is not None:
            channel.request = None
            self._idle.append(channel)
        if not self._in_flight and not self._has_arrivals:
            self._end()

    # Counting

    def _settle(self, user: User) -> None:
        """Count the answers that *user* had time to check."""
        for reply in user.open_replies:
            meter, due = self._meters[reply.request.step], reply.due
            reply.is_settled = True
            # The hot path: it was sent when it was due.
            if (
                reply.status < 400
                and reply.failure is None
                and reply.sent == due
                and meter.since <= due < meter.until
            ):
                meter.record(reply.done - due)
                self._books.finished += 1
            else:
                self._count(reply, user)
        user.open_replies.clear()

    def _count(self, reply: Reply, user: User) -> None:
        books = self._books
        status = 200 if reply.is_expected else reply.status
        user.failed += reply.failure is not None or status >= 400
        if reply.due >= books.begins:
            books.looks.count += 1  # the books take it off once more
        if reply.failure is not None:
            books.failed(reply, reply.failure, reply.detail, now=reply.done)
        elif status < 400 and reply.sent != reply.due:
            books.answered_apart(reply, reply.done)
        else:
            books.answered(reply, status, reply.done)

    def _pending(self) -> list[float]:
        return super()._pending() + [one[0] for one in self._line]
