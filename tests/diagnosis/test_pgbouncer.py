"""Behind pgbouncer in transaction mode, where each transaction may get another server process."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import URL, NullPool, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.programs import runner
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.model import Kind
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.attribution import Part

pytestmark = pytest.mark.postgres

CONFIGURATION = """
[databases]
* = host={host} port={port} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture(scope="module")
def pooled(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[URL]:
    """A database of the cluster, through a pgbouncer with two server processes."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if program is None:
        absent("pgbouncer. apt install pgbouncer")
    name = f"pooled_{uuid4().hex[:12]}"
    with asyncio.Runner() as loop:
        url = make_url(loop.run(postgres.create_database(name)))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own_port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="keiko-perf-bouncer-"))
    file = folder / "pgbouncer.ini"
    user = "" if url.username is None else f" user={url.username}"
    file.write_text(
        CONFIGURATION.format(
            host=url.host, port=url.port, password=f"{url.password}{user}", own_port=own_port
        )
    )
    folder.chmod(0o755)
    file.chmod(0o644)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, file], stdout=log, stderr=log, user=runner())
    try:
        through = url.set(host="127.0.0.1", port=own_port)
        _wait_for(through, process, folder / "log")
        yield through
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)
        with asyncio.Runner() as loop:
            loop.run(postgres.drop_database(name))


def _wait_for(url: URL, process: subprocess.Popen[bytes], log: Path) -> None:
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            psycopg.connect(plain, connect_timeout=5).close()
        except psycopg.OperationalError:
            process_ended = process.poll() is not None
            assert not process_ended, log.read_text()
        else:
            return
    pytest.fail(f"pgbouncer does not answer: {log.read_text()}")


@pytest.fixture(params=["psycopg", "asyncpg"])
async def engine(pooled: URL, request: pytest.FixtureRequest) -> AsyncIterator[AsyncEngine]:
    """An engine as a service behind pgbouncer has it, as SQLAlchemy's documentation says."""
    options = {}
    if request.param == "asyncpg":
        options = {
            "poolclass": NullPool,
            "connect_args": {
                "statement_cache_size": 0,
                "prepared_statement_cache_size": 0,
                "prepared_statement_name_func": lambda: f"service_{uuid4()}",
            },
        }
    url = pooled.set(drivername=f"postgresql+{request.param}")
    made = create_async_engine(url, **options)
    yield made
    await made.dispose()


async def _asked(source: URL | AsyncEngine | AsyncSession) -> str:
    async with Database.connect(source) as database:
        for _ in range(6):  # psycopg prepares what it is asked for the sixth time
            evidence = await collect(database)
            assert evidence.gaps == ()
        explained = await explain(database, "SELECT count(*) FROM pg_class WHERE relpages > 1")
        return explained.plan.nodes[0].name


async def test_several_at_once_share_two_server_processes(pooled: URL) -> None:
    answers = await asyncio.gather(*(_asked(pooled) for _ in range(4)))
    assert len(set(answers)) == 1


async def test_an_engine_of_either_driver_is_served(engine: AsyncEngine) -> None:
    answers = await asyncio.gather(*(_asked(engine) for _ in range(3)))
    assert len(set(answers)) == 1


async def test_a_session_goes_on_as_before(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        before = (await session.connection()).get_raw_connection()
        held = (await before).driver_connection
        threshold = getattr(held, "prepare_threshold", None)
        await _asked(session)
        assert getattr(held, "prepare_threshold", None) == threshold


async def test_the_requests_of_a_service_behind_it_are_followed(engine: AsyncEngine) -> None:
    monitor = PerformanceMonitor(attribution=True, blocking_after_s=None)
    monitor.watch_engine(engine, comment="route")
    app = FastAPI()

    @app.get("/agents")
    async def agents() -> list[str]:
        said = []
        for number in range(3):
            async with engine.connect() as db:  # each time perhaps another server process
                await db.execute(text("SELECT pg_sleep(:s)"), {"s": number / 1000})
                asked = text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
                said.append(str((await db.execute(asked)).scalar_one()))
        return said

    monitor.install(app)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        for _ in range(4):
            for said in (await client.get("/agents")).json():
                assert said.endswith("/*http_method='GET',route='/agents'*/")
    snapshot = monitor.recorder.peek()
    await monitor.stop()
    slept = next(one for one in snapshot.asked if one.statement == "SELECT pg_sleep($1)")
    assert (slept.route, slept.requests, slept.count) == ("GET /agents", 4, 12)
    parts = [snapshot.find(part.kind, "GET /agents") for part in Part]
    route = snapshot.find(Kind.ROUTE, "GET /agents")
    assert route is not None
    assert sum(one.sum_s for one in parts if one) == pytest.approx(route.sum_s, rel=0.02)
