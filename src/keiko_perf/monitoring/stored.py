"""
StoredMonitor: a service as its store knows it, for whoever looks at it from another process.

It only reads: it records nothing, judges what the service's own monitor measured, and knows its
alerts, markers and changes from the store's journal. A service that writes no more has no data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from os import PathLike, fspath
from os.path import isfile
from pathlib import Path

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Report, Snapshot, Target, Verdict
from keiko_perf.monitoring.alerts import alerting
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.collector import MetricsCollector
from keiko_perf.monitoring.kpis import PerformanceKPIs, checks
from keiko_perf.monitoring.recorder import Recorder, utc_now
from keiko_perf.monitoring.remembering import Past, Remembering
from keiko_perf.monitoring.storage.journal import Journal
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.steady import SteadyStore


class StoredMonitor(Remembering):
    """
    Args:
        path: the file that the service's monitor writes to.
        kpis: the nine targets.
        targets: further ones, as those of `PerformanceMonitor`.
        token: the secret that opens the dashboard; without one it answers on loopback only.
        window_s: how long the service's windows are.
        metrics_window_s: over how long is judged.
        now: the wall clock, aware UTC.

    Raises:
        StoreUnavailable: there is no such file.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        kpis: PerformanceKPIs | None = None,
        targets: Iterable[Target] = (),
        token: str | None = None,
        window_s: float = 10.0,
        metrics_window_s: float = 60.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not isfile(fspath(path)):
            raise StoreUnavailable(
                f"there is no store {fspath(path)}",
                cure="Name the file that PerformanceMonitor(store=...) writes to",
            )
        kept = SqliteStore(Path(path))
        self.checks: Mapping[str, Target] = checks(*(kpis or PerformanceKPIs()).targets(), *targets)
        self.store = SteadyStore(kept)
        self.journal = Journal(kept)
        self.past = Past(self.store, self.journal)
        self.revision = None
        self.token = token
        self.window_s = window_s
        self.is_recording = True
        self.attribution = False
        self.loop: asyncio.AbstractEventLoop | None = None  # nothing ticks here
        self.now = now
        self.reports: list[Callable[[], Awaitable[Report]]] = []
        self.recorder: Recorder = _Idle(now=now)
        self.metrics_collector = MetricsCollector(
            self.recorder, self.store, metrics_window_s=metrics_window_s, now=now
        )

    def __repr__(self) -> str:
        return f"<StoredMonitor of {len(self.checks)} targets>"

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts as the service's monitor knows them; none where it cannot be asked."""
        try:
            return alerting.states(self.journal)
        except StoreUnavailable:
            return ()

    async def current(self) -> Snapshot | None:
        """What all workers measured over the last `metrics_window_s`; None of a silent service."""
        now = self.now()
        start_at = now - timedelta(seconds=self.metrics_collector.metrics_window_s)
        return Snapshot.merged(await asyncio.to_thread(self.store.between, start_at, now))

    def judge(self, snapshot: Snapshot | None) -> dict[str, Verdict]:
        """All targets, by check, held against *snapshot*."""
        return {name: target.judge(snapshot) for name, target in self.checks.items()}

    def start(self) -> None:
        """Nothing ticks: the service's own monitor does."""

    async def stop(self) -> None:
        """Close the store; it is opened again when it is needed."""
        self.store.close()


class _Idle(Recorder):
    """A recorder in which nothing is ever recorded."""

    def peek(self) -> Snapshot:
        return Snapshot(started_at=self.now(), window_s=0.0)
