"""Attribution on a real service: Starlette, SQLAlchemy, PostgreSQL, and requests that overlap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager

import aiohttp
import httpx
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from keiko_perf.demo.cluster import Cluster
from keiko_perf.errors import UsageError
from keiko_perf.model import Kind, Snapshot
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.attribution import Part, current, watch_client
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.process.loop import follow_loop
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.statements import watch_engine

WAIT_S = 0.05


@pytest.fixture(params=["psycopg", "asyncpg"])
async def engine(
    postgres: Cluster, recorder: Recorder, request: pytest.FixtureRequest
) -> AsyncIterator[AsyncEngine]:
    url = postgres.url.replace("+psycopg", f"+{request.param}")
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    watch_engine(engine, recorder)
    yield engine
    await engine.dispose()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def service(recorder: Recorder, **handlers: object) -> httpx.AsyncClient:
    app = Starlette(
        routes=[Route(f"/{name}", handler) for name, handler in handlers.items()],  # type: ignore[arg-type]
        middleware=[Middleware(PerfMiddleware, recorder=recorder, attribution=True)],
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


def spent(snapshot: Snapshot, route: str) -> dict[Part, float]:
    found = {part: snapshot.find(part.kind, route) for part in Part}
    return {part: one.sum_s for part, one in found.items() if one is not None}


@pytest.mark.postgres
async def test_the_parts_of_requests_that_overlap_add_up_and_say_what_was_waited_for(
    engine: AsyncEngine, recorder: Recorder
) -> None:
    async def slow(_request: Request) -> PlainTextResponse:
        async with engine.connect() as db:
            await db.execute(text(f"SELECT pg_sleep({WAIT_S})"))
        return PlainTextResponse("ok")

    async def quick(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(WAIT_S)
        return PlainTextResponse("ok")

    async with service(recorder, slow=slow, quick=quick) as client:
        await client.get("/slow")  # the connection is made
        recorder.snapshot()
        await asyncio.gather(*(client.get(path) for path in ("/slow", "/quick") * 4))
    snapshot = recorder.snapshot()
    parts, others = spent(snapshot, "GET /slow"), spent(snapshot, "GET /quick")
    route = snapshot.find(Kind.ROUTE, "GET /slow")
    assert route is not None
    assert sum(parts.values()) == pytest.approx(route.sum_s, rel=0.02)
    # One connection for four: they waited for 0, 1, 2 and 3 others.
    assert parts[Part.SQL] >= 4 * WAIT_S
    assert parts[Part.POOL] >= 6 * WAIT_S * 0.95
    assert Part.SQL not in others
    assert Part.POOL not in others
    assert others[Part.ELSEWHERE] >= 4 * WAIT_S * 0.95


@pytest.mark.postgres
async def test_a_handler_in_a_thread_is_told_apart_like_any_other(
    postgres: Cluster, recorder: Recorder
) -> None:
    engine = create_engine(postgres.url)
    watch_engine(engine, recorder)

    def slow() -> None:
        with engine.connect() as db:
            db.execute(text(f"SELECT pg_sleep({WAIT_S})"))

    async def threaded(_request: Request) -> PlainTextResponse:
        await asyncio.to_thread(slow)
        return PlainTextResponse("ok")

    async with service(recorder, threaded=threaded) as client:
        await asyncio.gather(*(client.get("/threaded") for _ in range(3)))
    engine.dispose()
    snapshot = recorder.snapshot()
    assert spent(snapshot, "GET /threaded")[Part.SQL] >= 3 * WAIT_S


async def test_whoever_waits_while_another_blocks_the_loop_waits_for_the_loop(
    recorder: Recorder,
) -> None:
    async def blocks(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(0.03)
        time.sleep(0.3)  # noqa: ASYNC251  # what a service should not do
        return PlainTextResponse("ok")

    async def waits(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(0.06)
        return PlainTextResponse("ok")

    with follow_loop(recorder):
        async with service(recorder, blocks=blocks, waits=waits) as client:
            await asyncio.gather(client.get("/blocks"), client.get("/waits"))
    snapshot = recorder.snapshot()
    assert spent(snapshot, "GET /blocks")[Part.CODE] >= 0.3
    assert spent(snapshot, "GET /waits")[Part.LOOP] >= 0.25


async def test_who_waits_for_a_task_of_its_own_that_blocks_the_loop_waits_for_the_loop(
    recorder: Recorder,
) -> None:
    async def blocks() -> None:
        await asyncio.sleep(0.03)
        time.sleep(0.3)  # noqa: ASYNC251  # what a service should not do

    async def gathers(_request: Request) -> PlainTextResponse:
        await asyncio.gather(blocks(), asyncio.sleep(0.02))
        return PlainTextResponse("ok")

    with follow_loop(recorder):
        async with service(recorder, gathers=gathers) as client:
            await client.get("/gathers")
    # No turn of the loop's is between the end of that task and the request's going on.
    assert spent(recorder.snapshot(), "GET /gathers")[Part.LOOP] >= 0.25


@pytest.fixture
def other(serve: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """Another service, which takes its time."""

    async def answer(_request: Request) -> PlainTextResponse:
        await asyncio.sleep(WAIT_S)
        return PlainTextResponse("ok")

    with serve(Starlette(routes=[Route("/", answer)])) as url:
        yield url


async def test_what_httpx_waits_for_is_another_services(recorder: Recorder, other: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        watch_client(client)
        watch_client(client)

        async def asks(_request: Request) -> PlainTextResponse:
            return PlainTextResponse((await client.get(other)).text)

        async def fails(_request: Request) -> PlainTextResponse:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://127.0.0.1:1")
            await asyncio.sleep(WAIT_S)
            return PlainTextResponse("ok")

        async with service(recorder, asks=asks, fails=fails) as asked:
            assert (await asked.get("/asks")).text == "ok"
            await asked.get("/fails")
    snapshot = recorder.snapshot()
    assert spent(snapshot, "GET /asks")[Part.HTTP] >= WAIT_S * 0.95
    assert spent(snapshot, "GET /fails")[Part.ELSEWHERE] >= WAIT_S * 0.95


def test_what_httpx_waits_for_in_a_thread_is_another_services(
    recorder: Recorder, other: str
) -> None:
    with httpx.Client(trust_env=False) as client:
        watch_client(client)

        async def asks(_request: Request) -> PlainTextResponse:
            return PlainTextResponse((await asyncio.to_thread(client.get, other)).text)

        async def ask() -> None:
            async with service(recorder, asks=asks) as asked:
                await asked.get("/asks")

        asyncio.run(ask())
    assert spent(recorder.snapshot(), "GET /asks")[Part.HTTP] >= WAIT_S * 0.95


async def test_what_aiohttp_waits_for_is_another_services(recorder: Recorder, other: str) -> None:
    async with aiohttp.ClientSession() as session:
        watch_client(session)
        watch_client(session)
        assert len(session.trace_configs) == 1

        async def asks(_request: Request) -> PlainTextResponse:
            async with session.get(other) as answer:
                return PlainTextResponse(await answer.text())

        async def fails(_request: Request) -> PlainTextResponse:
            with pytest.raises(aiohttp.ClientError):
                await session.get("http://127.0.0.1:1")
            await asyncio.sleep(WAIT_S)
            return PlainTextResponse("ok")

        async with service(recorder, asks=asks, fails=fails) as asked:
            assert (await asked.get("/asks")).text == "ok"
            await asked.get("/fails")
    snapshot = recorder.snapshot()
    assert spent(snapshot, "GET /asks")[Part.HTTP] >= WAIT_S * 0.95
    assert spent(snapshot, "GET /fails")[Part.ELSEWHERE] >= WAIT_S * 0.95


def test_of_another_client_it_is_said_which_ones_can_be_watched() -> None:
    with pytest.raises(UsageError, match="cannot be watched") as refused:
        watch_client(object())
    assert "httpx.AsyncClient" in refused.value.cure


async def test_what_a_request_leaves_running_is_not_counted(recorder: Recorder) -> None:
    done = asyncio.Event()

    async def later() -> None:
        account = current.get()
        assert account is not None
        account.open(Part.SQL)
        await asyncio.sleep(0.02)
        account.shut(Part.SQL)
        done.set()

    async def starts(_request: Request) -> PlainTextResponse:
        starts.task = asyncio.create_task(later())  # type: ignore[attr-defined]
        return PlainTextResponse("ok")

    async with service(recorder, starts=starts) as client:
        await client.get("/starts")
        await done.wait()
    assert Part.SQL not in spent(recorder.snapshot(), "GET /starts")


async def test_what_is_computed_beneath_a_middleware_with_a_task_of_its_own_is_told() -> None:
    monitor = PerformanceMonitor(attribution=True)
    app = FastAPI()
    seen: list[asyncio.Task[object] | None] = []

    @app.middleware("http")
    async def outer(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        seen.append(asyncio.current_task())
        return await call_next(request)

    @app.middleware("http")
    async def inner(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    @app.get("/computes")
    async def computes() -> None:
        seen.append(asyncio.current_task())
        burn(0.03)
        await asyncio.sleep(0.02)
        burn(0.03)

    @app.get("/fails")
    async def fails() -> None:
        await asyncio.sleep(0)
        raise HTTPException(409)

    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        await client.get("/computes")
        assert (await client.get("/fails")).status_code == 409
    snapshot = monitor.recorder.snapshot()
    await monitor.stop()
    assert seen[0] is not seen[1]  # else this test says nothing
    parts = spent(snapshot, "GET /computes")
    assert parts[Part.CODE] >= 0.06
    assert parts[Part.ELSEWHERE] >= 0.015
    route = snapshot.find(Kind.ROUTE, "GET /computes")
    assert route is not None
    assert sum(parts.values()) == pytest.approx(route.sum_s, rel=0.02)


@pytest.mark.parametrize("outer_has_one", [False, True])
@pytest.mark.parametrize("is_built", [False, True])
async def test_what_is_computed_in_a_mounted_application_with_such_a_middleware_is_told(
    outer_has_one: bool, is_built: bool
) -> None:
    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    monitor = PerformanceMonitor(attribution=True)
    app, mounted, within = FastAPI(), FastAPI(), FastAPI()
    mounted.middleware("http")(passing)
    within.middleware("http")(passing)
    if outer_has_one:
        app.middleware("http")(passing)

    @within.get("/computes")
    async def computes() -> None:
        burn(0.03)
        await asyncio.sleep(0.02)
        burn(0.03)

    mounted.mount("/v1", within)
    app.mount("/api", mounted)
    if is_built:
        mounted.middleware_stack = mounted.build_middleware_stack()
    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        assert (await client.get("/api/v1/computes")).status_code == 200
    snapshot = monitor.recorder.snapshot()
    await monitor.stop()
    parts = spent(snapshot, "GET /api/v1/computes")
    assert parts[Part.CODE] >= 0.06
    assert parts[Part.ELSEWHERE] >= 0.015
    route = snapshot.find(Kind.ROUTE, "GET /api/v1/computes")
    assert route is not None
    assert sum(parts.values()) == pytest.approx(route.sum_s, rel=0.02)


def burn(seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass


async def test_without_attribution_nothing_is_split(recorder: Recorder) -> None:
    async def plain(_request: Request) -> PlainTextResponse:
        assert current.get() is None
        return PlainTextResponse("ok")

    app = PerfMiddleware(Starlette(routes=[Route("/plain", plain)]), recorder)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        await client.get("/plain")
    snapshot = recorder.snapshot()
    assert spent(snapshot, "GET /plain") == {}
    assert snapshot.whole(Kind.ROUTE).count == 1
