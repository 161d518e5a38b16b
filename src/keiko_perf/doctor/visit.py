"""
Visit: looks at a service and its database over the same stretch of time, and says why it is slow.

It makes no load of its own unless it is handed one. Either of the two may be missing, and what is
missing is a gap with its remedy. The parts come in as functions, so that a program, a test or the
command line can each bring its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from keiko_perf.doctor.advice import LineOf, advised
from keiko_perf.doctor.ranking import ranked, smaller
from keiko_perf.doctor.report import MUCH_QUEUED, Seen, doctor_report
from keiko_perf.doctor.shape import shape
from keiko_perf.doctor.symptoms import StatementTime, Symptoms
from keiko_perf.doctor.telling import Told, told_by
from keiko_perf.errors import UsageError
from keiko_perf.model import Finding, Gap, Recommendation, Report, Severity, Verdict, say

if TYPE_CHECKING:  # a database needs the extra `postgres`, a service alone does not
    from keiko_perf.diagnosis.postgres import Database
    from keiko_perf.doctor.database import Examined

LEAST_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    How a service is asked.

    Attributes:
        attribution: its `/performance/attribution` over the last so many seconds.
        verdicts: its targets.
        label: where it is, for a person.
    """

    attribution: Callable[[float], Awaitable[Mapping[str, Any]]]
    verdicts: Callable[[], Awaitable[Iterable[Verdict]]]
    label: str = ""


async def visit(
    *,
    service: Service | None,
    database: Database | None,
    is_full: bool = False,
    seconds: float,
    load: Callable[[], Awaitable[object]] | None = None,
    line_of: LineOf | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Report:
    """
    Why it is slow.

    Args:
        service: is asked where its time goes; None if there is none.
        database: likewise.
        is_full: whether a database was named whose server had no connection left.
        seconds: how long to look.
        load: makes load meanwhile, for about that long; without it users do.
        line_of: the source of a place in the service's code, such as `app.py:42 find`, where it can
            be read here.
        now: the wall clock.

    Raises:
        UsageError: neither is given, or the time is too short to see anything.
        ServiceUnavailable: the service does not answer.
        DatabaseUnavailable: the connection was lost.
    """
    if service is None and database is None:
        raise UsageError(
            "neither a service nor a database is named", cure="Pass --url, --database, or both"
        )
    if not seconds >= LEAST_S:
        raise UsageError(
            f"in {seconds:g} s nothing can be seen", cure=f"Look for {LEAST_S:g} s or longer"
        )
    if service is not None:
        told_by(await service.attribution(seconds))  # it would be a pity to find out only then
    began_s = time.monotonic()
    told: Told | None = None

    async def meanwhile() -> Iterable[StatementTime]:
        nonlocal told
        await (asyncio.sleep(seconds) if load is None else load())
        if service is None:
            return ()
        told = told_by(await service.attribution(time.monotonic() - began_s))
        return told.sent

    examined = None
    if database is None:
        await meanwhile()
    else:
        from keiko_perf.doctor.database import examine

        examined = await examine(database, meanwhile)
    verdicts = () if service is None else tuple(await service.verdicts())
    seen = seen_of(told, examined, verdicts, label="" if service is None else service.label)
    if is_full:
        seen = without_database(seen)
    causes, advice = advised(ranked(seen.symptoms), seen.symptoms, line_of=line_of)
    return doctor_report(
        causes, replace(seen, advice=advice, smaller=smaller(seen.symptoms)), now=now()
    )


def seen_of(
    told: Told | None, examined: Examined | None, verdicts: tuple[Verdict, ...], *, label: str = ""
) -> Seen:
    """What a service told and what its database showed, as one. Pure."""
    environment = {"service": label} if label else {}
    if examined is not None:
        environment |= {
            "database": examined.server.database,
            "PostgreSQL": examined.server.version_text,
        }
    return Seen(
        symptoms=_symptoms(told, examined),
        verdicts=verdicts,
        exemplars=() if told is None else told.exemplars,
        findings=() if examined is None else examined.findings,
        recommendations=() if examined is None else tuple(_trusted(examined)),
        gaps=tuple(_gaps(told, examined)),
        is_blind=told is not None and not told.has_attribution,
        limit="" if told is None or not told.requests else told.limit,
        environment=environment,
    )


def without_database(seen: Seen) -> Seen:
    """The same, where the database's server had no connection left for us either. Pure."""
    workers = seen.symptoms.workers
    size = None if seen.symptoms.pool is None else seen.symptoms.pool.size
    found = Finding(
        code="connections.exhausted",
        severity=Severity.CRITICAL,
        subject="max_connections",
        summary=say("the database's server has no connection left, not for this look either"),
        evidence={"workers": workers, "pool_connections": size},
        explanation=say(
            "Who needs a connection is refused. Each process has a pool of its own, and together "
            "they may open pool_size + max_overflow times the processes, of all services: let "
            "that be less than max_connections, or put pgbouncer between."
        ),
        link="https://www.postgresql.org/docs/current/runtime-config-connection.html",
    )
    gap = Gap(
        subject=say("what the database does"),
        reason=say("its server has no connection left"),
        remedy=say(
            "End connections that are not needed, raise max_connections, or put a pooler in front"
        ),
    )
    others = tuple(one for one in seen.gaps if one.subject != gap.subject)
    return replace(seen, findings=(found, *seen.findings), gaps=(*others, gap))


def _trusted(examined: Examined) -> Iterable[Recommendation]:
    """The indexes that would pay, but for what the planner is wrong about."""
    wrong = {shape(one.statement) for one in examined.reasons if one.is_before_index}
    for one in examined.recommendations:
        if not one.statements or not wrong.issuperset(map(shape, one.statements)):
            yield one


def _symptoms(told: Told | None, examined: Examined | None) -> Symptoms:
    """What the service shows of itself, with what its database showed meanwhile."""
    own = Symptoms() if told is None else told.symptoms
    if examined is None:
        return own
    return replace(
        own,
        window_s=examined.seconds if told is None else own.window_s,
        statements=examined.statements,
        locks=examined.locks,
        deadlocks=examined.deadlocks,
        looks=examined.looks,
        cures=examined.cures,
        reasons=examined.reasons,
        has_database=True,
        max_connections=examined.max_connections,
    )


def _gaps(told: Told | None, examined: Examined | None) -> Iterable[Gap]:
    if told is None:
        yield Gap(
            subject=say("what the requests of the service wait for"),
            reason=say("no service was named"),
            remedy=say("Name it, as in --url http://localhost:8000"),
        )
    elif not told.has_attribution:
        yield Gap(
            subject=say("what the requests of the service wait for"),
            reason=say("the service does not record where its time goes"),
            remedy=say("Let it: PerformanceMonitor(attribution=True)"),
        )
    elif told.requests and told.symptoms.pool is None:
        yield Gap(
            subject=say("statements and waits for connections"),
            reason=say("no engine and no pool is watched, and a driver tells nothing by itself"),
            remedy=say("monitor.watch_engine(engine), and monitor.watch_pool(pool) for a pool of "
                       "asyncpg or psycopg"),
        )  # fmt: skip
    elif told.requests and not told.symptoms.asked:
        yield Gap(
            subject=say("the statements of each route"),
            reason=say("none was seen: what is watched was not used, or only by cursors of the "
                       "driver and COPY, which are not seen"),
            remedy=say("monitor.watch_engine(engine), and monitor.watch_pool(pool) for a pool of "
                       "asyncpg or psycopg; --database URL shows the statements"),
        )  # fmt: skip
    seen = Symptoms() if told is None else told.symptoms
    if told is not None and told.has_attribution and not told.requests and not seen.is_stuck:
        yield Gap(
            subject=say("what the requests of the service wait for"),
            reason=say("no request was answered within {window:duration}", window=seen.window_s),
            remedy=say("Look while it is used, or make load: --load 20"),
        )
    if (seen.queued_ratio or 0.0) >= MUCH_QUEUED:
        yield Gap(
            subject=say("how quick the service is by itself"),
            reason=say(
                "of the time that it wanted to compute it waited {ratio:ratio} for a processor",
                ratio=seen.queued_ratio,
            ),
            remedy=say("Look when the machine has less to do, or give the service a processor"),
        )
    if examined is None:
        yield Gap(
            subject=say("what the database does"),
            reason=say("no database was named"),
            remedy=say("Name it, as in --database postgresql://user@host/name"),
        )
    else:
        yield from examined.gaps
