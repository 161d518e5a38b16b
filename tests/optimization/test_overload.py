"""The middleware: who is too many is told so at once, in the words of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import Depends, FastAPI, Response

from keiko_perf.optimization import (
    AdaptiveLimiter,
    LimitConcurrency,
    Overloaded,
    answer_overloaded,
)


class Service:
    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.asked = 0
        self.begun = asyncio.Event()
        self.limiter = AdaptiveLimiter(first=1, most=1, max_waiting=0)
        self.app = FastAPI()
        self.app.add_middleware(LimitConcurrency, limiter=self.limiter, always=["/health"])

        @self.app.get("/slow")
        async def slow() -> str:
            self.asked += 1
            self.begun.set()
            await self.ready.wait()
            return "done"

        @self.app.get("/busy")
        async def busy() -> Response:
            return Response(status_code=503)

        @self.app.get("/broken")
        async def broken() -> None:
            raise LookupError

        @self.app.get("/health")
        async def health() -> str:
            return "well"


@pytest.fixture
async def client() -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    service = Service()
    transport = httpx.ASGITransport(app=service.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as asking:
        yield service, asking


async def test_who_is_too_many_gets_a_503_and_is_told_when_to_come_again(
    client: tuple[Service, httpx.AsyncClient],
) -> None:
    service, asking = client
    first = asyncio.create_task(asking.get("/slow"))
    await service.begun.wait()
    refused = await asking.get("/slow")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "overloaded" in refused.json()["detail"]
    assert (await asking.get("/health")).status_code == 200
    service.ready.set()
    assert (await first).json() == "done"
    assert (await asking.get("/slow")).status_code == 200
    done = service.limiter.statistics()
    assert (done.in_use, done.refused, done.failed, service.asked) == (0, 1, 0, 2)


@pytest.mark.parametrize(("path", "failed"), [("/busy", 1), ("/broken", 1), ("/nowhere", 0)])
async def test_what_says_that_it_is_overloaded_or_breaks_has_failed(
    client: tuple[Service, httpx.AsyncClient], path: str, failed: int
) -> None:
    service, asking = client
    await asking.get(path)
    done = service.limiter.statistics()
    assert (done.in_use, done.failed) == (0, failed)


async def test_a_request_whose_client_is_gone_gives_its_place_back(
    client: tuple[Service, httpx.AsyncClient],
) -> None:
    service, asking = client
    task = asyncio.create_task(asking.get("/slow"))
    await service.begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert service.limiter.statistics().in_use == 0


async def test_whom_a_limiter_within_turns_away_gets_the_same_answer() -> None:
    within = AdaptiveLimiter(first=1, most=1, max_waiting=0)
    app = FastAPI()
    app.add_exception_handler(Overloaded, answer_overloaded)

    async def connection() -> AsyncIterator[None]:
        async with within:
            yield

    @app.get("/orders")
    async def orders(_connection: None = Depends(connection)) -> str:
        return "done"

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as asking:
        assert (await asking.get("/orders")).status_code == 200
        async with within:
            refused = await asking.get("/orders")
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "overloaded" in refused.json()["detail"]
