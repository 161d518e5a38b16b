"""
Charts: a result over time. What too few samples cannot tell is a gap, never a line.

A point stands in the middle of the time that it sums up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import ceil

from keiko_perf.loadtest.pacer import ConstantRate, Poisson, Stages
from keiko_perf.loadtest.reports.resources import watched_charts
from keiko_perf.loadtest.result import Result, StepResult
from keiko_perf.loadtest.verdicts.breaking import together
from keiko_perf.model import Chart, Histogram, Line, Target, Text, samples_needed, say

_QUANTILES = (0.5, 0.95, 0.99)
_MOST_CHARTS = 12
_MOST_POINTS = 600
_ALIKE = 1.1

Points = tuple[tuple[float, float | None], ...]


def charts(result: Result, targets: Iterable[Target] = ()) -> tuple[Chart, ...]:
    """Response times of each step, then throughput, errors and requests in flight."""
    promised = tuple(targets)
    found = [_response(result, step, promised) for step in result.steps[:_MOST_CHARTS]]
    if len(result.steps) > 1:
        timeline, _ = together(result.steps)
        title = say("Response time of all steps")
        found.insert(0, _quantiles(result, timeline, title, limit=_limit(promised, (None,))))
    if any(len(step.timeline) > 1 for step in result.steps):
        found += [_throughput(result), _failed(result), _in_flight(result)]
    if result.watched is not None:
        found += watched_charts(result.watched)
    return tuple(chart for chart in found if chart is not None)


def quantile_line(result: Result, step: StepResult, q: float, *, name: Text) -> Line | None:
    """One percentile of a step over time; None where the samples don't tell it twice."""
    points = _quantile(step.timeline, result.interval_s, q)
    return Line(name, points) if points else None


def _response(result: Result, step: StepResult, targets: Sequence[Target]) -> Chart | None:
    names = (step.name, None) if len(result.steps) == 1 else (step.name,)
    title = say("Response time of {step}", step=step.name)
    return _quantiles(result, step.timeline, title, limit=_limit(targets, names))


def _quantiles(
    result: Result, timeline: Sequence[Histogram], title: Text, *, limit: float | None
) -> Chart | None:
    lines = tuple(
        Line(f"p{q * 100:g}", points)
        for q in _QUANTILES
        if (points := _quantile(timeline, result.interval_s, q))
    )
    if not lines:
        return None
    return Chart(
        title=title,
        format="duration",
        lines=lines,
        limit=limit,
        marks=_marks(result),
        logarithmic=True,
    )


def _limit(targets: Sequence[Target], subjects: Sequence[str | None]) -> float | None:
    """The limit of the first target about the response time of one of *subjects*."""
    limits = (
        target.at_most
        for target in targets
        if target.kpi.name.startswith("latency_") and target.subject in subjects
    )
    return next((limit for limit in limits if limit is not None), None)


def _throughput(result: Result) -> Chart:
    counts = [
        sum(step.timeline[at].count if at < len(step.timeline) else 0 for step in result.steps)
        for at in range(_length(result))
    ]
    lines = [Line(say("succeeded"), _rates(counts, result.interval_s))]
    asked = _asked(result)
    if asked:
        lines.append(Line(say("asked for"), asked))
    return Chart(
        title=say("Requests by the second in which they were due"),
        format="rate",
        lines=tuple(lines),
        marks=_marks(result),
    )


def _failed(result: Result) -> Chart | None:
    if not any(any(step.failures) for step in result.steps):
        return None
    lines = [
        Line(step.name, _rates(step.failures, result.interval_s))
        for step in result.steps[:_MOST_CHARTS]
        if any(step.failures)
    ]
    return Chart(
        title=say("Failures by the second in which they were due"),
        format="rate",
        lines=tuple(lines),
        marks=_marks(result),
    )


def _in_flight(result: Result) -> Chart | None:
    timeline = result.in_flight.timeline
    if len(timeline) < 2:
        return None
    width = ceil(len(timeline) / _MOST_POINTS)
    points = tuple(
        (_middle(at, width, result.interval_s), _mean(timeline[at : at + width]))
        for at in range(0, len(timeline), width)
    )
    return Chart(
        title=say("Requests in flight"),
        format="number",
        lines=(Line(say("mean of each second"), points),),
        marks=_marks(result),
    )


def _quantile(timeline: Sequence[Histogram], interval_s: float, q: float) -> Points:
    """
    Points of as many intervals each as it takes on average to tell the quantile; none if that
    leaves fewer than two of them.
    """
    count = sum(one.count for one in timeline)
    if not count:
        return ()
    needed = samples_needed(q)
    width = max(ceil(len(timeline) / _MOST_POINTS), ceil(needed * len(timeline) / count - 1e-9))
    if len(timeline) < 2 * width:
        return ()
    points = []
    for at in range(0, len(timeline) - width + 1, width):
        merged = Histogram.merged(timeline[at : at + width])
        points.append((_middle(at, width, interval_s), merged.known_quantile(q)))
    return tuple(points)


def _rates(counts: Sequence[int], interval_s: float) -> Points:
    width = ceil(len(counts) / _MOST_POINTS) or 1
    return tuple(
        (_middle(at, len(some), interval_s), sum(some) / (len(some) * interval_s))
        for at in range(0, len(counts), width)
        for some in (counts[at : at + width],)
    )


def _asked(result: Result) -> Points:
    """
    The rate of requests that the load asks for. Users have none, the service sets their pace; and
    where scenarios send several requests an arrival, it is not known beforehand.
    """
    points = _until(_arrivals(result), min(result.planned_s, result.duration_s))
    expected = sum(
        (after_s - at_s) * (rate + next_rate) / 2
        for (at_s, rate), (after_s, next_rate) in pairwise(points)
    )
    return points if result.offered <= _ALIKE * expected else ()


def _arrivals(result: Result) -> tuple[tuple[float, float], ...]:
    load, end_s = result.load, result.planned_s
    if isinstance(load, ConstantRate | Poisson):
        return ((0.0, load.per_s), (end_s, load.per_s))
    if isinstance(load, Stages):
        ends_s = accumulate(stage.duration_s for stage in load.stages)
        rates = [(at_s, stage.per_s) for at_s, stage in zip(ends_s, load.stages, strict=True)]
        return ((0.0, load.start_per_s), *rates)
    return ()


def _until(
    points: tuple[tuple[float, float], ...], end_s: float
) -> tuple[tuple[float, float], ...]:
    """The points of a line up to *end_s*, where a run was stopped."""
    for (at_s, rate), (after_s, next_rate) in pairwise(points):
        if at_s < end_s < after_s:
            last = rate + (next_rate - rate) * (end_s - at_s) / (after_s - at_s)
            return (*(point for point in points if point[0] <= at_s), (end_s, last))
    return points


def _marks(result: Result) -> tuple[tuple[float, Text], ...]:
    """Where a stage of the load begins."""
    return tuple(_stages(result))


def _stages(result: Result) -> Iterator[tuple[float, Text]]:
    if not isinstance(result.load, Stages):
        return
    begun_s, rate = 0.0, result.load.start_per_s
    for stage in result.load.stages:
        if begun_s and stage.duration_s and stage.per_s == rate:
            yield begun_s, say("at {rate:rate}", rate=rate)
        elif begun_s and stage.duration_s:
            yield begun_s, say("to {rate:rate}", rate=stage.per_s)
        begun_s += stage.duration_s
        rate = stage.per_s


def _length(result: Result) -> int:
    return max(len(step.timeline) for step in result.steps)


def _mean(values: Sequence[float | None]) -> float | None:
    seen = [one for one in values if one is not None]
    return sum(seen) / len(seen) if seen else None


def _middle(first: int, count: int, interval_s: float) -> float:
    """The middle of *count* intervals from number *first* on."""
    return (first + count / 2) * interval_s
