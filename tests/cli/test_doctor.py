"""`keiko-perf doctor`: of a real service and its database, from outside, in one sentence."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.looks import Looks

pytestmark = pytest.mark.postgres
TOKEN = "a-token-of-a-test"
SETUP = """
CREATE TABLE tasks (id int PRIMARY KEY, agent int, note text);
INSERT INTO tasks SELECT i, i % 3000, 'note' FROM generate_series(1, 600000) i;
VACUUM ANALYZE tasks;
"""
Serve = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def database(new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """A database whose table lacks an index."""
    with new_database("doctor", SETUP) as url:
        yield url


def service(database: str, *, attribution: bool = True) -> FastAPI:
    """A service that asks by what has no index, and is told of on loopback only with its token."""
    engine = create_async_engine(database)
    monitor = PerformanceMonitor(attribution=attribution, token=TOKEN, window_s=1.0)
    monitor.watch_engine(engine)

    @asynccontextmanager
    async def lifespan(_app: FastAPI):
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/agents/{agent}/tasks")
    async def tasks(agent: int) -> list[int]:
        async with engine.connect() as db:
            found = await db.execute(
                text("SELECT id FROM tasks WHERE agent = :agent ORDER BY id"), {"agent": agent}
            )
            return list(found.scalars())

    monitor.install(app)
    return app


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("KEIKO_PERF_TOKEN", TOKEN)
    return lambda *words: CliRunner().invoke(cli, ["doctor", *words])


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
def test_the_statement_that_lacks_an_index_is_the_first_sentence(
    driver: str, database: str, serve: Serve, invoke: Callable[..., Any]
) -> None:
    with serve(service(database.replace("+psycopg", f"+{driver}"))) as url:
        done = invoke("--url", url, "--database", database, "--seconds", "4", "--load", "15",
                      "--format", "json")  # fmt: skip
    assert done.exit_code in (0, 3), done.output
    told = json.loads(done.stdout)
    first = told["causes"][0]
    assert first["code"] == "indexes.missing"
    assert first["verified_by"] == "hypopg"
    assert "ON tasks (agent" in first["cure"]
    assert first["route"] == "GET /agents/{agent}/tasks"
    assert 0.3 < first["share"] <= 1.0
    assert "(verified by the planner)" in told["headline"]["text"]
    assert first["cure"] in [one["statement"] for one in told["sections"][0]["recommendations"]]


def test_of_a_service_alone_its_slowest_part_is_told_and_what_was_not_looked_at(
    database: str, serve: Serve, invoke: Callable[..., Any]
) -> None:
    with serve(service(database)) as url:
        done = invoke("--url", url, "--seconds", "3", "--load", "15")
    assert done.exit_code in (0, 3), done.output
    assert "WHERE agent = $1" in done.stdout
    assert "no database was named" in done.stdout


def on_a_pool_of_asyncpg(database: str) -> FastAPI:
    """The same service without SQLAlchemy."""
    monitor = PerformanceMonitor(attribution=True, token=TOKEN, window_s=1.0)

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with asyncpg.create_pool(database.replace("+psycopg", "")) as app.state.pool:
            monitor.watch_pool(app.state.pool)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/agents/{agent}/tasks")
    async def tasks(agent: int) -> list[int]:
        asked = "SELECT id FROM tasks WHERE agent = $1 ORDER BY id"
        return [row["id"] for row in await app.state.pool.fetch(asked, agent)]

    monitor.install(app)
    return app


def test_of_a_pool_without_sqlalchemy_the_statement_is_told_with_its_route(
    database: str, serve: Serve, invoke: Callable[..., Any]
) -> None:
    with serve(on_a_pool_of_asyncpg(database)) as url:
        done = invoke("--url", url, "--database", database, "--seconds", "4", "--load", "15",
                      "--format", "json")  # fmt: skip
    first = json.loads(done.stdout)["causes"][0]
    assert (first["code"], first["route"]) == ("indexes.missing", "GET /agents/{agent}/tasks")
    assert 0.3 < first["share"] <= 1.0


def without_sqlalchemy(database: str, driver: str) -> FastAPI:
    """A service that asks by the driver alone, which nothing watches."""
    dsn = database.replace("+psycopg", "")
    monitor = PerformanceMonitor(attribution=True, token=TOKEN, window_s=1.0)
    app = FastAPI()

    @app.get("/naps")
    async def naps() -> None:
        if driver == "asyncpg":
            connection = await asyncpg.connect(dsn)
            await connection.execute("SELECT pg_sleep(0.05)")
            await connection.close()
            return
        async with await psycopg.AsyncConnection.connect(dsn) as db:
            await db.execute("SELECT pg_sleep(0.05)")

    monitor.install(app)
    return app


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_of_a_driver_without_sqlalchemy_it_is_said_that_it_is_not_seen(
    driver: str, database: str, serve: Serve, invoke: Callable[..., Any]
) -> None:
    with serve(without_sqlalchemy(database, driver)) as url:
        done = invoke("--url", url, "--seconds", "2", "--load", "10", "--format", "json")
    told = json.loads(done.stdout)
    assert [one["code"] for one in told["causes"]][:1] == ["service.awaiting"], done.stdout
    assert f"naps, which awaits {driver}" in told["headline"]["text"]
    gaps = json.dumps([one for section in told["sections"] for one in section["gaps"]])
    assert "a driver tells nothing by itself" in gaps
    assert "monitor.watch_pool(pool)" in gaps


@pytest.mark.parametrize("knows", [True, False], ids=["knows its prefix", "does not"])
def test_behind_a_proxy_with_a_prefix_it_asks_for_what_is_there(
    knows: bool, serve: Serve, invoke: Callable[..., Any]
) -> None:
    shop = FastAPI()
    PerformanceMonitor(attribution=True, token=TOKEN).install(shop)

    @shop.get("/items")
    async def items() -> list[int]:
        return []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            path = scope["path"].removeprefix("/shop")
            changed = {"root_path": "/shop"} if knows else {"path": path}
            scope = scope | changed if path != scope["path"] else scope | {"path": "/none"}
        await shop(scope, receive, send)

    with serve(proxy) as url:
        invoke("--url", f"{url}/shop", "--seconds", "2", "--load", "10")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        told = httpx.get(f"{url}/shop/performance/attribution", headers=headers).json()
    assert "GET /items" in {one["name"] for one in told["routes"]}
    assert "(unmatched)" not in {one["name"] for one in told["routes"]}


def test_a_service_without_attribution_is_told_how_to_have_it(
    database: str, serve: Serve, invoke: Callable[..., Any]
) -> None:
    with serve(service(database, attribution=False)) as url:
        done = invoke("--url", url, "--seconds", "2")
    assert "PerformanceMonitor(attribution=True)" in " ".join(done.stdout.split())


def test_a_database_alone_that_nobody_uses_says_that_nothing_can_be_said(
    database: str, invoke: Callable[..., Any]
) -> None:
    done = invoke("--database", database, "--seconds", "2", "--format", "json")
    told = json.loads(done.stdout)
    assert told["causes"] == []
    assert told["headline"]["text"].startswith("Nothing can be said")
    assert done.exit_code == 6


def test_a_wrong_token_is_said_with_its_cure(
    database: str, serve: Serve, invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(service(database)) as url:
        monkeypatch.setenv("KEIKO_PERF_TOKEN", "another")
        done = invoke("--url", url, "--seconds", "2")
    assert isinstance(done.exception, ServiceUnavailable)
    assert "KEIKO_PERF_TOKEN" in done.exception.cure


def test_a_line_that_blocks_is_told_what_to_write_and_what_repeats_for_how_long_to_keep_it(
    serve: Serve, invoke: Callable[..., Any]
) -> None:
    monitor = PerformanceMonitor(attribution=True, token=TOKEN, window_s=1.0)
    monitor.recorder.looks = Looks(pause_s=0.0)  # ten looks a second would take a test too long
    app = FastAPI()

    @app.middleware(
        "http"
    )  # as services have one for their tokens; it makes a task of each request
    async def passing(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        return await call_next(request)

    @app.get("/blocking")
    async def blocking() -> str:
        time.sleep(0.06)  # noqa: ASYNC251  # the fault that is to be found
        return "done"

    @app.get("/report")
    async def report() -> list[int]:
        await asyncio.sleep(0.3)
        return list(range(100))

    monitor.install(app)
    with serve(app) as url:
        done = invoke("--url", url, "--seconds", "6", "--load", "50", "--format", "json")
    assert done.exit_code in (0, 3), done.output
    told = json.loads(done.stdout)
    held = next(one for one in told["causes"] if one["code"] == "loop.blocking-call")
    assert "await asyncio.sleep(seconds)" in held["cure"]
    assert "# instead of: time.sleep(0.06)" in held["cure"]
    advice = told["sections"][0]["recommendations"]
    cache = next(one for one in advice if one["code"] == "cache.repeats")
    assert cache["subject"] == "GET /report"
    assert cache["statement"].startswith("@cached(ttl_s=")


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ([], "--url"),
        (["--url", "localhost"], "http://localhost:8000"),
        (["--url", "http://localhost:1", "--seconds", "0"], "2 s or longer"),
        (["--url", "http://localhost:1", "--seconds", "9999"], "600 s at most"),
        (["--database", "postgresql://x/y", "--load", "5"], "--url"),
        (["--url", "http://localhost:1", "--load", "0"], "1000"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_cure(
    words: list[str], cure: str, invoke: Callable[..., Any]
) -> None:
    done = invoke(*words)
    assert isinstance(done.exception, UsageError), done.output
    assert cure in done.exception.cure
