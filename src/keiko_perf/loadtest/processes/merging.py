"""
Merging: what several processes measured, as one.

Everything that is counted is merged exactly: histograms, timelines, errors. Two figures cannot be:
the most requests in flight at once is at most the sum of the processes' own, and that is what is
said; of the CPU the busiest process counts, since it is the first to be the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from keiko_perf.loadtest.plan import MOST_STEPS
from keiko_perf.loadtest.progress import Progress, StepProgress
from keiko_perf.loadtest.result import ErrorGroup, InFlight, Result, StepResult
from keiko_perf.model import OTHER, Histogram, Kind, Series

MOST_GROUPS = 100
_SUMMED = ("offered", "dropped", "unfinished", "waited", "connections", "opened")


def merged_results(results: Sequence[Result], *, lost: int = 0) -> Result:
    """
    One result of the shares of one run.

    Args:
        results: at least one, of the same plan.
        lost: how many processes ended without a result.
    """
    first = results[0]
    duration_s = max(one.duration_s for one in results)
    return replace(
        first,
        started_at=min(one.started_at for one in results),
        duration_s=duration_s,
        steps=_steps([one.steps for one in results], duration_s),
        errors=_errors(group for one in results for group in one.errors),
        unfinished_s=max(one.unfinished_s for one in results),
        lag=Histogram.merged(one.lag for one in results),
        late=Histogram.merged(one.late for one in results),
        cpu_ratio=_busiest(one.cpu_ratio for one in results),
        in_flight=_in_flight([one.in_flight for one in results]),
        interrupted=any(one.interrupted for one in results),
        environment={**first.environment, "processes": str(len(results) + lost)},
        generators=tuple(watched for one in results for watched in one.generators),
        lost=lost,
        **{name: sum(getattr(one, name) for one in results) for name in _SUMMED},
    )


def merged_progress(parts: Sequence[Progress]) -> Progress:
    """How all processes are going; at least one."""
    first = parts[0]
    return Progress(
        elapsed_s=max(one.elapsed_s for one in parts),
        total_s=first.total_s,
        is_warming_up=first.is_warming_up,
        offered=sum(one.offered for one in parts),
        succeeded=sum(one.succeeded for one in parts),
        failed=sum(one.failed for one in parts),
        dropped=sum(one.dropped for one in parts),
        in_flight=sum(one.in_flight for one in parts),
        rate_per_s=sum(one.rate_per_s for one in parts),
        recent=_one([one.recent for one in parts]),
        offered_per_s=sum(one.offered_per_s for one in parts),
        steps=_step_progress([one.steps for one in parts]),
        connections=sum(one.connections for one in parts),
        late=Histogram.merged(one.late for one in parts),
        cpu_ratio=_busiest(one.cpu_ratio for one in parts),
        errors=_errors(group for one in parts for group in one.errors),
        is_draining=all(one.is_draining for one in parts),
    )


def _steps(parts: Sequence[tuple[StepResult, ...]], duration_s: float) -> tuple[StepResult, ...]:
    """Steps by name, in the order in which they are first met; what is over the bound is one."""
    together: dict[str, list[StepResult]] = {}
    for steps in parts:
        for step in steps:
            name = step.name
            if name not in together and len(together) >= MOST_STEPS:
                name = OTHER
            together.setdefault(name, []).append(step)
    return tuple(_step(name, steps, duration_s) for name, steps in together.items())


def _step(name: str, steps: Sequence[StepResult], duration_s: float) -> StepResult:
    phases = dict.fromkeys(phase for step in steps for phase in step.phases)
    return StepResult(
        name=name,
        response=_one([step.response for step in steps], name, duration_s),
        service=_one([step.service for step in steps], name, duration_s),
        lag=_one([step.lag for step in steps], name, duration_s),
        timeline=tuple(
            Histogram.merged(one for one in intervals if one is not None)
            for intervals in zip_longest(*(step.timeline for step in steps))
        ),
        failures=tuple(
            map(sum, zip_longest(*(step.failures for step in steps), fillvalue=0)),
        ),
        phases={
            phase: Histogram.merged(step.phases[phase] for step in steps if phase in step.phases)
            for phase in phases
        },
        received_bytes=_sum(step.received_bytes for step in steps),
        redirects=_sum(step.redirects for step in steps),
    )


def _step_progress(parts: Sequence[tuple[StepProgress, ...]]) -> tuple[StepProgress, ...]:
    together: dict[str, list[StepProgress]] = {}
    for steps in parts:
        for step in steps:
            together.setdefault(step.name, []).append(step)
    return tuple(
        StepProgress(
            recent=_one([step.recent for step in steps]), whole=_one([step.whole for step in steps])
        )
        for steps in together.values()
    )


def _one(
    series: Sequence[Series], name: str | None = None, window_s: float | None = None
) -> Series:
    return Series.merged(
        series,
        kind=Kind.STEP,
        name=series[0].name if name is None else name,
        window_s=max(one.window_s for one in series) if window_s is None else window_s,
    )


def _errors(groups: Iterable[ErrorGroup]) -> tuple[ErrorGroup, ...]:
    together: dict[tuple[str, str, str], ErrorGroup] = {}
    for group in groups:
        key = (group.failure, group.step, group.detail)
        if key not in together and len(together) >= MOST_GROUPS:
            group = replace(group, step=OTHER, detail=OTHER)
            key = (group.failure, OTHER, OTHER)
        before = together.get(key)
        together[key] = group if before is None else _with(before, group)
    return tuple(
        sorted(together.values(), key=lambda one: (-one.count, one.failure, one.step, one.detail))
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _busiest(ratios: Iterable[float | None]) -> float | None:
    return max((one for one in ratios if one is not None), default=None)


def _with(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    first = min(one, other, key=lambda group: group.first_s)
    return replace(
        first,
        count=one.count + other.count,
        last_s=max(one.last_s, other.last_s),
    )


def _in_flight(parts: Sequence[InFlight]) -> InFlight:
    return InFlight(
        samples=min(one.samples for one in parts),
        mean=sum(one.mean for one in parts),
        peak=sum(one.peak for one in parts),
        timeline=tuple(
            None if None in interval else sum(one for one in interval if one is not None)
            for interval in zip_longest(*(one.timeline for one in parts), fillvalue=0.0)
        ),
    )
