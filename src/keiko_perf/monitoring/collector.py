"""
MetricsCollector: the guide's figures over the last minute or so, from all workers.

It joins what the store has of the last `metrics_window_s` with what the recorder has counted
since its last cut. A figure that nothing was measured for is None, never 0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from keiko_perf.errors import UsageError
from keiko_perf.model import Snapshot
from keiko_perf.model.kpi import (
    CPU_RATIO,
    ERROR_RATIO,
    LATENCY_P95,
    LATENCY_P99,
    MEMORY_RATIO,
    POOL_RATIO,
    REFUSED_RATIO,
    TASK_FAILURE_RATIO,
    TASKS_PER_MINUTE,
    THROUGHPUT,
    Kpi,
)
from keiko_perf.model.series import Kind
from keiko_perf.monitoring.recorder import Recorder, utc_now
from keiko_perf.monitoring.storage.store import Store

_SECOND = timedelta(seconds=1)
_MS_PER_S = 1000.0
_PERCENT = 100.0

_METRICS: dict[str, tuple[Kpi, float]] = {
    "api_p95": (LATENCY_P95, _MS_PER_S),
    "api_p99": (LATENCY_P99, _MS_PER_S),
    "rps": (THROUGHPUT, 1.0),
    "cpu_percent": (CPU_RATIO, _PERCENT),
    "memory_percent": (MEMORY_RATIO, _PERCENT),
    "error_rate": (ERROR_RATIO, _PERCENT),
    "refused_rate": (REFUSED_RATIO, _PERCENT),
    "tasks_per_minute": (TASKS_PER_MINUTE, 1.0),
    "task_failure_rate": (TASK_FAILURE_RATIO, _PERCENT),
    "database_connections": (POOL_RATIO, _PERCENT),
}
"""The guide's names: the KPI behind each, and what turns its unit into the guide's."""


class MetricsCollector:
    """
    Args:
        recorder: what this process counted since its last cut.
        store: the windows before, of all workers.
        metrics_window_s: how far back to look.
        now: the wall clock, aware UTC.
    """

    def __init__(
        self,
        recorder: Recorder,
        store: Store,
        *,
        metrics_window_s: float = 60.0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if not metrics_window_s > 0:
            raise UsageError(
                f"metrics over {metrics_window_s} s have nothing to rest on",
                cure="Let metrics_window_s be over 0, 60 for instance",
            )
        self.metrics_window_s = metrics_window_s
        self._recorder = recorder
        self._store = store
        self._now = now

    async def get_current_metrics(self) -> dict[str, float | int | None]:
        """
        The current metrics under the guide's names.

        Returns:
            `api_p95` and `api_p99` in ms, of successful requests; `rps`, `cpu_percent`,
            `memory_percent`, `error_rate`, `refused_rate` (4xx) and `task_failure_rate` in %,
            `tasks_per_minute`, `database_connections` in % of the pool; each None if nothing was
            measured. Further `samples`, the requests that they rest on, and `window_s`, the time
            that was measured. A p95 of fewer than 59 samples, or a p99 of fewer than 299, is a
            first impression: the verdicts say *unknown* then.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        return self.metrics_of(await self.snapshot())

    def metrics_of(self, snapshot: Snapshot | None) -> dict[str, float | int | None]:
        """The same of a *snapshot* that is there already."""
        if snapshot is None:
            return {**dict.fromkeys(_METRICS), "samples": 0, "window_s": 0.0}
        metrics: dict[str, float | int | None] = {
            name: _read(kpi, snapshot, factor) for name, (kpi, factor) in _METRICS.items()
        }
        metrics["samples"] = snapshot.whole(Kind.ROUTE).count
        metrics["window_s"] = snapshot.window_s
        return metrics

    async def snapshot(self, last_s: float | None = None) -> Snapshot | None:
        """
        All that was measured over the last `metrics_window_s`; None before anything was.

        Args:
            last_s: how far back to look instead. Windows are counted whole: that in which this
                begins is one of them if most of it lies within, so that they cover it but for
                half a window. Otherwise it might be missed by a whole one.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        # Peeked first: a window that is cut meanwhile is then in both, which can be told and put
        # right; the other way round it would be in neither.
        current = self._recorder.peek()
        now = self._now()
        # A store may wait for a lock or a disk, to merge windows of many routes takes long, and the
        # event loop must not wait.
        return await asyncio.to_thread(self._merged, current, now, last_s)

    def _merged(self, current: Snapshot, now: datetime, last_s: float | None) -> Snapshot | None:
        windows = self._windows(now, last_s)
        if current.window_s and not any(_makes_needless(one, current) for one in windows):
            windows.append(current)
        merged = Snapshot.merged(windows)
        if merged is not None:
            merged.whole(Kind.ROUTE)  # each target asks for it, in the event loop
        return merged

    def _windows(self, now: datetime, last_s: float | None) -> list[Snapshot]:
        if last_s is None:
            return self._store.between(now - timedelta(seconds=self.metrics_window_s), now)
        start_at = now - timedelta(seconds=last_s)
        # No window is longer than what is judged by.
        found = self._store.between(start_at - timedelta(seconds=self.metrics_window_s), now)
        return [one for one in found if one.started_at + one.window_s / 2 * _SECOND >= start_at]


def _makes_needless(stored: Snapshot, current: Snapshot) -> bool:
    """
    Whether *current* would distort the picture.

    Its own window was stored meanwhile; or there are other workers, whose current windows cannot
    be seen: the time of this one would count for all, and the requests only of one.
    """
    return stored.worker != current.worker or stored.started_at == current.started_at


def _read(kpi: Kpi, snapshot: Snapshot, factor: float) -> float | None:
    reading = kpi.read(snapshot, None)
    return None if reading.value is None else reading.value * factor
