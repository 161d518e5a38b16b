"""Several workers are one service: counts are exact, and percentiles those of one recorder."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keiko_perf.model import Histogram, Kind, Snapshot
from keiko_perf.monitoring import SqliteStore

pytestmark = pytest.mark.slow
CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
WORKERS, CLIENTS = 4, 8
SERVERS = {
    "uvicorn": "--workers {workers} --port {port} --log-level critical --app-dir {folder}",
    "gunicorn": "--workers {workers} --bind 127.0.0.1:{port} --log-level critical"
    " --chdir {folder} --worker-class uvicorn_worker.UvicornWorker",
}
"""How each is told to serve."""
APP = """
import asyncio, json, os
from pathlib import Path
from fastapi import FastAPI
from keiko_perf.monitoring import PerformanceMonitor

PLACE = Path(os.environ["KEIKO_PLACE"])
monitor = PerformanceMonitor(
    store=PLACE / "store.db", window_s=0.3, metrics_window_s=60.0, notify=()
)
app = FastAPI()
monitor.install(app)
names = monitor.recorder.requests.names
log = (PLACE / f"{os.getpid()}.log").open("a", buffering=1)

class Logged(list):
    \"\"\"What one recorder of all workers would have been told, once it is taken out.\"\"\"

    def __getitem__(self, which):
        taken = super().__getitem__(which)
        for over in taken:
            name = over[0] if isinstance(over[0], str) else names.later(over[0], over[1], over[2])
            log.write(json.dumps([name, over[4], over[6]]) + "\\n")
        return taken

class Noted(list):
    \"\"\"The same of those that are noted together with others of their route.\"\"\"

    def __getitem__(self, which):
        taken = super().__getitem__(which)
        for one in taken:
            log.write(json.dumps([self.name, one, 0] if self.took else [self.name, None, one]))
            log.write("\\n")
        return taken

def noted(endpoint, took):
    one = Noted()
    one.name, one.took = endpoint.__name__, took
    return one

class Places(dict):
    def setdefault(self, endpoint, place):
        *told, took, _ = place
        took = [noted(endpoint, True) for _ in took]
        return super().setdefault(endpoint, (*told, took, noted(endpoint, False)))

monitor.recorder.requests.over = Logged()
monitor.recorder.requests.places = Places()

@app.get("/work/{number}")
async def work(number: int):
    await asyncio.sleep(0.0001 * (number % 50))
    return os.getpid()

@app.get("/metrics")
async def metrics():
    snapshot = await monitor.current()
    return None if snapshot is None else sum(
        one.count for one in snapshot.series if one.name == "GET /work/{number}"
    )
"""


def is_up(port: int) -> bool:
    try:
        get(port, "/metrics")
    except OSError:
        return False
    return True


def get(port: int, path: str) -> object:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.parametrize("kind", SERVERS)
def test_four_workers_are_counted_exactly_and_merged_and_each_answers_for_all(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "four_app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = SERVERS[kind].format(workers=WORKERS, port=port, folder=tmp_path)
    command = [sys.executable, "-m", kind, "four_app:app", *options.split()]
    server = subprocess.Popen(command, env={**os.environ, "KEIKO_PLACE": str(tmp_path)})
    asked, seen = 0, set[object]()
    try:
        while not is_up(port):
            assert server.poll() is None, "the server ended"
        with ThreadPoolExecutor(CLIENTS) as clients:
            while len(seen) < WORKERS or asked < 400:
                paths = [f"/work/{asked + number}" for number in range(10 * CLIENTS)]
                seen.update(clients.map(lambda path: get(port, path), paths))
                asked += len(paths)
        while get(port, "/metrics") != asked:  # whichever worker it is that answers
            pass
    finally:
        server.terminate()
        server.wait(60)
    now = datetime.now(UTC)
    store = SqliteStore(tmp_path / "store.db")
    whole = Snapshot.merged(store.between(now - timedelta(hours=1), now + timedelta(hours=1)))
    store.close()
    assert whole is not None
    found = whole.find(Kind.ROUTE, "GET /work/{number}")
    logs = "".join(log.read_text() for log in tmp_path.glob("*.log"))
    told = [json.loads(line) for line in logs.splitlines()]
    one_recorder = Histogram(
        took_s for route, took_s, _ in told if "work" in route and took_s is not None
    )
    assert found is not None
    assert found.count == asked == one_recorder.count
    assert found.succeeded == one_recorder
    assert found.sent_bytes == sum(one[2] for one in told if "work" in one[0])


def test_in_a_short_chaos_nothing_is_lost_of_a_worker_that_lived() -> None:
    done = subprocess.run(
        [sys.executable, str(CHAOS), "--seconds", "5", "--kill-every", "2"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as promised" in done.stdout
    assert "2 were killed" in done.stdout or "3 were killed" in done.stdout
