"""
Summary: a result as a report. The verdict comes first, then what failed, then the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import ceil

from keiko_perf.loadtest.pacer import ConstantRate, Load, Poisson, Replay, Users
from keiko_perf.loadtest.reports.charts import charts
from keiko_perf.loadtest.reports.failures import failures, further
from keiko_perf.loadtest.reports.resources import watched_section
from keiko_perf.loadtest.result import Result, StepResult
from keiko_perf.loadtest.verdicts.breaking import judge
from keiko_perf.loadtest.verdicts.judging import verdicts_on
from keiko_perf.loadtest.verdicts.steady import Warmup
from keiko_perf.loadtest.verdicts.trust import trust
from keiko_perf.model import (
    Column,
    Gap,
    Histogram,
    Message,
    Outcome,
    Report,
    Section,
    Series,
    Status,
    Table,
    Target,
    Text,
    Verdict,
    samples_needed,
    say,
)

_QUANTILES = (0.5, 0.95, 0.99, 0.999)
_MOST_NAMED = 3


def report(
    result: Result, targets: Iterable[Target] | None = None, *, command: str = "load run"
) -> Report:
    """
    What *result* says.

    Args:
        result: what was measured.
        targets: promises that the response times, errors or throughput are held against; those
            that the result itself carries if None.
        command: what the report says it is the answer of.
    """
    promised = result.targets if targets is None else tuple(targets)
    verdicts = tuple(
        sorted(
            (*(judge(result, target) for target in promised), *verdicts_on(result)),
            key=lambda one: one.outcome is not Outcome.MISSED,  # else in the order of the options
        )
    )
    found = failures(result)
    return Report(
        command=command,
        title=say("Load test of {target}", target=result.target),
        headline=_headline(result, verdicts),
        status=Status.INVALID if result.invalid else Status.of(verdicts=verdicts, findings=found),
        created_at=result.ended_at,
        sections=tuple(_sections(result, verdicts, promised)),
        environment={**result.environment, "load": load_words(result.load)},
    )


def _sections(
    result: Result, verdicts: tuple[Verdict, ...], targets: Sequence[Target]
) -> Iterator[Section]:
    yield Section(title=say("Verdict"), paragraphs=tuple(_verdict(result)), verdicts=verdicts)
    if result.errors:
        yield Section(title=say("Errors"), findings=failures(result), tables=further(result))
    yield Section(
        title=say("Steps"),
        paragraphs=(
            say(
                "Response time runs from the instant a request was due to the last byte of its "
                "answer; failures are not in it."
            ),
        ),
        tables=tuple(_steps(result)),
        gaps=_gaps(result),
    )
    if result.watched is not None:
        yield watched_section(result.watched)
    drawn = charts(result, targets)
    if drawn:
        yield Section(title=say("Over time"), charts=drawn)
    yield trust(result)


# The verdict


def _headline(result: Result, verdicts: Sequence[Verdict]) -> Message:
    if result.invalid:
        return say("INVALID: the measurement cannot be trusted")
    if result.response.errors and not result.response.succeeded:
        return say("not one of {count:count} requests succeeded", count=result.response.count)
    missed = [one for one in verdicts if one.outcome is Outcome.MISSED]
    if len(missed) == 1:
        return _missed(missed[0])
    if missed:
        return say(
            "{missed:count} of {all:count} targets were missed",
            missed=len(missed),
            all=len(verdicts),
        )
    return _figures_in_a_sentence(result)


def _missed(verdict: Verdict) -> Message:
    target = verdict.target
    label = target.kpi.label
    what = (
        label
        if target.subject is None
        else say("{kpi} of {subject}", kpi=label, subject=target.subject)
    )
    limit = _value(target.limit, target.kpi.format)
    if not verdict.is_told or verdict.value is None:
        return say("{what} is over its limit of {limit}", what=what, limit=limit)
    value = _value(verdict.value, target.kpi.format)
    if target.at_most is None:
        return say(
            "{what} is {value}, at least {limit} was wanted", what=what, value=value, limit=limit
        )
    return say("{what} is {value}, the limit is {limit}", what=what, value=value, limit=limit)


def _value(value: float, format: str) -> Message:
    """A figure of a load test with its unit."""
    if format == "duration":
        return say("{duration:duration}", duration=value)
    if format == "rate":
        return say("{rate:rate}", rate=value)
    if format == "number":
        return say("{number:number}", number=round(value, 2))
    return say("{share:ratio}", share=value)


def _figures_in_a_sentence(result: Result) -> Message:
    response = result.response
    errors = response.error_ratio or 0.0
    p95_s = response.succeeded.known_quantile(0.95)
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


def _verdict(result: Result) -> Iterator[Text]:
    yield from result.invalid
    if result.warmup is not None:
        yield _warmup(result, result.warmup)
    if result.interrupted:
        yield say(
            "The run was stopped after {duration:duration}; {count:count} requests were under way.",
            duration=result.duration_s,
            count=result.unfinished,
        )
    if result.is_closed:
        yield say("Answered: {achieved:rate}.", achieved=result.achieved_per_s)
    else:
        yield say(
            "Asked for: {asked:rate}, answered: {achieved:rate}.",
            asked=result.offered_per_s,
            achieved=result.achieved_per_s,
        )


def _warmup(result: Result, warmup: Warmup) -> Message:
    if not warmup.is_settled:
        return say(
            "The run was too short to tell its warm-up, or did not settle within its first half: "
            "targets are judged by all of it."
        )
    if not warmup.intervals:
        return say("The beginning was like the rest of the run: nothing is left out as warm-up.")
    return say(
        "Warm-up: response times settled after {duration:duration}; targets are judged by what "
        "came after that.",
        duration=warmup.intervals * result.interval_s,
    )


# The figures


def _steps(result: Result) -> Iterator[Table]:
    series = [step.response for step in result.steps]
    if len(series) > 1:
        series.append(result.response)
    yield Table(
        title=say("Response time, from due"), columns=_columns(), rows=tuple(map(_row, series))
    )
    if result.waited:  # else the two are the same but for the generator's own lateness
        yield Table(
            title=say("Service time, from sent"),
            columns=_columns(),
            rows=tuple(_row(step.service) for step in result.steps),
        )
    if result.received_bytes:
        yield _sizes(result)
    phases = [
        (step.name, phase, histogram)
        for step in result.steps
        for phase, histogram in step.phases.items()
        if histogram
    ]
    if phases:
        yield _phases(phases)


def _columns() -> tuple[Column, ...]:
    return (
        Column(say("step")),
        Column(say("requests"), "count"),
        Column(say("rate"), "rate"),
        Column(say("failed"), "ratio"),
        *(Column(f"p{_percent(q)}", "duration") for q in _QUANTILES),
        Column(say("longest"), "duration"),
    )


def _row(series: Series) -> tuple[object, ...]:
    succeeded = series.succeeded
    return (
        series.name or say("all steps"),
        series.count,
        series.rate_per_s,
        series.error_ratio,
        *(_told(succeeded, q) for q in _QUANTILES),
        succeeded.max_s,
    )


def _sizes(result: Result) -> Table:
    return Table(
        title=say("Answers on the wire, headers included"),
        columns=(
            Column(say("step")),
            Column(say("mean size"), "bytes"),
            Column(say("received"), "bytes"),
            Column(say("received a second"), "bytes"),
            Column(say("redirects"), "count"),
        ),
        rows=tuple(_size(step, result.duration_s) for step in result.steps),
    )


def _size(step: StepResult, duration_s: float) -> tuple[object, ...]:
    size, count = step.received_bytes, step.response.count
    return (
        step.name,
        size / count if size is not None and count else None,
        size,
        size / duration_s if size is not None and duration_s > 0 else None,
        step.redirects,
    )


def _phases(phases: Sequence[tuple[str, str, Histogram]]) -> Table:
    return Table(
        title=say("Phases of answers"),
        columns=(
            Column(say("step")),
            Column(say("phase")),
            Column(say("seen"), "count"),
            *(Column(f"p{_percent(q)}", "duration") for q in _QUANTILES),
            Column(say("longest"), "duration"),
        ),
        rows=tuple(
            (step, phase, one.count, *(_told(one, q) for q in _QUANTILES), one.max_s)
            for step, phase, one in phases
        ),
    )


def _told(histogram: Histogram, q: float) -> float | Message | None:
    """A quantile; where the samples cannot tell it a dash, with how many it takes."""
    if not histogram:
        return None
    known_s = histogram.known_quantile(q)
    return say("– ({needed:count})", needed=samples_needed(q)) if known_s is None else known_s


def _gaps(result: Result) -> tuple[Gap, ...]:
    """One for each percentile: the steps that have too few samples for it, and for no lower one."""
    gaps = []
    untold = [step for step in result.steps if step.response.count]
    for q in _QUANTILES[:3]:
        few = [step for step in untold if step.response.succeeded.count < samples_needed(q)]
        untold = [step for step in untold if step not in few]
        if few:
            gaps.append(_gap(result, few, q))
    return tuple(gaps)


def _gap(result: Result, steps: Sequence[StepResult], q: float) -> Gap:
    fewest = min(step.response.succeeded.count for step in steps)
    names: Text = (
        ", ".join(step.name for step in steps)
        if len(steps) <= _MOST_NAMED
        else say("{count:count} steps", count=len(steps))
    )
    needed = samples_needed(q)
    return Gap(
        subject=say("response time p{percent} of {step}", percent=_percent(q), step=names),
        reason=say(
            "only {seen:count} seen, {needed:count} are needed to tell", seen=fewest, needed=needed
        ),
        remedy=_remedy(result, fewest, needed),
    )


def _remedy(result: Result, seen: int, needed: int) -> Message:
    if not seen:
        return say("Look at the errors: not one request of this step succeeded")
    return say(
        "Measure for about {duration:duration}, or raise the rate",
        duration=float(ceil(result.planned_s * needed / seen * 1.05)),
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


def _percent(q: float) -> str:
    return f"{q * 100:g}"
