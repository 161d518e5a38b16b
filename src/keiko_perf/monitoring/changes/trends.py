"""
Trends: the last hour beside the same hour of the same weekday, and beside the last deploy. Pure.

A Monday morning is compared to a Monday morning: what it is beside the night before tells the
time of day and no trend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from keiko_perf.model import Comparison, Histogram, Kind, Message, Snapshot, compare, say

HOUR_S = 3600.0
WEEK_S = 7 * 86_400.0
_PART_S = 300.0
_LONGEST_S = 6 * HOUR_S


@dataclass(frozen=True, slots=True)
class Span:
    """From *start_at* on and before *end_at*, aware UTC."""

    start_at: datetime
    end_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """
    Two times of the service side by side.

    Attributes:
        label: which ones, such as "The last hour beside the same hour last week".
        before: the earlier one.
        after: the later one.
        comparison: of the response time p95, the later one as its second.
    """

    label: Message
    before: Span
    after: Span
    comparison: Comparison


def spans(now: datetime, deploy_at: datetime | None) -> list[tuple[Message, Span, Span]]:
    """What is put side by side: a label, the earlier and the later time."""
    hour, week = timedelta(seconds=HOUR_S), timedelta(seconds=WEEK_S)
    recent = Span(now - hour, now)
    chosen = [
        (
            say("The last hour beside the same hour last week"),
            Span(recent.start_at - week, recent.end_at - week),
            recent,
        )
    ]
    if deploy_at is not None and deploy_at < now:
        length = min(now - deploy_at, timedelta(seconds=_LONGEST_S))
        chosen.append(
            (
                say("Since the last deploy beside before it"),
                Span(deploy_at - length, deploy_at),
                Span(deploy_at, deploy_at + length),
            )
        )
    return chosen


def trend_of(
    label: Message,
    before: Span,
    after: Span,
    windows: tuple[Sequence[Snapshot], Sequence[Snapshot]],
) -> Trend:
    """The comparison of two times by the *windows* of each."""
    sides = [_parts(side) for side in windows]
    comparison = compare(*sides, subject="", stretch=1, min_effect=0.1)
    return Trend(label=label, before=before, after=after, comparison=comparison)


def _parts(windows: Iterable[Snapshot]) -> list[Histogram]:
    """What succeeded, of each five minutes; older windows are of ten minutes themselves."""
    parts: dict[float, Histogram] = {}
    for window in windows:
        part = parts.setdefault(window.started_at.timestamp() // _PART_S, Histogram())
        for series in window.of(Kind.ROUTE):
            part.merge(series.succeeded)
    return [one for _, one in sorted(parts.items()) if one]
