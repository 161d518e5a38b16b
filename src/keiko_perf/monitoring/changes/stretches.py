"""
Stretches: the stored windows as points at equal distances, each with the figures that may change.
Pure.

A figure that rests on too few samples is None there, as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from keiko_perf.model import OTHER, Kind, Message, Series, Snapshot, say
from keiko_perf.model.asked import asks_for_something

POINTS = 144
"""Of a day: ten minutes each."""
_LEAST_STEP_S = 60.0
_MOST_SUBJECTS = 50
_MOST_ASKED = 20
ROLLED_UP_S = 600.0
FRESH_S = 47 * 3600.0
"""Older windows are rolled up to ten minutes."""
_LEAST_ERROR_RATIO = 0.001
"""What is rarer is no level: it is one error now and then."""
_LEAST_CPU_RATIO = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """
    A figure whose level is watched; each is there once, and only equal to itself.

    Attributes:
        name: of it.
        label: what a person calls it.
        format: the format of `render.units` that shows it.
        kind: the series that it is read off; None for a gauge of the process.
        least_effect: the least relative change that matters.
        is_worse_if_more: whether more is worse; None if it is neither, such as of the demand.
    """

    name: str
    label: Message
    format: str
    kind: Kind | None
    least_effect: float
    is_worse_if_more: bool | None = True


P95 = Figure("latency_p95_s", say("response time p95"), "duration", Kind.ROUTE, 0.1)
P50 = Figure("latency_p50_s", say("response time p50"), "duration", Kind.ROUTE, 0.1)
ERRORS = Figure("error_ratio", say("error rate"), "ratio", Kind.ROUTE, 0.5)
DEMAND = Figure("throughput_per_s", say("throughput"), "rate", Kind.ROUTE, 0.3, None)
STATEMENT = Figure(
    "statement_p50_s", say("time of a statement p50"), "duration", Kind.STATEMENT, 0.2
)
STATEMENT_P95 = Figure(
    "statement_p95_s", say("time of a statement p95"), "duration", Kind.STATEMENT, 0.3
)
CALLS = Figure("calls_per_request", say("times a request sends it"), "number", None, 0.5)
TASK = Figure("task_p50_s", say("time of a task p50"), "duration", Kind.TASK, 0.2)
CPU = Figure("cpu_ratio", say("CPU"), "ratio", None, 0.25)

Key = tuple[Figure, str | None]
"""A figure and its route, task or statement; None for the whole service."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """
    Attributes:
        started_at: aware UTC.
        values: the figures that were measured; None where on too little.
        time_s: how much time each subject took in all, to tell which matter.
        asked_s: how much each statement of a route took, under its subject.
    """

    started_at: datetime
    values: Mapping[Key, float | None]
    time_s: Mapping[tuple[Kind, str], float]
    asked_s: Mapping[str, float] = field(default_factory=dict)


def step_of(span_s: float) -> float:
    """How long a stretch is, in whole minutes, if *span_s* are looked at."""
    step_s = max(_LEAST_STEP_S, ceil(span_s / POINTS / 60) * 60.0)
    return max(step_s, ROLLED_UP_S) if span_s > FRESH_S else step_s


def starts_of(end_at: datetime, span_s: float, step_s: float) -> list[datetime]:
    """Where the whole stretches up to *end_at* begin, aligned so that they stay the same."""
    end_s = end_at.timestamp() // step_s * step_s
    count = max(1, round(span_s / step_s))
    first = datetime.fromtimestamp(end_s - count * step_s, end_at.tzinfo)
    return [first + timedelta(seconds=number * step_s) for number in range(count)]


def step_between(stretches: Sequence[Stretch]) -> float:
    """How far *stretches* stand apart."""
    if len(stretches) < 2:
        return _LEAST_STEP_S
    return (stretches[1].started_at - stretches[0].started_at).total_seconds()


def measured_span_s(stretches: Sequence[Stretch], end_at: datetime, span_s: float) -> float | None:
    """How far what was measured reaches back, if that is under half of *span_s*; else None."""
    first = next((one.started_at for one in stretches if one.values), None)
    if first is None or step_of(span_s) <= _LEAST_STEP_S:
        return None
    reached_s = (end_at - first).total_seconds()
    return reached_s if reached_s < span_s / 2 else None


def stretch_of(started_at: datetime, windows: Iterable[Snapshot]) -> Stretch:
    """The figures of the *windows* of a stretch."""
    merged = Snapshot.merged(windows)
    if merged is None:
        return Stretch(started_at, {}, {})
    series = list(_heaviest(merged))
    time_s = {(one.kind, one.name): one.sum_s for one in series if one.name != OTHER}
    values: dict[Key, float | None] = dict(_whole(merged))
    for one in series:
        for figure, read in _READERS:
            if figure.kind is one.kind:
                values[figure, one.name] = read(one)
    asked = _asked(merged)
    values |= {(CALLS, subject): times for subject, (times, _) in asked.items()}
    return Stretch(started_at, values, time_s, {one: spent for one, (_, spent) in asked.items()})


def _asked(snapshot: Snapshot) -> dict[str, tuple[float, float]]:
    """How often a request of its route sent each statement on average, and its time in all."""
    requests = {one.name: one.count for one in snapshot.of(Kind.ROUTE)}
    told = [
        one
        for one in sorted(snapshot.asked, key=lambda one: -one.total_s)
        if one.statement != OTHER and requests.get(one.route) and asks_for_something(one.statement)
    ]
    return {
        f"{one.route}: {one.statement}": (one.count / requests[one.route], one.total_s)
        for one in told[:_MOST_ASKED]
    }


def _heaviest(snapshot: Snapshot) -> Iterator[Series]:
    for kind in (Kind.ROUTE, Kind.STATEMENT, Kind.TASK):
        ordered = sorted(snapshot.of(kind), key=lambda one: -one.sum_s)
        yield from ordered[:_MOST_SUBJECTS]


def _whole(snapshot: Snapshot) -> Iterator[tuple[Key, float | None]]:
    routes = snapshot.whole(Kind.ROUTE)
    if routes.count:
        for figure, read in _READERS:
            if figure.kind is Kind.ROUTE:
                yield (figure, None), read(routes)
        yield (DEMAND, None), routes.rate_per_s
    if cpu := snapshot.gauges.get("cpu_ratio"):
        yield (CPU, None), max(_LEAST_CPU_RATIO, cpu.mean)


def _error_ratio(series: Series) -> float | None:
    ratio = series.error_ratio
    return None if ratio is None else max(_LEAST_ERROR_RATIO, ratio)


_READERS: tuple[tuple[Figure, Callable[[Series], float | None]], ...] = (
    (P95, lambda one: one.succeeded.known_quantile(0.95)),
    (P50, lambda one: one.succeeded.known_quantile(0.5)),
    (ERRORS, _error_ratio),
    (STATEMENT, lambda one: one.succeeded.known_quantile(0.5)),
    (STATEMENT_P95, lambda one: one.succeeded.known_quantile(0.95)),
    (TASK, lambda one: one.succeeded.known_quantile(0.5)),
)
