"""
Monitor: what the dashboard, and an application that it is installed in, need to know of a monitor.

`PerformanceMonitor` is one. It is named here so that the dashboard stands beneath it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from keiko_perf.model import Snapshot, Verdict
from keiko_perf.monitoring.alerts import Alert
from keiko_perf.monitoring.collector import MetricsCollector
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.steady import SteadyStore


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
        attribution: whether it is told where the time of each request went.
    """

    recorder: Recorder
    store: SteadyStore
    metrics_collector: MetricsCollector
    token: str | None
    window_s: float
    is_recording: bool
    now: Callable[[], datetime]
    attribution: bool

    @property
    def alerts(self) -> tuple[Alert, ...]: ...

    async def current(self) -> Snapshot | None: ...

    def judge(self, snapshot: Snapshot | None) -> dict[str, Verdict]: ...

    def start(self) -> None: ...

    async def stop(self) -> None: ...
