"""
Telling: which alerts someone is to be told of now. Pure.

An alert that begins to fire is told once, with all others that do so at about the same time, and
again if it gets more severe; a resolved one only if someone knows that it fired. A silence holds
the news back: what still fires when it ends is told then, and what resolved meanwhile never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from keiko_perf.monitoring.alerts.alerts import Alert, AlertState, Patience
from keiko_perf.monitoring.alerts.silence import Silence


def due(
    before: Mapping[str, Alert],
    after: Mapping[str, Alert],
    silences: Iterable[Silence],
    now: datetime,
    *,
    patience: Patience,
) -> tuple[tuple[Alert, ...], dict[str, Alert]]:
    """
    The alerts to tell now, the worst first, and all of *after* with what is noted of that.

    Args:
        before: the alerts before this window, by check.
        after: those after it.
        silences: that hold now.
        now: aware UTC.
        patience: how long the first news waits for more, and when it is told again.
    """
    silences = tuple(silences)
    alerts = {
        check: replace(one, is_silenced=any(silence.covers(check, now) for silence in silences))
        for check, one in after.items()
    }
    new = [one for one in alerts.values() if _is_new(one)]
    if new and max(_age_s(one, now) for one in new) < patience.group_s:
        new = []
    told = [
        *new,
        *(
            one
            for check, one in alerts.items()
            if _is_overdue(one, now, patience.remind_s) or _is_graver(before.get(check), one)
        ),
    ]
    resolved = [
        one
        for check, one in alerts.items()
        if one.state is AlertState.RESOLVED
        and one.told_at is not None
        and not one.is_silenced
        and (check not in before or before[check].state is not AlertState.RESOLVED)
    ]
    for one in told:
        alerts[one.metric] = replace(one, told_at=now)
    told = [alerts[one.metric] for one in (*told, *resolved)]
    return tuple(sorted(told, key=lambda one: (-one.severity, one.metric))), alerts


def _is_new(alert: Alert) -> bool:
    return alert.state is AlertState.FIRING and alert.told_at is None and not alert.is_silenced


def _is_graver(before: Alert | None, alert: Alert) -> bool:
    """Whether it was told, and is more severe since: an error budget that burns faster."""
    if before is None or alert.told_at is None or alert.is_silenced:
        return False
    return alert.state is AlertState.FIRING and alert.severity > before.severity


def _is_overdue(alert: Alert, now: datetime, remind_s: float | None) -> bool:
    if remind_s is None or alert.state is not AlertState.FIRING or alert.told_at is None:
        return False
    return not alert.is_silenced and (now - alert.told_at).total_seconds() >= remind_s


def _age_s(alert: Alert, now: datetime) -> float:
    return (now - alert.changed_at).total_seconds()
