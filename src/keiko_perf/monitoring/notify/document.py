"""
Document: alerts in JSON's types and as lines of text, in English unless asked otherwise. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.render import phrase


def as_document(alert: Alert, lang: str = "en") -> dict[str, object]:
    """The alert in JSON's types; *lang* is for what a person reads of it."""
    return {
        "metric": alert.metric,
        "severity": alert.severity.word,
        "state": alert.state.value,
        "message": phrase(alert.message, lang),
        "value": alert.value,
        "since": alert.since.isoformat(),
        "changed_at": alert.changed_at.isoformat(),
        "unknown_since": alert.unknown_since and alert.unknown_since.isoformat(),
        "text": as_line(alert, lang),
    }


def as_line(alert: Alert, lang: str = "en") -> str:
    """Such as "[firing] error_rate (critical): error rate is 2 %, limit 0.1 %"."""
    message = phrase(alert.message, lang)
    return f"[{alert.state}] {alert.metric} ({alert.severity.word}): {message}"


def as_text(alerts: Iterable[Alert]) -> str:
    """A line for each alert."""
    return "\n".join(as_line(one) for one in alerts)
