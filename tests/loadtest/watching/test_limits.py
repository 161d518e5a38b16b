"""What limits a real service is named where it can be seen: its threads, and the network to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import httpx
import pytest
from fastapi import FastAPI, Response

from keiko_perf import PerformanceMonitor
from keiko_perf.loadtest import ConstantRate, Plan, Result, Step, run_in_own_loop
from keiko_perf.loadtest.watching.link import Interface, link_to
from keiko_perf.loadtest.watching.meanwhile import Meanwhile
from keiko_perf.loadtest.watching.telemetry import LINK_IN_S, LINK_OUT_S
from keiko_perf.loadtest.watching.watched import Watched, watched
from keiko_perf.loadtest.watching.watcher import Watcher, begun_s
from keiko_perf.model import Kind, Limitation, Resource, Window, bottleneck
from keiko_perf.model.usage import INSIDE, WAY
from keiko_perf.render import phrase

Serve = Callable[[Any], AbstractContextManager[str]]

THREADS, HOLD_S = 3, 0.05
ANSWER_BYTES, LINK_BYTES_PER_S = 10_000, 200_000
LATE_S = 0.5


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


app = FastAPI(lifespan=lifespan)
PerformanceMonitor().install(app)


@app.get("/threaded")
def threaded() -> None:
    time.sleep(HOLD_S)


@app.get("/large")
async def large() -> Response:
    return Response(bytes(ANSWER_BYTES))


@pytest.fixture(scope="module")
def url(serve: Serve) -> Iterator[str]:
    with serve(app) as served:
        yield served


def loaded(url: str, path: str, *, per_s: float, duration_s: float) -> Result:
    plan = Plan(
        base_url=url,
        steps=(Step(path=path),),
        load=ConstantRate(per_s),
        duration_s=duration_s,
        timeout_s=30,
        connections=500,
    )
    return run_in_own_loop(plan)


def test_handlers_without_async_that_wait_for_a_thread_name_the_thread_pool(url: str) -> None:
    with Meanwhile(watch=url, database=None) as meanwhile:
        loaded(url, "/threaded", per_s=20, duration_s=1)  # from the first on it is told of them
        seen = meanwhile.watched(loaded(url, "/threaded", per_s=100, duration_s=4))
    assert seen is not None
    assert seen.window is not None
    found = bottleneck([seen.window])
    assert found.answer is Limitation.NAMED, seen.window
    assert found.first is not None
    assert found.first.resource is Resource.THREADS
    assert found.first.use.capacity == THREADS
    # A busy machine sleeps for longer: the ceiling is never above that of threads that are awake.
    assert found.first.ceiling_per_s is not None
    assert found.first.ceiling_per_s <= THREADS / HOLD_S * 1.1
    assert phrase(found.sentence).startswith("thread pool: ")


class Throttle:
    """A way to a service that carries so much and no more, and knows how much it carried."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = parts.hostname, parts.port
        self._sent = 0
        self._free_s = 0.0

    def used_s(self) -> Mapping[str, float]:
        return {LINK_IN_S: self._sent / LINK_BYTES_PER_S, LINK_OUT_S: 0.0}

    @contextmanager
    def open(self) -> Iterator[str]:
        """It runs in a thread of its own."""
        with socket.create_server(("127.0.0.1", 0)) as listener, asyncio.Runner() as runner:
            loop = runner.get_loop()
            ended = asyncio.Event()
            thread = threading.Thread(target=lambda: runner.run(self._serve(listener, ended)))
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                loop.call_soon_threadsafe(ended.set)
                thread.join(20)

    async def _serve(self, listener: socket.socket, ended: asyncio.Event) -> None:
        server = await asyncio.start_server(self._pass, sock=listener)
        await ended.wait()
        server.close()

    async def _pass(self, asked: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_connection(*self._to)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._carry(asked, writer, is_slow=False), self._carry(reader, answer, is_slow=True)
            )

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_slow: bool
    ) -> None:
        while data := await source.read(1500):
            if is_slow:
                # One after the other through the same pipe, however many connections there are.
                # What this thread came late for on a busy machine, a real one would have carried.
                now_s = time.monotonic()
                self._free_s = max(self._free_s, now_s - LATE_S) + len(data) / LINK_BYTES_PER_S
                await asyncio.sleep(self._free_s - now_s)
                self._sent += len(data)
            sink.write(data)
        sink.close()


def under(watcher: Watcher, url: str, *, per_s: float, duration_s: float) -> Window:
    """What was seen of the service under so much; for longer where it was not read twice."""
    for longer in (1, 2, 4, 8):
        found = window_of(
            watcher, loaded(url, "/large", per_s=per_s, duration_s=duration_s * longer)
        )
        if found is not None:
            return found
    raise AssertionError("the service does not answer its watcher")


def seen_by(watcher: Watcher, result: Result) -> Window:
    found = window_of(watcher, result)
    assert found is not None
    return found


def window_of(watcher: Watcher, result: Result) -> Window | None:
    return watched(
        watcher.readings,
        (),
        begun_s=begun_s(result),
        duration_s=result.duration_s,
        load_s=result.planned_s,
        outside=Window(rate_per_s=result.response.count / result.duration_s),
        answered_s=result.service.succeeded.mean_s,
    ).window


def test_a_link_that_is_full_is_named_and_where_its_speed_is_not_known_the_way_is(
    url: str,
) -> None:
    way = Throttle(url)
    with way.open() as through, Watcher(url, link=lambda _host, _port: way) as watcher:
        light = under(watcher, through, per_s=5, duration_s=2)
        heavy = under(watcher, through, per_s=40, duration_s=4)
    found = bottleneck([light, heavy])
    assert found.answer is Limitation.NAMED, heavy
    assert found.first is not None
    assert found.first.resource is Resource.NETWORK
    assert found.first.ceiling_per_s == pytest.approx(LINK_BYTES_PER_S / ANSWER_BYTES, rel=0.2)
    assert heavy.phases[WAY] > 2 * heavy.phases[INSIDE]

    # The same, had nobody known how fast it is.
    unknown = [
        replace(one, uses=tuple(use for use in one.uses if use.resource is not Resource.NETWORK))
        for one in (light, heavy)
    ]
    found = bottleneck(unknown)
    assert (found.answer, found.phase) == (Limitation.OUTSIDE, WAY)
    assert "the way between load generator and service" in phrase(found.sentence)


def test_another_service_that_is_full_is_what_grew(serve: Serve) -> None:
    places = asyncio.Semaphore(2)
    upstream = FastAPI()

    @upstream.get("/stock")
    async def stock() -> None:
        async with places:
            await asyncio.sleep(HOLD_S)

    client = httpx.AsyncClient(timeout=30)

    @asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    shop = FastAPI(lifespan=closing)
    monitor = PerformanceMonitor(attribution=True)
    monitor.watch_client(client)
    monitor.install(shop)

    @shop.get("/")
    async def page() -> None:
        await client.get(f"{behind}/stock")

    with serve(upstream) as behind, serve(shop) as url, Watcher(url) as watcher:
        light = seen_by(watcher, loaded(url, "/", per_s=4, duration_s=2))
        heavy = seen_by(watcher, loaded(url, "/", per_s=50, duration_s=4))
    found = bottleneck([light, heavy])
    assert (found.answer, found.phase) == (Limitation.OUTSIDE, Kind.IN_HTTP.value)
    assert sum(heavy.phases[one] for one in (Kind.IN_HTTP.value, INSIDE)) == pytest.approx(
        heavy.response_s or 0.0
    )


def test_of_the_loopback_nobody_knows_the_speed_nor_of_a_host_that_is_not_found() -> None:
    assert link_to("127.0.0.1", 80) is None
    assert link_to("no-such-host.invalid", 80) is None


def test_what_passes_an_interface_takes_its_time() -> None:
    interface = Interface("lo", bytes_per_s=1000.0)
    before = interface.used_s()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as one:
            other, _ = listener.accept()
            with other:
                one.sendall(bytes(5000))
                received = 0
                while received < 5000:
                    received += len(other.recv(5000))
        after = interface.used_s()
    assert after[LINK_IN_S] - before[LINK_IN_S] >= 5.0
    assert after[LINK_OUT_S] - before[LINK_OUT_S] >= 5.0
    assert Interface("none", bytes_per_s=1.0).used_s() == {}


def test_the_phases_of_a_request_are_kept_in_the_file() -> None:
    window = Window(rate_per_s=1.0, response_s=0.1, phases={INSIDE: 0.1, WAY: 0.2})
    seen = Watched(window=window)
    assert Watched.from_dict(seen.to_dict()) == seen
