"""Whose CPU time is watched: that of the service, and of nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
from fastapi import FastAPI

from keiko_perf import PerformanceMonitor
from keiko_perf.loadtest.watching.telemetry import CPU_S, WORKERS
from keiko_perf.loadtest.watching.watcher import Watcher
from keiko_perf.monitoring import SqliteStore
from keiko_perf.monitoring.recorder import Recorder

Serve = Callable[[Any], AbstractContextManager[str]]

RELAY = """
import asyncio, sys

async def passed(reader, writer):
    while some := await reader.read(65536):
        writer.write(some)
    writer.close()

async def met(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(passed(reader, back), passed(there, writer))

async def main():
    server = await asyncio.start_server(met, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def proxy(url: str) -> Iterator[str]:
    """A process of its own in front of *url*."""
    command = [sys.executable, "-c", RELAY, str(urlsplit(url).port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(relay.stdout.readline())}"
        finally:
            relay.kill()


def used_s() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


def test_behind_a_reverse_proxy_it_is_that_of_the_service_and_not_of_the_proxy(
    serve: Serve,
) -> None:
    app = FastAPI()
    PerformanceMonitor().install(app)
    with serve(app) as url, proxy(url) as through:
        before_s = used_s()
        with Watcher(through) as watcher:
            while len(watcher.readings) < 2:
                pass
        last = watcher.readings[-1].values
        assert last[WORKERS] == 1
        assert before_s <= last[CPU_S] <= used_s()


def test_a_worker_for_background_tasks_that_shares_the_store_is_not_counted(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "shared.db"
    app = FastAPI()
    PerformanceMonitor(store=str(path)).install(app)
    waits = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waits, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        window = Recorder(worker=f"{socket.gethostname()}:{worker.pid}").snapshot()
        SqliteStore(path).append(window)
        with serve(app) as url, Watcher(url) as watcher:
            told = json.load(urlopen(f"{url}/performance/attribution"))  # noqa: S310 - it is our own
            while len(watcher.readings) < 2:
                pass
        worker.kill()
    assert window.worker in told["processes"]
    assert watcher.readings[-1].values[WORKERS] == 1
