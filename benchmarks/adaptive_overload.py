"""
An open-loop overload at twice the capacity: goodput and p99 of the accepted, by discipline.

    python benchmarks/adaptive_overload.py

It is in simulated time, so the figures do not depend on the machine. Whoever asks gives up after
ten times as long as work takes; goodput is what is served until then, as a share of the capacity.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from random import Random
from typing import get_args

from keiko_perf.fakes import in_virtual_time
from keiko_perf.optimization import AdaptiveLimiter, Overloaded
from keiko_perf.optimization.queueing import Discipline
from keiko_perf.optimization.simulation import Work, exponential, lognormal

WARM_UP_S, OVERLOAD_S = 3.0, 20.0
PATIENCE_RATIO = 0.3  # of the target: the work itself may take as long as the rest
OVERLOADED = (
    (0.02, 10, exponential(0.02)),
    (0.05, 20, lognormal(0.05, 0.5)),
    (0.01, 2, exponential(0.01)),
)


@dataclass(frozen=True, slots=True)
class Overload:
    """A service of so many places; whoever asks gives up after *target_s*."""

    work: Work
    mean_s: float
    places: int
    target_s: float
    discipline: Discipline


@dataclass(frozen=True, slots=True)
class Served:
    """How many were, how many of them in time, and the p99."""

    count: int
    good: int
    p99_s: float


async def overload(case: Overload, *, limited: bool) -> Served:
    """Ask for twice the capacity."""
    loop, work, gaps = asyncio.get_running_loop(), Random(1), Random(2)
    places = asyncio.Semaphore(case.places)
    limiter = AdaptiveLimiter(patience_s=PATIENCE_RATIO * case.target_s, discipline=case.discipline)
    took_s: list[float] = []

    async def serve() -> None:
        async with places:
            await asyncio.sleep(case.work(work))

    async def ask() -> None:
        began_s = loop.time()
        try:
            if limited:
                async with limiter:
                    await serve()
            else:
                await serve()
        except Overloaded:
            return
        if WARM_UP_S <= loop.time() < WARM_UP_S + OVERLOAD_S:
            took_s.append(loop.time() - began_s)

    asked: set[asyncio.Task[None]] = set()
    while loop.time() < WARM_UP_S + OVERLOAD_S:
        task = loop.create_task(ask())
        asked.add(task)
        task.add_done_callback(asked.discard)
        await asyncio.sleep(gaps.expovariate(2 * case.places / case.mean_s))
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    took_s.sort()
    return Served(
        count=len(took_s),
        good=sum(one <= case.target_s for one in took_s),
        p99_s=took_s[int(0.99 * len(took_s))] if took_s else inf,
    )


def overloads() -> bool:
    """Prints a line for each service and discipline; whether all of them are met."""
    print(f"\n{'asked for twice the capacity':34}{'goodput':>10}{'p99':>10}{'target':>10}")
    met = True
    for mean_s, places, work in OVERLOADED:
        target_s, name = 10 * mean_s, f"{places} places, {mean_s * 1e3:.0f} ms"
        cases = [Overload(work, mean_s, places, target_s, one) for one in get_args(Discipline)]
        # The same work, never idle: what it serves is the capacity that there was.
        unlimited = in_virtual_time(overload(cases[0], limited=False))
        _print(f"{name}, no limit", unlimited, unlimited.count, target_s)
        for case in cases:
            served = in_virtual_time(overload(case, limited=True))
            met &= served.good >= 0.98 * unlimited.count and served.p99_s <= target_s
            _print(f"{name}, {case.discipline}", served, unlimited.count, target_s)
    return met


def _print(name: str, served: Served, capacity: int, target_s: float) -> None:
    goodput = served.good / capacity
    print(f"{name:34}{goodput:10.3f}{served.p99_s * 1e3:7.0f} ms{target_s * 1e3:7.0f} ms")


if __name__ == "__main__":
    overloads()
