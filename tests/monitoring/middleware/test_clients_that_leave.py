"""Clients that leave, and requests that are cancelled, leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from tests.monitoring.middleware.serving import (
    _receive,
    drive,
    only,
    request_scope,
    routes_of,
    served,
)

from keiko_perf.model import Kind
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder


async def test_a_client_that_leaves_a_stream_is_neither_success_nor_failure(
    recorder: Recorder,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    app = served(recorder, Route("/", root))
    await drive(app, request_scope(), {"type": "http.disconnect"})
    assert routes_of(recorder) == {}
    assert recorder.peek().counters == {"arrived": 1, "disconnected": 1}
    assert recorder.in_flight == 0


async def test_a_client_that_leaves_amid_its_upload_is_no_error(recorder: Recorder) -> None:
    async def root(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("ok")

    app = served(recorder, Route("/", root, methods=["POST"]))
    upload = {"type": "http.request", "body": b"half", "more_body": True}
    with pytest.raises(ClientDisconnect):
        await drive(app, request_scope(method="POST"), upload, {"type": "http.disconnect"})
    assert routes_of(recorder) == {}
    assert recorder.peek().counters == {"arrived": 1, "disconnected": 1}


async def test_an_answer_to_nobody_has_no_duration(recorder: Recorder) -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await PlainTextResponse("too late")(scope, receive, send)

    sent = await drive(PerfMiddleware(late, recorder), request_scope(), {"type": "http.disconnect"})
    assert sent[-1]["body"] == b"too late"
    assert routes_of(recorder) == {}
    assert recorder.peek().counters["disconnected"] == 1


async def test_a_disconnect_after_the_last_byte_changes_nothing(recorder: Recorder) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("ok")(scope, receive, send)
        while (await receive())["type"] != "http.disconnect":
            pass

    await drive(PerfMiddleware(app, recorder), request_scope(), {"type": "http.disconnect"})
    assert only(recorder).count == 1
    assert recorder.peek().counters == {"arrived": 1}


async def test_a_server_that_reports_the_disconnect_with_the_last_byte_changes_nothing(
    recorder: Recorder,
) -> None:
    finished = asyncio.Event()

    async def receive() -> Any:
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            finished.set()
            for _ in range(3):
                await asyncio.sleep(0)  # the listener is told before this returns

    async def app(scope: Any, receive: Any, send: Any) -> None:
        listener = asyncio.create_task(receive())
        await PlainTextResponse("ok")(scope, receive, send)
        await listener

    await PerfMiddleware(app, recorder)(request_scope(), receive, send)
    assert only(recorder).count == 1


@pytest.mark.parametrize("awaits", range(4))
async def test_a_request_that_is_cancelled_anywhere_leaves_nothing_in_flight(
    recorder: Recorder, awaits: int
) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    task = asyncio.ensure_future(PerfMiddleware(app, recorder)(request_scope(), _receive, send))
    for _ in range(awaits + 1):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() is (awaits < 3)
    counters = recorder.peek().counters
    finished = recorder.peek().whole(Kind.ROUTE)
    assert counters.get("disconnected", 0) + finished.count == 1
    assert finished.errors == 0
    assert recorder.in_flight == 0
