"""What the connections of a pool execute that is used without SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any

import asyncpg
import psycopg
import psycopg_pool
import pytest
from psycopg import sql

from keiko_perf import PerformanceMonitor
from keiko_perf.model import Kind
from keiko_perf.monitoring.attribution import Account, Lag, Part, current
from keiko_perf.monitoring.pools import watch_pool
from keiko_perf.monitoring.recorder import Recorder

pytestmark = pytest.mark.postgres


@pytest.fixture
async def of_asyncpg(url: str) -> AsyncIterator[Any]:
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        yield pool


@pytest.fixture
async def of_psycopg(url: str) -> AsyncIterator[Any]:
    async with psycopg_pool.AsyncConnectionPool(url, min_size=1, max_size=1) as pool:
        yield pool


CLEANING = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL"
"""By which a pool of asyncpg cleans each connection that comes back."""


def told(recorder: Recorder) -> dict[str, tuple[int, int]]:
    """By statement of the application: how often it was executed, and failed."""
    series = recorder.peek().series
    found = {one.name: (one.count, one.errors) for one in series if one.kind == Kind.STATEMENT}
    found.pop(CLEANING, None)
    return found


async def accounted(
    request: Coroutine[Any, Any, None], recorder: Recorder
) -> tuple[Account, dict[str, Any]]:
    """The account of a request, and the statements in it."""
    account = Account(request, recorder.clock, Lag(), recorder)
    token = current.set(account)
    await account
    current.reset(token)
    assert account.asked is not None
    return account, account.asked


async def test_each_way_in_which_asyncpg_executes_is_told_by_its_statement(
    of_asyncpg: Any, recorder: Recorder
) -> None:
    watch_pool(of_asyncpg, recorder)
    async with of_asyncpg.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE seen (x int)")
        await connection.executemany("INSERT INTO seen VALUES ($1)", [(1,), (2,)])
        assert await connection.fetchval("SELECT x FROM seen WHERE x = $1", 1) == 1
        assert len(await connection.fetch("SELECT x FROM seen  WHERE x = $1", 2)) == 1
        assert (await connection.fetchrow("SELECT x FROM seen WHERE x = $1", 2))["x"] == 2
        prepared = await connection.prepare("SELECT count(*) FROM seen")
        assert [await prepared.fetchval(), await prepared.fetchval()] == [2, 2]
    assert await of_asyncpg.fetchval("SELECT 7") == 7
    assert told(recorder) == {
        "CREATE TEMP TABLE seen (x int)": (1, 0),
        "INSERT INTO seen VALUES ($1)": (1, 0),
        "SELECT x FROM seen WHERE x = $1": (3, 0),
        "SELECT count(*) FROM seen": (2, 0),
        "SELECT 7": (1, 0),
    }


async def test_each_way_in_which_psycopg_executes_is_told_by_its_statement(
    of_psycopg: Any, recorder: Recorder
) -> None:
    watch_pool(of_psycopg, recorder)
    async with of_psycopg.connection() as connection:
        await connection.execute("CREATE TEMP TABLE seen (x int)")
        async with connection.cursor() as cursor:
            await cursor.executemany("INSERT INTO seen VALUES (%s)", [(1,), (2,)])
            await cursor.execute("SELECT x FROM seen WHERE x = %(x)s", {"x": 1})
            assert await cursor.fetchone() == (1,)
        await connection.execute(b"SELECT 7")
        named = sql.SQL("SELECT x FROM {} WHERE x = %s").format(sql.Identifier("seen"))
        await connection.execute(named, (2,))
    assert told(recorder) == {
        "CREATE TEMP TABLE seen (x int)": (1, 0),
        "INSERT INTO seen VALUES ($1)": (1, 0),
        "SELECT x FROM seen WHERE x = $1": (1, 0),
        "SELECT 7": (1, 0),
        'SELECT x FROM "seen" WHERE x = $1': (1, 0),
    }


def test_a_pool_of_threads_tells_its_statements_too(url: str, recorder: Recorder) -> None:
    with psycopg_pool.ConnectionPool(url, min_size=1, max_size=1) as pool:
        watch_pool(pool, recorder)
        with pool.connection() as connection:
            assert connection.execute("SELECT 7").fetchone() == (7,)
    assert told(recorder) == {"SELECT 7": (1, 0)}


async def test_that_a_pool_of_asyncpg_cleans_what_comes_back_is_a_statement_of_the_request(
    of_asyncpg: Any, recorder: Recorder
) -> None:
    watch_pool(of_asyncpg, recorder)

    async def ask() -> None:
        for _ in range(3):
            await of_asyncpg.fetchval("SELECT 1")

    account, asked = await accounted(ask(), recorder)
    assert {name: told[0] for name, told in asked.items()} == {"SELECT 1": 3, CLEANING: 3}
    # So what is told of statements is what their part of the time is made of.
    assert account.parts_s()[Part.SQL] == pytest.approx(sum(one[1] for one in asked.values()), 0.2)


async def test_savepoints_of_asyncpg_have_one_name(of_asyncpg: Any, recorder: Recorder) -> None:
    watch_pool(of_asyncpg, recorder)
    async with of_asyncpg.acquire() as connection, connection.transaction():
        for _ in range(2):
            async with connection.transaction():
                pass
    assert told(recorder) == {
        "BEGIN": (1, 0),
        "SAVEPOINT __asyncpg_savepoint": (2, 0),
        "RELEASE SAVEPOINT __asyncpg_savepoint": (2, 0),
        "COMMIT": (1, 0),
    }


async def test_a_statement_that_fails_is_an_error(
    of_asyncpg: Any, of_psycopg: Any, recorder: Recorder
) -> None:
    watch_pool(of_asyncpg, recorder)
    watch_pool(of_psycopg, recorder)
    async with of_asyncpg.acquire() as connection:
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.fetchval("SELECT 1 / 0")
    async with of_psycopg.connection() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await connection.execute("SELECT 1 / 0")
    assert told(recorder) == {"SELECT 1 / 0": (2, 2)}


async def test_a_request_is_told_its_statements_their_time_and_the_line_that_repeats_one(
    of_asyncpg: Any, of_psycopg: Any, recorder: Recorder
) -> None:
    watch_pool(of_asyncpg, recorder)
    watch_pool(of_psycopg, recorder)

    async def ask() -> None:
        async with of_asyncpg.acquire() as connection:
            for _ in range(5):
                await connection.execute("SELECT pg_sleep(0.01)")
        async with of_psycopg.connection() as connection:
            await connection.execute("SELECT pg_sleep(0.01)")

    account, asked = await accounted(ask(), recorder)
    asked.pop(CLEANING)
    ((times, took_s, place),) = asked.values()
    assert (times, place.split(":")[0].rsplit("/")[-1]) == (6, "test_pool_statements.py")
    assert took_s >= 0.06
    assert account.parts_s()[Part.SQL] >= took_s


async def test_two_monitors_are_told_once_each_however_often_a_connection_comes(
    of_asyncpg: Any, of_psycopg: Any
) -> None:
    monitors = [PerformanceMonitor(notify=()) for _ in range(2)]
    for monitor in monitors:
        monitor.watch_pool(of_asyncpg)
        monitor.watch_pool(of_psycopg)
    ways = set()
    for _ in range(3):
        async with of_asyncpg.acquire() as connection:
            await connection.execute("SELECT 1")
            ways.add(len(type(connection._con).__mro__))
        async with of_psycopg.connection() as connection:
            await connection.execute("SELECT 2")
            ways.add(len(connection.cursor_factory.__mro__) + 100)
    assert len(ways) == 2  # one a driver: no layer comes upon another
    for monitor in monitors:
        assert told(monitor.recorder) == {"SELECT 1": (3, 0), "SELECT 2": (3, 0)}
