"""
Pairing: is the second of two things slower, by runs of both that took turns?

Two runs of the same thing differ, by more than the requests within one of them show: another
process ran, memory lay elsewhere. So the pair of runs is the sample, and what is judged is the mean
of the logarithms of their ratios, with Student's interval. A difference must exceed a least effect
to count, and where the interval cannot tell, it is said how many more pairs would.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log, sqrt

from keiko_perf.model.compare import CONFIDENCE, Change, Comparison
from keiko_perf.model.message import Message, say
from keiko_perf.model.student import p_value, t_quantile

LEAST_PAIRS = 3


def paired(
    before: Sequence[float],
    after: Sequence[float],
    *,
    subject: str,
    label: Message,
    format: str,
    min_effect: float = 0.05,
) -> Comparison:
    """
    Compare a figure, of which less is better, by pairs of runs.

    Args:
        before: the figure of the first thing in each pair.
        after: that of the second, likewise.
        subject: what was measured.
        label: the figure.
        format: the format of `render.units` that shows it.
        min_effect: the least relative change that matters; 0.05 is 5 %.

    Raises:
        ValueError: there are not equally many, or *min_effect* is not positive.
    """
    if len(before) != len(after) or not min_effect > 0:
        raise ValueError("pairs need two figures each, and min_effect > 0")

    def compared(change: Change, reason: Message, **more: float) -> Comparison:
        return Comparison(
            subject=subject,
            label=label,
            format=format,
            before=_mean(before),
            after=_mean(after),
            change=change,
            reason=reason,
            **more,
        )

    count = len(before)
    if count < LEAST_PAIRS:
        return compared(
            Change.UNDECIDED,
            say(
                "only {seen:count} pairs, {needed:count} are needed to tell",
                seen=count,
                needed=LEAST_PAIRS,
            ),
        )
    if min(*before, *after) <= 0:
        return compared(*_without_ratio(before, after))
    ratios = [log(two / one) for one, two in zip(before, after, strict=True)]
    middle = sum(ratios) / count
    error = sqrt(sum((one - middle) ** 2 for one in ratios) / (count - 1) / count)
    half = t_quantile(1 - (1 - CONFIDENCE) / 2, count - 1) * error
    change, reason = _decide(middle, half, log(1 + min_effect), count, min_effect=min_effect)
    return compared(
        change,
        reason,
        ratio=exp(middle),
        low=exp(middle - half),
        high=exp(middle + half),
        chance=_chance(abs(middle) - log(1 + min_effect), error, count - 1),
    )


def noise_floor(figures: Sequence[float]) -> float | None:
    """
    By how much two runs of one thing differ, in 95 of 100 pairs of them; None of too few.

    Args:
        figures: the figure of each run of the same thing.
    """
    if len(figures) < LEAST_PAIRS or min(figures) <= 0:
        return None
    logs = [log(one) for one in figures]
    middle = sum(logs) / len(logs)
    spread = sqrt(sum((one - middle) ** 2 for one in logs) / (len(logs) - 1))
    return exp(t_quantile(1 - (1 - CONFIDENCE) / 2, len(logs) - 1) * spread * sqrt(2)) - 1


def more_pairs(middle: float, half: float, margin: float, pairs: int) -> int:
    """How many more pairs would decide, since the interval narrows with their square root."""
    room = max(abs(abs(middle) - margin), margin / 2)
    return max(1, ceil(pairs * ((half / room) ** 2 - 1)))


def _decide(
    middle: float, half: float, margin: float, pairs: int, *, min_effect: float
) -> tuple[Change, Message]:
    if middle - half > margin:
        return Change.REGRESSED, say("worse by more than {effect:ratio}", effect=min_effect)
    if middle + half < -margin:
        return Change.IMPROVED, say("better by more than {effect:ratio}", effect=min_effect)
    if -margin <= middle - half and middle + half <= margin:
        return Change.EQUAL, say("no difference over {effect:ratio}", effect=min_effect)
    return Change.UNDECIDED, say(
        "the interval does not tell; about {more:count} more pairs would",
        more=more_pairs(middle, half, margin, pairs),
    )


def _without_ratio(before: Sequence[float], after: Sequence[float]) -> tuple[Change, Message]:
    if list(before) == list(after):
        return Change.EQUAL, say("the same in each pair")
    if min(after) > max(before):
        return Change.REGRESSED, say("there was less of it in each run before")
    if max(after) < min(before):
        return Change.IMPROVED, say("there was more of it in each run before")
    return Change.UNDECIDED, say("a figure of 0 has no ratio")


def _chance(beyond: float, error: float, freedom: int) -> float:
    """How likely such pairs are where the effect is just the least that matters."""
    if not error:
        return 0.0 if beyond > 0 else 1.0
    either = p_value(beyond / error, freedom)
    return either if beyond > 0 else 1.0


def _mean(values: Sequence[float]) -> float | None:
    """The geometric mean, as the ratio is one; the plain one where there is a 0."""
    if not values:
        return None
    if min(values) <= 0:
        return sum(values) / len(values)
    return exp(sum(map(log, values)) / len(values))
