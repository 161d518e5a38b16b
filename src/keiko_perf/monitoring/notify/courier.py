"""
Courier: carries alerts to notifiers so that nobody waits for it, and remembers what became of them.

Each notifier has a queue of its own, in order: one that hangs keeps nothing from the others. What
fails is tried again after ten seconds, then later and later, for an hour; what is refused is not.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from secrets import token_hex

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.alerts.records import Delivery, DeliveryState
from keiko_perf.monitoring.notify.notifier import GroupNotifier, Notifier, NotTaken
from keiko_perf.monitoring.recorder import utc_now

PAUSES_S = (10.0, 30.0, 120.0, 600.0, 2700.0)
"""Before each further attempt; after the last one it is given up."""
_log = logging.getLogger("keiko_perf.alerts")

Record = Callable[[Delivery], None]
"""Keeps what became of a delivery. It may block, and is called in a thread."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """
    What became of the alerts.

    Attributes:
        delivered: how many were taken. An alert counts once for each notifier, here and below.
        failed: how many attempts a notifier raised on.
        dropped: how many found the queue full, were given up, or still waited when it was closed.
        waiting: how many wait now, or are on their way.
    """

    delivered: int
    failed: int
    dropped: int
    waiting: int


@dataclass(slots=True)
class _Line:
    """The queue of one notifier."""

    notifier: Notifier | GroupNotifier
    name: str
    waiting: deque[Delivery] = field(default_factory=deque)
    not_before_s: float = 0.0
    refreshed_s: float | None = None


class Courier:
    """
    Args:
        notifiers: whom to tell.
        max_waiting: how many deliveries wait for each at most; further ones are dropped and
            counted.
        record: keeps what became of each.
        clock: monotonic seconds.
        now: the wall clock, aware UTC.
    """

    def __init__(
        self,
        notifiers: Iterable[Notifier | GroupNotifier],
        *,
        max_waiting: int = 100,
        record: Record | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lines = {
            name: _Line(one, name)
            for number, one in enumerate(notifiers, 1)
            for name in (f"{number} {_name_of(one)}",)
        }
        self._max_waiting = max_waiting
        self._record = record
        self._clock = clock
        self._now = now
        self._called = asyncio.Event()
        self._carrying = asyncio.Lock()
        self._delivered = self._failed = self._dropped = 0

    def addressed(self, alerts: Iterable[Alert]) -> tuple[Delivery, ...]:
        """*alerts* as deliveries, one for each notifier that takes them together, else several."""
        alerts, now = tuple(alerts), self._now()
        return tuple(
            Delivery(
                key=token_hex(8), notifier=line.name, alerts=group, queued_at=now, changed_at=now
            )
            for line in self._lines.values()
            for group in _groups(line.notifier, alerts)
        )

    def send(self, alerts: Iterable[Alert]) -> None:
        """Take *alerts* for delivery; it neither waits nor raises."""
        self.take(self.addressed(alerts))

    def take(self, deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
        """Take what is addressed; hand back what there is no room for, or nobody to bring it to."""
        refused = []
        for one in deliveries:
            line = self._lines.get(one.notifier)
            if line is not None and any(known.key == one.key for known in line.waiting):
                continue
            if line is not None and len(line.waiting) < self._max_waiting:
                line.waiting.append(one)
            else:
                self._dropped += len(one.alerts)
                refused.append(replace(one, state=DeliveryState.DROPPED))
        self._called.set()
        return tuple(refused)

    def refresh(self, firing: tuple[Alert, ...]) -> None:
        """Have those notifiers told again of all that fires that want to be, in their own time."""
        now_s = self._clock()
        for line in self._lines.values():
            every_s = getattr(line.notifier, "refresh_s", None)
            if every_s is None or not firing or line.waiting:
                continue
            if line.refreshed_s is None or now_s - line.refreshed_s >= every_s:
                line.refreshed_s = now_s
                now = self._now()
                line.waiting.append(
                    Delivery(
                        key="", notifier=line.name, alerts=firing, queued_at=now, changed_at=now
                    )
                )
        self._called.set()

    async def run(self) -> None:
        """Deliver what waits and what is sent, until cancelled."""
        # An event belongs to the loop in which it was waited for, and this may be another one.
        self._called, self._carrying = called, _ = asyncio.Event(), asyncio.Lock()
        while True:
            await self.flush()
            try:
                async with asyncio.timeout(self._pause_s()):
                    await called.wait()
            except TimeoutError:
                continue
            called.clear()

    async def flush(self) -> None:
        """Deliver all that waits and is not to be tried later."""
        async with self._carrying, asyncio.TaskGroup() as group:
            for line in self._lines.values():
                if line.waiting:
                    group.create_task(self._carry(line))

    async def close(self, *, within_s: float) -> None:
        """
        Deliver what waits, but give up after *within_s*; what is left is counted as dropped.

        What is on record is not lost by that: whoever reads the record carries on.
        """
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except TimeoutError:
            _log.warning("alerts were not delivered in time: %d", self.statistics().waiting)
        self._dropped += self.statistics().waiting
        for line in self._lines.values():
            line.waiting.clear()

    def statistics(self) -> Deliveries:
        waiting = sum(len(one.alerts) for line in self._lines.values() for one in line.waiting)
        return Deliveries(self._delivered, self._failed, self._dropped, waiting)

    def _pause_s(self) -> float | None:
        """How long until something is to be tried again; None if nothing is."""
        due = [line.not_before_s for line in self._lines.values() if line.waiting]
        return max(0.0, min(due) - self._clock()) if due else None

    async def _carry(self, line: _Line) -> None:
        while line.waiting and line.not_before_s <= self._clock():
            # It leaves the queue afterwards: if this is cancelled, the next turn delivers it.
            delivery = await self._attempt(line, line.waiting[0])
            if not line.waiting:
                return  # closed meanwhile
            if delivery.state is DeliveryState.WAITING:
                line.waiting[0] = delivery
                line.not_before_s = self._clock() + PAUSES_S[delivery.attempts - 1]
            else:
                line.waiting.popleft()
            await self._keep(delivery)

    async def _attempt(self, line: _Line, delivery: Delivery) -> Delivery:
        state, problem = DeliveryState.DELIVERED, None
        try:
            if isinstance(line.notifier, GroupNotifier):
                await line.notifier.tell(delivery.alerts)
            else:
                for alert in delivery.alerts:
                    await line.notifier(alert)
        except Exception as error:  # a stranger's code: its failure must not reach the service
            problem = error.what if isinstance(error, ServiceUnavailable) else type(error).__name__
            self._failed += len(delivery.alerts)
            state = DeliveryState.WAITING
            # What is only a repetition is repeated soon anyway.
            if not delivery.key or isinstance(error, NotTaken):
                state = DeliveryState.FAILED
            elif delivery.attempts >= len(PAUSES_S):
                state = DeliveryState.FAILED
                self._dropped += len(delivery.alerts)
            if not delivery.attempts:
                told = ", ".join(one.metric for one in delivery.alerts)
                _log.warning("alert %s was not delivered by %r: %s", told, line.notifier, problem)
        else:
            self._delivered += len(delivery.alerts)
        return replace(
            delivery,
            state=state,
            problem=problem,
            attempts=delivery.attempts + 1,
            changed_at=self._now(),
        )

    async def _keep(self, delivery: Delivery) -> None:
        if self._record is not None and delivery.key:
            await asyncio.to_thread(self._record, delivery)


def _groups(
    notifier: Notifier | GroupNotifier, alerts: tuple[Alert, ...]
) -> Iterable[tuple[Alert, ...]]:
    if not alerts:
        return ()
    return (alerts,) if isinstance(notifier, GroupNotifier) else ((one,) for one in alerts)


def _name_of(notifier: object) -> str:
    """What a notifier is called on record: its own words without an address in memory."""
    named = getattr(notifier, "__qualname__", None) or repr(notifier).strip("<>")
    return str(named).partition(" at 0x")[0].partition(" object")[0]
