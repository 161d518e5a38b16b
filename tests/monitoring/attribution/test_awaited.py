"""What requests are seen to await where nothing that is watched tells it."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from keiko_perf import PerformanceMonitor
from keiko_perf.fakes import in_virtual_time
from keiko_perf.model.awaited import AwaitedAt
from keiko_perf.monitoring.attribution.awaited import MOST_AT_ONCE, Awaited
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.process.loop import follow_loop
from keiko_perf.monitoring.recorder import Recorder


async def seen_of(app: FastAPI, going_on: asyncio.Event, *, requests: int = 1) -> Awaited:
    """What is seen of requests while they are under way."""
    monitor = PerformanceMonitor(attribution=True)
    monitor.install(app)
    awaited = Awaited(monitor.recorder.clock)  # the monitor's own looks at random
    awaited.accounts = monitor.recorder.awaited.accounts
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        under_way = [asyncio.create_task(client.get("/jobs/7")) for _ in range(requests)]
        for _ in range(500):  # until all of them stand in their handlers
            await asyncio.sleep(0)
        awaited.look()
        going_on.set()
        await asyncio.gather(*under_way)
    return awaited


def waiting(going_on: asyncio.Event) -> FastAPI:
    app = FastAPI()

    async def deeper() -> None:
        await going_on.wait()

    @app.get("/jobs/{job}")
    async def job(job: int) -> int:
        await deeper()
        return job

    return app


def only(awaited: Awaited) -> AwaitedAt:
    (one,) = awaited.since(60.0)
    return one


async def test_the_line_of_the_application_is_told_with_its_route_and_with_what_it_awaits() -> None:
    going_on = asyncio.Event()
    one = only(await seen_of(waiting(going_on), going_on))
    assert (one.route, one.looks) == ("GET /jobs/{job}", 1)
    assert one.place.endswith("deeper")
    assert "test_awaited.py" in one.place
    assert one.stack[-1].endswith("Event.wait")


async def test_of_who_waits_for_a_task_of_its_own_the_line_that_does_is_told() -> None:
    going_on = asyncio.Event()
    app = FastAPI()

    async def within() -> None:
        await going_on.wait()

    @app.get("/jobs/{job}")
    async def job(job: int) -> int:
        await asyncio.create_task(within())
        return job

    assert only(await seen_of(app, going_on)).place.endswith("job")


async def test_beneath_a_middleware_with_a_task_of_its_own_it_is_seen_as_well() -> None:
    going_on = asyncio.Event()
    app = waiting(going_on)

    class Passes(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next):  # type: ignore[no-untyped-def]
            return await call_next(request)

    app.add_middleware(Passes)
    assert only(await seen_of(app, going_on)).place.endswith("deeper")


async def test_what_hands_on_to_a_thread_is_not_the_place() -> None:
    going_on = asyncio.Event()
    app = FastAPI()

    @app.get("/jobs/{job}")
    def job(job: int) -> int:
        asyncio.run_coroutine_threadsafe(going_on.wait(), loop).result()
        return job

    loop = asyncio.get_running_loop()
    assert "anyio" not in only(await seen_of(app, going_on)).place


async def test_of_many_requests_a_few_are_looked_at() -> None:
    going_on = asyncio.Event()
    seen = await seen_of(waiting(going_on), going_on, requests=4 * MOST_AT_ONCE)
    assert only(seen).looks == MOST_AT_ONCE


async def test_nothing_is_kept_of_a_request_that_is_over() -> None:
    going_on = asyncio.Event()
    awaited = await seen_of(waiting(going_on), going_on)
    assert awaited.accounts == {}
    awaited.look()
    assert only(awaited).looks == 1


@pytest.mark.parametrize("last_s", [0.0, 5.0])
async def test_what_was_seen_before_the_time_in_question_is_not_told(last_s: float) -> None:
    now_s = 100.0
    awaited = Awaited(lambda: now_s)
    assert awaited.since(last_s) == ()


def test_requests_that_come_at_fixed_times_are_seen_as_often_as_they_await() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await PlainTextResponse("ok")(scope, receive, send)

    async def seen() -> int:
        clock = asyncio.get_running_loop().time
        recorder = Recorder(clock=clock)
        app = PerfMiddleware(handler, recorder=recorder, attribution=True)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            with follow_loop(recorder):
                for number in range(300):  # ten a second, and each takes half of the time
                    await asyncio.sleep(number / 10 - clock())
                    await client.get("/")
        return sum(one.looks for one in recorder.awaited.since(60.0))

    assert 75 < in_virtual_time(seen()) < 225  # 150 on average, 12 from that as a rule
