"""
Accuracy: what load generators report of servers whose truth is known.

A server that freezes, a queue (M/M/1), and how late ours is; the last one is to be seen on cores
that are otherwise idle. Servers of a fixed delay are in `loadgen_fixed`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from math import log
from random import Random
from statistics import median

from keiko_perf.loadtest import ConstantRate, Plan, Result, run_in_own_loop
from loadgen_bars import judged
from loadgen_peers import Peers
from loadgen_stage import awake, measured, ours, ranks, server

RATE = 100
SERVICE_S = 0.001

FREEZE_BAR = 0.02
LAG_BAR_S = 0.0003
ACCURACY_BAR = 0.01

QUEUES = 200  # that are simulated to see how far chance alone leads from theory
MEAN_S, ARRIVALS = 0.01, 50  # of M/M/1: half of the time it is busy

AIOHTTP = """
import asyncio, sys, time
import aiohttp

async def user(client, until, seen):
    while (began := time.perf_counter()) < until:
        async with client.get("/") as answer:
            await answer.read()
        seen.append(time.perf_counter() - began)
        await asyncio.sleep(max(0, 0.1 - seen[-1]))

async def main():
    seen = []
    until = time.perf_counter() + float(sys.argv[2])
    async with aiohttp.ClientSession(sys.argv[1]) as client:
        await asyncio.gather(*(user(client, until, seen) for _ in range(10)))
    seen.sort()
    print(len(seen), *(seen[int(q * len(seen))] for q in (0.5, 0.95, 0.99)))

asyncio.run(main())
"""

LOCUST = """
import gevent.monkey
gevent.monkey.patch_all()
import os, sys
import gevent
from locust import FastHttpUser, constant_pacing, task
from locust.env import Environment

class Asker(FastHttpUser):
    wait_time = constant_pacing(0.1)
    host = sys.argv[1]

    @task
    def ask(self):
        self.client.get("/")

env = Environment(user_classes=[Asker])
env.create_local_runner().start(10, spawn_rate=10)
gevent.sleep(float(sys.argv[2]))
total = env.stats.total
seen = (total.get_response_time_percentile(q) / 1000 for q in (0.5, 0.95, 0.99))
print(total.num_requests, *seen)
sys.stdout.flush()
os._exit(0)
"""

K6 = """
import http from 'k6/http';
export const options = {{scenarios: {{rate: {{executor: 'constant-arrival-rate', rate: {rate},
  timeUnit: '1s', duration: '{seconds}s', preAllocatedVUs: 20, maxVUs: 20}}}},
  summaryTrendStats: ['count', 'p(50)', 'p(95)', 'p(99)']}};
export default function () {{ http.get('{url}/'); }}
"""


def freeze_truth(duration_s: float, from_s: float, to_s: float) -> list[float]:
    """p50, p95 and p99 of requests at equal distances, each charged from when it was due."""
    times = []
    for number in range(round(RATE * duration_s)):
        due, done = number / RATE, number / RATE + SERVICE_S
        times.append(to_s + SERVICE_S - due if from_s < done and due < to_s else SERVICE_S)
    return ranks(times)


def freeze(peers: Peers, *, is_quick: bool) -> dict[str, list[float]]:
    """A 1 ms server at 100/s that freezes once for a twelfth of the time; all tools at once."""
    duration_s, from_s, to_s = (24.0, 8.0, 10.0) if is_quick else (60.0, 20.0, 25.0)

    def ask(name: str) -> tuple[str, list[float] | None]:
        with server("freeze", SERVICE_S, from_s, to_s) as url:
            return name, _FREEZE[name](peers, url, duration_s)

    names = [name for name in _FREEZE if _is_there(name, peers)]
    with ThreadPoolExecutor(len(names)) as threads:
        answers = dict(threads.map(ask, names))
    table = {"truth": [RATE * duration_s, *freeze_truth(duration_s, from_s, to_s)]}
    table |= {name: found for name, found in answers.items() if found is not None}
    print(f"\nFreeze: {RATE}/s for {duration_s:g} s, frozen from {from_s:g} s to {to_s:g} s")
    print(f"{'tool':<28}{'requests':>10}{'p50':>10}{'p95':>10}{'p99':>10}   (ms)")
    for name, (count, *quantiles) in table.items():
        print(f"{name:<28}{count:>10.0f}" + "".join(f"{1000 * one:>10.1f}" for one in quantiles))
    for at, q in ((2, "p95"), (3, "p99")):
        off = abs(table["keiko-perf"][at] / table["truth"][at] - 1)
        judged(
            f"{q} of keiko-perf is {off:.2%} off the truth", off <= FREEZE_BAR, f"{FREEZE_BAR:.0%}"
        )
    return table


def lag(*, is_quick: bool, rounds: int) -> dict[str, list[list[float]]]:
    """How late ours turns to a request that is due, without spinning, on the last core."""
    seconds = 2.0 if is_quick else 5.0
    rates = (1000, 2000, 5000, 10_000)
    found: dict[str, list[list[float]]] = {str(rate): [] for rate in rates}
    with server("steady", 0.0, is_alone=True) as url:
        for _ in range(rounds):
            for rate in rates:
                printed = ours(_LAG.format(url=url, rate=rate, seconds=seconds))
                found[str(rate)].append([float(one) for one in printed.split()])
    print("\nSchedule lag at a fixed rate, the best and the worst of the rounds (µs)")
    print(f"{'rate':>8}{'p50':>16}{'p99':>16}{'p99.9':>16}{'CPU of its core':>20}")
    for rate, runs in found.items():
        columns = list(zip(*runs, strict=True))
        cells = "".join(f"{min(c) * 1e6:>8.0f}–{max(c) * 1e6:<7.0f}" for c in columns[:3])
        print(f"{rate:>6}/s{cells}{min(columns[3]):>12.0%}–{max(columns[3]):.0%}")
    for rate, runs in found.items():
        p99_s = median(run[1] for run in runs)
        what = f"lag p99 at {rate}/s is {p99_s * 1000:.3f} ms in the median round"
        judged(what, p99_s <= LAG_BAR_S, f"{LAG_BAR_S * 1000:g} ms")
    return found


_LAG = """
from keiko_perf.loadtest import ConstantRate, Plan, run_in_own_loop
result = run_in_own_loop(Plan(base_url="{url}", load=ConstantRate({rate}), duration_s={seconds}))
assert not result.errors, result.errors
print(*result.late.quantiles((0.5, 0.99, 0.999)), result.cpu_ratio)
"""


_QUEUE = """
from keiko_perf.loadtest import Plan, Poisson, run_in_own_loop
result = run_in_own_loop(Plan(base_url="{url}", connections=2000, timeout_s=30,
                              load=Poisson({rate}, seed=5), duration_s={seconds}))
assert not result.errors, result.errors
assert not result.invalid, result.invalid
print(*result.response.succeeded.quantiles((0.5, 0.95, 0.99)))
"""


def queue(*, is_quick: bool) -> list[dict[str, object]]:
    """
    Ours beside what the server of a queue (M/M/1) measured of itself, and beside theory.

    The way there and back is less than a hundredth of any percentile while the cores are awake, and
    counts against ours.
    """
    seconds = 20 if is_quick else 100
    name = f"M/M/1, {ARRIVALS} of {1 / MEAN_S:g}/s"
    with awake(), server("mm1", MEAN_S, 7, is_alone=True) as url:
        source = _QUEUE.format(url=url, rate=ARRIVALS, seconds=seconds)
        reported = [float(one) for one in ours(source).split()]
        own = measured(url)
    pairs = list(zip(reported, ranks(own), strict=True))
    print("\nAccuracy, a queue: reported, and that ÷ what the server measured")
    print(f"{'server':<22}{'requests':>10}{'p50':>22}{'p95':>22}{'p99':>22}")
    cells = [f"{one * 1e3:.5g} ms ({one / other:.4f})" for one, other in pairs]
    print(f"{name:<22}{len(own):>10}" + "".join(f"{cell:>22}" for cell in cells))
    off = max(abs(one / other - 1) for one, other in pairs)
    judged(
        f"at {name} percentiles are within {off:.2%}", off <= ACCURACY_BAR, f"{ACCURACY_BAR:.0%}"
    )
    _beside_theory(reported, count=ARRIVALS * seconds)
    return [{"name": name, "ours": reported, "server": ranks(own)}]


def _beside_theory(reported: list[float], *, count: int) -> None:
    """Whether the queue's percentiles are as far from theory as chance takes a queue that long."""
    queues = [_queue(Random(seed), count) for seed in range(QUEUES)]
    for number, (q, one) in enumerate(zip((0.5, 0.95, 0.99), reported, strict=True)):
        truth = -log(1 - q) / (1 / MEAN_S - ARRIVALS)
        by_chance = [queue[number] for queue in queues]
        least, most = min(by_chance), max(by_chance)
        judged(
            f"p{q * 100:g} of M/M/1 is {one / truth:.3f} × theory",
            least <= one <= most,
            f"the {least / truth:.3f} to {most / truth:.3f} × of {QUEUES} queues by chance",
        )


def _queue(random: Random, count: int) -> list[float]:
    """p50, p95 and p99 of *count* customers of an M/M/1 queue (Lindley's recursion)."""
    wait_s, times = 0.0, []
    for _ in range(count):
        times.append(wait_s + random.expovariate(1 / MEAN_S))
        wait_s = max(0.0, times[-1] - random.expovariate(ARRIVALS))
    return ranks(times)


def _quantiles(result: Result) -> list[float]:
    found = result.response.succeeded.quantiles((0.5, 0.95, 0.99))
    return [one for one in found if one is not None]


def _ours(_peers: Peers, url: str, seconds: float) -> list[float]:
    plan = Plan(base_url=url, load=ConstantRate(RATE), duration_s=seconds)
    result = run_in_own_loop(plan, processes=1)
    return [result.response.count, *_quantiles(result)]


def _wrk(_peers: Peers, url: str, seconds: float) -> list[float]:
    # It has no rate: one connection, so that it does not eat the other tools' CPU.
    command = ["wrk", "-t1", "-c1", f"-d{seconds:.0f}s", "--timeout", "30s", "--latency", url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
    found = {
        int(q): float(v) * units[u]
        for q, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", printed)
    }
    count = re.search(r"(\d+) requests in", printed)
    assert count is not None
    return [int(count[1]), found[50], found[90], found[99]]


def _hey(_peers: Peers, url: str, seconds: float) -> list[float]:
    command = ["hey", "-z", f"{seconds:.0f}s", "-c", "10", "-q", "10", "-t", "30", url]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {int(q): float(v) for q, v in re.findall(r"(\d+)%+ in ([\d.]+) secs", printed)}
    count = re.search(r"\[200\]\s+(\d+) responses", printed)
    assert count is not None
    return [int(count[1]), found[50], found[95], found[99]]


def _k6(peers: Peers, url: str, seconds: float) -> list[float]:
    script, summary = peers.folder / "freeze.js", peers.folder / "freeze.json"
    script.write_text(K6.format(rate=RATE, seconds=round(seconds), url=url))
    subprocess.run(
        [peers.k6, "run", "--quiet", "--no-usage-report", f"--summary-export={summary}", script],
        capture_output=True,
        check=True,
    )
    seen = json.loads(summary.read_text())["metrics"]["http_req_duration"]
    return [seen["count"], *(seen[f"p({q})"] / 1000 for q in (50, 95, 99))]


def _script(peers: Peers, url: str, seconds: float, *, source: str) -> list[float]:
    command = [str(peers.python), "-W", "ignore", "-c", source, url, str(seconds)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(one) for one in printed.split()]


_FREEZE = {
    "keiko-perf": _ours,
    "wrk (p90 for p95)": _wrk,
    "hey -c 10 -q 10": _hey,
    "k6, 20 VUs": _k6,
    "aiohttp, 10 × 100 ms": lambda *given: _script(*given, source=AIOHTTP),
    "Locust, 10 × 100 ms": lambda *given: _script(*given, source=LOCUST),
}


def _is_there(name: str, peers: Peers) -> bool:
    tool = re.split(r"\W", name)[0]
    if tool in ("wrk", "hey"):
        return shutil.which(tool) is not None
    if tool == "k6":
        return peers.k6.exists()
    return tool == "keiko" or peers.has(tool.lower())
