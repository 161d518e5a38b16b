"""
How often `load compare` is wrong about two runs: the same service twice, and one that is slower.

    python benchmarks/compare_runs.py [--times 200]        simulated runs, some minutes
    python benchmarks/compare_runs.py --saved run.json     one long run of a real service, in pieces

Simulated are services that sway: the level of each second resembles that of the second before
(an autocorrelation of 0.8 is a wave of some seconds, one of 0.95 of a minute). Told is in how many
of 100 pairs a difference is found: where there is none that is a false alarm, of which 5 are what
an interval of 95 % allows; else it is the power.

A long run that was saved by `keiko-perf load run … --duration 20m --save run.json` is cut into
pieces, and each is compared with the next: the same server twice, on a machine as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path
from random import Random

from keiko_perf.loadtest.saved.result import load
from keiko_perf.model import Change, Histogram, compare

TIMES = 200
FACTORS = (1.0, 1.1, 1.2, 1.5)
LENGTHS_S = (15, 20, 30, 60, 120)
PER_S = 50

Seconds = list[Histogram]


@dataclass(frozen=True, slots=True)
class Service:
    """How much its level sways, in logarithms, and how much a second resembles the one before."""

    name: str
    sway: float
    likeness: float

    def run(self, random: Random, length_s: int, factor: float) -> Seconds:
        level, found = random.gauss(0, self.sway), []
        for _ in range(length_s):
            new = random.gauss(0, self.sway * sqrt(1 - self.likeness**2))
            level = self.likeness * level + new
            middle = log(0.05 * factor) + level
            found.append(Histogram(random.lognormvariate(middle, 0.4) for _ in range(PER_S)))
        return found


SERVICES = (
    Service("steady", 0.05, 0.0),
    Service("sways by 10 %, 0.8", 0.1, 0.8),
    Service("sways by 30 %, 0.8", 0.3, 0.8),
    Service("sways by 10 %, 0.95", 0.1, 0.95),
)


def differs(before: Sequence[Histogram], after: Sequence[Histogram]) -> bool:
    found = compare(before, after, subject="GET /").change
    return found in (Change.REGRESSED, Change.IMPROVED)


def simulated(times: int) -> None:
    told = ", ".join("the same" if one == 1 else f"× {one:g}" for one in FACTORS)
    print(f"Of 100 pairs of simulated runs, called different ({told})")
    print(f"{'':22}" + "".join(f"{f'{length_s} s':>18}" for length_s in LENGTHS_S))
    for service in SERVICES:
        cells = [" ".join(_share(service, length_s, times)) for length_s in LENGTHS_S]
        print(f"{service.name:22}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def _share(service: Service, length_s: int, times: int) -> Iterable[str]:
    for factor in FACTORS:
        random = Random(f"{service.name} {length_s} {factor}")
        found = sum(
            differs(service.run(random, length_s, 1.0), service.run(random, length_s, factor))
            for _ in range(times)
        )
        yield f"{found / times * 100:.0f}"


def saved(file: Path) -> None:
    """Neighbours of one run: all of its requests, and its most frequent step."""
    result = load(file)
    steps = sorted(result.steps, key=lambda step: -step.response.count)
    lines = [list(result.timeline(step.name)) for step in steps]
    together = [Histogram.merged(second) for second in zip(*lines, strict=True)]
    print(f"{len(together)} s of {sum(step.response.count for step in steps)} requests")
    for name, line in (("all requests", together), (steps[0].name, lines[0])):
        for length_s in LENGTHS_S:
            starts = range(0, len(line) - 2 * length_s + 1, length_s)
            pairs = [(line[at : at + length_s], line[at + length_s :][:length_s]) for at in starts]
            found = sum(differs(*pair) for pair in pairs)
            print(f"{name:40} {length_s:4} s: {found} of {len(pairs)} pairs called different")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--times", type=int, default=TIMES)
    asked.add_argument("--saved", type=Path)
    options = asked.parse_args()
    if options.saved is not None:
        saved(options.saved)
    else:
        simulated(options.times)


if __name__ == "__main__":
    main()
