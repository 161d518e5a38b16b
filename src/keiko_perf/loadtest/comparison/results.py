"""
Comparison: two results as a report. Is the second slower, by how much, and how sure is that?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keiko_perf.loadtest.reports.charts import quantile_line
from keiko_perf.loadtest.reports.summary import load_words
from keiko_perf.loadtest.result import Result
from keiko_perf.model import (
    Change,
    Chart,
    Column,
    Comparison,
    Gap,
    Message,
    Report,
    Section,
    Status,
    Table,
    Text,
    compare,
    holm,
    say,
)

_MOST_CHARTS = 12
_MACHINE = ("cores", "platform")
"""Where these differ, the difference of the machines is in each figure."""
_TOLD = ("python", "event loop", "processes")


def compare_results(
    before: Result, after: Result, *, q: float = 0.95, min_effect: float = 0.05
) -> Report:
    """
    Whether *after* is slower than *before*, step by step.

    Args:
        before: the first run.
        after: the second.
        q: the quantile of the response times that is compared.
        min_effect: the least relative change that matters.

    Raises:
        ValueError: *q* is no quantile, or *min_effect* is not positive.
    """
    found = comparisons(before, after, q=q, min_effect=min_effect)
    elsewhere = _differing(before, after, _MACHINE)
    if elsewhere:
        reason = say("the two were not measured on the same machine")
        found = tuple(replace(one, change=Change.UNDECIDED, reason=reason) for one in found)
    invalid = (*before.invalid, *after.invalid)
    return Report(
        command="load compare",
        title=say("Comparison of two load tests of {target}", target=after.target),
        headline=(
            say("undecided: not the same machine")
            if elsewhere and not invalid
            else _comparison_headline(found, invalid)
        ),
        status=Status.INVALID if invalid else _comparison_status(found),
        created_at=after.ended_at,
        sections=(
            Section(
                title=say("What changed"),
                paragraphs=(*invalid, _once()),
                comparisons=found,
                charts=_charts(before, after, q),
                tables=(_both(before, after), *_sizes(before, after)),
                gaps=(
                    *_surroundings(before, after),
                    *_unlike(before, after),
                    *_lonely(before, after),
                ),
            ),
        ),
        environment={**after.environment, "load": load_words(after.load)},
    )


def comparisons(
    before: Result, after: Result, *, q: float = 0.95, min_effect: float = 0.05
) -> tuple[Comparison, ...]:
    """One comparison for each step that both have, by Holm; see `model.compare`."""
    return holm(
        tuple(
            compare(
                step.timeline,
                after.timeline(step.name),
                subject=step.name,
                q=q,
                min_effect=min_effect,
            )
            for step in before.steps
            if after.step(step.name) is not None
        )
    )


def _comparison_status(found: Sequence[Comparison]) -> Status:
    return Status.of(comparisons=found) if found else Status.UNDECIDED


def _comparison_headline(found: Sequence[Comparison], invalid: Sequence[Message]) -> Message:
    if invalid:
        return say("INVALID: a measurement cannot be trusted")
    if not found:
        return say("the two runs have no step in common")
    counts = {change: sum(one.change is change for one in found) for change in Change}
    if counts[Change.REGRESSED]:
        return say(
            "{count:count} of {all:count} steps got slower",
            count=counts[Change.REGRESSED],
            all=len(found),
        )
    if counts[Change.UNDECIDED]:
        return say(
            "undecided for {count:count} of {all:count} steps",
            count=counts[Change.UNDECIDED],
            all=len(found),
        )
    if counts[Change.IMPROVED]:
        return say(
            "{count:count} of {all:count} steps got faster, none slower",
            count=counts[Change.IMPROVED],
            all=len(found),
        )
    return say("no step got slower or faster")


def _charts(before: Result, after: Result, q: float) -> tuple[Chart, ...]:
    """The percentile that is compared, of both runs over time."""
    charts = []
    for step in before.steps[:_MOST_CHARTS]:
        other = after.step(step.name)
        if other is None:
            continue
        first = quantile_line(before, step, q, name=say("before"))
        second = quantile_line(after, other, q, name=say("after"))
        if first is not None and second is not None:
            charts.append(
                Chart(
                    title=say(
                        "response time p{percent} of {step}", percent=f"{q * 100:g}", step=step.name
                    ),
                    format="duration",
                    lines=(first, second),
                    logarithmic=True,
                )
            )
    return tuple(charts)


def _both(before: Result, after: Result) -> Table:
    def row(name: Text, result: Result) -> tuple[object, ...]:
        response = result.response
        return (
            name,
            result.started_at,
            response.count,
            result.offered_per_s,
            result.achieved_per_s,
            response.error_ratio,
        )

    return Table(
        title=say("The two runs"),
        columns=(
            Column(say("run")),
            Column(say("started"), "time"),
            Column(say("requests"), "count"),
            Column(say("offered"), "rate"),
            Column(say("achieved"), "rate"),
            Column(say("failed"), "ratio"),
        ),
        rows=(row(say("before"), before), row(say("after"), after)),
    )


def _unlike(before: Result, after: Result) -> tuple[Gap, ...]:
    """Two runs under different load say nothing about what changed between them."""
    if before.load == after.load:
        return ()
    return (
        Gap(
            subject=say("the effect of the change alone"),
            reason=say(
                "the load differed: {before} before, {after} after",
                before=load_words(before.load),
                after=load_words(after.load),
            ),
            remedy=say("Repeat one of the runs under the load of the other"),
        ),
    )


def _once() -> Message:
    return say(
        "What differs from one run to the next is not in these intervals, for there is one run of "
        "each. keiko-perf load ab takes turns until it is decided."
    )


def _differing(before: Result, after: Result, names: Sequence[str]) -> tuple[str, ...]:
    """Such as "cores 2 before, 8 after"; what only one of the two knows is no difference."""
    return tuple(
        f"{name} {one} before, {two} after"
        for name in names
        if (one := before.environment.get(name)) and (two := after.environment.get(name))
        if one != two
    )


def _surroundings(before: Result, after: Result) -> tuple[Gap, ...]:
    machine, others = (_differing(before, after, names) for names in (_MACHINE, _TOLD))
    gaps = []
    if machine:
        gaps.append(
            Gap(
                subject=say("whether anything changed"),
                reason=say("the machines differed: {what}", what=", ".join(machine)),
                remedy=say("Measure both on the same machine"),
            )
        )
    if others:
        gaps.append(
            Gap(
                subject=say("the effect of the change alone"),
                reason=say("the surroundings differed: {what}", what=", ".join(others)),
                remedy=say("Measure both in the same surroundings, unless these are the change"),
            )
        )
    return tuple(gaps)


def _sizes(before: Result, after: Result) -> tuple[Table, ...]:
    """What an answer takes on the wire, which hardly differs from run to run."""
    rows = []
    for step in before.steps:
        other = after.step(step.name)
        if other is None or not step.received_bytes or not other.received_bytes:
            continue
        one = step.received_bytes / step.response.count
        two = other.received_bytes / other.response.count
        rows.append((step.name, one, two, two / one))
    if not rows:
        return ()
    return (
        Table(
            title=say("Bytes an answer"),
            columns=(
                Column(say("step")),
                Column(say("before"), "bytes"),
                Column(say("after"), "bytes"),
                Column(say("ratio"), "factor"),
            ),
            rows=tuple(rows),
        ),
    )


def _lonely(before: Result, after: Result) -> tuple[Gap, ...]:
    first, second = ({step.name for step in one.steps} for one in (before, after))
    return tuple(
        Gap(
            subject=name,
            reason=say("only one of the two runs has this step"),
            remedy=say("Run both with the same steps"),
        )
        for name in sorted(first ^ second)
    )
