"""
Summary: a result as a report. The verdict comes first, then the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil

from keiko_perf.loadtest.pacer import ConstantRate, Load, Poisson, Replay, Users
from keiko_perf.loadtest.result import Result, StepResult
from keiko_perf.model import (
    Chart,
    Column,
    Finding,
    Gap,
    Histogram,
    Line,
    Message,
    Outcome,
    Report,
    Section,
    Series,
    Severity,
    Status,
    Table,
    Target,
    Text,
    Verdict,
    samples_needed,
    say,
)

_QUANTILES = (0.5, 0.95, 0.99, 0.999)
_MOST_CHARTS = 12
_MOST_POINTS = 600


def report(result: Result, targets: Iterable[Target] = (), *, command: str = "load run") -> Report:
    """
    What *result* says.

    Args:
        result: what was measured.
        targets: promises that the response times, errors or throughput are held against.
        command: what the report says it is the answer of.
    """
    snapshot = result.snapshot()
    verdicts = tuple(target.judge(snapshot) for target in targets)
    findings = _findings(result)
    return Report(
        command=command,
        title=say("Load test of {target}", target=result.target),
        headline=_headline(result, verdicts),
        status=(
            Status.INVALID if result.invalid else Status.of(verdicts=verdicts, findings=findings)
        ),
        created_at=result.ended_at,
        sections=(_verdict(result, verdicts, findings), *_figures(result)),
        environment={**result.environment, "load": load_words(result.load)},
    )


# The verdict


def _headline(result: Result, verdicts: Sequence[Verdict]) -> Message:
    if result.invalid:
        return say("INVALID: the measurement cannot be trusted")
    if result.response.errors and not result.response.succeeded:
        return say("not one of {count:count} requests succeeded", count=result.response.count)
    missed = [one for one in verdicts if one.outcome is Outcome.MISSED]
    if missed:
        return say(
            "{missed:count} of {all:count} targets were missed",
            missed=len(missed),
            all=len(verdicts),
        )
    return _figures_in_a_sentence(result)


def _figures_in_a_sentence(result: Result) -> Message:
    response = result.response
    errors = response.error_ratio or 0.0
    p95_s = _known(response.succeeded, 0.95)
    if p95_s is None:
        return say(
            "{count:count} requests at {rate:rate}, {errors:ratio} failed",
            count=response.count,
            rate=result.achieved_per_s,
            errors=errors,
        )
    return say(
        "response time p95 {p95:duration} at {rate:rate}, {errors:ratio} failed",
        p95=p95_s,
        rate=result.achieved_per_s,
        errors=errors,
    )


def _verdict(
    result: Result, verdicts: tuple[Verdict, ...], findings: tuple[Finding, ...]
) -> Section:
    return Section(
        title=say("Verdict"),
        paragraphs=(*result.invalid, *_remarks(result)),
        verdicts=verdicts,
        findings=findings,
        gaps=_gaps(result),
    )


def _findings(result: Result) -> tuple[Finding, ...]:
    """Failures, whether or not a target is about them; all of a step's is never fine."""
    return tuple(
        Finding(
            code="load.failures",
            severity=Severity.WARNING if step.response.succeeded else Severity.CRITICAL,
            subject=step.name,
            summary=say(
                "{failed:count} of {all:count} requests failed",
                failed=step.response.errors,
                all=step.response.count,
            ),
            evidence={
                "error_ratio": step.response.error_ratio,
                "class": next(one.failure.value for one in result.errors if one.step == step.name),
            },
        )
        for step in result.steps
        if step.response.errors and any(one.step == step.name for one in result.errors)
    )


def _remarks(result: Result) -> Iterable[Text]:
    if result.interrupted:
        yield say(
            "The run was stopped after {duration:duration}; {count:count} requests were under way.",
            duration=result.duration_s,
            count=result.unfinished,
        )
    if result.is_closed:
        yield say(
            "Closed load: a slow service is asked less often, so the percentiles leave out whoever "
            "would have come meanwhile. An open rate shows them."
        )
    else:
        yield say(
            "Response time runs from the instant a request was due to the last byte of its answer."
        )
    if result.waited:
        yield say(
            "{count:count} requests waited until one of {connections:count} connections was free.",
            count=result.waited,
            connections=result.connections,
        )


def _gaps(result: Result) -> tuple[Gap, ...]:
    """One for each step: the first percentile that it has too few samples for."""
    return tuple(
        Gap(
            subject=say("response time p{percent} of {step}", percent=_percent(q), step=step.name),
            reason=say(
                "only {seen:count} seen, {needed:count} are needed to tell",
                seen=step.response.succeeded.count,
                needed=samples_needed(q),
            ),
            remedy=_remedy(result, step, q),
        )
        for step in result.steps
        for q in _QUANTILES[:3]
        if step.response.succeeded.count < samples_needed(q)
        if q == 0.5
        or step.response.succeeded.count >= samples_needed(_QUANTILES[_QUANTILES.index(q) - 1])
    )


def _remedy(result: Result, step: StepResult, q: float) -> Message:
    seen = step.response.succeeded.count
    if not seen:
        return say("Look at the errors: not one request of this step succeeded")
    factor = samples_needed(q) / seen
    return say(
        "Measure for about {duration:duration}, or raise the rate",
        duration=float(ceil(result.planned_s * factor * 1.05)),
    )


# The figures


def _figures(result: Result) -> tuple[Section, ...]:
    sections = [Section(title=say("Steps"), tables=(_steps(result), _services(result)))]
    if result.errors:
        sections.append(Section(title=say("Errors"), tables=(_errors(result),)))
    charts = _charts(result)
    if charts:
        sections.append(Section(title=say("Over time"), charts=charts))
    sections.append(Section(title=say("The generator"), tables=(_generator(result),)))
    return tuple(sections)


def _steps(result: Result) -> Table:
    series = [step.response for step in result.steps]
    if len(series) > 1:
        series.append(result.response)
    return Table(
        title=say("Response time, from due"), columns=_columns(), rows=tuple(map(_row, series))
    )


def _services(result: Result) -> Table:
    return Table(
        title=say("Service time, from sent"),
        columns=_columns(),
        rows=tuple(_row(step.service) for step in result.steps),
    )


def _columns() -> tuple[Column, ...]:
    return (
        Column(say("step")),
        Column(say("requests"), "count"),
        Column(say("rate"), "rate"),
        Column(say("failed"), "ratio"),
        *(Column(f"p{_percent(q)}", "duration") for q in _QUANTILES),
        Column(say("longest"), "duration"),
        Column(say("too few by"), "count"),
    )


def _row(series: Series) -> tuple[object, ...]:
    """Percentiles that the samples don't tell are left out; the last cell says what they lack."""
    succeeded = series.succeeded
    return (
        series.name or say("all steps"),
        series.count,
        series.rate_per_s,
        series.error_ratio,
        *(_known(succeeded, q) for q in _QUANTILES),
        succeeded.max_s,
        max(0, samples_needed(_QUANTILES[-1]) - succeeded.count),
    )


def _errors(result: Result) -> Table:
    return Table(
        title=say("Failures by class"),
        columns=(
            Column(say("class")),
            Column(say("detail")),
            Column(say("step")),
            Column(say("requests"), "count"),
            Column(say("first after"), "duration"),
            Column(say("last after"), "duration"),
            Column(say("example")),
        ),
        rows=tuple(
            (
                group.failure.value,
                group.detail,
                group.step,
                group.count,
                max(0.0, group.first_s),
                max(0.0, group.last_s),
                group.example,
            )
            for group in result.errors
        ),
    )


def _charts(result: Result) -> tuple[Chart, ...]:
    return tuple(
        Chart(
            title=say("Response time of {step}", step=step.name),
            format="duration",
            lines=tuple(
                Line(f"p{_percent(q)}", _points(step.timeline, result.interval_s, q))
                for q in (0.5, 0.95)
            ),
            logarithmic=True,
        )
        for step in result.steps[:_MOST_CHARTS]
        if step.response.succeeded and len(step.timeline) > 1
    )


def _points(
    timeline: Sequence[Histogram], interval_s: float, q: float
) -> tuple[tuple[float, float | None], ...]:
    """At most so many points; where there are more intervals, neighbours are merged."""
    together = ceil(len(timeline) / _MOST_POINTS)
    return tuple(
        (at * interval_s, Histogram.merged(timeline[at : at + together]).quantile(q))
        for at in range(0, len(timeline), together)
    )


def _generator(result: Result) -> Table:
    rows: list[tuple[object, ...]] = [
        (say("offered"), say("{rate:rate}", rate=result.offered_per_s)),
        (say("achieved"), say("{rate:rate}", rate=result.achieved_per_s)),
        (say("requests due"), say("{count:count}", count=result.offered)),
        (say("dropped"), say("{count:count}", count=result.dropped)),
        (say("unfinished"), say("{count:count}", count=result.unfinished)),
        (say("most in flight"), say("{count:count}", count=result.in_flight.peak)),
        (say("connections made"), say("{count:count}", count=result.opened)),
        (say("measured for"), say("{duration:duration}", duration=result.duration_s)),
    ]
    lag_s, late_s = result.lag.quantile(0.99), result.late.quantile(0.99)
    if lag_s is not None and not result.is_closed:
        rows.append((say("schedule lag p99"), say("{lag:duration}", lag=lag_s)))
    if late_s is not None and not result.is_closed:
        rows.append((say("of it the generator's own"), say("{late:duration}", late=late_s)))
    if result.cpu_ratio is not None:
        rows.append((say("CPU of its core"), say("{cpu:ratio}", cpu=result.cpu_ratio)))
    return Table(
        title=say("Was the measurement sound"),
        columns=(Column(say("figure")), Column(say("value"))),
        rows=tuple(rows),
    )


def load_words(load: Load) -> str:
    """The load as its option on the command line says it."""
    if isinstance(load, ConstantRate):
        return f"--rate {load.per_s:g}"
    if isinstance(load, Poisson):
        return f"--rate {load.per_s:g} --poisson"
    if isinstance(load, Users):
        return f"--users {load.count}" + (f" --think {load.think_s:g}" if load.think_s else "")
    if isinstance(load, Replay):
        return f"--replay, {load.count} instants"
    return "--stages " + ",".join(f"{one.per_s:g}@{one.duration_s:g}s" for one in load.stages)


def _known(histogram: Histogram, q: float) -> float | None:
    """The quantile, if there are enough samples to tell it."""
    return histogram.quantile(q) if histogram.count >= samples_needed(q) else None


def _percent(q: float) -> str:
    return f"{q * 100:g}"
