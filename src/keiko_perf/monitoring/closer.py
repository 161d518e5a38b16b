"""
Closer: looks closer at an answer on its way to the server, where somebody wants to know.

It looks whether the answer repeats one of before (`looks`), and tells whoever presents a run token
where the time went until the answer began (`server_timing`). The messages pass as they are, but for
that header.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keiko_perf.monitoring.attribution import Account
from keiko_perf.monitoring.looks import Look
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.server_timing import timed

START = "http.response.start"
BODY = frozenset(("http.response.body", "http.response.zerocopysend", "http.response.pathsend"))
"""The messages that carry the body; `pathsend`, which has no `more_body`, carries all of it."""
_WHOLE = 200
_Message = MutableMapping[str, Any]


class Closer:
    """
    Args:
        recorder: has what is looked for; its clock is used.
        token: what run tokens are signed with, if anybody may be told.
        scope: of the request.
        root_path: what `root_path` was before the routing.
        send: the server's.
        started_s: when the request came, monotonic.

    Attributes:
        account: of the request, if it has one.
    """

    __slots__ = (
        "_look",
        "_recorder",
        "_root_path",
        "_scope",
        "_send",
        "_started_s",
        "_token",
        "account",
    )

    def __init__(
        self,
        recorder: Recorder,
        token: str | None,
        scope: MutableMapping[str, Any],
        root_path: str,
        send: Callable[[_Message], Awaitable[None]],
        started_s: float,
    ) -> None:
        self._recorder = recorder
        self._token = token
        self._scope: MutableMapping[str, Any] | None = scope
        self._root_path = root_path
        self._send = send
        self._started_s = started_s
        self._look: Look | None = None
        self.account: Account | None = None

    def send(self, message: _Message) -> Awaitable[None]:
        """In the place of the server's, for the application."""
        scope = self._scope
        if scope is not None:
            kind = message["type"]
            if kind == START:
                message = self._begin(scope, message)
            elif kind in BODY:
                self._go_on(scope, message)
        send = self._send
        return send(message)

    def _begin(self, scope: MutableMapping[str, Any], message: _Message) -> _Message:
        recorder = self._recorder
        looks = recorder.looks
        if looks is not None and message["status"] == _WHOLE:
            self._look = looks.look(scope, message, self._started_s)
        if self._token and self.account is not None:
            return timed(message, scope, self.account, self._token, recorder.now)
        return message

    def _go_on(self, scope: MutableMapping[str, Any], message: _Message) -> None:
        look = self._look
        if look is not None:
            body = message.get("body")
            if body:
                look.add(body)
        if not message.get("more_body"):
            self._scope = None
            if look is not None:
                recorder = self._recorder
                now_s = recorder.clock()
                route = recorder.requests.names.of(scope, self._root_path)
                look.end(route, at_s=now_s, took_s=now_s - self._started_s)
