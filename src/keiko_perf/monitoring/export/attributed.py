"""
Attributed: the document of where the time of requests went (`insight`), of one monitor, now.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from keiko_perf.model import Snapshot
from keiko_perf.monitoring.export.exporting import Exporting
from keiko_perf.monitoring.export.insight import insight_of
from keiko_perf.monitoring.protocol import Monitor

_MINUTE_S = 60.0
_HOUR_S, _RECENT_S, _STEP_S = 3_600.0, 120.0, 30.0


async def attributed(
    monitor: Monitor, last_s: float | None = None, *, lang: str = "en"
) -> dict[str, Any]:
    """
    The document, over the last *last_s* seconds, or what the monitor judges by.

    What a person reads of it is in the language *lang*.

    Raises:
        StoreUnavailable: the windows cannot be read.
    """
    now = monitor.now()
    snapshot = await monitor.metrics_collector.snapshot(last_s)
    windows = await asyncio.to_thread(_last_hour, monitor, now)
    own = monitor if isinstance(monitor, Exporting) else None
    return insight_of(
        snapshot,
        windows,
        has_attribution=monitor.attribution,
        build={} if own is None else own.build(),
        now=now,
        in_threads=monitor.recorder.in_threads,
        pool_kinds=monitor.recorder.pool_kinds,
        # Of a service that is looked at from its store nobody knows it here.
        loop="" if own is None else type(asyncio.get_running_loop()).__module__,
        awaited=() if own is None else monitor.recorder.awaited.since(last_s or _MINUTE_S),
        answered_by="" if own is None else monitor.recorder.worker,
        lang=lang,
    )


def _last_hour(monitor: Monitor, now: datetime) -> list[Snapshot]:
    """
    The windows of the last minutes, and of the hour before them one now and then.

    That is enough for what grows slowly, and so are they without their series; to read all would
    keep the service from its work.
    """
    recent_at, window_s = now - timedelta(seconds=_RECENT_S), monitor.window_s
    hour_at, step_s = now - timedelta(seconds=_HOUR_S), max(_STEP_S, window_s)
    outlines = monitor.store.outlines
    before = outlines(hour_at, recent_at, every_s=step_s, of_each_s=window_s)
    return [*before, *outlines(recent_at, now, every_s=window_s, of_each_s=window_s)]
