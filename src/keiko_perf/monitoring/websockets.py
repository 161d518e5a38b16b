"""
Connection: one WebSocket on its way through the middleware, from the handshake to its end.

Its series tells how long connections of a route lasted, and how they ended. One that was refused
was closed before it was accepted. One that failed ended by an exception, or by a close with 1011,
which says the same; whoever hangs up, on either side, ends it well. Messages are counted, and never
looked into.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from keiko_perf.monitoring.recorder import Recorder

RECEIVED = "websocket_received"
SENT = "websocket_sent"
_INTERNAL_ERROR = 1011  # RFC 6455, section 7.4.1
_Message = MutableMapping[str, Any]


class Connection:
    """
    The application's `receive` and `send`, while the context lasts.

    Args:
        scope: of the connection.
        receive: the server's.
        send: the server's.
        recorder: what is told; its clock is used.
        names: tells the route's name, once it was routed.
    """

    __slots__ = (
        "_is_accepted",
        "_is_gone",
        "_is_refused",
        "_names",
        "_receive",
        "_recorder",
        "_root_path",
        "_scope",
        "_send",
        "_started_s",
        "_with_error",
    )

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
        recorder: Recorder,
        names: Callable[[MutableMapping[str, Any], str], str],
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._recorder = recorder
        self._names = names
        self._root_path = scope.get("root_path", "")
        self._is_accepted = self._is_refused = self._is_gone = self._with_error = False

    def __enter__(self) -> Self:
        self._recorder.connected()
        self._started_s = self._recorder.clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Frameworks tell by an exception that the client has hung up, which is no failure.
        broke = kind is not None and not self._is_gone and not issubclass(kind, CancelledError)
        recorder = self._recorder
        recorder.disconnected(
            self._names(self._scope, self._root_path),
            recorder.clock() - self._started_s,
            failed=broke or self._with_error,
            refused=self._is_refused,
        )

    async def receive(self) -> _Message:
        message = await self._receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self._recorder.count(RECEIVED)
        elif kind == "websocket.disconnect":
            self._is_gone = True
        return message

    def send(self, message: _Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "websocket.send":
            self._recorder.count(SENT)
        elif kind == "websocket.accept":
            self._is_accepted = True
        elif kind == "websocket.close":
            self._is_refused = not self._is_accepted
            self._with_error = message.get("code") == _INTERNAL_ERROR
        elif kind == "websocket.http.response.start":
            status = message["status"]
            self._is_refused, self._with_error = status < 500, status >= 500
        return self._send(message)
