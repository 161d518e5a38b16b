"""
History reports: what a snapshot kept, and what changed between two times.
"""

from __future__ import annotations

from datetime import datetime

from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.history.history import Changes, Period, TableChange
from keiko_perf.diagnosis.listing import Shown, listed
from keiko_perf.diagnosis.overview import headline
from keiko_perf.diagnosis.rules.changes import Pair, judge_changes, pairs
from keiko_perf.diagnosis.rules.writing import one_line
from keiko_perf.model import Report, Section, Severity, Status, Text, say


def snapshot_report(evidence: Evidence, period: Period | None, *, place: str, file: str) -> Report:
    """What a reading found and where it is kept."""
    statements, tables = len(evidence.statements), len(evidence.tables)
    if period is None:
        headline: Text = say("the first snapshot is kept; the next one tells what happened since")
    else:
        headline = say(
            "kept what happened in {length:duration}: statements ran for {total:duration}",
            length=period.length_s,
            total=period.total_s,
        )
    return Report(
        command="db snapshot",
        title=say("Snapshot of the database {place}", place=place),
        headline=headline,
        status=Status.OK,
        created_at=evidence.read_at,
        sections=(
            Section(
                title=say("What was kept"),
                paragraphs=(
                    say(
                        "The counters of {statements:count} statements and {tables:count} tables,"
                        " in {file}.",
                        statements=statements,
                        tables=tables,
                        file=file,
                    ),
                ),
                gaps=evidence.gaps,
            ),
        ),
    )


def changes_report(changes: Changes, *, place: str, now: datetime) -> Report:
    """What changed, with the statements of both sides."""
    findings = judge_changes(changes)
    before, after = changes.before, changes.after
    columns: tuple[Shown[Pair], ...] = (
        Shown(say("Statement"), "text", lambda one: one_line(one.query)),
        Shown(say("Mean before"), "duration", lambda one: one.before and one.before.mean_s),
        Shown(say("Mean after"), "duration", lambda one: one.after and one.after.mean_s),
        Shown(say("Factor"), "factor", lambda one: one.factor),
        Shown(say("Calls before"), "rate", lambda one: _rate(one, changes, before=True)),
        Shown(say("Calls after"), "rate", lambda one: _rate(one, changes, before=False)),
    )
    sizes: tuple[Shown[TableChange], ...] = (
        Shown(say("Table"), "text", lambda one: one.name),
        Shown(say("Size before"), "bytes", lambda one: one.bytes_before),
        Shown(say("Size after"), "bytes", lambda one: one.bytes_after),
        Shown(say("Rows"), "count", lambda one: one.rows),
        Shown(say("Rows written"), "count", lambda one: one.written),
    )
    paragraphs = [
        say(
            "Before: {start:time} to {end:time}, statements ran for {total:duration}.",
            start=before.start_at,
            end=before.end_at,
            total=before.total_s,
        ),
        say(
            "After: {start:time} to {end:time}, statements ran for {total:duration}.",
            start=after.start_at,
            end=after.end_at,
            total=after.total_s,
        ),
    ]
    if after.note:
        paragraphs.append(say("Noted with it: {note}", note=after.note))
    slower = any(
        one.code == "statements.regressed" and one.severity >= Severity.WARNING for one in findings
    )
    return Report(
        command="db changes",
        title=say("What changed in the database {place}", place=place),
        headline=headline(findings, ()),
        status=Status.REGRESSED if slower else Status.of(findings=findings),
        created_at=now,
        sections=(
            Section(
                title=say("What is worth attention"),
                paragraphs=tuple(paragraphs),
                findings=findings,
                tables=(
                    listed(say("The statements that changed most"), columns, pairs(changes)),
                    listed(say("The largest tables"), sizes, after.tables),
                ),
            ),
        ),
    )


def _rate(one: Pair, changes: Changes, *, before: bool) -> float:
    side = one.before if before else one.after
    period = changes.before if before else changes.after
    return side.calls / period.length_s if side else 0.0
