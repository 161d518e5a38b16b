"""
Changes: what changed in a service, when, by how much, how sure, and what was done then. Pure.

The level of each figure that matters is searched for change points, with a chance for a false
one that is shared by all of them: where nothing changed nothing is said, however many routes
there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from keiko_perf.model import Kind, Message
from keiko_perf.monitoring.changes.changepoints import LEAST_POINTS, change_points
from keiko_perf.monitoring.changes.markers import Marker
from keiko_perf.monitoring.changes.stretches import (
    CALLS,
    CPU,
    DEMAND,
    ERRORS,
    P50,
    P95,
    STATEMENT,
    STATEMENT_P95,
    TASK,
    Figure,
    Key,
    Stretch,
)

MOST_SUBJECTS = 10
"""Of a kind, the heaviest ones."""
SUREST = 0.999
"""As sure as a day of such figures can make one, however small p is."""
_DAY_S = 86_400.0
_ALPHA = 0.01
_KNOWN_SHARE = 0.75
_AFTER_MARKER_S = 3600.0
_TOLD_BY = {STATEMENT_P95.name: STATEMENT.name, P50.name: P95.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A figure that is another than it was; its attributes are those of `ServiceChange`."""

    name: str
    label: Message
    format: str
    subject: str | None
    before: float
    after: float
    low: float
    high: float
    is_worse: bool | None

    @property
    def ratio(self) -> float:
        """After ÷ before."""
        return self.after / self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChange(Shift):
    """
    A figure whose level changed for good.

    Attributes:
        at: since when, aware UTC; exact to one stretch.
        step_s: how long a stretch is.
        name: the figure's name, such as `latency_p95_s`.
        label: what a person calls it.
        format: the format of `render.units` that shows it.
        subject: the route, task or statement; None for the whole service.
        before: its level before.
        after: its level since.
        low: the lower end of the 95 % interval of after ÷ before.
        high: its upper end.
        ratio: after ÷ before.
        is_worse: whether that is worse; None if it is neither, such as more demand.
        confidence: how sure it is that it changed at all, 0 to `SUREST`.
        marker: what was done to the service just before; None if nothing is known.
    """

    at: datetime
    step_s: float
    confidence: float
    marker: Marker | None = None


_T = TypeVar("_T", bound=Shift)


def find_changes(
    stretches: Sequence[Stretch],
    *,
    step_s: float,
    markers: Iterable[Marker] = (),
    before: Sequence[Stretch] = (),
) -> tuple[ServiceChange, ...]:
    """
    The changes, the newest first; of the same moment those of the whole service first.

    Args:
        stretches: at equal distances, the oldest first.
        step_s: how long each is.
        markers: what was done to the service.
        before: the stretches of the days before, which tell what is usual at which hour.
    """
    keys = keys_of(stretches)
    markers = tuple(markers)
    found = [
        change
        for key in keys
        for change in _changes_of(
            key,
            stretches,
            step_s=step_s,
            alpha=_ALPHA / len(keys),
            markers=markers,
            before=[one.values.get(key) for one in before],
        )
    ]
    return tuple(
        sorted(without_tails(found), key=lambda one: (-one.at.timestamp(), one.subject or ""))
    )


def without_tails(found: Iterable[_T]) -> Iterator[_T]:
    """
    Of a statement that got slower on the whole, its slow executions are no news; nor are most
    requests of a route whose slowest ones, which are promised, got slower as well.
    """
    found = tuple(found)
    known = {(one.name, one.subject, one.is_worse) for one in found}
    for one in found:
        better = _TOLD_BY.get(one.name)
        if better is None or (better, one.subject, one.is_worse) not in known:
            yield one


def is_enough(stretches: Sequence[Stretch]) -> bool:
    """Whether so few stretches can tell anything."""
    return sum(1 for one in stretches if one.values) >= LEAST_POINTS


def _changes_of(
    key: Key,
    stretches: Sequence[Stretch],
    *,
    step_s: float,
    alpha: float,
    markers: Sequence[Marker],
    before: Sequence[float | None],
) -> Iterator[ServiceChange]:
    figure, subject = key
    values = [one.values.get(key) for one in stretches]
    points = change_points(
        values,
        points_per_day=_DAY_S / step_s,
        before=before,
        least_effect=figure.least_effect,
        alpha=alpha,
    )
    for point in points:
        at = stretches[point.index].started_at
        yield ServiceChange(
            at=at,
            step_s=step_s,
            name=figure.name,
            label=figure.label,
            format=figure.format,
            subject=subject,
            before=point.before,
            after=point.after,
            low=point.low,
            high=point.high,
            confidence=min(1 - point.p, SUREST),
            is_worse=is_worse(figure, point.ratio),
            marker=_marker(at, step_s, markers),
        )


def is_worse(figure: Figure, ratio: float) -> bool | None:
    return None if figure.is_worse_if_more is None else (ratio > 1) is figure.is_worse_if_more


def _marker(at: datetime, step_s: float, markers: Sequence[Marker]) -> Marker | None:
    """The nearest one before; a change is only known to within a stretch or two."""
    latest = at + timedelta(seconds=2 * step_s)
    earliest = at - timedelta(seconds=max(_AFTER_MARKER_S, 3 * step_s))
    near = [one for one in markers if earliest <= one.at <= latest]
    return min(near, key=lambda one: abs((one.at - at).total_seconds()), default=None)


def keys_of(stretches: Sequence[Stretch]) -> list[Key]:
    keys: list[Key] = [*_latency(stretches, None), (ERRORS, None), (DEMAND, None), (CPU, None)]
    routes = _heaviest(stretches, Kind.ROUTE)
    # The only route is the whole service.
    for route in routes if len(routes) > 1 else ():
        keys += [*_latency(stretches, route), (ERRORS, route)]
    for one in _heaviest(stretches, Kind.STATEMENT):
        keys += [(STATEMENT, one), (STATEMENT_P95, one)]
    keys += [(CALLS, one) for one in _most_asked(stretches)]
    keys += [(TASK, one) for one in _heaviest(stretches, Kind.TASK)]
    return keys


def _latency(stretches: Sequence[Stretch], subject: str | None) -> list[Key]:
    """The p95 where it is known most of the time, else the p50."""
    measured = [one for one in stretches if (P50, subject) in one.values]
    for figure in (P95, P50):
        known = sum(one.values[figure, subject] is not None for one in measured)
        if measured and known >= _KNOWN_SHARE * len(measured):
            return [(figure, subject)]
    return []


def _most_asked(stretches: Sequence[Stretch]) -> list[str]:
    time_s: defaultdict[str, float] = defaultdict(float)
    for stretch in stretches:
        for subject, spent_s in stretch.asked_s.items():
            time_s[subject] += spent_s
    return sorted(time_s, key=lambda one: -time_s[one])[:MOST_SUBJECTS]


def _heaviest(stretches: Sequence[Stretch], kind: Kind) -> list[str]:
    time_s: defaultdict[str, float] = defaultdict(float)
    for stretch in stretches:
        for (of_kind, name), spent_s in stretch.time_s.items():
            if of_kind is kind:
                time_s[name] += spent_s
    return sorted(time_s, key=lambda name: -time_s[name])[:MOST_SUBJECTS]
