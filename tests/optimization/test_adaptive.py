"""The adaptive limiter: in time of its own, under overload, and when it is cancelled anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import VirtualLoop, in_virtual_time
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.optimization import AdaptiveLimiter, Overloaded
from keiko_perf.optimization.queueing import Discipline

CAPACITY, WORK_S = 10, 0.02


@pytest.mark.parametrize("discipline", ["codel", "fifo", "lifo"])
def test_who_waits_for_a_busy_loop_and_not_for_a_place_is_not_turned_away(
    discipline: Discipline,
) -> None:
    async def run() -> tuple[int, int]:
        limiter = AdaptiveLimiter(
            discipline=discipline, patience_s=0.5, least=100, first=100, max_waiting=2000
        )
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)

        async def call() -> None:
            loop.jump(0.001)  # what it computes before: all of them together 1.5 s in one turn
            async with limiter:
                await asyncio.sleep(0.01)

        done = await asyncio.gather(*(call() for _ in range(1500)), return_exceptions=True)
        return sum(one is None for one in done), limiter.statistics().turned_away

    assert in_virtual_time(run()) == (1500, 0)


class Server:
    """So many at once; the others queue in it, which is what a limiter is to prevent."""

    def __init__(self) -> None:
        self.places = asyncio.Semaphore(CAPACITY)
        self.random = Random(1)

    async def work(self) -> None:
        async with self.places:
            await asyncio.sleep(self.random.expovariate(1 / WORK_S))


async def overload(discipline: Discipline | None, *, times: float) -> tuple[float, list[float]]:
    """The share of the capacity that was served within 0.25 s, and how long the accepted took."""
    loop, server, random = asyncio.get_running_loop(), Server(), Random(2)
    limiter = (
        AdaptiveLimiter(most=10_000, max_waiting=100_000, patience_s=1000)
        if discipline is None
        else AdaptiveLimiter(discipline=discipline, patience_s=0.1)
    )
    took_s: list[float] = []

    async def ask() -> None:
        began_s = loop.time()
        try:
            if discipline is None:
                await server.work()  # a queue without a limit, first come, first served
            else:
                async with limiter:
                    await server.work()
        except Overloaded:
            return
        if began_s > 3:
            took_s.append(loop.time() - began_s)

    tasks = []
    while loop.time() < 13:
        tasks.append(loop.create_task(ask()))
        await asyncio.sleep(random.expovariate(times * CAPACITY / WORK_S))
    await asyncio.gather(*tasks)
    good = sum(one <= 0.25 for one in took_s)
    return good / (10 * CAPACITY / WORK_S), took_s


@pytest.mark.parametrize("discipline", ["fifo", "lifo", "codel"])
def test_at_twice_the_capacity_what_is_accepted_is_served_in_time(discipline: Discipline) -> None:
    goodput, took_s = in_virtual_time(overload(discipline, times=2))
    assert goodput > 0.9
    assert sorted(took_s)[int(0.99 * len(took_s))] < 0.25


def test_without_a_limit_hardly_anybody_is_served_in_time() -> None:
    goodput, _ = in_virtual_time(overload(None, times=2))
    assert goodput < 0.2


def test_it_finds_the_capacity_of_a_service_by_itself() -> None:
    async def run() -> AdaptiveLimiter:
        limiter, server = AdaptiveLimiter(patience_s=10, discipline="fifo"), Server()
        loop = asyncio.get_running_loop()

        async def ask() -> None:
            while loop.time() < 10:
                async with limiter:
                    await server.work()

        await asyncio.gather(*(ask() for _ in range(100)))
        return limiter

    limiter = in_virtual_time(run())
    assert 6 <= limiter.limit <= 20
    done = limiter.statistics()
    assert (done.in_use, done.waiting) == (0, 0)
    assert done.acquired > 0.85 * 10 * CAPACITY / WORK_S
    assert done.windows > 20


async def test_whoever_waits_too_long_or_finds_too_many_is_told_when_to_come_again() -> None:
    limiter = AdaptiveLimiter(first=1, max_waiting=1, patience_s=0.01)
    place = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="Try again in 1 s") as refused:
        await limiter.acquire()
    assert refused.value.retry_after_s == 1
    with pytest.raises(Overloaded):
        await waiting  # no place is given back: the clock alone turns it away
    place.release()
    done = limiter.statistics()
    assert (done.in_use, done.waiting, done.refused, done.turned_away) == (0, 0, 1, 1)


async def test_a_place_is_given_back_once() -> None:
    limiter = AdaptiveLimiter()
    place = await limiter.acquire()
    place.release()
    with pytest.raises(UsageError, match="only once"):
        place.release()
    assert limiter.statistics().in_use == 0


async def test_a_failure_counts_as_one_and_a_cancellation_as_nothing() -> None:
    limiter = AdaptiveLimiter()
    with pytest.raises(LookupError):
        async with limiter:
            raise LookupError

    async def wait_for_ever() -> None:
        async with limiter:
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    done = limiter.statistics()
    assert (done.in_use, done.acquired, done.failed) == (0, 2, 1)


async def test_it_goes_around_whatever_is_entered() -> None:
    limiter, seen = AdaptiveLimiter(), []

    @asynccontextmanager
    async def connection() -> AsyncIterator[str]:
        seen.append(limiter.statistics().in_use)
        yield "connection"
        seen.append(limiter.statistics().in_use)

    async with limiter.around(connection()) as entered:
        assert entered == "connection"
    assert (seen, limiter.statistics().in_use) == ([1, 1], 0)


async def test_it_decorates_async_functions_and_no_others() -> None:
    limiter = AdaptiveLimiter()

    @limiter
    async def double(number: int) -> int:
        """Twice as much."""
        assert limiter.statistics().in_use == 1
        return number * 2

    assert await double(2) == 4
    assert (double.__name__, double.__doc__) == ("double", "Twice as much.")
    with pytest.raises(UsageError, match="async def"):
        limiter(len)  # type: ignore[arg-type] # on purpose


async def test_one_task_may_be_in_several_times_and_another_may_not_leave_for_it() -> None:
    limiter = AdaptiveLimiter()
    async with limiter, limiter:
        assert limiter.statistics().in_use == 2
    with pytest.raises(UsageError, match="same task"):
        await limiter.__aexit__(None, None, None)


async def test_a_monitor_samples_its_state() -> None:
    limiter, monitor = AdaptiveLimiter(first=7), PerformanceMonitor()
    monitor.recorder.add_probe(limiter.gauges)
    async with limiter:
        monitor.recorder.probe()
    gauges = monitor.recorder.snapshot().gauges
    assert gauges["concurrency_limit"].peak == 7
    assert gauges["concurrency_in_use"].peak == 1


@pytest.mark.parametrize("discipline", ["fifo", "lifo", "codel"])
async def test_cancelled_at_any_await_it_leaves_no_trace(
    cancel_everywhere: Callable[..., Awaitable[int]], discipline: Discipline
) -> None:
    limiter = AdaptiveLimiter(first=2, most=2, discipline=discipline)

    async def visit() -> None:
        async with limiter:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(7):
                group.create_task(visit())

    def check() -> None:
        now = limiter.statistics()
        assert (now.in_use, now.waiting) == (0, 0)

    assert await cancel_everywhere(scenario, check) > 5


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"least": 5, "most": 4}, "no more than most"),
        ({"first": 0}, "from 1 on"),
        ({"patience_s": 0}, "over 0"),
    ],
)
def test_numbers_without_sense_are_refused(wrong: dict[str, Any], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        AdaptiveLimiter(**wrong)
