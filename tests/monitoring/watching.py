"""A monitor whose time goes as it is told, a store that fails, and what was kept."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from keiko_perf.errors import StoreUnavailable
from keiko_perf.monitoring import MemoryStore, PerformanceMonitor

GUIDE_CHECKS = {
    "api_response_time",
    "api_response_time_p99",
    "throughput",
    "tasks_per_minute",
    "cpu_usage",
    "memory_usage",
    "database_connections",
    "error_rate",
    "task_failure_rate",
}


class Time:
    """A monotonic and a wall clock that go only when they are told to."""

    def __init__(self):
        self.s = 1000.0

    def clock(self):
        return self.s

    def now(self):
        return datetime(2026, 1, 5, 12, 0, tzinfo=UTC) + timedelta(seconds=self.s - 1000.0)


class BrokenStore(MemoryStore):
    """A store whose disk is full while `is_full`."""

    is_full = False

    def append(self, snapshot):
        if self.is_full:
            raise StoreUnavailable("the disk is full", cure="Make room")
        super().append(snapshot)

    def between(self, start_at, end_at):
        if self.is_full:
            raise StoreUnavailable("the disk is full", cure="Make room")
        return super().between(start_at, end_at)


def a_quiet_machine(recorder):
    """The gauges of a process whose machine has nothing else to do, as the one here may have."""
    recorder.gauge("memory_ratio", 0.05)


def watched(time, **options):
    options.setdefault("sample", a_quiet_machine)
    return PerformanceMonitor(clock=time.clock, now=time.now, **options)


def serve_requests(monitor, time, *, count, duration_s, seconds=10.0, failed=0):
    for number in range(count):
        monitor.recorder.request("GET /agents", duration_s, status=500 if number < failed else 200)
    time.s += seconds


async def until(holds):
    """Wait for the ticker, which runs in real time here, to have done something."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a monitor has no event to wait for
            await asyncio.sleep(0.005)


async def windows_of(monitor):
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return monitor.store.between(start, start + timedelta(days=36500))
