"""
Remembering: what a monitor knows beyond the moment: markers, silences, alerts told, changes.

All of it is read from the store and its journal in a thread, so the event loop does not wait. What
changed is searched for once in five minutes at most, however often it is asked.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.alerts import alerting, silence
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.alerts.records import Delivery
from keiko_perf.monitoring.alerts.silence import Silence
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.changes.changes import ServiceChange, find_changes
from keiko_perf.monitoring.changes.courses import MOST_DAYS
from keiko_perf.monitoring.changes.deploys import Difference, differences, parts_of
from keiko_perf.monitoring.changes.markers import Marker, MarkerKind
from keiko_perf.monitoring.changes.revision import find_revision, said_of_deploy
from keiko_perf.monitoring.changes.stretches import (
    FRESH_S,
    ROLLED_UP_S,
    Stretch,
    measured_span_s,
    starts_of,
    step_between,
    step_of,
    stretch_of,
)
from keiko_perf.monitoring.changes.trends import Trend, spans, trend_of
from keiko_perf.monitoring.storage.journal import Journal
from keiko_perf.monitoring.storage.pieces import Piece, snapshots

_FOUND_FRESH_S = 300.0
_LATE_S = 60.0
_DAY_S = 86_400.0
_MOST_KEPT = 2000
_MOST_DAYS = 366
_A_LITTLE = timedelta(microseconds=1)
_log = logging.getLogger("keiko_perf.monitor")


class _Readable(Protocol):
    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]: ...

    def pieces(
        self, start_at: datetime, end_at: datetime, within_s: int | None = None
    ) -> list[Piece] | None: ...


class Past:
    """
    The stored windows as stretches, and what changed in them. Stretches that are over are kept.

    Args:
        store: where the windows are.
        journal: where the markers are.
    """

    def __init__(self, store: _Readable, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._kept: dict[tuple[float, datetime], Stretch] = {}

    def stretches(self, end_at: datetime, span_s: float) -> list[Stretch]:
        """Those up to *end_at*. It blocks, for a time that grows with what was measured."""
        made = [self.stretch(start_at, step_s) for start_at, step_s in self.plan(end_at, span_s)]
        narrower_s = measured_span_s(made, end_at, span_s)
        return made if narrower_s is None else self.stretches(end_at, narrower_s)

    def plan(self, end_at: datetime, span_s: float) -> list[tuple[datetime, float]]:
        """The start and the length of each stretch that was over a minute before *end_at*."""
        # Workers hand over their windows at different moments.
        step_s, end_at = step_of(span_s), end_at - timedelta(seconds=_LATE_S)
        return [(one, step_s) for one in starts_of(end_at, span_s, step_s)]

    def stretch(self, start_at: datetime, step_s: float) -> Stretch:
        """One stretch, from the store if it was not read before."""
        known = self._kept.get((step_s, start_at))
        if known is not None:
            return known
        range_ = start_at, start_at + timedelta(seconds=step_s)
        pieces = self._store.pieces(*range_)
        windows = self._store.between(*range_) if pieces is None else snapshots(pieces)
        stretch = stretch_of(start_at, windows)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        if stretch.values:
            self._kept[step_s, start_at] = stretch
        return stretch

    def days_before(self, stretches: list[Stretch]) -> Iterator[list[tuple[datetime, float]]]:
        """
        Which stretches to read of each day before *stretches*, the day before first.

        They tell what is usual at which hour. None of a longer range, which has days of its own,
        nor of a shorter one, whose stretches are shorter than what is kept of older days.
        """
        step_s = step_between(stretches)
        per_day = round(_DAY_S / step_s)
        if step_s != ROLLED_UP_S or not per_day // 2 <= len(stretches) <= per_day:
            return
        for back in range(1, MOST_DAYS + 1):
            end_at = stretches[0].started_at - timedelta(days=back - 1)
            yield [
                (end_at - timedelta(seconds=step_s * number), step_s)
                for number in range(per_day, 0, -1)
            ]

    def before(self, stretches: list[Stretch]) -> list[Stretch]:
        """The stretches of the days before, as far as something was measured. It blocks."""
        found: list[Stretch] = []
        for day in self.days_before(stretches):
            made = [self.stretch(start_at, step_s) for start_at, step_s in day]
            if not any(one.values for one in made):
                break
            found = made + found
        return found

    def changes(
        self, stretches: list[Stretch], before: Sequence[Stretch] | None = None
    ) -> tuple[ServiceChange, ...]:
        """
        What changed in *stretches*, which stand at equal distances.

        Args:
            stretches: where to look.
            before: those of the days before; read from the store if not given.
        """
        step_s = step_between(stretches)
        noted = markers.read(self._journal)
        if before is None:
            before = self.before(stretches)
        return find_changes(stretches, step_s=step_s, markers=noted, before=before)

    def since_deploy(self, now: datetime, span_s: float) -> tuple[Difference, ...]:
        """What is another since the last deploy, if that was within *span_s*."""
        deploys = [
            one
            for one in markers.read(self._journal, None, now)
            if one.kind is MarkerKind.DEPLOY and one.at < now
        ]
        if not deploys or (now - deploys[-1].at).total_seconds() > span_s:
            return ()
        deploy = deploys[-1]
        is_fresh = (now - deploy.at).total_seconds() < FRESH_S
        earlier, later, part_s = parts_of(
            deploy.at, now - timedelta(seconds=_LATE_S), least_s=60.0 if is_fresh else ROLLED_UP_S
        )
        if len(deploys) > 1:
            earlier = [one for one in earlier if one >= deploys[-2].at]
        return differences(
            [self.stretch(one, part_s) for one in earlier],
            [self.stretch(one, part_s) for one in later],
            deploy=deploy,
        )

    def trends(self, now: datetime) -> tuple[Trend, ...]:
        """The last hour beside last week's, and beside the last deploy."""
        deploy = markers.last_deploy(markers.read(self._journal, None, now))
        return tuple(
            trend_of(
                label,
                before,
                after,
                (
                    self._store.between(before.start_at, before.end_at),
                    self._store.between(after.start_at, after.end_at + _A_LITTLE),
                ),
            )
            for label, before, after in spans(now, None if deploy is None else deploy.at)
        )


class Remembering:
    """
    What `PerformanceMonitor` remembers; each of these reads the store or its journal.

    Raises, each of them:
        StoreUnavailable: the journal cannot be read or written now.
    """

    now: Callable[[], datetime]
    journal: Journal
    past: Past
    revision: str | None
    _found: tuple[float, datetime, tuple[ServiceChange, ...]] | None = None

    async def mark(
        self,
        text: str,
        *,
        kind: MarkerKind | str = MarkerKind.NOTE,
        revision: str | None = None,
        at: datetime | None = None,
    ) -> Marker:
        """
        Note that something was done to the service, so that charts and changes show it.

        Args:
            text: what, in one line.
            kind: `note`, or `deploy` if other code runs from then on.
            revision: that code's revision.
            at: when, aware UTC; now if not given.
        """
        marker = Marker(at=at or self.now(), kind=MarkerKind(kind), text=text, revision=revision)
        await asyncio.to_thread(markers.add, self.journal, marker)
        return marker

    async def note_deploy(self) -> None:
        """Note a deploy if the code that runs is not that of the last one; it does not raise."""
        try:
            await asyncio.to_thread(self._note_deploy)
        except StoreUnavailable as error:
            _log.warning("%s The deploy is not noted.", error)

    def _note_deploy(self) -> None:
        found = self.revision or find_revision(os.environ, Path.cwd())
        said = said_of_deploy(os.environ)
        markers.note_deploy(self.journal, found, self.now(), said=said)

    async def markers(
        self, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> tuple[Marker, ...]:
        """The markers from *start_at* on and before *end_at*, the oldest first."""
        return await asyncio.to_thread(markers.read, self.journal, start_at, end_at)

    async def silence(self, pattern: str, *, for_s: float, reason: str) -> Silence:
        """
        Tell nobody of the checks that *pattern* names, for some time.

        Args:
            pattern: check names, with `*` for any letters.
            for_s: for how long, at most 30 days.
            reason: why.
        """
        made = silence.silence_of(pattern, for_s=for_s, reason=reason, now=self.now())
        await asyncio.to_thread(silence.add, self.journal, made)
        return made

    async def end_silence(self, key: str) -> None:
        """End the silence *key* before its time."""
        await asyncio.to_thread(silence.end, self.journal, key)

    async def silences(self) -> tuple[Silence, ...]:
        """The silences that hold now."""
        return await asyncio.to_thread(silence.read, self.journal, self.now())

    async def alert_history(
        self, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> tuple[Alert, ...]:
        """Each alert as it was when it began to fire and when it resolved, the newest first."""
        return await asyncio.to_thread(alerting.history, self.journal, start_at, end_at)

    async def deliveries(
        self, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> tuple[Delivery, ...]:
        """Whom was told what, and whether it arrived, the newest first."""
        return await asyncio.to_thread(alerting.deliveries, self.journal, start_at, end_at)

    async def changes(self, hours: float = 24.0) -> tuple[ServiceChange, ...]:
        """
        What changed over the last *hours*, the newest first: response times, errors, CPU,
        statements and tasks whose level is another one since. It may be five minutes old.
        """
        if not 0 < hours <= _MOST_DAYS * 24:
            raise UsageError(
                f"changes are looked for over 0 to {_MOST_DAYS} days, not {hours:g} h",
                cure="Ask for a day as in changes(hours=24)",
            )
        now = self.now()
        if self._found is not None:
            of_hours, found_at, found = self._found
            age_s = (now - found_at).total_seconds()
            if of_hours == hours and 0 <= age_s < _FOUND_FRESH_S:
                return found
        stretches = await self._stretches(now, hours * 3600)
        before = await self._before(stretches)
        found = await asyncio.to_thread(self.past.changes, stretches, before)
        self._found = hours, now, found
        return found

    async def _before(self, stretches: list[Stretch]) -> list[Stretch]:
        found: list[Stretch] = []
        for day in self.past.days_before(stretches):
            made = [
                await asyncio.to_thread(self.past.stretch, start_at, step_s)
                for start_at, step_s in day
            ]
            if not any(one.values for one in made):
                break
            found = made + found
        return found

    async def _stretches(self, now: datetime, span_s: float) -> list[Stretch]:
        made = []
        for start_at, step_s in self.past.plan(now, span_s):
            # One at a time, so that other work gets its turn in between.
            made.append(await asyncio.to_thread(self.past.stretch, start_at, step_s))
        narrower_s = measured_span_s(made, now, span_s)
        return made if narrower_s is None else await self._stretches(now, narrower_s)

    async def trends(self) -> tuple[Trend, ...]:
        """The response time of the last hour beside last week's, and beside the last deploy."""
        return await asyncio.to_thread(self.past.trends, self.now())
