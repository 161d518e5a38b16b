"""
Usage: how much of each resource a window of time used, in the words of operational analysis.

A resource is something that only so many requests can have at once: a core, the event loop, a
database connection. How many of it were busy on average (U), divided by the throughput (X), is
what one request demands of it (the utilisation law, D = U ÷ X; Denning & Buzen, "The operational
analysis of queueing network models", 1978), and what there is of it, divided by that demand, is
its ceiling: no more requests than that get through, whatever else is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from keiko_perf.model.series import Kind, Series
from keiko_perf.model.snapshot import Snapshot

INSIDE, WAY = "inside", "way"
"""Phases of a request, where the load generator tells of it as well: the service has it, or what
lies between the two."""


class Resource(StrEnum):
    """What requests queue for."""

    GENERATOR = "generator"  # the thread that makes the load
    NETWORK = "network"
    CPU = "cpu"  # the cores of the service's workers
    LOOP = "loop"  # their event loops, which one piece of code holds at a time
    THREADS = "threads"  # their thread pools
    POOL = "pool"  # their database connections
    LOCKS = "locks"  # what other sessions of the database hold
    DATABASE_CPU = "database_cpu"
    DATABASE_IO = "database_io"


WITHIN = {
    Resource.LOOP: frozenset({Resource.CPU}),
    Resource.THREADS: frozenset(
        {Resource.CPU, Resource.POOL, Resource.LOCKS, Resource.DATABASE_CPU, Resource.DATABASE_IO}
    ),
    Resource.POOL: frozenset(
        {
            Resource.CPU,
            Resource.LOOP,
            Resource.LOCKS,
            Resource.DATABASE_CPU,
            Resource.DATABASE_IO,
        }
    ),
}
"""What one may wait for while one has a resource. Where such a thing is short, the outer one fills
up as well, and enlarging it cures nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """
    How much of one resource was used.

    Attributes:
        resource: which.
        busy: how many units of it were busy, on average over the window.
        capacity: how many there are; None if that is not known, or nothing bounds it.
        wait_s: how long one request waited for it, on average; None if nobody measures that.
        name: which one, where there are several: of a pool, a lock, a statement.
        rate_per_s: how many requests a second came through it; None is as many as were answered.
            Behind the service, where answers queue, it may be fewer.
    """

    resource: Resource
    busy: float
    capacity: float | None = None
    wait_s: float | None = None
    name: str = ""
    rate_per_s: float | None = None

    def __post_init__(self) -> None:
        if not self.busy >= 0 or (self.capacity is not None and not self.capacity > 0):
            raise ValueError(f"a use is 0 or more of a capacity above 0, not {self!r}")

    @property
    def ratio(self) -> float | None:
        """The share of it that was busy; None without a known capacity."""
        return None if self.capacity is None else self.busy / self.capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    A resource as a limit.

    Attributes:
        use: of the resource, at the load in question.
        demand_s: for how long one request has a unit of it.
        ceiling_per_s: how many requests a second there is enough of it for, if that is known.
    """

    use: Use
    demand_s: float
    ceiling_per_s: float | None

    @property
    def resource(self) -> Resource:
        return self.use.resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    What the resources did while requests came at one rate.

    Attributes:
        rate_per_s: how many requests were answered a second.
        response_s: how long one took, on average; None if that is not known.
        uses: the resources.
        phases: the seconds of one request, on average, by where they went: the words of `Kind`
            (`in_sql`, `in_pool`…), or others.
    """

    rate_per_s: float
    response_s: float | None = None
    uses: tuple[Use, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)

    def demand_s(self, use: Use) -> float | None:
        """For how long one request has a unit of it; None if there was no request."""
        rate_per_s = self._rate_of(use)
        return use.busy / rate_per_s if rate_per_s > 0 else None

    def ceiling_per_s(self, use: Use) -> float | None:
        """How many requests a second there is enough of it for."""
        rate_per_s = self._rate_of(use)
        if use.capacity is None or not use.busy or not rate_per_s:
            return None
        return rate_per_s * use.capacity / use.busy

    def _rate_of(self, use: Use) -> float:
        return self.rate_per_s if use.rate_per_s is None else use.rate_per_s


_OF_THREADS = ("size", "in_use", "waiting")
PARTS = (Kind.IN_SQL, Kind.IN_POOL, Kind.IN_HTTP, Kind.IN_CODE, Kind.IN_LOOP, Kind.ELSEWHERE)


def window_of(
    snapshot: Snapshot,
    *,
    workers: int = 1,
    pools: int | None = None,
    cpu_s: float | None = None,
    more: tuple[Use, ...] = (),
) -> Window:
    """
    What a snapshot of the service tells of its event loop and its connection pools.

    Args:
        snapshot: of one worker, or of several merged.
        workers: how many processes that serve requests it was merged of; each has a loop.
        pools: how many that have pools, if others have some as well.
        cpu_s: the CPU time of those processes within the window, if it is known.
        more: what else is known, such as the database's uses.
    """
    requests = snapshot.whole(Kind.ROUTE)
    window_s = snapshot.window_s
    if not requests.count or not window_s > 0:
        return Window(rate_per_s=0.0, uses=more)
    parts = {kind: snapshot.whole(kind) for kind in PARTS}
    # Requests that nobody has begun to read wait for the loop too; its own lag tells of them.
    lags = snapshot.whole(Kind.LOOP)
    lag_s = max(
        _per_request(parts[Kind.IN_LOOP], requests), lags.sum_s / lags.count if lags.count else 0.0
    )
    uses = [
        _use(Resource.LOOP, parts[Kind.IN_CODE].sum_s, window_s, workers, lag_s),
        *_pool(snapshot, requests, workers if pools is None else pools),
        *_threads(snapshot, requests, workers),
    ]
    if cpu_s is not None:
        # One interpreter keeps one core busy at a time, so a worker has one.
        uses.append(_use(Resource.CPU, cpu_s, window_s, workers, lag_s))
    return Window(
        rate_per_s=requests.rate_per_s,
        response_s=requests.sum_s / requests.count,
        uses=(*uses, *more),
        phases={
            kind.value: _per_request(part, requests) for kind, part in parts.items() if part.count
        },
    )


def _pool(snapshot: Snapshot, requests: Series, workers: int) -> tuple[Use, ...]:
    size, in_use = snapshot.gauges.get("pool_size"), snapshot.gauges.get("pool_in_use")
    if in_use is None:
        return ()
    # What was held is known exactly once it comes back; what is held for longer than the window
    # lasts only samples see.
    held = snapshot.whole(Kind.HOLD).sum_s / snapshot.window_s
    busy = max(held, in_use.mean * workers)
    capacity = size.mean * workers if size is not None and size.mean > 0 else None
    return (
        Use(
            resource=Resource.POOL,
            busy=busy if capacity is None else min(busy, capacity),
            capacity=capacity,
            wait_s=_per_request(snapshot.whole(Kind.POOL), requests),
        ),
    )


def _threads(snapshot: Snapshot, requests: Series, workers: int) -> tuple[Use, ...]:
    gauges = [snapshot.gauges.get(f"handler_threads_{name}") for name in _OF_THREADS]
    size, in_use, waiting = (None if one is None else one.mean * workers for one in gauges)
    if not size or in_use is None or waiting is None:
        return ()
    return (
        Use(
            resource=Resource.THREADS,
            busy=min(in_use, size),
            capacity=size,
            # So many wait at a time, and so many requests come a second: Little's law.
            wait_s=waiting / requests.rate_per_s,
        ),
    )


def _use(resource: Resource, busy_s: float, window_s: float, workers: int, wait_s: float) -> Use:
    busy = min(busy_s / window_s, float(workers))
    return Use(resource=resource, busy=busy, capacity=float(workers), wait_s=wait_s)


def _per_request(series: Series, requests: Series) -> float:
    return series.sum_s / requests.count
