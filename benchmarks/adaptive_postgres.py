"""
The adaptive limiter on a real PostgreSQL with statements that only compute, beside fixed limits.

    python benchmarks/adaptive_postgres.py [--rows 4000 40000 160000] [--seconds 1] [--rounds 12]

A hundred tasks ask all the time through 32 connections; what is measured is how many statements
a second are answered, and how long one takes once it has a place. Slices are interleaved, in
another order each round, so that a machine whose speed drifts is equally fast for all. One adaptive
limiter lives through all of them, as it would in a service; another begins anew in each slice,
and its beginning counts.

The best of many is in part the luckiest: so the best fixed limit is chosen on every other round and
compared on the rest, and the other way round; the ratios are the means of both. Rounds differ by
more than the bars on many machines, so each ratio comes with the interval that holds 95 % of what
rounds drawn again from these give, and a bar within it is not decided: more rounds would.
Where other processes are busy too, more statements at once get more of the machine: the best fixed
limit is high then, and the lowest on a machine of one's own.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import chain
from random import Random
from statistics import mean, median
from time import perf_counter

import asyncpg

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.optimization import AdaptiveLimiter, Limiter

FIXED = (1, 2, 3, 4, 6, 8, 16, 32)
STATEMENT = "SELECT sum(sqrt(n)) FROM generate_series(1, $1::int) AS n"
TASKS, CONNECTIONS = 100, 32
OURS, ANEW = "adaptive", "from its start"
RESAMPLES = 200
LEAST_THROUGHPUT, MOST_P99 = 0.95, 1.0

Limits = AbstractAsyncContextManager[object]


@dataclass(frozen=True, slots=True)
class Slice:
    """What was answered in a while, and how long each took inside and with the wait, in seconds."""

    lasted_s: float
    inside_s: list[float] = field(default_factory=list)
    whole_s: list[float] = field(default_factory=list)


Rounds = Sequence[dict[str, Slice]]  # what each way did in it


def adaptive() -> AdaptiveLimiter:
    return AdaptiveLimiter(discipline="fifo", patience_s=3600)


async def measure(pool: asyncpg.Pool, limiter: Limits, rows: int, seconds: float) -> Slice:
    inside_s: list[float] = []
    whole_s: list[float] = []
    start_s = perf_counter()

    async def ask() -> None:
        while (asked_s := perf_counter()) < start_s + seconds:
            async with limiter:
                began_s = perf_counter()
                async with pool.acquire() as connection:
                    await connection.fetchval(STATEMENT, rows)
                done_s = perf_counter()
            inside_s.append(done_s - began_s)
            whole_s.append(done_s - asked_s)

    await asyncio.gather(*(ask() for _ in range(TASKS)))
    # To the end of the last: with fewer at once, more of those who wait are answered after time.
    return Slice(perf_counter() - start_s, inside_s, whole_s)


async def compare(pool: asyncpg.Pool, rows: int, seconds: float, rounds: int) -> None:
    await measure(pool, Limiter(4), rows, seconds)  # caches and plans are warm after that
    lives = adaptive()
    await measure(pool, lives, rows, 3 * seconds)  # the first second is no service's life
    ways: dict[str, Callable[[], Limits]] = {
        str(limit): lambda limit=limit: Limiter(limit)  # type: ignore[misc]
        for limit in FIXED
    }
    ways |= {OURS: lambda: lives, ANEW: adaptive}
    told: list[dict[str, Slice]] = []
    limits: Counter[int] = Counter()
    random = Random(1)
    for _ in range(rounds):
        slices = {}
        for name in random.sample(list(ways), len(ways)):
            slices[name] = await measure(pool, ways[name](), rows, seconds)
            if name == OURS:
                limits[lives.limit] += 1
        told.append(slices)
    show(rows, told, limits)


def show(rows: int, rounds: Rounds, limits: Counter[int]) -> None:
    alone_s = median(of(rounds, "1", "inside_s"))
    print(f"\n{rows} rows, {alone_s * 1e3:.1f} ms by itself")
    print(f"{'':16}{'statements/s':>14}{'p99':>12}{'with the wait':>16}")
    for name in (*map(str, FIXED), OURS, ANEW):
        inside_s, whole_s = (p99_s(of(rounds, name, which)) for which in ("inside_s", "whole_s"))
        print(f"{name:16}{per_s(rounds, name):14.0f}", end="")
        print(f"{inside_s * 1e3:9.1f} ms{whole_s * 1e3:13.1f} ms")
    print(
        "limits of the adaptive one, by slices:",
        ", ".join(f"{limit}: {limits[limit]}" for limit in sorted(limits)),
    )
    for name in (OURS, ANEW):
        throughput, p99 = beside_the_best(rounds, name)
        again = [beside_the_best(drawn, name) for drawn in drawn_again(rounds)]
        low, high = interval([one for one, _ in again])
        told = verdict(low >= LEAST_THROUGHPUT, high < LEAST_THROUGHPUT)
        print(f"{name:16}throughput {throughput:.3f} ({low:.3f} to {high:.3f}) of the best {told}")
        low, high = interval([one for _, one in again])
        told = verdict(high <= MOST_P99, low > MOST_P99)
        print(f"{'':16}p99        {p99:.3f} ({low:.3f} to {high:.3f}) of its     {told}")


def beside_the_best(rounds: Rounds, name: str) -> tuple[float, float]:
    """Throughput and p99 relative to the fixed limit that was the best in the other rounds."""
    halves = rounds[::2], rounds[1::2]
    ratios = []
    for chosen, told in (halves, halves[::-1]):
        best = max(map(str, FIXED), key=lambda one: per_s(chosen, one))
        ratios.append(
            (
                per_s(told, name) / per_s(told, best),
                p99_s(of(told, name, "inside_s")) / p99_s(of(told, best, "inside_s")),
            )
        )
    return mean(one for one, _ in ratios), mean(one for _, one in ratios)


def drawn_again(rounds: Rounds) -> list[Rounds]:
    """As many of each half, some twice and some not at all: what might have been as well."""
    random = Random(2)
    drawn: list[Rounds] = []
    for _ in range(RESAMPLES):
        halves = (random.choices(half, k=len(half)) for half in (rounds[::2], rounds[1::2]))
        drawn.append([one for pair in zip(*halves, strict=True) for one in pair])
    return drawn


def interval(ratios: list[float]) -> tuple[float, float]:
    ordered, off = sorted(ratios), len(ratios) // 40
    return ordered[off], ordered[-1 - off]


def verdict(is_met: bool, is_missed: bool) -> str:
    return "MET" if is_met else "MISSED" if is_missed else "NOT DECIDED"


def per_s(rounds: Rounds, name: str) -> float:
    slices = [one[name] for one in rounds]
    return sum(len(one.inside_s) for one in slices) / sum(one.lasted_s for one in slices)


def of(rounds: Rounds, name: str, which: str) -> list[float]:
    return list(chain.from_iterable(getattr(one[name], which) for one in rounds))


def p99_s(took_s: list[float]) -> float:
    return nlargest(max(len(took_s) // 100, 1), took_s)[-1]


async def run(rows: Sequence[int], seconds: float, rounds: int) -> None:
    async with private_cluster() as cluster:
        url = cluster.url.replace("postgresql+psycopg", "postgresql")
        async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
            for count in rows:
                await compare(pool, count, seconds, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="The adaptive limiter on a real PostgreSQL")
    parser.add_argument("--rows", type=int, nargs="+", default=[4_000, 40_000, 160_000])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=12, help="an even number")
    given = parser.parse_args()
    if given.rounds < 2 or given.rounds % 2:
        parser.error("--rounds is an even number, for half of them choose and half are compared")
    asyncio.run(run(given.rows, given.seconds, given.rounds))


if __name__ == "__main__":
    main()
