"""
Accuracy: what load generators report of servers whose truth is known.

A server that freezes, servers of a fixed delay, a queue (M/M/1); and how late ours is.

The last two are to be seen on cores that are otherwise idle. Where it is permitted, client and
server take a real-time priority (SCHED_FIFO), which keeps everything else off their cores. A core
that sleeps takes tens of microseconds to wake up, on a virtual machine now more and now less: that
is the machine's, and half of what a service of 0.2 ms takes. So for the comparison with fixed
delays something of the idle class, which anything else displaces at once, keeps both cores awake.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from math import ceil, log
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import cast

from keiko_perf.loadtest import ConstantRate, Plan, Result, run_in_own_loop
from loadgen_bars import judged
from loadgen_peers import Peers

SERVER = Path(__file__).with_name("loadgen_server.py")
RATE = 100
SERVICE_S = 0.001

FREEZE_BAR = 0.02
LAG_BAR_S = 0.0003
ACCURACY_BAR = 0.01

SHORT_S = 0.01
SHORT_RATE = 500  # of a service that is shorter than that; a core that sleeps long wakes up late
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


def alone_on(core: int) -> bool:
    """This process runs on *core*, and if it may before all others there; whether it does."""
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        return False
    return True


def ours(source: str) -> list[float]:
    """What a program prints that runs on the last core."""
    printed = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: alone_on(max(os.sched_getaffinity(0))),
    ).stdout
    return [float(one) for one in printed.split()]


AWAKE = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


@contextmanager
def awake(*cores: int) -> Iterator[None]:
    """These never sleep: something runs there that anything else displaces."""
    with ExitStack() as stack:
        for core in cores:
            command = ["taskset", "-c", str(core), sys.executable, "-c", AWAKE]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        yield


@contextmanager
def server(*arguments: object, is_alone: bool = False) -> Iterator[str]:
    """The server on the first core, so that what asks it has the others."""
    first = min(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: alone_on(first) if is_alone else os.sched_setaffinity(0, {first}),  # noqa: PLW1509 - no threads yet
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def freeze_truth(duration_s: float, from_s: float, to_s: float) -> list[float]:
    """p50, p95 and p99 of requests at equal distances, each charged from when it was due."""
    times = []
    for number in range(round(RATE * duration_s)):
        due, done = number / RATE, number / RATE + SERVICE_S
        times.append(to_s + SERVICE_S - due if from_s < done and due < to_s else SERVICE_S)
    return _ranks(times)


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
                found[str(rate)].append(ours(_LAG.format(url=url, rate=rate, seconds=seconds)))
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


def accuracy(*, is_quick: bool) -> list[dict[str, object]]:
    """Ours beside what servers of a fixed delay measured of themselves."""
    return _fixed((0.0002, 0.001, 0.01, 0.1, 1.0), 3.0 if is_quick else 10.0)


def long(*, is_quick: bool) -> list[dict[str, object]]:
    """The same of a server that takes its time."""
    return _fixed((5.0 if is_quick else 10.0,), 10.0)


def _fixed(services_s: Sequence[float], seconds: float) -> list[dict[str, object]]:
    _head("Accuracy, fixed delays")
    rows = []
    with awake(*{min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))}):
        for service_s in services_s:
            rate = SHORT_RATE if service_s < SHORT_S else RATE
            name, kind = f"{service_s * 1000:g} ms", ("steady", service_s)
            load, run_s = f"ConstantRate({rate})", max(seconds, 3 * service_s)
            way = _way(rate, seconds)
            rows.append(_compared(name, kind, load, run_s, way=way))
    return rows


def _head(title: str) -> None:
    print(f"\n{title}: reported, and that ÷ (what the server measured + the way there and back)")
    print(f"{'server':<22}{'requests':>10}{'p50':>22}{'p95':>22}{'p99':>22}")


def queue(*, is_quick: bool) -> list[dict[str, object]]:
    """Ours beside what the server of a queue measured of itself, and beside theory."""
    _head("Accuracy, a queue")
    rows = []
    seconds = 20 if is_quick else 100
    name = f"M/M/1, {ARRIVALS} of {1 / MEAN_S:g}/s"
    load, way = f"Poisson({ARRIVALS}, seed=5)", _way(ARRIVALS, seconds)
    rows.append(_compared(name, ("mm1", MEAN_S, 7), load, seconds, way=way))
    _beside_theory(rows[-1], count=ARRIVALS * seconds)
    return rows


_ACCURACY = """
from keiko_perf.loadtest import ConstantRate, Plan, Poisson, run_in_own_loop
result = run_in_own_loop(Plan(base_url="{url}", connections=2000, timeout_s=30, load={load},
                              duration_s={seconds}))
assert not result.errors, result.errors
assert not result.invalid, result.invalid
seen = result.response.succeeded
late = result.late.quantiles((0.5, 0.99))
print(*seen.quantiles((0.5, 0.95, 0.99)), seen.mean_s, *late)
"""


# A blocking socket and nothing else: what the machine takes for the way there and back.
_WAY = """
import socket, time
from urllib.parse import urlsplit
at = urlsplit("{url}")
with socket.create_connection((at.hostname, at.port)) as way:
    way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begun = time.perf_counter()
    for number in range(int({rate} * {seconds})):
        due = begun + number / {rate}
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        way.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        way.recv(4096)
        print(time.perf_counter() - due)
"""


def _way(rate: float, seconds: float) -> list[float]:
    """What a bare socket needs at that rate, beyond what the server itself does."""
    with server("steady", 0.0, is_alone=True) as url:
        seen = ours(_WAY.format(url=url, rate=rate, seconds=min(seconds, 20)))
        return [one - own for one, own in zip(seen, _measured(url), strict=True)]


def _measured(url: str) -> list[float]:
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310 - our own server
        return cast("list[float]", json.load(answer))


def _compared(
    name: str, kind: tuple[object, ...], load: str, seconds: float, *, way: list[float]
) -> dict[str, object]:
    with server(*kind, is_alone=True) as url:
        *reported, mean_s, late_s, latest_s = ours(
            _ACCURACY.format(url=url, load=load, seconds=seconds)
        )
        own = _measured(url)
    # The way is as long as it is whatever the server does: any one goes with any other.
    random = Random(1)
    times = [one + random.choice(way) for one in own for _ in range(10)]
    truth, own_s, way_s = _ranks(times), _ranks(own), _ranks(way)
    pairs = list(zip(reported, truth, strict=True))
    cells = [f"{one * 1e3:.5g} ms ({one / other:.4f})" for one, other in pairs]
    print(f"{name:<22}{len(own):>10}" + "".join(f"{cell:>22}" for cell in cells))
    # What is ours of the way is the same for all percentiles. Means are exact, so they tell it.
    constant_s = mean_s - mean(times)
    off = max(abs(one - constant_s - other) / other for one, other in pairs)
    print(
        f"    p50 and p99 of the server {own_s[0] * 1e6:.0f} and {own_s[2] * 1e6:.0f} µs, of a bare"
        f" socket's way {way_s[0] * 1e6:.0f} and {way_s[2] * 1e6:.0f}, of our schedule lag"
        f" {late_s * 1e6:.0f} and {latest_s * 1e6:.0f}"
    )
    what = f"at {name} within {off:.2%} of that and a constant of {constant_s * 1e6:.0f} µs"
    judged(what, off <= ACCURACY_BAR, f"{ACCURACY_BAR:.0%}")
    return {"name": name, "ours": reported, "truth": truth, "server": own_s}


def _ranks(times: list[float]) -> list[float]:
    """p50, p95 and p99, exactly."""
    times = sorted(times)
    return [times[ceil(q * len(times)) - 1] for q in (0.5, 0.95, 0.99)]


def _beside_theory(row: dict[str, object], *, count: int) -> None:
    """Whether the queue's percentiles are as far from theory as chance takes a queue that long."""
    queues = [_queue(Random(seed), count) for seed in range(QUEUES)]
    reported = cast("list[float]", row["ours"])
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
    return _ranks(times)


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
