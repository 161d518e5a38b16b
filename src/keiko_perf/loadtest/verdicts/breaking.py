"""
Breaking: when in a run a target was first missed, under which load, and for how much of the run.

A target is judged over the whole run; here it is judged over each stretch of ten intervals, so
that a reader knows where to look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from keiko_perf.loadtest.result import Result, StepResult
from keiko_perf.loadtest.verdicts.inside import is_inside
from keiko_perf.model import Histogram, Kind, Outcome, Series, Snapshot, Target, Verdict, say

_STRETCH = 10


@dataclass(frozen=True, slots=True)
class Break:
    """
    Attributes:
        at_s: when a target was first missed, from the start of measuring.
        per_s: how many requests were due a second at that time.
        share: of the stretches that could be judged, how many missed it.
    """

    at_s: float
    per_s: float
    share: float


def judge(result: Result, target: Target) -> Verdict:
    """The verdict over the whole run; the reason of a missed one says where it broke."""
    verdict = target.judge(_whole(result, target))
    if verdict.outcome is not Outcome.MISSED:
        return verdict
    found = broke(result, target)
    if found is None:
        return verdict
    return replace(
        verdict,
        reason=say(
            "broke {at:duration} into the run, at {rate:rate}; missed in {share:ratio} of it",
            at=found.at_s,
            rate=found.per_s,
            share=found.share,
        ),
    )


def broke(result: Result, target: Target) -> Break | None:
    """Where the run first missed *target*; None if no stretch of it shows that."""
    if target.at_most is None:
        return None
    first: tuple[float, float] | None = None
    judged = missed = 0
    for at, window in stretches_of(result, target, _STRETCH):
        if at < result.first_settled:
            continue
        outcome = target.judge(window).outcome
        judged += outcome is not Outcome.UNKNOWN
        if outcome is Outcome.MISSED:
            missed += 1
            first = first or (at * result.interval_s, _due_per_s(result, target, at))
    return None if first is None else Break(*first, missed / judged)


def _due_per_s(result: Result, target: Target, at: int) -> float:
    """How many requests were due a second in the stretch that ends with the interval *at*."""
    some = [one for one in result.steps if target.subject in (None, one.name)]
    timeline, failures = together(some)
    begun = max(0, at + 1 - _STRETCH)
    count = sum(one.count for one in timeline[begun : at + 1]) + sum(failures[begun : at + 1])
    return count / ((at + 1 - begun) * result.interval_s)


def together(steps: Sequence[StepResult]) -> tuple[list[Histogram], list[int]]:
    """The timelines of several steps as one."""
    length = max((len(one.timeline) for one in steps), default=0)
    return (
        [
            Histogram.merged(one.timeline[at] for one in steps if at < len(one.timeline))
            for at in range(length)
        ],
        [sum(one.failures[at] for one in steps if at < len(one.failures)) for at in range(length)],
    )


def stretches_of(result: Result, target: Target, width: int) -> Iterator[tuple[int, Snapshot]]:
    """As `stretches`, of what a target is about: the requests, or the service itself."""
    if not is_inside(target.kpi):
        yield from stretches(result, target.subject, width)
        return
    moments = () if result.watched is None else result.watched.moments
    for at in range(len(moments)):
        some = moments[max(0, at + 1 - width) : at + 1]
        merged = Snapshot.merged(one for one in some if one is not None)
        if merged is not None:
            yield at, merged


def stretches(result: Result, subject: str | None, width: int) -> Iterator[tuple[int, Snapshot]]:
    """
    The number of each interval, and what was due in the stretch of *width* intervals that ends with
    it; the first ones are shorter.
    """
    steps = [one for one in result.steps if subject is None or one.name == subject]
    timeline, failures = together(steps)
    for at in range(len(timeline)):
        start = max(0, at + 1 - width)
        window_s = (at + 1 - start) * result.interval_s
        series = Series(
            kind=Kind.STEP,
            name=subject or "",
            window_s=window_s,
            succeeded=Histogram.merged(timeline[start : at + 1]),
            failed=_counted(sum(failures[start : at + 1])),
        )
        yield at, Snapshot(started_at=result.started_at, window_s=window_s, series=(series,))


def _whole(result: Result, target: Target) -> Snapshot | None:
    """All that a target is held to over a whole run."""
    if not is_inside(target.kpi):
        return _settled(result) if result.first_settled else result.snapshot()
    moments = () if result.watched is None else result.watched.moments
    settled = Snapshot.merged(one for one in moments[result.first_settled :] if one is not None)
    # That nothing was read is for the figure itself to say.
    return settled or Snapshot(started_at=result.started_at, window_s=0.0)


def _settled(result: Result) -> Snapshot:
    """What was due once response times had settled."""
    first = result.first_settled
    window_s = max(0.0, result.duration_s - first * result.interval_s)
    series = []
    for step in result.steps:
        series.append(
            Series(
                kind=Kind.STEP,
                name=step.name,
                window_s=window_s,
                succeeded=Histogram.merged(step.timeline[first:]),
                failed=_counted(sum(step.failures[first:])),
            )
        )
    return Snapshot(
        started_at=result.started_at,
        window_s=window_s,
        series=tuple(series),
        counters={"arrived": sum(one.count for one in series)},
    )


def _counted(failures: int) -> Histogram:
    """So many failures; how long they took is not asked here."""
    if not failures:
        return Histogram()
    return Histogram.from_dict(Histogram([0.0]).to_dict() | {"below": failures})
