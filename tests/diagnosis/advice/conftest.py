"""A database for the advisor's tests; HypoPG and recorded statements are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
from tests.diagnosis.advice.advising import TABLES, sync

from keiko_perf.demo.cluster import Cluster


@pytest.fixture(scope="module")
def url(postgres: Cluster) -> Iterator[str]:
    url = asyncio.run(postgres.create_database("advisor"))
    with sync(url) as connection:
        connection.execute(TABLES)
    yield url
    asyncio.run(postgres.drop_database("advisor"))


@pytest.fixture
def needs_hypopg(postgres: Cluster, absent: Callable[[str], NoReturn]) -> None:
    if not postgres.has_hypopg or not postgres.has_statement_statistics:
        absent("pg_stat_statements and HypoPG. apt install postgresql-contrib postgresql-15-hypopg")
