"""A batch beside a plain loop: whatever fails, nothing is lost and nothing is done twice."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keiko_perf.optimization import Batch, Outcome


class BatchMachine(RuleBasedStateMachine):
    """Items that are let through, failed or read one at a time, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.doors: dict[int, asyncio.Future[int]] = {}
        self.begun: list[int] = []
        self.ended: dict[int, Any] = {}
        self.read: list[Outcome[int, int]] = []
        self.batch: Batch[int, int] | None = None
        self.reading: Any = None
        self.count = self.limit = 0

    async def work(self, item: int) -> int:
        self.begun.append(item)
        self.doors[item] = self.loop.create_future()
        return await self.doors[item]

    def turn(self) -> None:
        async def some_turns() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(some_turns())

    @precondition(lambda self: self.batch is None)
    @rule(count=st.integers(0, 12), limit=st.integers(1, 5), in_order=st.booleans())
    def begin(self, count: int, limit: int, in_order: bool) -> None:
        self.count, self.limit, self.in_order = count, limit, in_order
        self.batch = Batch(range(count), self.work, limit=limit)
        self.outcomes = self.batch.in_order() if in_order else self.batch.as_completed()

        async def read_all() -> None:
            async with self.outcomes as outcomes:
                async for outcome in outcomes:
                    self.read.append(outcome)

        self.reading = self.loop.create_task(read_all())
        self.turn()

    @precondition(lambda self: any(not one.done() for one in self.doors.values()))
    @rule(data=st.data(), fails=st.booleans())
    def finish_one(self, data: st.DataObject, fails: bool) -> None:
        item = data.draw(st.sampled_from([k for k, one in self.doors.items() if not one.done()]))
        if fails:
            self.ended[item] = LookupError(item)
            self.doors[item].set_exception(self.ended[item])
        else:
            self.ended[item] = item * 2
            self.doors[item].set_result(item * 2)
        self.turn()

    @rule()
    def time_passes(self) -> None:
        self.turn()

    @invariant()
    def it_is_as_a_plain_loop_would_have_it(self) -> None:
        if self.batch is None:
            return
        now = self.batch.statistics()
        failed = sum(isinstance(one, LookupError) for one in self.ended.values())
        assert (now.failed, now.succeeded) == (failed, len(self.ended) - failed)
        assert now.in_flight == len(self.begun) - len(self.ended) <= self.limit
        # As many as may are at work, each item once, in its order.
        assert self.begun == list(range(min(self.count, len(self.ended) + self.limit)))
        for outcome in self.read:
            ended = self.ended[outcome.item]
            assert (outcome.error or outcome.value) == ended or outcome.value == ended == 0
        indices = [one.index for one in self.read]
        if self.in_order:
            first_open = next(i for i in range(self.count + 1) if i not in self.ended)
            assert indices == list(range(first_open))
        else:
            assert sorted(indices) == sorted(self.ended)
        assert self.reading.done() == (len(self.ended) == self.count)

    def teardown(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
            self.loop.run_until_complete(asyncio.wait([self.reading]))
            assert asyncio.all_tasks(self.loop) == set()
            assert self.batch is not None
            assert self.batch.statistics().in_flight == 0
        self.loop.close()


BatchMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestBatchMachine = BatchMachine.TestCase
