"""
State: how a service is, as one JSON document: verdict, cards, targets, alerts.

Figures stand twice: as numbers for programs, under the guide's names and in its units, and as
text for people, in their language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from keiko_perf.model import Kind, Outcome, Severity, Snapshot, Verdict
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.dashboard.cards import Card, cards
from keiko_perf.monitoring.dashboard.since import Since
from keiko_perf.monitoring.notify import as_document
from keiko_perf.monitoring.wording import headline, measured, sentence, subject
from keiko_perf.render import phrase
from keiko_perf.render.figures import ABSENT
from keiko_perf.render.units import show

MAX_ROUTES = 100

Document = dict[str, Any]


def state(
    verdicts: Mapping[str, Verdict],
    snapshot: Snapshot | None,
    alerts: Iterable[Alert],
    *,
    since: Since | None,
    last_week: Mapping[str, float],
    lang: str,
    has_routes: bool = True,
) -> Document:
    """
    What is the case now.

    Args:
        verdicts: of all targets, by check.
        snapshot: what they rest on.
        alerts: that wait, fire, or resolved within the hour.
        since: when the worst target began to be missed.
        last_week: what each check's figure was at this time last week.
        lang: of the texts.
        has_routes: whether the routes stand in it, which cost as much as all the rest.
    """
    shown_routes, left_out = _routes(snapshot if has_routes else None, lang)
    return {
        "status": status(verdicts.values()),
        "headline": phrase(headline(verdicts.values(), snapshot), lang),
        "since": _since(since),
        "cards": [_card(card, verdicts, last_week, lang) for card in cards(verdicts)],
        "checks": {name: _check(verdict, lang) for name, verdict in verdicts.items()},
        "routes": shown_routes,
        "routes_left_out": left_out,
        "alerts": [alert_document(alert, lang) for alert in alerts],
    }


def status(verdicts: Iterable[Verdict]) -> str:
    """The worst of them; `unknown` only if all are, as a service has not everything."""
    verdicts = tuple(verdicts)
    missed = [one.target.severity for one in verdicts if one.outcome is Outcome.MISSED]
    if missed:
        return "critical" if max(missed) is Severity.CRITICAL else "warning"
    return "good" if any(one.outcome is Outcome.MET for one in verdicts) else "unknown"


def alert_document(alert: Alert, lang: str) -> Document:
    """An alert, its message in *lang*."""
    ended_at = alert.changed_at if alert.state is AlertState.RESOLVED else None
    return {
        **as_document(alert, lang),
        "is_silenced": alert.is_silenced,
        "ended_at": _iso(ended_at),
    }


def _since(since: Since | None) -> Document | None:
    if since is None:
        return None
    return {
        "at": since.at.isoformat(),
        "load_per_s": since.load_per_s,
        "is_older": since.is_older,
    }


def _card(
    card: Card, verdicts: Mapping[str, Verdict], last_week: Mapping[str, float], lang: str
) -> Document:
    verdict = verdicts[card.check]
    value, before = measured(verdict), last_week.get(card.check)
    return {
        "check": card.check,
        "title": phrase(card.title, lang),
        "value": value,
        "format": verdict.target.kpi.format,
        "value_text": None if card.value is None else phrase(card.value, lang),
        "level": card.level.value,
        "note": phrase(card.note, lang),
        "limit": _finite(verdict.target.limit),
        "is_primary": card.is_primary,
        "headroom": card.headroom,
        "against_last_week": value / before - 1 if value is not None and before else None,
    }


def _check(verdict: Verdict, lang: str) -> Document:
    target = verdict.target
    format = target.kpi.format
    value = measured(verdict)
    sign = "≤" if target.at_least is None else "≥"
    return {
        "label": phrase(subject(verdict), lang),
        "outcome": verdict.outcome.value,
        "severity": target.severity.word,
        "value": value,
        "limit": _finite(target.limit),
        "value_text": show(value, format, lang),
        "limit_text": f"{sign} {show(target.limit, format, lang)}",
        "reason": phrase(verdict.reason, lang),
        "sentence": phrase(sentence(verdict), lang),
    }


def _routes(snapshot: Snapshot | None, lang: str) -> tuple[list[Document], int]:
    """The routes by the time that they took in all, the longest first; how many are not shown."""
    series = () if snapshot is None else snapshot.of(Kind.ROUTE)
    ordered = sorted(series, key=lambda one: (-one.sum_s, one.name))
    all_s = sum(one.sum_s for one in ordered)
    rows = []
    for one in ordered[:MAX_ROUTES]:
        p95_s = one.succeeded.known_quantile(0.95)
        share = one.sum_s / all_s if all_s else None
        rows.append(
            {
                "name": one.name,
                "count": one.count,
                "count_text": show(one.count, "count", lang),
                "rate_text": show(one.rate_per_s, "rate", lang),
                "errors": one.errors,
                "error_text": show(one.error_ratio, "ratio", lang),
                "p50_text": _shown(one.succeeded.known_quantile(0.5), lang),
                "p95_text": _shown(p95_s, lang),
                "p99_text": _shown(one.succeeded.known_quantile(0.99), lang),
                "p95_ms": None if p95_s is None else p95_s * 1000,
                "share": share,
                "share_text": show(share, "ratio", lang),
            }
        )
    return rows, max(0, len(ordered) - MAX_ROUTES)


def _shown(duration_s: float | None, lang: str) -> str:
    return ABSENT if duration_s is None else show(duration_s, "duration", lang)


def _finite(limit: float) -> float | None:
    return limit if isfinite(limit) else None


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
