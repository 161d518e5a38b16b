"""
Outgoing: the half of a connection that asks. It is made, written to, and closed.

What comes back is read by the other half, in `connection`.
"""

from __future__ import annotations

import asyncio
from typing import cast

from keiko_perf.errors import KeikoError
from keiko_perf.loadtest.http.home import Home, Phase
from keiko_perf.loadtest.http.refusal import why_not_connected
from keiko_perf.loadtest.http.sending import Sending
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Channel, Failure, Owner

_CLOSED = Phase.CLOSED


class OutgoingChannel(Channel, asyncio.Protocol):
    """One connection, from its first request to its close."""

    __slots__ = (
        "_connecting",
        "_home",
        "_is_writable",
        "_owner",
        "_phase",
        "_sending",
        "_transport",
        "_write",
    )

    def __init__(self, home: Home, owner: Owner) -> None:
        super().__init__()
        self._home = home
        self._owner = owner
        self._phase: Phase = Phase.NEW
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._sending: Sending | None = None
        self._is_writable = True

    def close(self) -> None:
        self._phase = _CLOSED
        self.is_open = False
        self._home.channels.discard(self)
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        # Once there is a connection, the task that made it is about to end. To cancel it then
        # would make uvloop close the socket without a word to the protocol.
        if self._transport is not None:
            self._transport.abort()
        elif self._connecting is not None:
            self._connecting.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._phase is _CLOSED:  # given up while it was being made
            self._transport.abort()
            return
        self._home.connections.add(transport)
        self._write = self._transport.write
        assert self.request is not None
        self._begin(self.request)

    def pause_writing(self) -> None:
        self._is_writable = False
        if self._sending is not None:
            self._sending.pause()

    def resume_writing(self) -> None:
        self._is_writable = True
        if self._sending is not None:
            self._sending.resume()

    # Sending

    def _begin(self, request: Request) -> None:
        """Write *request* to the open connection, and expect its answer."""
        raise NotImplementedError

    def _connect_soon(self) -> None:
        self._phase = Phase.CONNECTING
        self._connecting = asyncio.get_running_loop().create_task(self._connect())
        self._home.tasks.add(self._connecting)
        self._connecting.add_done_callback(self._home.tasks.discard)

    async def _connect(self) -> None:
        try:
            await self._home.connect(self)
        except (OSError, KeikoError) as error:
            if self._phase is not _CLOSED:
                self._fail(*why_not_connected(error, is_tls=self._home.is_tls))
        finally:
            self._connecting = None

    def _send_body(self, request: Request) -> None:
        sending = self._sending = Sending(request, write=self._write, broken=self._broken)
        if not self._is_writable:
            sending.pause()
        sending.start()
        if sending.task is not None:
            self._home.tasks.add(sending.task)
            sending.task.add_done_callback(self._home.tasks.discard)

    def _broken(self, error: Exception) -> None:
        # Its own words may hold what was to be sent, so they are not repeated.
        self._fail(Failure.GENERATOR, f"making the request's body raised {type(error).__name__}")

    # Ending

    def _fail(self, failure: Failure, detail: str) -> None:
        self.close()
        self._owner.failed(self, failure, detail)

    def _lose(self) -> None:
        self.close()
        self._owner.lost(self)
