"""
Chaos: workers are killed, the disk takes no more, the clock is set: what does the store know then?

A service of four workers under uvicorn is asked all the time, and each answer says which worker
gave it. Meanwhile a worker is killed (SIGKILL) every some seconds and comes back, the disk is full
for a while (a limit of the kernel's on the size of files), and the wall clock is set an hour ahead
and back. At the end the store is held against what was acknowledged to the client: of a worker that
lived all of it is there, exactly; of one that was killed at most the last windows are missing; and
what was merged and charted beside the windows tells the same.

It ends by itself some seconds after the time that was given, with 1 if anything was lost.

    python benchmarks/chaos.py [--seconds 600] [--kill-every 20]
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keiko_perf.model import Kind
from keiko_perf.monitoring import SqliteStore
from keiko_perf.monitoring.storage.pieces import snapshots
from keiko_perf.monitoring.storage.points import STRETCHES_S

WORKERS = 4
CLIENTS = 8
WINDOW_S = 0.5

APP = """
import os, resource, signal, threading, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from keiko_perf.monitoring import PerformanceMonitor

PLACE = Path(os.environ["KEIKO_CHAOS"])

def now():
    ahead = timedelta(hours=1) if (PLACE / "clock").exists() else timedelta()
    return datetime.now(UTC) + ahead

def limit_files():
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    while True:
        soft = 4096 if (PLACE / "full").exists() else hard
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != soft:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        time.sleep(0.02)

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
threading.Thread(target=limit_files, daemon=True).start()
monitor = PerformanceMonitor(
    store=PLACE / "store.db", window_s=0.5, metrics_window_s=5.0, now=now, notify=()
)
app = FastAPI()
monitor.install(app)

@app.get("/work")
async def work():
    return PlainTextResponse(f"{os.getpid()} {monitor.recorder.statistics().windows}")
"""


@dataclass
class Seen:
    """
    What the client knows.

    Attributes:
        answers: acknowledged requests by worker and the number of its window.
        broken: requests without an answer: nobody knows whether they were counted.
        killed: workers that were killed.
    """

    answers: Counter[tuple[int, int]] = field(default_factory=Counter)
    broken: int = 0
    killed: set[int] = field(default_factory=set)

    def by_worker(self) -> Counter[int]:
        counts: Counter[int] = Counter()
        for (worker, _), count in self.answers.items():
            counts[worker] += count
        return counts

    def at_risk(self, worker: int) -> int:
        """Acknowledged in the last windows of *worker*: one that it was in, one under way."""
        last = max((window for pid, window in self.answers if pid == worker), default=0)
        return sum(n for (pid, window), n in self.answers.items()
                   if pid == worker and window >= last - 2)  # fmt: skip


def ask(port: int, seen: Seen, is_over: threading.Event, lock: threading.Lock) -> None:
    while not is_over.is_set():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            for _ in range(20):
                connection.request("GET", "/work")
                worker, window = connection.getresponse().read().split()
                with lock:
                    seen.answers[int(worker), int(window)] += 1
                time.sleep(0.01)
            connection.close()
        except (OSError, http.client.HTTPException, ValueError):
            with lock:
                seen.broken += 1
            time.sleep(0.05)


def disturb(place: Path, seen: Seen, lock: threading.Lock, seconds: float, every_s: float) -> None:
    """Kill, fill, and set the clock, in turn, for so long."""
    end_s, turn = time.monotonic() + seconds, 0
    while time.monotonic() < end_s:
        time.sleep(every_s)
        turn += 1
        with lock:
            alive = [one for one, _ in seen.answers if one not in seen.killed]
        if alive:
            victim = max(alive)
            seen.killed.add(victim)
            os.kill(victim, signal.SIGKILL)
        switch = place / ("full" if turn % 2 else "clock")
        switch.touch()
        time.sleep(min(every_s / 2, 5.0))
        switch.unlink()


def stored(path: Path) -> Counter[int]:
    """Requests by worker. A worker's windows may have been rolled up, but not this young."""
    now = datetime.now(UTC)
    counts: Counter[int] = Counter()
    store = SqliteStore(path)
    for one in store.between(now - timedelta(days=1), now + timedelta(days=1)):
        counts[int(one.worker.rpartition(":")[2])] += one.whole(Kind.ROUTE).count
    store.close()
    return counts


def told(path: Path) -> dict[str, int]:
    """Requests by what a page reads: the windows, what was merged of them, and each chart."""
    now, store = datetime.now(UTC), SqliteStore(path)
    range_ = now - timedelta(days=1), now + timedelta(days=1)
    merged = snapshots(store.pieces(*range_) or ())
    found = {
        "windows": sum(one.whole(Kind.ROUTE).count for one in store.between(*range_)),
        "merged": sum(one.whole(Kind.ROUTE).count for one in merged),
    }
    for stretch_s in STRETCHES_S:
        points = store.points(*range_, stretch_s)
        found[f"points of {stretch_s} s"] = sum(one.requests for one in points)
    store.close()
    return found


def verdict(seen: Seen, kept: Counter[int]) -> list[str]:
    """What is wrong; nothing, if all is as promised."""
    wrong, spare = [], seen.broken
    for worker, acknowledged in sorted(seen.by_worker().items()):
        missing = acknowledged - kept[worker]
        if worker not in seen.killed and missing > 0:
            wrong.append(f"worker {worker} lived and lacks {missing} of {acknowledged}")
        if worker in seen.killed and missing > seen.at_risk(worker):
            wrong.append(f"worker {worker} was killed and lacks {missing} of {acknowledged}")
        spare += min(missing, 0)
    if spare < 0:
        wrong.append(f"{-spare} more are stored than were ever asked for")
    return wrong


def main(seconds: float, every_s: float) -> int:
    seen, lock, is_over = Seen(), threading.Lock(), threading.Event()
    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        place = Path(name)
        (place / "chaos_app.py").write_text(APP)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "uvicorn", "chaos_app:app", "--workers", str(WORKERS),
                   "--port", str(port), "--log-level", "critical", "--app-dir", name]  # fmt: skip
        environment = {**os.environ, "KEIKO_CHAOS": name}
        server = subprocess.Popen(command, env=environment, start_new_session=True)
        clients = [
            threading.Thread(target=ask, args=(port, seen, is_over, lock)) for _ in range(CLIENTS)
        ]
        try:
            for client in clients:
                client.start()
            while len(seen.by_worker()) < WORKERS:
                time.sleep(0.1)
            disturb(place, seen, lock, seconds, every_s)
        finally:
            is_over.set()
            for client in clients:
                client.join()
            time.sleep(4 * WINDOW_S)  # a window that a full disk held back is handed over
            server.terminate()
            try:
                server.wait(60)
            finally:
                with suppress(ProcessLookupError):  # also what it has left behind
                    os.killpg(server.pid, signal.SIGKILL)
        kept = stored(place / "store.db")
        wrong, pages = verdict(seen, kept), told(place / "store.db")
        if len(set(pages.values())) > 1:
            wrong.append(f"what pages read differs: {pages}")
        acknowledged = sum(seen.by_worker().values())
        lost = sum((seen.by_worker() - kept).values())
        print(
            f"{acknowledged} requests acknowledged by {len(seen.by_worker())} workers, of which "
            f"{len(seen.killed)} were killed; {seen.broken} without an answer"
        )
        print(f"stored {sum(kept.values())}; lost with the killed workers' last windows: {lost}")
        print("\n".join(wrong) or "all as promised: nothing lost of a worker that lived")
        return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--kill-every", type=float, default=20)
    given = parser.parse_args()
    sys.exit(main(given.seconds, given.kill_every))
