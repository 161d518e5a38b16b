"""The fakes that are public keep their own promises."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.fakes import (
    Answer,
    FakeClock,
    VirtualLoop,
    freezing,
    in_virtual_time,
    queueing,
    run_virtually,
    series,
    snapshot,
    steady,
)
from keiko_perf.loadtest import ConstantRate, Failure, Plan
from keiko_perf.model import Kind


def test_an_hour_of_virtual_time_passes_at_once():
    async def sleeps():
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert in_virtual_time(sleeps()) == 3600
    assert time.monotonic() - began < 60


def test_virtual_timers_ring_in_their_order():
    async def order():
        rung = []

        async def ring(after_s):
            await asyncio.sleep(after_s)
            rung.append((after_s, asyncio.get_running_loop().time()))

        await asyncio.gather(ring(3), ring(1), ring(2))
        return rung

    assert in_virtual_time(order()) == [(1, 1), (2, 2), (3, 3)]


def test_a_timeout_runs_out_in_virtual_time():
    async def waits():
        async with asyncio.timeout(100):
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        in_virtual_time(waits())


def test_another_thread_may_still_wake_the_loop():
    async def asks():
        return await asyncio.to_thread(lambda: 5)

    assert in_virtual_time(asks()) == 5


def test_a_virtual_loop_is_an_ordinary_loop_otherwise():
    loop = VirtualLoop()
    assert loop.time() == 0
    loop.close()


def test_a_clock_stands_still_until_it_is_told():
    clock = FakeClock(5)
    assert clock() == clock() == 5
    clock.advance(1.5)
    assert clock() == 6.5
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)


def test_the_wall_clock_goes_with_the_monotonic_one():
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    clock = FakeClock(100, now_at=noon)
    assert clock.now() == noon
    clock.advance(90)
    assert clock.now() == noon + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("service", "at_s", "after_s"),
    [
        (steady(0.2), 7, 0.2),
        (freezing(0.2, from_s=1, to_s=3), 0.5, 0.2),
        (freezing(0.2, from_s=1, to_s=3), 0.9, 2.3),  # frozen while it is served
        (freezing(0.2, from_s=1, to_s=3), 2.0, 1.2),
        (freezing(0.2, from_s=1, to_s=3), 3.0, 0.2),
    ],
)
def test_how_long_a_fake_service_takes(service, at_s, after_s):
    assert service(at_s, None).after_s == pytest.approx(after_s)


def test_a_queue_serves_one_after_the_other():
    service = queueing(lambda: 1.0)
    assert [service(0.0, None).after_s for _ in range(3)] == [1, 2, 3]
    assert service(10.0, None).after_s == 1


def test_a_plan_against_a_fake_needs_neither_server_nor_time():
    plan = Plan(base_url="http://service", load=ConstantRate(10), duration_s=60)
    result = run_virtually(plan, lambda _now_s, _request: Answer(0.1, failure=Failure.RESET))
    assert result.response.failed.count == 600
    assert result.errors[0].failure is Failure.RESET


def test_values_are_made_from_what_matters():
    made = snapshot(series("GET /x", [0.1, 0.2], failed_s=[1]), counters={"arrived": 3})
    found = made.find(Kind.ROUTE, "GET /x")
    assert found is not None
    assert (found.count, found.errors, made.window_s) == (3, 1, 10)
    assert made.counters == {"arrived": 3}
