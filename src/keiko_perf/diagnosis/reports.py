"""
Reports: what diagnosis read, judged and found, each as the Report that a command returns.

Pure: the values come in, with the time at which they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from keiko_perf.diagnosis.advice import Advice
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.postgres import Server
from keiko_perf.diagnosis.promise import Judged, Outcome
from keiko_perf.diagnosis.rules.statements import is_query
from keiko_perf.diagnosis.rules.tables import needs_vacuum
from keiko_perf.model import (
    Column,
    Finding,
    Gap,
    Report,
    Section,
    Severity,
    Status,
    Table,
    Text,
    say,
)

MOST_ROWS = 20
MOST_REFUSALS = 25
_SHOWN_STATEMENTS = 5
_SHOWN_CHARACTERS = 60


def slow_report(evidence: Evidence, findings: Iterable[Finding], *, server: Server) -> Report:
    """The statements that take most of the database's time."""
    queries = [one for one in evidence.statements if is_query(one.query)]
    total_s = evidence.statements_total_s
    rows = tuple(
        (
            " ".join(one.query.split()),
            one.mean_s,
            one.calls,
            one.total_s,
            one.total_s / total_s if total_s else None,
            one.rows_per_call,
            one.hit_ratio,
        )
        for one in queries
    )
    table = Table(
        title=say("The statements that take most of the time"),
        columns=(
            Column(say("Statement"), "text"),
            Column(say("Mean"), "duration"),
            Column(say("Calls"), "count"),
            Column(say("Total"), "duration"),
            Column(say("Share"), "ratio"),
            Column(say("Rows per call"), "number"),
            Column(say("From cache"), "ratio"),
        ),
        rows=rows,
        left_out=evidence.statements_left_out,
    ).first(MOST_ROWS)
    title = say("Statements of the database {database}", database=server.database)
    return _report("db slow", title, evidence, findings, table=table, server=server)


def tables_report(evidence: Evidence, findings: Iterable[Finding], *, server: Server) -> Report:
    """The tables, the largest first."""
    rows = tuple(
        (
            one.full_name,
            one.size_bytes,
            one.live_rows,
            one.dead_rows,
            one.dead_ratio,
            one.last_vacuum_at,
            one.last_analyze_at,
            needs_vacuum(one, evidence.autovacuum),
        )
        for one in evidence.tables
    )
    table = Table(
        title=say("The largest tables"),
        columns=(
            Column(say("Table"), "text"),
            Column(say("Size"), "bytes"),
            Column(say("Live rows"), "count"),
            Column(say("Dead rows"), "count"),
            Column(say("Dead"), "ratio"),
            Column(say("Last vacuum"), "time"),
            Column(say("Last analyze"), "time"),
            Column(say("Needs vacuum"), "text"),
        ),
        rows=rows,
        left_out=evidence.tables_left_out,
    ).first(MOST_ROWS)
    title = say("Tables of the database {database}", database=server.database)
    return _report("db tables", title, evidence, findings, table=table, gaps=(), server=server)


def indexes_report(evidence: Evidence, findings: Iterable[Finding], *, server: Server) -> Report:
    """The indexes, the largest first."""
    table = Table(
        title=say("The largest indexes"),
        columns=(
            Column(say("Index"), "text"),
            Column(say("Table"), "text"),
            Column(say("Size"), "bytes"),
            Column(say("Scans"), "count"),
            Column(say("Rows written to its table"), "count"),
        ),
        rows=tuple(
            (one.full_name, one.table, one.size_bytes, one.scans, one.table_writes)
            for one in evidence.indexes
        ),
        left_out=evidence.indexes_left_out,
    ).first(MOST_ROWS)
    title = say("Indexes of the database {database}", database=server.database)
    return _report("db indexes", title, evidence, findings, table=table, gaps=(), server=server)


def check_report(
    evidence: Evidence, findings: Iterable[Finding], gaps: tuple[Gap, ...], *, server: Server
) -> Report:
    """Everything that the rules have to say."""
    title = say("Check of the database {database}", database=server.database)
    return _report("db check", title, evidence, findings, gaps=gaps, server=server)


def advice_report(advice: Advice, *, read_at: datetime, server: Server) -> Report:
    """The indexes that would pay, and why others would not."""
    count = len(advice.indexes)
    if not count:
        headline: Text = advice.reason or say("no index would pay")
    elif advice.cost_before and advice.cost_after is not None:
        headline = say(
            "indexes that would pay: {count:count}; the planner then reckons {ratio:ratio} of what"
            " the workload costs now",
            count=count,
            ratio=advice.cost_after / advice.cost_before,
        )
    else:
        headline = say("indexes that would pay: {count:count}", count=count)
    return Report(
        command="db advise",
        title=say("Index advice for the database {database}", database=server.database),
        headline=headline,
        status=Status.OK,
        created_at=read_at,
        sections=(
            Section(
                title=say("Indexes to make"),
                recommendations=advice.recommendations,
                tables=_refusals(advice),
                gaps=advice.gaps,
            ),
        ),
        environment=_environment(server),
        answer=advice.answer,
    )


def _refusals(advice: Advice) -> tuple[Table, ...]:
    if not advice.refusals:
        return ()
    table = Table(
        title=say("What was tried and refused"),
        columns=(Column(say("Table"), "text"), Column(say("Index"), "text"), Column(say("Why"))),
        rows=tuple((str(one.index.table), one.index.shown, one.reason) for one in advice.refusals),
    )
    return (table.first(MOST_REFUSALS),)


def promises_report(judged: Sequence[Judged], *, read_at: datetime, server: Server) -> Report:
    """What became of the indexes that were advised."""
    tables = (_promises(judged), *(_statements_of(one) for one in judged if one.held))
    count = {outcome: sum(one.outcome is outcome for one in judged) for outcome in Outcome}
    status = Status.OK
    if count[Outcome.BROKEN]:
        status = Status.MISSED
    elif not count[Outcome.KEPT]:
        status = Status.UNDECIDED
    return Report(
        command="db verify",
        title=say(
            "What became of the index advice in the database {database}", database=server.database
        ),
        headline=say(
            "promises kept: {kept:count}, broken: {broken:count}, not known: {unknown:count}",
            kept=count[Outcome.KEPT],
            broken=count[Outcome.BROKEN],
            unknown=count[Outcome.UNKNOWN],
        ),
        status=status,
        created_at=read_at,
        sections=(Section(title=say("Indexes"), tables=tables),),
        environment=_environment(server),
        answer={
            "promises": [
                {"name": one.promise.name, "outcome": one.outcome.value, "reason": one.reason}
                for one in judged
            ]
        },
    )


def _promises(judged: Sequence[Judged]) -> Table:
    words = {
        Outcome.KEPT: say("kept"),
        Outcome.BROKEN: say("broken"),
        Outcome.UNKNOWN: say("not known"),
    }
    return Table(
        title=say("The promises"),
        columns=(Column(say("Index")), Column(say("Promise")), Column(say("Why"))),
        rows=tuple((one.promise.name, words[one.outcome], one.reason) for one in judged),
    )


def _statements_of(judged: Judged) -> Table:
    return Table(
        title=say("Statements of {index}", index=judged.promise.name),
        columns=(
            Column(say("Statement"), "text"),
            Column(say("Cost before"), "number"),
            Column(say("Promised"), "number"),
            Column(say("Now"), "number"),
            Column(say("Calls since"), "count"),
            Column(say("Mean before"), "duration"),
            Column(say("Mean since"), "duration"),
        ),
        rows=tuple(
            (
                " ".join(one.gain.query.split())[:_SHOWN_CHARACTERS],
                one.gain.cost_before,
                one.gain.cost_after,
                one.seen.cost,
                one.calls_since,
                one.mean_before_s,
                one.mean_after_s,
            )
            for one in judged.held
        ),
    ).first(_SHOWN_STATEMENTS)


def _report(
    command: str,
    title: Text,
    evidence: Evidence,
    findings: Iterable[Finding],
    *,
    server: Server,
    table: Table | None = None,
    gaps: tuple[Gap, ...] | None = None,
) -> Report:
    findings = tuple(findings)
    gaps = evidence.gaps if gaps is None else gaps
    section = Section(
        title=say("What is worth attention"),
        findings=findings,
        gaps=gaps,
        tables=() if table is None else (table,),
        paragraphs=_counted_since(evidence),
    )
    return Report(
        command=command,
        title=title,
        headline=_headline(findings, gaps),
        status=Status.of(findings=findings),
        created_at=evidence.read_at,
        sections=(section,),
        environment=_environment(server),
    )


def _headline(findings: Sequence[Finding], gaps: Sequence[Gap]) -> Text:
    severe = sum(one.severity is Severity.CRITICAL for one in findings)
    if severe:
        return say(
            "findings: {count:count}, severe ones: {severe:count}",
            severe=severe,
            count=len(findings),
        )
    if findings:
        return say("findings: {count:count}, none of them severe", count=len(findings))
    if gaps:
        return say("nothing found in what could be looked at")
    return say("nothing to do here")


def _counted_since(evidence: Evidence) -> tuple[Text, ...]:
    paragraphs: list[Text] = []
    if evidence.since_at is not None:
        paragraphs.append(say("Counted since {since_at:time}.", since_at=evidence.since_at))
    if evidence.is_standby:
        paragraphs.append(
            say("This server is a standby: its counters tell only what was asked of it.")
        )
    return tuple(paragraphs)


def _environment(server: Server) -> dict[str, str]:
    return {"database": server.database, "PostgreSQL": server.version_text, "user": server.user}
