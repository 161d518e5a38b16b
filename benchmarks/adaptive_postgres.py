"""
The adaptive limiter on a real PostgreSQL with statements that only compute, beside fixed limits.

    python benchmarks/adaptive_postgres.py [--seconds 0.7] [--rounds 12]

A hundred tasks ask all the time through 32 connections; what is measured is how many statements
a second are answered, and how long one takes once it has a place. Slices are short and
interleaved, in another order each round, so that a machine whose speed drifts is equally fast for
all. The best of many is in part the luckiest: so the best fixed limit is chosen on every other
round and compared on the rest, and the other way round; the ratios are the means of both.
Where other processes are busy too, more statements at once get more of the machine: the best fixed
limit is high then, and the lowest on a machine of one's own.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AbstractAsyncContextManager
from random import Random
from statistics import mean
from time import perf_counter

import asyncpg

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.optimization import AdaptiveLimiter, Limiter

FIXED = (1, 2, 3, 4, 6, 8, 16, 32)
STATEMENT = "SELECT sum(sqrt(n)) FROM generate_series(1, 4000) AS n"
TASKS = 100

Halves = tuple[dict[str, list[float]], dict[str, list[float]]]


async def measure(
    pool: asyncpg.Pool, limiter: AbstractAsyncContextManager[object], seconds: float
) -> list[float]:
    """How long each statement took, in seconds."""
    took_s: list[float] = []
    end_s = perf_counter() + seconds

    async def ask() -> None:
        while perf_counter() < end_s:
            async with limiter, pool.acquire() as connection:
                began_s = perf_counter()
                await connection.fetchval(STATEMENT)
                took_s.append(perf_counter() - began_s)

    await asyncio.gather(*(ask() for _ in range(TASKS)))
    return took_s


async def compare(seconds: float, rounds: int) -> None:
    async with private_cluster() as cluster:
        url = cluster.url.replace("postgresql+psycopg", "postgresql")
        async with asyncpg.create_pool(url, min_size=32, max_size=32) as pool:
            await measure(pool, Limiter(4), 1)  # caches and plans are warm after that
            # It lives as long as a service does: the first second is no service's life.
            adaptive = AdaptiveLimiter(discipline="fifo", patience_s=60)
            await measure(pool, adaptive, 3)
            ways: dict[str, AbstractAsyncContextManager[object]] = {
                f"fixed {limit}": Limiter(limit) for limit in FIXED
            }
            ways["adaptive"] = adaptive
            halves: Halves = ({name: [] for name in ways}, {name: [] for name in ways})
            limits, random = [], Random(1)
            for number in range(rounds):
                for name in random.sample(list(ways), len(ways)):
                    halves[number % 2][name] += await measure(pool, ways[name], seconds)
                limits.append(adaptive.limit)
    print(f"{'':14}{'statements/s':>14}{'p99':>10}")
    for name in ways:
        both = halves[0][name] + halves[1][name]
        print(f"{name:14}{len(both) / seconds / rounds:14.0f}{p99_s(both) * 1e3:7.1f} ms")
    judged = [beside_the_best(chosen, told) for chosen, told in (halves, halves[::-1])]
    throughput, p99 = (mean(one[at] for one in judged) for at in (0, 1))
    print(f"\nadaptive (limit {min(limits)} to {max(limits)}) to the best fixed limit: ", end="")
    print(f"throughput {throughput:.3f}, p99 {p99:.2f}")
    print(f"{'MET' if throughput >= 0.95 else 'MISSED':8}throughput at least 0.95")
    print(f"{'MET' if p99 <= 1 else 'MISSED':8}p99 not above it")


def beside_the_best(
    chosen: dict[str, list[float]], told: dict[str, list[float]]
) -> tuple[float, float]:
    """Throughput and p99 of *told*, relative to the limit that was the best in *chosen*."""
    best = max((name for name in chosen if name != "adaptive"), key=lambda one: len(chosen[one]))
    return (
        len(told["adaptive"]) / len(told[best]),
        p99_s(told["adaptive"]) / p99_s(told[best]),
    )


def p99_s(took_s: list[float]) -> float:
    return sorted(took_s)[int(0.99 * len(took_s))]


def main() -> None:
    parser = argparse.ArgumentParser(description="The adaptive limiter on a real PostgreSQL")
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--rounds", type=int, default=12)
    given = parser.parse_args()
    asyncio.run(compare(given.seconds, given.rounds))


if __name__ == "__main__":
    main()
