"""
Resources: what the service's resources did under a load, as a table and as charts over the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.loadtest.watched import (
    CPU,
    IO,
    LOCK,
    LOOP_LAG,
    OTHER,
    POOL_IN_USE,
    POOL_WAIT,
    RESPONSE,
    RUNNING,
    STATEMENTS,
    Watched,
)
from keiko_perf.model import Chart, Column, Line, Message, Resource, Section, Table, bottleneck, say
from keiko_perf.model.bottleneck_text import RESOURCES
from keiko_perf.model.usage import Window

_NAMES = {
    RESPONSE: say("inside the service, mean"),
    POOL_IN_USE: say("in use"),
    POOL_WAIT: say("for a database connection, a request"),
    LOOP_LAG: say("for the event loop"),
    CPU: say("of the workers' cores"),
    STATEMENTS: say("a request"),
    RUNNING: say("running"),
    LOCK: say("wait for a lock"),
    IO: say("wait for I/O"),
    OTHER: say("wait for something else"),
}


def resources_table(window: Window) -> Table:
    """Each resource: how much of it was busy, what a request takes of it, and where its end is."""
    return Table(
        title=say("Resources at {rate:rate}", rate=window.rate_per_s),
        columns=(
            Column(say("resource")),
            Column(say("busy"), "number"),
            Column(say("there are"), "number"),
            Column(say("share"), "ratio"),
            Column(say("a request"), "duration"),
            Column(say("waited a request"), "duration"),
            Column(say("ceiling"), "rate"),
        ),
        rows=tuple(
            (
                RESOURCES[use.resource],
                round(use.busy, 2),
                use.capacity,
                use.ratio,
                window.demand_s(use),
                use.wait_s,
                window.ceiling_per_s(use),
            )
            for use in window.uses
        ),
    )


def watched_section(watched: Watched) -> Section:
    """What the service and its database did meanwhile."""
    window = watched.window
    return Section(
        title=say("The service meanwhile"),
        paragraphs=tuple(_sentences(watched)),
        tables=() if window is None or not window.uses else (resources_table(window),),
    )


def _sentences(watched: Watched) -> Iterator[Message]:
    if watched.window is not None and watched.window.uses:
        yield say("{found}.", found=bottleneck([watched.window]).sentence)
    if watched.error_s is not None:
        yield say(
            "The service's figures stand on the load generator's clock, within {error:duration}.",
            error=watched.error_s,
        )
    if watched.database_error_s is not None:
        yield say(
            "The database's figures stand on the load generator's clock, within {error:duration}.",
            error=watched.database_error_s,
        )


def watched_charts(watched: Watched) -> Iterator[Chart]:
    """The lines of a run, on its own axis."""
    pool = next(
        (use for use in watched.window.uses if use.resource is Resource.POOL)
        if watched.window is not None
        else iter(()),
        None,
    )
    yield from _chart(watched, say("Response time inside the service"), "duration", (RESPONSE,))
    yield from _chart(
        watched,
        say("Connections of the DB pool"),
        "number",
        (POOL_IN_USE,),
        limit=None if pool is None else pool.capacity,
    )
    yield from _chart(watched, say("Waits in the service"), "duration", (POOL_WAIT, LOOP_LAG))
    yield from _chart(watched, say("CPU of the workers"), "ratio", (CPU,))
    yield from _chart(watched, say("Statements a request"), "number", (STATEMENTS,))
    yield from _chart(
        watched, say("Sessions of the database at work"), "number", (RUNNING, LOCK, IO, OTHER)
    )


def _chart(
    watched: Watched,
    title: Message,
    format: str,
    names: tuple[str, ...],
    *,
    limit: float | None = None,
) -> Iterator[Chart]:
    lines = tuple(
        Line(_NAMES[name], points)
        for name in names
        if len(points := watched.lines.get(name, ())) > 1
    )
    if lines:
        yield Chart(title=title, format=format, lines=lines, limit=limit)
