"""
From verdicts to alerts: inactive → pending → firing → resolved, in Prometheus' words.

One miss is an accident: an alert waits for `for_s` before it fires. One good window is luck: it
takes several in a row before it resolves. Too little data raises nothing and is no good window;
where nothing tells for `unknown_s` how things stand, an alert ends and says so. A check without an
entry is inactive; nothing here remembers anything, the caller keeps the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, Outcome, Severity, Verdict, say
from keiko_perf.monitoring.wording import measured, sentence, subject


class AlertState(StrEnum):
    """Where an alert stands; a check that is fine has no alert."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """
    A target that is missed, or was until just now.

    Attributes:
        metric: the check's name, such as `api_response_time`.
        severity: of the target that is missed.
        state: where it stands.
        message: what is the case, with the value and the limit.
        since: when the miss began, aware UTC.
        changed_at: when it came into its state.
        value: the figure when it was last missed, or that it resolved with; None if too few
            samples tell it.
        good_windows: how many windows in a row were good while it was firing.
        told_at: when someone was last told that it fires; None if nobody was.
        is_silenced: whether a silence keeps it from being told now.
        unknown_since: since when nothing tells how things stand, and still when it resolved, if
            that is why; None where it is known.
    """

    metric: str
    severity: Severity
    state: AlertState
    message: Message
    since: datetime
    changed_at: datetime
    value: float | None = None
    good_windows: int = 0
    told_at: datetime | None = None
    is_silenced: bool = False
    unknown_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How quickly alerts come and go.

    Attributes:
        for_s: how long a target must be missed before its alert fires; 0 fires at once.
        good_windows: how many good windows in a row resolve it.
        margin_ratio: how far within its limit a figure must be for a good window, as a share of
            the limit: one that hovers about the limit does not come and go.
        unknown_s: for how long nothing may tell how things stand before an alert ends; None: it
            waits for good windows, however long there are none.
        group_s: how long the first news waits for more, so that they are told together.
        remind_s: after how long it is told again that an alert still fires; None: not at all.
        remember_s: how long a resolved alert is shown.
        max_alerts: how many there are at most; what comes on top waits until there is room.

    Raises:
        UsageError: a value is below its least.
    """

    for_s: float = 30.0
    good_windows: int = 3
    margin_ratio: float = 0.05
    unknown_s: float | None = 900.0
    group_s: float = 0.0
    remind_s: float | None = None
    remember_s: float = 3600.0
    max_alerts: int = 200

    def __post_init__(self) -> None:
        for name, least in (
            ("for_s", 0),
            ("good_windows", 1),
            ("margin_ratio", 0),
            ("unknown_s", 0),
            ("group_s", 0),
            ("remind_s", 0),
            ("remember_s", 0),
            ("max_alerts", 1),
        ):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UsageError(
                    f"{name} is at least {least}, not {value!r}",
                    cure=f"Leave {name} out to take the default",
                )
        if not self.margin_ratio < 1:
            raise UsageError(
                f"margin_ratio is a share of the limit under 1, not {self.margin_ratio!r}",
                cure="Give 0.05 for 5 % of the limit",
            )


def step(
    alerts: Mapping[str, Alert],
    verdicts: Mapping[str, Verdict],
    now: datetime,
    *,
    patience: Patience | None = None,
    patience_of: Mapping[str, Patience] | None = None,
    is_stuck: bool = False,
) -> dict[str, Alert]:
    """
    The alerts after one more window.

    Args:
        alerts: those before it, by check.
        verdicts: what the window says, by check; of a check that is not among them it says nothing.
        now: when the window ended, aware UTC.
        patience: how quickly they come and go.
        patience_of: the checks that have a patience of their own.
        is_stuck: whether requests are under way and none is answered. What is not known then is
            not for want of requests, and no alert ends by it.
    """
    patience, patience_of = patience or Patience(), patience_of or {}
    after: dict[str, Alert] = {}
    # Alerts that exist keep their place; new ones take what room there is.
    metrics = (*sorted(alerts), *sorted(verdicts.keys() - alerts.keys()))
    for metric in metrics:
        own = patience_of.get(metric, patience)
        alert = _next(alerts.get(metric), metric, verdicts.get(metric), now, own, is_stuck)
        if alert is not None and len(after) < patience.max_alerts:
            after[metric] = alert
    return after


def news(before: Mapping[str, Alert], after: Mapping[str, Alert]) -> tuple[Alert, ...]:
    """The alerts that began to fire, or resolved: what someone is told. The worst come first."""
    told = [
        alert
        for metric, alert in after.items()
        if alert.state is not AlertState.PENDING
        and (metric not in before or before[metric].state is not alert.state)
    ]
    return tuple(sorted(told, key=lambda one: (-one.severity, one.metric)))


def _next(
    alert: Alert | None,
    metric: str,
    verdict: Verdict | None,
    now: datetime,
    patience: Patience,
    is_stuck: bool,
) -> Alert | None:
    if alert is not None and alert.state is AlertState.RESOLVED:
        if verdict is not None and verdict.outcome is Outcome.MISSED:
            alert = None  # a new miss is a new alert
        else:
            forgotten = (now - alert.changed_at).total_seconds() > patience.remember_s
            return None if forgotten else alert
    if verdict is None or verdict.outcome is Outcome.UNKNOWN:
        return alert and _after_doubt(alert, verdict, now, patience, is_stuck)
    if verdict.outcome is Outcome.MET:
        return None if alert is None else _after_good(alert, verdict, now, patience)
    return _after_miss(alert or _begun(metric, verdict, now), verdict, now, patience)


def _begun(metric: str, verdict: Verdict, now: datetime) -> Alert:
    return Alert(
        metric=metric,
        severity=verdict.target.severity,
        state=AlertState.PENDING,
        message=sentence(verdict),
        since=now,
        changed_at=now,
    )


def _after_miss(alert: Alert, verdict: Verdict, now: datetime, patience: Patience) -> Alert:
    alert = replace(
        alert,
        severity=verdict.target.severity,
        message=sentence(verdict),
        value=measured(verdict),
        good_windows=0,
        unknown_since=None,
    )
    waited_s = (now - alert.since).total_seconds()
    if alert.state is AlertState.PENDING and waited_s >= patience.for_s:
        return replace(alert, state=AlertState.FIRING, changed_at=now)
    return alert


def _after_good(alert: Alert, verdict: Verdict, now: datetime, patience: Patience) -> Alert | None:
    if alert.state is AlertState.PENDING:
        return None
    if not _is_well_within(verdict, patience.margin_ratio):
        alert = replace(alert, good_windows=0, unknown_since=None)
        return replace(alert, message=sentence(verdict), value=measured(verdict))
    good = alert.good_windows + 1
    if good < patience.good_windows:
        return replace(alert, good_windows=good, unknown_since=None)
    return replace(
        alert,
        state=AlertState.RESOLVED,
        message=sentence(verdict),
        value=measured(verdict),
        changed_at=now,
        good_windows=good,
        unknown_since=None,
    )


def _after_doubt(
    alert: Alert, verdict: Verdict | None, now: datetime, patience: Patience, is_stuck: bool
) -> Alert | None:
    if is_stuck:
        return replace(alert, unknown_since=None)
    alert = replace(alert, unknown_since=alert.unknown_since or now)
    lasted_s = (now - (alert.unknown_since or now)).total_seconds()
    if patience.unknown_s is None or lasted_s < patience.unknown_s:
        return alert
    if alert.state is AlertState.PENDING:
        return None
    ended = say(
        "{what} has not been known for {lasted:duration}: {why}. The alert ends, though nothing"
        " says that all is well",
        what=alert.metric if verdict is None else subject(verdict),
        lasted=lasted_s,
        why=say("it is no longer judged") if verdict is None else verdict.reason,
    )
    return replace(
        alert, state=AlertState.RESOLVED, message=ended, value=None, changed_at=now, good_windows=0
    )


def _is_well_within(verdict: Verdict, margin_ratio: float) -> bool:
    target = verdict.target
    if verdict.value is None or target.at_most is None:
        return True
    return verdict.value <= target.at_most * (1 - margin_ratio)
