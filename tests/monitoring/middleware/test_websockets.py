"""Websockets pass, and how they end is their outcome."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from tests.monitoring.middleware.serving import drive, request_scope, served

from keiko_perf.model import Kind
from keiko_perf.monitoring.recorder import Recorder


def websocket_scope(path: str = "/ws/7") -> dict[str, Any]:
    scope = request_scope(type="websocket", path=path, scheme="ws", subprotocols=[])
    del scope["method"]
    return scope


CONNECT = {"type": "websocket.connect"}
HANG_UP = {"type": "websocket.disconnect", "code": 1001}


def says(text: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text}


async def test_websockets_pass_and_are_counted_in_no_latency(recorder: Recorder) -> None:
    seen: list[float] = []

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        recorder.probe()
        seen.append(recorder.peek().gauges["websockets"].peak)
        await websocket.close()

    app = served(recorder, WebSocketRoute("/ws/{room}", echo))
    sent = await drive(app, websocket_scope(), CONNECT, says("hi"))
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
    assert sent[1]["text"] == "hi"
    snapshot = recorder.peek()
    (series,) = snapshot.series
    assert (series.kind, series.name) == (Kind.WEBSOCKET, "WEBSOCKET /ws/{room}")
    assert (series.count, series.succeeded.count) == (1, 1)
    assert snapshot.counters == {"websocket_received": 1, "websocket_sent": 1}
    assert seen == [1.0]
    assert recorder.in_flight == 0


async def breaks(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("it broke")


async def refuses(websocket: WebSocket) -> None:
    await websocket.close()


async def denies(websocket: WebSocket) -> None:
    await websocket.send_denial_response(Response(status_code=401))


async def gives_up(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(1011)


async def listens(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.receive_text()  # raises once the client has hung up


@pytest.mark.parametrize(
    ("endpoint", "messages", "part"),
    [
        (breaks, (CONNECT,), "failed"),
        (gives_up, (CONNECT,), "failed"),
        (refuses, (CONNECT,), "refused"),
        (denies, (CONNECT,), "refused"),
        (listens, (CONNECT, says("a"), HANG_UP), "succeeded"),
    ],
)
async def test_how_a_websocket_ends_is_its_outcome(
    recorder: Recorder, endpoint: Any, messages: Any, part: str
) -> None:
    scope = websocket_scope()
    scope["extensions"] = {"websocket.http.response": {}}
    app = served(recorder, WebSocketRoute("/ws/{room}", endpoint))
    with suppress(RuntimeError, WebSocketDisconnect):
        await drive(app, scope, *messages)
    (series,) = recorder.peek().of(Kind.WEBSOCKET)
    assert (getattr(series, part).count, series.count) == (1, 1)


async def test_a_websocket_to_nowhere_is_refused_and_unmatched(recorder: Recorder) -> None:
    await drive(served(recorder), websocket_scope("/nowhere"), CONNECT)
    (series,) = recorder.peek().of(Kind.WEBSOCKET)
    assert (series.name, series.refused.count) == ("(unmatched)", 1)
