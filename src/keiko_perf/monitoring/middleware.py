"""
PerfMiddleware: tells the recorder of each HTTP request and WebSocket, and stays out of its way.

It is pure ASGI: it passes every message on as it is, holds none back, changes no answer, and
raises and swallows nothing. Whatever is neither HTTP nor a WebSocket passes through untouched. The
one exception: who presents a run token (`run_token`) gets a `Server-Timing` header.

The clock starts when the request comes in and stops when all of the body is handed to the server,
so background tasks are not counted; after an answer in pieces it waits until the server has taken
the last one, as a slow client lets it wait. A request that failed is a 5xx, an
exception, or a return before the answer was complete; one that was refused is a 4xx. A client that
left before that is counted as `disconnected`, and as none of them: how long it would have taken is
not known. Of an answer in pieces it is told as well when the first one came.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from keiko_perf.monitoring.attribution import Account, current
from keiko_perf.monitoring.closer import BODY, START, Closer
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.requests import AT_ONCE, FAILED, GONE, Pieces
from keiko_perf.monitoring.routes import ROUTED
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
        self.token = token if attribution else None
        self._is_curious = recorder.looks is not None or bool(self.token)
        self._is_plain = not attribution and not self._is_curious
        self._lag = recorder.lag
        self._name_of = recorder.requests.names.of
        self._noted = recorder.clock, recorder.requests.came, recorder.requests.over

    # Each step of Python costs some 18 ns where a service's own work has left nothing of it in the
    # processor's caches. So what a request keeps are the cells of two functions, for which no
    # object has to be made, and whatever can wait is left to `Requests.count`. A coroutine, since
    # servers tell by that which version of ASGI it is.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # `scope` is None once the request is over: frameworks leave in there what holds our `send`,
        # and that would be a cycle that only the collector of garbage finds.
        if scope["type"] != "http":
            await self._pass(scope, receive, send)
            return
        clock, came, over = self._noted
        begun: Message | None = None
        pieces: Pieces | None = None
        account: Account | None = None
        # A mounted application lengthens it in place; what it began with is no part of a route.
        root_path: str = scope.get("root_path", "")

        async def receiving() -> Message:
            nonlocal pieces
            message = await receive()
            if message["type"] == "http.disconnect":
                pieces = GONE
            return message

        # No coroutine, but for the last of several pieces: it is called for each of a stream.
        def sending(message: Message) -> Awaitable[None]:
            nonlocal begun, pieces, scope
            if begun is None:
                begun = message
            elif message["type"] in BODY:
                if message.get("more_body"):
                    pieces = _longer(pieces, message, started_s, clock)
                elif scope is not None:
                    # Over before it is sent: many servers report a disconnect once they have it.
                    routed = scope
                    scope = None  # type: ignore[assignment]
                    if pieces is not None:
                        end = partial(self._end, routed, root_path, started_s, account)
                        return _send_last(send, message, partial(end, begun, pieces, message))
                    ended_s = clock()
                    try:
                        over.append(
                            (
                                ROUTED(routed),
                                root_path,
                                routed.get("fastapi"),
                                ended_s,
                                ended_s - started_s,
                                begun["status"],
                                len(message["body"]),
                                None,
                                account and account.closed(ended_s),
                            )
                        )
                    except KeyError:  # no route took it, or a file is sent by the server
                        self._end(routed, root_path, started_s, account, begun, None, message)
            elif message["type"] == START:
                begun = message
            return send(message)

        started_s = clock()
        came.append(started_s)
        try:
            if self._is_plain:
                await self.app(scope, receiving, sending)
            else:
                closer = None
                if self._is_curious:
                    closer = Closer(self.recorder, self.token, scope, root_path, send, started_s)
                    send = closer.send
                if self.attribution and current.get() is None:
                    run = self.app(scope, receiving, sending)
                    account = Account(run, clock, self._lag, self.recorder, started_s)
                    account.where = self._name_of, scope, root_path
                    if closer is not None:
                        closer.account = account
                    current.set(account)
                    try:
                        await account
                    finally:
                        # Not by its token: a coroutine that is thrown away ends elsewhere.
                        current.set(None)
                else:
                    await self.app(scope, receiving, sending)
        except CancelledError:
            pieces = GONE
            raise
        finally:
            if scope is not None:  # it came to its end without a complete answer
                routed, scope = scope, None  # type: ignore[assignment]
                self._end(routed, root_path, started_s, account, _CUT_SHORT, pieces, _NOTHING)
            if len(over) >= AT_ONCE:
                self.recorder.settle()

    def _end(
        self,
        scope: Scope,
        root_path: str,
        started_s: float,
        account: Account | None,
        begun: Message,
        pieces: Pieces | None,
        last: Message,
    ) -> None:
        """Note that a request is over, whatever is missing of it."""
        recorder = self.recorder
        ended_s = recorder.clock()
        try:
            routed: Any = ROUTED(scope)
        except KeyError:
            routed = self._name_of(scope, root_path)
        recorder.requests.over.append(
            (
                routed,
                root_path,
                scope.get("fastapi"),
                ended_s,
                ended_s - started_s,
                begun.get("status", FAILED),
                len(last.get("body") or b""),
                pieces,
                account and account.closed(ended_s),
            )
        )

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        recorder = self.recorder
        with Connection(scope, receive, send, recorder, self._name_of) as connection:
            await self.app(scope, connection.receive, connection.send)


def _longer(
    pieces: Pieces | None, message: Message, started_s: float, clock: Callable[[], float]
) -> Pieces:
    """One piece more of several."""
    length = len(message.get("body", b""))
    if pieces is None:
        return length, clock() - started_s
    return pieces if pieces is GONE else (pieces[0] + length, pieces[1])


async def _send_last(send: Send, message: Message, end: Callable[[], None]) -> None:
    # A slow client has the server wait here until it took what was sent before.
    try:
        await send(message)
    finally:
        end()


_NOTHING: Message = {}
_CUT_SHORT: Message = {"status": FAILED}
