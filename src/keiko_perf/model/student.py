"""
Student's t distribution, as far as a t-test and an interval need it. Pure.

The tail is the regularised incomplete beta function, by its continued fraction (Lentz's method;
Press et al., Numerical Recipes, 3rd ed., section 6.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma, log, log1p, sqrt
from statistics import fmean

_TINY = 1e-300
_MOST_TERMS = 300


def p_value(t: float, df: float) -> float:
    """How likely a t at least as far from 0 is by chance, with *df* degrees of freedom."""
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def welch(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """
    By how much the mean of *after* is more, the standard error of that, and its degrees of freedom.

    Each side has two values or more; their spreads may differ (Welch, "The generalization of
    'Student's' problem when several different population variances are involved", 1947).
    """
    means = [fmean(side) for side in (before, after)]
    parts = [
        (sum((one - mean) ** 2 for one in side) / (len(side) - 1) / len(side), len(side) - 1)
        for side, mean in zip((before, after), means, strict=True)
    ]
    variance = sum(part for part, _ in parts)
    if not variance:
        return means[1] - means[0], 0.0, float(sum(free for _, free in parts))
    df = variance**2 / sum(part**2 / free for part, free in parts)
    return means[1] - means[0], sqrt(variance), df


def pooled(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """
    Likewise, of sides that spread alike: Student's own test. Where nothing has changed they do, and
    a side of few values then borrows its spread from the other one.
    """
    means = [fmean(side) for side in (before, after)]
    squares = sum(
        (one - mean) ** 2 for side, mean in zip((before, after), means, strict=True) for one in side
    )
    df = float(len(before) + len(after) - 2)
    return means[1] - means[0], sqrt(squares / df * (1 / len(before) + 1 / len(after))), df


def chance(beyond: float, error: float, df: float) -> float:
    """
    How likely a difference is, either way, that is *beyond* what does not count by so much.

    Args:
        beyond: by how much; 0 or less is no difference.
        error: its standard error; 0 where nothing varies.
        df: its degrees of freedom.
    """
    if beyond <= 0:
        return 1.0
    return p_value(beyond / error, df) if error else 0.0


def t_quantile(q: float, df: float) -> float:
    """Where the distribution reaches *q*, over 0.5 and under 1; by bisection."""
    low, high = 0.0, 1.0
    while 1 - p_value(high, df) / 2 < q:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        if 1 - p_value(middle, df) / 2 < q:
            low = middle
        else:
            high = middle
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    # The fraction converges quickly on one side of the mean; the other side is its mirror.
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return value


def _away(value: float) -> float:
    """*value*, but not so near to 0 that it cannot be divided by."""
    return value if abs(value) > _TINY else _TINY
