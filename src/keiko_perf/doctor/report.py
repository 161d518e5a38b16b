"""
Report: causes, targets and gaps as one page. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keiko_perf.doctor.advice import asked_again
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.ranking import LEAST_REQUESTS
from keiko_perf.doctor.shape import told as statement_told
from keiko_perf.doctor.symptoms import RouteTime, Symptoms
from keiko_perf.model import (
    Asked,
    Column,
    Exemplar,
    Finding,
    Gap,
    Message,
    Outcome,
    Recommendation,
    Report,
    Section,
    Severity,
    Status,
    Table,
    Verdict,
    say,
)
from keiko_perf.monitoring.attribution.table import part_columns

MOST_ROWS = 15
MOST_EXEMPLARS = 10
_TOLD_PARTS = 5
"""Of a single request: all but what it was elsewhere."""
MOST_FINDINGS = 8
SEVERE_SHARE = 0.2
MUCH_QUEUED = 0.25
"""From here on what the machine has to do otherwise makes the service notably slower."""
_HOUR_S = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    All that the doctor saw.

    Attributes:
        symptoms: what the causes were found in.
        verdicts: the targets of the service; empty if it was not asked.
        exemplars: slow requests.
        smaller: what was found beside the causes, each a small part of what users wait for.
        findings: what the rules noticed in the database.
        recommendations: indexes that would pay.
        advice: what is advised beside the causes: caches, another event loop.
        gaps: what could not be looked at.
        is_blind: whether the service was asked, and does not record where its time goes.
        limit: what limits the service or will do so next; empty if it is not known.
        environment: what was looked at: versions, places without passwords.
    """

    symptoms: Symptoms
    verdicts: tuple[Verdict, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    smaller: tuple[Cause, ...] = ()
    findings: tuple[Finding, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    advice: tuple[Recommendation, ...] = ()
    gaps: tuple[Gap, ...] = ()
    is_blind: bool = False
    limit: str = ""
    environment: Mapping[str, str] | None = None


def doctor_report(causes: Sequence[Cause], seen: Seen, *, now: datetime) -> Report:
    """The page: the first sentence names the first cause."""
    severities = [_severity(one, seen) for one in causes]
    findings = tuple(
        one.finding(severity) for one, severity in zip(causes, severities, strict=True)
    )
    sections = [
        _causes(causes, findings, seen),
        _smaller(seen.smaller),
        _targets(seen.verdicts),
        _times(seen),
        _noticed(causes, seen),
        Section(title=say("How far this look reaches"), gaps=seen.gaps) if seen.gaps else None,
    ]
    return Report(
        command="doctor",
        title=say("Why is it slow?"),
        headline=_headline(causes, seen),
        status=_status(findings, seen),
        created_at=now,
        sections=tuple(one for one in sections if one is not None),
        environment=seen.environment or {},
        answer={
            "causes": [one.answer for one in causes],
            "smaller": [one.answer for one in seen.smaller],
            "window_s": seen.symptoms.window_s,
            "requests": seen.symptoms.requests,
            "waited_s": seen.symptoms.total_s,
        },
    )


def _headline(causes: Sequence[Cause], seen: Seen) -> Message:
    if causes:
        return causes[0].said
    if not seen.symptoms.requests and seen.is_blind:
        return say("Nothing can be said: the service does not record where its time goes")
    if not seen.symptoms.requests:
        return say("Nothing can be said: no request and no statement was seen")
    missed = any(one.outcome is Outcome.MISSED for one in seen.verdicts)
    queued = seen.symptoms.queued_ratio or 0.0
    if missed and seen.symptoms.routes and seen.symptoms.requests < LEAST_REQUESTS:
        return say(
            "A target is missed, and too few requests were answered meanwhile to tell by what: "
            "{count:count}",
            count=seen.symptoms.requests,
        )
    if missed and queued >= MUCH_QUEUED:
        return say(
            "A target is missed, and the machine is too busy to tell by what: of the time that the "
            "service wanted to compute it waited {ratio:ratio} for a processor",
            ratio=queued,
        )
    if missed and seen.smaller:
        return say(
            "A target is missed, and no cause takes a tenth of the time alone. The largest:"
            " {cause}",
            cause=seen.smaller[0].said,
        )
    if missed:
        return say("A target is missed, and nothing that takes a notable time was found")
    mean_s = seen.symptoms.total_s / seen.symptoms.requests
    if seen.symptoms.routes:
        return say(
            "Nothing slow was found: {count:count} requests took {mean:duration} each",
            count=seen.symptoms.requests,
            mean=mean_s,
        )
    return say(
        "Nothing slow was found: {count:count} statements took {mean:duration} each",
        count=seen.symptoms.requests,
        mean=mean_s,
    )


def _status(findings: Iterable[Finding], seen: Seen) -> Status:
    status = Status.of(verdicts=seen.verdicts, findings=findings)
    if status is Status.OK and not seen.symptoms.requests:
        return Status.UNDECIDED
    # That the targets can't be judged yet does not take back what was found.
    return status if status is not Status.UNDECIDED or not seen.symptoms.requests else Status.OK


def _severity(cause: Cause, seen: Seen) -> Severity:
    """Severe is what makes a target missed or all wait, and memory that ends within the hour."""
    if seen.symptoms.is_stuck and cause.share is not None:
        return Severity.CRITICAL
    if cause.share is None:
        left_s = cause.evidence.get("full_in_s")
        soon = isinstance(left_s, float) and left_s < _HOUR_S
        return Severity.CRITICAL if soon else Severity.WARNING
    missed = any(one.outcome is Outcome.MISSED for one in seen.verdicts)
    return Severity.CRITICAL if missed and cause.share >= SEVERE_SHARE else Severity.WARNING


def _causes(causes: Sequence[Cause], findings: tuple[Finding, ...], seen: Seen) -> Section:
    cures = [one.recommendation for one in causes if one.recommendation is not None]
    return Section(
        title=say("Causes, by what users wait for them"),
        paragraphs=(
            *((_basis(seen),) if seen.symptoms.requests or seen.symptoms.is_stuck else ()),
            *((say("By the utilisation law: {limit}.", limit=seen.limit),) if seen.limit else ()),
        ),
        findings=findings,
        recommendations=(*cures, *seen.advice),
    )


def _basis(seen: Seen) -> Message:
    symptoms = seen.symptoms
    if symptoms.is_stuck:
        return say(
            "No request was answered within {window:duration}; {count:number} were under way.",
            window=symptoms.window_s,
            count=round(symptoms.in_flight or 0.0, 1),
        )
    if symptoms.routes and symptoms.requests == 1:
        return say(
            "One request within {window:duration}, which took {total:duration}; the shares are of "
            "that time.",
            window=symptoms.window_s,
            total=symptoms.total_s,
        )
    if symptoms.routes:
        return say(
            "{count:count} requests within {window:duration}, which took {total:duration} in all; "
            "the shares are of that time.",
            count=symptoms.requests,
            window=symptoms.window_s,
            total=symptoms.total_s,
        )
    return say(
        "{count:count} statements within {window:duration}, which took {total:duration} in all; "
        "the shares are of that time.",
        count=symptoms.requests,
        window=symptoms.window_s,
        total=symptoms.total_s,
    )


def _smaller(causes: tuple[Cause, ...]) -> Section | None:
    if not causes:
        return None
    return Section(
        title=say("Also found, by what users wait for it"),
        paragraphs=(say("Each is less than a tenth of the time, and none of them a guess."),),
        findings=tuple(one.finding(Severity.NOTE) for one in causes),
    )


def _targets(verdicts: tuple[Verdict, ...]) -> Section | None:
    if not verdicts:
        return None
    judged = say("As the service judges itself, over the last minute unless it was told otherwise.")
    return Section(title=say("Targets"), paragraphs=(judged,), verdicts=verdicts)


def _times(seen: Seen) -> Section | None:
    tables = (
        _routes(seen.symptoms.routes),
        _asked(seen.symptoms.asked),
        _exemplars(seen.exemplars),
        asked_again(seen.symptoms.repeats),
    )
    shown = tuple(one for one in tables if one is not None and one.rows)
    if not shown:
        return None
    return Section(
        title=say("Where the time of requests went"),
        tables=shown,
    )


def _routes(routes: Iterable[RouteTime]) -> Table:
    def row(one: RouteTime) -> tuple[object, ...]:
        total_s = one.total_s
        parts = (one.sql_s, one.pool_s, one.http_s, one.code_s, one.loop_s, one.elsewhere_s)
        return (
            one.route,
            one.count,
            total_s / one.count if one.count else None,
            *(part / total_s if total_s else None for part in parts),
        )

    return Table(
        title=say("By route: the share of each part"),
        columns=(
            Column(say("route")),
            Column(say("requests"), "count"),
            Column(say("mean"), "duration"),
            *part_columns("ratio"),
        ),
        rows=tuple(row(one) for one in sorted(routes, key=lambda one: -one.total_s)),
    ).first(MOST_ROWS)


def _asked(asked: Iterable[Asked]) -> Table:
    ordered = sorted(asked, key=lambda one: -one.total_s)
    return Table(
        title=say("By route and statement"),
        columns=(
            Column(say("route")),
            Column(say("statement")),
            Column(say("times a request"), "number"),
            Column(say("mean"), "duration"),
            Column(say("time in all"), "duration"),
            Column(say("repeated from")),
        ),
        rows=tuple(
            (
                one.route,
                statement_told(one.statement, 80),
                one.times,
                one.mean_s,
                one.total_s,
                one.place,
            )
            for one in ordered
        ),
    ).first(MOST_ROWS)


def _exemplars(exemplars: Iterable[Exemplar]) -> Table:
    return Table(
        title=say("The slowest requests"),
        columns=(
            Column(say("route")),
            Column(say("when"), "time"),
            Column(say("time in all"), "duration"),
            Column(say("status"), "text"),
            *part_columns("duration")[:_TOLD_PARTS],
            Column(say("statements"), "count"),
        ),
        rows=tuple(
            (
                one.route,
                one.at,
                one.duration_s,
                str(one.status),
                *one.parts_s[:_TOLD_PARTS],
                sum(count for _, count, _ in one.statements),
            )
            for one in sorted(exemplars, key=lambda one: -one.duration_s)
        ),
    ).first(MOST_EXEMPLARS)


def _noticed(causes: Sequence[Cause], seen: Seen) -> Section | None:
    """
    What else is worth attention in the database, and indexes for what no user waits for notably;
    notes are told by `db check`.
    """
    worth = [one for one in seen.findings if one.severity > Severity.NOTE]
    cures = (one.recommendation for one in causes if one.recommendation is not None)
    told = {made for one in cures for made in (one.statement or "").split(";\n")}
    others = [one for one in seen.recommendations if one.statement not in told]
    if not worth and not others:
        return None
    return Section(
        title=say("Also noticed in the database"),
        findings=tuple(worth[:MOST_FINDINGS]),
        recommendations=tuple(others[:3]),
    )
