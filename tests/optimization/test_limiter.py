"""The limiter: never more than its limit, in order, and no place is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keiko_perf.errors import UsageError
from keiko_perf.optimization import Limiter, WouldBlock


async def turn_the_loop(times: int = 3) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_no_more_are_in_at_once_than_the_limit() -> None:
    limiter, inside, most = Limiter(3), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with limiter:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(visit() for _ in range(20)))
    assert most == 3
    done = limiter.statistics()
    assert (done.in_use, done.waiting, done.acquired, done.peak_in_use) == (0, 0, 20, 3)


async def test_places_are_given_in_the_order_of_asking() -> None:
    limiter, order = Limiter(1), []

    async def visit(number: int) -> None:
        async with limiter:
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(visit(number) for number in range(10)))
    assert order == list(range(10))


async def test_a_newcomer_does_not_slip_past_the_queue() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await turn_the_loop()
    limiter.release()  # the place goes to the one who waits, who has not run yet
    with pytest.raises(WouldBlock, match="all 1 places are taken"):
        limiter.acquire_nowait()
    await waiting
    assert limiter.statistics().refused == 1
    limiter.release()


async def test_a_raised_limit_lets_waiters_in_at_once() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(4)]
    await turn_the_loop()
    limiter.limit = 4
    await turn_the_loop()
    assert [task.done() for task in waiting] == [True, True, True, False]
    limiter.release()
    await waiting[3]
    assert limiter.statistics().in_use == 4


async def test_a_lowered_limit_takes_nobodys_place_away() -> None:
    limiter = Limiter(3)
    for _ in range(3):
        await limiter.acquire()
    limiter.limit = 1
    waiting = asyncio.create_task(limiter.acquire())
    await turn_the_loop()
    assert limiter.statistics().in_use == 3
    limiter.release()
    limiter.release()
    await turn_the_loop()
    assert not waiting.done()
    limiter.release()
    await waiting
    assert limiter.statistics().in_use == 1


async def test_cancelled_together_with_the_place_it_hands_the_place_on() -> None:
    limiter = Limiter(1)
    await limiter.acquire()
    first, second = (asyncio.create_task(limiter.acquire()) for _ in range(2))
    await turn_the_loop()
    limiter.release()
    first.cancel()  # its place was granted and it has not woken up yet
    await asyncio.wait([first, second])
    assert first.cancelled()
    assert not second.cancelled()
    assert limiter.statistics().in_use == 1


async def test_cancelled_at_any_await_it_leaves_no_trace(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    limiter = Limiter(2)

    async def visit() -> None:
        async with limiter:
            await asyncio.sleep(0)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(9):
                group.create_task(visit())

    def check() -> None:
        now = limiter.statistics()
        assert (now.in_use, now.waiting) == (0, 0)

    assert await cancel_everywhere(scenario, check) > 5


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3", None])
def test_a_limit_that_is_none_is_refused(limit: object) -> None:
    with pytest.raises(UsageError, match="Give a whole number from 1 on"):
        Limiter(limit)  # type: ignore[arg-type] # that is the point
    limiter = Limiter(2)
    with pytest.raises(UsageError):
        limiter.limit = limit  # type: ignore[assignment] # likewise
    assert limiter.limit == 2


def test_a_place_that_nobody_took_cannot_be_given_back() -> None:
    with pytest.raises(UsageError, match="once for each acquire"):
        Limiter(1).release()


class LimiterMachine(RuleBasedStateMachine):
    """The limiter beside a count and a list."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.limiter = Limiter(2)
        self.limit, self.in_use = 2, 0
        self.queue: list[asyncio.Task[None]] = []

    def teardown(self) -> None:
        self.runner.close()

    def settle(self) -> None:
        self.runner.run(turn_the_loop())

    def let_in(self) -> None:
        while self.queue and self.in_use < self.limit:
            self.settle()
            assert self.queue.pop(0).done()
            self.in_use += 1

    @rule()
    def try_to_acquire(self) -> None:
        if self.in_use < self.limit:
            self.limiter.acquire_nowait()
            self.in_use += 1
        else:
            with pytest.raises(WouldBlock):
                self.limiter.acquire_nowait()

    @rule()
    def acquire(self) -> None:
        async def start() -> asyncio.Task[None]:
            return asyncio.create_task(self.limiter.acquire())

        self.queue.append(self.runner.run(start()))
        self.let_in()

    @precondition(lambda self: self.in_use)
    @rule()
    def release(self) -> None:
        self.limiter.release()
        self.in_use -= 1
        self.let_in()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.settle()
        self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1))).cancel()

    @precondition(lambda self: self.queue and self.in_use)
    @rule()
    def release_and_cancel_in_the_same_turn(self) -> None:
        self.settle()
        self.limiter.release()
        self.in_use -= 1
        self.queue.pop(0).cancel()
        self.let_in()

    @rule(limit=st.integers(1, 5))
    def change_the_limit(self, limit: int) -> None:
        self.limiter.limit = self.limit = limit
        self.let_in()

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        self.settle()
        now = self.limiter.statistics()
        assert (now.limit, now.in_use) == (self.limit, self.in_use)
        assert now.waiting == len(self.queue)
        assert not any(task.done() for task in self.queue)


TestLimiterMachine = LimiterMachine.TestCase
TestLimiterMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
