"""What a database spends its time on from the first question on, by statement."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest

from keiko_perf.cli.load.sessions import sessions_of, spent
from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.collect.counters import StatementCounters
from keiko_perf.diagnosis.postgres import Database

pytestmark = pytest.mark.postgres


@pytest.fixture
async def url(postgres: Cluster) -> Iterator[str]:
    name = f"counters_{uuid4().hex[:12]}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


async def execute(url: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        url.replace("+psycopg", ""), autocommit=True
    ) as db:
        for statement in statements:
            await db.execute(statement)


async def test_only_what_came_since_is_counted_and_ours_is_not(url: str) -> None:
    await execute(
        url,
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        "CREATE TABLE tasks AS SELECT i AS id FROM generate_series(1, 100) i",
        *["SELECT count(*) FROM tasks"] * 5,
    )
    async with Database.connect(url) as database:
        counters = StatementCounters(database)
        if not await counters.start():
            pytest.skip("this server has no pg_stat_statements")
        told, _ = await counters.read()
        assert not any("FROM tasks" in text for text in told)
        await execute(url, *["SELECT count(*) FROM tasks"] * 3)
        await counters.read()  # from now on it is told apart
        await execute(url, *["SELECT count(*) FROM tasks"] * 4, "SELECT pg_sleep(0.02)")
        told, rest = await counters.read()
        (counted,) = (one for text, one in told.items() if "count(*) FROM tasks" in text)
        assert counted.calls == 4
        assert rest.calls >= 3  # those before it was told apart
        assert not any("keiko-perf" in text for text in told)
        values = await spent(counters)
        assert values["sql calls: SELECT count(*) FROM tasks"] == 4.0


async def test_the_clock_the_cores_and_the_sessions_come_with_the_first_answer(url: str) -> None:
    async with sessions_of(url)() as ask:
        values = await ask()
    assert abs(values["clock offset"]) <= values["clock offset error"] + 1.0
    assert values["clock offset error"] > 0
    assert values["cores"] >= 1  # the server of the tests runs on this machine
    assert values["running"] >= 0


async def test_a_server_without_the_extension_counts_none(url: str) -> None:
    await execute(url, "DROP EXTENSION IF EXISTS pg_stat_statements")
    async with Database.connect(url) as database:
        assert not await StatementCounters(database).start()
    async with sessions_of(url)() as ask:
        assert not any(name.startswith("sql ") for name in await ask())
