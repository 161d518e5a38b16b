"""
Ways: how a connection to the target is made: over TCP, a unix socket, or through a proxy.

A way is found once, when a run starts, and then makes any number of connections. Whom a way leads
to is checked before the first byte is sent: see `address`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from errno import ECONNREFUSED
from typing import Protocol, cast

from keiko_perf.loadtest.engine.instants import Instants
from keiko_perf.loadtest.http import stamped
from keiko_perf.loadtest.http.address import resolve
from keiko_perf.loadtest.http.framing import read_head
from keiko_perf.loadtest.http.proxy import Proxy
from keiko_perf.loadtest.target import Target
from keiko_perf.loadtest.transport import Malformed

Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
_LONGEST_ANSWER_BYTES = 16 * 1024  # of a proxy to CONNECT


class ProxyRefused(ConnectionError):
    """The proxy makes no connection to the target; the words say what it answered."""


class Way(Protocol):
    """Makes connections."""

    async def find(self) -> None:
        """
        Look where it leads, before the first connection.

        Raises:
            ServiceUnavailable: nowhere.
            UsageError: to somebody who may not be put under load.
        """

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """
        Make a connection that *protocol* talks over.

        Raises:
            OSError: nobody takes it.
            KeikoError: a name could not be resolved again.
        """

    def doubt(self) -> None:
        """A connection was given up while it was made: prefer another address from now on."""


class TcpWay:
    """
    To a host and port, trying the address first that answered last.

    Args:
        host: a name or an address.
        port: its port.
        resolve: finds the addresses, and refuses those that may not be put under load.
        resolves_each: ask DNS again for every connection and not once.
        tls: how the connection is secured, or None.
        server_name: whom TLS asks for, and whose certificate it expects.
        instants: what connections that are not secured tell when their bytes came and left; None
            makes them the event loop's own.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        resolve: Resolve,
        resolves_each: bool = False,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        instants: Instants | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._resolve = resolve
        self._resolves_each = resolves_each
        self._tls = tls
        self._server_name = server_name if tls else None
        self._instants = None if tls else instants
        self._addresses: tuple[str, ...] = ()
        self._best = 0

    async def find(self) -> None:
        self._addresses = await self._resolve(self._host, self._port)

    async def connect(self, protocol: asyncio.Protocol) -> None:
        if self._resolves_each:
            await self.find()
        addresses, best = self._addresses, self._best
        for attempt in range(len(addresses)):
            at = (best + attempt) % len(addresses)
            try:
                await self._connect(protocol, addresses[at])
            except OSError:
                if attempt == len(addresses) - 1:
                    raise
            else:
                self._best = at
                return

    def doubt(self) -> None:
        self._best += 1

    async def _connect(self, protocol: asyncio.Protocol, address: str) -> None:
        if self._instants is not None:
            await stamped.connect(protocol, address, self._port, self._instants)
            return
        await asyncio.get_running_loop().create_connection(
            lambda: protocol,
            address,
            self._port,
            ssl=self._tls,
            server_hostname=self._server_name,
        )


class UnixWay:
    """To a socket in the file system."""

    def __init__(self, path: str, *, tls: ssl.SSLContext | None, server_name: str | None) -> None:
        self._path = path
        self._tls = tls
        self._server_name = server_name if tls else None

    async def find(self) -> None:
        """There is nothing to look up, and it is always this machine's."""

    async def connect(self, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(
                lambda: protocol, self._path, ssl=self._tls, server_hostname=self._server_name
            )
        except BlockingIOError as error:
            # The queue of the listener is full; over TCP this machine would have no port left.
            raise ConnectionRefusedError(ECONNREFUSED, "the queue is full") from error

    def doubt(self) -> None:
        pass


class TunnelWay:
    """Through a proxy that hands on the bytes (RFC 9110, 9.3.6), so that TLS is with the target."""

    def __init__(
        self,
        outer: Way,
        proxy: Proxy,
        target: Target,
        *,
        tls: ssl.SSLContext,
        server_name: str | None,
    ) -> None:
        self._outer = outer
        self._tls = tls
        self._server_name = server_name
        host = f"[{target.host}]" if ":" in target.host else target.host
        authority = f"{host}:{target.port}"
        head = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n"
        if proxy.authorization:
            head += f"proxy-authorization: {proxy.authorization}\r\n"
        self._wire = f"{head}\r\n".encode()

    async def find(self) -> None:
        await self._outer.find()

    async def connect(self, protocol: asyncio.Protocol) -> None:
        tunnel = _Tunnel(self._wire)
        await self._outer.connect(tunnel)
        try:
            await tunnel.is_open
            secured = await asyncio.get_running_loop().start_tls(
                tunnel.transport, protocol, self._tls, server_hostname=self._server_name
            )
        except BaseException:
            tunnel.transport.abort()
            raise
        assert secured is not None
        protocol.connection_made(secured)

    def doubt(self) -> None:
        self._outer.doubt()


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel, and waits for its answer."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._block = bytearray()
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._wire)

    def data_received(self, data: bytes) -> None:
        self._block += data
        end = self._block.find(b"\r\n\r\n")
        if end < 0 and len(self._block) <= _LONGEST_ANSWER_BYTES:
            return
        try:
            status = read_head(bytes(self._block[: max(end, 0)]), answers_head=True).status
        except Malformed:
            self._refuse("no HTTP")
        else:
            if not 200 <= status < 300:
                self._refuse(f"HTTP {status}")
            elif end + 4 < len(self._block):
                self._refuse("more than that the tunnel is open")
            elif not self.is_open.done():
                self.is_open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("nothing")

    def _refuse(self, what: str) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(ProxyRefused(f"the proxy answered {what}"))
            self.is_open.exception()  # whoever asked may be gone by now


def resolver(*, own_target: bool) -> Resolve:
    """What asks the system's DNS, and lets public addresses pass for the caller's own only."""

    async def resolve_checked(host: str, port: int) -> tuple[str, ...]:
        return await resolve(host, port, own_target=own_target)

    return resolve_checked
