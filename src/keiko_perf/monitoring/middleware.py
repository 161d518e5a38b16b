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
from keiko_perf.monitoring.requests import FAILED, GONE, Pieces
from keiko_perf.monitoring.routes import ROUTED
from keiko_perf.monitoring.server_timing import timed
from keiko_perf.monitoring.websockets import Connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


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
        self._kind: type[_Request] = _Request if recorder.looks is None else _Curious
        if attribution and token:
            self._kind = type("_Timed", (_Curious,), {"__slots__": (), "token": token})

    # A coroutine, since servers tell by that which version of ASGI it is; the only one but for the
    # last message's, and no request has a constructor: each call would cost a tenth of all.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._pass(scope, receive, send)
            return
        recorder = self.recorder
        requests, clock, app = recorder.requests, recorder.clock, self.app
        requests.came.append(None)
        request = self._kind()
        request._scope = scope
        request._receive = receive
        request._send = send
        request._recorder = recorder
        request._account = request._pieces = None
        request._status = 0
        # A mounted application lengthens it in place; what it began with is no part of a route.
        request._root_path = scope.get("root_path", "")
        request._started_s = clock()
        try:
            if self.attribution and current.get() is None:
                account = request._account = Account(
                    app(scope, request.receive, request.send),
                    clock,
                    recorder.lag,
                    recorder,
                    request._started_s,
                )
                account.where = requests.names.of, scope, request._root_path
                current.set(account)
                try:
                    await account
                finally:
                    # Not by its token: a coroutine that is thrown away ends elsewhere.
                    current.set(None)
            else:
                await app(scope, request.receive, request.send)
        except CancelledError:
            request._pieces = GONE
            raise
        finally:
            if request._scope is not None:
                request.cut_short()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        recorder = self.recorder
        with Connection(scope, receive, send, recorder, recorder.requests.names.of) as connection:
            await self.app(scope, connection.receive, connection.send)


class _Request:
    """
    One request on its way through: the application's `receive` and `send`.

    It has its scope until it is over: frameworks leave in there what holds our `send`, and that
    would be a cycle that only the collector of garbage finds.
    """

    __slots__ = (
        "_account",
        "_pieces",
        "_receive",
        "_recorder",
        "_root_path",
        "_scope",
        "_send",
        "_started_s",
        "_status",
    )
    _account: Account | None
    _pieces: Pieces | None
    _receive: Receive
    _recorder: Recorder
    _root_path: str
    _scope: Scope | None
    _send: Send
    _started_s: float
    _status: int

    async def receive(self) -> Message:
        receive = self._receive
        message = await receive()
        if message["type"] == "http.disconnect":
            self._pieces = GONE
        return message

    # No coroutine of its own, except for the last message: it is called for each piece of a stream.
    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.start":
            self._status = message["status"]
        elif kind in _BODY:
            if message.get("more_body"):
                self._begin(message)
            elif self._scope is not None:
                return self._send_last(message)
        send = self._send
        return send(message)

    def _begin(self, message: Message) -> None:
        """Note one of several pieces."""
        length, pieces = len(message.get("body", b"")), self._pieces
        if pieces is None:
            self._pieces = length, self._recorder.clock() - self._started_s
        elif pieces is not GONE:
            self._pieces = pieces[0] + length, pieces[1]

    async def _send_last(self, message: Message) -> None:
        # Over before it is sent: many servers report a disconnect once they have the last byte.
        scope, self._scope = self._scope, None
        pieces, send = self._pieces, self._send
        try:
            await send(message)
        finally:
            body = message.get("body")
            self._note(scope, self._status, len(body) if body else 0, pieces)

    def cut_short(self) -> None:
        """The application came to its end without a complete answer."""
        scope, self._scope = self._scope, None
        self._note(scope, FAILED, 0, self._pieces)

    def _note(self, scope: Any, status: int, length: int, pieces: Pieces | None) -> None:
        recorder, root_path = self._recorder, self._root_path
        clock, requests, account = recorder.clock, recorder.requests, self._account
        now_s = clock()
        try:
            routed = ROUTED(scope)
        except KeyError:
            routed = requests.names.of(scope, root_path)
        came = len(requests.came)
        requests.over.append(
            (
                routed,
                root_path,
                scope.get("fastapi"),
                now_s - self._started_s,
                status,
                length,
                came,
                pieces,
                None if account is None else account.closed(now_s),
            )
        )
        if came >= requests.enough:
            recorder.settle()


class _Curious(_Request):
    """The same, which looks whether answers repeat, and tells whoever may know it its parts."""

    __slots__ = ("_look",)
    _look: Look | None
    token = ""

    def send(self, message: Message) -> Awaitable[None]:
        kind, scope = message["type"], self._scope
        if kind == "http.response.start" and scope is not None:
            recorder = self._recorder
            looks = recorder.looks
            if looks is not None and message["status"] == _WHOLE:
                self._look = looks.look(scope, message, self._started_s)
            if self.token and self._account is not None:
                message = timed(message, scope, self._account, self.token, recorder.now)
        elif kind in _BODY and scope is not None:
            look, body = getattr(self, "_look", None), message.get("body")
            if look is not None and body:
                look.add(body)
        return super().send(message)

    def _note(self, scope: Any, status: int, length: int, pieces: Pieces | None) -> None:
        look, recorder = getattr(self, "_look", None), self._recorder
        if look is not None and status == _WHOLE and pieces is not GONE:
            now_s = recorder.clock()
            route = recorder.requests.names.of(scope, self._root_path)
            look.end(route, at_s=now_s, took_s=now_s - self._started_s)
        super()._note(scope, status, length, pieces)


_WHOLE = 200
_BODY = frozenset(("http.response.body", "http.response.zerocopysend", "http.response.pathsend"))
"""The messages that carry the body; `pathsend`, which has no `more_body`, carries all of it."""
