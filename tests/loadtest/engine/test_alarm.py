"""Alarms: each rings once for each time it is set, never early, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest

from keiko_perf.fakes import in_virtual_time
from keiko_perf.loadtest.engine.alarm import (
    Lead,
    LoopAlarm,
    PunctualAlarm,
    Repeating,
    precise_alarm,
    punctual_alarm,
)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("make", [precise_alarm, punctual_alarm, LoopAlarm])
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
@pytest.mark.parametrize("make", [precise_alarm, punctual_alarm, LoopAlarm])
async def test_an_alarm_that_is_set_anew_does_not_ring_when_it_was_to(make):
    rung = []
    alarm = make(asyncio.get_running_loop(), lambda: rung.append(1))
    alarm.set(0.005)
    alarm.set(60)
    await asyncio.sleep(0.03)
    alarm.close()
    alarm.close()
    assert rung == []


class Sleepy:
    """
    A loop whose turns take 4 µs, its clock, and its alarm, which takes *late_s* to wake up.

    Nothing happens by itself: `run` lets time go on until nothing is left to do.
    """

    def __init__(self, late_s: float) -> None:
        self.late_s = late_s
        self.now = 100.0
        self.turns = 0
        self._soon: list = []
        self._wakes_at: float | None = None
        self._wake = None

    def clock(self) -> float:
        self.now += 50e-9
        return self.now

    def alarm(self, _loop, ring):
        self._wake = ring
        return self

    def set(self, after_s: float) -> None:
        self._wakes_at = self.now + max(after_s, 0.0) + self.late_s

    def close(self) -> None:
        self._wakes_at = None

    def call_soon(self, call):
        self._soon.append(call)
        return self

    def cancel(self) -> None:
        self._soon.clear()

    def run(self) -> None:
        while self._soon or self._wakes_at is not None:
            if self._soon:
                self.turns += 1
                self.now += 4e-6
                self._soon.pop()()
            else:
                self.now, self._wakes_at = max(self.now, self._wakes_at), None
                self._wake()


def rung(sleepy: Sleepy, *, times: int, apart_s: float) -> list[float]:
    """How late a punctual alarm rings, each time that it is set."""
    late = []
    alarm = PunctualAlarm(
        sleepy, lambda: late.append(sleepy.now - due), alarm=sleepy.alarm, clock=sleepy.clock
    )
    for _ in range(times):
        due = sleepy.now + apart_s
        alarm.set(apart_s)
        sleepy.run()
    assert len(late) == times
    return late


def test_a_punctual_alarm_learns_how_long_it_takes_to_wake_up():
    sleepy = Sleepy(late_s=30e-6)
    late = rung(sleepy, times=500, apart_s=0.002)
    assert late[0] == pytest.approx(30e-6, abs=1e-6)
    assert all(-1e-9 <= one < 3e-6 for one in late[100:])
    assert sleepy.turns < 500  # what it wakes up too early is hardly a turn of the loop


def test_punctuality_costs_no_more_than_a_share_of_the_core():
    sleepy = Sleepy(late_s=30e-6)
    late = rung(sleepy, times=500, apart_s=0.0001)
    assert late[-1] > 25e-6  # a rate at which so long a lead would be a third of the time
    sleepy = Sleepy(late_s=0.005)  # as on a machine that is busy with others
    late = rung(sleepy, times=500, apart_s=1.0)
    assert late[-1] == pytest.approx(0.005 - 100e-6, abs=1e-5)


def test_a_punctual_alarm_that_wakes_up_for_what_is_put_off_goes_back_to_sleep():
    sleepy = Sleepy(late_s=0.0)
    late = []
    alarm = PunctualAlarm(
        sleepy, lambda: late.append(sleepy.now), alarm=sleepy.alarm, clock=sleepy.clock
    )
    alarm.set(60.0)
    sleepy._wake()  # the event loop had seen the alarm of before already
    sleepy.run()
    assert late == [pytest.approx(160.0)]
    assert sleepy.turns < 100


def test_a_lead_settles_where_the_share_that_was_asked_for_is_in_time():
    random, lead = Random(7), Lead(in_time=0.95, longest_s=1.0)
    late = 0
    for number in range(40_000):
        takes_s = random.uniform(0.0, 100e-6)
        late += number >= 20_000 and takes_s > lead.seconds
        lead.learn(was_late=takes_s > lead.seconds)
    assert lead.seconds == pytest.approx(95e-6, abs=5e-6)
    assert late / 20_000 == pytest.approx(0.05, abs=0.005)


def test_a_lead_is_bounded_on_both_sides():
    lead = Lead(in_time=0.9, longest_s=50e-6)
    for _ in range(100):
        lead.learn(was_late=True)
    assert lead.seconds == 50e-6
    for _ in range(1000):
        lead.learn(was_late=False)
    assert lead.seconds == 0.0


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
