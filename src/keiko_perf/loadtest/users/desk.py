"""
Desk: traffic that users ask for, each at any time.

Requests go through the channels, the waiting line and the books of the engine; whoever asks awaits
the reply. An answer is counted when its user had time to check it: with the
user's next request, or at the end of the iteration. Its times are those at which it happened.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from keiko_perf.loadtest.engine.books import Books
from keiko_perf.loadtest.engine.traffic import Traffic
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.request import Request, Wishes
from keiko_perf.loadtest.transport import Answer, Channel, Failure, Transport
from keiko_perf.loadtest.users.delivery import Delivery
from keiko_perf.loadtest.users.reply import NOBODY, UNJUDGED, USUAL, Asker, Reply, RequestFailed
from keiko_perf.loadtest.users.scenario import Scenario
from keiko_perf.loadtest.users.user import Known, User


class Desk(Traffic):
    """
    Attributes:
        target: where the requests go.
        seed: of the users' chance.
        wishes: of every request.
        delivery: the short way of what is usual.
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
        self._known: dict[str, Known] = {}
        self._headers: dict[str, dict[str, str]] = {}
        for one in plan.scenarios:
            self._known[one.name] = {}
            headers = {name.lower(): text for name, text in {**plan.headers, **one.headers}.items()}
            if plan.accept_gzip:
                headers.setdefault("accept-encoding", "gzip")
            self._headers[one.name] = headers
        self._line: deque[Reply] = deque()  # waits for a channel; sent is when that was noticed
        self._headers_without_cookies: object = None
        self.delivery = Delivery(
            self,
            self._books,
            idle=self._idle,
            line=self._line,
            clock=self._clock,
            loop=self._loop,
        )

    @property
    def _in_flight(self) -> int:
        return len(self._channels) - len(self._idle) + len(self._line)

    # What users call

    def ask(self, user: Asker, request: Request) -> Reply:
        """Send *request* for *user*: its reply, to be awaited."""
        self.check_open()
        last = user.last
        if last is not None:
            user.last = None
            user.failed += not self._books.settled(last)
            self._settle_more(user)
        clock = self._clock
        now, due = clock(), user.due
        if due:
            user.due = 0.0
        else:
            due = now
        reply = Reply()
        reply.user = user
        reply.request = request
        reply.due = due
        reply.sent = now
        reply.wake = NOBODY
        reply.error = None
        reply.judgement = USUAL if due == now else UNJUDGED
        if self._idle:
            channel = self._idle.pop()
        elif len(self._channels) < self._most_channels:
            channel = self._new_channel()
        else:
            reply.judgement = UNJUDGED
            self._line.append(reply)
            self._note_peak()
            self._books.waited += due >= self._books.begins
            return reply
        if due != now:
            self._books.sent(due, now)
        channel.asked = reply
        channel.send(request)
        return reply

    def check_open(self) -> None:
        """
        Turn users away once the load is over.

        Raises:
            CancelledError: it is, and they are about to be cancelled.
        """
        if not self.delivery.is_open:
            raise asyncio.CancelledError

    def step(self, name: str) -> int:
        """The step that requests of *name* are counted for."""
        return self._books.number(name)

    def known_to_all(self, scenario: Scenario) -> Known:
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
        clock = self._received
        reply: Reply = channel.asked
        reply.done = clock()
        reply.status = status
        reply.answer = answer = channel.answer
        reply.received_bytes = channel.received_bytes
        if status >= 400 and reply.judgement is USUAL:
            reply.judgement = UNJUDGED
        if channel.redirects:
            channel.due = reply.due
            self._books.redirected(channel)
        if answer is not None:
            self._look_for_cookies(reply, answer)
        self.told(channel)

    def told(self, channel: Channel) -> None:
        """The reply that *channel* filled in is the user's."""
        reply: Reply = channel.asked
        user = reply.user
        if user.last is not None:
            user.more.append(user.last)
        user.last = reply
        user.got_on = True
        if not channel.is_open:
            self._channels.discard(channel)
        elif self._has_arrivals and not self._line:
            # The user asks again where this wakes it, and finds the channel.
            channel.request = None
            self._idle.append(channel)
            reply.wake_up()
            return
        self._hand_on(channel if channel.is_open else None, reply)

    def _hand_on(self, channel: Channel | None, reply: Reply) -> None:
        if not self._has_arrivals:
            reply.wake_up()  # before the run may end; there is nothing more to ask for
        # Who waits for a channel may have come after the answer did, so this is another instant.
        self._go_on(channel, self._clock())
        if self._has_arrivals:
            reply.wake_up()

    def _look_for_cookies(self, reply: Reply, answer: Answer) -> None:
        # Connections repeat the headers that they know.
        headers = answer.headers
        if headers is not self._headers_without_cookies:
            lines = [text for name, text in headers if name == b"set-cookie"]
            if lines:
                reply.user.received(reply, lines)
            else:
                self._headers_without_cookies = headers

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        now = self._clock()
        reply: Reply = channel.asked
        channel.due, channel.sent = reply.due, reply.sent
        reply.user.failed += 1
        reply.user.got_on = False
        self._books.offered += reply.due >= self._books.begins
        self._books.failed(channel, failure, detail, now=now)
        self._channels.discard(channel)
        reply.error = RequestFailed(self.name_of(reply.request), failure, detail)
        self._hand_on(None, reply)

    def lost(self, channel: Channel) -> None:
        super().lost(channel)
        if channel in self.delivery.came:  # its answer is there, and the channel is not
            self.delivery.came.remove(channel)
            self.told(channel)

    def _go_on(self, channel: Channel | None, now: float, pause_s: float = 0.0) -> None:
        if self._line:
            reply = self._line.popleft()
            self._books.sent_late(reply.due, reply.sent, now)
            channel = channel or self._new_channel()
            reply.sent = now
            channel.asked = reply
            channel.send(reply.request)
        elif channel is not None:
            channel.request = None
            self._idle.append(channel)
        if not self._has_arrivals and not self._in_flight:
            self._end()

    # Counting

    def _settle(self, user: User) -> None:
        """Count the answers that *user* had time to check; they are offered from now on."""
        last = user.last
        if last is not None:
            user.last = None
            user.failed += not self._books.settled(last)
        self._settle_more(user)

    def _settle_more(self, user: Asker) -> None:
        for reply in user.more:
            user.failed += not self._books.settled(reply)
        user.more.clear()

    def _under_way(self) -> Iterator[Asker]:
        """Whose requests have no answer yet."""
        for channel in self._channels:
            if channel.request is not None:
                yield channel.asked.user
        for channel in self.delivery.came:
            yield channel.asked.user
        for reply in self._line:
            yield reply.user

    def _pending(self) -> list[float]:
        self._note_instants()
        came = [channel.asked.due for channel in self.delivery.came]
        return super()._pending() + came + [reply.due for reply in self._line]

    def _sweep(self) -> None:
        self._note_instants()
        super()._sweep()

    def _note_instants(self) -> None:
        """Replies know them; channels are told when somebody looks at all of these."""
        for channel in self._channels:
            if channel.request is not None:
                channel.due, channel.sent = channel.asked.due, channel.asked.sent
