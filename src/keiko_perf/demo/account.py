"""
Account: what happened in the demo, as a report. Pure: it measures nothing.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from keiko_perf import __version__
from keiko_perf.demo.exhibits import response_chart, routes_table, statements_table
from keiko_perf.demo.place import Place
from keiko_perf.demo.settings import Fault
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.result import Result
from keiko_perf.model import (
    Column,
    Comparison,
    Gap,
    Histogram,
    Kind,
    Message,
    Outcome,
    Report,
    Section,
    Series,
    Snapshot,
    Status,
    Table,
    Verdict,
    compare,
    say,
)
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.attribution import parts_table
from keiko_perf.monitoring.findings import findings

_WORTH_BUILDING = 1.5
"""Below this factor the difference would drown in the noise of a measurement."""
_BUSY_RATIO = 0.95
_MOST_REFUSED = 20
_TABLES = 2
"""Of the doctor's: where the time went by route, and by statement."""
_ROWS = 6
_REFUSED_UNASKED = frozenset({"exists", "unique"})
"""Why a candidate is refused without a question: what is there already serves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """
    One load.

    Attributes:
        result: as the load engine saw it, from outside.
        snapshot: as the service's own monitor saw it, from inside.
        verdicts: the targets, held against the snapshot.
        alerts: those that were firing at the end.
    """

    result: Result
    snapshot: Snapshot
    verdicts: tuple[Verdict, ...]
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    All that the story found out.

    Attributes:
        where: the database.
        plan: the load; both measurements have the same.
        faults: what was wrong with the service.
        before: measured with what was wrong.
        after: measured with the index; None if none would help.
        evidence: what the database counted during the first load.
        workload: the statements of the first load.
        advice: which index would help.
        hot_step: the step that suffers most from the missing index.
        diagnosis: what the doctor says of the first load; None if it was not asked.
        recheck: what it says of the second one.
    """

    where: Place
    plan: Plan
    faults: frozenset[Fault]
    before: Measured
    after: Measured | None
    evidence: Evidence
    workload: Workload
    advice: Advice
    hot_step: str
    diagnosis: Report | None = None
    recheck: Report | None = None


def is_worth_building(advice: Advice) -> bool:
    """Whether the first index makes the whole workload notably cheaper, by the planner's price."""
    if not advice.recommendations or not advice.cost_before or not advice.cost_after:
        return False
    return advice.cost_before / advice.cost_after >= _WORTH_BUILDING


def account(found: Account, *, now: datetime | None = None) -> Report:
    """The report of the whole story."""
    comparisons = _comparisons(found)
    sections = [*_diagnosed(found), _before(found), _why(found), _fix(found)]
    if found.after is not None:
        hot = [one for one in comparisons if one.subject == found.hot_step]
        sections.insert(0, _proof(hot, found, found.after))
        others = [one for one in comparisons if one not in hot]
        sections.append(_after(found.after, others, found.recheck))
    sections.append(_method(found))
    return Report(
        command="demo",
        title=say("From a slow service to a proven fix"),
        headline=_headline(found, comparisons),
        status=_status(found, comparisons),
        created_at=now or datetime.now(UTC),
        sections=tuple(sections),
        environment=_environment(found),
    )


def _status(found: Account, comparisons: tuple[Comparison, ...]) -> Status:
    if any(one.result.invalid for one in _measurements(found)):
        return Status.INVALID
    if found.after is None:
        return Status.of(verdicts=found.before.verdicts)
    # The targets were missed on purpose; what counts is whether the fix is proven.
    return Status.of(comparisons=[one for one in comparisons if one.subject == found.hot_step])


def _headline(found: Account, comparisons: tuple[Comparison, ...]) -> Message:
    hot = next((one for one in comparisons if one.subject == found.hot_step), None)
    if hot is None or hot.ratio is None or hot.low is None or hot.high is None:
        causes = () if found.diagnosis is None else found.diagnosis.sections[0].findings
        if found.diagnosis is not None and causes:
            return say("It is no index that is missing: {finding}", finding=causes[0].summary)
        inside = findings(found.before.snapshot)
        if inside:
            return say("It is no index that is missing: {finding}", finding=inside[0].summary)
        worst = _slowest(found.before.snapshot)
        return say(
            "{route} is the slowest endpoint, and no index would make it much faster",
            route=worst.name if worst else found.hot_step,
        )
    if hot.ratio > 1:
        return say(
            "p95 of {step} went from {before:duration} to {after:duration}",
            step=_short(hot.subject), before=hot.before, after=hot.after,
        )  # fmt: skip
    return say(
        "One index made {step} {least:factor} to {most:factor} faster: p95 fell from "
        "{before:duration} to {after:duration}",
        step=_short(hot.subject),
        least=1 / hot.high,
        most=1 / hot.low,
        before=hot.before,
        after=hot.after,
    )


def _diagnosed(found: Account) -> Iterator[Section]:
    """What the doctor said of the slow service; its cure is shown with what it did."""
    if found.diagnosis is None:
        return
    causes, *others = found.diagnosis.sections
    tables = tuple(table for one in others for table in one.tables)
    yield Section(
        title=say("The doctor: why is it slow?"),
        paragraphs=(found.diagnosis.headline, *causes.paragraphs),
        findings=causes.findings,
        tables=tuple(one.first(_ROWS) for one in tables[:_TABLES]),
    )


def _before(found: Account) -> Section:
    before = found.before
    missed = sum(one.outcome is Outcome.MISSED for one in before.verdicts)
    paragraphs = [
        say(
            "Under {rate:rate} the service missed {missed:count} of its {all:count} targets.",
            rate=found.before.result.offered_per_s,
            missed=missed,
            all=len(before.verdicts),
        )
    ]
    for alert in before.alerts:
        paragraphs.append(
            say("Alert {metric}, {severity}: {message}.", metric=alert.metric,
                severity=alert.severity, message=alert.message)
        )  # fmt: skip
    return Section(
        title=say("Before: is the service fine?"),
        paragraphs=tuple(paragraphs),
        verdicts=before.verdicts,
        tables=(routes_table(before.snapshot),),
    )


def _why(found: Account) -> Section:
    judgement = judge(found.evidence)
    # What the service itself shows is in the doctor's words already, if it was asked.
    is_told = found.diagnosis is not None
    return Section(
        title=say("Why: what the service and its database were busy with"),
        paragraphs=tuple(_slow_statement(found)),
        findings=(
            *(one for one in judgement.findings if one.code.startswith("statements.")),
            *(() if is_told else findings(found.before.snapshot)),
        ),
        tables=(
            *(() if is_told else _parts(found.before.snapshot)),
            statements_table(found.workload),
        ),
    )


def _parts(snapshot: Snapshot) -> tuple[Table, ...]:
    table = parts_table(snapshot)
    return () if table is None else (table,)


def _slow_statement(found: Account) -> Iterator[Message]:
    if not found.workload.statements:
        return
    worst = found.workload.statements[0]
    yield say(
        "One statement took {share:ratio} of all the time that the database worked: "
        "{calls:count} calls of {mean:duration} each.",
        share=worst.total_s / found.workload.total_s if found.workload.total_s else None,
        calls=worst.calls,
        mean=worst.mean_s,
    )


def _fix(found: Account) -> Section:
    advice = found.advice
    if advice.reason is not None:
        paragraph = advice.reason
    else:
        paragraph = say(
            "The planner was asked {calls:count} questions: with the index the whole workload "
            "costs {after:number} instead of {before:number}. {refused:count} other candidates "
            "were refused.",
            calls=advice.planner_calls,
            before=advice.cost_before,
            after=advice.cost_after,
            refused=len(advice.refusals),
        )
    priced = [one for one in advice.refusals if one.code not in _REFUSED_UNASKED]
    refused = Table(
        title=say("Candidates that the planner refused"),
        columns=(Column(say("index")), Column(say("why"))),
        rows=tuple((str(one.index), one.reason) for one in priced),
        left_out=len(advice.refusals) - len(priced),
    ).first(_MOST_REFUSED)
    return Section(
        title=say("The fix: which index helps, priced by the planner"),
        paragraphs=(paragraph,),
        recommendations=advice.recommendations,
        tables=(refused,) if priced else (),
        gaps=advice.gaps,
    )


def _proof(hot: list[Comparison], found: Account, after: Measured) -> Section:
    return Section(
        title=say("The proof: the same load before and after"),
        comparisons=tuple(hot),
        charts=(response_chart(found.hot_step, found.before.result, after.result),),
    )


def _after(after: Measured, others: list[Comparison], recheck: Report | None) -> Section:
    return Section(
        title=say("After: is the service fine now?"),
        paragraphs=(
            say(
                "The index was built in the demo's own tables, and the same requests were sent "
                "in the same order. Now {missed:count} of {all:count} targets are missed.",
                missed=sum(one.outcome is Outcome.MISSED for one in after.verdicts),
                all=len(after.verdicts),
            ),
            *(
                ()
                if recheck is None
                else (say("The doctor, asked again: {said}.", said=recheck.headline),)
            ),
        ),
        verdicts=after.verdicts,
        comparisons=tuple(others),
    )


def _method(found: Account) -> Section:
    result = found.before.result
    paragraphs: list[Message] = [
        say(
            "Load: {rate:rate} for {seconds:duration} after a warm-up, whether or not the service "
            "keeps up (an open model). A response time runs from the instant at which a request "
            "was due to the last byte of its answer.",
            rate=result.offered_per_s,
            seconds=result.planned_s,
        ),
        say(
            "A comparison draws stretches of 5 s from both measurements; the interval holds 95 % "
            "of the ratios that come out."
        ),
        say("Service, database and load generator shared this machine's processors."),
    ]
    busy = [one for one in _measurements(found) if _cpu(one) > _BUSY_RATIO]
    if busy:
        paragraphs.append(
            say(
                "The processors were busy to {cpu:ratio}, so the response times hold waits for "
                "them as well, and whatever else ran here counts in.",
                cpu=max(map(_cpu, busy)),
            )
        )
    paragraphs += [
        say("The measurement is not valid: {reason}.", reason=reason)
        for one in _measurements(found)
        for reason in one.result.invalid
    ]
    return Section(
        title=say("How it was measured"), paragraphs=tuple(paragraphs), gaps=tuple(_gaps(found))
    )


def _cpu(measured: Measured) -> float:
    gauge = measured.snapshot.gauges.get("cpu_ratio")
    return gauge.mean if gauge else 0.0


def _gaps(found: Account) -> Iterator[Gap]:
    if not found.where.has_statement_statistics:
        yield Gap(
            subject=say("What the database itself counted"),
            reason=say("pg_stat_statements is not there, so the service counted its statements"),
            remedy=say(
                "Set shared_preload_libraries = 'pg_stat_statements', restart, and run "
                "CREATE EXTENSION pg_stat_statements"
            ),
        )


def _measurements(found: Account) -> tuple[Measured, ...]:
    return (found.before,) if found.after is None else (found.before, found.after)


def _comparisons(found: Account) -> tuple[Comparison, ...]:
    """Each step that has enough samples for a p95, the hot one first."""
    if found.after is None:
        return ()
    before, after = found.before.result, found.after.result
    names = [one.name for one in before.steps if one.name != found.hot_step]
    compared = [
        compare(before.timeline(name), after.timeline(name), subject=name)
        for name in (found.hot_step, *names)
        if _is_told(before.timeline(name)) and _is_told(after.timeline(name))
    ]
    return tuple(compared)


def _is_told(timeline: tuple[Histogram, ...]) -> bool:
    return Histogram.merged(timeline).known_quantile(0.95) is not None


def _slowest(snapshot: Snapshot) -> Series | None:
    return max(snapshot.of(Kind.ROUTE), key=lambda one: one.sum_s, default=None)


def _short(step: str) -> str:
    """A step's name without its query."""
    return step.partition("?")[0]


def _environment(found: Account) -> dict[str, str]:
    return {
        "keiko-perf": __version__,
        "python": platform.python_version(),
        "postgresql": found.where.version,
        "platform": f"{platform.system()} {platform.machine()}",
        "faults": ", ".join(sorted(found.faults)) or "none",
    }
