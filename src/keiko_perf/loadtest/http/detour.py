"""
Detour: connections on which a request is not over with its first answer, or not sent as it is.

They are classes of their own, so that nobody else pays for what they look at.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from keiko_perf.loadtest.http.connection import Http1Channel
from keiko_perf.loadtest.http.home import Home
from keiko_perf.loadtest.http.redirect import followed
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.target import Target
from keiko_perf.loadtest.transport import Failure, Owner


class DetourHome(Home, Protocol):
    """
    What such a connection needs of its transport beyond that.

    Attributes:
        follows: how many redirects in a row are followed.
        target: whose origin is not left.
    """

    follows: int
    target: Target

    def forwarded(self, request: Request) -> Request:
        """*request* in the form in which a proxy is asked."""


class FollowingChannel(Http1Channel):
    """Follows redirects within the target's origin, as many in a row as the plan allows."""

    __slots__ = ("_way_home",)

    def __init__(self, home: DetourHome, owner: Owner) -> None:
        super().__init__(home, owner)
        self._way_home = home

    def send(self, request: Request) -> None:
        self.redirects = 0
        super().send(request)

    def _hand_over(self) -> None:
        following = self._following()
        if following is None:
            super()._hand_over()
        elif self.redirects >= self._way_home.follows:
            self._fail(Failure.PROTOCOL, f"more than {self._way_home.follows} redirects")
        else:
            self.redirects += 1
            self._go_on(following)

    def _following(self) -> Request | None:
        if not self._way_home.follows or not 300 <= self._status < 400:
            return None
        assert self._head is not None
        assert self.request is not None
        location = next((value for name, value in self._head.fields if name == b"location"), b"")
        return followed(self.request, self._status, location, target=self._way_home.target)

    def _go_on(self, request: Request) -> None:
        self.request = request
        if self.is_open:
            self._begin(request)
            return
        # The server ends the connection with this answer: the next one is asked over another.
        if self._transport is not None:
            self._transport.set_protocol(_Leaving(self._way_home, self._transport))
            self._transport.abort()
            self._transport = None
        self.is_open = self._is_writable = True
        self._connect_soon()


class ForwardedChannel(FollowingChannel):
    """Speaks to a proxy, which is told the whole URL (RFC 9112, 3.2.2)."""

    __slots__ = ()

    def _begin(self, request: Request) -> None:
        super()._begin(self._way_home.forwarded(request))


class _Leaving(asyncio.Protocol):
    """Sees a connection off that its channel has left."""

    def __init__(self, home: Home, connection: asyncio.BaseTransport) -> None:
        self._home = home
        self._connection = connection

    def connection_lost(self, exc: Exception | None) -> None:
        self._home.gone(self._connection)
