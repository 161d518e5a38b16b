"""
Progress: how a run is going, told once a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keiko_perf.model import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """
    How a run is going.

    Attributes:
        elapsed_s: since the load began.
        total_s: how long the load lasts, the warm-up included.
        is_warming_up: whether measuring has not begun yet.
        offered: how many requests were due so far, since measuring began.
        succeeded: how many of them have a good answer.
        failed: how many have none.
        dropped: how many were not sent.
        in_flight: how many are under way or wait.
        rate_per_s: how many ended a second since the last progress.
        recent: response times of the successes of the last ten intervals.
    """

    elapsed_s: float
    total_s: float
    is_warming_up: bool
    offered: int
    succeeded: int
    failed: int
    dropped: int
    in_flight: int
    rate_per_s: float
    recent: Series


OnTick = Callable[[Progress], None]
