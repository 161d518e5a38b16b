"""The guide's calls: results in order, failures visible, reads together and writes in a row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from keiko_perf import AsyncPerformanceOptimizer
from keiko_perf.errors import UsageError
from keiko_perf.optimization import ItemsFailed, Operation


class Log:
    """What began and what ended, in that order, and how much ran at once."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.running: set[str] = set()
        self.together: set[frozenset[str]] = set()

    def operation(self, name: str, *, fails: bool = False) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            self.events.append(f"{name} begins")
            self.running.add(name)
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
                    self.together.add(frozenset(self.running))
                if fails:
                    raise LookupError(name)
            finally:
                self.running.discard(name)
                self.events.append(f"{name} ends")
            return name.upper()

        return run

    def began(self) -> list[str]:
        return [event.removesuffix(" begins") for event in self.events if event.endswith("begins")]


async def square(number: int) -> int:
    await asyncio.sleep(0)
    if number == 13:
        raise LookupError("thirteen")
    return number**2


async def test_the_guides_batch_word_for_word() -> None:
    optimizer = AsyncPerformanceOptimizer(max_concurrent=100)
    items, processor = [3, 1, 2], square
    results = await optimizer.batch_process_with_concurrency(items, processor, batch_size=50)
    assert results == [9, 1, 4]


async def test_failures_come_as_a_group_after_all_have_run_and_lose_no_result() -> None:
    optimizer = AsyncPerformanceOptimizer()
    with pytest.raises(ExceptionGroup) as raised:
        await optimizer.batch_process_with_concurrency([12, 13, 14, 13], square)
    failed = raised.value
    assert isinstance(failed, ItemsFailed)
    assert str(failed) == "2 of 4 items failed (2 sub-exceptions)"
    assert [one.__notes__ for one in failed.exceptions] == [["item 1: 13"], ["item 3: 13"]]
    assert [one.value for one in failed.outcomes] == [144, None, 196, None]
    assert [(one.index, one.item) for one in failed.failures] == [(1, 13), (3, 13)]


async def test_the_group_can_be_taken_apart() -> None:
    optimizer = AsyncPerformanceOptimizer()
    seen: list[object] = []
    try:
        await optimizer.batch_process_with_concurrency([13, 2], square)
    except* LookupError as lookups:
        seen += [one.item for one in lookups.failures]  # type: ignore[attr-defined] # still ours
    assert seen == [13]


async def test_failures_in_place_if_asked_for() -> None:
    results = await AsyncPerformanceOptimizer().batch_process_with_concurrency(
        [12, 13, 14], square, return_exceptions=True
    )
    assert results[0::2] == [144, 196]
    assert isinstance(results[1], LookupError)


async def test_calls_share_the_places_and_each_keeps_to_its_batch_size() -> None:
    optimizer = AsyncPerformanceOptimizer(max_concurrent=6)
    inside: dict[str, int] = {"a": 0, "b": 0}
    most: dict[str, int] = {"a": 0, "b": 0, "both": 0}

    async def visit(call: str) -> None:
        inside[call] += 1
        most[call] = max(most[call], inside[call])
        most["both"] = max(most["both"], sum(inside.values()))
        for _ in range(3):
            await asyncio.sleep(0)
        inside[call] -= 1

    run = optimizer.batch_process_with_concurrency
    await asyncio.gather(run(["a"] * 40, visit, batch_size=4), run(["b"] * 40, visit, 5))
    assert (most["a"], most["both"]) == (4, 6)
    await run(["b"] * 40, visit, batch_size=5)
    assert most["b"] == 5
    assert optimizer.statistics().in_use == 0
    await run(["a"] * 40, visit, batch_size=50)
    assert most["a"] == 6


async def test_an_async_iterable_is_taken_too() -> None:
    async def source() -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number

    assert await AsyncPerformanceOptimizer(1).batch_process_with_concurrency(source(), square) == [
        1,
        4,
        9,
    ]


async def test_reads_run_together_and_first_writes_one_by_one_in_their_order() -> None:
    log = Log()
    operations = [
        Operation(log.operation(name), is_read=name.startswith("r"), name=name)
        for name in ("w1", "r1", "w2", "r2", "r3", "w3")
    ]
    results = await AsyncPerformanceOptimizer().optimize_database_operations(operations)
    assert results == ["W1", "R1", "W2", "R2", "R3", "W3"]
    assert frozenset({"r1", "r2", "r3"}) in log.together
    assert log.began() == ["r1", "r2", "r3", "w1", "w2", "w3"]
    assert not any(len(some) > 1 for some in log.together if any(one[0] == "w" for one in some))


async def test_in_their_order_reads_and_writes_wait_for_each_other() -> None:
    log = Log()
    operations = [
        Operation(log.operation(name), name.startswith("r")) for name in ("r1", "r2", "w1", "r3")
    ]
    optimizer = AsyncPerformanceOptimizer()
    results = await optimizer.optimize_database_operations(operations, keep_order=True)
    assert results == ["R1", "R2", "W1", "R3"]
    assert log.began() == ["r1", "r2", "w1", "r3"]
    assert log.together >= {frozenset({"r1", "r2"}), frozenset({"w1"}), frozenset({"r3"})}
    assert not any(len(some) > 1 for some in log.together if some & {"w1", "r3"})


async def test_no_more_reads_run_at_once_than_the_optimizer_has_places() -> None:
    log = Log()
    operations = [log.operation(f"r{number}") for number in range(12)]
    await AsyncPerformanceOptimizer(max_concurrent=3).optimize_database_operations(operations)
    assert max(len(some) for some in log.together) == 3


async def test_a_write_that_fails_keeps_no_other_from_running() -> None:
    log = Log()
    operations = [
        Operation(log.operation("w1", fails=True), is_read=False, name="w1"),
        Operation(log.operation("r1", fails=True), name="r1"),
        Operation(log.operation("w2"), is_read=False, name="w2"),
    ]
    optimizer = AsyncPerformanceOptimizer()
    with pytest.raises(ItemsFailed) as raised:
        await optimizer.optimize_database_operations(operations)
    assert log.began() == ["r1", "w1", "w2"]
    assert [one.value for one in raised.value.outcomes] == [None, None, "W2"]
    assert raised.value.exceptions[0].__notes__ == ["item 0: Operation(is_read=False, name='w1')"]
    results = await optimizer.optimize_database_operations(operations, return_exceptions=True)
    assert [type(one) for one in results] == [LookupError, LookupError, str]


@dataclass
class Carrier:
    """An operation of somebody else's making."""

    operation: Any
    is_read: bool = True
    params: dict[str, int] = field(default_factory=dict)


async def test_whatever_carries_something_to_await_is_an_operation() -> None:
    log = Log()
    write = log.operation("w1")
    write.is_read = False  # type: ignore[attr-defined] # functions bear attributes
    operations = [
        write,
        log.operation("r1"),
        log.operation("r2")(),
        {"func": log.operation("w2"), "is_read": False},
        {"operation": log.operation("r3")},
        {"type": "query", "query": "SELECT 1", "run": log.operation("r4")()},
        Carrier(log.operation("w3"), is_read=False),
        Carrier(log.operation("r5")()),
    ]
    results = await AsyncPerformanceOptimizer().optimize_database_operations(operations)
    assert results == ["W1", "R1", "R2", "W2", "R3", "R4", "W3", "R5"]
    assert log.began()[-3:] == ["w1", "w2", "w3"]


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        (5, "an async function"),
        ({"query": "SELECT 1"}, "an async function"),
        ({"func": square, "is_read": "no"}, "True or False"),
    ],
)
async def test_what_is_no_operation_is_refused_before_any_has_run(wrong: Any, cure: str) -> None:
    log = Log()
    never_run = log.operation("r1")()  # closed; pytest would fail on "was never awaited"
    with pytest.raises(UsageError, match=cure):
        await AsyncPerformanceOptimizer().optimize_database_operations([never_run, wrong])
    assert log.events == []


async def test_an_operation_that_is_not_async_is_that_operations_failure() -> None:
    optimizer = AsyncPerformanceOptimizer()
    results = await optimizer.optimize_database_operations(
        [lambda: 5, Log().operation("r1")], return_exceptions=True
    )
    assert isinstance(results[0], UsageError)
    assert results[1] == "R1"


async def test_cancelled_at_any_await_nothing_is_left(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    optimizer, log = AsyncPerformanceOptimizer(max_concurrent=2), Log()

    async def scenario() -> None:
        kinds = ["r1", "w1", "r2", "r3", "w2"]
        await optimizer.optimize_database_operations(
            [{"func": log.operation(name)(), "is_read": name[0] == "r"} for name in kinds]
        )

    def check() -> None:
        now = optimizer.statistics()
        assert (now.in_use, now.waiting, log.running) == (0, 0, set())

    assert await cancel_everywhere(scenario, check) > 10


@pytest.mark.parametrize("size", [0, -3, 1.5])
async def test_sizes_without_sense_are_refused(size: Any) -> None:
    with pytest.raises(UsageError, match="whole number from 1 on"):
        AsyncPerformanceOptimizer(max_concurrent=size)
    with pytest.raises(UsageError, match="whole number from 1 on"):
        await AsyncPerformanceOptimizer().batch_process_with_concurrency([1], square, size)
