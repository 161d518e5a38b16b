"""
View: all that a monitor exports, read at once.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol

from keiko_perf.model import Snapshot, Verdict
from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.export.families import Sample, View
from keiko_perf.monitoring.export.totals import Totals


class Exported(Protocol):
    """What `PerformanceMonitor` has that exporting needs."""

    totals: Totals
    token: str | None
    is_recording: bool

    def now(self) -> datetime: ...

    @property
    def alerts(self) -> tuple[Alert, ...]: ...

    @property
    def is_ticking(self) -> bool: ...

    def start(self) -> None: ...

    async def current(self) -> Snapshot | None: ...

    def judge(self, snapshot: Snapshot | None) -> dict[str, Verdict]: ...

    def build(self) -> dict[str, str]: ...

    def figures(self) -> dict[str, tuple[Sample, ...]]: ...


async def view_of(monitor: Exported) -> View:
    """
    What is exported now.

    Raises:
        StoreUnavailable: the totals cannot be read.
    """
    totals, since = await asyncio.to_thread(monitor.totals.read)
    current = await monitor.current()
    return View(
        totals=totals,
        since=since,
        current=current,
        verdicts=monitor.judge(current),
        alerts=monitor.alerts,
        build=monitor.build(),
        figures=monitor.figures(),
    )
