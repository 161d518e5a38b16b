"""
KPI: one figure read off a snapshot, of the whole service or of one subject of it.

A reading that cannot be had says why. It is never 0 for "nothing was seen".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import comb

from keiko_perf.model.message import Message, say
from keiko_perf.model.samples import samples_needed
from keiko_perf.model.series import Kind, Series
from keiko_perf.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a KPI is in one snapshot, and how much that rests on.

    Attributes:
        value: the figure in the KPI's own unit; None if there is none.
        samples: how many observations it rests on.
        needed: how many it takes to be told with confidence.
        why: where there is no value, why.
        asked: of a throughput, how much was asked for, in the same unit.
    """

    value: float | None
    samples: int = 0
    needed: int = 1
    why: Message | None = None
    asked: float | None = None

    @property
    def is_sure(self) -> bool:
        return self.value is not None and self.samples >= self.needed


@dataclass(frozen=True, slots=True)
class Kpi:
    """
    A figure, and how it is read.

    Attributes:
        name: with its unit, such as `latency_p95_s`.
        label: what a person calls it, such as "response time p95".
        format: the format of `render.units` that shows it.
        read: reads it off a snapshot; the second argument names one route, task or step, or is
            None for all.
        surely_above: whether the few samples there are already exclude a value up to the limit.
    """

    name: str
    label: Message
    format: str
    read: Callable[[Snapshot, str | None], Reading]
    surely_above: Callable[[Snapshot, str | None, float], bool] | None = None


@cache
def latency_quantile(q: float) -> Kpi:
    """Quantile *q* of the time that successful requests took, in seconds."""
    percent = f"{q * 100:g}"
    return time_quantile(
        q,
        name=f"latency_p{percent.replace('.', '_')}_s",
        label=say("response time p{percent}", percent=percent),
        of=_requests,
        why=say("no successful request was seen"),
    )


def time_quantile(
    q: float,
    *,
    name: str,
    label: Message,
    of: Callable[[Snapshot, str | None], Series],
    why: Message,
) -> Kpi:
    """
    Quantile *q* of the durations that a series has, in seconds.

    With too few samples for the quantile a limit can still be known to be missed: of n durations
    that each meet it with probability q, at least k exceed it with P(X ≥ k), X ~ Bin(n, 1 - q).
    Where that is under 5 %, they don't meet it.

    Args:
        name, label: as of the `Kpi`.
        of: the series, in a snapshot, of one subject or of all.
        why: what it means that nothing was seen.
    """

    def read(snapshot: Snapshot, subject: str | None) -> Reading:
        seen = of(snapshot, subject).succeeded
        samples = seen.count
        if not samples:
            return Reading(None, why=why)
        return Reading(seen.quantile(q), samples, samples_needed(q))

    def surely_above(snapshot: Snapshot, subject: str | None, limit_s: float) -> bool:
        seen = of(snapshot, subject).succeeded
        return _chance_of_at_least(seen.count_above(limit_s), seen.count, 1 - q) < 0.05

    return Kpi(name, label, "duration", read, surely_above)


def _chance_of_at_least(k: int, n: int, p: float) -> float:
    """P(X ≥ k) for X ~ Bin(n, p); only asked for the few samples that don't tell a quantile."""
    return 1.0 - sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(min(k, n + 1)))


def _requests(snapshot: Snapshot, subject: str | None) -> Series:
    """The requests of one route or step, or of all. A service has routes, a load test steps."""
    kind = Kind.STEP if snapshot.of(Kind.STEP) else Kind.ROUTE
    if subject is None:
        return snapshot.whole(kind)
    found = snapshot.find(kind, subject)
    return found or Series(kind=kind, name=subject, window_s=snapshot.window_s)


def _tasks(snapshot: Snapshot, subject: str | None) -> Series:
    if subject is None:
        return snapshot.whole(Kind.TASK)
    found = snapshot.find(Kind.TASK, subject)
    return found or Series(kind=Kind.TASK, name=subject, window_s=snapshot.window_s)


def _read_error_ratio(snapshot: Snapshot, subject: str | None) -> Reading:
    series = _requests(snapshot, subject)
    if not series.count:
        return Reading(None, why=say("no request was seen"))
    return Reading(series.error_ratio, series.count)


def _read_refused_ratio(snapshot: Snapshot, subject: str | None) -> Reading:
    series = _requests(snapshot, subject)
    if not series.count:
        return Reading(None, why=say("no request was seen"))
    return Reading(series.refused_ratio, series.count)


def _read_throughput(snapshot: Snapshot, subject: str | None) -> Reading:
    series = _requests(snapshot, subject)
    if not snapshot.window_s or not (series.count or snapshot.counters.get("arrived")):
        return Reading(None, why=say("no request was seen"))
    arrived = snapshot.counters.get("arrived") if subject is None else None
    asked = None if arrived is None else arrived / snapshot.window_s
    return Reading(series.rate_per_s, series.count, needed=0, asked=asked)


def _read_tasks_per_minute(snapshot: Snapshot, subject: str | None) -> Reading:
    series = _tasks(snapshot, subject)
    queued = snapshot.counters.get("tasks_queued") if subject is None else None
    if not snapshot.window_s or not (series.count or queued):
        return Reading(None, why=say("no background task was seen"))
    asked = None if queued is None else queued / snapshot.window_s * 60
    return Reading(series.rate_per_s * 60, series.count, needed=0, asked=asked)


def _read_task_failures(snapshot: Snapshot, subject: str | None) -> Reading:
    series = _tasks(snapshot, subject)
    if not series.count:
        return Reading(None, why=say("no background task was seen"))
    return Reading(series.error_ratio, series.count)


def gauge_mean(name: str, label: Message, why: Message, *, format: str = "ratio") -> Kpi:
    """The mean of what was sampled over the window; *why* says what its absence means."""

    def read(snapshot: Snapshot, _subject: str | None) -> Reading:
        gauge = snapshot.gauges.get(name)
        return Reading(gauge.mean, gauge.samples) if gauge else Reading(None, why=why)

    return Kpi(name, label, format, read)


LATENCY_P50 = latency_quantile(0.5)
LATENCY_P95 = latency_quantile(0.95)
LATENCY_P99 = latency_quantile(0.99)
ERROR_RATIO = Kpi("error_ratio", say("error rate"), "ratio", _read_error_ratio)
REFUSED_RATIO = Kpi("refused_ratio", say("share of refused requests"), "ratio", _read_refused_ratio)
"""Answers of 4xx. No target by default: how many are normal only the service knows."""
THROUGHPUT = Kpi("throughput_per_s", say("throughput"), "rate", _read_throughput)
TASKS_PER_MINUTE = Kpi(
    "tasks_per_minute", say("tasks per minute"), "per_minute", _read_tasks_per_minute
)
TASK_FAILURE_RATIO = Kpi(
    "task_failure_ratio", say("task failure rate"), "ratio", _read_task_failures
)
CPU_RATIO = gauge_mean("cpu_ratio", say("CPU"), say("the CPU was not sampled"))
MEMORY_RATIO = gauge_mean("memory_ratio", say("memory"), say("the memory was not sampled"))
POOL_RATIO = gauge_mean(
    "pool_ratio", say("database connections"), say("no connection pool is watched")
)
