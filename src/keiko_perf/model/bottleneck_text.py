"""
What is said of a bottleneck: the resource in its own words, the figure, and what comes behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

from keiko_perf.model.message import Message, Text, say
from keiko_perf.model.series import Kind
from keiko_perf.model.usage import INSIDE, WAY, Limit, Resource

RESOURCES = {
    Resource.GENERATOR: say("load generator"),
    Resource.NETWORK: say("network"),
    Resource.CPU: say("worker CPU"),
    Resource.LOOP: say("event loop"),
    Resource.THREADS: say("thread pool"),
    Resource.POOL: say("DB pool"),
    Resource.LOCKS: say("database locks"),
    Resource.DATABASE_CPU: say("database CPU"),
    Resource.DATABASE_IO: say("database I/O"),
}

PHASES = {
    Kind.IN_SQL.value: say("SQL"),
    Kind.IN_POOL.value: say("the wait for a database connection"),
    Kind.IN_HTTP.value: say("outgoing HTTP"),
    Kind.IN_CODE.value: say("the service's own code"),
    Kind.IN_LOOP.value: say("the wait for the event loop"),
    Kind.ELSEWHERE.value: say("other waiting"),
    INSIDE: say("the time inside the service"),
    WAY: say("the way between load generator and service (the network, a proxy, a queue)"),
}


def resource_words(limit: Limit) -> Message:
    """Such as "DB pool", or "DB pool main" of several."""
    label, name = RESOURCES[limit.resource], limit.use.name
    return say("{resource} {name}", resource=label, name=name) if name else label


def phase_words(phase: str) -> Text:
    """A phase of a request, as a person calls it."""
    return PHASES.get(phase, phase)


def limit_words(limits: Sequence[Limit], behind: Limit | None) -> Message:
    """
    Such as "DB pool: 20 of 20 in use, hold 45 ms, ceiling 444/s; behind it worker CPU at 610/s".
    """
    first = say("{resource}: {use}", resource=resource_words(limits[0]), use=_use(limits[0]))
    if len(limits) > 1:
        first = say(
            "{first}; with it {resource}: {use}",
            first=first,
            resource=resource_words(limits[1]),
            use=_use(limits[1]),
        )
    if behind is None or behind.ceiling_per_s is None:
        return first
    return say(
        "{first}; behind it {resource} at {ceiling:rate}",
        first=first,
        resource=resource_words(behind),
        ceiling=behind.ceiling_per_s,
    )


def next_words(behind: Limit) -> Message:
    """Where the first ceiling lies that the service would meet."""
    return say(
        "no limit was reached; the nearest is {resource} at {ceiling:rate}",
        resource=resource_words(behind),
        ceiling=behind.ceiling_per_s,
    )


def nothing_words() -> Message:
    return say("no limit was reached, and no ceiling is in sight")


def grew(phase: str | None, grown_s: float | None) -> Message:
    """That the limit is not among what was looked at."""
    if phase is None:
        return say("the limit is outside what can be seen here")
    return say(
        "the limit is outside what can be seen here; what grew is {phase}, by {grown:duration}",
        phase=phase_words(phase),
        grown=grown_s,
    )


def _use(limit: Limit) -> Message:
    use = limit.use
    if use.capacity is None or limit.ceiling_per_s is None:
        if limit.resource is Resource.LOCKS:
            return say(
                "{busy:number} sessions stand before one, {wait:duration} a request",
                busy=_near(use.busy),
                wait=use.wait_s,
            )
        return say("{wait:duration} of waiting a request", wait=use.wait_s)
    busy, capacity = _near(use.busy), _near(use.capacity)
    demand_s, ceiling = limit.demand_s, limit.ceiling_per_s
    if limit.resource in (Resource.POOL, Resource.THREADS):
        return say(
            "{busy:number} of {capacity:number} in use, hold {demand:duration}, "
            "ceiling {ceiling:rate}",
            busy=busy,
            capacity=capacity,
            demand=demand_s,
            ceiling=ceiling,
        )
    return say(
        "{ratio:ratio} busy, {demand:duration} a request, ceiling {ceiling:rate}",
        ratio=use.ratio,
        demand=demand_s,
        ceiling=ceiling,
    )


def _near(number: float) -> float:
    """A mean number of units, without digits that say nothing."""
    return float(round(number)) if abs(number - round(number)) < 0.05 else round(number, 1)
