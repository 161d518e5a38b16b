"""
Series: what was measured of one route, task, statement or step in one window.

Durations of successes and of failures are kept apart: a service that fails fast must not look
quick, nor one that times out look slow to those whom it served.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from keiko_perf.model.histogram import Histogram


class Kind(StrEnum):
    """What a series measures."""

    ROUTE = "route"  # requests of one route of the service, seen from inside
    TASK = "task"  # runs of one background task
    STATEMENT = "statement"  # executions of one normalised SQL statement
    STEP = "step"  # requests of one step of a load test, seen from outside
    LOOP = "loop"  # delays of the event loop
    POOL = "pool"  # waits for a database connection


OTHER = "(other)"
"""The name of the series that takes what falls over a bound on the number of series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    Attributes:
        kind: what it measures.
        name: of which one, such as `GET /api/v1/agents/{agent_id}`.
        window_s: how long was measured.
        succeeded: durations of what succeeded, in seconds. It belongs to the series: don't record.
        failed: durations of what failed, likewise.
    """

    kind: Kind
    name: str
    window_s: float
    succeeded: Histogram = field(default_factory=Histogram)
    failed: Histogram = field(default_factory=Histogram)

    @property
    def count(self) -> int:
        """How many were seen, failures included."""
        return self.succeeded.count + self.failed.count

    @property
    def errors(self) -> int:
        """How many failed."""
        return self.failed.count

    @property
    def error_ratio(self) -> float | None:
        """The share that failed, 0 to 1; None if there was nothing to fail."""
        count = self.count
        return self.errors / count if count else None

    @property
    def rate_per_s(self) -> float:
        """How many were finished a second."""
        return self.count / self.window_s if self.window_s > 0 else 0.0

    @property
    def sum_s(self) -> float:
        """All the time that it took, failures included."""
        return self.succeeded.sum_s + self.failed.sum_s

    @classmethod
    def merged(cls, series: Iterable[Series], *, kind: Kind, name: str, window_s: float) -> Self:
        """All the given series as one, over a window that the caller knows."""
        series = tuple(series)
        return cls(
            kind=kind,
            name=name,
            window_s=window_s,
            succeeded=Histogram.merged(one.succeeded for one in series),
            failed=Histogram.merged(one.failed for one in series),
        )
