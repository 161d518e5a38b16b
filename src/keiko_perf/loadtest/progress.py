"""
Progress: how a run is going, told once a second.

Everything in it can be put together from several processes: counts add up, histograms merge, of
the CPU the busiest counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from keiko_perf.loadtest.result import ErrorGroup
from keiko_perf.model import Histogram, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """
    How one step is going.

    Attributes:
        recent: what was due in the last ten intervals; its window is as long as they are.
        whole: what was due since measuring began.
    """

    recent: Series
    whole: Series

    @property
    def name(self) -> str:
        return self.whole.name


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
        offered_per_s: how many were due a second since the last progress.
        steps: in the plan's order.
        connections: how many there are now.
        late: how late the generator turned to what was due, since measuring began.
        cpu_ratio: the generator's thread since the last progress, as a share of one core; None if
            it is not measured.
        errors: the failures so far, most frequent first.
        is_draining: whether nothing more is sent, and answers are waited for.
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
    offered_per_s: float = 0.0
    steps: tuple[StepProgress, ...] = ()
    connections: int = 0
    late: Histogram = field(default_factory=Histogram)
    cpu_ratio: float | None = None
    errors: tuple[ErrorGroup, ...] = ()
    is_draining: bool = False


OnTick = Callable[[Progress], None]
