"""Server-sent events: answered with the first of them, and then neither slow nor under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.monitoring.middleware.serving import client, drive, only, request_scope, served

from keiko_perf.model import Kind, Outcome, Target
from keiko_perf.model.kpi import THROUGHPUT
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.attribution import Part
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder


class Clock:
    """Seconds that pass while something is waited for, and else not."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(clock=clock)


def words(clock: Clock, *, kind: str = "text/event-stream", breaks: bool = False) -> Route:
    """The answer of a language model: the first word after 0.1 s, nine more in 9 s."""

    async def told() -> AsyncIterator[bytes]:
        await clock.wait(0.1)
        yield b"data: first\n\n"
        for _ in range(9):
            await clock.wait(1.0)
            yield b"data: more\n\n"
        if breaks:
            raise RuntimeError("the model is gone")

    async def root(_request: Request) -> Response:
        return StreamingResponse(told(), media_type=kind)

    return Route("/", root)


async def test_how_long_they_go_on_is_no_response_time(recorder: Recorder, clock: Clock) -> None:
    async with client(served(recorder, words(clock))) as http:
        answer = await http.get("/")
    series = only(recorder)
    assert (series.count, series.errors, series.sent_bytes) == (1, 0, len(answer.content))
    assert series.sum_s == pytest.approx(0.1)
    (lasted,) = recorder.peek().of(Kind.STREAM)
    assert (lasted.name, lasted.sum_s) == ("GET /", pytest.approx(9.1))
    assert recorder.peek().counters == {"arrived": 1}
    assert recorder.in_flight == 0


async def test_of_another_answer_in_pieces_it_is(recorder: Recorder, clock: Clock) -> None:
    async with client(served(recorder, words(clock, kind="text/csv"))) as http:
        await http.get("/")
    assert only(recorder).sum_s == pytest.approx(9.1)
    assert recorder.peek().of(Kind.STREAM) == ()


async def test_one_that_breaks_off_has_failed(recorder: Recorder, clock: Clock) -> None:
    with pytest.raises(RuntimeError):
        await drive(served(recorder, words(clock, breaks=True)), request_scope())
    series = only(recorder)
    assert (series.count, series.errors) == (1, 1)
    assert recorder.in_flight == 0


async def test_subscriptions_that_are_open_are_no_demand_that_is_not_served(
    recorder: Recorder, clock: Clock
) -> None:
    opened = asyncio.Event()

    async def news() -> AsyncIterator[bytes]:
        yield b": here\n\n"
        opened.set()
        await asyncio.Event().wait()

    async def root(_request: Request) -> Response:
        return StreamingResponse(news(), media_type="text/event-stream")

    async def hello(_request: Request) -> Response:
        return Response()

    leaves = asyncio.Event()

    async def receive() -> Any:
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        pass

    app = served(recorder, Route("/", root), Route("/hello", hello))
    async with asyncio.TaskGroup() as group:
        group.create_task(app(request_scope(), receive, send))
        await opened.wait()
        assert recorder.in_flight == 0
        async with client(app) as http:
            await http.get("/hello")
        clock.now_s += 10.0
        window = recorder.snapshot()
        assert window.counters == {"arrived": 1}
        promised = Target(kpi=THROUGHPUT, at_least=1000.0)
        assert promised.judge(window).outcome is Outcome.MET
        leaves.set()
    assert recorder.peek().counters == {"disconnected": 1}
    assert recorder.in_flight == 0


async def test_the_parts_of_its_time_add_up_to_the_wait_for_the_first(clock: Clock) -> None:
    monitor = PerformanceMonitor(attribution=True, clock=clock)
    watched = Middleware(PerfMiddleware, recorder=monitor.recorder, attribution=True)
    await drive(Starlette(routes=[words(clock)], middleware=[watched]), request_scope())
    snapshot = monitor.recorder.peek()
    parts = [one for part in Part for one in snapshot.of(part.kind)]
    assert sum(one.sum_s for one in parts) == pytest.approx(0.1)
    assert not monitor.recorder.awaited.accounts
