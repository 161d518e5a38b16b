"""
Happenings: what stands beside the figures: alerts, deploys, notes, and changes that were found.

They are read anew for each view; changes are searched for in the background, since a month of
windows takes a while, and what was found last stands until then.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Message, say
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.changes.changes import ServiceChange
from keiko_perf.monitoring.changes.markers import Marker
from keiko_perf.monitoring.dashboard.state import alert_document
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.monitoring.wording import figure
from keiko_perf.render import phrase

_HOURS = (24.0, 168.0, 720.0)
_SHORT_H = 2.0
_FRESH_S = 300.0
_MOST = 100
_log = logging.getLogger("keiko_perf.dashboard")

Row = dict[str, Any]


class Happenings:
    """
    Args:
        monitor: of the service.
        clock: monotonic seconds.
    """

    def __init__(self, monitor: Monitor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._monitor = monitor
        self._clock = clock
        self._changes: dict[float, tuple[float, tuple[ServiceChange, ...]]] = {}
        self._search: asyncio.Task[None] | None = None

    async def alerts(self, start_at: datetime, end_at: datetime, lang: str) -> list[Row]:
        """Those that wait or fire now, and those that resolved after *start_at*, newest first."""
        now = [one for one in self._monitor.alerts if one.state is not AlertState.RESOLVED]
        try:
            over = await self._monitor.alert_history(start_at, self._monitor.now())
        except StoreUnavailable:
            over = self._monitor.alerts
        resolved = [one for one in over if one.state is AlertState.RESOLVED]
        return [
            alert_document(one, lang)
            for one in [*now, *resolved][:_MOST]
            if one.since < end_at and _ends_after(one, start_at)
        ]

    async def marks(self, start_at: datetime, end_at: datetime, lang: str) -> list[Row]:
        """Deploys, notes and changes within the range, the newest first."""
        try:
            markers = await self._monitor.markers(start_at, end_at)
        except StoreUnavailable:
            markers = ()
        found = [
            _of_change(one, lang)
            for one in self._known_changes(start_at)
            if start_at <= one.at < end_at
        ]
        marks = [*found, *(_of_marker(one) for one in markers)]
        return sorted(marks, key=lambda one: str(one["at"]), reverse=True)[:_MOST]

    def _known_changes(self, start_at: datetime) -> tuple[ServiceChange, ...]:
        """What was found last; it is searched for anew where that is some minutes ago."""
        age_h = (self._monitor.now() - start_at).total_seconds() / 3600
        hours = next((one for one in _HOURS if age_h <= one * 1.01), None)
        if hours is None:
            return ()
        found_s, found = self._changes.get(hours, (0.0, ()))
        # A short view shows what is known, and is not worth the search.
        is_old = age_h > _SHORT_H and (
            hours not in self._changes or self._clock() - found_s >= _FRESH_S
        )
        if is_old and (self._search is None or self._search.done()):
            self._search = asyncio.ensure_future(self._look(hours))
        return found

    async def _look(self, hours: float) -> None:
        try:
            found = await self._monitor.changes(hours)
        except Exception:  # a stranger's store; the page shows what was found before
            _log.exception("changes cannot be searched for")
            found = self._changes.get(hours, (0.0, ()))[1]
        self._changes[hours] = self._clock(), found


def _ends_after(alert: Alert, start_at: datetime) -> bool:
    return alert.state is not AlertState.RESOLVED or alert.changed_at > start_at


def _of_marker(marker: Marker) -> Row:
    return {"at": marker.at.isoformat(), "kind": marker.kind.value, "text": marker.text}


def _of_change(change: ServiceChange, lang: str) -> Row:
    return {
        "at": change.at.isoformat(),
        "kind": "change",
        "text": phrase(_told(change), lang),
        "confidence": change.confidence,
        "is_worse": change.is_worse,
    }


def _told(change: ServiceChange) -> Message:
    values: dict[str, object] = {
        "what": change.label,
        "before": figure(change.before, change.format),
        "after": figure(change.after, change.format),
    }
    if change.subject is None:
        return say("{what} went from {before} to {after}", **values)
    return say(
        "{what} of {subject} went from {before} to {after}", subject=change.subject, **values
    )
