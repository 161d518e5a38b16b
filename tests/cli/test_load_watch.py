"""`load run --watch --database` on a real service and a real database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import QueuePool, create_engine
from typer.testing import CliRunner

from keiko_perf import PerformanceMonitor
from keiko_perf.cli import load
from keiko_perf.cli.load.sessions import counted
from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.collect.looks import Look
from keiko_perf.errors import DatabaseUnavailable, ServiceUnavailable, UsageError

engine = create_engine(
    "sqlite://",
    poolclass=QueuePool,
    pool_size=3,
    max_overflow=0,
    connect_args={"check_same_thread": False},
)
app = FastAPI()
monitor = PerformanceMonitor()
monitor.watch_engine(engine)
monitor.install(app)


@app.get("/pooled")
def pooled() -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        time.sleep(0.02)


@pytest.fixture(scope="module")
def url(serve) -> Iterator[str]:
    with serve(app) as served:
        yield served


def keiko(*arguments: str):
    return CliRunner().invoke(load.app, ["run", *arguments])


@pytest.mark.postgres
def test_service_and_database_stand_on_the_axis_of_the_run(
    url: str, postgres: Cluster, tmp_path: Path
) -> None:
    file = tmp_path / "result.json"
    done = keiko(
        *(f"{url}/pooled", "--users", "2", "--duration", "3s", "--save", str(file)),
        *("--watch", url, "--database", postgres.url),
        *("--slo", "pool.wait.p95<10s, pool.use<100% for 1s, db.locks<100"),
    )
    assert done.exit_code in (0, 3, 4, 6), done.output
    assert "The service meanwhile" in done.output
    assert "The database's figures stand on the load generator's clock" in done.output
    assert "The clock of the service is" in done.output
    assert "The clock of the database is" in done.output
    assert "wait for a database connection p95" in done.output
    watched = json.loads(file.read_text())["watched"]
    lines = watched["lines"]
    for name in ("response_s", "pool_in_use", "statements"):
        assert all(0 <= x <= 60 for x, _ in lines[name])
    assert all(y == pytest.approx(1, abs=0.5) for _, y in lines["statements"])
    uses = {one["resource"]: one for one in watched["window"]["uses"]}
    assert uses["pool"]["capacity"] == 3
    assert uses["generator"]["capacity"] == 1
    series = [one["series"] for one in watched["moments"] if one]
    waits = [one["pool"]["counts"] for one in series if "pool" in one]
    assert sum(map(sum, waits)) > 0
    assert watched["error_s"] > 0
    assert watched["database_error_s"] > 0
    shown = CliRunner().invoke(load.app, ["show", str(file), "--format", "html"])
    assert "Connections of the DB pool" in shown.output
    assert "password" not in file.read_text()


def test_a_run_is_stopped_by_what_happens_inside_the_service(url: str) -> None:
    done = keiko(
        *(f"{url}/pooled", "--users", "9", "--duration", "60s", "--watch", url),
        *("--slo", "pool.wait.p50<1ms for 2s, stop as failed"),
    )
    assert done.exit_code == 3, done.output
    assert "it stopped the run after" in done.output


def test_what_is_promised_and_not_watched_is_said_before_the_load(url: str) -> None:
    done = keiko(f"{url}/pooled", "--slo", "pool.wait.p95<20ms")
    assert isinstance(done.exception, UsageError), done.output
    assert "--watch" in done.exception.cure


def test_what_cannot_be_watched_is_said_before_the_load(url: str) -> None:
    for options, kind in (
        (("--watch", "http://127.0.0.1:9"), ServiceUnavailable),
        (("--database", "postgresql://x:secret@127.0.0.1:9/x"), DatabaseUnavailable),
    ):
        done = keiko(f"{url}/pooled", "--duration", "1s", *options)
        assert isinstance(done.exception, kind), done.output
        assert "secret" not in str(done.exception)


def test_sessions_are_counted_by_what_they_wait_for() -> None:
    looks = [None, None, "Lock", "IO", "LWLock", "Client", "Activity"]
    assert counted(tuple(Look(query="", waits_for=one) for one in looks)) == {
        "running": 2.0,
        "lock": 1.0,
        "io": 1.0,
        "other": 1.0,
    }
