"""The adaptive limiter against a naive model, over any order of coming, going and giving up."""

from __future__ import annotations

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from keiko_perf.fakes import VirtualLoop
from keiko_perf.optimization import AdaptiveLimiter, Overloaded, Place
from keiko_perf.optimization.queueing import Discipline

MOST, MOST_WAITING = 3, 4


class Visits(RuleBasedStateMachine):
    """Tasks that wait for a place, have one, or were turned away."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.waiting: list[asyncio.Task[Place]] = []
        self.placed: list[Place] = []
        self.acquired = self.refused = self.turned_away = self.failed = 0

    @initialize(discipline=st.sampled_from(["codel", "fifo", "lifo"]))
    def begin(self, discipline: Discipline) -> None:
        self.limiter = AdaptiveLimiter(
            first=2, most=MOST, max_waiting=MOST_WAITING, patience_s=1, discipline=discipline
        )

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        still = []
        for task in self.waiting:
            if not task.done():
                still.append(task)
            elif task.cancelled():
                pass
            elif isinstance(task.exception(), Overloaded):
                self.turned_away += 1
            else:
                self.placed.append(task.result())
                self.acquired += 1
        self.waiting = still

    @rule()
    def come(self) -> None:
        self.waiting.append(self.loop.create_task(self.limiter.acquire()))
        self.pass_time(0)

    @precondition(lambda self: self.placed)
    @rule(data=st.data(), succeeded=st.sampled_from([True, False, None]))
    def go(self, data: st.DataObject, succeeded: bool | None) -> None:
        at = data.draw(st.integers(0, len(self.placed) - 1))
        place = self.placed.pop(at)

        async def release() -> None:
            place.release(succeeded)

        self.failed += succeeded is False
        self.loop.run_until_complete(release())
        self.pass_time(0)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self.waiting[data.draw(st.integers(0, len(self.waiting) - 1))].cancel()
        self.pass_time(0)

    @rule(seconds=st.sampled_from([0.001, 0.03, 0.2, 2.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "limiter"):
            return
        now = self.limiter.statistics()
        assert now.in_use == len(self.placed) <= MOST
        assert now.waiting == len(self.waiting) <= MOST_WAITING
        assert (now.acquired, now.failed) == (self.acquired, self.failed)
        assert now.refused + now.turned_away == self.turned_away
        # Nobody waits beside a free place.
        assert not now.waiting or now.in_use >= now.limit

    def teardown(self) -> None:
        for task in self.waiting:
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(asyncio.sleep(0))
        assert not hasattr(self, "limiter") or self.limiter.statistics().waiting == 0
        self.loop.run_until_complete(asyncio.sleep(10))  # what was to be looked at later
        self.loop.close()


TestVisits = Visits.TestCase
TestVisits.settings = settings(max_examples=40, stateful_step_count=30)
