"""
What the page is told: the state of the service as one JSON document, and its history as another.

Figures stand twice: as numbers for programs, under the guide's names and in its units, and as
text for people. The documents are kept for a moment, so that many open pages cost as much as one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, TypeVar

from keiko_perf.model import (
    Kind,
    Outcome,
    Severity,
    Snapshot,
    Verdict,
)
from keiko_perf.monitoring.alerts import Alert, AlertState
from keiko_perf.monitoring.dashboard.cards import Card, cards
from keiko_perf.monitoring.dashboard.history import distance_s, points
from keiko_perf.monitoring.notify import as_document
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.monitoring.wording import headline, measured, sentence, subject
from keiko_perf.render import phrase
from keiko_perf.render.figures import ABSENT
from keiko_perf.render.units import show

MAX_ROUTES = 100
_FRESH_S = 0.5
_MAX_KEPT = 32

Document = dict[str, Any]
_T = TypeVar("_T")


class Live:
    """
    Args:
        monitor: of the service that the page shows.
        clock: monotonic seconds.
    """

    def __init__(self, monitor: Monitor, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._monitor = monitor
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, Document]] = {}
        self._making = asyncio.Lock()

    async def metrics(self) -> Document:
        """The current state."""
        return await self._fresh("metrics", _FRESH_S, self._metrics)

    async def history(self, hours: float) -> Document:
        """The guide's history: arrays of one length, and how far their points stand apart."""
        # A longer range moves more slowly: a point of 24 h is a minute and more.
        fresh_s = max(_FRESH_S, hours * 3600 / 2000)
        return await self._fresh(hours, fresh_s, lambda: self._history(hours))

    async def _fresh(
        self, key: Hashable, fresh_s: float, make: Callable[[], Awaitable[Document]]
    ) -> Document:
        async with self._making:
            made_s, document = self._kept.get(key, (0.0, None))
            if document is None or self._clock() - made_s >= fresh_s:
                document = await make()
                if len(self._kept) >= _MAX_KEPT:
                    self._kept.clear()
                self._kept[key] = self._clock(), document
            return document

    async def _metrics(self) -> Document:
        monitor = self._monitor
        metrics = await monitor.metrics_collector.get_current_metrics()
        snapshot = await monitor.current()
        verdicts = monitor.judge(snapshot)
        shown_routes, left_out = _routes(snapshot)
        return {
            **metrics,
            "taken_at": monitor.now().isoformat(),
            "judged_over_text": show(monitor.metrics_collector.metrics_window_s, "duration"),
            "status": _status(verdicts.values()),
            "headline": phrase(headline(verdicts.values(), snapshot)),
            "is_recording": monitor.is_recording,
            "is_store_working": monitor.store.statistics().is_working,
            "cards": [_card(card) for card in cards(verdicts)],
            "checks": {name: _check(verdict) for name, verdict in verdicts.items()},
            "routes": shown_routes,
            "routes_left_out": left_out,
            "alerts": [_alert(alert) for alert in monitor.alerts],
        }

    async def _history(self, hours: float) -> Document:
        monitor = self._monitor
        end_at = monitor.now()
        start_at = end_at - timedelta(hours=hours)
        window_s = monitor.window_s
        current = monitor.recorder.peek()
        # Decoding and merging a day takes a while, and the event loop must not wait for it.
        made = await asyncio.to_thread(self._points, start_at, end_at, current)
        return {
            "timestamps": [one.at.isoformat() for one in made],
            "response_times": [None if one.p95_s is None else one.p95_s * 1000 for one in made],
            "throughput": [one.throughput_per_s for one in made],
            "cpu_usage": [_percent(one.cpu_ratio) for one in made],
            "memory_usage": [_percent(one.memory_ratio) for one in made],
            "requests": [one.requests for one in made],
            "start_at": start_at.isoformat(),
            "end_at": end_at.isoformat(),
            "step_s": distance_s(start_at, end_at, window_s=window_s),
        }

    def _points(self, start_at: datetime, end_at: datetime, current: Snapshot) -> list[Any]:
        stored = self._monitor.store.between(start_at, end_at)
        # A window that is hardly begun says little, and one that was cut meanwhile is stored.
        if current.window_s >= 1 and not any(_is_same(one, current) for one in stored):
            stored.append(current)
        return points(stored, start_at, end_at, window_s=self._monitor.window_s)


def _is_same(stored: Snapshot, current: Snapshot) -> bool:
    return stored.worker == current.worker and stored.started_at == current.started_at


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100


def _status(verdicts: Any) -> str:
    """The worst of them; `unknown` only if all are, as a service has not everything."""
    outcomes = [one.outcome for one in verdicts]
    if Outcome.MISSED in outcomes:
        missed = (one for one in verdicts if one.outcome is Outcome.MISSED)
        worst = max(one.target.severity for one in missed)
        return "critical" if worst is Severity.CRITICAL else "warning"
    return "good" if Outcome.MET in outcomes else "unknown"


def _card(card: Card) -> Document:
    return {
        "check": card.check,
        "title": phrase(card.title),
        "value_text": None if card.value is None else phrase(card.value),
        "level": card.level.value,
        "note": phrase(card.note),
    }


def _check(verdict: Verdict) -> Document:
    target = verdict.target
    format = target.kpi.format
    value = measured(verdict)
    return {
        "label": phrase(subject(verdict)),
        "outcome": verdict.outcome.value,
        "severity": target.severity.word,
        "value": value,
        "limit": target.limit if isfinite(target.limit) else None,
        "value_text": show(value, format),
        "limit_text": f"{'≤' if target.at_least is None else '≥'} {show(target.limit, format)}",
        "reason": phrase(verdict.reason),
        "sentence": phrase(sentence(verdict)),
    }


def _routes(snapshot: Snapshot | None) -> tuple[list[Document], int]:
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
                "count_text": show(one.count, "count"),
                "rate_text": show(one.rate_per_s, "rate"),
                "errors": one.errors,
                "error_text": show(one.error_ratio, "ratio"),
                "p50_text": _shown(one.succeeded.known_quantile(0.5)),
                "p95_text": _shown(p95_s),
                "p99_text": _shown(one.succeeded.known_quantile(0.99)),
                "p95_ms": None if p95_s is None else p95_s * 1000,
                "share": share,
                "share_text": show(share, "ratio"),
            }
        )
    return rows, max(0, len(ordered) - MAX_ROUTES)


def _shown(duration_s: float | None) -> str:
    return ABSENT if duration_s is None else show(duration_s, "duration")


def _alert(alert: Alert) -> Document:
    ended_at = alert.changed_at if alert.state is AlertState.RESOLVED else None
    return {**as_document(alert), "ended_at": None if ended_at is None else ended_at.isoformat()}
