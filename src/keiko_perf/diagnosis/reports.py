"""
Reports: what diagnosis read, judged and found, each as the Report that a command returns.

Pure: the values come in, with the time at which they were read.
"""

from __future__ import annotations

from datetime import datetime

from keiko_perf.diagnosis.advice import Advice
from keiko_perf.diagnosis.postgres import Server
from keiko_perf.model import (
    Column,
    Report,
    Section,
    Status,
    Table,
    Text,
    say,
)

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


def _environment(server: Server) -> dict[str, str]:
    return {"database": server.database, "PostgreSQL": server.version_text, "user": server.user}
