"""
Bars: the small drawings beside a verdict and a comparison.
"""

from __future__ import annotations

from math import isfinite, log

from keiko_perf.model import Comparison, Verdict
from keiko_perf.render.markup import Markup, tag
from keiko_perf.render.words import tone

_WIDTH = 120.0
_LIMIT_AT = 0.66
"""Where the limit stands, so that there is room to be over it."""


def limit_bar(verdict: Verdict) -> Markup | None:
    """The value beside its limit, from 0; what is far over the limit ends at the edge."""
    limit, value = verdict.target.limit, verdict.value
    if not verdict.is_told or value is None or not isfinite(value) or not limit > 0:
        return None
    place = min(1.0, max(0.0, value / limit * _LIMIT_AT))
    at = _LIMIT_AT * _WIDTH
    return tag(
        "svg",
        tag("rect", class_="track", x=0, y=4, width=f"{_WIDTH:g}", height=6, rx=3),
        tag(
            "rect", class_="fill", x=0, y=4, width=f"{max(3.0, place * _WIDTH):.1f}", height=6, rx=3
        ),
        tag("line", class_="at", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=0, y2=14),
        class_=f"limit-bar {tone(verdict.outcome)}",
        viewBox=f"0 0 {_WIDTH:g} 14",
        aria_hidden="true",
    )


def before_after_bars(comparison: Comparison) -> Markup | None:
    """Both measurements as bars of one scale."""
    before, after = comparison.before, comparison.after
    if before is None or after is None or not isfinite(before + after) or before + after <= 0:
        return None
    most = max(before, after)
    return tag(
        "svg",
        tag("rect", class_="before", x=0, y=0, width=_share(before, most), height=12, rx=3),
        tag("rect", class_="after", x=0, y=18, width=_share(after, most), height=12, rx=3),
        class_="pair",
        viewBox="0 0 400 30",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def interval_bar(comparison: Comparison) -> Markup | None:
    """The ratio and its 95 % interval on a logarithmic scale; the long line is "no change"."""
    ratio, low, high = comparison.ratio, comparison.low, comparison.high
    if not (ratio and low and high) or not all(map(isfinite, (ratio, low, high))):
        return None
    # The scale is the same on both sides, so that the middle is always "no change".
    reach = max(abs(log(low)), abs(log(high)), log(1.5)) * 1.15
    at = [f"{200 + 192 * log(one) / reach:.1f}" for one in (low, ratio, high)]
    return tag(
        "svg",
        tag("line", class_="track", x1=0, x2=400, y1=14, y2=14),
        tag("line", class_="same", x1=200, x2=200, y1=2, y2=26),
        tag("line", class_="range", x1=at[0], x2=at[2], y1=14, y2=14),
        tag("circle", class_="point", cx=at[1], cy=14, r=5.5),
        class_="interval",
        viewBox="0 0 400 28",
        aria_hidden="true",
    )


def _share(value: float, most: float) -> str:
    return f"{max(3.0, 400 * value / most):.1f}"
