"""
Steady: from when on a run is to be judged, where it was not said beforehand.

A service that just started is slow until its caches, pools and code are warm. How long that takes
is read off the run itself: the beginning that is left out is the one without which the mean of the
rest is known best (MSER: White, "An effective truncation heuristic for bias reduction in simulation
output", 1997). It is never more than half of the run, and nothing where the beginning is like the
rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from keiko_perf.model import Histogram

LEAST_INTERVALS = 10
_UNLIKE = 0.1
"""A beginning whose mean differs from the rest by less than this is a part of it."""
_LEAST_VARIANCE = 1e-6
"""A spread of a thousandth is none: without it, noise of the arithmetic would decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """
    Attributes:
        intervals: how many, at the beginning, are left out.
        is_settled: whether the rest is steady; else nothing is left out.
    """

    intervals: int = 0
    is_settled: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"intervals": self.intervals, "is_settled": self.is_settled}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Warmup:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        return cls(
            intervals=max(0, int(document["intervals"])), is_settled=bool(document["is_settled"])
        )


def warmup(timeline: Sequence[Histogram]) -> Warmup:
    """
    How much of the beginning is not like the rest.

    Args:
        timeline: the response times of each interval. Those without any say nothing.
    """
    known = [
        (at, log(mean_s))
        for at, one in enumerate(timeline)
        if (mean_s := one.sum_s / one.count if one.count else 0.0) > 0
    ]
    if len(known) < LEAST_INTERVALS:
        return Warmup(is_settled=False)
    left_out = settled_after([value for _, value in known])
    if left_out is None:
        return Warmup(is_settled=False)
    return Warmup(intervals=known[left_out][0] if left_out else 0)


def settled_after(values: Sequence[float]) -> int | None:
    """
    How many of the first *values* to leave out; None if they don't settle within the first half.

    Args:
        values: logarithms, so that a tenth means a tenth.
    """
    count = len(values)
    half = count // 2
    best, best_error = 0, float("inf")
    total, squares = 0.0, 0.0
    errors: dict[int, float] = {}
    # From the end, so that each sum is the one before and one value more.
    for at in range(count - 1, -1, -1):
        total += values[at]
        squares += values[at] * values[at]
        rest = count - at
        if at <= half:
            spread = max(0.0, squares - total * total / rest) + rest * _LEAST_VARIANCE
            errors[at] = spread / rest**2
    for at in range(half + 1):
        if errors[at] < best_error:
            best, best_error = at, errors[at]
    if not best:
        return 0
    mean = sum(values[best:]) / (count - best)
    if abs(sum(values[:best]) / best - mean) <= _UNLIKE:
        return 0
    return None if best == half else best
