"""
The event loop: what collections of garbage cost a service, before and after `freeze_after_startup`.

    python benchmarks/loop.py

A process that holds 600,000 objects for good (as imports, models and caches are) works through
requests, each of which makes some thousand objects, a part of them in circles. Told are the CPU
time of a request, how much of the time was spent on collections, and the longest of them, in
which nothing else runs. Processes of their own, interleaved; medians.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

ROUNDS = 5

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


def run() -> dict[str, bool]:
    """What `benchmarks/tuning.py` shows: whether a request costs less."""
    rounds = [(measured(freezes=False), measured(freezes=True)) for _ in range(ROUNDS)]
    print(f"{'':24}{'µs a request':>13}{'collections':>13}{'longest pause':>15}")
    medians = []
    for at, name in enumerate(("as Python starts", "freeze_after_startup")):
        figures = [statistics.median(one[at][column] for one in rounds) for column in range(3)]
        medians.append(figures)
        print(f"{name:24}{figures[0] * 1e6:13.0f}{figures[1]:13.1%}{figures[2] * 1e3:12.1f} ms")
    return {"loop: frozen, a request costs less": medians[1][0] < medians[0][0]}


if __name__ == "__main__":
    run()
