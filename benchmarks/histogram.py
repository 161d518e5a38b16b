"""
Histogram: cost of a record, size of a snapshot and error of a quantile, beside two peers.

    python benchmarks/histogram.py

All three take the same 1,000,000 durations, heavy-tailed and multimodal: a cache hit, a query, a
slow query and a time-out. Costs are CPU time per record, the median of interleaved rounds, and
the ratios come from the same round. Errors are held against the sorted values. DDSketch is set
to 1 % and HdrHistogram to two significant digits, their settings for the same promise.
"""

from __future__ import annotations

import math
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from ddsketch import DDSketch
from ddsketch.pb.proto import DDSketchProto
from hdrh.histogram import HdrHistogram

from keiko_perf.model import Histogram

VALUES = 1_000_000
WINDOW = 10_000  # 10 s of a route at 1,000 requests a second
ROUNDS = 7
RECORDS_A_ROUND = 100_000
QUANTILES = (0.5, 0.9, 0.95, 0.99, 0.999, 0.9999)
MODES = ((0.0004, 0.25, 60), (0.012, 0.5, 30), (0.35, 0.8, 9), (30.0, 0.05, 1))
MICROSECONDS_IN_AN_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Peer:
    name: str
    make: Callable[[], Any]
    recorder: Callable[[Any], Callable[[float], object]]
    scale: float  # of its unit to seconds: HdrHistogram counts whole microseconds
    quantile: Callable[[Any, float], float]
    size: Callable[[Any], int]


def _hdr() -> Any:
    return HdrHistogram(1, MICROSECONDS_IN_AN_HOUR, 2)


def _hdr_size(histogram: Any) -> int:
    return len(histogram.encode())


def _dd_size(sketch: Any) -> int:
    return len(DDSketchProto.to_proto(sketch).SerializeToString())


PEERS = (
    Peer(
        "keiko-perf",
        Histogram,
        lambda histogram: histogram.record,
        1.0,
        lambda histogram, q: histogram.quantile(q),
        lambda histogram: len(histogram.to_bytes()),
    ),
    Peer(
        "ddsketch",
        lambda: DDSketch(0.01),
        lambda sketch: sketch.add,
        1.0,
        lambda sketch, q: sketch.get_quantile_value(q),
        _dd_size,
    ),
    Peer(
        "hdrhistogram",
        _hdr,
        lambda histogram: histogram.record_value,
        1e6,
        lambda histogram, q: histogram.get_value_at_percentile(q * 100),
        _hdr_size,
    ),
)


def workload(seed: int = 7) -> list[float]:
    """Durations in seconds: four modes with log-normal tails, all within 1 µs and 1 h."""
    random = Random(seed)
    weights = [weight for _, _, weight in MODES]
    drawn = random.choices(MODES, weights, k=VALUES)
    return [
        min(max(random.lognormvariate(math.log(median), sigma), 1e-6), 3600.0)
        for median, sigma, _ in drawn
    ]


def record_ns(peer: Peer, values: Sequence[float]) -> float:
    """CPU nanoseconds that one record takes, without the loop around it."""
    record = peer.recorder(peer.make())
    scaled = [value * peer.scale for value in values]
    return _per_value(record, scaled) - _per_value(_nothing, scaled)


def _per_value(call: Callable[[float], object], values: Sequence[float]) -> float:
    started = time.process_time_ns()
    for value in values:
        call(value)
    return (time.process_time_ns() - started) / len(values)


def _nothing(_value: float) -> None:
    pass


def rank_error(ordered: Sequence[float], q: float, estimate: float) -> float:
    """
    The relative error against the nearest rank, or the one before it.

    The peers round the rank q·n differently, and between two modes the neighbours of a rank can
    lie decades apart; whoever hits either has made no error.
    """
    rank = max(1, math.ceil(q * len(ordered) - 1e-6))
    exact = ordered[max(0, rank - 2) : rank + 1]
    return min(abs(estimate / value - 1.0) for value in exact)


def main() -> None:
    values = workload()
    ordered = sorted(values)
    costs: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
    random = Random(1)
    for _ in range(ROUNDS):
        sample = random.sample(values, RECORDS_A_ROUND)
        for peer in PEERS:
            costs[peer.name].append(record_ns(peer, sample))

    print(f"{VALUES:,} durations from {ordered[0]:.2g} s to {ordered[-1]:.3g} s")
    print()
    print(
        f"{'':14} {'ns a record':>12} {'÷ ours':>8} {'bytes a 10 s window':>20} {'worst error':>12}"
    )
    ours = costs["keiko-perf"]
    filled = {}
    for peer in PEERS:
        whole, window = peer.make(), peer.make()
        record_whole, record_window = peer.recorder(whole), peer.recorder(window)
        for value in values:
            record_whole(value * peer.scale)
        for value in values[:WINDOW]:
            record_window(value * peer.scale)
        filled[peer.name] = whole
        ratio = statistics.median(a / b for a, b in zip(costs[peer.name], ours, strict=True))
        errors = [rank_error(ordered, q, peer.quantile(whole, q) / peer.scale) for q in QUANTILES]
        print(
            f"{peer.name:14} {statistics.median(costs[peer.name]):12.0f} {ratio:8.2f} "
            f"{peer.size(window):20,} {max(errors):12.3%}"
        )
    print()
    print(f"{'quantile':14} {'exact':>12} " + " ".join(f"{peer.name:>14}" for peer in PEERS))
    for q in QUANTILES:
        exact = ordered[bisect_left(range(VALUES), math.ceil(q * VALUES - 1e-6) - 1)]
        errors = [
            rank_error(ordered, q, peer.quantile(filled[peer.name], q) / peer.scale)
            for peer in PEERS
        ]
        print(f"{q:<14} {exact * 1e3:9.3f} ms " + " ".join(f"{error:14.3%}" for error in errors))


if __name__ == "__main__":
    main()
