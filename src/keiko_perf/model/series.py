"""
Series: what was measured of one route, task, statement or step in one window.

Durations of successes, of failures and of refusals are kept apart: a service that fails or refuses
fast must not look quick, nor one that times out look slow to those whom it served.
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
    HOLD = "hold"  # for how long database connections were held
    QUEUE = "queue"  # waits of background tasks in their queue
    FIRST_BYTE = "first_byte"  # until the first piece of answers that come in pieces
    STREAM = "stream"  # how long answers of server-sent events of one route lasted
    WEBSOCKET = "websocket"  # how long connections of one route lasted
    OUTGOING = "outgoing"  # calls of another service, by its host
    GC = "gc"  # pauses for the collection of garbage
    IN_SQL = "in_sql"  # of requests of one route: what their statements took
    IN_POOL = "in_pool"  # of these: waiting for a database connection
    IN_HTTP = "in_http"  # of these: waiting for other services
    IN_CODE = "in_code"  # of these: their own code, which holds the event loop
    IN_LOOP = "in_loop"  # of these: ready to go on, while the event loop was busy with others
    ELSEWHERE = "elsewhere"  # of these: whatever else was awaited


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
        refused: durations of what the asker got wrong or may not have (4xx), likewise.
        sent_bytes: how much was answered, bodies only.
        redirected: how many of the successes sent the asker elsewhere or to his own copy (3xx).
    """

    kind: Kind
    name: str
    window_s: float
    succeeded: Histogram = field(default_factory=Histogram)
    failed: Histogram = field(default_factory=Histogram)
    refused: Histogram = field(default_factory=Histogram)
    sent_bytes: int = 0
    redirected: int = 0

    @property
    def count(self) -> int:
        """How many were seen, failures and refusals included."""
        return self.succeeded.count + self.failed.count + self.refused.count

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
    def refused_ratio(self) -> float | None:
        """The share that was refused, 0 to 1; None if nothing was asked for."""
        count = self.count
        return self.refused.count / count if count else None

    @property
    def rate_per_s(self) -> float:
        """How many were finished a second."""
        return self.count / self.window_s if self.window_s > 0 else 0.0

    @property
    def sum_s(self) -> float:
        """All the time that it took, failures and refusals included."""
        return self.succeeded.sum_s + self.failed.sum_s + self.refused.sum_s

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
            refused=Histogram.merged(one.refused for one in series),
            sent_bytes=sum(one.sent_bytes for one in series),
            redirected=sum(one.redirected for one in series),
        )
