"""
Adaptive concurrency beside fixed limits, AIMD, Vegas, Gradient2 and Envoy's gradient; overload.

    python benchmarks/adaptive.py [--seeds 2] [--ours] [--more | --machines | --near SEED | ...]

Services of some shapes are asked for as much at once as each algorithm allows, in simulated time:
the figures do not depend on the machine. Throughput is relative to the highest of any fixed
limit, p99 to that of the lowest fixed limit with 0.99 of that throughput, for the same seeds. All
of a run counts, its beginning too. A p99 jumps where a stall hits about one request in a hundred,
and where work is always the same: see the worst by its shape. `adaptive_shapes.py` says which
shapes our own constants were chosen on, and which they have not seen (`--near`, and `--draw 3`
and further, of `--count` shapes); `--machines` are databases on a few processors. `--ours` leaves
the peers out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean

from adaptive_overload import overloads
from adaptive_peers import ALGORITHMS
from adaptive_shapes import drawn, machines, more_shapes, near, shapes
from keiko_perf.optimization.simulation import Fixed, Shape, geometric_mean, settled, simulate

FIXED = (
    *range(1, 11),
    *range(12, 25, 2),
    *(30, 35, 40, 45, 50, 60, 70, 100, 150, 200, 220, 250),
    *(300, 350, 420, 500, 600, 720, 850, 1000),  # far away, a service of many places has these
)
OURS = "keiko-perf"

SETS: dict[str, Callable[[int, int], list[Shape]]] = {
    "own": lambda _seed, _count: shapes(),
    "more": lambda _seed, _count: more_shapes(),
    "machines": lambda _seed, _count: machines(),
    "near": lambda seed, _count: near(seed),
    "drawn": drawn,
}


@dataclass(frozen=True, slots=True)
class Job:
    """One shape of a set, and how it is measured."""

    which: str
    draw: int
    count: int
    index: int
    seeds: int
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Of one shape: throughput and p99 by algorithm, and when new capacity was reached."""

    name: str
    ratios: dict[str, tuple[float, float]]
    settled_s: float | None


def best_fixed(shape: Shape, seed: int) -> tuple[float, float]:
    """The throughput of the best fixed limit, and the p99 of the lowest that is as good."""
    runs: list[tuple[float, float]] = []
    for limit in FIXED:
        run = simulate(shape, Fixed(limit=limit), seed=seed)
        runs.append((run.throughput_per_s, run.quantile_s(0.99)))
        if len(runs) > 3 and max(runs[-3:])[0] < 1.002 * max(runs[:-3])[0]:
            break  # more has long brought nothing
    best = max(throughput for throughput, _ in runs)
    return best, next(p99_s for throughput, p99_s in runs if throughput >= 0.99 * best)


def measure(job: Job) -> Row:
    """Each algorithm, relative to the best fixed limit."""
    shape = SETS[job.which](job.draw, job.count)[job.index]
    at = range(1, job.seeds + 1)
    best = [best_fixed(shape, seed) for seed in at]
    ratios, settled_s = {}, None
    for name in job.algorithms:
        runs = [simulate(shape, ALGORITHMS[name](), seed=seed) for seed in at]
        both = list(zip(runs, best, strict=True))
        ratios[name] = (
            mean(one.throughput_per_s / fixed_per_s for one, (fixed_per_s, _) in both),
            mean(one.quantile_s(0.99) / p99_s for one, (_, p99_s) in both),
        )
        if name == OURS and len(shape.changes) == 1:
            changed_s = shape.changes[0]
            waits = [
                settled(
                    one,
                    after_s=changed_s,
                    of_per_s=one.rate_per_s(changed_s + 5, shape.duration_s),
                )
                for one in runs
            ]
            settled_s = max(shape.duration_s if wait is None else wait for wait in waits)
    return Row(shape.name, ratios, settled_s)


def table(jobs: Sequence[Job]) -> list[Row]:
    """Prints a line for each shape, and one for each algorithm over all of them."""
    rows = []
    print(f"{'':50}{'throughput':>12}{'p99':>8}{'new capacity after':>22}", flush=True)
    with get_context("spawn").Pool() as pool:
        for row in pool.imap(measure, jobs):
            rows.append(row)
            after = "" if row.settled_s is None else f"{row.settled_s:.1f} s"
            throughput, p99 = row.ratios[OURS]
            print(f"{row.name:50.50}{throughput:12.3f}{p99:8.2f}{after:>22}", flush=True)
    print(f"\n{'':50}{'throughput':>12}{'worst':>8}{'p99':>8}{'worst':>8}")
    for name in jobs[0].algorithms:
        throughputs, p99s = zip(*(row.ratios[name] for row in rows), strict=True)
        print(
            f"{name:50}{geometric_mean(throughputs):12.3f}{min(throughputs):8.3f}"
            f"{geometric_mean(p99s):8.2f}{max(p99s):8.2f}"
        )
    return rows


def bars(rows: Sequence[Row]) -> dict[str, bool]:
    """What the issue asks of the shapes, and whether it is met."""
    throughputs, p99s = zip(*(row.ratios[OURS] for row in rows), strict=True)
    waits = [row.settled_s for row in rows if row.settled_s is not None]
    return {
        "adaptive: throughput, geometric mean, >= 0.98": geometric_mean(throughputs) >= 0.98,
        "adaptive: throughput, worst, >= 0.92": min(throughputs) >= 0.92,
        "adaptive: p99, geometric mean, <= 1.15": geometric_mean(p99s) <= 1.15,
        "adaptive: p99, worst, <= 1.5": max(p99s) <= 1.5,
        "adaptive: new capacity within 2 s, with each seed": max(waits, default=0.0) <= 2,
    }


def run(
    which: str = "own", *, draw: int = 0, count: int = 25, seeds: int = 2, alone: bool = False
) -> dict[str, bool]:
    """The bars of `benchmarks/tuning.py`, and whether they are met."""
    names = (OURS,) if alone else tuple(ALGORITHMS)
    jobs = [
        Job(which, draw, count, index, seeds, names)
        for index in range(len(SETS[which](draw, count)))
    ]
    met = bars(table(jobs))
    if which == "own":
        met["adaptive: overload, goodput >= 0.98, p99 within the target"] = overloads()
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description="Adaptive concurrency beside its peers")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--machines", action="store_true")
    parser.add_argument("--near", type=int)
    parser.add_argument("--draw", type=int)
    parser.add_argument("--count", type=int, default=25)
    given = parser.parse_args()
    which, draw = "more" if given.more else "machines" if given.machines else "own", 0
    if given.near is not None:
        which, draw = "near", given.near
    if given.draw is not None:
        which, draw = "drawn", given.draw
    met = run(which, draw=draw, count=given.count, seeds=given.seeds, alone=given.ours)
    print()
    for bar, is_met in met.items():
        print(f"{'MET' if is_met else 'MISSED':8}{bar}")


if __name__ == "__main__":
    main()
