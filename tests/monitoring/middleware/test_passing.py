"""What passes through is what it was, to the byte and to the object."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from tests.monitoring.middleware.serving import (
    broken,
    client,
    drive,
    hello,
    only,
    request_scope,
    routes_of,
    served,
)

from keiko_perf.model import Kind
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/hello", "/not-modified", "/empty", "/nothing", "/stream"])
async def test_the_answer_is_the_same_to_the_byte(
    recorder: Recorder, method: str, path: str
) -> None:
    async def not_modified(_request: Request) -> Response:
        return Response(status_code=304, headers={"etag": '"x"'})

    async def empty(_request: Request) -> Response:
        return Response(status_code=204)

    async def stream(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return StreamingResponse(pieces(), headers={"x-odd": "\xe4"})

    routes = [
        Route("/hello", hello),
        Route("/not-modified", not_modified),
        Route("/empty", empty),
        Route("/stream", stream),
    ]
    scope = request_scope(method=method, path=path)
    plain = await drive(Starlette(routes=routes), dict(scope))
    watched = await drive(served(recorder, *routes), dict(scope))
    assert watched == plain
    assert only(recorder).name == ("(unmatched)" if path == "/nothing" else f"{method} {path}")


async def test_every_message_is_the_very_object_that_was_sent(recorder: Recorder) -> None:
    messages = [
        {"type": "http.response.start", "status": 200, "headers": [], "trailers": True},
        {"type": "http.response.early_hint", "links": []},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": False},
        {"type": "http.response.trailers", "headers": [], "more_trailers": False},
    ]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    sent = await drive(PerfMiddleware(app, recorder), request_scope())
    assert [id(message) for message in sent] == [id(message) for message in messages]
    assert only(recorder).count == 1


async def test_a_file_that_the_server_sends_is_a_complete_answer(recorder: Recorder) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/some/file"})

    await drive(PerfMiddleware(app, recorder), request_scope())
    assert (only(recorder).count, only(recorder).errors) == (1, 0)


async def test_a_large_stream_is_not_held_back(recorder: Recorder) -> None:
    piece, pieces = b"x" * 65_536, 800  # 50 MiB
    received = 0

    async def stream() -> AsyncIterator[bytes]:
        for number in range(pieces):
            assert received == number * len(piece)  # each is sent before the next is made
            yield bytes(piece)

    async def root(_request: Request) -> Response:
        return StreamingResponse(stream())

    async def send(message: Any) -> None:
        nonlocal received
        received += len(message.get("body", b""))

    async def silence() -> Any:
        await asyncio.Event().wait()

    app = served(recorder, Route("/", root))
    tracemalloc.start()
    await app(request_scope(), silence, send)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == pieces * len(piece)
    assert peak_bytes < 2 << 20
    assert only(recorder).count == 1


async def test_the_lifespan_passes(recorder: Recorder) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        seen.append("started")
        yield
        seen.append("stopped")

    app = PerfMiddleware(Starlette(lifespan=lifespan), recorder)
    sent = await drive(
        app,
        {"type": "lifespan", "asgi": {"version": "3.0"}},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert seen == ["started", "stopped"]
    assert recorder.peek().series == ()


@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
async def test_it_works_beside_base_http_middleware(recorder: Recorder, outside: bool) -> None:
    class PassOn(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    stack = [Middleware(PerfMiddleware, recorder=recorder), Middleware(PassOn)]
    app = Starlette(
        routes=[Route("/a/{id}", hello), Route("/broken", broken)],
        middleware=stack if outside else stack[::-1],
    )
    async with client(app) as http:
        assert (await http.get("/a/1")).text == "Hello, world!"
        assert (await http.get("/broken")).status_code == 500
    assert routes_of(recorder) == {"GET /a/{id}": 1, "GET /broken": 1}
    assert recorder.peek().whole(Kind.ROUTE).errors == 1
    assert recorder.peek().counters == {"arrived": 2}
    assert recorder.in_flight == 0
