"""
What the watchdog of the event loop costs when all is well: its thread's CPU, as a share of a core.

Once the loop sleeps, and once it is busy with short steps all the time, which is when the watchdog
has to look and to ask. The busy loop counts its steps, with and without a watchdog by turns.

    python benchmarks/watchdog.py [--seconds 4]
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from statistics import median

import uvloop

from keiko_perf.monitoring.process.watchdog import watching
from keiko_perf.monitoring.recorder import Recorder

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
AFTER_S = 0.05
ROUNDS = 5


async def sleeping(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return 0


async def busy(seconds: float) -> int:
    steps, until_s = 0, time.monotonic() + seconds
    while time.monotonic() < until_s:
        sum(range(2_000))
        steps += 1
        await asyncio.sleep(0)
    return steps


async def share_of_a_core(work: Callable[[float], Awaitable[int]], seconds: float) -> float:
    """The watchdog's."""
    with watching(Recorder(), after_s=AFTER_S):
        (thread,) = (one for one in threading.enumerate() if one.name == "keiko-perf watchdog")
        assert thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        await asyncio.sleep(0.1)
        before_s = time.clock_gettime(clock)
        await work(seconds)
        return (time.clock_gettime(clock) - before_s) / seconds


async def steps(seconds: float, *, watched: bool) -> int:
    with watching(Recorder(), after_s=AFTER_S) if watched else nullcontext():
        return await busy(seconds)


def main(seconds: float) -> None:
    for name, factory in LOOPS.items():
        with asyncio.Runner(loop_factory=factory) as runner:
            idle = runner.run(share_of_a_core(sleeping, seconds))
            loaded = runner.run(share_of_a_core(busy, seconds))
            ratios = [
                runner.run(steps(seconds / ROUNDS, watched=True))
                / runner.run(steps(seconds / ROUNDS, watched=False))
                for _ in range(ROUNDS)
            ]
        print(
            f"{name:8} the watchdog takes {idle:.2%} of a core beside a loop that sleeps, "
            f"{loaded:.2%} beside one that is always busy, which gets {median(ratios):.1%} done"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    main(parser.parse_args().seconds)
