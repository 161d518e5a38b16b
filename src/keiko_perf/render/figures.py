"""
Figures: how verdicts and comparisons are told, the same in every format.
"""

from __future__ import annotations

from keiko_perf.model import Comparison, Message, Outcome, Target, Verdict, say
from keiko_perf.render.language import phrase
from keiko_perf.render.units import TIMES, show

ABSENT = "\N{EN DASH}"


def measured(verdict: Verdict, lang: str) -> str:
    """The figure; a dash where it is not known, or rests on too little."""
    if not verdict.is_told:
        return _over(verdict, lang) if verdict.outcome is Outcome.MISSED else ABSENT
    return show(verdict.value, verdict.target.kpi.format, lang)


def limit(target: Target, lang: str) -> str:
    """Such as "≤ 200 ms"."""
    sign = "≥" if target.at_most is None else "≤"
    return f"{sign} {show(target.limit, target.kpi.format, lang)}"


def about(target: Target, lang: str) -> str:
    """What is promised, of whom: "response time p95 of GET /agents"."""
    if target.subject is None:
        return phrase(target.kpi.label, lang)
    return phrase(say("{kpi} of {subject}", kpi=target.kpi.label, subject=target.subject), lang)


def effect(comparison: Comparison) -> Message:
    """How much it changed: "14 times faster", with the sign for it."""
    ratio = comparison.ratio
    if not ratio or ratio <= 0:
        return say("not comparable")
    is_time = comparison.format == "duration"
    if _is_less(comparison):
        if is_time:
            return say("{factor:factor} faster", factor=1 / ratio)
        return say("{factor:factor} less", factor=1 / ratio)
    if is_time:
        return say("{factor:factor} slower", factor=ratio)
    return say("{factor:factor} more", factor=ratio)


def interval(comparison: Comparison, lang: str) -> str | None:
    """The 95 % interval of the effect, in the same direction: from 12.1 to 16.9."""
    low, high = comparison.low, comparison.high
    if not low or not high:
        return None
    if _is_less(comparison):
        low, high = 1 / high, 1 / low
    start = show(low, "factor", lang).removesuffix(f" {TIMES}")
    return f"{start} {ABSENT} {show(high, 'factor', lang)}"


def _over(verdict: Verdict, lang: str) -> str:
    return f"> {show(verdict.target.limit, verdict.target.kpi.format, lang)}"


def _is_less(comparison: Comparison) -> bool:
    return comparison.ratio is not None and comparison.ratio < 1
