"""What is noted together is counted as each of them would be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.monitoring.middleware.serving import (
    NAMED,
    Handler,
    agents_app,
    broken,
    client,
    drive,
    hello,
    request_scope,
    routes_of,
    served,
)

from keiko_perf.model import Kind, Snapshot
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.requests import MAX_PLACES


def ticking() -> Callable[[], float]:
    """A clock by which each reading comes a 1024th of a second, exactly, after the one before."""
    readings = count(1)
    return lambda: next(readings) / 1024


def counted(snapshot: Snapshot) -> Any:
    series = {
        (one.kind, one.name): (
            one.succeeded, one.failed, one.refused, one.redirected, one.sent_bytes,
        )
        for one in snapshot.series
    }  # fmt: skip
    return series, snapshot.gauges, snapshot.counters


def many_kinds_app(recorder: Recorder) -> Starlette:
    """Of one endpoint several routes, mounts, methods, statuses and lengths; answers in pieces."""

    async def answer(request: Request) -> Response:
        status = int(request.query_params.get("status", 200))
        return PlainTextResponse(request.method * (status % 7), status)

    async def pieces(_request: Request) -> Response:
        return StreamingResponse(iter([b"some", b"thing"]))

    mounted = Starlette(routes=[Route("/leaf", hello)])
    return served(
        recorder,
        Mount("/a", mounted),
        Mount("/b", mounted),
        Route("/answer", answer, methods=["GET", "POST"]),
        Route("/the/same/{one}", answer),
        Route("/pieces", pieces),
        Route("/broken", broken),
    )


MANY_KINDS = [
    *(("GET", f"/answer?status={status}") for status in (200, 204, 304, 307, 404, 422, 500, 503)),
    *(("GET", f"/the/same/{number}?status={number}") for number in (201, 301, 401, 599)),
    ("POST", "/answer"), ("HEAD", "/answer"), ("GET", "/pieces"), ("GET", "/broken"),
    ("GET", "/a/leaf"), ("GET", "/b/leaf"),
]  # fmt: skip
MANY_NAMES = [(method, path) for method, path, _ in NAMED]


@pytest.mark.parametrize(
    ("make_app", "asked", "together"),
    [(many_kinds_app, MANY_KINDS, 9), (agents_app, MANY_NAMES, 4)],
)
async def test_what_is_noted_together_is_counted_as_each_of_them_would_be(
    make_app: Callable[[Recorder], ASGIApp], asked: list[tuple[str, str]], together: int
) -> None:
    found = []
    for does_know_the_routes in (False, True):
        recorder = Recorder(clock=ticking())
        async with client(make_app(recorder)) as opened:
            if does_know_the_routes:
                for method, path in asked:
                    await opened.request(method, path)
                recorder.snapshot()
            for method, path in (*asked, *asked):
                await opened.request(method, path)
        noted = len(recorder.requests.ended), len(recorder.requests.over)
        many = 2 * together if does_know_the_routes else 0
        assert noted == (many, 2 * len(asked) - many)
        found.append(counted(recorder.snapshot()))
    assert found[0] == found[1]


async def test_routes_over_the_bound_of_names_are_folded_where_they_are_noted_together() -> None:
    recorder = Recorder(max_series=2)
    app = served(recorder, *(Route(f"/{n}", _another(n)) for n in range(4)))
    async with client(app) as opened:
        for _ in range(2):
            for n in range(4):
                await opened.get(f"/{n}")
                await opened.get(f"/{n}")
            snapshot = recorder.snapshot()
            assert {one.name: one.count for one in snapshot.of(Kind.ROUTE)} == {
                "GET /0": 2, "GET /1": 2, "(other)": 4,
            }  # fmt: skip
            assert snapshot.counters["folded"] == 4
            assert snapshot.whole(Kind.ROUTE).sent_bytes == 8 * len("Hello, world!")


@pytest.mark.parametrize("error", [TypeError, RuntimeError])
async def test_an_endpoint_that_has_no_hash_has_no_place_and_is_counted(
    recorder: Recorder, error: type[Exception]
) -> None:
    class Unhashable:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("")(scope, receive, send)

        def __hash__(self) -> int:
            raise error

    async with client(served(recorder, Route("/", Unhashable()))) as opened:
        for number in range(1, 4):
            await opened.get("/")
            assert routes_of(recorder) == {"GET /": number}
    assert not recorder.requests.places


async def test_what_a_server_leaves_out_of_the_scope_is_missed_by_nobody(
    recorder: Recorder,
) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["endpoint"] = hello
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    took: list[list[float]] = [[] for _ in range(6)]
    recorder.requests.places[hello] = object(), None, "GET", "", "", took, []
    for scope in ({"type": "http"}, request_scope(root_path=None), request_scope(route=hello)):
        assert len(await drive(PerfMiddleware(app, recorder), scope)) == 2
    assert recorder.peek().whole(Kind.ROUTE).count == 3
    assert recorder.in_flight == 0


async def test_of_so_many_routes_requests_are_noted_together_and_no_more(
    recorder: Recorder,
) -> None:
    app = served(recorder, *(Route(f"/{n}", _another(n)) for n in range(MAX_PLACES + 10)))
    async with client(app) as opened:
        for n in range(MAX_PLACES + 10):
            await opened.get(f"/{n}")
        recorder.settle()
    assert len(recorder.requests.places) == MAX_PLACES


def _another(number: int) -> Handler:
    async def handler(request: Request) -> Response:
        assert request.url.path == f"/{number}"
        return await hello(request)

    return handler
