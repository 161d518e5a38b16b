"""Nothing severe is said of a healthy database, nobody is held up, and nothing hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url

from keiko_perf.demo.cluster import Cluster, private_cluster
from keiko_perf.demo.seed import seed
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.postgres import TAG, Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.errors import DatabaseUnavailable
from keiko_perf.model import Severity
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres


@pytest.fixture
async def url(postgres: Cluster) -> AsyncIterator[URL]:
    name = f"healthy_{uuid4().hex[:12]}"
    yield make_url(await postgres.create_database(name))
    await postgres.drop_database(name)


def connect(url: URL) -> psycopg.Connection:
    plain = url.set(drivername="postgresql")
    return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)


async def read(url: URL) -> Evidence:
    async with Database.connect(url) as database:
        return await collect(database)


def severe(evidence: Evidence) -> list[tuple[str, str]]:
    found = judge(evidence).findings
    return [(one.code, one.subject) for one in found if one.severity is Severity.CRITICAL]


async def test_nothing_severe_is_said_of_pgbench(
    postgres: Cluster, url: URL, absent: Callable[[str], NoReturn]
) -> None:
    program = postgres.programs.directory / "pgbench"
    if not program.exists():
        absent("pgbench. apt install postgresql")
    where = ["-h", str(url.host), "-p", str(url.port), "-U", str(url.username), str(url.database)]
    for options in (["-i", "-s", "10", "-q"], ["-c", "2", "-t", "500"]):
        ran = await asyncio.to_thread(
            subprocess.run,
            [program, *options, *where],
            env={**os.environ, "PGPASSWORD": str(url.password)},
            capture_output=True,
        )
        assert ran.returncode == 0, ran.stderr
    evidence = await read(url)
    assert evidence.gaps == ()
    assert {one.name for one in evidence.tables} > {"pgbench_accounts", "pgbench_history"}
    assert severe(evidence) == []
    # A table that is only added to needs no key, and none of its keys is superfluous.
    codes = {one.code for one in judge(evidence).findings}
    assert not {code for code in codes if code.startswith(("indexes.", "tables.", "settings."))}


async def test_nothing_severe_is_said_of_the_demos_tables(url: URL) -> None:
    await seed(url.render_as_string(hide_password=False), scale=0.02, faults=())
    evidence = await read(url)
    assert evidence.gaps == ()
    assert severe(evidence) == []


async def test_a_table_that_is_locked_holds_up_nobody_and_is_told(url: URL) -> None:
    with connect(url) as db:
        db.execute("CREATE TABLE t (id serial PRIMARY KEY, parent int REFERENCES t)")
        db.execute("INSERT INTO t (parent) SELECT NULL FROM generate_series(1, 5000)")
        db.execute("VACUUM ANALYZE t")
    before = await read(url)
    with connect(url) as holder, holder.transaction():
        holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        evidence = await read(url)
    assert evidence.gaps == ()
    assert len(evidence.foreign_keys) == len(before.foreign_keys) == 1
    assert [one.name for one in evidence.indexes] == [one.name for one in before.indexes]


async def test_a_sequence_that_is_being_changed_is_a_gap_and_the_rest_is_seen(url: URL) -> None:
    with connect(url) as holder:
        holder.execute("CREATE TABLE t (id serial PRIMARY KEY)")
        with holder.transaction():
            holder.execute("ALTER SEQUENCE t_id_seq INCREMENT 2")
            async with Database.connect(url, lock_timeout_s=0.1) as database:
                evidence = await collect(database)
    (gap,) = evidence.gaps
    assert phrase(gap.subject) == "the sequences"
    assert "schema is not being changed" in phrase(gap.remedy)
    assert evidence.indexes
    assert evidence.connections is not None


async def test_what_was_asked_only_reads(url: URL) -> None:
    with connect(url) as db:
        db.execute("CREATE TABLE t (id serial PRIMARY KEY)")
        await read(url)
        rows = db.execute(
            "SELECT s.query FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND s.query LIKE %s",
            (f"{TAG}%",),
        ).fetchall()
    assert len(rows) > 20
    first = {query.split()[3].upper() for (query,) in rows}
    assert first <= {"BEGIN", "SELECT", "WITH", "SAVEPOINT", "ROLLBACK"}


async def test_a_server_that_dies_on_the_way_is_one_sentence_with_a_cure() -> None:
    async with private_cluster() as cluster:
        url = await cluster.create_database("doomed")
        first = asyncio.Event()

        async def ask_for_ever() -> None:
            async with Database.connect(url) as database:
                while True:
                    await collect(database)
                    first.set()

        asking = asyncio.create_task(ask_for_ever())
        await asyncio.wait_for(first.wait(), 60)
        pid = int((cluster.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        with pytest.raises(DatabaseUnavailable) as raised:
            await asyncio.wait_for(asking, 60)
    assert raised.value.cure
