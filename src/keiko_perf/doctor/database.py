"""
Database: what a database does while the doctor looks, and which index would help. It only reads.

Its counters are read at the beginning and at the end, and what its sessions are at some times a
second in between. At the end the planner is asked for indexes, within a time limit.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from keiko_perf.diagnosis.advice.advice import AdvisedIndex
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.collect.looks import Look, look, waited
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.history.delta import between
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.statements import is_query, returns_rows
from keiko_perf.diagnosis.search.search import Gain
from keiko_perf.diagnosis.server import Server
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.doctor.explaining import as_sent, explained
from keiko_perf.doctor.symptoms import IndexCure, LockWait, Reason, StatementTime
from keiko_perf.model import Finding, Gap, Recommendation, say

PAUSE_S = 0.1
MOST_LOOKS = 20_000
ADVICE_S = 15.0
"""How long the planner is asked for indexes."""
_LEAST_SHARE = 0.02
"""Of the time of all statements: no index is looked for that would help one which takes less."""
_MOST_STATEMENTS = 20
_LEAST_STEP = 1.5
"""What the last of several indexes has to save by a factor, to be named with those before it."""
_WRITES = re.compile(r"\s*(insert|update|delete|merge)\b", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """
    Attributes:
        server: which it is.
        seconds: how long it was looked at.
        statements: what was executed meanwhile.
        locks: who waited for locks.
        deadlocks: how many transactions were ended to resolve one.
        looks: how often its sessions were looked at.
        cures: indexes that would help.
        reasons: why statements take long that none helps.
        recommendations: the same, as reports show them.
        findings: what the rules noticed.
        max_connections: how many there may be; None if that could not be read.
        gaps: what could not be looked at.
    """

    server: Server
    seconds: float
    statements: tuple[StatementTime, ...] = ()
    locks: tuple[LockWait, ...] = ()
    deadlocks: int = 0
    looks: int = 0
    cures: tuple[IndexCure, ...] = ()
    reasons: tuple[Reason, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    findings: tuple[Finding, ...] = ()
    max_connections: int | None = None
    gaps: tuple[Gap, ...] = ()


async def examine(
    database: Database,
    meanwhile: Callable[[], Awaitable[Iterable[StatementTime]]],
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Examined:
    """
    Look at *database* as long as something else is done.

    Args:
        database: is asked.
        meanwhile: what is waited for; it hands back the statements that the service counted, which
            are taken where the server counts none.
        clock: monotonic seconds.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    began_s = clock()
    earlier = await collect(database)
    work = asyncio.ensure_future(meanwhile())
    try:
        looks, times, blind = await _watch(database, work)
        counted = await work
    finally:
        work.cancel()
    later = await collect(database)
    evidence = between(earlier, later)
    seconds = clock() - began_s
    workload = await _workload(database, evidence, counted)
    end_s = clock() + ADVICE_S
    advice = await advise(database, workload, is_late=lambda: clock() >= end_s)
    judged = judge(evidence)
    reasons = await explained(
        database, workload.statements, evidence, judged.findings, is_late=lambda: clock() >= end_s
    )
    return Examined(
        server=database.server,
        seconds=seconds,
        statements=tuple(
            StatementTime(
                statement=one.query,
                count=one.calls,
                total_s=one.total_s,
                rows=one.rows if returns_rows(one.query) else None,
            )
            for one in evidence.statements
            if is_query(one.query)
        ),
        locks=tuple(
            LockWait(
                statement=one.query,
                ratio=one.ratio,
                looks=one.looks,
                on=one.on,
                blocker=one.blocker,
                blocker_state=one.blocker_state,
            )
            for one in waited(looks)
        ),
        deadlocks=0 if evidence.database is None else evidence.database.deadlocks,
        looks=times,
        cures=tuple(cures(advice.indexes)),
        reasons=reasons,
        recommendations=advice.recommendations,
        findings=judged.findings,
        max_connections=None if evidence.connections is None else evidence.connections.most,
        gaps=_once((*judged.gaps, *advice.gaps, *blind)),
    )


async def _watch(
    database: Database, work: asyncio.Future[Iterable[StatementTime]]
) -> tuple[list[Look], int, tuple[Gap, ...]]:
    """What sessions were at, until *work* is done, in how many looks; why that may not be seen."""
    looks: list[Look] = []
    times = 0
    while not work.done():
        try:
            looks += await look(database)
            times += len(looks) <= MOST_LOOKS
        except StatementFailed as error:
            await asyncio.wait((work,))
            return looks, times, (
                Gap(
                    subject=say("who waits for whom in the database"),
                    reason=say("the server did not answer: {message}", message=error.message),
                    remedy=say("As a superuser: GRANT pg_monitor TO {user}",
                               user=database.server.user),
                ),
            )  # fmt: skip
        del looks[MOST_LOOKS:]
        await asyncio.wait((work,), timeout=PAUSE_S)
    return looks, times, ()


async def _workload(
    database: Database, evidence: Evidence, counted: Iterable[StatementTime]
) -> Workload:
    """What takes the time: as the server counted it, else as the service did."""
    counted = tuple(counted)
    stats = sorted(evidence.statements, key=lambda one: -one.total_s)
    statements = [
        Statement(text=one.query, calls=one.calls, total_s=one.total_s, rows=one.rows)
        for one in stats
        if one.is_whole and is_query(one.query)
    ]
    if not statements:
        statements = [
            Statement(text=one.statement, calls=one.count, total_s=one.total_s) for one in counted
        ]
    statements = await as_sent(database, statements, (one.statement for one in counted))
    whole_s = sum(one.total_s for one in statements)
    workload = Workload.of(statements)
    dear = [one for one in workload.statements if one.total_s >= _LEAST_SHARE * whole_s]
    # Those that write are needed to price what an index costs, however quick they are.
    writes = [one for one in workload.statements if one not in dear and _WRITES.match(one.text)]
    return replace(workload, statements=(*dear[:_MOST_STATEMENTS], *writes))


def cures(indexes: Sequence[AdvisedIndex]) -> Iterator[IndexCure]:
    """
    For each statement all the indexes that cure it together.

    What an index saves was priced with those before it: by itself it may save next to nothing.
    """
    steps: dict[str, list[tuple[AdvisedIndex, Gain]]] = {}
    for index in indexes:
        for gain in index.gains:
            steps.setdefault(gain.statement.text, []).append((index, gain))
    for statement, taken in steps.items():
        while len(taken) > 1 and _factor(taken[-1][1], taken[-1][1]) < _LEAST_STEP:
            taken.pop()
        together = [index for index, _ in taken]
        yield IndexCure(
            statement=statement,
            sql=";\n".join(one.statement for one in together),
            undo=";\n".join(one.undo for one in reversed(together)),
            places=tuple(f"{one.table.shown_name} {one.index.rest}" for one in together),
            factor=_factor(taken[0][1], taken[-1][1]),
            verified_by=together[0].verified_by,
        )


def _factor(first: Gain, last: Gain) -> float:
    return first.cost_before / max(last.cost_after, 0.01)


def _once(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    kept: list[Gap] = []
    for one in gaps:
        if one not in kept:
            kept.append(one)
    return tuple(kept)
