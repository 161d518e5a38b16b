"""
Monitor: what the dashboard, and an application that it is installed in, need to know of a monitor.

`PerformanceMonitor` is one. It is named here so that the dashboard stands beneath it.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from keiko_perf.model import Report, Snapshot, Verdict
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.changes.changes import ServiceChange
from keiko_perf.monitoring.changes.markers import Marker
from keiko_perf.monitoring.collector import MetricsCollector
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.steady import SteadyStore


class Monitor(Protocol):
    """
    Attributes:
        recorder: where requests are counted.
        store: where windows are kept.
        metrics_collector: answers the current metrics.
        token: the secret that opens the dashboard; None: it answers on loopback only.
        window_s: how long a window is.
        is_recording: whether an application hands its requests on.
        now: the wall clock, aware UTC.
        reports: asked for what else is known, such as of the database, while a page is open.
        attribution: whether it is told where the time of each request went.
        loop: the event loop in which it ticks; None while it does not.
    """

    recorder: Recorder
    store: SteadyStore
    metrics_collector: MetricsCollector
    token: str | None
    window_s: float
    is_recording: bool
    now: Callable[[], datetime]
    reports: list[Callable[[], Awaitable[Report]]]
    attribution: bool
    loop: AbstractEventLoop | None

    @property
    def alerts(self) -> tuple[Alert, ...]: ...

    async def current(self) -> Snapshot | None: ...

    def judge(self, snapshot: Snapshot | None) -> dict[str, Verdict]: ...

    async def markers(
        self, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> tuple[Marker, ...]: ...

    async def alert_history(
        self, start_at: datetime | None = None, end_at: datetime | None = None
    ) -> tuple[Alert, ...]: ...

    async def changes(self, hours: float = 24.0) -> tuple[ServiceChange, ...]: ...

    def start(self) -> None: ...

    async def stop(self) -> None: ...
