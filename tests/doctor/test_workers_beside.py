"""A worker for background tasks that shares the store of a service serves nobody."""

from __future__ import annotations

from keiko_perf import PerformanceMonitor
from keiko_perf.doctor.telling import told_by
from keiko_perf.model import Kind
from keiko_perf.monitoring.export.attributed import attributed
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.store import MemoryStore


async def test_its_pool_counts_and_its_event_loop_does_not() -> None:
    store = MemoryStore()
    monitor = PerformanceMonitor(store=store, attribution=True)
    for worker, requests in (("a:1", 30), ("a:2", 20), ("a:tasks", 0)):
        recorder = Recorder(worker=worker)
        for _ in range(requests):
            recorder.request("GET /", 0.01)
        recorder.record(Kind.POOL, "app", 0.001)
        recorder.gauge("pool_size", 10)
        recorder.gauge("pool_in_use", 1)
        store.append(recorder.snapshot())
    seen = told_by(await attributed(monitor)).symptoms
    assert seen.workers == 2
    assert seen.pool is not None
    assert (seen.pool.size, seen.pool.in_use, seen.pool.workers) == (30, 3, 3)
