"""
Reports: what diagnosis read, judged and found, each as the Report that a command returns.

Pure: the values come in, with the time at which they were read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keiko_perf.diagnosis.advice import Advice
<<<<<<< HEAD
from keiko_perf.diagnosis.explain import Explained
from keiko_perf.diagnosis.plan import Plan
=======
from keiko_perf.diagnosis.evidence import Evidence
>>>>>>> main
from keiko_perf.diagnosis.postgres import Server
from keiko_perf.model import (
    Column,
    Finding,
    Report,
    Section,
    Status,
    Table,
    Text,
    say,
)

<<<<<<< HEAD
MOST_NODES = 200
=======
MOST_ROWS = 20
>>>>>>> main
MOST_REFUSALS = 25


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


<<<<<<< HEAD
def explain_report(
    explained: Explained, findings: Sequence[Finding], *, read_at: datetime, server: Server
) -> Report:
    """A plan, its nodes, and what is wrong with them."""
    plan = explained.plan
    why = explained.why_not_executed
    if findings:
        headline: Text = say(
            "parts of the plan that cost too much: {count:count}", count=len(findings)
        )
    else:
        headline = say("nothing to do here: no part of the plan costs more than it should")
    return Report(
        command="db explain",
        title=say("The plan of a statement"),
        headline=headline,
        status=Status.of(findings=findings),
        created_at=read_at,
        sections=(
            Section(
                title=say("What is wrong with it"),
                paragraphs=(say("It was planned, but not executed: {why}.", why=why),)
                if why is not None
                else (),
                findings=tuple(findings),
            ),
            Section(title=say("The plan"), tables=(_plan_table(plan),)),
        ),
=======
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
>>>>>>> main
        environment=_environment(server),
    )


<<<<<<< HEAD
def _plan_table(plan: Plan) -> Table:
    depths = [0] * len(plan.nodes)
    for node in plan.nodes:
        depths[node.id] = 0 if node.parent is None else depths[node.parent] + 1
    return Table(
        title=say("Its steps, as they are nested"),
        columns=(
            Column(say("Step"), "text"),
            Column(say("Share"), "ratio"),
            Column(say("Itself"), "duration"),
            Column(say("Rows"), "count"),
            Column(say("Rows expected"), "count"),
            Column(say("Loops"), "count"),
        ),
        # Deeper steps stay at the same margin, so that the table keeps its width.
        rows=tuple(
            (
                f"{'· ' * min(depths[node.id], 20)}{node.name}",
                node.share,
                node.self_s,
                node.rows,
                node.plan_rows * max(node.loops or 1.0, 1.0),
                node.loops,
            )
            for node in plan.nodes
        ),
    ).first(MOST_NODES)
=======
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
>>>>>>> main


def _environment(server: Server) -> dict[str, str]:
    return {"database": server.database, "PostgreSQL": server.version_text, "user": server.user}
