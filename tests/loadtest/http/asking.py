"""Single requests over a transport, without an engine: what the owner is told, and what is left."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.loadtest import Channel, Failure, Plan
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.request import Request, compose

End = int | tuple[Failure, str]


@dataclass
class Asked:
    """How requests ended, one after the other, and the channels that carried them."""

    ends: list[End] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    lost: int = 0

    @property
    def end(self) -> End:
        (end,) = self.ends
        return end

    @property
    def channel(self) -> Channel:
        return self.channels[-1]


@dataclass
class Observed:
    """An observer that writes down what it is told, in seconds."""

    first_bytes: list[float] = field(default_factory=list)
    first_events: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def began(self, due: float, now: float) -> None:
        self.first_bytes.append(now - due)

    def event(self, due: float, before: float | None, now: float) -> None:
        if before is None:
            self.first_events.append(now - due)
        else:
            self.gaps.append(now - before)

    @property
    def events(self) -> int:
        return len(self.first_events) + len(self.gaps)


class OneAfterTheOther:
    """An owner that sends the next request when the one before it ended."""

    def __init__(self, transport: Any, requests: list[Request], timeout_s: float) -> None:
        self.asked = Asked()
        self._transport = transport
        self._requests = requests
        self._timeout_s = timeout_s
        self._over = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> Asked:
        self._next(None)
        await self._over
        return self.asked

    def answered(self, channel: Channel, status: int) -> None:
        self._ended(channel if channel.is_open else None, status)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        self._ended(None, (failure, detail))

    def lost(self, channel: Channel) -> None:
        self.asked.lost += 1

    def _ended(self, channel: Channel | None, end: End) -> None:
        assert self._timer is not None, "told twice"
        self._timer.cancel()
        self._timer = None
        self.asked.ends.append(end)
        self._next(channel)

    def _next(self, channel: Channel | None) -> None:
        if not self._requests:
            self._over.set_result(None)
            return
        if channel is None:
            channel = self._transport.channel(self)
            self.asked.channels.append(channel)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._timeout_s, channel.expire)
        channel.due = channel.sent = time.perf_counter()
        before = len(self.asked.ends)
        channel.send(self._requests.pop(0))
        assert len(self.asked.ends) == before, "told from within send"


async def ask(
    url: str | Plan,
    *requests: Request,
    timeout_s: float = 10,
    transport: Any = None,
    **plan: Any,
) -> Asked:
    """Ask *requests*, or the root of *url* once."""
    plan_ = url if isinstance(url, Plan) else Plan(base_url=url, duration_s=1, **plan)
    transport = transport or HttpTransport(plan_)
    try:
        await transport.open()
        wanted = list(requests) or [compose(plan_.target, "/")]
        return await OneAfterTheOther(transport, wanted, timeout_s).run()
    finally:
        await transport.close()


def get(path: str = "/", **options: Any) -> Request:
    """A request to whatever target: the servers of these tests look at no Host."""
    return compose(Plan(base_url="http://127.0.0.1", duration_s=1).target, path, **options)
