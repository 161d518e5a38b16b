"""
The event loop: what a call that blocks does to the others, and what collections of garbage cost.

    python benchmarks/loop.py

*Blocking*: 200 requests a second, of which one in fifty calls something that blocks for 50 ms; told
is how long the others take, from when they were due: as it is, with `asyncio.to_thread` around the
call, and with one that is awaited (the cures of `advise_blocking`).

*Collections*: a process that holds 600,000 objects for good (as imports, models and caches are)
works through requests, each of which makes some thousand objects, a part of them in circles. Told
are the CPU time of a request, how much of the time was spent on collections, and the longest of
them, in which nothing else runs. Processes of their own, interleaved; medians.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from random import Random

ROUNDS = 5
BLOCKED_S = 0.05

SERVICE = """
import gc, json, time
from keiko_perf.optimization import freeze_after_startup

kept = [{"id": n, "tags": [n, n + 1]} for n in range(300_000)]
if FREEZES:
    freeze_after_startup()
pauses, began = [], 0.0

def note(phase, info):
    global began
    if phase == "start":
        began = time.process_time()
    else:
        pauses.append(time.process_time() - began)

gc.callbacks.append(note)
sessions, cpu = {}, time.process_time()
for number in range(REQUESTS):
    rows = [{"id": n, "name": str(n), "parts": [n]} for n in range(400)]
    circle = [rows]
    circle.append(circle)
    sessions[number % 200] = rows
cpu = time.process_time() - cpu
print(json.dumps([cpu / REQUESTS, sum(pauses) / cpu, max(pauses)]))
"""


def measured(*, freezes: bool) -> tuple[float, float, float]:
    """CPU seconds a request, the share of collections, the longest pause."""
    head = f"FREEZES = {freezes}\nREQUESTS = 3000\n"
    ran = subprocess.run(
        [sys.executable, "-c", head + SERVICE], capture_output=True, text=True, check=True
    )
    request_s, share, longest_s = json.loads(ran.stdout)
    return request_s, share, longest_s


async def others_s(call: Callable[[], Awaitable[object]]) -> list[float]:
    """How long the requests take that don't make the call."""
    random, took_s, due_s = Random(3), [], time.perf_counter()

    async def other(due_s: float) -> None:
        await asyncio.sleep(0.001)
        took_s.append(time.perf_counter() - due_s)

    async with asyncio.TaskGroup() as group:
        for number in range(600):
            due_s += random.expovariate(200)
            await asyncio.sleep(due_s - time.perf_counter())
            group.create_task(other(due_s) if number % 50 else call())  # type: ignore[arg-type]
    return sorted(took_s)


async def blocking() -> None:
    time.sleep(BLOCKED_S)  # noqa: ASYNC251  # what is to be cured


WAYS: dict[str, Callable[[], Awaitable[object]]] = {
    "time.sleep": blocking,
    "asyncio.to_thread": lambda: asyncio.to_thread(time.sleep, BLOCKED_S),
    "asyncio.sleep": lambda: asyncio.sleep(BLOCKED_S),
}


def print_blocking() -> bool:
    """Whether the others are quicker with each of the cures."""
    print(f"{'one in 50 calls':24}{'p50':>10}{'p95':>10}{'p99':>10}   of the others")
    rounds = [
        {name: asyncio.run(others_s(call)) for name, call in WAYS.items()} for _ in range(ROUNDS)
    ]
    p95_s = {}
    for name in WAYS:
        figures = [
            statistics.median(one[name][int(at * len(one[name]))] for one in rounds)
            for at in (0.5, 0.95, 0.99)
        ]
        p95_s[name] = figures[1]
        print(f"{name:24}" + "".join(f"{one * 1e3:7.1f} ms" for one in figures))
    print()
    return p95_s["time.sleep"] == max(p95_s.values())


def run() -> dict[str, bool]:
    """What `benchmarks/tuning.py` shows: whether the cures cure."""
    cured = print_blocking()
    rounds = [(measured(freezes=False), measured(freezes=True)) for _ in range(ROUNDS)]
    print(f"{'':24}{'µs a request':>13}{'collections':>13}{'longest pause':>15}")
    medians = []
    for at, name in enumerate(("as Python starts", "freeze_after_startup")):
        figures = [statistics.median(one[at][column] for one in rounds) for column in range(3)]
        medians.append(figures)
        print(f"{name:24}{figures[0] * 1e6:13.0f}{figures[1]:13.1%}{figures[2] * 1e3:12.1f} ms")
    return {
        "loop: without the blocking call the others are quicker": cured,
        "loop: frozen, a request costs less": medians[1][0] < medians[0][0],
    }


if __name__ == "__main__":
    run()
