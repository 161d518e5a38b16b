"""
What the store costs: the CPU of four workers that write each second, its size, and a chart's time.

Four processes write a window into one file each second, for some seconds, and their CPU time is
told as a share of a core; the file holds an hour of the same already, so that all that is done to
old windows is in it. Then a month of four workers with windows of 10 s is written, its size told,
and charts of an hour, a day and a month are read from it.

    python benchmarks/store.py [--days 30]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.store import SqliteStore

ROUTES = 50
WORKERS = 4
SECONDS = 20
BEFORE = 4_600  # seconds, after which windows are rolled up
START_AT = datetime(2026, 1, 1, tzinfo=UTC)
READS = 7


def windows(window_s: float, per_route: int, routes: int = ROUTES) -> list[Snapshot]:
    """Some windows of random traffic; to make each anew would be what is measured."""
    random_ = random.Random(7)
    made = []
    for _ in range(40):
        series = [
            Series(
                kind=Kind.ROUTE,
                name=f"GET /api/v1/things-{number}/{{thing_id}}",
                window_s=window_s,
                succeeded=Histogram(
                    random_.lognormvariate(-4 + number % 7 / 3, 0.6) for _ in range(per_route)
                ),
            )
            for number in range(routes)
        ]
        lags = (abs(random_.gauss(0, 0.001)) for _ in range(round(window_s * 10)))
        series.append(
            Series(kind=Kind.LOOP, name="event loop", window_s=window_s, succeeded=Histogram(lags))
        )
        gauges = {name: Gauge.of(random_.random()) for name in ("cpu_ratio", "memory_ratio")}
        made.append(Snapshot(started_at=START_AT, window_s=window_s, series=tuple(series),
                             gauges=gauges, counters={"arrived": routes * per_route}))  # fmt: skip
    return made


def moved(window: Snapshot, at: datetime, worker: int) -> Snapshot:
    return replace(window, started_at=at, worker=f"host:{worker}")


def write_each_second(path: str, worker: int, routes: int) -> None:
    """One worker: prints the share of a core that it needs."""
    store, kinds = SqliteStore(path), windows(1.0, 4, routes)
    began_at = START_AT + timedelta(seconds=BEFORE)
    store.append(moved(kinds[0], began_at, worker))
    began_s, cpu_s = time.monotonic(), time.process_time()
    for number in range(1, SECONDS + 1):
        time.sleep(max(began_s + number + worker / WORKERS - time.monotonic(), 0.0))
        store.append(
            moved(kinds[number % len(kinds)], began_at + timedelta(seconds=number), worker)
        )
    print((time.process_time() - cpu_s) / SECONDS)
    store.close()


def share_of_a_core(folder: Path, routes: int) -> float:
    """Of four workers that write each second into a store that they have written to for long."""
    path = folder / f"seconds-{routes}.db"
    store, kinds = SqliteStore(path), windows(1.0, 4, routes)
    for number in range(BEFORE):
        for worker in range(WORKERS):
            at = START_AT + timedelta(seconds=number)
            store.append(moved(kinds[number % len(kinds)], at, worker))
    store.close()
    command = [sys.executable, __file__, "--worker"]
    running = [
        subprocess.Popen(
            [*command, str(number), str(path), str(routes)], stdout=subprocess.PIPE, text=True
        )
        for number in range(WORKERS)
    ]
    return sum(float(one.communicate()[0]) for one in running)


def write_history(path: Path, days: float) -> float:
    """Some days of four workers; the CPU seconds of a window, roll-ups included."""
    store, kinds = SqliteStore(path), windows(10.0, 20)
    total = round(days * 8640)
    began_s = time.process_time()
    for number in range(total):
        for worker in range(WORKERS):
            at = START_AT + timedelta(seconds=10 * number + worker)
            store.append(moved(kinds[(number + worker) % len(kinds)], at, worker))
    store.close()
    return (time.process_time() - began_s) / total / WORKERS


def read_ms(path: Path, end_at: datetime, hours: float) -> tuple[float, float, int]:
    """The first and the median time of a chart, and its points."""
    took, points = [], 0
    store = SqliteStore(path)
    for _ in range(READS):
        began_s = time.perf_counter()
        points = len(store.points(end_at - timedelta(hours=hours), end_at))
        took.append((time.perf_counter() - began_s) * 1000)
    store.close()
    return took[0], median(took), points


def main(days: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"{WORKERS} workers that write each second:")
        for routes in (10, ROUTES):
            share = share_of_a_core(folder, routes)
            print(f"  {routes} routes called in each second: {share:.2%} of a core in all")
        cpu_s = write_history(folder / "month.db", days)
        size = sum(one.stat().st_size for one in folder.glob("month.db*"))
        print(f"{days:g} days of {WORKERS} workers, windows of 10 s, {ROUTES} routes:")
        print(f"  {size / 2**20:.0f} MiB; {cpu_s * 1000:.2f} ms of CPU a window, roll-ups included")
        end_at = START_AT + timedelta(days=days)
        for label, hours in (("1 h", 1), ("24 h", 24), ("30 d", 720)):
            first, mid, points = read_ms(folder / "month.db", end_at, hours)
            print(f"  a chart of {label:>4}: {points:4} points, {mid:6.1f} ms (first {first:.1f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        write_each_second(given.worker[1], int(given.worker[0]), int(given.worker[2]))
    else:
        main(given.days)
