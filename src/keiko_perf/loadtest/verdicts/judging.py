"""
Judging: whether a run keeps its promises, afterwards and while it goes on.

Afterwards a stretch is what was due in it. While a run goes on it is what ended in it: a request
that is still under way cannot be judged yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil

from keiko_perf.loadtest.progress import Progress
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.verdicts.breaking import judge, stretches_of
from keiko_perf.loadtest.verdicts.inside import is_inside
from keiko_perf.loadtest.verdicts.promise import Promise, Stopped
from keiko_perf.model import Histogram, Message, Outcome, Series, Snapshot, Verdict, say
from keiko_perf.model.histogram import HIGHEST_S

LEAST_S = 5.0
"""A promise without a window does not stop a run that has been measured for less than this."""


def verdicts_on(result: Result) -> tuple[Verdict, ...]:
    """A verdict on each promise of *result*."""
    stopped = result.stopped
    return tuple(
        kept(result, one, stopped if stopped is not None and stopped.number == number else None)
        for number, one in enumerate(result.promises)
    )


def kept(result: Result, promise: Promise, stopped: Stopped | None = None) -> Verdict:
    """Whether *result* keeps a promise; *stopped* is what ended the run, if it is this one."""
    verdict = judge(result, promise.target) if promise.window_s is None else _each(result, promise)
    if stopped is None:
        return verdict
    # Live it is judged by when answers came, afterwards by when requests were due: the run ended
    # because of it, so it was missed, whichever stretch of the timeline shows that best.
    value, samples = (
        (stopped.value, verdict.needed)
        if stopped.value is not None
        else (verdict.value, verdict.samples)
    )
    return replace(
        verdict,
        outcome=Outcome.MISSED,
        reason=say("it stopped the run after {at:duration}", at=stopped.at_s),
        value=value,
        samples=samples,
    )


def _each(result: Result, promise: Promise) -> Verdict:
    """The verdict over each stretch; the worst of their figures is told."""
    target, window_s = promise.target, promise.window_s or 0.0
    width = max(1, ceil(window_s / result.interval_s - 1e-9))
    judged = [
        (at, target.judge(window))
        for at, window in stretches_of(result, target, width)
        if at + 1 >= width + result.first_settled
    ]
    told = [(at, one) for at, one in judged if one.outcome is not Outcome.UNKNOWN]
    missed = [(at, one) for at, one in told if one.outcome is Outcome.MISSED]
    if missed:
        at, _ = missed[0]
        return replace(
            _worst([one for _, one in missed]),
            reason=say(
                "missed in {share:ratio} of the stretches of {window:duration}, "
                "first in that which ended {at:duration} into the run",
                share=len(missed) / len(told),
                window=window_s,
                at=(at + 1) * result.interval_s,
            ),
        )
    if told:
        reason = say("within the limit in each stretch of {window:duration}", window=window_s)
        return replace(_worst([one for _, one in told]), reason=reason)
    if judged:
        return judged[-1][1]
    return Verdict(target, Outcome.UNKNOWN, _too_short(window_s))


def _too_short(window_s: float) -> Message:
    return say("the run was shorter than {window:duration}", window=window_s)


def _worst(verdicts: list[Verdict]) -> Verdict:
    if verdicts[0].target.at_most is None:
        return min(verdicts, key=lambda one: one.value or 0.0)
    return max(verdicts, key=lambda one: one.value or 0.0)


class Judge:
    """
    Judges promises while a run goes on, from one progress to the next.

    Args:
        promises: of which those that stop the run are looked at.
        warmup_s: how long the load is on before measuring begins.
        inside: what the service did in the last so many seconds; None where that is not known.
    """

    def __init__(
        self,
        promises: Iterable[Promise],
        *,
        warmup_s: float = 0.0,
        inside: Callable[[float], Snapshot | None] = lambda _last_s: None,
    ) -> None:
        self._promises = [
            (number, promise) for number, promise in enumerate(promises) if promise.stops
        ]
        longest_s = max((one.window_s or 0.0 for _, one in self._promises), default=0.0)
        self._warmup_s = warmup_s
        self._inside = inside
        self._before: deque[tuple[float, tuple[Series, ...]]] = deque(
            maxlen=ceil(longest_s) + 2  # one progress a second
        )
        self.stopped: Stopped | None = None

    def take(self, progress: Progress) -> bool:
        """The next second; whether the run is to be stopped now."""
        at_s = progress.elapsed_s - self._warmup_s
        if not self._promises or self.stopped or progress.is_draining or at_s <= 0:
            return False
        wholes = tuple(one.whole for one in progress.steps)
        for number, promise in self._promises:
            window = self._window(promise, at_s, wholes)
            verdict = promise.target.judge(window) if window is not None else None
            if verdict is not None and verdict.outcome is Outcome.MISSED:
                value = verdict.value if verdict.is_told else None
                self.stopped = Stopped(number=number, at_s=progress.elapsed_s, value=value)
                return True
        self._before.append((at_s, wholes))
        return False

    def _window(self, promise: Promise, at_s: float, wholes: tuple[Series, ...]) -> Snapshot | None:
        """What ended in the last stretch; None while that has not been measured for so long."""
        if is_inside(promise.target.kpi):
            last_s = at_s if promise.window_s is None else promise.window_s
            is_long = at_s >= (promise.window_s or LEAST_S) - 0.5
            return self._inside(last_s) if is_long else None
        if promise.window_s is None:
            return _snapshot(wholes, at_s) if at_s >= LEAST_S else None
        begun_s = at_s - promise.window_s
        if begun_s < 0.5 and begun_s >= -0.5:  # ticks come about once a second
            return _snapshot(wholes, at_s)
        known = [(when, before) for when, before in self._before if when <= begun_s + 0.5]
        if not known:
            return None
        when, before = known[-1]
        by_name = {one.name: one for one in before}
        return _snapshot(
            tuple(_since(one, by_name.get(one.name), at_s - when) for one in wholes), at_s - when
        )


def _snapshot(series: tuple[Series, ...], window_s: float) -> Snapshot:
    return Snapshot(
        started_at=datetime(1970, 1, 1, tzinfo=UTC),  # a judge asks how long, and not when
        window_s=window_s,
        series=series,
        counters={"arrived": sum(one.count for one in series)},
    )


def _since(whole: Series, before: Series | None, window_s: float) -> Series:
    """What was added to a series, by the counts of its buckets."""
    if before is None:
        return replace(whole, window_s=window_s)
    return replace(
        whole,
        window_s=window_s,
        succeeded=_added(whole.succeeded, before.succeeded),
        failed=_added(whole.failed, before.failed),
    )


def _added(whole: Histogram, before: Histogram) -> Histogram:
    """A histogram of what *whole* counts beyond *before*, each by the middle of its bucket."""
    known = {lower: count for lower, _, count in before.buckets()}
    added = Histogram()
    added.record_many([0.0] * (whole.below - before.below))
    added.record_many([2 * HIGHEST_S] * (whole.above - before.above))
    for lower, upper, count in whole.buckets():
        more = count - known.get(lower, 0)
        if more > 0:
            added.record_many([(lower * upper) ** 0.5] * more)
    return added
