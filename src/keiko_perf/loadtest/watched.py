"""
Watched: what the service and its database did during a run, on the axis of the run.

Each line has its instants from the start of measuring, on the load generator's clock; by how much
they may be off is told. What was not read is absent, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from keiko_perf.loadtest.telemetry import Reading, window_between, window_of_readings
from keiko_perf.model import Resource, Use, Window

MOST_POINTS = 600

RESPONSE = "response_s"
RATE = "rate_per_s"
POOL_IN_USE = "pool_in_use"
POOL_WAIT = "pool_wait_s"
LOOP_LAG = "loop_lag_s"
CPU = "cpu_ratio"
STATEMENTS = "statements"
RUNNING = "running"
LOCK = "lock"
IO = "io"
OTHER = "other"
SESSIONS = (RUNNING, LOCK, IO, OTHER)
"""Active sessions of the database by what they wait for; those that wait for nothing run."""

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """
    Attributes:
        lines: by the words above, when and what, from the start of measuring.
        window: what the resources did over the whole run; None if that cannot be told.
        error_s: by how much the service's instants may be off; None if it was not read.
        database_error_s: by how much those of the database may be.
    """

    lines: Mapping[str, Points] = field(default_factory=dict)
    window: Window | None = None
    error_s: float | None = None
    database_error_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        window = self.window
        return {
            "lines": {
                name: [list(point) for point in points] for name, points in self.lines.items()
            },
            "window": None
            if window is None
            else {
                "rate_per_s": window.rate_per_s,
                "response_s": window.response_s,
                "uses": [
                    {
                        "resource": one.resource.value,
                        "busy": one.busy,
                        "capacity": one.capacity,
                        "wait_s": one.wait_s,
                        "name": one.name,
                    }
                    for one in window.uses
                ],
            },
            "error_s": self.error_s,
            "database_error_s": self.database_error_s,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Watched:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        window = document["window"]
        return cls(
            lines={
                str(name): tuple((float(x), float(y)) for x, y in points)
                for name, points in document["lines"].items()
            },
            window=None if window is None else _window(window),
            error_s=_optional(document["error_s"]),
            database_error_s=_optional(document["database_error_s"]),
        )


def watched(
    service: Sequence[Reading],
    database: Sequence[Reading],
    *,
    begun_s: float,
    duration_s: float,
) -> Watched:
    """
    What two series of readings tell of a run.

    Args:
        service: readings of the service, on the load generator's monotonic clock; may be none.
        database: likewise of the database: how many sessions are at what.
        begun_s: when measuring began, on that clock.
        duration_s: how long it lasted.
    """
    ended_s = begun_s + duration_s
    window = window_between(service, begun_s, ended_s)
    sessions = [one for one in database if begun_s <= one.at_s <= ended_s]
    if window is not None and sessions:
        window = replace(window, uses=(*window.uses, *_database_uses(sessions, window)))
    return Watched(
        lines=_service_lines(service, begun_s, ended_s) | _database_lines(sessions, begun_s),
        window=window,
        error_s=_error_s(service),
        database_error_s=_error_s(database),
    )


def _service_lines(
    readings: Sequence[Reading], begun_s: float, ended_s: float
) -> dict[str, Points]:
    within = [one for one in readings if begun_s <= one.at_s <= ended_s]
    within = within[:: max(1, len(within) // MOST_POINTS)]
    lines: dict[str, list[tuple[float, float]]] = {}
    for first, last in pairwise(within):
        window = window_of_readings(first, last)
        if window is None:
            continue
        at_s = (first.at_s + last.at_s) / 2 - begun_s
        for name, value in _told(window, last.statements_since(first)):
            if value is not None:
                lines.setdefault(name, []).append((round(at_s, 3), value))
    return {name: tuple(points) for name, points in lines.items()}


def _told(window: Window, statements: float | None) -> Sequence[tuple[str, float | None]]:
    uses = {one.resource: one for one in window.uses}
    pool, cpu = uses.get(Resource.POOL), uses.get(Resource.CPU)
    return (
        (RATE, window.rate_per_s),
        (RESPONSE, window.response_s),
        (POOL_IN_USE, None if pool is None else pool.busy),
        (POOL_WAIT, None if pool is None else pool.wait_s),
        (LOOP_LAG, None if cpu is None else cpu.wait_s),
        (CPU, None if cpu is None else cpu.ratio),
        (STATEMENTS, statements),
    )


def _database_lines(sessions: Sequence[Reading], begun_s: float) -> dict[str, Points]:
    seen = sessions[:: max(1, len(sessions) // MOST_POINTS)]
    return {
        name: tuple((round(one.at_s - begun_s, 3), one.values.get(name, 0.0)) for one in seen)
        for name in SESSIONS
        if any(one.values.get(name) for one in seen)
    }


def _database_uses(sessions: Sequence[Reading], window: Window) -> tuple[Use, ...]:
    """How many sessions were at what, on average; of locks also what a request waited for them."""

    def mean(name: str) -> float:
        return sum(one.values.get(name, 0.0) for one in sessions) / len(sessions)

    # So many wait at a time, and so many requests come a second: Little's law.
    locks = Use(resource=Resource.LOCKS, busy=mean(LOCK), wait_s=mean(LOCK) / window.rate_per_s)
    return (
        locks,
        Use(resource=Resource.DATABASE_CPU, busy=mean(RUNNING)),
        Use(resource=Resource.DATABASE_IO, busy=mean(IO)),
    )


def _error_s(readings: Sequence[Reading]) -> float | None:
    """By how much the instants may be off, at most in all but a tenth of the readings."""
    errors = sorted(one.error_s for one in readings)
    return errors[int(len(errors) * 0.9)] if errors else None


def _window(document: Mapping[str, Any]) -> Window:
    return Window(
        rate_per_s=float(document["rate_per_s"]),
        response_s=_optional(document["response_s"]),
        uses=tuple(
            Use(
                resource=Resource(one["resource"]),
                busy=float(one["busy"]),
                capacity=_optional(one["capacity"]),
                wait_s=_optional(one["wait_s"]),
                name=str(one["name"]),
            )
            for one in document["uses"]
        ),
    )


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
