"""
What watching a request costs, beside the peers: CPU in process and end to end, memory, accuracy.

One application, a FastAPI service with a route that answers at once, is watched by nothing, by
PerfMiddleware, by a BaseHTTPMiddleware that only takes the time, by OpenTelemetry's metrics, and by
prometheus-fastapi-instrumentator. In process, one request is one call of it; end to end it is
served by uvicorn, and the CPU time is that of the server's process. All take turns, some hundred
requests each, and what is added is the median of the differences to the unwatched one next to it.

In process it is one application with a stack of middleware for each: two equal applications differ
by one or two microseconds, by where their routers lie in memory. It is unwatched twice, which shows
the noise, and behind steps on the way to ours: what any middleware costs that is a coroutine, that
reads the clock, that sees the messages. Around an application that does nothing all of it costs a
third: FastAPI's own work leaves nothing of anybody else's in the processor's caches, and so does a
service's. Then: the memory of a series, and how far quantiles of a heavy tail are off. The peers
are installed into a folder that is removed afterwards.

    python benchmarks/middleware.py [--rounds 60] [--without-server]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import math
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

PEERS = (
    "prometheus-fastapi-instrumentator",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-asgi",
)
REQUESTS = 400  # as many as ours counts together
SERVED = 200
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/agents/4711",
    "raw_path": b"/agents/4711",
    "root_path": "",
    "query_string": b"",
    "headers": [(b"host", b"service"), (b"user-agent", b"benchmark")],
    "server": ("127.0.0.1", 80),
    "client": ("127.0.0.1", 4711),
}
App = Callable[[Any, Any, Any], Awaitable[None]]

# The services


def service() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/agents/{agent_id}")
    async def agent(agent_id: int) -> PlainTextResponse:
        return PlainTextResponse("Hello, world!")

    return app


def watched_by_us(app: Any) -> Any:
    from keiko_perf.monitoring.middleware import PerfMiddleware
    from keiko_perf.monitoring.recorder import Recorder

    app.add_middleware(PerfMiddleware, recorder=Recorder())
    return app


def watched_by_base(app: Any) -> Any:
    from starlette.middleware.base import BaseHTTPMiddleware

    class Timed(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            started_s = time.perf_counter()
            response = await call_next(request)
            self.took_s = time.perf_counter() - started_s
            return response

    app.add_middleware(Timed)
    return app


def watched_by_prometheus(app: Any) -> Any:
    from prometheus_client import CollectorRegistry
    from prometheus_fastapi_instrumentator import Instrumentator

    Instrumentator(registry=CollectorRegistry()).instrument(app)
    return app


def watched_by_opentelemetry(app: Any) -> Any:
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.trace import NoOpTracerProvider

    app.add_middleware(
        OpenTelemetryMiddleware,
        meter_provider=MeterProvider([InMemoryMetricReader()]),
        tracer_provider=NoOpTracerProvider(),
    )
    return app


WATCHED: dict[str, Callable[[Any], Any]] = {
    "nothing": lambda app: app,
    "PerfMiddleware": watched_by_us,
    "BaseHTTPMiddleware": watched_by_base,
    "prometheus-fastapi-instrumentator": watched_by_prometheus,
    "OpenTelemetry metrics": watched_by_opentelemetry,
}


# Steps on the way to ours


class Passing:
    """What any middleware costs that is a coroutine."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Timing(Passing):
    """The same, with two readings of the clock."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        started_s = time.monotonic()
        await self.app(scope, receive, send)
        self.took_s = time.monotonic() - started_s


class Exchange:
    """One request of `Seeing`."""

    __slots__ = ("send", "started_s", "status", "took_s")

    def see(self, message: Any) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif not message.get("more_body"):
            self.took_s = time.monotonic() - self.started_s
        send = self.send
        return send(message)


class Seeing(Passing):
    """The same, with the clock stopped at the last message, and the status; nothing is kept."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange()
        exchange.send = send
        exchange.started_s = time.monotonic()
        await self.app(scope, receive, exchange.see)


def behind(step: Any) -> Callable[[Any], Any]:
    def watch(app: Any) -> Any:
        app.add_middleware(step)
        return app

    return watch


STEPS: dict[str, Callable[[Any], Any]] = {
    "(unwatched again)": lambda app: app,
    "(a coroutine)": behind(Passing),
    "(two clock readings)": behind(Timing),
    "(status, last message)": behind(Seeing),
}


# In process


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    return None


async def drive(app: App, requests: int = REQUESTS) -> float:
    """CPU microseconds a request."""
    started_ns = time.process_time_ns()
    for _ in range(requests):
        await app(dict(SCOPE), receive, send)
    return (time.process_time_ns() - started_ns) / requests / 1000


def bare() -> tuple[App, App]:
    """An application that does next to nothing, and the same watched by us: our own cost alone."""
    from keiko_perf.monitoring.middleware import PerfMiddleware
    from keiko_perf.monitoring.recorder import Recorder

    start = {"type": "http.response.start", "status": 200, "headers": []}
    body = {"type": "http.response.body", "body": b"Hello, world!", "more_body": False}
    route = type("Route", (), {"endpoint": None, "path_format": "/agents/{agent_id}"})
    left = {"route": route, "path_params": {"agent_id": 4711}, "router": None}

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope.update(left)
        scope["endpoint"] = app
        await send(start)
        await send(body)

    return app, PerfMiddleware(app, Recorder())


def stacks() -> dict[str, App]:
    """One application, entered through a stack of middleware of each kind."""
    app = service()

    def entered(stack: App) -> App:
        async def enter(scope: Any, receive: Any, send: Any) -> None:
            scope["app"] = app
            await stack(scope, receive, send)

        return enter

    found = {}
    for name, watch in {**WATCHED, **STEPS}.items():
        app.user_middleware, app.middleware_stack = [], None
        found[name] = entered(watch(app).build_middleware_stack())
    return found


def in_process(rounds: int) -> dict[str, float]:
    """The CPU microseconds a request, of apps that take turns."""
    plain, ours = bare()
    apps = stacks() | {"(bare)": plain, "(bare) PerfMiddleware": ours}
    samples: dict[str, list[float]] = {name: [] for name in apps}
    with asyncio.Runner() as runner:
        for app in apps.values():
            runner.run(drive(app, 200))
        for _ in range(rounds):
            for name, app in apps.items():
                samples[name].append(runner.run(drive(app)))
    plainly = samples.pop("(bare)")
    alone = paired({"nothing": plainly, "ours": samples.pop("(bare) PerfMiddleware")})["ours"]
    return {**paired(samples), "(bare)": alone}


# End to end


def serve(name: str) -> None:
    """The server's process: serve one variant; each line on stdin asks for the CPU time by now."""
    import uvicorn

    config = uvicorn.Config(
        WATCHED[name](service()), port=0, log_level="warning", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(time.process_time_ns(), flush=True)
    server.should_exit = True
    thread.join(5)


class Served:
    """One variant behind uvicorn, and a connection to it."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", int(self._process.stdout.readline())
        )

    def cpu_us(self, requests: int) -> float:
        """The server's CPU microseconds a request."""
        before = self._cpu_ns()
        for _ in range(requests):
            self._connection.request("GET", "/agents/4711")
            assert self._connection.getresponse().read() == b"Hello, world!"
        return (self._cpu_ns() - before) / requests / 1000

    def close(self) -> None:
        self._connection.close()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _cpu_ns(self) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def end_to_end(rounds: int) -> dict[str, float]:
    served = {name: Served(name) for name in WATCHED}
    samples: dict[str, list[float]] = {name: [] for name in served}
    try:
        for one in served.values():
            one.cpu_us(200)
        for _ in range(rounds):
            for name, one in served.items():
                samples[name].append(one.cpu_us(SERVED))
    finally:
        for one in served.values():
            one.close()
    return paired(samples)


def paired(samples: dict[str, list[float]]) -> dict[str, float]:
    """What each adds: the median of the differences to what came next to it and is not watched."""
    plainly = samples["nothing"]
    added = {
        name: median(one - without for one, without in zip(values, plainly, strict=True))
        for name, values in samples.items()
    }
    return {**added, "nothing": median(plainly)}


def print_costs(title: str, added: dict[str, float]) -> None:
    print(f"\n{title}")
    print(f"  {'unwatched':36}{added['nothing']:9.1f} µs")
    ours = added["PerfMiddleware"]
    for name in WATCHED:
        if name != "nothing":
            ratio = "" if name == "PerfMiddleware" else f"{added[name] / ours:8.1f} × ours"
            print(f"  {name:36}{added[name]:9.1f} µs added{ratio}")
    for name in STEPS:
        if name in added:
            print(f"  {name:36}{added[name]:9.1f} µs added")


# Memory, and accuracy


def series_bytes(routes: int = 500, requests: int = 2_000) -> float:
    """The memory of one series, of a route whose times spread over three orders of magnitude."""
    from keiko_perf.monitoring.recorder import Recorder

    random_ = random.Random(7)
    durations = [min(random_.lognormvariate(-4.5, 1.0), 60.0) for _ in range(requests)]
    names = [f"GET /things-{number}" for number in range(routes)]
    recorder = Recorder(max_series=routes)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for name in names:
        for duration_s in durations:
            recorder.request(name, duration_s, sent_bytes=100)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / routes


DEFAULT_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, math.inf,
)  # fmt: skip
"""Those of Prometheus' Python client."""


def quantile_of_buckets(counts: list[int], q: float) -> float:
    """As PromQL's histogram_quantile does: linear within the bucket."""
    rank, below = q * sum(counts), 0
    for number, count in enumerate(counts):
        if below + count >= rank:
            upper = DEFAULT_BUCKETS[number]
            lower = DEFAULT_BUCKETS[number - 1] if number else 0.0
            if upper == math.inf:
                return lower
            return lower + (upper - lower) * (rank - below) / count
        below += count
    return DEFAULT_BUCKETS[-2]


def print_errors(n: int) -> None:
    from keiko_perf.model import Histogram

    random_ = random.Random(11)
    modes = [(0.0008, 0.3), (0.02, 0.6), (0.9, 1.1)]
    values = [
        min(max(random_.lognormvariate(math.log(mid), sigma), 1e-6), 3600.0)
        for mid, sigma in random_.choices(modes, weights=(70, 25, 5), k=n)
    ]
    ours = Histogram(values)
    counts = [0] * len(DEFAULT_BUCKETS)
    for value in values:
        counts[bisect_left(DEFAULT_BUCKETS, value)] += 1
    values.sort()
    print(f"\nQuantiles of {n:,} durations with a heavy tail")
    print(f"  {'':6}{'true':>10}{'ours':>12}{'error':>9}{'default buckets':>18}{'error':>9}")
    for q in (0.5, 0.9, 0.95, 0.99, 0.999):
        true, found = values[math.ceil(q * n) - 1], ours.quantile(q) or 0.0
        theirs = quantile_of_buckets(counts, q)
        print(
            f"  p{q * 100:<5g}{true * 1000:8.2f} ms{found * 1000:9.2f} ms{found / true - 1:9.2%}"
            f"{theirs * 1000:15.2f} ms{theirs / true - 1:9.0%}"
        )


def main(rounds: int, n: int, *, with_server: bool) -> None:
    from keiko_perf.monitoring import middleware

    is_compiled = not str(middleware.__file__).endswith(".py")
    print(f"PerfMiddleware runs {'compiled' if is_compiled else 'as plain Python'}")
    added = in_process(rounds)
    print_costs(f"In process, CPU a request, {rounds} interleaved rounds", added)
    print(
        f"  PerfMiddleware around an application that does nothing: {added['(bare)']:.1f} µs added"
    )
    if with_server:
        served = max(rounds // 3, 2)
        print_costs(
            f"Behind uvicorn, the server's CPU a request, {served} interleaved rounds",
            end_to_end(served),
        )
    print(f"\nA series of the recorder takes {series_bytes() / 1024:.1f} KiB")
    print_errors(n)


def with_peers() -> None:
    """Run again, with the peers where they can be imported."""
    with tempfile.TemporaryDirectory() as folder:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *PEERS]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        # Behind our own environment, so that FastAPI is the same for all.
        environment = {**os.environ, "KEIKO_PERF_PEERS": folder}
        command = [sys.executable, __file__, *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--durations", type=int, default=1_000_000)
    parser.add_argument("--without-server", action="store_true")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if "KEIKO_PERF_PEERS" not in os.environ:
        with_peers()
    sys.path.append(os.environ["KEIKO_PERF_PEERS"])
    if given.serve:
        serve(given.serve)
    else:
        main(given.rounds, given.durations, with_server=not given.without_server)
