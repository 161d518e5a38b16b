"""
Picture: how a service stands at one moment, read off its store or told by itself. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.model import Kind, Message, Outcome, Snapshot, Text, Verdict, say
from keiko_perf.monitoring.alerts import alerting, silence
from keiko_perf.monitoring.alerts.alerts import AlertState
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.export.health import verdicts_of
from keiko_perf.monitoring.kpis import PerformanceKPIs, check_name
from keiko_perf.monitoring.storage.journal import Journal
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.wording import headline

_NOTED_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route of the last minute; None where too few samples tell."""

    name: str
    rate_per_s: float
    error_ratio: float | None
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """
    Attributes:
        source: what is watched.
        taken_at: when, aware UTC.
        headline: the answer in one sentence.
        verdicts: by check.
        routes: by the time that they took in all, the longest first.
        alerts: state, severity and sentence of each, those that fire first.
        notes: when something was done to the service, and what, the newest first.
        silent: how many silences hold.
        age_s: how old the last measurement is; None if that is not known.
        problem: why there is no picture; None if there is one.
        seen_at: when the rest of it was seen, if that was before; else None.
    """

    source: str
    taken_at: datetime
    headline: Text = ""
    verdicts: Mapping[str, Verdict] | None = None
    routes: tuple[Route, ...] = ()
    alerts: tuple[tuple[str, str, str | Message], ...] = ()
    notes: tuple[tuple[datetime, str], ...] = ()
    silent: int = 0
    age_s: float | None = None
    problem: Text | None = None
    seen_at: datetime | None = None

    @property
    def missed(self) -> int:
        verdicts = (self.verdicts or {}).values()
        return sum(one.outcome is Outcome.MISSED for one in verdicts)


def after(last: Picture, picture: Picture) -> Picture:
    """*picture*; where nothing is to be seen now, with what *last* had seen before."""
    has_seen = last.seen_at is not None or last.problem is None
    if picture.problem is None or not has_seen:
        return picture
    return replace(
        last,
        taken_at=picture.taken_at,
        problem=picture.problem,
        age_s=picture.age_s,
        seen_at=last.seen_at or last.taken_at,
    )


def of_store(
    source: str,
    store: SqliteStore,
    journal: Journal,
    *,
    kpis: PerformanceKPIs,
    last_s: float,
    now: datetime,
) -> Picture:
    """
    The picture that a store has of its service.

    Raises:
        StoreUnavailable: it cannot be read.
    """
    windows = store.between(now - timedelta(seconds=last_s + 60), now + timedelta(hours=1))
    ended_at = max((one.ended_at for one in windows), default=None)
    recent = now - timedelta(seconds=last_s)
    snapshot = Snapshot.merged(one for one in windows if one.ended_at > recent)
    verdicts = {check_name(one): one.judge(snapshot) for one in kpis.targets()}
    noted = markers.read(journal, now - timedelta(seconds=_NOTED_S), None)
    age_s = None if ended_at is None else max(0.0, (now - ended_at).total_seconds())
    states = sorted(alerting.states(journal), key=lambda one: one.state is not AlertState.FIRING)
    return Picture(
        source=source,
        taken_at=now,
        headline=headline(verdicts.values(), snapshot),
        verdicts=verdicts,
        routes=() if snapshot is None else _routes(snapshot),
        alerts=tuple((one.state.value, one.severity.word, one.message) for one in states),
        notes=tuple((one.at, one.text) for one in reversed(noted)),
        silent=len(silence.read(journal, now)),
        age_s=age_s,
        problem=None if snapshot is not None else _nothing(last_s, age_s),
    )


def of_service(source: str, document: Mapping[str, Any], now: datetime) -> Picture:
    """
    The picture that a service has of itself.

    Raises:
        ServiceUnavailable: what it told is no health of this version.
    """
    try:
        verdicts = verdicts_of(document)
        routes = tuple(
            Route(**{name: one[name] for name in Route.__slots__}) for one in document["routes"]
        )
        alerts = tuple(
            (str(one["state"]), str(one["severity"]), str(one["message"]))
            for one in document["alerts"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceUnavailable(
            "the service tells its health in a form that this keiko-perf does not know",
            cure="Let both be of the same version",
        ) from error
    return Picture(
        source=source,
        taken_at=now,
        headline=str(document.get("description", "")),
        verdicts=verdicts,
        routes=routes,
        alerts=tuple(sorted(alerts, key=lambda one: one[0] != AlertState.FIRING.value)),
        age_s=0.0,
    )


def _nothing(last_s: float, age_s: float | None) -> Message:
    """Why a store has nothing to show of its service."""
    if age_s is None:
        return say(
            "Nothing was measured in the last {last:duration}: the service is down, or its monitor"
            " writes to another store",
            last=last_s,
        )
    return say(
        "Nothing was measured in the last {last:duration}, and before that {age:duration} ago: the"
        " service is down, or its monitor writes to another store",
        last=last_s,
        age=age_s,
    )


def _routes(snapshot: Snapshot) -> tuple[Route, ...]:
    ordered = sorted(snapshot.of(Kind.ROUTE), key=lambda one: (-one.sum_s, one.name))
    return tuple(
        Route(
            name=one.name,
            rate_per_s=one.rate_per_s,
            error_ratio=one.error_ratio,
            p50_s=one.succeeded.known_quantile(0.5),
            p95_s=one.succeeded.known_quantile(0.95),
            p99_s=one.succeeded.known_quantile(0.99),
            sum_s=one.sum_s,
        )
        for one in ordered
    )
