"""A cache that loads, beside a model: whatever is asked, answered, failed, left and forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from keiko_perf.optimization import Cache


@dataclass(eq=False)
class Load:
    """One call of the source, and who waits for it."""

    key: int
    answer: asyncio.Future[int]
    waiting: list[asyncio.Task[int]] = field(default_factory=list)


class LoadMachine(RuleBasedStateMachine):
    """
    Of those who ask for the same at once one loads, and all get the answer or the error; what was
    put or removed meanwhile is not overwritten; who leaves takes nothing from the others, and the
    last who leaves takes the load with him.
    """

    keys = st.integers(1, 3)

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.cache: Cache[int, int] = Cache(max_entries=100)
        self.kept: dict[int, int] = {}
        self.current: dict[int, Load] = {}
        self.open: list[Load] = []
        self.begun: list[Load] = []
        self.failed = 0

    def turn(self) -> None:
        for _ in range(8):
            self.loop.run_until_complete(asyncio.sleep(0))

    async def source(self, key: int) -> int:
        load = Load(key, asyncio.get_running_loop().create_future())
        self.begun.append(load)
        return await load.answer

    @rule(key=keys)
    def ask(self, key: int) -> None:
        before = len(self.begun)
        task = self.loop.create_task(self.cache.get_or_load(key, self.source))
        self.turn()
        if key in self.kept:
            assert task.result() == self.kept[key]
            assert len(self.begun) == before
            return
        begun = self.begun[before:]
        if key in self.current:
            assert begun == []
        else:
            (self.current[key],) = begun
            self.open += begun
        assert self.current[key].key == key
        self.current[key].waiting.append(task)

    @precondition(lambda self: self.open)
    @rule(which=st.data(), value=st.integers())
    def answer(self, which: st.DataObject, value: int) -> None:
        load = self.ended(which)
        load.answer.set_result(value)
        self.turn()
        assert [task.result() for task in load.waiting] == [value] * len(load.waiting)
        if self.is_current(load):
            self.kept[load.key] = value

    @precondition(lambda self: self.open)
    @rule(which=st.data())
    def fail(self, which: st.DataObject) -> None:
        load = self.ended(which)
        load.answer.set_exception(LookupError(load.key))
        self.turn()
        assert all(isinstance(task.exception(), LookupError) for task in load.waiting)
        self.is_current(load)
        self.failed += 1

    @precondition(lambda self: self.open)
    @rule(which=st.data())
    def leave(self, which: st.DataObject) -> None:
        load = which.draw(st.sampled_from(self.open))
        task = load.waiting.pop(which.draw(st.integers(0, len(load.waiting) - 1)))
        task.cancel()
        self.turn()
        assert task.cancelled()
        assert load.answer.cancelled() == (not load.waiting)
        if not load.waiting:
            self.open.remove(load)
            self.is_current(load)
            self.failed += 1

    @rule(key=keys, value=st.integers())
    def put(self, key: int, value: int) -> None:
        self.cache.put(key, value)
        self.current.pop(key, None)
        self.kept[key] = value

    @rule(key=keys)
    def remove(self, key: int) -> None:
        assert self.cache.remove(key) == (key in self.kept)
        self.current.pop(key, None)
        self.kept.pop(key, None)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.current.clear()
        self.kept.clear()

    def ended(self, which: st.DataObject) -> Load:
        load = which.draw(st.sampled_from(self.open))
        self.open.remove(load)
        return load

    def is_current(self, load: Load) -> bool:
        """Whether what it loaded is still wanted; it is not under way any longer."""
        is_it = self.current.get(load.key) is load
        if is_it:
            del self.current[load.key]
        return is_it

    @invariant()
    def each_who_waits_has_one_task_and_each_load_one(self) -> None:
        waiting = sum(len(load.waiting) for load in self.open)
        assert len(asyncio.all_tasks(self.loop)) == waiting + len(self.open)

    @invariant()
    def it_is_counted_right(self) -> None:
        now = self.cache.statistics()
        assert (now.entries, now.loading) == (len(self.kept), len(self.current))
        assert (now.loads, now.failed_loads) == (len(self.begun), self.failed)
        assert {key: self.cache.get(key) for key in self.kept} == self.kept

    def teardown(self) -> None:
        for load in self.open:
            for task in load.waiting:
                task.cancel()
        self.turn()
        assert asyncio.all_tasks(self.loop) == set()
        assert self.cache.statistics().loading == 0
        self.loop.close()


TestLoads = LoadMachine.TestCase
TestLoads.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
