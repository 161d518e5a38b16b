"""
What the store costs: the CPU of four workers that write each second, its size, and a view's time.

Four processes write a window into one file each second, for a minute, and their CPU time is told
as a share of a core, beside its bar; the file holds an hour of the same already, so that all that
is done to old windows is in it. Then a month of four workers with windows of 10 s is written, its
size told, and an hour, a day, a week and a month are read from it: a chart as the guide's history
has it, the dashboard's charts, its tables, and its charts of one endpoint. Each is told in CPU
time, of the first time and of the next. All but the month's last hours is written as what it is
rolled up to, minutes and tens of minutes of all workers: the store does with them what it does with
its own, and a month takes minutes to write and not an hour.

    python benchmarks/store.py [--only writes|month] [--days 30]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.dashboard.chunks import Chunks
from keiko_perf.monitoring.dashboard.tables import tables
from keiko_perf.monitoring.dashboard.timelines import Timelines
from keiko_perf.monitoring.dashboard.view import Subject, View
from keiko_perf.monitoring.storage.points import stretch_for
from keiko_perf.monitoring.storage.sqlite import SqliteStore

ROUTES = 50
WORKERS = 4
SECONDS = 60
BEFORE = 4_600  # seconds, after which windows are rolled up
ROLLED_UP, RECENT = 180, 600
START_AT = datetime(2026, 1, 1, tzinfo=UTC)
READS = 7
DAY_S = 86_400.0
FRESH_S = 9_000.0
"""Of which the windows are written as each worker measured them."""


def windows(
    window_s: float, per_route: int, routes: int = ROUTES, kinds: int = 40
) -> list[Snapshot]:
    """Some windows of random traffic; to make each anew would be what is measured."""
    random_ = random.Random(7)
    made = []
    for _ in range(kinds):
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
    # Each second of what is rolled up or merged while it is measured, and some of those in between.
    recent = BEFORE - RECENT
    for number in (*range(ROLLED_UP), *range(ROLLED_UP, recent, 10), *range(recent, BEFORE)):
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
    store, end_s = SqliteStore(path), days * DAY_S
    # Twenty requests of each route in 10 s and worker, of all workers in what is longer.
    older = (
        (600.0, windows(600.0, 4800, kinds=4), max(end_s - 2 * DAY_S, 0.0)),
        (60.0, windows(60.0, 480, kinds=12), max(end_s - FRESH_S, 0.0)),
    )
    at_s = 0.0
    for window_s, kinds, until_s in older:
        while at_s < until_s:
            at = START_AT + timedelta(seconds=at_s)
            store.append(replace(kinds[round(at_s / window_s) % len(kinds)], started_at=at))
            at_s += window_s
    kinds, first_s = windows(10.0, 20), at_s
    began_s = time.process_time()
    while at_s < end_s:
        for worker in range(WORKERS):
            at = START_AT + timedelta(seconds=at_s + worker)
            store.append(moved(kinds[(round(at_s / 10) + worker) % len(kinds)], at, worker))
        at_s += 10
    spent_s = time.process_time() - began_s
    store.close()
    return spent_s / max(at_s - first_s, 10.0) * 10 / WORKERS


def views(path: Path, end_at: datetime, hours: float) -> dict[str, tuple[float, float]]:
    """The CPU milliseconds of each way to look at so many hours: the first time, and the next."""
    last_s, start_at = hours * 3600, end_at - timedelta(hours=hours)
    # Each from a store of its own: the first look at one must not be the second at another.
    chart = monitor_of(path, end_at).store
    page, endpoint = Timelines(monitor_of(path, end_at)), Timelines(monitor_of(path, end_at))
    chunks = Chunks(monitor_of(path, end_at))
    one = View(last_s, subject=Subject(Kind.ROUTE, "GET /api/v1/things-7/{thing_id}"))
    looks: dict[str, Callable[[], object]] = {
        "a chart": lambda: chart.points(start_at, end_at, stretch_for(start_at, end_at)),
        "the page's charts": lambda: page.of(View(last_s), end_at, None),
        "its tables": lambda: tables(chunks.between(start_at, end_at, end_at)),
        "one endpoint's charts": lambda: endpoint.of(one, end_at, None),
    }
    return {
        name: (cpu_ms(look), median(cpu_ms(look) for _ in range(READS)))
        for name, look in looks.items()
    }


def monitor_of(path: Path, end_at: datetime) -> PerformanceMonitor:
    return PerformanceMonitor(store=path, notify=(), now=lambda: end_at)


def cpu_ms(look: Callable[[], object]) -> float:
    began_s = time.process_time()
    look()
    return (time.process_time() - began_s) * 1000


def writes(folder: Path) -> None:
    share = share_of_a_core(folder, ROUTES)
    print(f"{WORKERS} workers that write each second, {ROUTES} routes called in each:")
    print(f"  {share:.2%} of a core in all; bar 1 %: {'met' if share < 0.01 else 'MISSED'}")


def month(folder: Path, days: float) -> None:
    path = folder / "month.db"
    cpu_s = write_history(path, days)
    size = sum(one.stat().st_size for one in folder.glob("month.db*"))
    print(f"{days:g} days of {WORKERS} workers, windows of 10 s, {ROUTES} routes:")
    print(f"  {size / 2**20:.0f} MiB; {cpu_s * 1000:.2f} ms of CPU a window, roll-ups included")
    end_at = START_AT + timedelta(days=days)
    for label, hours in (("1 h", 1), ("24 h", 24), ("7 d", 168), ("30 d", 720)):
        for name, (first, later) in views(path, end_at, hours).items():
            print(f"  {name} of {label}: {first:.0f} ms of CPU, then {later:.1f}")


def main(days: float, only: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        if only != "month":
            writes(Path(name))
        if only != "writes":
            month(Path(name), days)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--only", choices=("writes", "month"))
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        write_each_second(given.worker[1], int(given.worker[0]), int(given.worker[2]))
    else:
        main(given.days, given.only)
