"""What a batch does for each item beside running it, in virtual time."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import stamina
from rich.console import Console

from keiko_perf.errors import UsageError
from keiko_perf.fakes import in_virtual_time
from keiko_perf.optimization import Batch, Care, Limiter, progress_bar
from keiko_perf.optimization.batches.retelling import Retelling


class Flaky:
    """Fails an item so many times before it succeeds."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tried: list[tuple[int, float]] = []

    async def __call__(self, item: int) -> int:
        self.tried.append((item, asyncio.get_running_loop().time()))
        if sum(one == item for one, _ in self.tried) <= self.failures:
            raise ConnectionError(item)
        return item * 2


def test_an_item_that_takes_too_long_fails_and_the_others_do_not() -> None:
    async def run() -> list[Any]:
        batch = Batch([1.0, 9.0, 2.0], asyncio.sleep, care=Care(timeout_s=5))
        return [type(one.error) for one in await batch.collect()]

    assert in_virtual_time(run()) == [type(None), TimeoutError, type(None)]


def test_an_item_is_tried_again_as_often_as_it_may_be() -> None:
    async def run(failures: int, care: Care) -> tuple[list[Any], Flaky]:
        flaky = Flaky(failures)
        outcomes = await Batch([1, 2], flaky, care=care).collect()
        return [one.value if one.error is None else type(one.error) for one in outcomes], flaky

    care = Care(attempts=3, retry_on=ConnectionError, retry_wait_s=1)
    values, flaky = in_virtual_time(run(2, care))
    assert (values, len(flaky.tried)) == ([2, 4], 6)
    times = [at_s for item, at_s in flaky.tried if item == 1]
    assert 1 <= times[1] - times[0] <= 2
    assert 2 <= times[2] - times[1] <= 3
    values, flaky = in_virtual_time(run(3, care))
    assert values == [ConnectionError] * 2
    values, flaky = in_virtual_time(run(1, Care(attempts=3, retry_on=LookupError)))
    assert (values, len(flaky.tried)) == ([ConnectionError] * 2, 2)


def test_the_log_says_what_is_tried_again_with_which_item_and_when(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fetch(item: str) -> str:
        raise ConnectionError("it is gone")

    async def run() -> None:
        care = Care(attempts=2, retry_wait_s=1, timeout_s=60)
        await Batch(["a" * 500, *"bcdefgh"], fetch, limit=1, care=care).drain()

    in_virtual_time(run())
    lines = [one.getMessage() for one in caplog.records if one.name == "stamina"]
    assert len(lines) >= 5
    assert re.fullmatch(
        r".*fetch failed for 'a+\.\.\.a+': ConnectionError\('it is gone'\)\."
        r" Attempt 2 of 2 in [12]\.\d\d s",
        lines[0],
    )
    assert "failed for 'b'" in lines[1]


def test_of_many_that_are_tried_again_some_lines_are_written_and_then_one_a_second() -> None:
    retelling = Retelling("fetch", 3)
    lines = [
        retelling.line(number, "OSError()", 1, 0.1, now_s=number / 100) for number in range(1000)
    ]
    written = [one for one in lines if one is not None]
    assert len(written) == 5 + 9
    assert written[0] == "fetch failed for 0: OSError(). Attempt 2 of 3 in 0.10 s"
    assert written[-1].endswith(" (99 others since the last line)")


def test_of_what_others_try_again_the_log_tells_as_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = 0

    async def flaky(item: int) -> int:
        nonlocal tries
        async for attempt in stamina.retry_context(on=LookupError, attempts=2, wait_initial=1):
            with attempt:
                tries += 1
                if tries % 2:
                    raise LookupError
        if tries == 2:
            raise ConnectionError
        return item

    async def run() -> list[int | None]:
        care = Care(attempts=2, retry_on=ConnectionError)
        return [one.value for one in await Batch([7], flaky, care=care).collect()]

    assert in_virtual_time(run()) == [7]
    first, own, last = (one.getMessage() for one in caplog.records if one.name == "stamina")
    assert first == last == "stamina.retry_scheduled"
    assert "flaky failed for 7" in own


def test_each_attempt_has_its_time() -> None:
    async def run() -> tuple[list[Any], int]:
        tries = 0

        async def slow_at_first(item: int) -> int:
            nonlocal tries
            tries += 1
            await asyncio.sleep(10 if tries == 1 else 1)
            return item

        batch = Batch([7], slow_at_first, care=Care(timeout_s=3, attempts=2))
        values = [one.value for one in await batch.collect()]
        return values, tries

    assert in_virtual_time(run()) == ([7], 2)


def test_no_more_begin_in_a_second_than_the_rate_allows() -> None:
    async def run() -> list[float]:
        flaky = Flaky(0)
        await Batch(range(21), flaky, limit=10, care=Care(rate_per_s=10)).drain()
        return [at_s for _, at_s in flaky.tried]

    began_s = in_virtual_time(run())
    assert began_s[-1] == pytest.approx(2)
    assert min(b - a for a, b in pairwise(began_s)) == pytest.approx(0.1)


@pytest.mark.parametrize("how", ["collect", "drain", "as_completed"])
def test_at_its_deadline_a_batch_ends_and_what_is_done_stays(how: str) -> None:
    async def run() -> tuple[int, Batch[float, None]]:
        batch = Batch((1.0 for _ in range(100)), asyncio.sleep, limit=2, deadline_s=5.5)
        if how == "collect":
            done = len(await batch.collect())
        elif how == "drain":
            done = (await batch.drain()).statistics.succeeded
        else:
            async with batch.as_completed() as outcomes:
                done = len([one async for one in outcomes])
        return done, batch

    done, batch = in_virtual_time(run())
    now = batch.statistics()
    assert (done, now.succeeded, now.cancelled, now.in_flight) == (10, 10, 2, 0)
    assert now.is_overdue
    assert now.elapsed_s < 60


def test_in_time_nothing_is_overdue() -> None:
    async def run() -> bool:
        batch = Batch([1.0, 2.0], asyncio.sleep, deadline_s=5)
        await batch.collect()
        return batch.statistics().is_overdue

    assert not in_virtual_time(run())


async def test_a_processor_that_is_not_async_is_said_whatever_is_done_for_it() -> None:
    for care in (Care(timeout_s=1), Care(attempts=2), Care(rate_per_s=1000)):
        with pytest.raises(UsageError, match="async def"):
            await Batch([1], str, care=care).collect()  # type: ignore[arg-type] # on purpose


def test_the_bar_shows_how_far_it_is_and_what_failed() -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=100, force_terminal=False)

    async def run() -> None:
        with progress_bar("Fetching [all] agents", console=console) as on_progress:
            await Batch([1, 2, 3], Flaky(1), on_progress=on_progress).drain()

    in_virtual_time(run())
    assert "Fetching [all] agents" in shown.getvalue()
    assert "3/3" in shown.getvalue()
    assert "3 failed" in shown.getvalue()


@pytest.mark.parametrize(
    ("make", "cure"),
    [
        (lambda: Care(timeout_s=0), "over 0"),
        (lambda: Care(rate_per_s=-1), "over 0"),
        (lambda: Care(attempts=0), "from 1 on"),
        (lambda: Batch([1], Flaky(0), deadline_s=0), "over 0"),
    ],
)
def test_numbers_without_sense_are_refused(make: Callable[[], object], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        make()


async def test_cancelled_at_any_await_of_its_care_no_task_is_left(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    limiter, inside = Limiter(2), 0
    batch: Batch[int, int] = Batch(range(0), Flaky(0))

    async def scenario() -> None:
        nonlocal batch, inside
        flaky = Flaky(1)

        async def work(item: int) -> int:
            nonlocal inside
            inside += 1
            try:
                await asyncio.sleep(0)
                return await flaky(item)
            finally:
                inside -= 1

        care = Care(timeout_s=60, attempts=2, retry_wait_s=1e-6, rate_per_s=1e6)
        batch = Batch(range(6), work, limit=3, limiter=limiter, care=care)
        await batch.collect()

    def check() -> None:
        now, done = limiter.statistics(), batch.statistics()
        assert (now.in_use, now.waiting, inside, done.in_flight) == (0, 0, 0, 0)
        assert done.taken == done.succeeded + done.failed + done.cancelled

    assert await cancel_everywhere(scenario, check, most_turns=5_000) > 10
