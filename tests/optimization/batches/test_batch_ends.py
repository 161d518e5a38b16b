"""How batches end: failures, cancellation and timeouts lose nothing and leave nothing."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.optimization.batches.working import Check, Gate, double, numbers, picky

from keiko_perf.optimization import Batch, BatchStatistics, Limiter, WorkCancelled


@pytest.mark.parametrize("how", ["collect", "drain", "in_order", "as_completed"])
async def test_on_error_stop_starts_nothing_new_and_keeps_the_failure(how: str) -> None:
    gate = Gate()

    async def work(number: int) -> int:
        if number == 20:
            raise ValueError("twenty")
        return int(await gate(number))

    batch = Batch(itertools.count(), work, limit=4, on_error="stop")
    if how == "collect":
        outcomes = await batch.collect()
    elif how == "drain":
        outcomes = list((await batch.drain()).failures)
    else:
        async with getattr(batch, how)() as stream:
            outcomes = [one async for one in stream]
    failures = [one for one in outcomes if one.failed]
    assert [(one.item, str(one.error)) for one in failures] == [(20, "twenty")]
    done = batch.statistics()
    assert done.failed == 1
    assert done.taken == done.succeeded + done.failed + done.cancelled <= 26
    assert gate.inside == 0


async def test_stopped_in_order_hands_out_all_that_is_done() -> None:
    never = asyncio.Event()

    async def work(number: int) -> int:
        if number == 1:
            await never.wait()
        if number == 5:
            raise ValueError("five")
        return number

    async with Batch(range(9), work, limit=2, on_error="stop").in_order() as outcomes:
        seen = [one.index async for one in outcomes]
    assert seen == [0, 2, 3, 4, 5]


@pytest.mark.parametrize("sync", [True, False])
async def test_an_error_of_the_source_is_raised_after_what_was_begun_is_done(sync: bool) -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise OSError("the file is gone")

    async def broken_too() -> AsyncIterator[int]:
        for number in broken():
            yield number

    gate = Gate()
    batch = Batch(broken() if sync else broken_too(), gate, limit=3)
    with pytest.raises(OSError, match="the file is gone"):
        await batch.collect()
    assert batch.statistics().succeeded == 5
    seen = []

    async def read() -> None:
        async with Batch(broken() if sync else broken_too(), gate, limit=3).in_order() as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.value)

    with pytest.raises(OSError, match="the file is gone"):
        await read()
    assert seen == [0, 1, 2, 3, 4]


async def test_what_cancels_itself_has_failed_and_cancels_nobody_else() -> None:
    async def work(number: int) -> int:
        if number == 2:
            raise asyncio.CancelledError
        return await double(number)

    outcomes = await Batch(range(5), work, limit=2).collect()
    assert [one.failed for one in outcomes] == [False, False, True, False, False]
    assert isinstance(outcomes[2].error, WorkCancelled)
    assert isinstance(outcomes[2].error.__cause__, asyncio.CancelledError)


async def test_a_source_that_cancels_itself_does_not_pass_for_a_short_one() -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        raise asyncio.CancelledError

    with pytest.raises(WorkCancelled, match="the source of the batch"):
        await Batch(source(), double, limit=3).collect()


@pytest.mark.parametrize("how", ["collect", "drain", "in_order", "as_completed", "async source"])
async def test_cancelled_at_any_await_no_task_is_left(cancel_everywhere: Check, how: str) -> None:
    limiter, gate = Limiter(2), Gate()
    batch: Batch[int, Any]

    async def scenario() -> None:
        nonlocal batch
        source: Any = numbers(12) if how == "async source" else range(12)
        batch = Batch(source, gate, limit=3, limiter=limiter)
        if how in ("in_order", "as_completed"):
            async with getattr(batch, how)(window=4) as outcomes:
                async for _ in outcomes:
                    await asyncio.sleep(0)
        else:
            await (batch.drain() if how == "drain" else batch.collect())

    def check() -> None:
        now = limiter.statistics()
        assert (now.in_use, now.waiting, gate.inside) == (0, 0, 0)
        done = batch.statistics()
        assert done.in_flight == 0
        assert done.taken == done.succeeded + done.failed + done.cancelled

    batch = Batch(range(0), gate)
    assert await cancel_everywhere(scenario, check) > 10


async def test_cancelled_twice_it_still_waits_for_its_tasks() -> None:
    let_go, released = asyncio.Event(), []

    async def stubborn(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            while not let_go.is_set():  # deaf to every cancellation until it is let go
                try:
                    await let_go.wait()
                except asyncio.CancelledError:
                    continue
            released.append(number)

    task = asyncio.create_task(Batch(range(3), stubborn, limit=3).collect())
    for _ in range(3):
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
    returned_early = task.done()
    let_go.set()  # in any case, or the loop itself would never end
    await asyncio.wait([task])
    assert not returned_early
    assert task.cancelled()
    assert sorted(released) == [0, 1, 2]


async def test_a_timeout_around_a_batch_ends_all_of_it() -> None:
    gate = Gate()

    async def forever(number: int) -> None:
        await gate(number)
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await Batch(itertools.count(), forever, limit=5).collect()
    assert gate.inside == 0


async def test_a_batch_within_a_batch_under_one_limiter_ends() -> None:
    """Both outer items hold a place; without lending, the inner ones would wait for ever."""
    limiter, gate = Limiter(2), Gate()

    async def outer(number: int) -> list[int]:
        inner = await Batch(range(5), middle, limit=5, limiter=limiter).collect()
        return [one.unwrap() for one in inner]

    async def middle(number: int) -> int:
        both = await asyncio.gather(
            Batch(range(3), gate, limiter=limiter).collect(),
            Batch(range(3), gate, limiter=limiter).collect(),
        )
        return sum(len(one) for one in both)

    async with asyncio.timeout(20):
        outcomes = await Batch(range(4), outer, limit=4, limiter=limiter).collect()
    assert [one.value for one in outcomes] == [[6] * 5] * 4
    assert gate.most <= 2
    assert limiter.statistics().in_use == 0


async def test_an_inner_batch_that_is_cancelled_takes_no_place_with_it(
    cancel_everywhere: Check,
) -> None:
    limiter, gate = Limiter(2), Gate()

    async def outer(_: int) -> None:
        await Batch(range(3), gate, limiter=limiter).collect()

    async def scenario() -> None:
        await Batch(range(4), outer, limit=3, limiter=limiter).collect()

    def check() -> None:
        now = limiter.statistics()
        assert (now.in_use, now.waiting, gate.inside) == (0, 0, 0)

    assert await cancel_everywhere(scenario, check) > 10


async def test_an_inner_batch_that_times_out_leaves_the_limiter_whole() -> None:
    limiter = Limiter(2)

    async def outer(_: int) -> str:
        try:
            async with asyncio.timeout(0):
                await Batch(range(3), lambda _: asyncio.sleep(3600), limiter=limiter).collect()
        except TimeoutError:
            await asyncio.sleep(0)
            return "went on"
        return "was not interrupted"

    outcomes = await Batch(range(6), outer, limit=4, limiter=limiter).collect()
    assert [one.value for one in outcomes] == ["went on"] * 6
    assert limiter.statistics().in_use == 0


async def test_a_progress_callback_that_raises_ends_the_batch() -> None:
    def on_progress(_: BatchStatistics) -> None:
        raise OSError("the terminal is gone")

    gate = Gate()
    batch = Batch(itertools.count(), gate, limit=3, on_progress=on_progress, progress_every_s=0)
    with pytest.raises(OSError, match="the terminal is gone"):
        await batch.collect()
    assert gate.inside == 0


async def test_drain_counts_all_failures_and_keeps_the_first() -> None:
    drained = await Batch(range(30), picky, limit=5).drain(keep_failures=4)
    assert drained.statistics.failed == 10
    assert len(drained.failures) == 4
    assert all(one.failed for one in drained.failures)


async def test_what_is_left_of_a_batch_is_told_in_some_lines_however_much_failed() -> None:
    async def fails(item: str) -> None:
        raise LookupError(item)

    drained = await Batch(["x" * 10_000] * 3_000, fails, limit=5).drain()
    assert len(drained.failures) == 1_000
    assert len(repr(drained)) < 1_000
    assert repr(drained).endswith(", and 2,997 more))")
    one = await Batch(["a"], fails).drain()
    assert repr(one).endswith("failures=(item 0: 'a': LookupError('a')))")
