"""
Exhibits: the tables and the chart of the demo's report. Pure.
"""

from __future__ import annotations

from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.loadtest.result import Result
from keiko_perf.model import (
    Chart,
    Column,
    Kind,
    Line,
    Message,
    Series,
    Snapshot,
    Table,
    samples_needed,
    say,
)

_SHOWN_STATEMENTS = 5


def routes_table(snapshot: Snapshot) -> Table:
    """Where the time of those who wait goes, seen from inside the service."""
    routes = sorted(snapshot.of(Kind.ROUTE), key=lambda one: one.sum_s, reverse=True)
    total_s = sum(one.sum_s for one in routes)
    return Table(
        title=say("Endpoints, by the time that their users waited"),
        columns=(
            Column(say("endpoint")),
            Column(say("share of the time"), "ratio"),
            Column(say("rate"), "rate"),
            Column(say("errors"), "count"),
            Column(say("p50"), "duration"),
            Column(say("p95"), "duration"),
        ),
        rows=tuple(
            (
                one.name,
                one.sum_s / total_s if total_s else None,
                one.rate_per_s,
                one.errors,
                _quantile(one, 0.5),
                _quantile(one, 0.95),
            )
            for one in routes
        ),
    )


def statements_table(workload: Workload) -> Table:
    return Table(
        title=say("Statements, by the time that they took"),
        columns=(
            Column(say("statement")),
            Column(say("share of the time"), "ratio"),
            Column(say("calls"), "count"),
            Column(say("mean"), "duration"),
        ),
        rows=tuple(
            (
                one.text,
                one.total_s / workload.total_s if workload.total_s else None,
                one.calls,
                one.mean_s,
            )
            for one in workload.statements
        ),
    ).first(_SHOWN_STATEMENTS)


def _quantile(series: Series, q: float) -> float | Message:
    """A quantile where there are enough samples to tell it, else how many it takes."""
    known_s = series.succeeded.known_quantile(q)
    return say("needs {needed:count}", needed=samples_needed(q)) if known_s is None else known_s


def response_chart(step: str, before: Result, after: Result) -> Chart:
    def line(name: Message, result: Result) -> Line:
        points = enumerate(result.timeline(step))
        return Line(
            name,
            tuple((second * result.interval_s, one.quantile(0.5)) for second, one in points),
        )

    return Chart(
        title=say("Median response time of {step}", step=step.partition("?")[0]),
        format="duration",
        lines=(line(say("before"), before), line(say("after"), after)),
        logarithmic=True,
    )
