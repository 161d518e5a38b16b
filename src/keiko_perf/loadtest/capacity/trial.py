"""
Trial: whether one step of a search for the capacity passed, by what was measured.

A step passes if each promise is kept, and if the number of requests under way does not grow: a
service that takes in more than it gets done looks well for as long as its queue is short, however
long the step is. What could have gone either way is unsure. What the load generator itself spoilt
is invalid, and never a pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erf, exp, lgamma, log, sqrt

from keiko_perf.loadtest.capacity.search import Passed, Trial, Tried
from keiko_perf.loadtest.progress import Progress
from keiko_perf.loadtest.result import Result, StepResult
from keiko_perf.loadtest.verdicts.breaking import judge
from keiko_perf.loadtest.verdicts.inside import is_inside, times_of
from keiko_perf.loadtest.verdicts.validity import spoilt
from keiko_perf.model import Histogram, Message, Outcome, Target, Verdict, Window, say
from keiko_perf.model.kpi import ERROR_RATIO

_SURE = 0.05
_EXCESS_SHARE = 0.01
"""Requests that are let in beyond those that get done, of all: less is within any bracket."""
_LEAST_GROWTH = 3.0  # requests, over the whole step
_SURE_SLOPE = 4.0  # standard errors
_LEAST_INTERVALS = 3
_FAR_OVER = 2.0
_FEWEST_FAILURES = 20
_EXACT_UP_TO = 25.0  # of the variance; above it the normal distribution is near enough
_WAITING_S = 5.0


def judged(
    result: Result,
    trial: Trial,
    targets: Sequence[Target],
    *,
    started_s: float = 0.0,
    window: Window | None = None,
    was_hopeless: bool = False,
) -> Tried:
    """
    How a step ended.

    Args:
        result: what was measured.
        trial: what was to be.
        targets: what it has to keep.
        started_s: when it began, from the start of the search.
        window: what the service's resources did meanwhile, if it is watched.
        was_hopeless: whether it was ended early because of `hopeless`.
    """
    verdicts = tuple(judge(result, target) for target in targets)
    growth = growth_per_s(result, trial.per_s)
    passed, reasons = _decided(result, trial, verdicts, growth=growth, was_hopeless=was_hopeless)
    response = result.response
    good = response.succeeded
    return Tried(
        trial=trial,
        passed=passed,
        reasons=reasons,
        started_s=started_s,
        duration_s=result.duration_s,
        achieved_per_s=good.count / result.duration_s if result.duration_s > 0 else 0.0,
        error_ratio=response.error_ratio,
        p50_s=good.known_quantile(0.5),
        p95_s=good.known_quantile(0.95),
        mean_s=good.mean_s,
        in_flight=result.in_flight.mean,
        growth_per_s=growth,
        verdicts=verdicts,
        window=window,
    )


def hopeless(progress: Progress, trial: Trial, targets: Sequence[Target]) -> bool:
    """Whether a step that goes on need not go on: it failed already, and by far."""
    if progress.in_flight > max(100.0, trial.per_s * _WAITING_S):
        return True
    whole = [one.whole for one in progress.steps]
    if sum(one.window_s for one in whole[:1]) < trial.duration_s / 2:
        return False
    answered = Histogram.merged(one.succeeded for one in whole)
    failed = sum(one.errors for one in whole)
    for target in targets:
        if target.subject is not None or target.at_most is None or is_inside(target.kpi):
            continue
        if target.kpi is ERROR_RATIO:
            count = answered.count + failed
            if failed >= _FEWEST_FAILURES and failed > _FAR_OVER * target.limit * count:
                return True
        elif (answered.known_quantile(0.5) or 0.0) > _FAR_OVER * target.limit:
            return True
    return False


def growth_per_s(result: Result, per_s: float) -> float:
    """
    By how many requests those under way grew a second; 0 unless it is sure, and matters.

    Where more come than get done, the excess waits: the number under way rises by it each second,
    and that shows long before a percentile does.
    """
    points = [
        (at * result.interval_s, mean)
        for at, mean in enumerate(result.in_flight.timeline)
        if mean is not None
    ]
    if len(points) < _LEAST_INTERVALS:
        return 0.0
    slope, error = _slope(points)
    lasted_s = points[-1][0] - points[0][0]
    is_much = slope > _EXCESS_SHARE * per_s and slope * lasted_s > _LEAST_GROWTH
    return slope if is_much and slope > _SURE_SLOPE * error else 0.0


def _slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The slope of a line through *points*, and its standard error (least squares)."""
    count = len(points)
    middle = sum(x for x, _ in points) / count
    mean = sum(y for _, y in points) / count
    spread = sum((x - middle) ** 2 for x, _ in points)
    slope = sum((x - middle) * (y - mean) for x, y in points) / spread
    rest = sum((y - mean - slope * (x - middle)) ** 2 for x, y in points)
    return slope, sqrt(rest / (count - 2) / spread)


def _decided(
    result: Result,
    trial: Trial,
    verdicts: Sequence[Verdict],
    *,
    growth: float,
    was_hopeless: bool,
) -> tuple[Passed, tuple[Message, ...]]:
    reasons = spoilt(result)
    if reasons:
        return Passed.INVALID, reasons
    failed = tuple(_failed(result, was_hopeless=was_hopeless))
    if failed:
        return Passed.NO, failed
    # What was unsure before is decided the second time, by what it shows.
    no_if_seen_twice = Passed.NO if trial.repeat > 0 else Passed.UNSURE
    missed = [one for one in verdicts if one.outcome is Outcome.MISSED]
    if missed:
        is_sure = any(_is_sure(result, one.target) for one in missed)
        return (Passed.NO if is_sure else no_if_seen_twice), tuple(map(_missed, missed))
    if growth:
        return no_if_seen_twice, (say("requests under way grew by {growth:rate}", growth=growth),)
    unknown = tuple(one.reason for one in verdicts if one.outcome is Outcome.UNKNOWN)
    if unknown:
        return Passed.UNSURE, unknown
    is_close = not all(_is_sure(result, one.target) for one in verdicts)
    if is_close and trial.repeat == 0:
        return Passed.UNSURE, (say("within the limit, but too near to be sure"),)
    return Passed.YES, ()


def _failed(result: Result, *, was_hopeless: bool) -> list[Message]:
    """Why a step failed whatever its percentiles say."""
    found = []
    if not result.response.succeeded.count:
        found.append(say("not one request succeeded"))
    elif was_hopeless:
        found.append(say("far over the limit"))
    if result.dropped:
        found.append(
            say(
                "{dropped:count} requests were not sent, because too many were in flight",
                dropped=result.dropped,
            )
        )
    if result.unfinished and not was_hopeless:
        found.append(
            say(
                "{count:count} requests had no answer when the run ended, the oldest after "
                "{age:duration}",
                count=result.unfinished,
                age=result.unfinished_s,
            )
        )
    return found


def _missed(verdict: Verdict) -> Message:
    target = verdict.target
    if target.kpi.format == "duration" and verdict.value is not None:
        return say("{what} {value:duration}", what=target.kpi.label, value=verdict.value)
    return say("{what} is over its limit", what=target.kpi.label)


def _is_sure(result: Result, target: Target) -> bool:
    """
    Whether as many requests over the limit would hardly be seen if the promise were just kept, nor
    just missed. Of all requests a share *p* may be over it, so of *n* they are binomial.
    """
    if target.at_most is None:
        return True
    if is_inside(target.kpi):
        return _is_sure_inside(result, target)
    steps = [one for one in result.steps if target.subject in (None, one.name)]
    if target.kpi is ERROR_RATIO:
        share = target.limit
        count, over = _failures(steps)
        # None at all is as good as it gets, however few there were.
        return not over or not 0 < share < 1 or _is_rare(over, count, share)
    share = 1 - _quantile_of(target)
    count = sum(one.response.succeeded.count for one in steps)
    over = sum(one.response.succeeded.count_above(target.limit) for one in steps)
    return _is_rare(over, count, share)


def _is_sure_inside(result: Result, target: Target) -> bool:
    """The same of what the service counted; a level is a mean, and as sure as it is."""
    found = times_of(target.kpi)
    if found is None or result.watched is None:
        return True
    times, q = found
    counted = Histogram.merged(
        one.whole(times.kind).succeeded for one in result.watched.moments if one is not None
    )
    return _is_rare(counted.count_above(target.limit), counted.count, 1 - q)


def _failures(steps: Sequence[StepResult]) -> tuple[int, int]:
    return sum(one.response.count for one in steps), sum(one.response.errors for one in steps)


def _quantile_of(target: Target) -> float:
    percent = target.kpi.name.removeprefix("latency_p").removesuffix("_s").replace("_", ".")
    return float(percent) / 100


def _is_rare(over: int, count: int, share: float) -> bool:
    """Whether so many of *count*, or more on that side, come by chance in less than 5 %."""
    if over > count * share:
        return 1 - _at_most(over - 1, count, share) < _SURE
    return _at_most(over, count, share) < _SURE


def _at_most(k: int, n: int, p: float) -> float:
    """P(X ≤ k) for X ~ Bin(n, p)."""
    variance = n * p * (1 - p)
    if variance > _EXACT_UP_TO:
        return 0.5 * (1 + erf((k + 0.5 - n * p) / sqrt(2 * variance)))
    return sum(
        exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log(1 - p))
        for i in range(min(k, n) + 1)
    )
