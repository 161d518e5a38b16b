"""
The cards of the page, one a target, as good, warning or critical: the guide's four come first.

A target's limit is where the warning begins. Critical lies beyond it by as much as the guide says
for the default limits: 200 and 500 ms, 70 and 90 % CPU, 80 and 95 % memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite

from keiko_perf.model import Message, Outcome, Text, Verdict, say
from keiko_perf.monitoring.wording import figure, measured, subject


class Level(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Card:
    """
    Attributes:
        check: whose verdict it shows.
        title: what it shows.
        value: the figure, None for "no data".
        level: how good that is.
        note: the limit, or why there is no figure.
        is_primary: whether it is one of the guide's four.
        headroom: how much of the limit is left, 1 for all of it, below 0 beyond it; None where
            there is no figure, or the limit is a least.
    """

    check: str
    title: Message
    value: Message | None
    level: Level
    note: Text
    is_primary: bool
    headroom: float | None


_CRITICAL_FROM: dict[str, Callable[[float], float]] = {
    "api_response_time": lambda limit_s: limit_s * 2.5,
    "cpu_usage": lambda limit: limit + (1 - limit) * 2 / 3,
    "memory_usage": lambda limit: limit + (1 - limit) * 3 / 4,
}
_TITLES = {
    "api_response_time": say("Response time p95"),
    "throughput": say("Requests per second"),
    "cpu_usage": say("CPU"),
    "memory_usage": say("Memory"),
}
_FURTHER = {
    "api_response_time_p99": say("Response time p99"),
    "error_rate": say("Error rate"),
    "database_connections": say("Database connections"),
    "tasks_per_minute": say("Tasks per minute"),
    "task_failure_rate": say("Task failures"),
}


def cards(verdicts: Mapping[str, Verdict]) -> list[Card]:
    """The cards, from the verdicts by check."""
    titles = {**_TITLES, **_FURTHER}
    titles |= {name: subject(one) for name, one in verdicts.items() if name not in titles}
    return [_card(name, title, verdicts[name]) for name, title in titles.items()]


def level(name: str, verdict: Verdict) -> Level:
    """How good a verdict is, in three steps where the guide has three."""
    if verdict.outcome is Outcome.UNKNOWN:
        return Level.UNKNOWN
    if verdict.outcome is Outcome.MET:
        return Level.GOOD
    critical_from = _CRITICAL_FROM.get(name)
    if critical_from is None:
        return Level.CRITICAL
    value = verdict.value or 0.0
    return Level.CRITICAL if value > critical_from(verdict.target.limit) else Level.WARNING


def _card(name: str, title: Message, verdict: Verdict) -> Card:
    target = verdict.target
    value, format = measured(verdict), target.kpi.format
    limit = figure(target.limit, format)
    if verdict.outcome is Outcome.UNKNOWN:
        note: Message = verdict.reason
    elif target.at_least is None:
        note = say("at most {limit}", limit=limit)
    elif verdict.value is not None and verdict.value < target.limit:
        note = say("at least {limit} if asked for; {why}", limit=limit, why=verdict.reason)
    else:
        note = say("at least {limit} if asked for", limit=limit)
    shown = None if value is None else figure(value, format)
    return Card(name, title, shown, level(name, verdict), note, name in _TITLES, _headroom(verdict))


def _headroom(verdict: Verdict) -> float | None:
    value, target = measured(verdict), verdict.target
    if value is None or target.at_most is None or not isfinite(target.limit) or not target.limit:
        return None
    return 1 - value / target.limit
