"""
HTTP/1.1 over keep-alive connections, in the shape that costs least per request.

A request is bytes that were written beforehand, an answer is counted and dropped as it comes: a
connection keeps at most one header block. Most answers of a server repeat a header block that
was seen before (`Date` changes once a second), and the same bytes mean the same framing: such a
block is looked up and not parsed again.

Whatever a server sends, a request ends as an answer or as a `Failure`, and never later than when
its owner calls `expire`.
"""

from __future__ import annotations

import asyncio
import ssl
from enum import IntEnum
from typing import cast

from keiko_perf.errors import KeikoError
from keiko_perf.loadtest.address import resolve
from keiko_perf.loadtest.framing import SURPLUS, Body, Chunks, Head, Malformed, read_head
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.refusal import why_not_connected, words
from keiko_perf.loadtest.request import LARGE_BODY_BYTES, Request
from keiko_perf.loadtest.target import Target
from keiko_perf.loadtest.transport import Channel, Failure, Owner

LARGEST_HEAD_BYTES = 64 * 1024
"""A longer header block is refused; servers themselves refuse from 8 to 32 KiB on."""

_MOST_INTERIM = 32
_MOST_REMEMBERED = 512
_CLOSING_S = 5.0


class HttpTransport:
    """
    Connections to one target.

    Args:
        plan: says where, and whether the target is the caller's own.
        tls: how https is verified; the machine's own authorities if None.
        resolves_each: ask DNS again for every connection and not once; addresses are checked
            each time.
    """

    is_in_process = False

    def __init__(
        self, plan: Plan, *, tls: ssl.SSLContext | None = None, resolves_each: bool = False
    ) -> None:
        self.target: Target = plan.target
        self.tls: ssl.SSLContext | None = None
        self._given_tls = tls
        self._own_target = plan.own_target
        self._resolves_each = resolves_each
        self._addresses: tuple[str, ...] = ()
        self._best = 0
        self.known: dict[bytes, tuple[int, int]] = {}
        self.known_for_head: dict[bytes, tuple[int, int]] = {}
        self.channels: set[Http1Channel] = set()
        self.connections: set[asyncio.BaseTransport] = set()
        self.connecting: set[asyncio.Task[None]] = set()
        self._all_gone: asyncio.Future[None] | None = None

    async def open(self) -> None:
        if self.target.is_tls:
            self.tls = self._given_tls or ssl.create_default_context()
        self._addresses = await self._resolve()

    def channel(self, owner: Owner) -> Channel:
        channel = Http1Channel(self, owner)
        self.channels.add(channel)
        return channel

    async def close(self) -> None:
        for channel in tuple(self.channels):
            channel.close()
        if self.connecting:
            await asyncio.gather(*self.connecting, return_exceptions=True)
        if self.connections:
            self._all_gone = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._all_gone,), timeout=_CLOSING_S)

    def gone(self, connection: asyncio.BaseTransport) -> None:
        """A socket was closed."""
        self.connections.discard(connection)
        if not self.connections and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    def remember(self, block: bytes, head: Head, *, answers_head: bool) -> None:
        """Keep what *block* means, where that is a length and nothing else."""
        if head.body is not Body.LENGTH or not head.keeps_alive:
            return
        known = self.known_for_head if answers_head else self.known
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[block] = head.status, head.length

    async def connect(self, channel: Http1Channel) -> None:
        """
        Connect *channel*, trying the address first that answered last.

        Raises:
            OSError: no address took the connection; of several errors, the last one.
            KeikoError: the name could not be resolved again.
        """
        loop = asyncio.get_running_loop()
        if self._resolves_each:
            self._addresses = await self._resolve()
        count = len(self._addresses)
        host = self.target.host if self.tls else None
        for attempt in range(count):
            at = (self._best + attempt) % count
            try:
                await loop.create_connection(
                    lambda: channel,
                    self._addresses[at],
                    self.target.port,
                    ssl=self.tls,
                    server_hostname=host,
                )
            except OSError:
                if attempt == count - 1:
                    raise
            else:
                self._best = at
                return

    async def _resolve(self) -> tuple[str, ...]:
        return await resolve(self.target.host, self.target.port, own_target=self._own_target)


class _Phase(IntEnum):
    """Where a connection is; the numbers are compared in the hot path."""

    NEW = 0
    CONNECTING = 1
    IDLE = 2
    HEAD = 3
    BODY = 4
    CLOSED = 5


# Attributes of an enum cost a look-up each; these are read for every answer.
_IDLE, _HEAD, _BODY, _CLOSED = _Phase.IDLE, _Phase.HEAD, _Phase.BODY, _Phase.CLOSED


class Http1Channel(Channel, asyncio.Protocol):
    """One connection, from its first request to its close."""

    __slots__ = (
        "_answered",
        "_block",
        "_chunks",
        "_connecting",
        "_framing",
        "_home",
        "_interim",
        "_known",
        "_owner",
        "_phase",
        "_remaining",
        "_status",
        "_transport",
        "_unsent",
        "_unsent_from",
        "_writable",
        "_write",
    )

    def __init__(self, home: HttpTransport, owner: Owner) -> None:
        super().__init__()
        self._home = home
        self._owner = owner
        self._answered = owner.answered
        self._phase: _Phase = _Phase.NEW
        self._known = home.known
        self._transport: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._block = bytearray()  # of an answer's head, while it is incomplete
        self._status = 0
        self._framing = Body.LENGTH
        self._remaining = 0
        self._interim = 0
        self._chunks: Chunks | None = None
        self._unsent: bytes = b""
        self._unsent_from = 0
        self._writable = True

    # What the engine calls

    def send(self, request: Request) -> None:
        self.request = request
        if self._phase is _IDLE:
            self._begin(request)
            return
        self._phase = _Phase.CONNECTING
        self._connecting = asyncio.get_running_loop().create_task(self._connect())
        self._home.connecting.add(self._connecting)
        self._connecting.add_done_callback(self._home.connecting.discard)

    def expire(self) -> None:
        failure, detail = {
            _Phase.CONNECTING: (Failure.CONNECT_TIMEOUT, "no connection in time"),
            _Phase.HEAD: (Failure.TIMEOUT_HEADERS, "no answer in time"),
        }.get(self._phase, (Failure.TIMEOUT_BODY, "no end of the answer in time"))
        self._fail(failure, detail)

    def close(self) -> None:
        self._phase = _CLOSED
        self.is_open = False
        self._home.channels.discard(self)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._home.connections.add(transport)
        self._transport = cast("asyncio.Transport", transport)
        if self._phase is _CLOSED:  # given up while it was being made
            self._transport.abort()
            return
        self._write = self._transport.write
        assert self.request is not None
        self._begin(self.request)

    def data_received(self, data: bytes) -> None:
        # The hot path: a whole answer at once, with a header block that is known.
        if self._phase is _HEAD and not self._block:
            end = data.find(b"\r\n\r\n")
            known = self._known.get(data[:end]) if end > 0 else None
            if known is not None:
                remaining = known[1] + end + 4 - len(data)
                if not remaining and not self._unsent:
                    self._phase = _IDLE
                    self._answered(self, known[0])
                    return
                self._status, self._remaining = known[0], known[1]
                self._framing, self._phase = Body.LENGTH, _BODY
                self._take_body(data[end + 4 :])
                return
        self._take(data)

    def eof_received(self) -> None:
        return None  # close: whoever stops sending is not asked again

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._home.gone(self._transport)
        phase = self._phase
        if phase is _CLOSED:
            return
        if phase is _IDLE:
            self.close()
            self._owner.lost(self)
        elif phase is _BODY and self._framing is Body.UNTIL_CLOSE and exc is None:
            self._finish()
        elif exc is not None and not isinstance(exc, ssl.SSLError):
            self._fail(Failure.RESET, words(exc))
        elif phase is _HEAD and not self._block:
            self._fail(Failure.RESET, "closed without an answer")
        else:
            where = "headers" if phase is _HEAD else "body"
            self._fail(Failure.PROTOCOL, f"closed in the middle of the {where}")

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    # Sending

    async def _connect(self) -> None:
        try:
            await self._home.connect(self)
        except (OSError, KeikoError) as error:
            if self._phase is not _CLOSED:
                self._fail(*why_not_connected(error, is_tls=self._home.tls is not None))
        finally:
            self._connecting = None

    def _begin(self, request: Request) -> None:
        home = self._home
        self._known = home.known_for_head if request.is_head else home.known
        self._phase = _HEAD
        self._interim = 0
        self._write(request.wire)
        if request.rest:
            self._unsent, self._unsent_from = request.rest, 0
            self._pump()

    def _pump(self) -> None:
        """Write as much of a large body as the connection takes."""
        while self._unsent and self._writable and self._phase is not _CLOSED:
            piece = self._unsent[self._unsent_from : self._unsent_from + LARGE_BODY_BYTES]
            self._unsent_from += len(piece)
            if self._unsent_from >= len(self._unsent):
                self._unsent = b""
            self._write(piece)

    # Receiving

    def _take(self, data: bytes) -> None:
        """Read *data*, wherever the answer is."""
        phase = self._phase
        try:
            if phase is _BODY:
                self._take_body(data)
            elif phase is _HEAD:
                self._take_head(data)
            elif phase is _IDLE:
                # Bytes that nobody asked for would be taken for the next answer.
                self.close()
                self._owner.lost(self)
        except Malformed as malformed:
            self._fail(Failure.PROTOCOL, str(malformed))

    def _take_head(self, data: bytes) -> None:
        searched = max(0, len(self._block) - 3)
        self._block += data
        while self._phase is _HEAD:
            end = self._block.find(b"\r\n\r\n", searched)
            searched = 0
            if not self._block.startswith(b"HTTP/1."[: len(self._block)]):
                raise Malformed("it does not begin like HTTP/1.x")
            if (len(self._block) if end < 0 else end) > LARGEST_HEAD_BYTES:
                raise Malformed(f"headers of more than {LARGEST_HEAD_BYTES // 1024} KiB")
            if end < 0:
                return
            block, data = bytes(self._block[:end]), bytes(self._block[end + 4 :])
            self._block.clear()
            self._take_block(block)
            if self._phase is _HEAD:  # an interim answer: the real one follows
                self._block += data
                if not data:
                    return
        self._take_body(data)

    def _take_block(self, block: bytes) -> None:
        assert self.request is not None
        answers_head = self.request.is_head
        head = read_head(block, answers_head=answers_head)
        if head.body is Body.INTERIM:
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                raise Malformed("interim answers without end")
            return
        self._home.remember(block, head, answers_head=answers_head)
        self._phase = _BODY
        self._status, self._framing, self._remaining = head.status, head.body, head.length
        self.is_open = head.keeps_alive
        self._chunks = Chunks() if head.body is Body.CHUNKED else None

    def _take_body(self, data: bytes) -> None:
        if self._chunks is not None:
            self._chunks.feed(data)
            if self._chunks.is_complete:
                self._finish()
        elif self._framing is Body.LENGTH:
            self._remaining -= len(data)
            if self._remaining < 0:
                self._fail(Failure.PROTOCOL, SURPLUS)
            elif not self._remaining:
                self._finish()

    def _finish(self) -> None:
        """The answer is complete."""
        self._chunks = None
        if self._unsent:
            # It came before the request was sent, so the connection is still in the middle of it.
            self._unsent = b""
            self.is_open = False
        if self.is_open:
            self._phase = _IDLE
        else:
            self.close()
        self._answered(self, self._status)

    def _fail(self, failure: Failure, detail: str) -> None:
        self.close()
        self._owner.failed(self, failure, detail)
