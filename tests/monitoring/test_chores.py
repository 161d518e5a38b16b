"""What a monitor does each so many seconds, whatever becomes of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.chores import Chore


async def test_it_is_done_again_though_it_failed_and_ends_with_the_monitor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()
    times = 0

    async def fail_twice() -> None:
        nonlocal times
        times += 1
        if times < 3:
            raise RuntimeError("the database is gone")
        done.set()

    monitor = PerformanceMonitor()
    monitor.every(0.001, fail_twice)
    with caplog.at_level(logging.ERROR, "keiko_perf.monitor"):
        monitor.start()
        await asyncio.wait_for(done.wait(), 60)
        await monitor.stop()
    assert len([one for one in caplog.records if "failed" in one.message]) == 1
    before = times
    await asyncio.sleep(0.05)
    assert times == before


@pytest.mark.parametrize("every_s", [0, -1, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(every_s: float) -> None:
    async def work() -> None: ...

    with pytest.raises(UsageError, match="nothing can be done"):
        Chore(every_s, work)
