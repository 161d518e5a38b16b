"""
Records: alerts and deliveries as the journal keeps them, and back. Pure.

A message is kept with its values and not as a sentence, so that it can still be told in either
language after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from keiko_perf.model import Message, Severity
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """
    Some alerts on their way to one notifier.

    Attributes:
        key: its own.
        notifier: whom; its address without what is secret in it.
        alerts: what is told.
        queued_at: since when it is on its way, aware UTC.
        state: whether it arrived.
        changed_at: when it came into that state, or was last tried.
        attempts: how often it was tried.
        problem: what went wrong the last time; None if nothing did.
    """

    key: str
    notifier: str
    alerts: tuple[Alert, ...]
    queued_at: datetime
    changed_at: datetime
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    problem: str | None = None


def alert_body(alert: Alert) -> dict[str, Any]:
    """*alert* in JSON's types."""
    return {
        "metric": alert.metric,
        "severity": alert.severity.word,
        "state": alert.state.value,
        "message": _message_body(alert.message),
        "since": alert.since.isoformat(),
        "changed_at": alert.changed_at.isoformat(),
        "value": alert.value,
        "good_windows": alert.good_windows,
        "told_at": alert.told_at and alert.told_at.isoformat(),
        "is_silenced": alert.is_silenced,
        "unknown_since": alert.unknown_since and alert.unknown_since.isoformat(),
    }


def alert_of(body: Mapping[str, Any]) -> Alert:
    """Undo `alert_body`."""
    told_at, unknown_since = body["told_at"], body.get("unknown_since")  # which came later
    return Alert(
        metric=body["metric"],
        severity=Severity[body["severity"].upper()],
        state=AlertState(body["state"]),
        message=_message_of(body["message"]),
        since=datetime.fromisoformat(body["since"]),
        changed_at=datetime.fromisoformat(body["changed_at"]),
        value=body["value"],
        good_windows=body["good_windows"],
        told_at=None if told_at is None else datetime.fromisoformat(told_at),
        is_silenced=body["is_silenced"],
        unknown_since=None if unknown_since is None else datetime.fromisoformat(unknown_since),
    )


def delivery_body(delivery: Delivery) -> dict[str, Any]:
    """*delivery* in JSON's types, without its key and `queued_at`, which an entry has itself."""
    return {
        "notifier": delivery.notifier,
        "alerts": [alert_body(one) for one in delivery.alerts],
        "state": delivery.state.value,
        "changed_at": delivery.changed_at.isoformat(),
        "attempts": delivery.attempts,
        "problem": delivery.problem,
    }


def delivery_of(key: str, queued_at: datetime, body: Mapping[str, Any]) -> Delivery:
    """Undo `delivery_body`."""
    return Delivery(
        key=key,
        notifier=body["notifier"],
        alerts=tuple(alert_of(one) for one in body["alerts"]),
        queued_at=queued_at,
        changed_at=datetime.fromisoformat(body["changed_at"]),
        state=DeliveryState(body["state"]),
        attempts=body["attempts"],
        problem=body["problem"],
    )


def _message_body(message: Message) -> dict[str, Any]:
    values = {
        name: _message_body(value) if isinstance(value, Message) else _plain(value)
        for name, value in message.values.items()
    }
    return {"template": message.template, "values": values}


def _message_of(body: Mapping[str, Any]) -> Message:
    values = {
        name: _message_of(value) if isinstance(value, dict) else value
        for name, value in body["values"].items()
    }
    return Message(body["template"], values)


def _plain(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else str(value)
