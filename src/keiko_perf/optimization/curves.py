"""
Curves: how long requests take with so many in flight, by shape, and what it costs to be off.

With n in flight a request takes about `r · (1 + (n/c)^p)^(q/p)`: some r as long as n is well below
the knee c, and longer as n^q above it. A queue has a sharp knee and q = 1, whatever is shared
softens it, and where requests get in each other's way q is more than 1. All is told by the load,
the logarithm of n/c, and as a logarithm; it is tabulated once for all, so that a hundred knees
are compared with a measurement by a slice.

It is arithmetic alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, log1p
from operator import mul

STEP = 0.1  # between two knees, as a logarithm
_STRIDE = 20  # loads between two knees
_SHAPES = ((24.0, 1.0, 0.0), (5.0, 1.0, 2.0), (2.5, 1.0, 4.0), (2.5, 2.0, 2.0), (12.0, 2.0, 2.5))
"""p, q, and how much less likely it is beforehand, as a logarithm: the simplest first."""
_WORTH = 0.08  # one per cent more in flight should bring so many per cent more throughput
_ENOUGH = 0.99  # of the best throughput; for what little is beyond, nobody should wait
_WAIT, _WAIT_LONG = 0.02, 0.12  # what a longer wait costs, and its square, where 1 is to serve less


@dataclass(frozen=True, slots=True)
class Curve:
    """
    Attributes:
        penalty: how much less likely it is beforehand, as a logarithm.
        goal: the load to aim at.
        longer: how much longer than r it takes, by load.
        loss: what it costs to be at that load rather than at the goal.
    """

    penalty: float
    goal: float
    longer: Sequence[float]
    loss: Sequence[float]


class Curves:
    """
    All shapes, with knees from *lowest* on, *count* of them, as logarithms.

    Args:
        lowest: the lowest knee.
        count: how many knees.
    """

    def __init__(self, lowest: float, count: int) -> None:
        self.logs = [lowest + at * STEP for at in range(count)]
        self._least = -self.logs[-1] - STEP
        most = self.logs[-1] - lowest
        loads = round((most - self._least) / STEP) * _STRIDE
        self._top = loads - 1
        self.shapes = _curves(self._least, loads)

    def longer(self, log_n: float) -> list[float]:
        """How much longer than r it takes with so many in flight, by each shape and knee."""
        at, count = self._load(log_n), len(self.logs)
        return [one for curve in self.shapes for one in curve.longer[at::-_STRIDE][:count]]

    def expected_loss(self, log_n: float, weights: Sequence[float]) -> float:
        """
        What it costs to have so many in flight.

        Args:
            log_n: the logarithm of how many.
            weights: how likely each shape and knee is, in the order of `longer`.
        """
        at, count = self._load(log_n), len(self.logs)
        return sum(
            sum(map(mul, weights[first : first + count], curve.loss[at::-_STRIDE]))
            for first, curve in zip(range(0, len(weights), count), self.shapes, strict=True)
        )

    def _load(self, log_n: float) -> int:
        """Where the load of so many beside the lowest knee is in the tables."""
        at = round((log_n - self.logs[0] - self._least) / STEP * _STRIDE)
        return min(max(at, (len(self.logs) - 1) * _STRIDE), self._top)


@lru_cache(maxsize=8)
def _curves(least: float, count: int) -> tuple[Curve, ...]:
    loads = [least + at * STEP / _STRIDE for at in range(count)]
    return tuple(_curve(p, q, penalty, loads) for p, q, penalty in _SHAPES)


def _curve(p: float, q: float, penalty: float, loads: Sequence[float]) -> Curve:
    goal = _goal(p, q)
    served, waited = goal - _longer(p, q, goal), _longer(p, q, goal)
    longer = [_longer(p, q, load) for load in loads]
    loss = [
        max(served - load + one, 0.0) + _waiting(max(one - waited, 0.0))
        for load, one in zip(loads, longer, strict=True)
    ]
    return Curve(penalty, goal, longer, loss)


def _waiting(longer: float) -> float:
    """A little longer is hardly noticed, and twice as long is."""
    return _WAIT * longer + _WAIT_LONG * longer * longer


def _longer(p: float, q: float, load: float) -> float:
    excess = p * load
    # log1p(exp(x)), where exp would overflow, or adds nothing
    grown = excess if excess > 30 else log1p(exp(excess)) if excess > -30 else 0.0
    return q / p * grown


def _goal(p: float, q: float) -> float:
    """The load to aim at on a curve."""
    loads = [step * 0.005 - 1 for step in range(900)]  # up to 33 times the knee
    best = max(load - _longer(p, q, load) for load in loads) if q > 1 else 0.0
    for load in loads:
        gain = 1 - q / (1 + exp(-p * load))
        if load - _longer(p, q, load) >= best + log(_ENOUGH) or gain <= _WORTH:
            return load
    return loads[-1]
