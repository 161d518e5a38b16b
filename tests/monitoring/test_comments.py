"""What a statement says of its request, and what an answer says to who may know it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring import PerformanceMonitor, run_token
from keiko_perf.monitoring.comments import Comment, Comments
from keiko_perf.monitoring.run_tokens import is_run_token
from keiko_perf.monitoring.sql_text import normalise

TOKEN = "a-token-of-a-test"
NOW_S = 1_767_614_400.0
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SCOPE = {"headers": [(b"traceparent", TRACEPARENT.encode())]}
ROUTE = Comments(Comment.ROUTE)
BOTH = Comments(Comment.TRACEPARENT)


@pytest.mark.parametrize(
    ("comments", "statement", "route", "percents", "said"),
    [
        (ROUTE, "SELECT 1", "GET /a/{b}", True, "SELECT 1 /*http_method='GET',route='/a/{b}'*/"),
        (ROUTE, "SELECT 1; ", "(unmatched)", False, "SELECT 1 /*route='%28unmatched%29'*/"),
        (ROUTE, "SELECT 1", "(unmatched)", True, "SELECT 1 /*route='%%28unmatched%%29'*/"),
        (ROUTE, "SELECT 1 /* mine */", "GET /", True, "SELECT 1 /* mine */"),
        (BOTH, "SELECT 1", "GET /", True,
         f"SELECT 1 /*http_method='GET',route='/',traceparent='{TRACEPARENT}'*/"),
    ],
)  # fmt: skip
def test_a_comment_is_that_of_sqlcommenter(
    comments: Comments, statement: str, route: str, percents: bool, said: str
) -> None:
    assert comments.on(statement, SCOPE, route, percents=percents) == said


@pytest.mark.parametrize("header", [b"", b"00-x", b"'*/ DROP TABLE t --", b"\xff" * 55])
def test_what_is_no_trace_context_is_not_said(header: bytes) -> None:
    said = BOTH.on("SELECT 1", {"headers": [(b"traceparent", header)]}, "GET /", percents=False)
    assert said == "SELECT 1 /*http_method='GET',route='/'*/"


@given(st.text(max_size=60))
def test_no_route_ends_its_comment_or_changes_the_statement(route: str) -> None:
    said = ROUTE.on("SELECT 'x'", {}, route, percents=False)
    assert said.count("*/") == said.count("/*") == 1
    assert said.endswith("'*/")
    assert normalise(said) == "SELECT 'x'"


def test_another_comment_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="commented with 'request'") as refused:
        Comment.named("request")
    assert "traceparent" in refused.value.cure


@pytest.fixture(params=["psycopg", "asyncpg"])
async def engine(postgres: Cluster, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(postgres.url.replace("+psycopg", f"+{request.param}"))
    yield engine
    await engine.dispose()


Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def service(engine: AsyncEngine) -> AsyncIterator[tuple[PerformanceMonitor, Ask]]:
    """A service whose statements say their request, and that answers with what they said."""
    monitor = PerformanceMonitor(
        attribution=True, token=TOKEN, blocking_after_s=None,
        now=lambda: datetime.fromtimestamp(NOW_S, UTC),
    )  # fmt: skip
    monitor.watch_engine(engine, comment="traceparent")
    app = FastAPI()

    @app.get("/agents/{agent}")
    async def agents(agent: int) -> str:
        async with engine.connect() as db:
            await db.execute(text("SELECT :agent % 7"), {"agent": agent})
            found = await db.execute(
                text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            )
            return str(found.scalar_one())

    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:

        async def ask(path: str, **headers: str) -> httpx.Response:
            return await client.get(
                path, headers={k.replace("_", "-"): v for k, v in headers.items()}
            )

        yield monitor, ask
    await monitor.stop()


@pytest.mark.postgres
async def test_the_server_sees_for_which_route_and_request_a_statement_is_sent(
    service: tuple[PerformanceMonitor, Ask],
) -> None:
    monitor, ask = service
    answer = await ask("/agents/7", traceparent=TRACEPARENT)
    assert answer.json().endswith(
        f"/*http_method='GET',route='/agents/{{agent}}',traceparent='{TRACEPARENT}'*/"
    )
    names = [one.name for one in monitor.recorder.peek().of(Kind.STATEMENT)]
    assert not any("route" in name for name in names)


@pytest.mark.postgres
async def test_who_has_a_run_token_learns_where_the_time_went(
    service: tuple[PerformanceMonitor, Ask],
) -> None:
    _, ask = service
    told = (await ask("/agents/7", keiko_perf_run=run_token(TOKEN, now_s=NOW_S))).headers
    parts = dict(one.split(";", 1) for one in told["server-timing"].split(", "))
    assert list(parts) == ["sql", "pool", "http", "app", "loop", "elsewhere", "statements"]
    assert float(parts["sql"].removeprefix("dur=")) > 0
    assert parts["statements"] == 'desc="2"'
    wrong = ("", "x", run_token("another", now_s=NOW_S), run_token(TOKEN, now_s=NOW_S - 4_000))
    for one in wrong:
        assert "server-timing" not in (await ask("/agents/7", keiko_perf_run=one)).headers


def test_a_run_token_ends_and_cannot_be_made_to_last() -> None:
    token = run_token(TOKEN, now_s=NOW_S, lasts_s=60).encode()
    assert is_run_token(token, TOKEN, NOW_S)
    assert not is_run_token(token, TOKEN, NOW_S + 61)
    assert not is_run_token(token, "another", NOW_S)
    later = str(int(NOW_S) + 6_000).encode() + token[token.index(b".") :]
    assert not is_run_token(later, TOKEN, NOW_S)
    assert TOKEN.encode() not in token
    for senseless in (
        {"token": ""},
        {"token": TOKEN, "lasts_s": 0},
        {"token": TOKEN, "lasts_s": 1e6},
    ):
        with pytest.raises(UsageError):
            run_token(now_s=NOW_S, **senseless)  # type: ignore[arg-type]


@given(st.binary(max_size=120))
def test_whatever_is_given_as_a_run_token_is_told_apart(given: bytes) -> None:
    assert not is_run_token(given, TOKEN, NOW_S)


def test_comments_need_to_know_for_whom_a_statement_is_sent() -> None:
    engine: Any = object()
    with pytest.raises(UsageError, match="without attribution"):
        PerformanceMonitor().watch_engine(engine, comment="route")
