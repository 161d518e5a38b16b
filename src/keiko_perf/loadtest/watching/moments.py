"""
Moments: what a service and its database did in each interval of a run, for promises to be held to.

A service counts up, so an interval is the difference of two readings; one that lies between two
readings belongs to the first of its two. An interval that nobody read is absent. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from keiko_perf.loadtest.verdicts import inside
from keiko_perf.loadtest.watching.exposition import made
from keiko_perf.loadtest.watching.telemetry import (
    IO,
    LOCK,
    MEMORY,
    RUNNING,
    Reading,
    window_of_readings,
)
from keiko_perf.model import Gauge, Histogram, Kind, Resource, Series, Snapshot, Window

Moment = Snapshot | None
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # a judge asks how long, and not when
_SAMPLED = {inside.DB_RUNNING: RUNNING, inside.DB_LOCKS: LOCK, inside.DB_IO: IO}


def moments(
    service: Sequence[Reading],
    database: Sequence[Reading],
    *,
    begun_s: float,
    intervals: int,
    interval_s: float,
) -> tuple[Moment, ...]:
    """
    One for each interval from *begun_s* on, on the clock of the readings.

    Args:
        service: of the service, in their order; may be none.
        database: of its database, likewise.
        begun_s: when measuring began.
        intervals: how many there are.
        interval_s: how long each is.
    """
    edges = [begun_s + number * interval_s for number in range(intervals + 1)]
    at_edges = _latest(service, edges)
    cuts = [bisect_left(database, edge, key=lambda one: one.at_s) for edge in edges]
    found: list[Moment] = []
    for number in range(intervals):
        within = database[cuts[number] : cuts[number + 1]]
        moment = between(
            at_edges[number], at_edges[number + 1], within, window_s=interval_s, at=number
        )
        found.append(moment)
    return tuple(found)


def lately(service: Sequence[Reading], database: Sequence[Reading], *, since_s: float) -> Moment:
    """What was done from *since_s* on, up to the last reading."""
    recent = [one for one in service if one.at_s >= since_s]
    sampled = [one for one in database if one.at_s >= since_s]
    ends = [some[-1].at_s - some[0].at_s for some in (recent, sampled) if len(some) > 1]
    if not ends:
        return None
    first, last = (recent[0], recent[-1]) if len(recent) > 1 else (None, None)
    return between(first, last, sampled, window_s=max(ends))


def between(
    first: Reading | None,
    last: Reading | None,
    sampled: Sequence[Reading],
    *,
    window_s: float,
    at: int = 0,
) -> Moment:
    """What the service did between two readings, and the database when it was sampled."""
    series: tuple[Series, ...] = ()
    gauges: dict[str, Gauge] = {}
    if first is not None and last is not None and first is not last:
        window = window_of_readings(first, last)
        series = tuple(_series(first, last, window_s))
        if window is not None:
            gauges |= _levels(window, last, last.statements_since(first))
    for name, counted in _SAMPLED.items():
        if sampled:
            gauges[name] = Gauge.of(*(one.values.get(counted, 0.0) for one in sampled))
    if not series and not gauges:
        return None
    return Snapshot(
        started_at=_EPOCH + timedelta(seconds=at * window_s),
        window_s=window_s,
        series=series,
        gauges=gauges,
    )


def to_dict(moment: Moment) -> dict[str, Any] | None:
    """In JSON's types."""
    if moment is None:
        return None
    return {
        "series": {one.kind.value: one.succeeded.to_dict() for one in moment.series},
        "gauges": {name: [one.total, one.samples, one.peak] for name, one in moment.gauges.items()},
    }


def from_dict(document: Mapping[str, Any] | None, *, window_s: float, at: int) -> Moment:
    """
    Undo `to_dict` of the interval of number *at*.

    Raises:
        KeyError, TypeError, ValueError: it is no such document.
    """
    if document is None:
        return None
    return Snapshot(
        started_at=_EPOCH + timedelta(seconds=at * window_s),
        window_s=window_s,
        series=tuple(
            Series(
                kind=Kind(kind), name="", window_s=window_s, succeeded=Histogram.from_dict(counted)
            )
            for kind, counted in document["series"].items()
        ),
        gauges={
            str(name): Gauge(float(total), int(samples), float(peak))
            for name, (total, samples, peak) in document["gauges"].items()
        },
    )


def _latest(readings: Sequence[Reading], edges: Sequence[float]) -> list[Reading | None]:
    """The last reading at or before each edge; before there is one, the first."""
    found: list[Reading | None] = []
    at = 0
    for edge in edges:
        while at < len(readings) and readings[at].at_s <= edge:
            at += 1
        found.append(readings[max(at - 1, 0)] if readings else None)
    return found


def _series(first: Reading, last: Reading, window_s: float) -> list[Series]:
    found = []
    for kind, whole in last.histograms.items():
        more = since(first.histograms.get(kind), whole)
        if more is not None:
            found.append(Series(kind=kind, name="", window_s=window_s, succeeded=more))
    return found


def since(before: Histogram | None, whole: Histogram) -> Histogram | None:
    """What *whole* counts beyond *before*; None if the service began to count anew."""
    if before is None or not before:
        return whole
    earlier, later = before.to_dict(), whole.to_dict()
    counts = dict(enumerate(later["counts"], later["offset"]))
    for index, count in enumerate(earlier["counts"], earlier["offset"]):
        counts[index] = counts.get(index, 0) - count
    try:
        return made(
            {index: count for index, count in counts.items() if count},
            below=later["below"] - earlier["below"],
            sum_s=whole.sum_s - before.sum_s,
        )
    except ValueError:
        return None


def _levels(window: Window, last: Reading, statements: float | None) -> dict[str, Gauge]:
    uses = {one.resource: one for one in window.uses}
    pool, cpu = uses.get(Resource.POOL), uses.get(Resource.CPU)
    threads = uses.get(Resource.THREADS)
    waits_s = None if pool is None else pool.wait_s
    queued_s = None if threads is None else threads.wait_s
    told = {
        inside.POOL_USE: None if pool is None else pool.ratio,
        # So many are at it at a time, by Little's law.
        inside.POOL_WAITING: None if waits_s is None else waits_s * window.rate_per_s,
        inside.THREADS_USE: None if threads is None else threads.ratio,
        inside.THREADS_WAITING: None if queued_s is None else queued_s * window.rate_per_s,
        inside.IN_FLIGHT: None
        if window.response_s is None
        else window.response_s * window.rate_per_s,
        inside.CPU: None if cpu is None else cpu.ratio,
        inside.MEMORY: last.values.get(MEMORY),
        inside.PER_REQUEST: statements,
    }
    return {name: Gauge.of(value) for name, value in told.items() if value is not None}
