"""
The database helpers on a real PostgreSQL: before and after, at the same work.

    python benchmarks/database.py [--rounds 7]

*Reads*: a hundred statements that wait 2 ms each, one after the other and concurrently. *N+1*: the
agents of 200 tasks, one statement each and through a `Loader`. *Writes*: 200 rows, each in a
transaction of its own (which is flushed to disk) and in one. Wall time, interleaved rounds,
medians. *Pool*: requests that come by chance, 60 a second, and hold a connection for 50 ms; told is
how many had to wait for one, and how long at the 95th percentile, with as many connections as are
in use on average, with as many as `advise_pool` says, and with twice as many.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from time import perf_counter
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.optimization import AsyncPerformanceOptimizer, Loader, Operation, advise_pool

SETUP = (
    "CREATE TABLE agents (id int PRIMARY KEY, name text)",
    "INSERT INTO agents SELECT n, 'agent ' || n FROM generate_series(1, 1000) AS n",
    "CREATE TABLE events (note text)",
    "ANALYZE agents",
)
READS, TASKS, WRITES = 100, 200, 200
RATE_PER_S, HOLD_S, ARRIVALS = 60.0, 0.05, 400
Way = Callable[[], Awaitable[object]]


class Work:
    """The same work, done in two ways each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.wanted = [Random(3).randrange(1, 1000) for _ in range(TASKS)]

    async def read(self) -> object:
        async with self.engine.connect() as db:
            return await db.scalar(text("SELECT 1 FROM pg_sleep(0.002)"))

    async def reads_in_turn(self) -> None:
        for _ in range(READS):
            await self.read()

    async def reads_at_once(self) -> None:
        operations = [Operation(self.read) for _ in range(READS)]
        await AsyncPerformanceOptimizer(max_concurrent=20).optimize_database_operations(operations)

    async def agents_one_by_one(self) -> None:
        async with self.engine.connect() as db:
            for agent in self.wanted:
                await db.execute(text("SELECT id, name FROM agents WHERE id = :id"), {"id": agent})

    async def agents_by_loader(self) -> None:
        async def load(ids: Iterable[int]) -> dict[int, Any]:
            async with self.engine.connect() as db:
                statement = text("SELECT id, name FROM agents WHERE id = ANY(:ids)")
                return {row.id: row for row in await db.execute(statement, {"ids": list(ids)})}

        await Loader(load).load_all(self.wanted)

    async def write(self, db: AsyncConnection) -> None:
        await db.execute(text("INSERT INTO events VALUES ('note')"))

    async def writes_each_alone(self) -> None:
        async def alone() -> None:
            async with self.engine.begin() as db:
                await self.write(db)

        operations = [Operation(alone, is_read=False) for _ in range(WRITES)]
        await AsyncPerformanceOptimizer().optimize_database_operations(operations)

    async def writes_in_one(self) -> None:
        operations = [Operation(self.write, is_read=False) for _ in range(WRITES)]
        await AsyncPerformanceOptimizer().optimize_database_operations(
            operations, writes_in=self.engine
        )


async def print_work(work: Work, rounds: int) -> dict[str, bool]:
    ways: dict[str, tuple[Way, Way]] = {
        f"{READS} reads: in turn, concurrently": (work.reads_in_turn, work.reads_at_once),
        f"agents of {TASKS} tasks: N+1, Loader": (work.agents_one_by_one, work.agents_by_loader),
        f"{WRITES} writes: each alone, in one": (work.writes_each_alone, work.writes_in_one),
    }
    print(f"{'':38}{'before':>12}{'after':>12}{'':>10}")
    bars = {}
    for name, (before, after) in ways.items():
        took_s: tuple[list[float], list[float]] = ([], [])
        for number in range(rounds + 1):
            for way, kept in zip((before, after), took_s, strict=True):
                began_s = perf_counter()
                await way()
                if number:  # the first warms up connections and plans
                    kept.append(perf_counter() - began_s)
        was_s, is_s = map(statistics.median, took_s)
        print(f"{name:38}{was_s * 1e3:9.1f} ms{is_s * 1e3:9.1f} ms{was_s / is_s:8.1f} ×")
        bars[f"database: {name}"] = is_s < was_s
    return bars


async def waits_s(url: str, size: int) -> list[float]:
    """How long each request waited for a connection."""
    engine = create_async_engine(url, pool_size=size, max_overflow=0)
    random, found = Random(5), []

    async def ask() -> None:
        asked_s = perf_counter()
        async with engine.connect() as db:
            found.append(perf_counter() - asked_s)
            await db.execute(text("SELECT pg_sleep(:hold)"), {"hold": HOLD_S})

    try:
        await asyncio.gather(*(ask() for _ in range(size)))  # connect
        found.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(ARRIVALS):
                group.create_task(ask())
                await asyncio.sleep(random.expovariate(RATE_PER_S))
    finally:
        await engine.dispose()
    return found


async def print_pools(url: str) -> dict[str, bool]:
    advice = advise_pool(checkouts_per_s=RATE_PER_S, hold_s=HOLD_S)
    print(f"\n{'pool of':26}{'waited > 5 ms':>15}{'p95 of the wait':>17}")
    p95_s = {}
    sizes = {
        "as in use on average": round(advice.busy),
        "as advised": advice.size_per_worker,
        "twice that": 2 * advice.size_per_worker,
    }
    for name, size in sizes.items():
        waited = sorted(await waits_s(url, size))
        p95_s[name] = waited[int(0.95 * len(waited))]
        share = sum(one > 0.005 for one in waited) / len(waited)
        print(f"{size:3} {name:22}{share:15.1%}{p95_s[name] * 1e3:14.1f} ms")
    return {"database: a pool as advised is not waited for": p95_s["as advised"] < 0.01}


async def measure(rounds: int) -> dict[str, bool]:
    async with private_cluster() as cluster:
        engine = create_async_engine(cluster.url, pool_size=20, max_overflow=0)
        try:
            async with engine.begin() as db:
                for statement in SETUP:
                    await db.execute(text(statement))
            return {**await print_work(Work(engine), rounds), **await print_pools(cluster.url)}
        finally:
            await engine.dispose()


def run(*, rounds: int = 7) -> dict[str, bool]:
    """What `benchmarks/tuning.py` shows: whether each helper is quicker than doing without."""
    return asyncio.run(measure(rounds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the database helpers spare.")
    parser.add_argument("--rounds", type=int, default=7)
    sys.exit(0 if all(run(rounds=parser.parse_args().rounds).values()) else 1)
