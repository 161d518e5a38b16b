"""@cached: what makes a key, and what is forgotten."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.optimization import Cache, cached


async def test_the_same_arguments_are_asked_once_however_they_are_given() -> None:
    asked = []

    @cached(ttl_s=60)
    async def agent(number: int, name: str = "keiko", *, loud: bool = False) -> str:
        """Find an agent."""
        asked.append(number)
        return f"{name}{number}{loud}"

    for _ in range(2):
        assert await agent(1) == await agent(number=1) == await agent(1, "keiko", loud=False)
    assert asked == [1]
    assert await agent(1, loud=True) == "keiko1True"
    assert await agent(2) == "keiko2False"
    assert asked == [1, 1, 2]
    assert agent.__doc__ == "Find an agent."
    assert agent.statistics().hits == 5


async def test_keys_tell_types_apart() -> None:
    @cached()
    async def kind(value: object) -> str:
        return type(value).__name__

    given: list[Any] = [1, 1.0, True, "1", b"1", (1,), (1.0,), None]
    assert [await kind(one) for one in given] == [type(one).__name__ for one in given]
    assert len(kind.cache) == len(given)  # type: ignore[arg-type] # it is a Cache


async def test_what_is_forgotten_is_asked_for_again() -> None:
    asked = 0

    @cached(tags=lambda number: (f"team {number % 2}",))
    async def agent(number: int) -> int:
        nonlocal asked
        asked += 1
        return asked

    assert [await agent(one) for one in (1, 2, 3)] == [1, 2, 3]
    assert await agent.invalidate(1)
    assert not await agent.invalidate(1)
    assert await agent(1) == 4
    assert await agent.invalidate_tag("team 1") == 2
    assert [await agent(one) for one in (2, 1, 3)] == [2, 5, 6]


async def test_objects_share_nothing_and_their_successors_neither() -> None:
    class Repository:
        def __init__(self, name: str) -> None:
            self.name = name

        @cached()
        async def find(self, number: int) -> str:
            return f"{self.name}{number}"

    first, second = Repository("a"), Repository("b")
    assert (await first.find(1), await second.find(1)) == ("a1", "b1")
    assert await first.find.invalidate(1)
    assert not await first.find.invalidate(1)
    assert await second.find.invalidate(1)
    for number in range(50):  # the same address is taken again and again
        assert await Repository(str(number)).find(0) == f"{number}0"
        gc.collect()


async def test_a_key_of_ones_own_says_what_counts() -> None:
    asked = 0

    @cached(key=lambda filters: tuple(sorted(filters)))
    async def search(filters: list[str]) -> int:
        nonlocal asked
        asked += 1
        return asked

    assert await search(["a", "b"]) == await search(["b", "a"]) == 1


async def test_functions_may_share_a_cache_and_its_time() -> None:
    cache: Cache[Any, Any] = Cache(max_entries=100)

    @cached(cache=cache, key=lambda number: ("agents", number))
    async def agent(number: int) -> str:
        return f"agent {number}"

    @cached(cache=cache, key=lambda number: ("tasks", number))
    async def task(number: int) -> str:
        return f"task {number}"

    assert (await agent(1), await task(1)) == ("agent 1", "task 1")
    assert len(cache) == 2


async def test_one_decorator_used_twice_keeps_the_functions_apart() -> None:
    keep = cached(ttl_s=5)

    async def one(number: int) -> str:
        return "one"

    async def two(number: int) -> str:
        return "two"

    assert (await keep(one)(1), await keep(two)(1)) == ("one", "two")


async def test_a_thousand_who_call_at_once_cause_one_call() -> None:
    asked = 0

    @cached(ttl_s=60)
    async def slow(number: int) -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return number

    assert set(await asyncio.gather(*(slow(1) for _ in range(1000)))) == {1}
    assert asked == 1


async def test_what_cannot_be_a_key_is_told_with_the_cure() -> None:
    @cached()
    async def search(filters: list[str]) -> int:
        return len(filters)

    with pytest.raises(UsageError, match=r"Give @cached\(key="):
        await search(["a"])


def test_only_async_functions_are_decorated() -> None:
    with pytest.raises(UsageError, match="Make it an `async def`"):
        cached()(len)  # type: ignore[arg-type] # that is the point
    with pytest.raises(UsageError, match="Give them to the cache"):
        cached(cache=Cache(10), max_entries=5)
