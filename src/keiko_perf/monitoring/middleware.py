"""
PerfMiddleware: tells the recorder of each HTTP request and WebSocket, and stays out of its way.

It is pure ASGI: it passes every message on as it is, holds none back, changes no answer, and
raises and swallows nothing. Whatever is neither HTTP nor a WebSocket passes through untouched. The
one exception: who presents a run token (`run_token`) gets a `Server-Timing` header.

The clock starts when the request comes in and stops when all of the body is handed to the server,
so background tasks are not counted; after an answer in pieces it waits until the server has taken
the last one, as a slow client lets it wait. A request that failed is a 5xx, an exception, a return
before the answer was complete, or what the application says is one (`count_as_failed`); one that
was refused is a 4xx. A client that left before that is counted as `disconnected`, and as none of
them: how long it would have taken is not known. Of an answer in pieces it is told as well when the
first one came. Server-sent events are answered with the first of them: how long they go on is no
response time.

Each request of a service runs through this. It is Python, and it is compiled as it stands where
there is a compiler (ADR 0015), which saves more than half of its cost. So it keeps to what means
the same either way: nothing here hangs on a frame, on the identity of a tuple, or on a list's being
of a class of its own.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, final

from mypy_extensions import mypyc_attr

from keiko_perf.monitoring.attribution import Account, current
from keiko_perf.monitoring.closer import BODY, START, Closer
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.requests import AT_ONCE, DISCONNECTED, FAILED, GONE, Pieces, Spent
from keiko_perf.monitoring.routes import CONTEXT, ROUTED
from keiko_perf.monitoring.websockets import Connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_Dict = dict[str, Any]
"""What scopes and messages are by ASGI; of a dictionary the compiler knows how to look into it."""
_Place = tuple[object, object, str, str, str, list[list[float]], list[int]]
"""As of `requests.Place`."""


MARK: Final = "keiko_perf.failed"
"""In the scope of a request that counts as a failure; here, where compiled code has it at hand."""


@mypyc_attr(allow_interpreted_subclasses=True)
class PerfMiddleware:
    """
    Tells the recorder of each HTTP request and WebSocket, and stays out of its way.

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
        # What each request needs is at hand; elsewhere it would be looked for by its name.
        self._clock: Callable[[], float] = recorder.clock
        requests = recorder.requests
        self._places: dict[object, _Place] = requests.places
        self._came: list[float] = requests.came
        self._ended: list[float] = requests.ended
        self._over: list[Any] = requests.over
        self._at_once: int = AT_ONCE

    # A coroutine, since servers tell by that which version of ASGI it is.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _pass(self.app, self.recorder, scope, receive, send)
            return
        exchange = Exchange(self, scope, receive, send)
        try:
            if self._is_plain:
                await self.app(scope, exchange.receive, exchange)
            else:
                await exchange.run_watched(scope)
        except CancelledError:
            exchange.pieces = GONE
            raise
        finally:
            exchange.cut_short()
            if len(self._ended) + len(self._over) >= self._at_once:
                self.recorder.settle()


@final
@mypyc_attr(free_list_len=1)
class Exchange:
    """
    One HTTP request on its way through, and what is known of it.

    Called with a message, it is the application's `send`.

    Attributes:
        scope: of the request; None once it is over. Frameworks leave in there what holds our
            `send`, and that would be a cycle that only the collector of garbage finds.
        pieces: of its answer, if it comes in several; `GONE` if its client left.
    """

    __slots__ = (
        "_account",
        "_begun",
        "_receive",
        "_root_path",
        "_send",
        "_spent",
        "_started_s",
        "_streams_since_s",
        "_watching",
        "pieces",
        "scope",
    )

    def __init__(
        self, watching: PerfMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._watching: PerfMiddleware = watching
        self.scope: Scope | None = scope
        # A mounted application lengthens it in place; what it began with is no part of a route.
        self._root_path: Any = _dict(scope).get("root_path", "")
        self._receive: Receive = receive
        self._send: Send = send
        self._begun: Message | None = None
        self.pieces: Pieces | None = None
        self._account: Account | None = None
        self._spent: Spent | None = None
        self._streams_since_s: float = 0.0
        self._started_s: float = watching._clock()
        watching._came.append(self._started_s)

    async def receive(self) -> Message:
        """In the place of the server's."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.pieces = GONE
        return message

    # No coroutine, but for the last of several pieces: it is called for each of a stream.
    def __call__(self, message: Message) -> Awaitable[None]:
        if self._begun is None:
            self._begun = message
        else:
            seen = _dict(message)
            kind = seen["type"]
            if kind == "http.response.body" or kind in BODY:
                if seen.get("more_body"):
                    self._go_on(message)
                elif self.scope is not None:
                    # Over before it is sent: many servers report a disconnect once they have it.
                    scope = self.scope
                    self.scope = None
                    if self.pieces is not None:
                        return self._send_last(scope, self.pieces, message)
                    if not self._note_in_place(_dict(scope), seen):
                        self._end(scope, None, message)
            elif kind == START:
                self._begun = message
        return self._send(message)

    async def run_watched(self, scope: Scope) -> None:
        """Run the application, and look where the time goes, or at what it answers."""
        watching = self._watching
        recorder = watching.recorder
        closer = None
        if watching._is_curious:
            closer = Closer(
                recorder, watching.token, scope, self._root_path, self._send, self._started_s
            )
            self._send = closer.send
        run = watching.app(scope, self.receive, self)
        if not watching.attribution or current.get() is not None:
            await run
            return
        account = Account(run, watching._clock, recorder.lag, recorder, self._started_s)
        account.where = recorder.requests.names.of, scope, self._root_path
        self._account = account
        if closer is not None:
            closer.account = account
        current.set(account)
        accounts = recorder.awaited.accounts
        accounts[id(account)] = account
        try:
            await account
        finally:
            accounts.pop(id(account), None)
            # Not by its token: a coroutine that is thrown away ends elsewhere.
            current.set(None)

    def cut_short(self) -> None:
        """It came to its end; unless its answer was complete, that was too early."""
        scope = self.scope
        if scope is not None:
            self.scope = None
            self._begun = _CUT_SHORT
            self._end(scope, self.pieces, _NOTHING)

    # Private

    def _note_in_place(self, scope: _Dict, last: _Dict) -> bool:
        """Note it with others of its route, if it is one as most are; say whether it is."""
        watching = self._watching
        begun = self._begun
        if begun is None or self._account is not None or MARK in scope:
            return False
        try:
            place: _Place | None = watching._places.get(scope.get("endpoint"))
            if place is None:
                return False
            route, context, method, before, mounted, took, sent = place
            if (
                scope["route"] is not route
                or scope["method"] != method
                or scope["root_path"] != mounted
                or self._root_path != before
                or _context(scope) is not context
            ):
                return False
            status: int = begun["status"]
            alike, length = took[status // 100], len(last["body"])
        except Exception:  # something is missing, or a stranger's endpoint cannot be looked up
            return False
        ended_s = watching._clock()
        alike.append(ended_s - self._started_s)
        sent.append(length)
        watching._ended.append(ended_s)
        return True

    def _end(self, scope: Scope, pieces: Pieces | None, last: Message) -> None:
        """It is over: note what there is of it."""
        watching = self._watching
        account = self._account
        ended_s = watching._clock()
        duration_s = ended_s - self._started_s
        over, spent = watching._over, self._spent
        if self._streams_since_s:
            over = watching.recorder.requests.streamed
            if pieces is None or pieces is GONE:
                watching.recorder.count(DISCONNECTED)
                return
            pieces = Pieces(pieces.length, pieces.first_s, duration_s)
            duration_s = pieces.first_s
        elif account is not None:
            spent = account.closed(ended_s)
        try:
            routed: Any = ROUTED(scope)
        except KeyError:
            routed = watching.recorder.requests.names.of(scope, self._root_path)
        over.append(
            (
                routed,
                self._root_path,
                scope.get("fastapi"),
                ended_s,
                duration_s,
                FAILED if MARK in scope else (self._begun or _CUT_SHORT).get("status", FAILED),
                len(last.get("body") or b""),
                pieces,
                spent,
            )
        )

    def _go_on(self, message: Message) -> None:
        """One piece more of several."""
        length = len(message.get("body", b""))
        pieces = self.pieces
        if pieces is None:
            now_s = self._watching._clock()
            self.pieces = Pieces(length, now_s - self._started_s)
            if self._begun is not None and _has_events(_dict(self._begun)):
                self._stream(now_s)
        elif pieces is not GONE:
            self.pieces = Pieces(pieces.length + length, pieces.first_s)

    def _stream(self, now_s: float) -> None:
        """Its first event is here: it is answered, and goes on for as long as there are more."""
        recorder = self._watching.recorder
        recorder.requests.streaming.append(now_s)
        self._streams_since_s = now_s
        account = self._account
        if account is not None:
            self._spent = account.closed(now_s)
            recorder.awaited.accounts.pop(id(account), None)

    async def _send_last(self, scope: Scope, pieces: Pieces, message: Message) -> None:
        # A slow client has the server wait here until it took what was sent before.
        try:
            await self._send(message)
        finally:
            self._end(scope, pieces, message)


def _context(scope: _Dict) -> object:
    """Of a router that FastAPI includes lazily, which of its inclusions it is."""
    fastapi = scope.get("fastapi")
    return None if fastapi is None else _dict(fastapi).get(CONTEXT)


def _has_events(begun: _Dict) -> bool:
    """Whether an answer says that it is one of server-sent events."""
    try:
        for name, value in begun.get("headers") or ():
            if bytes(name).lower() == b"content-type":
                return bytes(value).lower().startswith(b"text/event-stream")
    except (TypeError, ValueError):  # a server's matter, not ours
        pass
    return False


def _dict(some: Message) -> _Dict:
    return some if isinstance(some, dict) else dict(some)


async def _pass(app: App, recorder: Recorder, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        await app(scope, receive, send)
        return
    with Connection(scope, receive, send, recorder, recorder.requests.names.of) as connection:
        await app(scope, connection.receive, connection.send)


_NOTHING: Final[Message] = {}
_CUT_SHORT: Final[Message] = {"status": FAILED}
