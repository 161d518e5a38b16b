"""Alarms: each rings once for each time it is set, never early, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time

import pytest

from keiko_perf.fakes import in_virtual_time
from keiko_perf.loadtest.alarm import LoopAlarm, Repeating, precise_alarm


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("make", [precise_alarm, LoopAlarm])
async def test_an_alarm_rings_once_and_not_early(make):
    rung = asyncio.Queue()
    alarm = make(asyncio.get_running_loop(), lambda: rung.put_nowait(time.monotonic()))
    try:
        for after_s in (0.02, 0.001, 0.0, -1.0):
            began = time.monotonic()
            alarm.set(after_s)
            # asyncio's own timers round to the clock's resolution.
            assert await asyncio.wait_for(rung.get(), 10) - began >= after_s - 0.001
        await asyncio.sleep(0.01)
        assert rung.empty()
    finally:
        alarm.close()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("make", [precise_alarm, LoopAlarm])
async def test_an_alarm_that_is_set_anew_does_not_ring_when_it_was_to(make):
    rung = []
    alarm = make(asyncio.get_running_loop(), lambda: rung.append(1))
    alarm.set(0.005)
    alarm.set(60)
    await asyncio.sleep(0.03)
    alarm.close()
    alarm.close()
    assert rung == []


def test_a_repeated_call_does_not_drift_and_leaves_out_what_it_missed():
    async def beats():
        loop = asyncio.get_running_loop()
        seen = []

        def call() -> None:
            seen.append(loop.time())
            if len(seen) == 2:
                loop.jump(2.5)  # something held up the loop

        repeating = Repeating(loop, 1.0, call)
        await asyncio.sleep(7.5)
        repeating.cancel()
        await asyncio.sleep(5)
        return seen

    assert in_virtual_time(beats()) == pytest.approx([1, 2, 4.5, 5, 6, 7])
