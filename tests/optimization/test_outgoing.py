"""Requests of httpx and aiohttp, and connections of SQLAlchemy, to real servers: a place each."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager

import aiohttp
import httpx
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.optimization import (
    AdaptiveLimiter,
    LimitedTransport,
    Overloaded,
    limit_requests,
    limited_pool,
)

ONE = {"first": 1, "most": 1, "max_waiting": 0}


def in_use(limiter: AdaptiveLimiter) -> int:
    return limiter.statistics().in_use


def nobody_is_left(limiter: AdaptiveLimiter) -> Callable[[], None]:
    def check() -> None:
        now = limiter.statistics()
        assert (now.in_use, now.waiting) == (0, 0)

    return check


@pytest.fixture(scope="module")
def url(serve: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    app = FastAPI()

    @app.get("/")
    async def answer() -> str:
        return "done"

    @app.get("/busy")
    async def busy() -> Response:
        return Response(status_code=503)

    @app.get("/large")
    async def large() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield bytes(65536)

        return StreamingResponse(parts())

    with serve(app) as address:
        yield address


# httpx


def httpx_client(limiter: AdaptiveLimiter) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=LimitedTransport(limiter, httpx.AsyncHTTPTransport()))


async def test_a_request_of_httpx_holds_its_place_until_its_answer_is_read(url: str) -> None:
    limiter = AdaptiveLimiter(**ONE)
    async with httpx_client(limiter) as client:
        assert (await client.get(url)).json() == "done"
        assert in_use(limiter) == 0
        async with client.stream("GET", url + "/large") as response:
            assert in_use(limiter) == 1
            with pytest.raises(Overloaded):
                await client.get(url)
            assert sum([len(chunk) async for chunk in response.aiter_raw()]) == 200 * 65536
        async with client.stream("GET", url + "/large"):
            pass  # closed unread
    done = limiter.statistics()
    assert (done.in_use, done.acquired, done.refused, done.failed) == (0, 3, 1, 0)


async def test_what_httpx_gets_no_use_of_has_failed(url: str) -> None:
    limiter = AdaptiveLimiter()
    async with httpx_client(limiter) as client:
        await client.get(url + "/busy")
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1")
    done = limiter.statistics()
    assert (done.in_use, done.failed) == (0, 2)


async def test_an_answer_of_httpx_that_nobody_closes_gives_its_place_back_when_it_is_gone() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b""

    limiter = AdaptiveLimiter()
    transport = LimitedTransport(
        limiter, httpx.MockTransport(lambda _: httpx.Response(200, content=body()))
    )
    response = await transport.handle_async_request(httpx.Request("GET", "http://service"))
    assert in_use(limiter) == 1
    del response
    gc.collect()
    assert in_use(limiter) == 0


async def test_a_cancelled_request_of_httpx_leaves_no_trace(
    url: str, cancel_everywhere: Callable[..., Awaitable[int]]
) -> None:
    limiter = AdaptiveLimiter()

    async def scenario() -> None:
        async with httpx_client(limiter) as client, client.stream("GET", url) as response:
            await response.aread()

    assert await cancel_everywhere(scenario, nobody_is_left(limiter), most_turns=20_000) > 3
    assert limiter.statistics().failed == 0


# aiohttp


def aiohttp_session(limiter: AdaptiveLimiter) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(middlewares=[limit_requests(limiter)])


async def test_a_request_of_aiohttp_holds_its_place_until_its_answer_is_read(url: str) -> None:
    limiter = AdaptiveLimiter(**ONE)
    async with aiohttp_session(limiter) as session:
        async with session.get(url) as response:
            assert await response.json() == "done"
        assert in_use(limiter) == 0
        async with session.get(url + "/large") as response:
            assert in_use(limiter) == 1
            with pytest.raises(Overloaded):
                await session.get(url)
            assert len(await response.read()) == 200 * 65536
            assert in_use(limiter) == 0
        async with session.get(url + "/large"):
            pass  # closed unread
        assert in_use(limiter) == 0
    done = limiter.statistics()
    assert (done.acquired, done.refused, done.failed) == (3, 1, 0)


async def test_what_aiohttp_gets_no_use_of_has_failed(url: str) -> None:
    limiter = AdaptiveLimiter()
    async with aiohttp_session(limiter) as session:
        async with session.get(url + "/busy"):
            pass
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://127.0.0.1:1")
    done = limiter.statistics()
    assert (done.in_use, done.failed) == (0, 2)


async def test_a_cancelled_request_of_aiohttp_leaves_no_trace(
    url: str, cancel_everywhere: Callable[..., Awaitable[int]]
) -> None:
    limiter = AdaptiveLimiter()
    async with aiohttp_session(limiter) as session:

        async def scenario() -> None:
            async with session.get(url) as response:
                await response.read()

        turns = await cancel_everywhere(scenario, nobody_is_left(limiter), most_turns=20_000)
    assert turns > 3
    assert limiter.statistics().failed == 0


# SQLAlchemy


def engine_of(postgres: Cluster, limiter: AdaptiveLimiter, **options: int) -> AsyncEngine:
    return create_async_engine(postgres.url, poolclass=limited_pool(limiter), **options)


async def test_a_session_has_a_place_as_long_as_it_has_a_connection(postgres: Cluster) -> None:
    limiter = AdaptiveLimiter(**ONE)
    engine = engine_of(postgres, limiter)
    async with AsyncSession(engine) as session:
        assert in_use(limiter) == 0  # nothing was asked yet
        assert (await session.execute(text("SELECT 1"))).scalar() == 1
        assert in_use(limiter) == 1
        with pytest.raises(Overloaded):
            async with engine.connect():
                raise AssertionError("there was no place")
        await session.commit()
        assert in_use(limiter) == 0
    await engine.dispose()
    done = limiter.statistics()
    assert (done.acquired, done.refused, done.failed) == (1, 1, 0)


async def test_many_sessions_run_no_more_at_once_than_the_limit(postgres: Cluster) -> None:
    limiter = AdaptiveLimiter(first=2, most=3, discipline="fifo", patience_s=60)
    engine = engine_of(postgres, limiter, pool_size=10)

    async def ask() -> None:
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT pg_sleep(0.001)"))

    await asyncio.gather(*(ask() for _ in range(60)))
    await engine.dispose()
    done = limiter.statistics()
    assert (done.in_use, done.waiting, done.acquired, done.failed) == (0, 0, 60, 0)
    assert done.peak_in_use <= 3


async def test_a_connection_that_breaks_or_cannot_be_made_has_failed(postgres: Cluster) -> None:
    limiter = AdaptiveLimiter()
    engine = engine_of(postgres, limiter)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError):
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await engine.dispose()
    nowhere = create_async_engine(
        "postgresql+psycopg://127.0.0.1:1/none", poolclass=limited_pool(limiter)
    )
    with pytest.raises(DBAPIError):
        async with nowhere.connect():
            pass
    done = limiter.statistics()
    assert (done.in_use, done.failed) == (0, 2)


async def test_a_detached_connection_is_no_longer_the_pools(postgres: Cluster) -> None:
    limiter = AdaptiveLimiter()
    engine = engine_of(postgres, limiter)
    connection = await engine.connect()
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    raw.detach()
    assert in_use(limiter) == 0
    await connection.close()
    assert driver is not None
    await driver.close()
    await engine.dispose()
    assert limiter.statistics().acquired == 1


async def test_a_cancelled_session_leaves_no_trace(
    postgres: Cluster, cancel_everywhere: Callable[..., Awaitable[int]]
) -> None:
    limiter = AdaptiveLimiter(first=2, most=2)
    engine = engine_of(postgres, limiter)

    async def scenario() -> None:
        async with AsyncSession(engine) as session:
            await session.execute(text("SELECT 1"))

    await scenario()  # a connection is there: to be cancelled while it is made costs a new one
    turns = await cancel_everywhere(scenario, nobody_is_left(limiter), most_turns=20_000)
    await engine.dispose()
    assert turns > 3
