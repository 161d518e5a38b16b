"""Batches: everything runs once, in the order that was asked for, and no more at once than may."""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.optimization.batches.working import Gate, double, numbers, picky

from keiko_perf.errors import KeikoError, UsageError
from keiko_perf.optimization import Batch, BatchStatistics, Cache, Limiter


async def test_results_come_in_the_order_of_the_items() -> None:
    outcomes = await Batch([5, 3, 1, 4], double, limit=2).collect()
    assert [one.unwrap() for one in outcomes] == [10, 6, 2, 8]
    assert [one.index for one in outcomes] == [0, 1, 2, 3]
    assert [one.item for one in outcomes] == [5, 3, 1, 4]


async def test_a_failure_stays_with_its_item_and_stops_nothing() -> None:
    batch = Batch(range(10), picky, limit=4)
    outcomes = await batch.collect()
    assert [one.item for one in outcomes if one.failed] == [0, 3, 6, 9]
    assert all(str(one.error) == f"{one.item} is a multiple of three" for one in outcomes[::3])
    with pytest.raises(ValueError, match="3 is a multiple"):
        outcomes[3].unwrap()
    done = batch.statistics()
    assert (done.total, done.taken, done.succeeded, done.failed) == (10, 10, 6, 4)
    assert (done.in_flight, done.cancelled) == (0, 0)


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_as_many_as_the_limit_run_at_once_and_no_more(limit: int) -> None:
    gate = Gate()
    await Batch(range(300), gate, limit=limit).drain()
    assert gate.entered == 300
    assert gate.most == limit


async def test_the_next_item_begins_as_soon_as_one_is_done() -> None:
    """Where a batch waits for its slowest, only one other item would run beside the slow one."""
    slow, seen = asyncio.Event(), []

    async def work(number: int) -> None:
        if number == 0:
            await slow.wait()
        seen.append(number)
        if number == 99:
            slow.set()

    await Batch(range(100), work, limit=2).collect()
    assert seen == [*range(1, 100), 0]


async def test_few_items_start_few_workers() -> None:
    before, most = len(asyncio.all_tasks()), 0

    async def count(_: int) -> None:
        nonlocal most
        await asyncio.sleep(0)
        most = max(most, len(asyncio.all_tasks()) - before)

    await Batch(iter([1, 2, 3]), count, limit=1000).collect()
    assert most <= 7


async def test_the_source_is_read_only_as_far_as_there_is_work() -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    async with Batch(endless(), double, limit=5).as_completed(window=8) as outcomes:
        async for outcome in outcomes:
            if outcome.item >= 20:
                break
    assert 20 <= read <= 20 + 8


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_an_async_generator_is_never_asked_by_two_at_a_time(limit: int) -> None:
    outcomes = await Batch(numbers(40), picky, limit=limit).collect()
    assert [one.item for one in outcomes] == list(range(40))
    assert sum(one.failed for one in outcomes) == 14


async def test_in_order_means_in_order_and_as_completed_as_completed() -> None:
    last = asyncio.Event()

    async def work(number: int) -> int:
        if number == 0:
            await last.wait()
        if number == 9:
            last.set()
        return number

    async with Batch(range(10), work, limit=3).in_order() as outcomes:
        assert [one.value async for one in outcomes] == list(range(10))
    last.clear()
    async with Batch(range(10), work, limit=3).as_completed() as outcomes:
        assert [one.value async for one in outcomes] == [*range(1, 10), 0]


@pytest.mark.parametrize("in_order", [True, False])
async def test_a_slow_reader_slows_the_work(in_order: bool) -> None:
    batch = Batch(range(1000), double, limit=4)
    async with batch.in_order(window=10) if in_order else batch.as_completed(window=10) as outcomes:
        for handed_out in range(1, 50):
            await anext(outcomes)
            for _ in range(20):
                await asyncio.sleep(0)
            assert batch.statistics().taken <= handed_out + 10
    assert batch.statistics().in_flight == 0


async def test_work_that_never_waits_lets_the_loop_go_on() -> None:
    now, turns = 0.0, 0

    async def work(_: int) -> None:
        nonlocal now
        now += 0.001  # each item takes a millisecond, and waits for nothing

    async def something_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(something_else())
    await Batch(range(1000), work, limit=10, clock=lambda: now).drain()
    other.cancel()
    await asyncio.wait([other])
    # 5 ms, and one item of each of the ten workers: about 15 items a turn.
    assert 1000 / 20 <= turns <= 1000 / 5


async def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    now, told = 0.0, []

    async def work(_: int) -> None:
        nonlocal now
        now += 0.03

    def on_progress(so_far: BatchStatistics) -> None:
        told.append(so_far.succeeded)

    batch = Batch(range(10), work, limit=1, on_progress=on_progress, clock=lambda: now)
    await batch.collect()
    assert told == [4, 8, 10]
    assert batch.statistics().elapsed_s == pytest.approx(0.3)
    assert batch.statistics().rate_per_s == pytest.approx(10 / 0.3)


async def test_a_processor_that_is_not_async_is_said_at_once() -> None:
    ran: list[int] = []
    with pytest.raises(UsageError, match="Make it an `async def`"):
        await Batch(range(100), ran.append, limit=1).collect()  # type: ignore[arg-type]
    assert ran == [0]


async def test_a_batch_runs_only_once() -> None:
    batch = Batch(range(3), double)
    await batch.collect()
    with pytest.raises(UsageError, match="Make a new Batch"):
        await batch.collect()
    with pytest.raises(UsageError, match="Make a new Batch"):
        async with batch.in_order():
            pass


async def test_outcomes_are_read_inside_of_async_with() -> None:
    with pytest.raises(UsageError, match="async with"):
        async for _ in Batch(range(3), double).in_order():
            pass


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"items": 5}, "an iterable"),
        ({"processor": None}, "an async function of one item"),
        ({"limit": 0}, "a whole number from 1 on"),
        ({"on_error": "ignore"}, "collect or stop"),
    ],
)
def test_arguments_without_sense_are_refused(arguments: dict[str, Any], cure: str) -> None:
    with pytest.raises(KeikoError, match=cure):
        Batch(**{"items": [1], "processor": double, **arguments})


async def test_nothing_to_do_is_done_at_once() -> None:
    none: list[int] = []
    assert await Batch(none, double).collect() == []
    assert await Batch(numbers(0), double).collect() == []
    async with Batch(none, double).as_completed() as outcomes:
        assert [one async for one in outcomes] == []


async def test_100_000_items_take_no_more_memory_than_a_thousand() -> None:
    async def peak_bytes(count: int, how: str) -> int:
        tracemalloc.start()
        batch = Batch((number for number in range(count)), double, limit=50)
        if how == "drain":
            await batch.drain()
        else:
            async with getattr(batch, how)() as outcomes:
                async for _ in outcomes:
                    pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert batch.statistics().succeeded == count
        return peak

    await peak_bytes(1000, "drain")
    for how, count in (("drain", 100_000), ("in_order", 20_000), ("as_completed", 20_000)):
        assert await peak_bytes(count, how) < await peak_bytes(1000, how) + 200_000


@pytest.mark.skipif(sys.version_info < (3, 12), reason="task factories are eager from 3.12 on")
async def test_an_eager_task_factory_changes_nothing() -> None:
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    gate = Gate()
    outcomes: list[Any] = await Batch(range(5000), gate, limit=1500).collect()
    assert [one.value for one in outcomes] == list(range(5000))
    assert gate.most <= 1500
    cache: Cache[int, int] = Cache(100_000)
    assert await cache.get_or_load(1, gate) == 1
    assert 1 in cache


@given(
    waits=st.lists(st.integers(0, 5), max_size=25),
    limit=st.integers(1, 8),
    shared=st.integers(1, 8),
    window=st.integers(1, 10),
    ordered=st.booleans(),
    asynchronous=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_like_one_by_one_only_faster(
    waits: list[int], limit: int, shared: int, window: int, ordered: bool, asynchronous: bool
) -> None:
    async def work(wait: int) -> int:
        for _ in range(wait):
            await asyncio.sleep(0)
        if wait == 3:
            raise ValueError(wait)
        return wait * 2

    async def source() -> AsyncIterator[int]:
        for wait in waits:
            await asyncio.sleep(0)
            yield wait

    async def run() -> list[tuple[int, int | None]]:
        items = source() if asynchronous else waits
        batch = Batch(items, work, limit=limit, limiter=Limiter(shared))
        stream = batch.in_order if ordered else batch.as_completed
        async with asyncio.timeout(20), stream(window=window) as outcomes:
            return [(one.index, one.value) async for one in outcomes]

    expected = [(at, None if wait == 3 else wait * 2) for at, wait in enumerate(waits)]
    seen = asyncio.run(run())
    assert (seen if ordered else sorted(seen)) == expected
