"""
Stamped: a TCP connection that knows when its bytes left and when they came.

An event loop's own transports put off what is written to the end of their turn, and do not hand on
what the kernel says beside the bytes. This one writes at once, and reads the kernel's stamps. That
takes some microseconds more for each request, so it is for loads that leave time for it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import cast

from keiko_perf.loadtest.engine.instants import ROOM_BYTES, Instants, stamp

_READ_BYTES = 64 * 1024
_HIGH_BYTES, _LOW_BYTES = 64 * 1024, 16 * 1024  # asyncio's own, of what waits to be written

_TRY_AGAIN = (BlockingIOError, InterruptedError)


async def connect(protocol: asyncio.Protocol, address: str, port: int, instants: Instants) -> None:
    """
    Connect *protocol* to a numeric address.

    Raises:
        OSError: nobody takes the connection.
    """
    loop = asyncio.get_running_loop()
    family, kind, _, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp(sock)
        await loop.sock_connect(sock, where)
        connection = Stamped(loop, sock, protocol, instants)
    except BaseException:
        sock.close()
        raise
    protocol.connection_made(connection)


class Stamped(asyncio.Transport):
    """
    One connection, which owns its socket.

    It keeps what asyncio promises of a transport, where the load engine asks for it: `write` and
    `abort` never call the protocol back, but for `pause_writing`, and `connection_lost` is the last
    call and comes once.
    """

    __slots__ = (
        "_instants",
        "_is_paused",
        "_loop",
        "_protocol",
        "_receive",
        "_send",
        "_socket",
        "_unsent",
        "_wrote",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        protocol: asyncio.Protocol,
        instants: Instants,
    ) -> None:
        super().__init__({"socket": sock})
        self._loop = loop
        self._socket: socket.socket | None = sock
        self._protocol: asyncio.Protocol | None = protocol
        self._instants = instants
        self._receive = sock.recvmsg
        self._send = sock.send
        self._unsent = bytearray()
        self._is_paused = False
        self._wrote = 0.0
        loop.add_reader(sock, self._read)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._unsent or self._socket is None:
            self._keep(data)
            return
        instants, clock, send = self._instants, time.perf_counter, self._send
        until = instants.not_before
        now = clock()
        try:
            if now < until:
                send(b"")  # nothing leaves, and the way there is in the caches when it counts
            while now < until:
                now = clock()
            size = send(data)
        except _TRY_AGAIN:
            size = 0
        except OSError as error:
            self._end(error)
            return
        instants.sent = self._wrote = now
        if size < len(data):
            self._keep(memoryview(data)[size:])

    def abort(self) -> None:
        self._end(None)

    def close(self) -> None:
        """As `abort`: what could not be sent yet is not sent any more."""
        self._end(None)

    def is_closing(self) -> bool:
        return self._socket is None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.Protocol", protocol)

    # What the event loop calls

    def _read(self) -> None:
        try:
            data, ancillary, _, _ = self._receive(_READ_BYTES, ROOM_BYTES)
        except _TRY_AGAIN:
            return
        except OSError as error:
            self._end(error)
            return
        self._instants.came(ancillary, after=self._wrote)
        if self._protocol is None:
            return
        if data:
            self._protocol.data_received(data)
        elif not self._protocol.eof_received():
            self._end(None, self._instants.received)

    def _write_on(self) -> None:
        try:
            size = self._send(self._unsent)
        except _TRY_AGAIN:
            return
        except OSError as error:
            self._end(error)
            return
        del self._unsent[:size]
        if not self._unsent and self._socket is not None:
            self._loop.remove_writer(self._socket)
        if self._is_paused and len(self._unsent) <= _LOW_BYTES and self._protocol is not None:
            self._is_paused = False
            self._protocol.resume_writing()

    def _keep(self, data: bytes | bytearray | memoryview) -> None:
        """Write *data* as soon as the connection takes it."""
        if self._socket is None:
            return
        if not self._unsent:
            self._loop.add_writer(self._socket, self._write_on)
        self._unsent += data
        if not self._is_paused and len(self._unsent) > _HIGH_BYTES and self._protocol is not None:
            self._is_paused = True
            self._protocol.pause_writing()

    def _end(self, error: Exception | None, at: float | None = None) -> None:
        """
        Close the socket now, and tell the protocol in the next turn of the loop.

        What ended at *at*, or else now, did not end when others of this transport read last.
        """
        sock, self._socket = self._socket, None
        if sock is None:
            return
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        sock.close()
        self._unsent.clear()
        self._loop.call_soon(self._tell, error, time.perf_counter() if at is None else at)

    def _tell(self, error: Exception | None, at: float) -> None:
        # Garbage is not collected while load is generated, so the two let go of each other.
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            self._instants.received = at
            protocol.connection_lost(error)
