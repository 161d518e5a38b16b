"""
Exchange: one request on its way through `PerfMiddleware`, and what is noted of it.

This is the code that each request of a service runs through. It is Python, and it is compiled as
it stands where there is a compiler (ADR 0015), which saves a third of its cost. So it keeps to what
means the same either way: nothing here hangs on a frame, on the identity of a tuple, or on a list's
being of a class of its own.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from mypy_extensions import mypyc_attr

from keiko_perf.monitoring.attribution import Account, current
from keiko_perf.monitoring.closer import BODY, START, Closer
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.requests import AT_ONCE, FAILED, GONE, Over, Pieces
from keiko_perf.monitoring.routes import ROUTED
from keiko_perf.monitoring.websockets import Connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Clock = Callable[[], float]


@mypyc_attr(allow_interpreted_subclasses=True)
class Watching:
    """What `PerfMiddleware` does; see there."""

    def __init__(self, app: App, recorder: Recorder, attribution: bool, token: str | None) -> None:
        self.app = app
        self.recorder = recorder
        self.attribution = attribution
        self.token = token if attribution else None
        self._is_curious = recorder.looks is not None or bool(self.token)
        self._is_plain = not attribution and not self._is_curious
        self._noted: tuple[Clock, list[float], list[Over]] = (
            recorder.clock,
            recorder.requests.came,
            recorder.requests.over,
        )

    # Each step of Python costs some 18 ns where a service's own work has left nothing of it in the
    # processor's caches. So what a request keeps are the cells of two functions, for which no
    # object has to be made, and whatever can wait is left to `Requests.count`. A coroutine, since
    # servers tell by that which version of ASGI it is.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # `scope` is None once the request is over: frameworks leave in there what holds our `send`,
        # and that would be a cycle that only the collector of garbage finds.
        if scope["type"] != "http":
            await _pass(self.app, self.recorder, scope, receive, send)
            return
        clock, came, over = self._noted
        begun: Message | None = None
        pieces: Pieces | None = None
        account: Account | None = None
        # A mounted application lengthens it in place; what it began with is no part of a route.
        root_path = scope.get("root_path", "")

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
                        end = partial(_end, self.recorder, routed, root_path, started_s, account)
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
                        _end(
                            self.recorder,
                            routed,
                            root_path,
                            started_s,
                            account,
                            begun,
                            None,
                            message,
                        )
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
                    account = Account(run, clock, self.recorder.lag, self.recorder, started_s)
                    account.where = self.recorder.requests.names.of, scope, root_path
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
                _end(
                    self.recorder,
                    routed,
                    root_path,
                    started_s,
                    account,
                    _CUT_SHORT,
                    pieces,
                    _NOTHING,
                )
            if len(over) >= AT_ONCE:
                self.recorder.settle()


def _end(
    recorder: Recorder,
    scope: Scope,
    root_path: str,
    started_s: float,
    account: Account | None,
    begun: Message,
    pieces: Pieces | None,
    last: Message,
) -> None:
    """Note that a request is over, whatever is missing of it."""
    ended_s = recorder.clock()
    try:
        routed: Any = ROUTED(scope)
    except KeyError:
        routed = recorder.requests.names.of(scope, root_path)
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


async def _pass(app: App, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        await app(scope, receive, send)
        return
    with Connection(scope, receive, send, recorder, recorder.requests.names.of) as connection:
        await app(scope, connection.receive, connection.send)


def _longer(pieces: Pieces | None, message: Message, started_s: float, clock: Clock) -> Pieces:
    """One piece more of several."""
    length = len(message.get("body", b""))
    if pieces is None:
        return Pieces(length, clock() - started_s)
    return pieces if pieces is GONE else Pieces(pieces.length + length, pieces.first_s)


async def _send_last(send: Send, message: Message, end: Callable[[], None]) -> None:
    # A slow client has the server wait here until it took what was sent before.
    try:
        await send(message)
    finally:
        end()


_NOTHING: Message = {}
_CUT_SHORT: Message = {"status": FAILED}
