"""
HTTP/1.1 over keep-alive connections, to one target.

The transport knows the way to the target and what its connections have in common: TLS, the
header blocks that were seen, what is open. The protocol itself is in `connection`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping

from keiko_perf.loadtest.engine import malloc
from keiko_perf.loadtest.engine.instants import Instants, stamp
from keiko_perf.loadtest.engine.stamping import wants_stamps
from keiko_perf.loadtest.http import tls
from keiko_perf.loadtest.http.collecting import collecting
from keiko_perf.loadtest.http.connection import Http1Channel
from keiko_perf.loadtest.http.detour import FollowingChannel, ForwardedChannel
from keiko_perf.loadtest.http.framing import Body, Head, read_plain_head
from keiko_perf.loadtest.http.home import Known, Repeated
from keiko_perf.loadtest.http.prompted import prompted
from keiko_perf.loadtest.http.proxy import Forwarding, Proxy, proxy_for
from keiko_perf.loadtest.http.ways import Resolve, TcpWay, TunnelWay, UnixWay, Way, resolver
from keiko_perf.loadtest.pacer import Users
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.target import Target
from keiko_perf.loadtest.transport import Channel, Owner

_MOST_REMEMBERED = 512
_CLOSING_S = 5.0


class HttpTransport:
    """
    Connections to one target.

    Args:
        plan: says where, how, and whether the target is the caller's own.
        tls: how https is verified; what the plan says if None.
        environment: where a proxy is named, if the plan asks for one; this process' if None.
        resolve: finds the addresses of a name; the system's DNS if None.
        clock: that of the owners of its channels.
        share: what of the plan is done over it.

    Connections that are not secured, over TCP, of a load that is slow enough, are read with the
    kernel's stamps (see `instants`); then `clock` becomes the one that these make.
    """

    is_in_process = False

    def __init__(
        self,
        plan: Plan,
        *,
        tls: ssl.SSLContext | None = None,
        environment: Mapping[str, str] | None = None,
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.perf_counter,
        share: Share | None = None,
    ) -> None:
        self.target: Target = plan.target
        self.clock = clock
        self.is_tls = self.target.is_tls
        self.follows = plan.follow_redirects
        self.known = Known()
        self.known_for_head = Known()
        self.repeated: Repeated = {}
        self.channels: set[Channel] = set()
        self.connections: set[asyncio.BaseTransport] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.instants: Instants | None = None
        self._plan = plan
        self._share = share or Share()
        self._keeper: socket.socket | None = None
        self._tls = tls
        self._environment = environment
        self._resolve = resolve or resolver(own_target=plan.own_target)
        self._way: Way | None = None
        self._forwarding: Forwarding | None = None
        self._heads: dict[bytes, Head] = {}
        self._channel: Callable[[HttpTransport, Owner], Http1Channel] = Http1Channel
        self._all_gone: asyncio.Future[None] | None = None

    async def open(self) -> None:
        if self.is_tls:
            malloc.keep_memory()
            self._tls = self._tls or tls.context(self._plan.tls)
        proxy = self._proxy()
        self._stamp()
        self._way = self._find_way(proxy)
        await self._way.find()
        if proxy is not None and not self._plan.own_target:
            # The proxy resolves the name by itself: what this machine knows is the best check.
            await self._resolve(self.target.host, self.target.port)
        if proxy is not None and not self.is_tls:
            self._forwarding = Forwarding(self.target, proxy)
            self._channel = ForwardedChannel
        elif self.follows:
            self._channel = FollowingChannel
        elif self._plan.scenarios:
            self._channel = collecting
        elif isinstance(self._plan.load, Users):
            self._channel = prompted

    def channel(self, owner: Owner) -> Channel:
        channel = self._channel(self, owner)
        self.channels.add(channel)
        return channel

    async def close(self) -> None:
        for channel in tuple(self.channels):
            channel.close()
        if self.tasks:
            await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.connections:
            self._all_gone = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._all_gone,), timeout=_CLOSING_S)
        if self._keeper is not None:
            self._keeper.close()

    # What connections call

    async def connect(self, channel: asyncio.Protocol) -> None:
        """
        Connect *channel*.

        Raises:
            OSError: nobody took the connection; of several errors, the last one.
            KeikoError: the name could not be resolved again.
        """
        assert self._way is not None
        await self._way.connect(channel)

    def doubt(self) -> None:
        """A connection took too long to be made."""
        assert self._way is not None
        self._way.doubt()

    def gone(self, connection: asyncio.BaseTransport) -> None:
        """A socket was closed."""
        self.connections.discard(connection)
        if not self.connections and self._all_gone is not None and not self._all_gone.done():
            self._all_gone.set_result(None)

    def remember(self, block: bytes, head: Head, *, answers_head: bool) -> None:
        """Keep what *block* means, where that is a length and nothing else."""
        if head.body is not Body.LENGTH or not head.keeps_alive:
            return
        if self.follows and 300 <= head.status < 400:
            return  # it may not be the end
        known = self.known_for_head if answers_head else self.known
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[block] = head.status, head.length

    def learn(self, block: bytes) -> tuple[int, int] | None:
        """What *block* means, if that is seen at a glance; from now on it is known."""
        meaning = read_plain_head(block)
        if meaning is None or (self.follows and 300 <= meaning[0] < 400):
            return None
        if len(self.known) >= _MOST_REMEMBERED:
            self.known.clear()
        self.known[block] = meaning
        return meaning

    def recall(self, block: bytes) -> Head | None:
        """What *block* was found to mean before, headers and all."""
        return self._heads.get(block)

    def remember_fields(self, block: bytes, head: Head) -> None:
        """Keep what *block* means, headers and all, for answers that are read."""
        if len(self._heads) >= _MOST_REMEMBERED:
            self._heads.clear()
        self._heads[block] = head

    def forwarded(self, request: Request) -> Request:
        """*request* in the form in which a proxy is asked."""
        assert self._forwarding is not None
        return self._forwarding.rewrite(request)

    # How it gets there

    def _stamp(self) -> None:
        """Have answers stamped, where that is possible and there is time for it."""
        is_ours = self.clock is time.perf_counter and not self.is_tls
        if not is_ours or self.target.unix_socket or not wants_stamps(self._plan, self._share):
            return
        # The kernel changes its own code when the first socket wants stamps and when the last one
        # does not any more. That is not to happen between two requests.
        try:
            self._keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        except OSError:  # connections will not be made either, and will say so
            return
        if stamp(self._keeper):
            self.instants = Instants()
            self.clock = self.instants.last

    def _proxy(self) -> Proxy | None:
        if not self._plan.uses_proxy:
            return None
        return proxy_for(
            self.target, os.environ if self._environment is None else self._environment
        )

    def _find_way(self, proxy: Proxy | None) -> Way:
        target, secured = self.target, self._tls if self.is_tls else None
        name = self._plan.tls.server_name or target.host
        if target.unix_socket:
            return UnixWay(target.unix_socket, tls=secured, server_name=name)
        resolves_each = self._plan.resolves_each
        if proxy is None:
            return TcpWay(
                target.host,
                target.port,
                resolve=self._resolve,
                resolves_each=resolves_each,
                tls=secured,
                server_name=name,
                instants=self.instants,
            )
        outer = TcpWay(
            proxy.host,
            proxy.port,
            resolve=self._resolve,
            resolves_each=resolves_each,
            instants=self.instants,
        )
        if secured is None:
            return outer
        return TunnelWay(outer, proxy, target, tls=secured, server_name=name)
