"""
What the page is told: the state of the service, its timeline and its tables, as JSON.

Documents are kept for a moment, as the text that is sent, so that many open pages cost as much as
one. Whatever reads or merges many windows does so in a thread.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

from keiko_perf.model import Kind, Outcome, Snapshot, Verdict
from keiko_perf.monitoring.dashboard import since
from keiko_perf.monitoring.dashboard.chunks import Chunks
from keiko_perf.monitoring.dashboard.happenings import Happenings
from keiko_perf.monitoring.dashboard.history import history
from keiko_perf.monitoring.dashboard.pulse import Pulse
from keiko_perf.monitoring.dashboard.reports import Reports, finding_row
from keiko_perf.monitoring.dashboard.state import Document, state
from keiko_perf.monitoring.dashboard.tables import full_name, tables_and_whole
from keiko_perf.monitoring.dashboard.timeline import columns
from keiko_perf.monitoring.dashboard.timelines import (
    Timeline,
    Timelines,
    series_of,
    with_current,
)
from keiko_perf.monitoring.dashboard.view import View
from keiko_perf.monitoring.findings import findings
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.monitoring.storage.pieces import snapshots
from keiko_perf.monitoring.storage.points import STRETCHES_S, SUMMED
from keiko_perf.monitoring.wording import worst
from keiko_perf.render.units import show

_FRESH_S = 0.5
_RESTS = 10.0
"""What took a second to make is kept for so many: open pages slow no service by a tenth."""
_SINCE_FRESH_S = 30.0
_OLD_FRESH_S = 300.0
_LONG = timedelta(hours=1)
_WEEK_FRESH_S = 300.0
_MAX_KEPT = 64
_WEEK = timedelta(days=7)
_AROUND = timedelta(minutes=30)


class Live:
    """
    Args:
        monitor: of the service that the page shows.
        clock: monotonic seconds.
        pulse: the beat of the open pages.
    """

    def __init__(
        self,
        monitor: Monitor,
        *,
        clock: Callable[[], float] = time.monotonic,
        pulse: Pulse | None = None,
    ) -> None:
        self.monitor = monitor
        self.pulse = pulse or Pulse()
        self._clock = clock
        self._timelines = Timelines(monitor)
        self._chunks = Chunks(monitor)
        self._reports = Reports(monitor, clock=clock)
        self._happenings = Happenings(monitor, clock=clock)
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        self._took_s: dict[Hashable, float] = {}
        self._making: dict[Hashable, asyncio.Future[Any]] = {}

    async def metrics(self, lang: str = "en") -> Document:
        """The current state."""
        found: Document = await self._fresh(
            ("metrics", lang), _FRESH_S, lambda: self._metrics(lang)
        )
        return found

    async def state_text(self, lang: str) -> str:
        """The current state as it is sent to open pages, made once for each beat."""

        async def make() -> str:
            # The page has the routes in its tables, over its own range.
            return _dumped(await self._metrics(lang, has_routes=False))

        text: str = await self._fresh(("state text", lang), self.pulse.every_s / 2, make)
        return text

    async def history(self, hours: float) -> Document:
        """The guide's history: arrays of one length, and how far their points stand apart."""
        # A longer range moves more slowly: a point of 24 h is a minute and more.
        fresh_s = max(_FRESH_S, hours * 3600 / 2000)
        found: Document = await self._fresh(hours, fresh_s, lambda: self._history(hours))
        return found

    async def timeline(self, view: View, lang: str) -> str:
        """All points of a view, with what happened meanwhile."""
        text: str = await self._fresh(
            ("timeline", view, lang), 1.0, lambda: self._timeline(view, lang)
        )
        return text

    async def tail(self, view: View, lang: str) -> str:
        """The points of a live view that still change."""
        text: str = await self._fresh(
            ("tail", view, lang), self.pulse.every_s / 2, lambda: self._tail(view, lang)
        )
        return text

    async def tables(self, view: View, lang: str) -> str:
        """What was seen of each endpoint, task and statement over a view's range."""
        # A longer range moves more slowly, and costs more to read.
        fresh_s = 4.0 if view.last_s is None else max(4.0, view.last_s / 120)
        whole = replace(view, subject=None)  # they are the same on the page of one subject
        text: str = await self._fresh(
            ("tables", whole, lang), fresh_s, lambda: self._tables(whole, lang)
        )
        return text

    # Private

    async def _fresh(
        self, key: Hashable, fresh_s: float, make: Callable[[], Awaitable[Any]]
    ) -> Any:
        """What was made for *key* a moment ago, or is being made for somebody else just now."""
        made_s, kept = self._kept.get(key, (0.0, None))
        fresh_s = max(fresh_s, _RESTS * self._took_s.get(key, 0.0))
        if kept is not None and self._clock() - made_s < fresh_s:
            return kept
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(self._timed(key, make))
            self._making[key] = making
            making.add_done_callback(lambda _: self._making.pop(key, None))
        # Shielded: whoever began it may leave, and others wait for it as well.
        made = await asyncio.shield(making)
        self._keep(key, made)
        return made

    async def _timed(self, key: Hashable, make: Callable[[], Awaitable[Any]]) -> Any:
        began_s = self._clock()
        made = await make()
        self._took_s[key] = self._clock() - began_s
        return made

    def _keep(self, key: Hashable, made: Any) -> None:
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
            self._took_s.clear()
        self._kept[key] = self._clock(), made

    async def _metrics(self, lang: str, *, has_routes: bool = True) -> Document:
        monitor = self.monitor
        snapshot = await monitor.current()
        metrics = monitor.metrics_collector.metrics_of(snapshot)
        verdicts = monitor.judge(snapshot)
        # Of thousands of routes it takes a while to tell where a miss comes from.
        told = await asyncio.to_thread(
            state,
            verdicts,
            snapshot,
            monitor.alerts,
            since=await self._since(verdicts),
            last_week=await self._last_week(),
            lang=lang,
            has_routes=has_routes,
        )
        return {
            **metrics,
            "taken_at": monitor.now().isoformat(),
            "judged_over_s": monitor.metrics_collector.metrics_window_s,
            "judged_over_text": show(monitor.metrics_collector.metrics_window_s, "duration", lang),
            "is_recording": monitor.is_recording,
            "is_store_working": monitor.store.statistics().is_working,
            **told,
        }

    async def _since(self, verdicts: dict[str, Verdict]) -> since.Since | None:
        missed = [one for one in verdicts.values() if one.outcome is Outcome.MISSED]
        if not missed:
            return None
        target = worst(missed).target
        key = ("since", target.kpi.name, target.subject, target.limit)
        made_s, found = self._kept.get(key, (-inf, None))
        # How long ago a long miss began does not change by the minute, and costs more to find.
        is_old = found is not None and self.monitor.now() - found.at > _LONG
        fresh_s = _FRESH_S if found is None else _OLD_FRESH_S if is_old else _SINCE_FRESH_S
        if self._clock() - made_s >= fresh_s:
            found = await asyncio.to_thread(self._looked_back, worst(missed))
            self._keep(key, found)
        kept: since.Since | None = found
        return kept

    def _looked_back(self, verdict: Verdict) -> since.Since | None:
        now = self.monitor.now()
        judged_s = self.monitor.metrics_collector.metrics_window_s
        found = None
        for reach_s in since.REACHES_S:
            start_at = since.reach_start(now, reach_s)
            windows = self._stretches(verdict, start_at, now, since.within_s(reach_s, judged_s))
            found = since.since(windows, verdict.target, now, reach_s=reach_s, judged_s=judged_s)
            if found is None or not found.is_older:
                break
        return found

    def _stretches(
        self, verdict: Verdict, start_at: datetime, end_at: datetime, within_s: int
    ) -> list[Snapshot]:
        """What was measured in a range, as far as *verdict* rests on it."""
        target = verdict.target
        if target.subject is None and target.kpi in SUMMED:
            stretch_s = next((one for one in STRETCHES_S[1::-1] if one <= within_s), None)
            sums = stretch_s and self.monitor.store.sums(start_at, end_at, stretch_s)
            if sums:
                return [one.snapshot() for one in sums]
        return self._between(start_at, end_at, within_s)

    def _between(self, start_at: datetime, end_at: datetime, within_s: int) -> list[Snapshot]:
        """What was measured in a range, merged as far as *within_s* allows."""
        pieces = self.monitor.store.pieces(start_at, end_at, within_s)
        return self.monitor.store.between(start_at, end_at) if pieces is None else snapshots(pieces)

    async def _last_week(self) -> dict[str, float]:
        made_s, found = self._kept.get("last week", (0.0, None))
        if found is None or self._clock() - made_s >= _WEEK_FRESH_S:
            found = await asyncio.to_thread(self._read_last_week)
            self._keep("last week", found)
        kept: dict[str, float] = found
        return kept

    def _read_last_week(self) -> dict[str, float]:
        then = self.monitor.now() - _WEEK
        merged = Snapshot.merged(self.monitor.store.between(then - _AROUND, then + _AROUND))
        if merged is None:
            return {}
        return {
            name: verdict.value
            for name, verdict in self.monitor.judge(merged).items()
            if verdict.is_told and verdict.value is not None
        }

    async def _history(self, hours: float) -> Document:
        monitor = self.monitor
        end_at = monitor.now()
        start_at = end_at - timedelta(hours=hours)
        current = monitor.recorder.peek()
        found = await asyncio.to_thread(
            history,
            monitor.store,
            start_at,
            end_at,
            window_s=monitor.window_s,
            current=current,
        )
        made = found.points
        return {
            "timestamps": [one.at.isoformat() for one in made],
            "response_times": [None if one.p95_s is None else one.p95_s * 1000 for one in made],
            "throughput": [one.throughput_per_s for one in made],
            "cpu_usage": [_percent(one.cpu_ratio) for one in made],
            "memory_usage": [_percent(one.memory_ratio) for one in made],
            "requests": [one.requests for one in made],
            "start_at": start_at.isoformat(),
            "end_at": end_at.isoformat(),
            "step_s": found.step_s,
        }

    async def _timeline(self, view: View, lang: str) -> str:
        now, current = self.monitor.now(), self.monitor.recorder.peek()
        timeline = await asyncio.to_thread(self._timelines.of, view, now, current)
        start_at, end_at = view.bounds(now)
        name = view.subject and view.subject.key
        if view.subject is not None and view.subject.kind is Kind.STATEMENT:
            name = await asyncio.to_thread(self._full_name, view, now, current)
        return _dumped(
            {
                **_columns(timeline, view),
                "start": start_at.timestamp(),
                "end": end_at.timestamp(),
                "name": name,
                **await self._beside(start_at, end_at, lang),
            }
        )

    async def _tail(self, view: View, lang: str) -> str:
        now, current = self.monitor.now(), self.monitor.recorder.peek()
        timeline = await asyncio.to_thread(self._timelines.tail, view, now, current)
        start_at, end_at = view.bounds(now)
        return _dumped(
            {
                **_columns(timeline, view),
                "start": start_at.timestamp(),
                "end": end_at.timestamp(),
                **await self._beside(start_at, end_at, lang),
            }
        )

    def _full_name(self, view: View, now: datetime, current: Snapshot) -> str | None:
        assert view.subject is not None
        range_ = view.bounds(now)
        windows = series_of(self.monitor.store, range_, view.subject)
        if windows is None:
            windows = self.monitor.store.between(*range_)
        seen = reversed(with_current(windows, current))
        return full_name(seen, view.subject.kind, view.subject.key)

    async def _beside(self, start_at: datetime, end_at: datetime, lang: str) -> Document:
        """What happened within the range."""
        return {
            "bands": await self._happenings.alerts(start_at, end_at, lang),
            "markers": await self._happenings.marks(start_at, end_at, lang),
        }

    async def _tables(self, view: View, lang: str) -> str:
        now, current = self.monitor.now(), self.monitor.recorder.peek()
        document = await asyncio.to_thread(self._read_tables, view, now, current, lang)
        beside = await self._beside(*view.bounds(now), lang)
        document["findings"] += self._reports.rows(lang)
        document["alerts"], document["changes"] = beside["bands"], beside["markers"]
        return _dumped(document)

    def _read_tables(self, view: View, now: datetime, current: Snapshot, lang: str) -> Document:
        start_at, end_at = view.bounds(now)
        is_live = view.last_s is not None
        few = self._chunks.heaviest(start_at, end_at, now, current if is_live else None)
        document, merged = tables_and_whole(few)
        document["findings"] = [finding_row(one, lang) for one in findings(merged)]
        return document


def _columns(timeline: Timeline, view: View) -> Document:
    """Column by column, which packs well."""
    made = timeline.points
    return {
        "step_s": timeline.step_s,
        "first": made[0].number if made else 0,
        "count": len(made),
        "columns": {
            name: [one.values[index] for one in made]
            for index, name in enumerate(columns(view.subject))
        },
        "heat": [
            [index, *(number for row in one.heat for number in row)]
            for index, one in enumerate(made)
            if one.heat
        ],
    }


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else ratio * 100


def _dumped(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
