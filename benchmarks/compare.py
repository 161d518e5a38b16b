"""
How often a comparison is wrong: the same service twice, and one that is 10 % slower, 20 times each.

    python benchmarks/compare.py              simulated runs, some seconds
    python benchmarks/compare.py --real       pairs of runs of a real server, some ten minutes
    python benchmarks/compare.py --real --tally compare.jsonl --budget 60     the same in pieces

Simulated runs differ from one to the next as real ones do (4 % in the p95), on a machine that
drifts. A per-request test, as load testers have it that compare at all, calls nearly every pair of
runs of the same service different: it is printed beside ours.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from math import erfc, log, sqrt
from random import Random
from statistics import fmean, median, variance
from typing import Any

from keiko_perf.loadtest import ConstantRate, Plan, run_in_own_loop
from keiko_perf.loadtest.comparison.ab import order
from keiko_perf.loadtest.comparison.served import served
from keiko_perf.model import Change, Comparison, Histogram, paired, say
from pieces import Pieces, add_options

TIMES = 20
MOST_PAIRS = 40
MOST_REAL_PAIRS = 14
FACTORS = {"the same twice": 1.0, "10 % slower": 1.1}
SPREAD = 0.04
REQUESTS = 2000
LABEL = say("response time p{percent}", percent="95")

Measure = Callable[[int, int], tuple[float, Sequence[float]]]
"""Version and number of the pair → the p95 of a run, and some of its response times."""


def until_decided(measure: Measure, *, most: int) -> tuple[Comparison, int, bool]:
    """Pair after pair as `load ab` does it; the per-request test of the first pair beside it."""
    figures: tuple[list[float], list[float]] = ([], [])
    naive = False
    for pair in range(most):
        seen: dict[int, Sequence[float]] = {}
        for version in order(pair):
            p95_s, seen[version] = measure(version, pair)
            figures[version].append(p95_s)
        if not pair:
            naive = differs_by_welch(seen[0], seen[1])
        found = paired(*figures, subject="GET /", label=LABEL, format="duration")
        if found.change is not Change.UNDECIDED:
            break
    return found, len(figures[0]), naive


def differs_by_welch(one: Sequence[float], two: Sequence[float]) -> bool:
    """A t-test of all requests against each other, at 5 %."""
    error = sqrt(variance(one) / len(one) + variance(two) / len(two))
    return error > 0 and erfc(abs(fmean(one) - fmean(two)) / error / sqrt(2)) < 0.05


def simulated(factor: float, seed: int) -> Measure:
    random = Random(seed)

    def measure(version: int, pair: int) -> tuple[float, Sequence[float]]:
        drift = 1 + 0.005 * pair
        level = 0.05 * drift * random.lognormvariate(0, SPREAD) * (factor if version else 1)
        times = [random.lognormvariate(log(level), 0.3) for _ in range(REQUESTS)]
        p95_s = Histogram(times).quantile(0.95)
        assert p95_s is not None
        return p95_s, times

    return measure


SERVER = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            await asyncio.sleep(float(sys.argv[2]))
            writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\n{}")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    await (await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))).serve_forever()
asyncio.run(main())
"""


def real(factor: float, _seed: int) -> Measure:
    def measure(version: int, _pair: int) -> tuple[float, Sequence[float]]:
        pause_s = 0.02 * (factor if version else 1)
        command = shlex.join([sys.executable, "-c", SERVER, "{port}", str(pause_s)])
        with served(command) as service:
            plan = Plan(
                base_url=f"http://127.0.0.1:{service.port}",
                load=ConstantRate(200),
                duration_s=1,
                warmup_s=0.25,
            )
            result = run_in_own_loop(plan, processes=1)
        histogram = result.response.succeeded
        times = [
            sqrt(lower * upper) for lower, upper, count in histogram.buckets() for _ in range(count)
        ]
        p95_s = histogram.quantile(0.95)
        assert p95_s is not None
        return p95_s, times

    return measure


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--real", action="store_true")
    asked.add_argument("--times", type=int, default=TIMES)
    add_options(asked)
    options = asked.parse_args()
    make, most = (real, MOST_REAL_PAIRS) if options.real else (simulated, MOST_PAIRS)
    pieces = Pieces(options)
    # In turns, so that each piece tells of both.
    todo = [(name, seed) for seed in range(options.times) for name in FACTORS]
    for name, seed in todo[len(pieces.found) :]:
        if not pieces.has_time:
            break
        comparison, pairs, naive = until_decided(make(FACTORS[name], seed), most=most)
        pieces.add(
            {"name": name, "change": comparison.change.value, "pairs": pairs, "naive": naive}
        )
    for name in FACTORS:
        tell(name, [one for one in pieces.found if one["name"] == name])
    print(f"{len(todo) - len(pieces.found)} left")


def tell(name: str, found: Sequence[dict[str, Any]]) -> None:
    if not found:
        return
    changes = [one["change"] for one in found]
    told = ", ".join(f"{changes.count(one)} {one}" for one in sorted(set(changes)))
    pairs = [one["pairs"] for one in found]
    naive = sum(one["naive"] for one in found)
    print(f"{name:15} {told}; pairs {min(pairs)} to {max(pairs)}, median {median(pairs):g}")
    print(f"{'':15} a test of all requests calls {naive} of {len(found)} first pairs different")


if __name__ == "__main__":
    main()
