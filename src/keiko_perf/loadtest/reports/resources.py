"""
Resources: what the service's resources did under a load, as a table and as charts over the run.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.loadtest.watching.stuck import Stuck
from keiko_perf.loadtest.watching.watched import (
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
    Clock,
    Watched,
)
from keiko_perf.model import OTHER as REST
from keiko_perf.model import (
    Chart,
    Column,
    Gap,
    Line,
    Message,
    Resource,
    Section,
    Table,
    Text,
    bottleneck,
    say,
)
from keiko_perf.model.bottleneck_text import RESOURCES
from keiko_perf.model.usage import Window

_MOST_SILENT = 0.5
"""Of the load: of a service that was silent for longer nobody can say what limits it."""
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
        tables=(
            *(() if window is None or not window.uses else (resources_table(window),)),
            *((_spent_table(watched),) if watched.spent else ()),
        ),
        gaps=(_uncounted(),) if watched.database_error_s is not None and not watched.spent else (),
    )


def _spent_table(watched: Watched) -> Table:
    """The statements that the database spent its time on, while the load was on."""
    whole_s = sum(one.seconds for one in watched.spent)
    return Table(
        title=say("Statements meanwhile, as the database counted them"),
        columns=(
            Column(say("statement")),
            Column(say("share of the time"), "ratio"),
            Column(say("calls"), "count"),
            Column(say("mean"), "duration"),
            Column(say("time in all"), "duration"),
        ),
        rows=tuple(
            (
                _statement_words(one.statement),
                one.seconds / whole_s if whole_s else None,
                one.calls,
                one.mean_s,
                one.seconds,
            )
            for one in watched.spent
        ),
    )


def _statement_words(statement: str) -> Text:
    return say("all others") if statement == REST else statement


def _uncounted() -> Gap:
    return Gap(
        subject=say("the statements that the database executed meanwhile"),
        reason=say("pg_stat_statements told of none"),
        remedy=say(
            "If the service executed any, as a superuser: CREATE EXTENSION pg_stat_statements, "
            "which has to be in shared_preload_libraries, and GRANT pg_read_all_stats to the user "
            "of --database"
        ),
    )


def _sentences(watched: Watched) -> Iterator[Message]:
    is_silent = watched.silent_s > _MOST_SILENT * (watched.loaded_s or 0.0)
    if watched.stuck is not None:
        yield _stuck_words(watched.stuck)
    elif watched.window is not None and watched.window.uses and not is_silent:
        yield say("{found}.", found=bottleneck([watched.window]).sentence)
    if watched.silent_s:
        yield say(
            "The service told no figures for {silent:duration} of {loaded:duration}: it did not "
            "answer, as while its event loop is held, and what it was at then is not in them. "
            "keiko-perf doctor tells what holds it.",
            silent=watched.silent_s,
            loaded=watched.loaded_s,
        )
    yield from clock_sentences(watched)


def _stuck_words(stuck: Stuck) -> Message:
    if not stuck.full:
        return say(
            "Under the load {answered:count} requests were answered, and {held:count} were in the "
            "service at its end: what they wait for is no pool and no thread. keiko-perf doctor "
            "tells more.",
            answered=stuck.answered,
            held=stuck.held,
        )
    return say(
        "Under the load {answered:count} requests were answered, and {held:count} were in the "
        "service at its end: {full}.",
        answered=stuck.answered,
        held=stuck.held,
        full=tuple(
            say(
                "{resource}: {used:number} of {size:number} in use, {waiting:number} wait for one",
                resource=RESOURCES[one.resource],
                used=one.in_use,
                size=one.size,
                waiting=one.waiting,
            )
            for one in stuck.full
        ),
    )


def clock_sentences(watched: Watched) -> Iterator[Message]:
    """How well the instants of service and database fit those of the load generator."""
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
    if watched.clock is not None:
        yield say("The clock of the service is {clock}.", clock=_clock_words(watched.clock))
    if watched.database_clock is not None:
        yield say(
            "The clock of the database is {clock}.", clock=_clock_words(watched.database_clock)
        )


def _clock_words(clock: Clock) -> Message:
    """Such as "12 ms ahead of the load generator's, within 0.4 ms"."""
    if abs(clock.offset_s) <= clock.error_s:
        return say("that of the load generator, within {error:duration}", error=clock.error_s)
    if clock.offset_s > 0:
        return say(
            "{offset:duration} ahead of the load generator's, within {error:duration}",
            offset=clock.offset_s,
            error=clock.error_s,
        )
    return say(
        "{offset:duration} behind the load generator's, within {error:duration}",
        offset=-clock.offset_s,
        error=clock.error_s,
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
    lines = tuple(
        Line(_statement_words(one.statement), one.points)
        for one in watched.spent
        if len(one.points) > 1
    )
    if lines:
        yield Chart(
            title=say("Statements of the database: executions at a time"),
            format="number",
            lines=lines,
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
