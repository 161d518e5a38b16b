"""
Comparison: is the second measurement slower than the first, by how much, and how sure is that?

Requests of one run resemble their neighbours in time, so the request is not the sample: with
100,000 of them any difference would look significant. The unit is a stretch of time. Whole
stretches are drawn again and again from each side (circular block bootstrap: Politis & Romano,
"A circular block-resampling procedure for stationary data", 1992), which tells how much the
quantile of one side varies. Stretches resemble their neighbours as well, where caches fill or a
neighbour works: by how much they do is estimated, and they count as so many fewer (Bayley &
Hammersley, "The 'effective' number of independent observations in an autocorrelated time
series", 1946). As they are few, the 95 % interval of the ratio is Student's. A difference must
exceed a least effect to count, and where the interval cannot tell, the answer is *undecided*.

Of a short run a slow wave looks like a difference, whatever is estimated: only what is twice as
much for sure counts there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate, pairwise
from math import ceil, exp, log, sqrt
from random import Random
from statistics import variance

from keiko_perf.model.histogram import Histogram
from keiko_perf.model.message import Message, say
from keiko_perf.model.samples import samples_needed
from keiko_perf.model.student import chance, t_quantile

CONFIDENCE = 0.95
_SHORT = 30
"""Fewer intervals are a short run, and half as many too short a one."""
_FEW = 6
"""So many stretches are, where their length is given."""
_OBVIOUS = 2.0
"""What a short run has to differ by, for sure."""
_STRETCHES = 20
_SHORTEST_STRETCH = 2
_NO_TIME_S = 1e-9
"""In the place of a duration of 0, which has no logarithm."""
_WIDEST = 100.0
_MOST_ALIKE = 0.8
"""Neighbours that are more alike than this cannot be told from a drift by so few stretches."""


class Change(StrEnum):
    """What a comparison says."""

    IMPROVED = "improved"
    EQUAL = "equal"
    REGRESSED = "regressed"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    Two measurements of one figure, of which less is better.

    Attributes:
        subject: the step, route or statement.
        label: the figure, such as "response time p95".
        format: the format of `render.units` that shows it.
        before: the first measurement; None if it is not known.
        after: the second.
        ratio: after ÷ before.
        low: the lower end of the 95 % interval of the ratio.
        high: its upper end.
        change: what that says.
        reason: why it says that.
        chance: how likely the like is where the effect is just the least that matters; None where
            nothing could be told.
    """

    subject: str
    label: Message
    format: str
    before: float | None
    after: float | None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    change: Change
    reason: Message
    chance: float | None = None


def holm(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """
    The same comparisons, without those that differ as some of so many do by chance.

    Of twenty things that did not change one is taken for changed at 5 %. Holm's step-down keeps the
    chance of any such at 5 % (Holm, "A simple sequentially rejective multiple test procedure",
    1979): the surest of *m* has to be m times as sure, the next m - 1 times.
    """
    told = [one for one in comparisons if one.chance is not None]
    kept = holm_rejects([one.chance or 0.0 for one in told])
    unsure = {id(one) for one, is_kept in zip(told, kept, strict=True) if not is_kept}
    reason = say(
        "of {count:count} comparisons some differ as much by chance; more would tell",
        count=len(told),
    )
    return tuple(
        replace(one, change=Change.UNDECIDED, reason=reason)
        if id(one) in unsure and one.change in (Change.REGRESSED, Change.IMPROVED)
        else one
        for one in comparisons
    )


def holm_rejects(chances: Sequence[float], *, alpha: float = 0.05) -> list[bool]:
    """Of each of so many chances whether it is too small to be one; see `holm`."""
    order = sorted(range(len(chances)), key=lambda one: chances[one])
    kept = 0
    while kept < len(order) and chances[order[kept]] <= alpha / (len(order) - kept):
        kept += 1
    sure = set(order[:kept])
    return [one in sure for one in range(len(chances))]


def compare(
    before: Sequence[Histogram],
    after: Sequence[Histogram],
    *,
    subject: str,
    q: float = 0.95,
    min_effect: float = 0.05,
    stretch: int | None = None,
    resamples: int = 1000,
) -> Comparison:
    """
    Compare quantile *q* of two measurements.

    Args:
        before: what was measured first, a histogram for each second (or other equal interval).
        after: what was measured second, likewise.
        subject: what was measured.
        q: the quantile.
        min_effect: the least relative change that matters; 0.05 is 5 %.
        stretch: how many intervals are drawn together; a twentieth of the shorter side, at least
            two, if not given. 1 where an interval is long enough to stand alone.
        resamples: how often is drawn. The draws are seeded: the same input, the same answer.

    Raises:
        ValueError: *min_effect* is not positive, or *q* is no quantile.
    """
    if not (min_effect > 0 and 0 < q < 1 and (stretch is None or stretch > 0)):
        raise ValueError("a comparison needs 0 < q < 1, min_effect > 0 and stretch > 0")
    whole = Histogram.merged(before), Histogram.merged(after)
    values = [side.quantile(q) for side in whole]
    seen = min(len(before), len(after))
    short = _SHORT if stretch is None else stretch * _FEW
    unsure = _too_little(seen, whole, q=q, needed=short // 2)
    if unsure is not None or not all(values):
        few = unsure or say("a duration of 0 has no ratio")
        return _compared(subject, q, values, change=Change.UNDECIDED, reason=few)
    stretch = stretch or max(_SHORTEST_STRETCH, ceil(seen / _STRETCHES))
    middle = log((values[1] or 1.0) / (values[0] or 1.0))
    error, df = _error((before, after), stretch, q, resamples)
    half = min(t_quantile(1 - (1 - CONFIDENCE) / 2, df) * error, _WIDEST)
    low, high = exp(middle - half), exp(middle + half)
    least = min_effect if seen >= short else max(_OBVIOUS - 1, min_effect)
    change, reason = _decide(low, high, min_effect=least, intervals=seen, short=short)
    return replace(
        _compared(subject, q, values, low=low, high=high, change=change, reason=reason),
        chance=chance(abs(middle) - log(1 + least), error, df),
    )


def _error(
    sides: Sequence[Sequence[Histogram]], stretch: int, q: float, resamples: int
) -> tuple[float, float]:
    """The standard error of the logarithm of the ratio, and its degrees of freedom (Welch)."""
    random = Random(0)  # the same input gives the same answer
    variances: list[float] = []
    free: list[float] = []
    for side in sides:
        draws = _Draws(side, stretch, q)
        logs = [log(draws.draw(random) or _NO_TIME_S) for _ in range(resamples)]
        count = max(len(side) / stretch, 2.0)
        # Draws vary about what was measured, which itself is off.
        variances.append(variance(logs) * count / (count - 1))
        free.append(count - 1)
    whole = sum(variances)
    if not whole:
        return 0.0, sum(free)
    df = whole**2 / sum(one**2 / left for one, left in zip(variances, free, strict=True))
    alike = _likeness([_logs(side, stretch, q) for side in sides])
    # So many fewer for their mean, and for their variance.
    error = sqrt(whole * (1 + alike) / (1 - alike))
    return error, max(df * (1 - alike**2) / (1 + alike**2), 1.0)


def _likeness(sides: Sequence[Sequence[float]]) -> float:
    """
    How much stretches resemble the one before, 0 to 1: the autocorrelation of both sides.

    Of few it comes out too small (Kendall, "Note on bias in the estimation of autocorrelation",
    1954), and by chance: half its standard error is added, as to count too many stretches costs
    more than to count too few.
    """
    count = sum(map(len, sides))
    together = alone = 0.0
    for side in sides:
        mean = sum(side) / max(len(side), 1)
        off = [one - mean for one in side]
        together += sum(one * two for one, two in pairwise(off))
        alone += sum(one * one for one in off)
    if not alone:
        return 0.0
    found = together / alone
    found += (1 + 4 * found) / (count / len(sides)) + 0.5 / sqrt(count)
    return min(max(found, 0.0), _MOST_ALIKE)


def _logs(side: Sequence[Histogram], stretch: int, q: float) -> list[float]:
    """Of the quantile in each whole stretch that has any."""
    starts = range(0, len(side) - stretch + 1, stretch)
    found = (Histogram.merged(side[at : at + stretch]).quantile(q) for at in starts)
    return [log(one) for one in found if one]


def _compared(
    subject: str,
    q: float,
    values: Sequence[float | None],
    *,
    change: Change,
    reason: Message,
    low: float | None = None,
    high: float | None = None,
) -> Comparison:
    before, after = values
    return Comparison(
        subject=subject,
        label=say("response time p{percent}", percent=f"{q * 100:g}"),
        format="duration",
        before=before,
        after=after,
        ratio=after / before if before and after else None,
        low=low,
        high=high,
        change=change,
        reason=reason,
    )


def _too_little(
    seen: int, whole: tuple[Histogram, Histogram], *, q: float, needed: int
) -> Message | None:
    """Why two of so many intervals cannot be compared at all, if they cannot."""
    requests = min(side.count for side in whole)
    if requests < samples_needed(q):
        return say(
            "only {seen:count} seen, {needed:count} are needed to tell",
            seen=requests,
            needed=samples_needed(q),
        )
    if seen < needed:
        return say(
            "too short: {seen:count} intervals, {needed:count} are needed to tell",
            seen=seen,
            needed=needed,
        )
    return None


def _decide(
    low: float, high: float, *, min_effect: float, intervals: int, short: int
) -> tuple[Change, Message]:
    worse = 1 + min_effect
    is_short = intervals < short
    if low > worse:
        if is_short:
            return Change.REGRESSED, say("more than {factor:factor} slower", factor=worse)
        return Change.REGRESSED, say("slower by more than {effect:ratio}", effect=min_effect)
    if high < 1 / worse:
        if is_short:
            return Change.IMPROVED, say("more than {factor:factor} faster", factor=worse)
        return Change.IMPROVED, say("faster by more than {effect:ratio}", effect=min_effect)
    if is_short:
        return Change.UNDECIDED, say(
            "so short a run tells only what is {factor:factor} as much; {needed:count} intervals "
            "are needed to tell less",
            factor=worse,
            needed=short,
        )
    if 1 / worse <= low and high <= worse:
        return Change.EQUAL, say("no difference over {effect:ratio}", effect=min_effect)
    # The interval narrows with the square root of the time measured.
    half = log(high / low) / 2
    middle = abs(log(high * low)) / 2
    room = max(abs(middle - log(worse)), log(worse) / 2)
    more = max(1, ceil(intervals * ((half / room) ** 2 - 1)))
    return Change.UNDECIDED, say(
        "the interval does not tell; about {more:count} more seconds would", more=more
    )


class _Draws:
    """Draws stretches of one side and reads the quantile off their union, without merging them."""

    def __init__(self, intervals: Sequence[Histogram], stretch: int, q: float) -> None:
        self._q = q
        counted = [{lower: count for lower, _, count in one.buckets()} for one in intervals]
        self._lowers = sorted({lower for one in counted for lower in one})
        self._stretches = [
            self._cumulative([counted[(first + i) % len(counted)] for i in range(stretch)])
            for first in range(len(counted))
        ]
        self._drawn = ceil(len(counted) / stretch)

    def draw(self, random: Random) -> float:
        while True:
            drawn = random.choices(self._stretches, k=self._drawn)
            rank = self._q * sum(one[-1] for one in drawn)
            if rank:
                break
        at = bisect_left(range(len(self._lowers)), rank, key=lambda i: sum(one[i] for one in drawn))
        return self._lowers[at]

    def _cumulative(self, stretch: list[dict[float, int]]) -> list[int]:
        counts = (sum(one.get(lower, 0) for one in stretch) for lower in self._lowers)
        return list(accumulate(counts))
