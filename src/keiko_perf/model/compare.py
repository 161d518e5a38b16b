"""
Comparison: is the second measurement slower than the first, by how much, and how sure is that?

Requests of one run resemble their neighbours in time, so the request is not the sample: with
100,000 of them any difference would look significant. The unit is a stretch of time. Whole
stretches are drawn again and again from each side (circular block bootstrap: Politis & Romano,
"A circular block-resampling procedure for stationary data", 1992), and the spread of the ratio
over the draws is its 95 % interval. A difference must exceed a least effect to count, and where
the interval cannot tell, the answer is *undecided*.

Of a few stretches there are too few draws, and a slow wave looks like a difference. There the
stretches themselves are the sample of a t-test, and only what is twice as much for sure counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate
from math import ceil, erfc, exp, log, sqrt
from random import Random

from keiko_perf.model.histogram import Histogram
from keiko_perf.model.message import Message, say
from keiko_perf.model.samples import samples_needed
from keiko_perf.model.student import p_value, t_quantile, welch

CONFIDENCE = 0.95
_LEAST_STRETCHES = 6
"""With fewer there are too few different draws for the ends of a 95 % interval."""
_FEWEST_STRETCHES = 3
_OBVIOUS = 2.0
"""What so few stretches have to differ by, for sure. Of two runs of one service that sways by 40 %
within 20 s, 4 in 100 do; at 1.05 it was 40."""


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


def holm(comparisons: Sequence[Comparison], *, alpha: float = 0.05) -> tuple[Comparison, ...]:
    """
    The same comparisons, without those that differ as some of so many do by chance.

    Of twenty things that did not change one is taken for changed at 5 %. Holm's step-down keeps the
    chance of any such at *alpha* (Holm, "A simple sequentially rejective multiple test procedure",
    1979): the surest of *m* has to be m times as sure, the next m - 1 times.
    """
    told = [one for one in comparisons if one.chance is not None]
    kept = holm_rejects([one.chance or 0.0 for one in told], alpha=alpha)
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
    stretch: int = 5,
    resamples: int = 2000,
) -> Comparison:
    """
    Compare quantile *q* of two measurements.

    Args:
        before: what was measured first, a histogram for each second (or other equal interval).
        after: what was measured second, likewise.
        subject: what was measured.
        q: the quantile.
        min_effect: the least relative change that matters; 0.05 is 5 %.
        stretch: how many intervals are drawn together, so that they keep their likeness.
        resamples: how often is drawn. The draws are seeded: the same input, the same answer.

    Raises:
        ValueError: *min_effect* is not positive, or *q* is no quantile.
    """
    if not (min_effect > 0 and 0 < q < 1 and stretch > 0):
        raise ValueError("a comparison needs 0 < q < 1, min_effect > 0 and stretch > 0")
    whole = Histogram.merged(before), Histogram.merged(after)
    values = [side.quantile(q) for side in whole]
    unsure = _too_little(before, after, whole, q=q, stretch=stretch)
    if unsure is not None or not all(values):
        few = unsure or say("a duration of 0 has no ratio")
        return _compared(subject, q, values, change=Change.UNDECIDED, reason=few)
    if min(len(before), len(after)) < _LEAST_STRETCHES * stretch:
        worse = max(_OBVIOUS, 1 + min_effect)
        low, high, chance = _by_few(before, after, ratio=values, q=q, stretch=stretch, worse=worse)
        change, reason = _decide_by_few(low, high, worse=worse, needed=_LEAST_STRETCHES * stretch)
        return replace(
            _compared(subject, q, values, low=low, high=high, change=change, reason=reason),
            chance=chance,
        )
    random = Random(0)  # the same input gives the same answer
    draws = [_Draws(side, stretch, q) for side in (before, after)]
    ratios = sorted(draws[1].draw(random) / draws[0].draw(random) for _ in range(resamples))
    tail = round((1 - CONFIDENCE) / 2 * resamples)
    low, high = ratios[tail], ratios[-1 - tail]
    change, reason = _decide(low, high, min_effect=min_effect, intervals=len(before))
    return replace(
        _compared(subject, q, values, low=low, high=high, change=change, reason=reason),
        chance=_chance(ratios, log(1 + min_effect)),
    )


def _by_few(
    before: Sequence[Histogram],
    after: Sequence[Histogram],
    *,
    ratio: Sequence[float | None],
    q: float,
    stretch: int,
    worse: float,
) -> tuple[float, float, float]:
    """The ends of the interval, which holds the ratio, and the chance; see `Comparison`."""
    more, error, df = welch(*(_logs(side, stretch, q) for side in (before, after)))
    whole = log((ratio[1] or 1.0) / (ratio[0] or 1.0))
    half = t_quantile(1 - (1 - CONFIDENCE) / 2, df) * error
    beyond = abs(more) - log(worse)
    chance = 1.0
    if beyond > 0:
        chance = p_value(beyond / error, df) if error else 0.0
    return exp(min(more, whole) - half), exp(max(more, whole) + half), chance


def _logs(side: Sequence[Histogram], stretch: int, q: float) -> list[float]:
    """Of the quantile in each whole stretch that has any."""
    starts = range(0, len(side) - stretch + 1, stretch)
    found = (Histogram.merged(side[at : at + stretch]).quantile(q) for at in starts)
    return [log(one) for one in found if one]


def _decide_by_few(low: float, high: float, *, worse: float, needed: int) -> tuple[Change, Message]:
    if low > worse:
        return Change.REGRESSED, say("more than {factor:factor} slower", factor=worse)
    if high < 1 / worse:
        return Change.IMPROVED, say("more than {factor:factor} faster", factor=worse)
    return Change.UNDECIDED, say(
        "so short a run tells only what is {factor:factor} as much; {needed:count} intervals "
        "are needed to tell less",
        factor=worse,
        needed=needed,
    )


def _chance(ratios: Sequence[float], margin: float) -> float:
    """How likely such a ratio is, either way, where the effect is just *margin*."""
    logs = [log(one) for one in ratios]
    middle = sum(logs) / len(logs)
    spread = sqrt(sum((one - middle) ** 2 for one in logs) / len(logs))
    beyond = abs(middle) - margin
    if not spread:
        return 0.0 if beyond > 0 else 1.0
    return min(1.0, erfc(beyond / spread / sqrt(2)))


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
    before: Sequence[Histogram],
    after: Sequence[Histogram],
    whole: tuple[Histogram, Histogram],
    *,
    q: float,
    stretch: int,
) -> Message | None:
    """Why the two cannot be compared at all, if they cannot."""
    seen, needed = min(side.count for side in whole), samples_needed(q)
    if seen < needed:
        return say(
            "only {seen:count} seen, {needed:count} are needed to tell", seen=seen, needed=needed
        )
    seen = min(len(before), len(after))
    told = min(len(_logs(side, stretch, q)) for side in (before, after))
    if seen < _LEAST_STRETCHES * stretch and told < _FEWEST_STRETCHES:
        return say(
            "too short: {seen:count} intervals, {needed:count} are needed to tell",
            seen=seen,
            needed=_FEWEST_STRETCHES * stretch,
        )
    return None


def _decide(
    low: float, high: float, *, min_effect: float, intervals: int
) -> tuple[Change, Message]:
    worse = 1 + min_effect
    if low > worse:
        return Change.REGRESSED, say("slower by more than {effect:ratio}", effect=min_effect)
    if high < 1 / worse:
        return Change.IMPROVED, say("faster by more than {effect:ratio}", effect=min_effect)
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
