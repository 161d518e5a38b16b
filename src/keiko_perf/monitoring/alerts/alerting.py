"""
Alerting: the alerts of a service, one set for all of its workers and across restarts.

Every worker judges, but only one of them at a time steps the alerts and tells: whoever holds the
lease in the journal, which it renews with each window and which passes on when it dies. States,
changes and deliveries are written in the same transaction, so that a restart neither forgets an
alert nor tells it twice. Where the journal cannot be written each worker goes on by itself: told
twice is better than not at all.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from secrets import token_hex

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Verdict
from keiko_perf.monitoring.alerts import silence
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState, Patience, news, step
from keiko_perf.monitoring.alerts.records import (
    Delivery,
    DeliveryState,
    alert_body,
    alert_of,
    delivery_body,
    delivery_of,
)
from keiko_perf.monitoring.alerts.silence import Silence
from keiko_perf.monitoring.alerts.telling import due
from keiko_perf.monitoring.notify import Courier, GroupNotifier, Notifier
from keiko_perf.monitoring.storage.journal import Journal, Page

STATES, CHANGES, DELIVERIES, LEASE = "alert", "alert change", "delivery", "lease"
_LEASED_WINDOWS = 3
"""A worker that writes nothing for so many windows has lost the lease."""
_log = logging.getLogger("keiko_perf.alerts")


class Alerting:
    """
    Args:
        journal: where alerts are kept.
        notifiers: who is told.
        window_s: how often `step` is called.
        patience: how quickly alerts come and go.
        patience_of: the checks that have a patience of their own.
        clock: monotonic seconds.
        now: the wall clock, aware UTC.
    """

    def __init__(
        self,
        journal: Journal,
        notifiers: Iterable[Notifier | GroupNotifier],
        *,
        window_s: float,
        patience: Patience,
        patience_of: Mapping[str, Patience],
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.courier = Courier(notifiers, record=self._record, clock=clock, now=now)
        self._journal = journal
        self._lease_s = _LEASED_WINDOWS * window_s
        self._patience = patience
        self._patience_of = patience_of
        self._now = now
        self._token = token_hex(8)
        self._alerts: dict[str, Alert] = {}
        self._leads = self._is_failing = self._is_stuck = False

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that wait, fire, or resolved within the hour; the newest change first."""
        return tuple(sorted(self._alerts.values(), key=lambda one: one.changed_at, reverse=True))

    @property
    def _me(self) -> str:
        # Not once and for all: a server may fork its workers after the app is built.
        return f"{self._token}:{os.getpid()}"

    async def step(self, verdicts: Mapping[str, Verdict], *, is_stuck: bool = False) -> None:
        """See to the alerts after one more window; of several workers one does it."""
        now, self._is_stuck = self._now(), is_stuck
        deliveries = await asyncio.to_thread(self._step, verdicts, now)
        refused = self.courier.take(deliveries)
        if self._leads:
            firing = (one for one in self._alerts.values() if one.state is AlertState.FIRING)
            self.courier.refresh(tuple(one for one in firing if one.told_at is not None))
        for one in refused:
            await asyncio.to_thread(self._record, one)

    async def close(self, *, within_s: float) -> None:
        """Deliver what waits, in time, and let another worker take over at once."""
        await self.courier.close(within_s=within_s)
        if self._leads:
            await asyncio.to_thread(self._give_up_lease)

    # Private

    def _step(self, verdicts: Mapping[str, Verdict], now: datetime) -> tuple[Delivery, ...]:
        try:
            if not self._journal.read(lambda page: _may_lead(page, self._me, now), absent=True):
                self._alerts = self._journal.read(_states, absent={})
                self._leads = False
                return ()
            deliveries = self._journal.write(lambda page: self._lead(page, verdicts, now))
        except StoreUnavailable as error:
            if not self._is_failing:
                _log.error("%s Alerts are seen to without it meanwhile.", error)
            self._is_failing = self._leads = True
            self._alerts, told = self._stepped(self._alerts, verdicts, (), now)
            return self.courier.addressed(told)
        self._is_failing = False
        return deliveries

    def _lead(
        self, page: Page, verdicts: Mapping[str, Verdict], now: datetime
    ) -> tuple[Delivery, ...]:
        if not _may_lead(page, self._me, now):
            return ()  # another worker was quicker
        was_leading, self._leads = self._leads, True
        until = now + timedelta(seconds=self._lease_s)
        page.put(LEASE, "alerts", now, {"holder": self._me, "until": until.isoformat()})
        before = self._alerts if self._is_failing else _states(page)
        after, told = self._stepped(before, verdicts, silence.active(page, now), now)
        _write(page, _states(page), after)
        deliveries = self.courier.addressed(told)
        for one in deliveries:
            page.put(DELIVERIES, one.key, one.queued_at, delivery_body(one))
        self._alerts = after
        left = () if was_leading else _waiting(page, besides=deliveries)
        return (*left, *deliveries)

    def _stepped(
        self,
        before: Mapping[str, Alert],
        verdicts: Mapping[str, Verdict],
        silences: Iterable[Silence],
        now: datetime,
    ) -> tuple[dict[str, Alert], tuple[Alert, ...]]:
        after = step(
            before,
            verdicts,
            now,
            patience=self._patience,
            patience_of=self._patience_of,
            is_stuck=self._is_stuck,
        )
        told, noted = due(before, after, silences, now, patience=self._patience)
        return noted, told

    def _record(self, delivery: Delivery) -> None:
        # It is said with each window if it cannot be, and what was delivered was delivered.
        with suppress(StoreUnavailable):
            self._journal.write(
                lambda page: page.put(
                    DELIVERIES, delivery.key, delivery.queued_at, delivery_body(delivery)
                )
            )

    def _give_up_lease(self) -> None:
        def give_up(page: Page) -> None:
            entry = page.find(LEASE, "alerts")
            if entry is not None and entry.body["holder"] == self._me:
                page.drop(LEASE, "alerts")

        self._leads = False
        with suppress(StoreUnavailable):  # it runs out by itself
            self._journal.write(give_up)


def history(
    journal: Journal, start_at: datetime | None = None, end_at: datetime | None = None
) -> tuple[Alert, ...]:
    """
    Each alert as it was when it began to fire and when it resolved, the newest first.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """

    def changes(page: Page) -> tuple[Alert, ...]:
        entries = page.entries(CHANGES, start_at, end_at)
        return tuple(alert_of(one.body) for one in reversed(entries))

    return journal.read(changes, absent=())


def deliveries(
    journal: Journal, start_at: datetime | None = None, end_at: datetime | None = None
) -> tuple[Delivery, ...]:
    """
    Whom was told what, and whether it arrived, the newest first.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """

    def all_of(page: Page) -> tuple[Delivery, ...]:
        entries = page.entries(DELIVERIES, start_at, end_at)
        return tuple(delivery_of(one.key, one.at, one.body) for one in reversed(entries))

    return journal.read(all_of, absent=())


def states(journal: Journal) -> tuple[Alert, ...]:
    """
    The alerts as they stand, the newest change first.

    Raises:
        StoreUnavailable: the journal cannot be read.
    """
    kept: dict[str, Alert] = journal.read(_states, absent={})
    return tuple(sorted(kept.values(), key=lambda one: one.changed_at, reverse=True))


def _may_lead(page: Page, me: str, now: datetime) -> bool:
    entry = page.find(LEASE, "alerts")
    if entry is None or entry.body["holder"] == me:
        return True
    # One that was taken in the future was taken by a clock that was wrong.
    return datetime.fromisoformat(entry.body["until"]) <= now or entry.at > now


def _states(page: Page) -> dict[str, Alert]:
    return {one.key: alert_of(one.body) for one in page.entries(STATES)}


def _write(page: Page, kept: Mapping[str, Alert], after: Mapping[str, Alert]) -> None:
    for metric in kept.keys() - after.keys():
        page.drop(STATES, metric)
    for metric, one in after.items():
        if kept.get(metric) != one:
            page.put(STATES, metric, one.changed_at, alert_body(one))
    for one in news(kept, after):
        page.put(CHANGES, token_hex(8), one.changed_at, alert_body(one))


def _waiting(page: Page, *, besides: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """What another worker, or this one before a restart, did not bring to its end."""
    own = {one.key for one in besides}
    all_of = (delivery_of(one.key, one.at, one.body) for one in page.entries(DELIVERIES))
    return tuple(one for one in all_of if one.state is DeliveryState.WAITING and one.key not in own)
