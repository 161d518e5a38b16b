"""
Stuck: what a service had in hand while it was under load and answered next to nothing.

What is counted is counted once it is over: requests that never end leave no durations, and no
resource seems to be in use. Of those the service's gauges tell, at one instant. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keiko_perf.loadtest.watching.telemetry import (
    ACTIVE,
    POOL_IN_USE,
    POOL_SIZE,
    POOL_WAITING,
    REQUESTS,
    THREADS_IN_USE,
    THREADS_SIZE,
    THREADS_WAITING,
    Reading,
)
from keiko_perf.model import Resource
from keiko_perf.model.bottleneck import FULL_RATIO

LEAST_ANSWERS = 5
_MANY = 10
"""So many times as many are in the service as were answered: fewer are but a slow service."""
_GAUGES = (  # what is within another first: a full pool fills the threads that wait for it
    (Resource.POOL, POOL_IN_USE, POOL_SIZE, POOL_WAITING),
    (Resource.THREADS, THREADS_IN_USE, THREADS_SIZE, THREADS_WAITING),
)


@dataclass(frozen=True, slots=True)
class Full:
    """A resource of which nothing is left: how many are in use, of how many, and who waits."""

    resource: Resource
    in_use: float
    size: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Stuck:
    """
    Attributes:
        answered: how many requests were answered under the load.
        held: how many were in the service at its end.
        full: what they waited for, the cause first; empty if nothing of the kind was seen.
    """

    answered: int
    held: int
    full: tuple[Full, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "answered": self.answered,
            "held": self.held,
            "full": [
                {
                    "resource": one.resource.value,
                    "in_use": one.in_use,
                    "size": one.size,
                    "waiting": one.waiting,
                }
                for one in self.full
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Stuck:
        """
        Undo `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: it is no such document.
        """
        return cls(
            answered=int(document["answered"]),
            held=int(document["held"]),
            full=tuple(
                Full(
                    Resource(one["resource"]),
                    float(one["in_use"]),
                    float(one["size"]),
                    float(one["waiting"]),
                )
                for one in document["full"]
            ),
        )


def stuck(readings: Sequence[Reading], begun_s: float, ended_s: float) -> Stuck | None:
    """What a service had in hand between two instants; None if it answered, or had little."""
    within = [one for one in readings if begun_s <= one.at_s <= ended_s]
    if len(within) < 2:
        return None
    first, last = within[0].values, within[-1].values
    answered = last.get(f"{REQUESTS}_count", 0.0) - first.get(f"{REQUESTS}_count", 0.0)
    held = last.get(ACTIVE, 0.0)
    if not 0 <= answered < LEAST_ANSWERS or held < _MANY * max(answered, 1.0):
        return None
    return Stuck(round(answered), round(held), tuple(_full(last)))


def _full(values: Mapping[str, float]) -> Iterator[Full]:
    for resource, *names in _GAUGES:
        in_use, size, waiting = (values.get(name, 0.0) for name in names)
        if size > 0 and in_use >= FULL_RATIO * size and waiting >= 1:
            yield Full(resource, round(in_use, 1), size, round(waiting, 1))
