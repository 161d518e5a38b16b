"""
What repeats: how true is what a sample tells of caches, and what it costs to look.

    python benchmarks/repeats.py

*True*: requests come by chance to one endpoint, for ten minutes of a clock that is only reckoned
with; told is the share of the answers that a cache of 1, 10, 60 and 600 s would have given, by the
monitor's sample (twenty looks a second at most, 256 questions) and by all requests. Where looks
come too fast less is told than is true, and never notably more. *Cost*: CPU time of a request
through the middleware with attribution, with looks and without, interleaved, the difference of the
least.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate
from random import Random
from typing import Any

from keiko_perf.model.repeating import MASK, Repeating
from keiko_perf.model.repeats import TTLS_S
from keiko_perf.monitoring.looks import PAUSE_S, Looks
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder

LASTS_S = 600.0
MOST_REQUESTS = 120_000
ROUNDS, REQUESTS = 30, 1_500
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x" * 600, "more_body": False}
HEADERS = [(b"host", b"localhost"), (b"authorization", b"Bearer token"), (b"accept", b"*/*")]
Draw = Callable[[Random], int]


def zipf(keys: int, exponent: float) -> Draw:
    heights = list(accumulate(1 / n**exponent for n in range(1, keys + 1)))
    return lambda random: bisect(heights, random.random() * heights[-1])


def uniform(keys: int) -> Draw:
    return lambda random: random.randrange(keys)


WORK: dict[str, tuple[float, Draw]] = {
    "one question, 200 a second": (200, uniform(1)),
    "100 questions, 20 a second": (20, uniform(100)),
    "2,000 questions, 200 a second": (200, uniform(2_000)),
    "100,000 questions, 200 a second": (200, uniform(100_000)),
    "Zipf 1.0 of 10,000, 5 a second": (5, zipf(10_000, 1.0)),
    "Zipf 1.0 of 10,000, 200 a second": (200, zipf(10_000, 1.0)),
    "Zipf 0.7 of 10,000, 200 a second": (200, zipf(10_000, 0.7)),
}


def played(rate_per_s: float, draw: Draw) -> tuple[list[float], list[float], float]:
    """The shares that the sample tells, those that are true, and how many looks a second."""
    random, sample = Random(11), Repeating(pause_s=PAUSE_S)
    kept: list[dict[int, float]] = [{} for _ in TTLS_S]
    hits, requests, at_s = [0] * len(TTLS_S), 0, 0.0
    while at_s < LASTS_S and requests < MOST_REQUESTS:
        at_s += random.expovariate(rate_per_s)
        question = draw(random)
        requests += 1
        for index, ttl_s in enumerate(TTLS_S):
            since_s = kept[index].get(question)
            if since_s is not None and at_s - since_s <= ttl_s:
                hits[index] += 1
            else:
                kept[index][question] = at_s
        mark = hash((f"/{question}", b"")) & MASK
        if sample.wants(mark, at_s):
            digest = sample.digest(b"%d" % question)
            sample.saw(mark, digest, digest, at_s=at_s, took_s=0.1)
    told = [one.hits / sample.calls for one in sample.kept()]
    return told, [one / requests for one in hits], sample.calls / at_s


def print_truth() -> bool:
    """Whether no share is told more than 0.05 too high."""
    print(f"{'':34}{'looks/s':>9}" + "".join(f"{f'{ttl_s:g} s':>16}" for ttl_s in TTLS_S))
    worst = 0.0
    for name, (rate_per_s, draw) in WORK.items():
        told, true, looks_per_s = played(rate_per_s, draw)
        worst = max(worst, *(one - other for one, other in zip(told, true, strict=True)))
        pairs = (f"{one:.0%} of {other:.0%}" for one, other in zip(told, true, strict=True))
        print(f"{name:34}{looks_per_s:9.1f}" + "".join(f"{pair:>16}" for pair in pairs))
    return worst <= 0.05


class Agent:
    """What a router leaves in the scope."""

    endpoint = None
    path_format = "/agents/{agent_id}"


async def answered(scope: Any, _receive: Any, send: Any) -> None:
    scope["route"] = Agent
    await send(START)
    await send(BODY)


async def cost_us(app: Any) -> float:
    async def receive() -> dict[str, Any]:
        return {}

    async def send(_message: object) -> None:
        return None

    began_s = time.process_time()
    for number in range(REQUESTS):
        scope = {"type": "http", "method": "GET", "path": f"/agents/{number}", "root_path": "",
                 "query_string": b"", "headers": HEADERS}  # fmt: skip
        await app(scope, receive, send)
    return (time.process_time() - began_s) / REQUESTS * 1e6


async def print_cost() -> bool:
    """Whether a request that is mostly not looked at costs less than 1 µs more."""
    ways = {
        "without": PerfMiddleware(answered, Recorder(), attribution=True),
        "with looks": PerfMiddleware(answered, Recorder(looks=Looks()), attribution=True),
        "each looked at": PerfMiddleware(
            answered, Recorder(looks=Looks(pause_s=0.0)), attribution=True
        ),
    }
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, app in ways.items():
            least[name] = min(least[name], await cost_us(app))
    print("\nCPU time a request")
    for name, us in least.items():
        print(f"{name:16}{us:7.2f} µs   {us - least['without']:+.2f}")
    return least["with looks"] - least["without"] < 1.0


def run() -> dict[str, bool]:
    """The bars of `benchmarks/tuning.py`, and whether they are met."""
    return {
        "repeats: no share is told more than 5 points too high": print_truth(),
        "repeats: a request costs < 1 µs more": asyncio.run(print_cost()),
    }


if __name__ == "__main__":
    run()
