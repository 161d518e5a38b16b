"""A seeded demo: a tiny one on real PostgreSQL, and its service with its lifespan in-process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.seed import seed
from keiko_perf.demo.service import create_app
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.demo.state import Demo

TOKEN = "a-token-of-the-tests"
SCALE = 0.002
UNTIL = datetime(2026, 1, 31, 12, tzinfo=UTC)

_numbers = count(1)


@pytest.fixture
async def empty_url(postgres: Cluster) -> AsyncIterator[str]:
    """A database of the test's own, with nothing in it."""
    name = f"demo_{next(_numbers)}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


@pytest.fixture
async def own_url(empty_url: str) -> str:
    """A seeded database of the test's own, without the index."""
    await seed(empty_url, scale=SCALE, until=UNTIL)
    return empty_url


@pytest.fixture(scope="session")
def shared_url(postgres: Cluster) -> Iterator[str]:
    """A seeded database that many tests read and none breaks."""
    with asyncio.Runner() as runner:
        url = runner.run(postgres.create_database("demo_shared"))
        runner.run(seed(url, scale=SCALE, until=UNTIL))
        yield url
        runner.run(postgres.drop_database("demo_shared"))


class Served:
    """A running service, a client that holds its token, and what it is made of."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    @property
    def demo(self) -> Demo:
        demo: Demo = self.app.state.demo
        return demo

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, value: object = None) -> Any:
        answer = await self.client.post(path, json=value)
        assert answer.is_success, answer.text
        return answer.json()


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve() -> Serve:
    """Serve a demo in this process: `async with serve(url, faults=…) as served`."""
    return _serve


@pytest.fixture
async def served(shared_url: str) -> AsyncIterator[Served]:
    """A healthy service on the shared database, without workers."""
    async with _serve(shared_url) as running:
        yield running


@asynccontextmanager
async def _serve(url: str, **settings: Any) -> AsyncIterator[Served]:
    given = {"workers": 0, **settings}
    app = create_app(DemoSettings(database_url=url, token=TOKEN, **given))
    async with _lifespan(app), httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://demo",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as client:  # fmt: skip
        yield Served(app, client)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """What a server does around the requests: startup and shutdown, through all middleware."""
    said: asyncio.Queue[Any] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    running = asyncio.create_task(app(scope, told.get, said.put))
    await told.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await told.put({"type": "lifespan.shutdown"})
        assert (await said.get())["type"] == "lifespan.shutdown.complete"
        await running
