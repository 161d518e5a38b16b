"""A server that has everything wrong with it that a server can have, for the rules to find."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url

from keiko_perf.demo.cluster import Cluster, private_cluster
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import Judgement, judge
from keiko_perf.errors import KeikoError
from keiko_perf.model import Finding

SICK = {
    "shared_buffers": "2MB",
    "max_connections": "23",  # 20 for others than superusers
    "max_prepared_transactions": "5",
    "max_wal_size": "32MB",
    "min_wal_size": "32MB",
    "autovacuum": "off",
    "autovacuum_freeze_max_age": "100000",
    "archive_mode": "on",
    "archive_command": "false",
    "track_io_timing": "off",
    "pg_stat_statements.track_planning": "on",
    "pg_stat_statements.max": "1000",
}


@pytest.fixture(scope="session")
def sick_server(absent: Callable[[str], NoReturn]) -> Iterator[Cluster]:
    """A private PostgreSQL that is set as none should be."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            cluster = runner.run(stack.enter_async_context(private_cluster(settings=SICK)))
        except KeikoError as error:
            absent(str(error))
        try:
            yield cluster
        finally:
            runner.run(stack.aclose())


@dataclass(frozen=True)
class Patient:
    """A database of a test's own on the sick server."""

    url: URL

    def connect(self) -> psycopg.Connection:
        plain = self.url.set(drivername="postgresql")
        return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)

    def execute(self, *statements: str) -> None:
        with self.connect() as db:
            for one in (*statements, "SELECT 1"):
                # What is not told yet would be told after VACUUM has counted anew.
                if one.startswith(("VACUUM", "ANALYZE", "SELECT 1")):
                    db.execute("SELECT pg_stat_force_next_flush()")
                db.execute(one)  # type: ignore[arg-type]

    def forget(self) -> None:
        """Let what made the tables not count among what asks them."""
        self.execute("SELECT pg_stat_statements_reset()")

    async def evidence(self) -> Evidence:
        async with Database.connect(self.url) as database:
            return await collect(database)

    async def judged(self) -> Judgement:
        judged = judge(await self.evidence())
        assert judged.gaps == ()
        return judged

    async def found(self, code: str) -> list[Finding]:
        return [one for one in (await self.judged()).findings if one.code == code]

    async def codes(self) -> set[str]:
        return {one.code for one in (await self.judged()).findings}


@pytest.fixture
async def patient(sick_server: Cluster) -> AsyncIterator[Patient]:
    name = f"patient_{uuid4().hex[:12]}"
    yield Patient(make_url(await sick_server.create_database(name)))
    await sick_server.drop_database(name)
