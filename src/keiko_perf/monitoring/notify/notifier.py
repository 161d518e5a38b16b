"""
Notifier: whoever can be told of alerts, one by one or those of a moment together.
"""

from __future__ import annotations

import logging
from typing import Protocol, runtime_checkable

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.model import Severity
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.render import phrase

_log = logging.getLogger("keiko_perf.alerts")

_LEVELS = {
    Severity.NOTE: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class Notifier(Protocol):
    """Tells someone of an alert that began to fire, or resolved. It may raise: that is counted."""

    async def __call__(self, alert: Alert, /) -> None: ...


@runtime_checkable
class GroupNotifier(Protocol):
    """A notifier that is told all alerts of a moment at once, so that one fault is one message."""

    async def tell(self, alerts: tuple[Alert, ...], /) -> None: ...


class NotTaken(ServiceUnavailable):
    """The other end refused an alert, and would refuse it again."""


class LogNotifier:
    """Writes alerts to the standard log `keiko_perf.alerts`: as warning, error, or info."""

    def __init__(self, log: logging.Logger = _log) -> None:
        self._log = log

    def __repr__(self) -> str:
        return f"<LogNotifier {self._log.name}>"

    async def __call__(self, alert: Alert, /) -> None:
        resolved = alert.state is AlertState.RESOLVED
        level = logging.INFO if resolved else _LEVELS[alert.severity]
        self._log.log(level, "%s %s: %s", alert.metric, alert.state, phrase(alert.message))
