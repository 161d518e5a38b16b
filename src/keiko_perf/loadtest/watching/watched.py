"""
Watched: what the service and its database did during a run, on the axis of the run.

Each line has its instants from the start of measuring, on the load generator's clock; by how much
they may be off is told. What was not read is absent, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import Any

from keiko_perf.loadtest.watching import moments as momentary
from keiko_perf.loadtest.watching.moments import Moment
from keiko_perf.loadtest.watching.spent import Spent, spent_of
from keiko_perf.loadtest.watching.stuck import Stuck, stuck
from keiko_perf.loadtest.watching.telemetry import (
    CORES,
    IO,
    LOCK,
    OFFSET_ERROR_S,
    OFFSET_S,
    OTHER,
    RUNNING,
    SESSIONS,
    Reading,
    window_between,
    window_of_readings,
)
from keiko_perf.model import Resource, Use, Window
from keiko_perf.model.usage import INSIDE, WAY

__all__ = ["IO", "LOCK", "OTHER", "RUNNING", "SESSIONS", "Clock", "Watched", "watched"]

MOST_POINTS = 600
SILENT_FROM_S = 2.0
"""Without an answer for so long a service is not just late."""

RESPONSE = "response_s"
RATE = "rate_per_s"
POOL_IN_USE = "pool_in_use"
POOL_WAIT = "pool_wait_s"
LOOP_LAG = "loop_lag_s"
CPU = "cpu_ratio"
STATEMENTS = "statements"

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """By how much another clock is ahead of the load generator's, and how sure that is."""

    offset_s: float
    error_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """
    Attributes:
        lines: by the words above, when and what, from the start of measuring.
        window: what the resources did over the whole run; None if that cannot be told.
        error_s: by how much the service's instants may be off; None if it was not read.
        database_error_s: by how much those of the database may be.
        clock: the service's own clock; None if it does not tell.
        database_clock: the database's, likewise.
        spent: what the database spent its time on, the dearest first; empty if it does not tell.
        moments: what promises are held to, by interval; empty if there is none about the inside.
        silent_s: for how long of the load a service that is read was not: it did not answer.
        loaded_s: how long the load was; None if the service was never read.
        stuck: what the service had in hand, where it answered next to nothing.
    """

    lines: Mapping[str, Points] = field(default_factory=dict)
    window: Window | None = None
    error_s: float | None = None
    database_error_s: float | None = None
    clock: Clock | None = None
    database_clock: Clock | None = None
    spent: tuple[Spent, ...] = ()
    moments: tuple[Moment, ...] = ()
    silent_s: float = 0.0
    loaded_s: float | None = None
    stuck: Stuck | None = None

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
                "phases": dict(window.phases),
                "uses": [
                    {
                        "resource": one.resource.value,
                        "busy": one.busy,
                        "capacity": one.capacity,
                        "wait_s": one.wait_s,
                        "name": one.name,
                        "rate_per_s": one.rate_per_s,
                    }
                    for one in window.uses
                ],
            },
            "error_s": self.error_s,
            "database_error_s": self.database_error_s,
            "clock": _clock_to_dict(self.clock),
            "database_clock": _clock_to_dict(self.database_clock),
            "spent": [one.to_dict() for one in self.spent],
            "moments": [momentary.to_dict(one) for one in self.moments],
            "silent_s": self.silent_s,
            "loaded_s": self.loaded_s,
            "stuck": None if self.stuck is None else self.stuck.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, interval_s: float = 1.0) -> Watched:
        """
        Undo `to_dict` of a run whose intervals are *interval_s* long.

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
            clock=_clock_from_dict(document.get("clock")),
            database_clock=_clock_from_dict(document.get("database_clock")),
            spent=tuple(Spent.from_dict(one) for one in document.get("spent", ())),
            moments=tuple(
                momentary.from_dict(one, window_s=interval_s, at=at)
                for at, one in enumerate(document.get("moments", ()))
            ),
            silent_s=float(document.get("silent_s", 0.0)),
            loaded_s=_optional(document.get("loaded_s")),
            stuck=None if document.get("stuck") is None else Stuck.from_dict(document["stuck"]),
        )


def watched(
    service: Sequence[Reading],
    database: Sequence[Reading],
    *,
    begun_s: float,
    duration_s: float,
    load_s: float | None = None,
    outside: Window | None = None,
    answered_s: float | None = None,
    interval_s: float | None = None,
) -> Watched:
    """
    What two series of readings tell of a run.

    Args:
        service: readings of the service, on the load generator's monotonic clock; may be none.
        database: likewise of the database: how many sessions are at what.
        begun_s: when measuring began, on that clock.
        duration_s: how long it lasted.
        load_s: for how long of that requests were sent, after which it only waited for answers.
        outside: what the load generator knows: its rate, and what it used itself.
        answered_s: how long an answer took, as it saw it, from the instant that it had asked.
        interval_s: how long the moments are that a promise is held to; None: there is none.
    """
    ended_s = begun_s + duration_s
    loaded_s = begun_s + (duration_s if load_s is None else load_s)
    window = window_between(service, begun_s, loaded_s)
    sessions = [one for one in database if begun_s <= one.at_s <= ended_s]
    if window is None and sessions:
        window = outside
    elif window is not None and outside is not None:
        window = replace(
            window,
            uses=(*_arriving(window, outside), *outside.uses),
            phases=_phases(window, answered_s),
        )
    loaded = [one for one in sessions if one.at_s <= loaded_s]
    if window is not None and window.rate_per_s > 0 and loaded:
        window = replace(window, uses=(*window.uses, *_database_uses(loaded, window)))
    return Watched(
        lines=_service_lines(service, begun_s, ended_s) | _database_lines(sessions, begun_s),
        window=window,
        error_s=_error_s(service),
        database_error_s=_error_s(database),
        clock=_clock(service),
        database_clock=_clock(database),
        spent=spent_of(database, begun_s, ended_s),
        moments=()
        if interval_s is None
        else momentary.moments(
            service,
            database,
            begun_s=begun_s,
            intervals=ceil(duration_s / interval_s - 1e-6),
            interval_s=interval_s,
        ),
        silent_s=_silent_s(service, begun_s, loaded_s),
        loaded_s=loaded_s - begun_s if service else None,
        stuck=stuck(service, begun_s, loaded_s),
    )


def _silent_s(readings: Sequence[Reading], begun_s: float, ended_s: float) -> float:
    """How long a service that is asked several times a second gave no answer, in all."""
    if not readings:
        return 0.0
    within = [one.at_s for one in readings if begun_s <= one.at_s <= ended_s]
    pauses = (later - before for before, later in pairwise((begun_s, *within, ended_s)))
    return sum(one for one in pauses if one >= SILENT_FROM_S)


def _arriving(window: Window, outside: Window) -> Sequence[Use]:
    """The resources; through the network came as many answers as the load generator got."""
    rate_per_s = outside.rate_per_s
    return [
        replace(one, rate_per_s=rate_per_s) if one.resource is Resource.NETWORK else one
        for one in window.uses
    ]


def _phases(window: Window, answered_s: float | None) -> Mapping[str, float]:
    """What is known of a request inside the service, what else it was there, and the rest."""
    if window.response_s is None or answered_s is None:
        return {}
    inside_s = max(0.0, window.response_s - sum(window.phases.values()))
    return {**window.phases, INSIDE: inside_s, WAY: max(0.0, answered_s - window.response_s)}


def recent_lines(
    service: Sequence[Reading], database: Sequence[Reading], *, now_s: float, last_s: float
) -> dict[str, Points]:
    """The lines of the last so many seconds, by how many seconds ago they were, from -last_s on."""
    begun_s = now_s - last_s
    recent = [one for one in service if one.at_s >= begun_s - 1.0]
    sessions = [one for one in database if one.at_s >= begun_s]
    lines = _service_lines(recent, begun_s - 1.0, now_s, shown_from_s=now_s)
    return lines | _database_lines(sessions, now_s)


def _service_lines(
    readings: Sequence[Reading],
    begun_s: float,
    ended_s: float,
    *,
    shown_from_s: float | None = None,
) -> dict[str, Points]:
    from_s = begun_s if shown_from_s is None else shown_from_s
    within = [one for one in readings if begun_s <= one.at_s <= ended_s]
    within = within[:: max(1, len(within) // MOST_POINTS)]
    lines: dict[str, list[tuple[float, float]]] = {}
    for first, last in pairwise(within):
        window = window_of_readings(first, last)
        if window is None:
            continue
        at_s = (first.at_s + last.at_s) / 2 - from_s
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
    """
    How many sessions were at what, on average; of locks also what a request waited for them. How
    many cores there are to run on is known of a server on this machine alone.
    """

    def mean(name: str) -> float:
        return sum(one.values.get(name, 0.0) for one in sessions) / len(sessions)

    # So many wait at a time, and so many requests come a second: Little's law.
    locks = Use(resource=Resource.LOCKS, busy=mean(LOCK), wait_s=mean(LOCK) / window.rate_per_s)
    cores = sessions[-1].values.get(CORES)
    running = mean(RUNNING)
    beyond = mean_beyond(sessions, cores) if cores else 0.0
    return (
        locks,
        Use(
            resource=Resource.DATABASE_CPU,
            busy=running - beyond,
            capacity=cores,
            wait_s=beyond / window.rate_per_s if cores else None,
        ),
        Use(resource=Resource.DATABASE_IO, busy=mean(IO)),
    )


def mean_beyond(sessions: Sequence[Reading], cores: float) -> float:
    """How many sessions could run, on average, and had no core to do so."""
    over = [max(0.0, one.values.get(RUNNING, 0.0) - cores) for one in sessions]
    return sum(over) / len(over)


def _error_s(readings: Sequence[Reading]) -> float | None:
    """By how much the instants may be off, at most in all but a tenth of the readings."""
    errors = sorted(one.error_s for one in readings)
    return errors[int(len(errors) * 0.9)] if errors else None


def _clock(readings: Sequence[Reading]) -> Clock | None:
    """Of all that were asked for the time the one that is the surest."""
    told = [
        Clock(one.values[OFFSET_S], one.values[OFFSET_ERROR_S])
        for one in readings
        if OFFSET_S in one.values
    ]
    return min(told, key=lambda one: one.error_s, default=None)


def _clock_to_dict(clock: Clock | None) -> dict[str, float] | None:
    return None if clock is None else {"offset_s": clock.offset_s, "error_s": clock.error_s}


def _clock_from_dict(document: Mapping[str, Any] | None) -> Clock | None:
    if document is None:
        return None
    return Clock(float(document["offset_s"]), float(document["error_s"]))


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
                rate_per_s=_optional(one.get("rate_per_s")),
            )
            for one in document["uses"]
        ),
        phases={str(name): float(one) for name, one in document.get("phases", {}).items()},
    )


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
