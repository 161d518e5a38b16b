"""
Options: what of the demo's story may be chosen. Values that make no sense refuse to exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keiko_perf.demo.rows import FULL_TASKS
from keiko_perf.demo.settings import Fault
from keiko_perf.errors import UsageError
from keiko_perf.monitoring.kpis import PerformanceKPIs

LEAST_MEASURE_S = 30
"""A comparison draws stretches of 5 s, and needs at least six of them."""

_LEAST_TASKS = 100
_LARGEST_SCALE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    Attributes:
        database: the URL of a running PostgreSQL; None starts a private one.
        rate_per_s: how many requests a second the service is asked.
        measure_s: how long each of the two measurements lasts.
        faults: what is wrong with the service.
        scale: of the seeded rows; 1 is 1.6 million, most of them tasks.
        kpis: what the service promises.

    Raises:
        UsageError: a figure makes no sense.
    """

    database: str | None = field(default=None, repr=False)
    rate_per_s: float = 15.0
    measure_s: int = LEAST_MEASURE_S
    faults: frozenset[Fault] = frozenset({Fault.MISSING_INDEX})
    scale: float = 1.0
    kpis: PerformanceKPIs = field(default_factory=PerformanceKPIs)

    def __post_init__(self) -> None:
        if self.measure_s < LEAST_MEASURE_S:
            raise UsageError(
                f"{self.measure_s} s are too short to compare two measurements",
                cure=f"Measure for {LEAST_MEASURE_S} s or longer",
            )
        if round(FULL_TASKS * self.scale) < _LEAST_TASKS:
            raise UsageError(
                f"a scale of {self.scale:g} leaves too few rows to seed",
                cure=f"Give at least {_LEAST_TASKS / FULL_TASKS:.1g}",
            )
        if self.scale > _LARGEST_SCALE:
            raise UsageError(
                f"a scale of {self.scale:g} would fill a disk",
                cure=f"Give at most {_LARGEST_SCALE:g}",
            )
        if not 0 < self.rate_per_s <= 1000:
            raise UsageError(
                f"{self.rate_per_s:g} requests a second make no demonstration",
                cure="Ask for a rate over 0 and up to 1000",
            )
