"""
What is said of a verdict: the sentence of an alert, and the headline of all verdicts together.

Each figure stands beside its limit. A figure that rests on too few samples is not printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keiko_perf.model import Kind, Message, Outcome, Series, Snapshot, Target, Verdict, say
from keiko_perf.model.kpi import ERROR_RATIO, TASK_FAILURE_RATIO

_FIGURES: dict[str, Callable[[float], Message]] = {
    "duration": lambda value: say("{value:duration}", value=value),
    "ratio": lambda value: say("{value:ratio}", value=value),
    "rate": lambda value: say("{value:rate}", value=value),
    "per_minute": lambda value: say("{value:per_minute}", value=value),
    "count": lambda value: say("{value:count}", value=value),
    "bytes": lambda value: say("{value:bytes}", value=value),
    "factor": lambda value: say("{value:factor}", value=value),
}


def figure(value: float, format: str) -> Message:
    """*value* in one of the formats of `render.units`."""
    shown = _FIGURES.get(format)
    return shown(value) if shown else say("{value:number}", value=value)


def measured(verdict: Verdict) -> float | None:
    """The verdict's figure, or None if there is none or too few samples to print it."""
    return verdict.value if verdict.is_told else None


def subject(verdict: Verdict) -> Message:
    """What it is about: "response time p95", "response time p95 of GET /agents"."""
    target = verdict.target
    if target.subject is None:
        return target.kpi.label
    return say("{kpi} of {subject}", kpi=target.kpi.label, subject=target.subject)


def sentence(verdict: Verdict) -> Message:
    """The verdict in one sentence: the figure and the limit, or why there is no figure."""
    what, target = subject(verdict), verdict.target
    value, limit = measured(verdict), figure(target.limit, target.kpi.format)
    if value is None and verdict.outcome is Outcome.UNKNOWN:
        return say("{what} is not known: {why}", what=what, why=verdict.reason)
    if value is None:
        return say(
            "{what} is over its limit of {limit}: {why}",
            what=what,
            limit=limit,
            why=verdict.reason,
        )
    shown = figure(value, target.kpi.format)
    if target.kpi.format == "factor" and verdict.outcome is Outcome.MISSED:
        # How fast a budget burns says little without how much of it goes, and within what time.
        return say(
            "{what} is {value}, limit {limit}: {why}",
            what=what,
            value=shown,
            limit=limit,
            why=verdict.reason,
        )
    if target.at_least is None:
        return say("{what} is {value}, limit {limit}", what=what, value=shown, limit=limit)
    if verdict.outcome is Outcome.MISSED:
        return say(
            "{what} is {value}, at least {limit} is promised and more was asked for",
            what=what,
            value=shown,
            limit=limit,
        )
    return say("{what} is {value}: {why}", what=what, value=shown, why=verdict.reason)


def headline(verdicts: Iterable[Verdict], snapshot: Snapshot | None = None) -> Message:
    """
    All verdicts in one sentence; the worst miss stands in it, with the route that it comes from.

    Args:
        verdicts: of one window.
        snapshot: that window, to tell where a miss comes from.
    """
    verdicts = tuple(verdicts)
    missed = [one for one in verdicts if one.outcome is Outcome.MISSED]
    unknown = sum(one.outcome is Outcome.UNKNOWN for one in verdicts)
    if missed:
        return say(
            "{missed:count} of {all:count} targets missed: {worst}",
            missed=len(missed),
            all=len(verdicts),
            worst=_with_origin(worst(missed), snapshot),
        )
    if unknown == len(verdicts):
        return say("No data yet: none of {all:count} targets can be judged", all=len(verdicts))
    if unknown:
        return say(
            "{met:count} of {all:count} targets met, too little data on the other {unknown:count}",
            met=len(verdicts) - unknown,
            all=len(verdicts),
            unknown=unknown,
        )
    return say("All {all:count} targets met", all=len(verdicts))


def worst(missed: Iterable[Verdict]) -> Verdict:
    """The miss that stands in the headline; there has to be one."""
    return max(missed, key=_badness)


def origin(verdict: Verdict, snapshot: Snapshot) -> str | None:
    """The route or task that most of a miss comes from, where there are several; else None."""
    target = verdict.target
    kind = Kind.TASK if target.kpi is TASK_FAILURE_RATIO else Kind.ROUTE
    candidates = snapshot.of(kind)
    if target.subject is not None or len(candidates) < 2:
        return None
    brought = {one.name: _brought(one, target) for one in candidates}
    worst = max(brought, key=lambda name: brought[name])
    return worst if brought[worst] else None


def _brought(series: Series, target: Target) -> int:
    """How many of its requests or runs made *target* missed; 0 for KPIs that are not of routes."""
    if target.kpi in (ERROR_RATIO, TASK_FAILURE_RATIO):
        return series.errors
    if target.kpi.name.startswith("latency_"):
        return series.succeeded.count_above(target.limit)
    return 0


def _with_origin(verdict: Verdict, snapshot: Snapshot | None) -> Message:
    route = None if snapshot is None else origin(verdict, snapshot)
    if route is None:
        return sentence(verdict)
    return say("{sentence}, mostly from {route}", sentence=sentence(verdict), route=route)


def _badness(verdict: Verdict) -> tuple[int, float]:
    """The severity first, then how many times the limit is missed."""
    value, target = verdict.value or 0.0, verdict.target
    over = (value, target.limit) if target.at_least is None else (target.limit, value)
    return verdict.target.severity, over[0] / max(over[1], 1e-9)
