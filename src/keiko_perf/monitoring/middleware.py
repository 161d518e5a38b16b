"""
PerfMiddleware: tells the recorder of each HTTP request and WebSocket, and stays out of its way.

It is pure ASGI: it passes every message on as it is, holds none back, changes no answer, and
raises and swallows nothing. Whatever is neither HTTP nor a WebSocket passes through untouched. The
one exception: who presents a run token (`run_token`) gets a `Server-Timing` header.

The clock starts when the request comes in and stops when the last message of the body was
handed to the server, so background tasks are not counted. A request that failed is a 5xx, an
exception, or a return before the answer was complete; one that was refused is a 4xx. A client that
left before that is counted as `disconnected`, and as none of them: how long it would have taken is
not known. Of an answer in pieces it is told as well when the first one came.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keiko_perf.monitoring.attribution import Account, current
from keiko_perf.monitoring.looks import Look
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.routes import RouteNames
from keiko_perf.monitoring.server_timing import timed
from keiko_perf.monitoring.websockets import Connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Names = Callable[[Scope, str], str]


class PerfMiddleware:
    """
    Args:
        app: the application, or the next middleware.
        recorder: what is told; its clock is used.
        attribution: whether it is told as well where the time of each request went.
        token: what run tokens are signed with; without one, or without attribution, nobody gets a
            `Server-Timing`.
    """

    def __init__(
        self,
        app: App,
        recorder: Recorder,
        *,
        attribution: bool = False,
        token: str | None = None,
    ) -> None:
        self.app = app
        self.recorder = recorder
        self.attribution = attribution
        self._token = token or ""
        self._names = RouteNames(recorder.in_threads).of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = _Request(scope, receive, send, self.recorder, self._names)
            try:
                answering = self.app(scope, request.receive, request.send)
                if self.attribution and current.get() is None:
                    recorder = self.recorder
                    request.account = account = Account(
                        answering, recorder.clock, recorder.lag, recorder
                    )
                    account.where = self._names, scope, request.root_path
                    request.token = self._token
                    current.set(account)
                    try:
                        await account
                    finally:
                        # Not by its token: a coroutine that is thrown away ends elsewhere.
                        current.set(None)
                else:
                    await answering
            except CancelledError:
                request.is_gone = True
                raise
            finally:
                if not request.is_over:
                    request.cut_short()
        elif scope["type"] == "websocket":
            with Connection(scope, receive, send, self.recorder, self._names) as connection:
                await self.app(scope, connection.receive, connection.send)
        else:
            await self.app(scope, receive, send)


class _Request:
    """
    One request on its way through: the application's `receive` and `send`.

    What most requests never change stands in the class: it need not be set for each of them.
    """

    _status = 0
    _sent_bytes = 0
    _first_s: float | None = None
    _look: Look | None = None
    account: Account | None = None
    token = ""
    is_gone = False
    is_over = False

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, recorder: Recorder, names: Names
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._recorder = recorder
        self._names = names
        # A mounted application lengthens it in place; what it began with is no part of a route.
        self.root_path = scope.get("root_path", "")
        flying = recorder.flying
        flying.add(self)
        if len(flying) > recorder.peak_flying:
            recorder.peak_flying = len(flying)
        self._started_s = recorder.clock()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_gone = True
        return message

    # No coroutine of its own, except for the last message: it is called for each piece of a stream.
    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = status = message["status"]
            looks = self._recorder.looks
            if looks is not None and status == _WHOLE:
                look = looks.look(self._scope, message, self._started_s)
                if look is not None:
                    self._look = look
            if self.token and self.account is not None:
                message = timed(message, self._scope, self.account, self.token, self._recorder.now)
        elif kind in _BODY and not self.is_over:
            body = message.get("body")
            if body:
                self._sent_bytes += len(body)
                if self._look is not None:
                    self._look.add(body)
            if not message.get("more_body"):
                return self._send_last(message)
            if self._first_s is None:
                self._first_s = self._recorder.clock()
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        # Over before it is sent: many servers report a disconnect once they have the last byte.
        self.is_over = True
        gone = self.is_gone
        try:
            await self._send(message)
        finally:
            self._finish(None if gone else self._status)

    def cut_short(self) -> None:
        """The application came to its end without a complete answer."""
        self.is_over = True
        self._finish(None if self.is_gone else _FAILED)

    def _finish(self, status: int | None) -> None:
        recorder = self._recorder
        # Frameworks leave in the scope what holds our `send`: a cycle that only the collector of
        # garbage would find.
        scope, self._scope = self._scope, _OVER
        if status is None:
            recorder.finished.append((None, 0.0, 0, 0, None))
        else:
            now_s = recorder.clock()
            duration_s = now_s - self._started_s
            route = self._names(scope, self.root_path)
            first_s = None if self._first_s is None else self._first_s - self._started_s
            recorder.finished.append((route, duration_s, status, self._sent_bytes, first_s))
            look, account = self._look, self.account
            if look is not None and status == _WHOLE:
                look.end(route, at_s=now_s, took_s=duration_s)
            if account is not None:
                asked = account.asked
                # The first would be a cycle as well; what runs on after the answer is not counted.
                account.where = account.asked = None
                recorder.spendings.append((route, account.parts_s(), asked, status))
        recorder.flying.discard(self)
        if len(recorder.finished) >= _AT_ONCE:
            recorder.settle()


_AT_ONCE = 200
_FAILED = 500
_WHOLE = 200
_OVER: Scope = {}
_BODY = frozenset(("http.response.body", "http.response.zerocopysend", "http.response.pathsend"))
"""The messages that carry the body; `pathsend`, which has no `more_body`, carries all of it."""
