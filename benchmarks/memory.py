"""
Memory: what the governor gives back, what it costs to watch, and whether a leak is survived.

    python benchmarks/memory.py [--only dropped watching leak] [--leak-s 20]

(600 s: as in the acceptance test, by hand)

Each is a process of its own. *Dropped heap*: 1 GB of small and large objects is dropped in mid-
run, but for one block in ten thousand, so that it lies between what is used; what can be returned
is what an explicit `gc.collect()` and `malloc_trim` return from the same heap. *Watching* is CPU
time of the governor's thread over the time that went by, with room and with little. *Leak*: the
demo's leaking cache (its own class and rows) is filled under a limit of 512 MB of address space;
without the governor it dies.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

DROPPED = """
import gc, json, sys, time
from random import Random
from keiko_perf.container import read_held
from keiko_perf.optimization import MemoryGovernor
from keiko_perf.optimization.memory.allocator import trim

def mb():
    return read_held().rss_bytes / 2**20

governor = MemoryGovernor(limit_mb=100_000)
if GOVERNED:
    governor.start()
random, base = Random(4), mb()
heap = [bytes(random.choice((600, 1000, 4000, 20_000))) for _ in range(160_000)]
full = mb()
kept = heap[::10_000]
del heap
dropped = mb()
if GOVERNED:
    deadline = time.monotonic() + 40
    while not governor.statistics().trims and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
else:
    gc.collect()
    trim()
print(json.dumps([base, full, dropped, mb()]))
"""

WATCHING = """
import json, resource, threading, time
from keiko_perf.container import read_held
from keiko_perf.optimization import MemoryGovernor

held_mb = read_held().rss_bytes / 2**20
governor = MemoryGovernor(limit_mb=held_mb / SHARE).start()
began_s, cpu_s = time.monotonic(), time.process_time()
time.sleep(SECONDS)
print(json.dumps([(time.process_time() - cpu_s) / (time.monotonic() - began_s),
                  governor.statistics().looks]))
governor.stop()
"""

LEAK = """
import asyncio, json, resource, time
from keiko_perf.container import read_held
from keiko_perf.demo.faults import SearchCache
from keiko_perf.demo.schema import Document
from keiko_perf.optimization import MemoryGovernor

LIMIT = 512 * 2**20

async def main():
    cache = SearchCache()
    governor = MemoryGovernor(limit_mb=512)
    if GOVERNED:
        governor.watch(cache.kept)
    governor.start()
    base = read_held().vms_bytes - read_held().rss_bytes
    resource.setrlimit(resource.RLIMIT_AS, (base + LIMIT, base + LIMIT))
    ends_at, requests = time.monotonic() + SECONDS, 0
    while time.monotonic() < ends_at:
        hits = [Document(title=f"{requests} {n}", body=f"{n} " * 500) for n in range(200)]
        cache.kept["search", time.monotonic_ns()] = hits
        requests += 1
        await asyncio.sleep(0.002)
    governor.stop()
    print(json.dumps([requests, governor.statistics().reliefs, read_held().rss_bytes / 2**20]))

asyncio.run(main())
"""


def ran(script: str, **names: object) -> tuple[int, Any]:
    """The exit code of *script*, and what it said."""
    head = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    done = subprocess.run(
        [sys.executable, "-c", head + script], capture_output=True, text=True, check=False
    )
    said = done.stdout.strip() or '"' + (done.stderr.strip().splitlines() or [""])[-1] + '"'
    return done.returncode, json.loads(said)


def print_dropped() -> bool:
    """Whether the governor returns 0.8 of what can be returned."""
    print("a heap of 1 GB, dropped in mid-run, MiB held\n")
    print(f"{'':22}{'before':>8}{'full':>8}{'dropped':>9}{'then':>8}{'returned':>10}")
    returned = {}
    for name, governed in (("by hand", False), ("governor", True)):
        _, (base, full, dropped, after) = ran(DROPPED, GOVERNED=governed)
        returned[name] = full - after
        print(f"{name:22}{base:8.0f}{full:8.0f}{dropped:9.0f}{after:8.0f}{full - after:10.0f}")
    return returned["governor"] >= 0.8 * returned["by hand"]


def print_watching(seconds: float = 20) -> bool:
    """Whether watching takes less than 0.1 % of a core."""
    print("\nwatching\n")
    shares = []
    for name, share in (("with room (20 % used)", 0.2), ("with little (80 %)", 0.8)):
        _, (cpu, looks) = ran(WATCHING, SHARE=share, SECONDS=seconds)
        shares.append(cpu)
        print(f"{name:24}{cpu:9.4%} of a core, {looks / seconds:5.1f} looks a second")
    return max(shares) < 0.001


def print_leak(seconds: float) -> bool:
    """Whether the governed process lives and the other one dies."""
    print(f"\nthe demo's leaking cache under 512 MB, {seconds:.0f} s\n")
    codes = {}
    for name, governed in (("governor", True), ("none", False)):
        codes[name], said = ran(LEAK, GOVERNED=governed, SECONDS=seconds)
        print(f"{name:12}exit code {codes[name]}   {said}")
    return codes["governor"] == 0 != codes["none"]


PARTS = ("dropped", "watching", "leak")


def run(*, leak_s: float = 20, only: Sequence[str] = PARTS) -> dict[str, bool]:
    """The bars of `benchmarks/tuning.py`, and whether they are met."""
    bars = {}
    if "dropped" in only:
        bars["memory: >= 0.8 of a dropped heap is returned"] = print_dropped()
    if "watching" in only:
        bars["memory: watching < 0.1 % of a core"] = print_watching()
    if "leak" in only:
        bars["memory: a leak is survived"] = print_leak(leak_s)
    return bars


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the memory governor does.")
    parser.add_argument("--leak-s", type=float, default=20)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    run(leak_s=given.leak_s, only=given.only)
