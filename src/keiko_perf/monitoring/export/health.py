"""
Health: the verdicts of a service as `application/health+json`, and what reads them back. Pure.

The status is `pass`, `warn` or `fail` as in the draft of that format; a target that is unknown is
neither good nor bad. Beside the draft's fields each check has the whole verdict, so that another
program judges by the same figures and can say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from keiko_perf.model import (
    Kind,
    Kpi,
    Message,
    Outcome,
    Reading,
    Severity,
    Snapshot,
    Target,
    Verdict,
)
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.notify.document import as_document
from keiko_perf.monitoring.wording import headline, sentence
from keiko_perf.render import phrase

MEDIA = "application/health+json"
VERSION = 1
_MOST_ROUTES = 50


def document_of(
    verdicts: Mapping[str, Verdict],
    snapshot: Snapshot | None,
    alerts: Iterable[Alert],
    *,
    build: Mapping[str, str],
    now: datetime,
    lang: str = "en",
) -> dict[str, Any]:
    """The health of a service, in JSON's types; *lang* is for what a person reads of it."""
    return {
        "status": status_of(verdicts.values()),
        "version": str(VERSION),
        "releaseId": build.get("revision", ""),
        "description": phrase(headline(verdicts.values(), snapshot), lang),
        "time": now.isoformat(),
        "window_s": None if snapshot is None else snapshot.window_s,
        "checks": {name: [_check(one, now, lang)] for name, one in verdicts.items()},
        "routes": _routes(snapshot),
        "alerts": [as_document(one, lang) for one in alerts],
    }


def status_of(verdicts: Iterable[Verdict]) -> str:
    """`fail` where a critical target is missed, `warn` where another is, else `pass`."""
    missed = [one.target.severity for one in verdicts if one.outcome is Outcome.MISSED]
    if not missed:
        return "pass"
    return "fail" if max(missed) is Severity.CRITICAL else "warn"


def verdicts_of(document: Mapping[str, Any]) -> dict[str, Verdict]:
    """
    The verdicts of a document, by check.

    Raises:
        ValueError: it is no such document, or of another version.
    """
    try:
        if document["version"] != str(VERSION):
            raise ValueError(f"health of version {document['version']}, not {VERSION}")
        return {name: _verdict(checks[0]) for name, checks in document["checks"].items()}
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not the health of a service: {error!r}") from error


def _check(verdict: Verdict, now: datetime, lang: str) -> dict[str, Any]:
    target = verdict.target
    worst = "fail" if target.severity is Severity.CRITICAL else "warn"
    value = verdict.value
    return {
        "status": worst if verdict.outcome is Outcome.MISSED else "pass",
        "outcome": verdict.outcome.value,
        "severity": target.severity.word,
        "kpi": target.kpi.name,
        "label": phrase(target.kpi.label, lang),
        "format": target.kpi.format,
        "subject": target.subject,
        "at_most": _finite(target.at_most),
        "at_least": _finite(target.at_least),
        "observedValue": None if value is None else _finite(value),
        "samples": verdict.samples,
        "needed": verdict.needed,
        "reason": phrase(verdict.reason, lang),
        "output": phrase(sentence(verdict), lang),
        "time": now.isoformat(),
    }


def _verdict(check: Mapping[str, Any]) -> Verdict:
    def unread(_snapshot: Snapshot, _subject: str | None) -> Reading:
        raise ValueError("this target was judged elsewhere, and cannot be again")

    at_most, at_least = check["at_most"], check["at_least"]
    target = Target(
        kpi=Kpi(check["kpi"], _as_said(check["label"]), check["format"], unread),
        at_most=None if at_most is None else float(at_most),
        at_least=None if at_least is None else float(at_least),
        subject=check["subject"],
        severity=Severity[check["severity"].upper()],
    )
    value = check["observedValue"]
    return Verdict(
        target,
        Outcome(check["outcome"]),
        _as_said(check["reason"]),
        None if value is None else float(value),
        int(check["samples"]),
        int(check["needed"]),
    )


def _as_said(text: str) -> Message:
    """What another program said, which is not translated here."""
    return Message("{said}", {"said": str(text)})


def _routes(snapshot: Snapshot | None) -> list[dict[str, Any]]:
    """By the time that they took in all, the longest first."""
    if snapshot is None:
        return []
    ordered = sorted(snapshot.of(Kind.ROUTE), key=lambda one: (-one.sum_s, one.name))
    return [
        {
            "name": one.name,
            "count": one.count,
            "rate_per_s": one.rate_per_s,
            "error_ratio": one.error_ratio,
            "p50_s": one.succeeded.known_quantile(0.5),
            "p95_s": one.succeeded.known_quantile(0.95),
            "p99_s": one.succeeded.known_quantile(0.99),
            "sum_s": one.sum_s,
        }
        for one in ordered[:_MOST_ROUTES]
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
