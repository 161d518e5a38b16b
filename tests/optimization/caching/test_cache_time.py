"""What a cache does with what has had its time, with what there is not, and with tags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.optimization import Cache


class Source:
    """Answers with how often it was asked, once it may; or fails."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.nothing = False
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, key: str) -> str | None:
        self.asked += 1
        answer = f"{key}{self.asked}"
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return None if self.nothing else answer


async def turn_the_loop(times: int = 6) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def stale_cache(clock: FakeClock) -> Cache[str, str | None]:
    return Cache(max_entries=10, ttl_s=10, stale_s=50, clock=clock)


async def test_what_is_stale_is_handed_out_at_once_and_loaded_anew_once() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    assert await cache.get_or_load("a", source) == "a1"
    clock.advance(10)
    source.may.clear()
    assert [await cache.get_or_load("a", source) for _ in range(5)] == ["a1"] * 5
    await turn_the_loop()
    assert source.asked == 2
    source.may.set()
    await turn_the_loop()
    assert await cache.get_or_load("a", source) == "a2"
    done = cache.statistics()
    assert (done.stale_hits, done.hits, done.misses, done.loads) == (5, 1, 1, 2)


async def test_stale_is_only_for_those_who_can_load() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    await cache.get_or_load("a", source)
    clock.advance(10)
    assert cache.get("a") is None
    assert "a" not in cache
    assert await cache.get_or_load("a", source) == "a1"
    await cache.aclose()


async def test_after_the_stale_time_it_is_gone() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    await cache.get_or_load("a", source)
    clock.advance(60)
    assert await cache.get_or_load("a", source) == "a2"
    assert cache.statistics().stale_hits == 0


async def test_while_the_source_fails_the_stale_value_serves_and_a_second_passes() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    await cache.get_or_load("a", source)
    clock.advance(10)
    source.error = ConnectionError("down")
    for _ in range(20):
        assert await cache.get_or_load("a", source) == "a1"
        await turn_the_loop()
    assert source.asked == 2
    clock.advance(1)
    assert await cache.get_or_load("a", source) == "a1"
    await turn_the_loop()
    assert source.asked == 3
    assert cache.statistics().failed_loads == 2
    clock.advance(60)
    with pytest.raises(ConnectionError):
        await cache.get_or_load("a", source)


async def test_who_joins_a_refresh_and_leaves_does_not_end_it() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    await cache.get_or_load("a", source)
    clock.advance(10)
    source.may.clear()
    await cache.get_or_load("a", source)  # begins the refresh
    clock.advance(60)
    joining = asyncio.create_task(cache.get_or_load("a", source))
    await turn_the_loop()
    joining.cancel()
    await asyncio.wait([joining])
    source.may.set()
    await turn_the_loop()
    assert (cache.get("a"), source.asked) == ("a2", 2)


async def test_closing_gives_up_what_is_loaded_in_the_background() -> None:
    clock, source = FakeClock(), Source()
    cache = stale_cache(clock)
    await cache.get_or_load("a", source)
    clock.advance(10)
    source.may.clear()
    await cache.get_or_load("a", source)
    await turn_the_loop()
    await cache.aclose()
    assert cache.statistics().loading == 0


async def test_that_there_is_nothing_is_kept_for_a_time_of_its_own() -> None:
    clock, source = FakeClock(), Source()
    cache: Cache[str, str | None] = Cache(max_entries=10, ttl_s=100, negative_ttl_s=5, clock=clock)
    source.nothing = True
    assert await cache.get_or_load("a", source) is None
    assert await cache.get_or_load("a", source) is None
    clock.advance(5)
    source.nothing = False
    assert await cache.get_or_load("a", source) == "a2"
    clock.advance(50)
    assert await cache.get_or_load("a", source) == "a2"


async def test_an_error_that_says_so_is_kept_and_another_is_not() -> None:
    clock, source = FakeClock(), Source()
    cache: Cache[str, str | None] = Cache(
        max_entries=10, negative_ttl_s=5, negative_errors=LookupError, clock=clock
    )
    source.error = KeyError("a")
    for _ in range(3):
        with pytest.raises(KeyError, match="a"):
            await cache.get_or_load("a", source)
    assert source.asked == 1
    assert cache.get("a") is None
    assert "a" not in cache
    clock.advance(5)
    source.error = ConnectionError()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await cache.get_or_load("a", source)
    assert source.asked == 3
    assert cache.statistics().failed_loads == 2


async def test_a_kept_error_does_not_grow_with_each_time_it_is_raised() -> None:
    source = Source()
    cache: Cache[str, str | None] = Cache(
        max_entries=10, negative_ttl_s=5, negative_errors=LookupError
    )
    source.error = KeyError("a")
    depths = []
    for _ in range(20):
        with pytest.raises(KeyError) as caught:
            await cache.get_or_load("a", source)
        depth, at = 0, caught.value.__traceback__
        while at is not None:
            depth, at = depth + 1, at.tb_next
        depths.append(depth)
    assert depths[1] == depths[-1]


async def test_an_error_that_cannot_be_copied_is_raised_itself() -> None:
    class Missing(LookupError):
        def __init__(self, what: str, *, cure: str) -> None:
            super().__init__(what)

    source = Source()
    cache: Cache[str, str | None] = Cache(max_entries=10, negative_ttl_s=5, negative_errors=Missing)
    source.error = Missing("a", cure="none")
    for _ in range(2):
        with pytest.raises(Missing):
            await cache.get_or_load("a", source)
    assert source.asked == 1


def test_jitter_shortens_each_time_by_another_share() -> None:
    clock = FakeClock()
    cache: Cache[int, int] = Cache(
        max_entries=1000, ttl_s=100, ttl_jitter=0.5, clock=clock, random=Random(4)
    )
    for number in range(1000):
        cache.put(number, number)
    clock.advance(50)
    left = [1000]
    for _ in range(5):
        left.append(sum(number in cache for number in range(1000)))
        clock.advance(10)
    assert left[1] > 980
    assert all(100 < before - after < 300 for before, after in pairwise(left[1:]))
    assert not any(number in cache for number in range(1000))


async def test_what_belongs_to_a_tag_is_forgotten_together() -> None:
    source = Source()
    cache: Cache[str, str | None] = Cache(max_entries=10)
    await cache.get_or_load("a", source, tags=("agents", "one"))
    await cache.get_or_load("b", source, tags=("agents",))
    cache.put("c", "c", tags=("one",))
    cache.put("d", "d")
    assert cache.invalidate_tag("agents") == 2
    assert [key for key in "abcd" if key in cache] == ["c", "d"]
    assert cache.invalidate_tag("agents") == 0
    assert cache.invalidate_tag("one") == 1
    assert cache.statistics().invalidated == 3


async def test_a_tag_that_is_invalidated_while_loading_is_not_missed() -> None:
    source = Source()
    cache: Cache[str, str | None] = Cache(max_entries=10)
    source.may.clear()
    early = asyncio.create_task(cache.get_or_load("a", source, tags=("agents",)))
    await turn_the_loop()
    cache.invalidate_tag("agents")
    late = asyncio.create_task(cache.get_or_load("a", source, tags=("agents",)))
    await turn_the_loop()
    assert source.asked == 2
    source.may.set()
    assert await early != await late
    assert cache.get("a") == late.result()
    assert cache.invalidate_tag("agents") == 1
    assert len(cache) == 0


def test_what_is_gone_leaves_no_tag_behind() -> None:
    cache: Cache[int, int] = Cache(max_entries=10)
    for number in range(1000):
        cache.put(number, number, tags=(f"tag {number}", "all"))
    tags = cache._shelf.tags
    assert len(tags._of) == len(cache) == 10
    assert len(tags._keys) == 11
    cache.clear()
    assert not tags._of
    assert not tags._keys


async def test_statistics_say_how_much_loading_was_saved() -> None:
    clock = FakeClock()
    cache: Cache[str, int] = Cache(max_entries=10, clock=clock)

    async def slow(_: str) -> int:
        clock.advance(2)
        return 1

    for _ in range(5):
        await cache.get_or_load("a", slow)
    done = cache.statistics()
    assert (done.load_s, done.saved_s, done.hit_ratio) == (2, 8, 0.8)


async def test_shrinking_keeps_what_is_worth_most_per_byte() -> None:
    clock = FakeClock()
    cache: Cache[str, int] = Cache(max_bytes=10**7, clock=clock, size_of=lambda _: 10_000)

    def load(seconds: float) -> Callable[[str], Awaitable[int]]:
        async def loading(_: str) -> int:
            clock.advance(seconds)
            return 1

        return loading

    for number in range(100):
        await cache.get_or_load(f"cheap {number}", load(0.001))
        await cache.get_or_load(f"dear {number}", load(1))
    for _ in range(5):
        cache.get("cheap 7")
    cache.shrink(101 * 10_500)
    left = [number for number in range(100) if f"dear {number}" in cache]
    assert len(left) == 100
    for _ in range(3):
        cache.get("dear 5")
    cache.shrink(11_000)
    assert "dear 5" in cache
    assert len(cache) == 1


def test_worths_of_some_stand_for_all() -> None:
    cache: Cache[int, str] = Cache(max_bytes=10**9)
    for number in range(10_000):
        cache.put(number, "", size_bytes=1_000)
    worths = cache.worths()
    assert len(worths) <= 4_000
    assert sum(size for _, size in worths) == pytest.approx(cache.statistics().size_bytes, rel=0.01)
    assert cache.shrink(cache.statistics().size_bytes // 2) > 0
    assert len(cache) == 5_000


async def test_cancelled_at_any_await_with_stale_values_and_tags_nothing_is_left(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    clock = FakeClock()
    cache: Cache[int, int] = Cache(max_entries=4, ttl_s=10, stale_s=100, clock=clock)
    running = 0

    async def load(key: int) -> int:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(0)
        finally:
            running -= 1
        return key

    async def scenario() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(6):
                    group.create_task(cache.get_or_load(number % 5, load, tags=(number % 2,)))
            clock.advance(11)
            for number in range(5):
                await cache.get_or_load(number, load, tags=(number % 2,))
            cache.invalidate_tag(1)
        finally:
            await cache.aclose()

    def check() -> None:
        assert (running, cache.statistics().loading) == (0, 0)
        assert set(cache._shelf.tags._of) == set(cache._shelf._eviction.entries)

    assert await cancel_everywhere(scenario, check) >= 4


async def test_a_size_below_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="Give its size in bytes"):
        Cache[int, int](100).put(1, 1, size_bytes=-1)
