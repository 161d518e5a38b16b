"""A database that was given is left as it was, also when another demo is at it."""

from __future__ import annotations

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.place import place
from keiko_perf.demo.seed import is_seeded, seed
from keiko_perf.errors import DatabaseUnavailable, ServiceUnavailable, UsageError
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres

SCALE = 0.002
GONE = ServiceUnavailable("the service is gone", cure="Start it again")


def _libpq(url: str) -> str:
    return url.replace("+psycopg", "")


async def test_what_it_made_it_removes(empty_url: str) -> None:
    async with place(empty_url):
        await seed(empty_url, scale=SCALE)
        assert await is_seeded(empty_url)
    assert not await is_seeded(empty_url)


async def test_what_it_made_it_removes_after_a_failure_too(empty_url: str) -> None:
    async def use() -> None:
        async with place(empty_url):
            await seed(empty_url, scale=SCALE)
            raise GONE

    with pytest.raises(ServiceUnavailable, match="is gone"):
        await use()
    assert not await is_seeded(empty_url)


async def test_the_tables_of_another_demo_stay_and_that_is_said(own_url: str) -> None:
    async with place(own_url) as where:
        assert "already, and stay" in phrase(where.label)
    assert await is_seeded(own_url)


async def test_the_tables_of_a_demo_of_another_size_stay(own_url: str) -> None:
    with pytest.raises(UsageError, match="other demo data"):
        async with place(own_url):
            await seed(own_url, scale=2 * SCALE)
    assert await is_seeded(own_url)


async def test_when_it_cannot_remove_them_the_first_reason_is_said_and_the_rest(
    empty_url: str, postgres: Cluster
) -> None:
    name = empty_url.rpartition("/")[2]

    async def let_in(word: str) -> None:
        async with await psycopg.AsyncConnection.connect(
            _libpq(postgres.url), autocommit=True
        ) as db:
            await db.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {word}".encode())

    async def use() -> None:
        async with place(empty_url):
            await seed(empty_url, scale=SCALE)
            await let_in("false")
            raise GONE

    with pytest.raises(DatabaseUnavailable) as refused:
        await use()
    await let_in("true")
    assert refused.value.what == (
        "the service is gone; and then the schema keiko_demo could not be removed"
    )
    assert refused.value.cure.startswith("Start it again. If it is still there: DROP SCHEMA")
