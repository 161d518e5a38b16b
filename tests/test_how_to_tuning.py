"""The code of the how-to pages of the optimization runs, and does what the pages say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.model import BlockingCall
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.optimization import AdaptiveLimiter

PAGES = Path(__file__).parent.parent / "docs" / "how-to"


def names_of(page: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.S):
        exec(code, names)  # noqa: S102  # our own page
    return names


async def double(number: int) -> int:
    return number * 2


async def test_the_page_on_concurrency() -> None:
    names = await asyncio.to_thread(names_of, "bound-concurrency.md")
    outcomes = await names["work_through"]([1, 2, 3], double)
    assert [one.value for one in outcomes] == [2, 4, 6]


async def test_the_page_on_limits_that_find_themselves(
    capsys: pytest.CaptureFixture[str], postgres: Cluster, serve: Callable[[Any], Any]
) -> None:
    names = await asyncio.to_thread(names_of, "limit-concurrency-adaptively.md")
    fixed, steering = (
        [float(word) for word in line.split()] for line in capsys.readouterr().out.splitlines()
    )
    # Per second, and the p99: nearly as much, in much less time.
    assert steering[0] > 0.85 * fixed[0]
    assert steering[1] < 0.6 * fixed[1]

    names["answer"] = double
    assert await names["ask_or_give_up"](21) == 42

    engine = names["database"](postgres.url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
    await engine.dispose()

    app, limiter, monitor = FastAPI(), AdaptiveLimiter(), PerformanceMonitor()
    names["protect"](app)
    names["with_limits_within"](app)
    names["watch"](monitor, limiter)
    monitor.recorder.probe()
    assert "concurrency_turned_away" in monitor.recorder.snapshot().gauges
    with serve(app) as url:
        async with names["client_of_httpx"](limiter) as client:
            assert (await client.get(url)).status_code == 404
        async with names["session_of_aiohttp"](limiter) as session, session.get(url) as response:
            assert response.status == 404
    assert limiter.statistics().acquired == 2


async def test_the_page_on_the_database(capsys: pytest.CaptureFixture[str]) -> None:
    names = await asyncio.to_thread(names_of, "use-the-database-less.md")
    assert capsys.readouterr().out == "11 True\n"
    statements = []

    async def fetch_agents(ids: Sequence[int]) -> list[dict[str, int]]:
        statements.append(list(ids))
        return [{"id": one} for one in ids]

    tasks = [{"agent_id": one} for one in (1, 2, 1)]
    assert await names["tasks_with_agents"](tasks, fetch_agents) == [
        {"id": 1},
        {"id": 2},
        {"id": 1},
    ]
    assert statements == [[1, 2]]


async def test_the_page_on_caches() -> None:
    names = names_of("cache-answers.md")

    class Database:
        asked = 0
        name = "keiko"

        async def find_agent(self, agent_id: int) -> str:
            self.asked += 1
            return f"{self.name} {agent_id}"

        async def rename(self, agent_id: int, name: str) -> None:
            self.name = name

    database = Database()
    agent = names["agents_of"](database)
    assert await asyncio.gather(*(agent(7) for _ in range(100))) == ["keiko 7"] * 100
    assert database.asked == 1
    await names["rename"](agent, database, 7, "reiko")
    assert await agent(7) == "reiko 7"
    assert await agent.invalidate_tag("agents") == 1

    async def render(name: str) -> str:
        return f"<h1>{name}</h1>"

    for _ in range(4):
        assert await names["page"](render, "agents") == "<h1>agents</h1>"
    assert names["was_it_worth_it"]().startswith("75% of 4 hit, ")


async def test_the_page_on_memory() -> None:
    names = names_of("keep-memory-in-bounds.md")

    async def run() -> None:
        names["sessions"]["a"] = 1

    statistics = await names["serve"](run)
    assert statistics.caches == 2
    kept: list[bytes] = []
    said = names["watch"](lambda: kept.append(bytes(2_000_000)))
    assert "hold more and more memory" in said
    assert "test_how_to_tuning.py" in said


def test_the_page_on_the_event_loop() -> None:
    names = names_of("free-the-event-loop.md")
    call = BlockingCall(
        place="app.py:7 find",
        stack=("requests/api.py:1 get",),
        count=1,
        total_s=1,
        longest_s=1,
        last_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    (said,) = names["advice"]([call])
    assert said.startswith("app.py:7 find: await client.get(url)")
    monitor = PerformanceMonitor()
    names["show_advice"](monitor)
    assert len(monitor.reports) == 1


async def test_the_page_on_caches_in_redis_and_on_what_is_worth_caching() -> None:
    names = names_of("cache-answers.md")
    for number in range(200):
        await names["price"](number % 10)
    (said,) = names["worth_caching"]()
    assert said.endswith("price: @cached(ttl_s=1)")
    client = Redis(port=1)  # nobody is there: it is loaded, and not kept
    agent = names["shared"](client, b"0123456789abcdef")
    assert await agent(7) == {"id": 7, "seen": {1, 2}}
    await client.aclose()


async def test_writes_of_the_page_on_the_database_are_rolled_back_together(
    postgres: Cluster,
) -> None:
    names = names_of("use-the-database-less.md")
    engine = create_async_engine(postgres.url)

    async def take(db: Any) -> None:
        await db.execute(text("CREATE TABLE taken ()"))

    async def give(db: Any) -> None:
        await db.execute(text("CREATE TABLE taken ()"))

    with pytest.raises(ExceptionGroup):
        await names["move"](engine, take, give)
    async with engine.connect() as db:
        assert await db.scalar(text("SELECT to_regclass('taken')")) is None
    await engine.dispose()
