"""
Server: answers when a formula says, and measures itself, so that a client's figures have a truth.

    python benchmarks/loadgen_server.py steady 0.001
    python benchmarks/loadgen_server.py freeze 0.001 20 25      from and to, after the first request
    python benchmarks/loadgen_server.py mm1 0.01 7              mean service time, seed

It prints its port. `GET /stats` is a list of what it measured from the arrival of each request to
its answer, in seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import cast

import uvloop

from keiko_perf.loadtest.engine.alarm import punctual_alarm
from keiko_perf.loadtest.engine.quiet import quiet

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def steady(service_s: float) -> Callable[[float], float]:
    return lambda now: now + service_s


def freeze(service_s: float, from_s: float, to_s: float) -> Callable[[float], float]:
    begun = None

    def done(now: float) -> float:
        nonlocal begun
        begun = begun or now
        done_at = now + service_s
        is_frozen = begun + from_s < done_at and now < begun + to_s
        return begun + to_s + service_s if is_frozen else done_at

    return done


def mm1(mean_s: float, seed: float) -> Callable[[float], float]:
    random, free = Random(int(seed)), 0.0

    def done(now: float) -> float:
        nonlocal free
        free = max(free, now) + random.expovariate(1 / mean_s)
        return free

    return done


KINDS: dict[str, Callable[..., Callable[[float], float]]] = {
    "steady": steady,
    "freeze": freeze,
    "mm1": mm1,
}


class Service:
    """Holds each answer back until it is due."""

    def __init__(self, done: Callable[[float], float]) -> None:
        self.done = done
        self.measured = array("d")
        self._due: list[tuple[float, int, float, asyncio.Transport]] = []
        self._number = 0
        self._alarm = punctual_alarm(asyncio.get_running_loop(), self._ring)

    def asked(self, transport: asyncio.Transport) -> None:
        now = time.perf_counter()
        self._number += 1
        heappush(self._due, (self.done(now), self._number, now, transport))
        self._set()

    def _ring(self) -> None:
        now = time.perf_counter()
        while self._due and self._due[0][0] <= now:
            _, _, came, transport = heappop(self._due)
            transport.write(ANSWER)
            now = time.perf_counter()
            self.measured.append(now - came)
        self._set()

    def _set(self) -> None:
        if self._due:
            self._alarm.set(self._due[0][0] - time.perf_counter())


class Connection(asyncio.Protocol):
    def __init__(self, service: Service) -> None:
        self._service = service
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of its class

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(b"GET /stats"):
                body = json.dumps(self._service.measured.tolist()).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                self._transport.write(head + body)
            else:
                self._service.asked(self._transport)


async def main(kind: str, *values: float) -> None:
    service = Service(KINDS[kind](*values))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with quiet():
        uvloop.run(main(sys.argv[1], *map(float, sys.argv[2:])))
