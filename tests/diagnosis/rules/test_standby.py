"""
What is said of a standby and its slot, on a real primary with a real standby beside it.

A slot is told from a million transactions on that it holds back. To make them takes a minute, so
there are fewer here, and only their number is moved.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url
from tests.diagnosis.rules.test_sick_tables import BURN

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.programs import runner
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import judge

pytestmark = pytest.mark.postgres

_TRIES = 3_000
_SLOT = "of_the_standby"


def connect(url: URL) -> psycopg.Connection:
    plain = url.set(drivername="postgresql")
    return psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True)


async def read(url: URL) -> Evidence:
    async with Database.connect(url) as database:
        return await collect(database)


def codes(evidence: Evidence) -> set[str]:
    return {one.code for one in judge(evidence).findings}


@pytest.fixture
async def primary(postgres: Cluster) -> AsyncIterator[URL]:
    name = f"primary_{uuid4().hex[:12]}"
    yield make_url(await postgres.create_database(name))
    await postgres.drop_database(name)


@pytest.fixture
async def standby(
    postgres: Cluster, primary: URL, absent: Callable[[str], NoReturn]
) -> AsyncIterator[URL]:
    """Where the same database is read on a standby that waits for no query of its own."""
    program = postgres.programs.directory / "pg_basebackup"
    if not program.exists():
        absent("pg_basebackup. apt install postgresql")
    with connect(primary) as db:
        db.execute("SELECT pg_create_physical_replication_slot(%s)", (_SLOT,))
    try:
        with running(postgres, primary, program) as url:
            await until_it_answers(url)
            yield url
    finally:
        with connect(primary) as db:
            for _ in range(_TRIES):  # until the server has seen that the standby is gone
                try:
                    db.execute("SELECT pg_drop_replication_slot(%s)", (_SLOT,))
                    break
                except psycopg.errors.ObjectInUse:
                    await asyncio.sleep(0.01)


@contextmanager
def running(postgres: Cluster, primary: URL, program: Path) -> Iterator[URL]:
    user = runner()
    with tempfile.TemporaryDirectory(prefix="keiko-perf-standby-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        subprocess.run(
            [program, "-D", data, "-R", "-S", _SLOT, "-c", "fast", "-h", str(primary.host),
             "-p", str(primary.port), "-U", str(primary.username)],
            env={**os.environ, "PGPASSWORD": str(primary.password)}, cwd=folder, user=user,
            check=True, capture_output=True,
        )  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings = {
            "port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
            "shared_preload_libraries": "pg_stat_statements", "fsync": "off",
            "max_standby_streaming_delay": "0", "hot_standby_feedback": "on",
            "wal_receiver_status_interval": "1",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [postgres.programs.postgres, "-D", data, *options],
                stdout=log, stderr=log, cwd=folder, user=user,
            )  # fmt: skip
        try:
            yield primary.set(port=port)
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(60)


async def until_it_answers(url: URL) -> None:
    for _ in range(_TRIES):
        try:
            with connect(url):
                return
        except psycopg.OperationalError:
            await asyncio.sleep(0.02)
    pytest.fail("the standby does not answer")


async def test_what_a_standby_costs_and_what_it_cancels(primary: URL, standby: URL) -> None:
    with connect(primary) as db, ExitStack() as stack:
        db.execute("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i")
        db.execute(BURN)
        here = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        assert here is not None
        readers = [connect(standby) for _ in range(12)]
        for one in readers:
            stack.callback(one.close)
        await until(readers[0], f"SELECT pg_last_wal_replay_lsn() >= '{here[0]}'::pg_lsn")
        evidence = await read(standby)
        assert evidence.is_standby
        assert "replication.conflicts" not in codes(evidence)
        for one in readers:
            one.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            one.execute("SELECT count(*) FROM t")

        # What they may still read keeps dead rows on the primary.
        await until(db, "SELECT xmin IS NOT NULL FROM pg_replication_slots")
        db.execute("CALL burn(20000)")
        held = await read(primary)
        assert (held_by(held) or 0) >= 20_000
        assert "replication.slot-horizon" not in codes(held)
        (found,) = [one for one in judge(scaled(held)).findings if one.code.endswith("-horizon")]
        assert found.subject == _SLOT
        assert found.cure is None  # it is in use, and to drop it would end the standby

        # A lock that the primary takes for itself cannot wait for them.
        db.execute("TRUNCATE t")
        last = stack.enter_context(connect(standby))
        counted = "SELECT sum(conflicts) >= 12 FROM pg_stat_database"
        await until(last, counted)
        assert "replication.conflicts" in codes(await read(standby))
        assert "replication.conflicts" not in codes(await read(primary))


async def until(db: psycopg.Connection, question: str) -> None:
    for _ in range(_TRIES):
        if db.execute(question).fetchone() == (True,):  # type: ignore[arg-type]
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"it never came about: {question}")


def held_by(evidence: Evidence) -> int | None:
    known = evidence.replication
    slots = known.slots if known else ()
    return next((one.holds_back_rows for one in slots if one.name == _SLOT), None)


def scaled(evidence: Evidence) -> Evidence:
    """As if there had been a hundred times as many transactions."""
    known = evidence.replication
    assert known is not None
    slots = [replace(one, holds_back_rows=100 * (one.holds_back_rows or 0)) for one in known.slots]
    return replace(evidence, replication=replace(known, slots=tuple(slots)))
