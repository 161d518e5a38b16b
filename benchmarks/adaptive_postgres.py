"""
The adaptive limiter on a real PostgreSQL with statements that only compute, beside fixed limits.

    python benchmarks/adaptive_postgres.py [--seconds 3] [--rounds 3]

A hundred tasks ask all the time through 32 connections; what is measured is how many statements
a second are answered, and how long one takes once it has a place. Rounds are interleaved, the
figures are medians, and ratios are to the best fixed limit of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AbstractAsyncContextManager
from statistics import median
from time import perf_counter

import asyncpg

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.optimization import AdaptiveLimiter, Limiter

FIXED = (1, 2, 3, 4, 6, 8, 16, 32)
STATEMENT = "SELECT sum(sqrt(n)) FROM generate_series(1, 4000) AS n"
TASKS = 100


async def measure(
    pool: asyncpg.Pool, limiter: AbstractAsyncContextManager[object], seconds: float
) -> tuple[float, float]:
    """Statements a second, and their p99 in seconds."""
    took_s: list[float] = []
    end_s = perf_counter() + seconds

    async def ask() -> None:
        while perf_counter() < end_s:
            async with limiter, pool.acquire() as connection:
                began_s = perf_counter()
                await connection.fetchval(STATEMENT)
                took_s.append(perf_counter() - began_s)

    await asyncio.gather(*(ask() for _ in range(TASKS)))
    return len(took_s) / seconds, sorted(took_s)[int(0.99 * len(took_s))]


async def compare(seconds: float, rounds: int) -> None:
    async with private_cluster() as cluster:
        url = cluster.url.replace("postgresql+psycopg", "postgresql")
        async with asyncpg.create_pool(url, min_size=32, max_size=32) as pool:
            await measure(pool, Limiter(4), 1)  # caches and plans are warm after that
            # It lives as long as a service does: the first second is no service's life.
            adaptive = AdaptiveLimiter(discipline="fifo", patience_s=60)
            await measure(pool, adaptive, seconds)
            found: list[tuple[float, float]] = []
            fixed: dict[int, list[tuple[float, float]]] = {limit: [] for limit in FIXED}
            ratios: list[tuple[float, float]] = []
            for _ in range(rounds):
                for limit in FIXED:
                    fixed[limit].append(await measure(pool, Limiter(limit), seconds))
                found.append(await measure(pool, adaptive, seconds))
                best = max((runs[-1] for runs in fixed.values()), key=lambda one: one[0])
                ratios.append((found[-1][0] / best[0], found[-1][1] / best[1]))
    print(f"{'':14}{'statements/s':>14}{'p99':>10}")
    rows = [(f"fixed {limit}", runs) for limit, runs in fixed.items()]
    for name, runs in [*rows, (f"adaptive ({adaptive.limit})", found)]:
        throughput, p99_s = (median(one[at] for one in runs) for at in (0, 1))
        print(f"{name:14}{throughput:14.0f}{p99_s * 1e3:7.1f} ms")
    throughput, p99 = (median(one[at] for one in ratios) for at in (0, 1))
    print(f"\nadaptive to the best fixed limit: throughput {throughput:.3f}, p99 {p99:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The adaptive limiter on a real PostgreSQL")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(compare(given.seconds, given.rounds))


if __name__ == "__main__":
    main()
