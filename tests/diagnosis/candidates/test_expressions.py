"""How many values an expression has is looked at before an index over it is advised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NoReturn

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.workload import Statement, Workload

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TABLE person (id int PRIMARY KEY, mail text, phone text, divisor int, note text);
INSERT INTO person SELECT i, 'Mail' || i, 10 + i % 25 || '-' || i, i % 3, repeat('x', 60)
FROM generate_series(1, 40000) i;
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    url = asyncio.run(postgres.create_database("expressions"))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TABLES)
    yield url
    asyncio.run(postgres.drop_database("expressions"))


async def advised(url: str, where: str) -> Advice:
    text = f"SELECT note FROM person WHERE {where}"
    async with Database.connect(url) as database:
        return await advise(database, Workload.of([Statement(text=text, calls=100, total_s=1.0)]))


async def test_one_with_many_values_is_advised(url: str) -> None:
    advice = await advised(url, "lower(mail) = 'mail77'")
    assert [one.index.kind for one in advice.indexes] == ["expression"]


async def test_one_with_few_values_is_refused_though_the_planner_guesses_more(url: str) -> None:
    advice = await advised(url, "substr(phone, 1, 2) IN ('13', '31', '23')")
    assert not advice.indexes
    (refusal,) = [one for one in advice.refusals if "substr" in str(one.index)]
    assert refusal.code == "unverified"
    assert refusal.reason.values["different"] == 25
    assert 200 <= refusal.reason.values["sampled"] <= 4000


async def test_one_that_fails_on_a_row_breaks_nothing(url: str) -> None:
    advice = await advised(url, "(100 / divisor) = 7")
    assert advice.cost_before
