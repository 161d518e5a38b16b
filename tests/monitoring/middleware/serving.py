"""Small applications behind the middleware, requests by hand, and what was recorded of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from keiko_perf.model import Kind, Series
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder

Handler = Callable[[Request], Awaitable[Response]]


async def hello(_request: Request) -> Response:
    return PlainTextResponse("Hello, world!")


async def broken(_request: Request) -> Response:
    raise RuntimeError("it broke")


def served(recorder: Recorder, *routes: Any) -> Starlette:
    return Starlette(
        routes=list(routes), middleware=[Middleware(PerfMiddleware, recorder=recorder)]
    )


@asynccontextmanager
async def client(app: ASGIApp, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, **{"raise_app_exceptions": False, **options})
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as opened:
        yield opened


def routes_of(recorder: Recorder) -> dict[str, int]:
    return {series.name: series.count for series in recorder.peek().of(Kind.ROUTE)}


def only(recorder: Recorder) -> Series:
    (series,) = recorder.peek().of(Kind.ROUTE)
    return series


async def drive(app: ASGIApp, scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
    """One request by hand: what is received is *messages*, and then silence."""
    incoming = list(messages) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def request_scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        **changes,
    }


def agents_app(recorder: Recorder) -> FastAPI:
    router = APIRouter(prefix="/agents")

    @router.get("/{agent_id}")
    async def agent(agent_id: int) -> dict[str, int]:
        return {"id": agent_id}

    @router.post("/{agent_id}/tasks/{path:path}", status_code=201)
    async def task(agent_id: int, path: str) -> str:
        return path

    nested = APIRouter(prefix="/nested")
    nested.include_router(router)
    inner = Starlette(
        routes=[
            Route("/things/{thing_id:int}", hello),
            Mount("/deep/{tenant}", routes=[Route("/leaf", hello), Mount("/", routes=[])]),
        ]
    )
    sub = FastAPI()
    sub.include_router(router, prefix="/v3")
    behind_another = GZipMiddleware(
        Starlette(routes=[Mount("/t/{tenant}", routes=[Route("/x/{id}", hello)])])
    )
    with_mount = APIRouter()
    with_mount.mount("/inner/{tenant}", inner)

    app = FastAPI()
    app.include_router(router, prefix="/api/v1")
    app.include_router(router, prefix="/api/v2")
    app.include_router(nested, prefix="/api")
    app.include_router(with_mount, prefix="/included")
    app.mount("/static", StaticFiles(directory=Path(__file__).parent))
    app.mount("/sub/{tenant}", sub)
    app.mount("/inner/{thing_id}", inner)
    app.mount("/behind", behind_another)
    app.add_middleware(PerfMiddleware, recorder=recorder)
    return app


NAMED = [
    ("GET", "/api/v1/agents/7", "GET /api/v1/agents/{agent_id}"),
    ("GET", "/api/v2/agents/7", "GET /api/v2/agents/{agent_id}"),
    ("GET", "/api/nested/agents/7", "GET /api/nested/agents/{agent_id}"),
    ("GET", "/api/v1/agents/seven", "GET /api/v1/agents/{agent_id}"),  # 422
    ("POST", "/api/v1/agents/7/tasks/a/b", "POST /api/v1/agents/{agent_id}/tasks/{path}"),
    ("DELETE", "/api/v1/agents/7", "DELETE /api/v1/agents/{agent_id}"),  # 405
    ("BREW", "/api/v1/agents/7", "(other) /api/v1/agents/{agent_id}"),  # 405
    ("GET", "/sub/acme/v3/agents/7", "GET /sub/{tenant}/v3/agents/{agent_id}"),
    ("GET", "/sub/acme/nothing", "GET /sub/{tenant}/{path}"),
    ("GET", "/inner/5/things/6", "GET /inner/{thing_id}/things/{thing_id}"),
    ("GET", "/inner/5/deep/6/leaf", "GET /inner/{thing_id}/deep/{tenant}/leaf"),
    ("GET", "/included/inner/5/things/6", "GET /included/inner/{tenant}/things/{thing_id}"),
    ("GET", "/included/inner/5/deep/5/leaf", "GET /included/inner/{tenant}/deep/{tenant}/leaf"),
    ("GET", "/behind/t/t/x/9", "GET /behind/t/{tenant}/x/{id}"),
    ("GET", "/static/serving.py", "GET /static/{path}"),
    ("GET", "/static/nothing", "GET /static/{path}"),
    ("GET", "/openapi.json", "GET /openapi.json"),
    ("GET", "/nothing/at/all", "(unmatched)"),
    ("GET", "/api/v1/agents/7/", "(unmatched)"),  # a redirect, before any route
]


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}
