"""A real server and a real client, counted exactly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.monitoring.middleware.serving import broken, hello, served

from keiko_perf.monitoring.recorder import Recorder

Serve = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture
def server(serve: Serve, recorder: Recorder) -> Iterator[str]:
    async def slow(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(10_000):
                yield b"x" * 1_000
                await asyncio.sleep(0.005)

        return StreamingResponse(pieces())

    app = served(
        recorder, Route("/hello/{id}", hello), Route("/slow", slow), Route("/broken", broken)
    )
    with serve(app) as url:
        yield url


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for the server's thread; the test's own time limit ends it if it never comes."""
    while not holds():
        time.sleep(0.005)


def test_a_real_server_is_counted_exactly(server: str, recorder: Recorder) -> None:
    with httpx.Client(base_url=server) as http:
        for number in range(50):
            assert http.get(f"/hello/{number}").text == "Hello, world!"
        assert http.head("/hello/1").status_code == 200
        assert http.get("/nothing").status_code == 404
        # The last one: the server closes the connection on an exception, in its own time.
        assert http.get("/broken").status_code == 500
    eventually(lambda: recorder.in_flight == 0)
    snapshot = recorder.peek()
    assert {one.name: (one.count, one.errors) for one in snapshot.series} == {
        "GET /hello/{id}": (50, 0),
        "HEAD /hello/{id}": (1, 0),
        "GET /broken": (1, 1),
        "(unmatched)": (1, 0),
    }
    assert snapshot.counters == {"arrived": 53}
    assert snapshot.gauges["in_flight"].peak == 1


def test_a_real_client_that_hangs_up_is_counted_as_disconnected(
    server: str, recorder: Recorder
) -> None:
    with httpx.Client(base_url=server) as http, http.stream("GET", "/slow") as response:
        pieces = response.iter_raw()  # once nobody holds it the response is closed
        next(pieces)
        assert recorder.in_flight == 1
    eventually(lambda: recorder.in_flight == 0)
    snapshot = recorder.peek()
    assert snapshot.series == ()
    assert snapshot.counters == {"arrived": 1, "disconnected": 1}
