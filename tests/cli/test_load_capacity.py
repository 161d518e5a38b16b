"""`load capacity` as a user runs it, on a real service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from fastapi import FastAPI
from sqlalchemy import QueuePool, create_engine
from typer.testing import CliRunner

from keiko_perf import PerformanceMonitor
from keiko_perf.cli import load
from keiko_perf.errors import KeikoError, ServiceUnavailable, UsageError

POOL_SIZE, HOLD_S = 5, 0.2
"""25 a second, which is next to no work: a busy machine is no part of what is measured."""
engine = create_engine(
    "sqlite://",
    poolclass=QueuePool,
    pool_size=POOL_SIZE,
    max_overflow=0,
    connect_args={"check_same_thread": False},
)
app = FastAPI()
monitor = PerformanceMonitor()
monitor.watch_engine(engine)
monitor.install(app)


@app.get("/pooled")
def pooled() -> None:
    with engine.connect():
        time.sleep(HOLD_S)


@app.get("/ok")
async def ok() -> None:
    return None


@pytest.fixture(scope="module")
def url(serve) -> Iterator[str]:
    with serve(app) as served:
        yield served


def keiko(*arguments: str):
    return CliRunner().invoke(load.app, ["capacity", *arguments])


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_pool_of_5_that_is_held_for_200_ms_is_found_and_named(url):
    done = keiko(
        *(f"{url}/pooled", "--slo", "p50<1s, errors<1%", "--watch", url, "--format", "json"),
        *("--start", "20", "--max", "30", "--step-seconds", "3", "--timeout", "10s"),
    )
    answer = json.loads(done.stdout)["capacity"]
    if answer["found"] == "invalid":  # this machine starved the generator, which is no pass
        assert done.exit_code == 4, done.output
        return
    assert done.exit_code == 0, done.output
    assert answer["found"] == "bracket"
    assert answer["bottleneck"] == "pool"
    # A busy machine holds connections for longer; the service has measured for how long.
    ceiling = answer["ceiling_per_s"]
    assert ceiling <= POOL_SIZE / HOLD_S * 1.02
    assert 0.6 * ceiling <= answer["last_pass_per_s"] <= 1.2 * ceiling
    assert answer["first_fail_per_s"] <= answer["last_pass_per_s"] * 1.051


@pytest.mark.slow
def test_a_generator_that_is_starved_to_half_a_core_is_invalid_and_never_a_pass(url):
    arguments = (f"{url}/ok", "--start", "200", "--max", "400", "--step-seconds", "3")
    with subprocess.Popen(
        [sys.executable, "-m", "keiko_perf", "load", "capacity", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        ended = threading.Event()
        thread = threading.Thread(target=starve, args=(process.pid, ended))
        thread.start()
        try:
            output, _ = process.communicate(timeout=100)
        finally:
            ended.set()
            thread.join()
            process.kill()
    assert process.returncode == 4, output
    assert "INVALID: the load generator was the limit" in output
    assert "passed" not in output.split("How it was found")[1]


def starve(parent: int, ended: threading.Event) -> None:
    """Let the generator's processes run for half of the time."""
    while not ended.is_set():
        try:
            workers = psutil.Process(parent).children()
        except psutil.Error:
            return
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for worker in workers:
                try:
                    os.kill(worker.pid, number)
                except ProcessLookupError:
                    continue
            ended.wait(0.06)


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        (("--slo", "p95<200ms for 10s"), UsageError, "a promise with a window"),
        (("--slo", "rps>5"), UsageError, "a capacity without a promise"),
        (("--slo", "p95<1s, rps of GET /ok>5"), UsageError, "a capacity of one step alone"),
        (("--slo", "p95 of GET /none<1s"), UsageError, "there is no such step"),
        (("--slo", "p95<1s, pool.wait.p95<20ms"), UsageError, "not read without --watch"),
        (("--slo", "p95<1s, db.locks<1"), UsageError, "not read without --database"),
        (("--start", "50", "--max", "20"), UsageError, "a search from 50/s up to 20/s"),
        (("--step-seconds", "0"), UsageError, "steps of 0 s"),
        (("--watch", "ftp://x"), UsageError, "names no host"),
        (("--watch", "http://127.0.0.1:9"), ServiceUnavailable, "does not answer"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_cure(url, arguments, kind, reason):
    done = keiko(f"{url}/ok", *arguments)
    assert isinstance(done.exception, kind), done.output
    assert isinstance(done.exception, KeikoError)
    assert reason in done.exception.what
    assert done.exception.cure


def test_a_service_without_a_monitor_cannot_be_watched(serve):
    with serve(FastAPI()) as bare:
        done = keiko(f"{bare}/ok", "--watch", bare)
    assert isinstance(done.exception, ServiceUnavailable)
    assert "PerformanceMonitor" in done.exception.cure
