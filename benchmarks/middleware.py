"""
What the middleware adds to a request: CPU nanoseconds, in process, beside BaseHTTPMiddleware.

One request is one call of an ASGI application that answers at once with 13 bytes; the server is
a `receive` and a `send` that do nothing. Each variant is a tight loop of such calls, driven
without an event loop where it can be. The variants take turns, so that a change of the machine's
clock rate hits all of them, and the median of the rounds is printed.

    python benchmarks/middleware.py [rounds]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder

REQUESTS = 3_000
ROUNDS = 15
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"Hello, world!", "more_body": False}
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/agents/4711",
    "root_path": "",
    "query_string": b"",
    "headers": [],
}
App = Callable[[Any, Any, Any], Awaitable[None]]


class Agent:
    """What a router leaves in the scope."""

    endpoint = None
    path_format = "/agents/{agent_id}"


async def bare(scope: Any, receive: Any, send: Any) -> None:
    scope["route"] = Agent
    await send(START)
    await send(BODY)


class PassThrough(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        started_s = time.perf_counter()
        response = await call_next(request)
        self.took_s = time.perf_counter() - started_s
        return response


async def answer(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("Hello, world!")


def starlette() -> Starlette:
    return Starlette(routes=[Route("/agents/{agent_id}", answer)])


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    return None


async def drive(app: App) -> float:
    """CPU nanoseconds a request."""
    started_ns = time.process_time_ns()
    for _ in range(REQUESTS):
        await app(dict(SCOPE), receive, send)
    return (time.process_time_ns() - started_ns) / REQUESTS


def measure(variants: dict[str, App], rounds: int) -> dict[str, float]:
    """The median CPU nanoseconds a request of each variant, which take turns."""
    samples: dict[str, list[float]] = {name: [] for name in variants}
    with asyncio.Runner() as runner:
        for app in variants.values():
            runner.run(drive(app))
        for _ in range(rounds):
            for name, app in variants.items():
                samples[name].append(runner.run(drive(app)))
    return {name: median(values) for name, values in samples.items()}


def main(rounds: int) -> None:
    watched_starlette, slow_starlette = starlette(), starlette()
    watched_starlette.add_middleware(PerfMiddleware, recorder=Recorder())
    slow_starlette.add_middleware(PassThrough)
    took = measure(
        {
            "bare": bare,
            "bare + PerfMiddleware": PerfMiddleware(bare, Recorder()),
            "bare + BaseHTTPMiddleware": PassThrough(bare),
            "Starlette": starlette(),
            "Starlette + PerfMiddleware": watched_starlette,
            "Starlette + BaseHTTPMiddleware": slow_starlette,
        },
        rounds,
    )
    print(f"CPU time a request, median of {rounds} interleaved rounds of {REQUESTS} requests")
    print(f"{'':34}{'ns':>10}{'added ns':>12}")
    for name, ns in took.items():
        without = took[name.partition(" + ")[0]]
        print(f"{name:34}{ns:10,.0f}{ns - without:12,.0f}")
    for app in ("bare", "Starlette"):
        ours, theirs = (
            took[f"{app} + {name}"] - took[app] for name in ("PerfMiddleware", "BaseHTTPMiddleware")
        )
        print(f"{app}: BaseHTTPMiddleware adds {theirs / ours:.0f} times as much")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
