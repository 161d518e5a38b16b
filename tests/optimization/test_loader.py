"""The loader: many in one turn of the loop are one call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.optimization import Loader, NotLoaded


class Table:
    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.ready = asyncio.Event()
        self.ready.set()

    async def __call__(self, ids: Sequence[int]) -> Mapping[int, str]:
        self.statements.append(list(ids))
        await self.ready.wait()
        if 13 in ids:
            raise ConnectionError("gone")
        return {one: f"row {one}" for one in ids if one < 100}


async def test_what_is_asked_for_in_one_turn_is_one_statement() -> None:
    table = Table()
    loader = Loader(table)
    rows = await asyncio.gather(*(loader.load(one) for one in (1, 2, 1, 3)))
    assert rows == ["row 1", "row 2", "row 1", "row 3"]
    assert table.statements == [[1, 2, 3]]
    assert await loader.load_all([3, 4, 4]) == ["row 3", "row 4", "row 4"]
    assert table.statements == [[1, 2, 3], [4]]
    assert await loader.load_all([]) == []
    done = loader.statistics()
    assert (done.asked, done.loaded, done.batches, done.kept) == (7, 4, 2, 4)


async def test_no_statement_asks_for_more_than_it_may() -> None:
    table = Table()
    loader = Loader(table, most=3)
    await loader.load_all(range(7))
    assert table.statements == [[0, 1, 2], [3, 4, 5], [6]]


async def test_nothing_is_kept_where_that_is_not_wanted_or_after_forgetting() -> None:
    table = Table()
    fresh, kept = Loader(table, keep=False), Loader(table)
    for _ in range(2):
        await fresh.load(1)
        await kept.load(2)
        kept.forget(2)
    assert table.statements == [[1], [2], [1], [2]]
    asked = asyncio.create_task(kept.load(5))
    await asyncio.sleep(0)
    kept.forget(5)  # before it was even begun
    assert await asked == "row 5"


async def test_what_does_not_exist_and_what_fails_is_each_askers_error_and_not_kept() -> None:
    table = Table()
    loader = Loader(table)
    with pytest.raises(NotLoaded, match="no value for 100"):
        await loader.load(100)
    answers = await asyncio.gather(loader.load(13), loader.load(14), return_exceptions=True)
    assert [type(one) for one in answers] == [ConnectionError] * 2
    assert await loader.load(14) == "row 14"


async def test_values_may_come_in_the_order_of_the_keys_but_not_too_few() -> None:
    async def doubled(keys: Sequence[int]) -> Sequence[int]:
        return [key * 2 for key in keys if key != 7]

    loader = Loader(doubled)
    assert await loader.load_all([3, 1, 2]) == [6, 2, 4]
    with pytest.raises(UsageError, match="in their order"):
        await loader.load_all([7, 8])


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others() -> None:
    table = Table()
    table.ready.clear()
    loader = Loader(table)
    first, second = (asyncio.create_task(loader.load(1)) for _ in range(2))
    for _ in range(4):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    table.ready.set()
    assert await second == "row 1"
    assert len(table.statements) == 1


async def test_closed_it_leaves_no_task_wherever_that_is(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    async def scenario() -> None:
        async def slow(keys: Sequence[int]) -> Mapping[int, int]:
            await asyncio.sleep(0)
            return {key: key for key in keys}

        loader = Loader(slow, most=2)
        try:
            await loader.load_all(range(5))
        finally:
            await loader.aclose()

    assert await cancel_everywhere(scenario, lambda: None) >= 3
