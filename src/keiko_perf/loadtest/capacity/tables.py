"""
Capacity, in tables and charts: the steps of a search, and what the service did in the heaviest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keiko_perf.loadtest.capacity.search import Capacity, Passed, Purpose
from keiko_perf.loadtest.reports.resources import resources_table
from keiko_perf.model import Chart, Column, Line, Table, Target, Text, say

_PURPOSES = {
    Purpose.RAMP: say("doubling"),
    Purpose.BISECT: say("halving"),
    Purpose.AGAIN: say("once more"),
    Purpose.OVERLOAD: say("overload"),
    Purpose.RECOVERY: say("recovery"),
    Purpose.BACK: say("whether it is back"),
}
_OUTCOMES = {
    Passed.YES: say("passed"),
    Passed.NO: say("failed"),
    Passed.UNSURE: say("unsure"),
    Passed.INVALID: say("invalid"),
}


def steps(capacity: Capacity) -> Table:
    """Each step: what was asked for, what came of it, and why it ended as it did."""
    return Table(
        title=say("Steps"),
        columns=(
            Column(say("step")),
            Column(say("asked for"), "rate"),
            Column(say("answered"), "rate"),
            Column(say("failed"), "ratio"),
            Column("p50", "duration"),
            Column("p95", "duration"),
            Column(say("in flight"), "number"),
            Column(say("outcome")),
            Column(say("why")),
        ),
        rows=tuple(
            (
                _PURPOSES[one.trial.purpose],
                one.per_s,
                one.achieved_per_s,
                one.error_ratio,
                one.p50_s,
                one.p95_s,
                round(one.in_flight, 1),
                _OUTCOMES[one.passed],
                one.reasons[0] if one.reasons else "",
            )
            for one in capacity.tried
        ),
    )


def resources(capacity: Capacity) -> Iterator[Table]:
    """What the resources did in the step with the most requests in the service."""
    windows = [one.window for one in capacity.tried if one.window is not None]
    if not windows:
        return
    heaviest = max(windows, key=lambda one: one.rate_per_s * (one.response_s or 0.0))
    yield resources_table(heaviest)


def charts(capacity: Capacity, targets: Sequence[Target]) -> Iterator[Chart]:
    """The search over time: what was asked for and answered, and the response times."""
    tried = capacity.tried
    if len(tried) < 2:
        return
    marks: tuple[tuple[float, Text], ...] = tuple(
        (one.started_s, _PURPOSES[one.trial.purpose])
        for before, one in zip((None, *tried), tried, strict=False)
        if before is None or before.trial.purpose is not one.trial.purpose
    )

    def line(name: Text, values: Sequence[float | None]) -> Line:
        points: list[tuple[float, float | None]] = []
        for one, value in zip(tried, values, strict=True):
            points += [
                (one.started_s, value),
                (one.started_s + one.duration_s, value),
                (one.started_s + one.duration_s, None),
            ]
        return Line(name, tuple(points[:-1]))

    yield Chart(
        title=say("Requests a second over the search"),
        format="rate",
        lines=(
            line(say("asked for"), [one.per_s for one in tried]),
            line(say("answered"), [one.achieved_per_s for one in tried]),
        ),
        marks=marks,
    )
    limits = [one.at_most for one in targets if one.kpi.name == "latency_p95_s"]
    yield Chart(
        title=say("Response time over the search"),
        format="duration",
        lines=(
            line("p50", [one.p50_s for one in tried]),
            line("p95", [one.p95_s for one in tried]),
        ),
        limit=limits[0] if limits else None,
        marks=marks,
        logarithmic=True,
    )
