"""
Reports: what diagnosis read, judged and found, each as the Report that a command returns.

Pure: the values come in, with the time at which they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from keiko_perf.diagnosis.advice.advice import Advice, AdvisedIndex
from keiko_perf.diagnosis.advice.promise import Judged, Outcome
from keiko_perf.diagnosis.postgres import Server
from keiko_perf.diagnosis.search.search import Gain
from keiko_perf.diagnosis.statements.workload import shortened
from keiko_perf.model import (
    Column,
    Message,
    Report,
    Section,
    Status,
    Table,
    Text,
    say,
)

MOST_REFUSALS = 25
_MOST_GAINS = 40
_SHOWN_GAINS = 3
"""Of one index."""
_SHOWN_STATEMENTS = 5
_SHOWN_CHARACTERS = 60


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
        status=Status.UNDECIDED if advice.is_blind or _was_not_tried(advice) else Status.OK,
        created_at=read_at,
        sections=(
            Section(
                title=say("Indexes to make"),
                recommendations=advice.recommendations,
                tables=(*_gains(advice), *_losses(advice), *_refusals(advice)),
                gaps=advice.gaps,
            ),
        ),
        environment=_environment(server),
        answer=advice.answer,
    )


def _was_not_tried(advice: Advice) -> bool:
    """Whether there is none because the budget leaves no room for what might help."""
    return not advice.indexes and any(one.code == "budget" for one in advice.refusals)


def _gains(advice: Advice) -> tuple[Table, ...]:
    """The statements that gain, for each index those that save most."""
    gains = [(one, one.gains) for one in advice.indexes]
    return _changes(advice, gains, say("What each statement gains"))


def _losses(advice: Advice) -> tuple[Table, ...]:
    """The statements that lose by an index that is worth having all the same."""
    losses = [(one, one.losses) for one in advice.indexes]
    return _changes(advice, losses, say("What other statements lose by it"))


def _changes(
    advice: Advice, changes: Iterable[tuple[AdvisedIndex, tuple[Gain, ...]]], title: Message
) -> tuple[Table, ...]:
    rows: list[tuple[object, ...]] = []
    left_out = 0
    for index, changed in changes:
        left_out += max(len(changed) - _SHOWN_GAINS, 0)
        for one in changed[:_SHOWN_GAINS]:
            share = one.saved / advice.cost_before if advice.cost_before else None
            rows.append((
                index.name,
                shortened(one.statement.text, _SHOWN_CHARACTERS),
                one.statement.calls,
                one.cost_before,
                one.cost_after,
                share,
            ))  # fmt: skip
    if not rows:
        return ()
    table = Table(
        title=title,
        columns=(
            Column(say("Index"), "text"),
            Column(say("Statement"), "text"),
            Column(say("Calls"), "count"),
            Column(say("Cost before"), "number"),
            Column(say("Cost after"), "number"),
            Column(say("Saved of the workload"), "ratio"),
        ),
        rows=tuple(rows),
        left_out=left_out,
    )
    return (table.first(_MOST_GAINS),)


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
            Column(say("Way"), "text"),
            Column(say("Calls since"), "count"),
            Column(say("Mean before"), "duration"),
            Column(say("Mean since"), "duration"),
        ),
        rows=tuple(
            (
                shortened(one.gain.query, _SHOWN_CHARACTERS),
                one.gain.cost_before,
                one.gain.cost_after,
                one.seen.cost,
                " → ".join(filter(None, (one.gain.way_before, one.seen.way))),
                one.calls_since,
                one.mean_before_s,
                one.mean_after_s,
            )
            for one in judged.held
        ),
    ).first(_SHOWN_STATEMENTS)


def _environment(server: Server) -> dict[str, str]:
    return {"database": server.database, "PostgreSQL": server.version_text, "user": server.user}
