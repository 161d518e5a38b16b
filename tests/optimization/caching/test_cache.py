"""The cache: within its bytes, in order of use, and one load for a key."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.optimization import Cache, WorkCancelled
from keiko_perf.optimization.caching.cache import ENTRY_BYTES
from keiko_perf.optimization.memory.size import size_of


class Source:
    """A slow place to load from, which counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.running = 0
        self.ready = asyncio.Event()

    async def __call__(self, key: str) -> str:
        self.asked.append(key)
        self.running += 1
        try:
            await self.ready.wait()
        finally:
            self.running -= 1
        if key == "bad":
            raise LookupError(key)
        return key.upper()


async def turn_the_loop(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.mark.parametrize("value", ["text", {"a": 1}, (1, 2), [3], 7, 2.5, None, b"x", object()])
def test_anything_can_be_kept_though_nobody_else_holds_it(value: object) -> None:
    cache: Cache[str, object] = Cache(100_000)
    assert cache.put("key", value)
    assert cache.get("key", "absent") is value


def test_what_was_asked_for_again_stays_and_so_does_the_newest() -> None:
    cache: Cache[str, str] = Cache(3 * (1000 + size_of("a") + ENTRY_BYTES))
    for key in "abc":
        cache.put(key, "", size_bytes=1000)
    assert cache.get("a") == ""
    cache.put("d", "", size_bytes=1000)
    assert len(cache) == 3
    assert "a" in cache
    assert "d" in cache
    assert cache.statistics().evicted == 1


def test_both_bounds_hold() -> None:
    cache: Cache[int, str] = Cache(100_000, max_entries=20)
    for number in range(100):
        cache.put(number, "", size_bytes=(number % 10) * 1_000)
        now = cache.statistics()
        assert now.entries <= 20
        assert now.size_bytes <= 100_000
    assert cache.statistics().entries > 10


def test_a_value_larger_than_the_cache_is_refused_and_its_predecessor_is_gone() -> None:
    cache: Cache[str, str] = Cache(2000)
    assert cache.put("key", "old")
    assert not cache.put("key", "new", size_bytes=5000)
    assert cache.get("key") is None
    done = cache.statistics()
    assert (done.entries, done.size_bytes, done.refused) == (0, 0, 1)


def test_a_value_is_good_for_its_time_and_not_longer() -> None:
    clock = FakeClock()
    cache: Cache[str, int] = Cache(100_000, ttl_s=10, clock=clock)
    cache.put("usual", 1)
    cache.put("short", 2, ttl_s=3)
    clock.now_s = 2.9
    assert (cache.get("usual"), cache.get("short")) == (1, 2)
    clock.now_s = 3
    assert (cache.get("usual"), cache.get("short")) == (1, None)
    clock.now_s = 10
    assert "usual" not in cache
    assert cache.get("usual") is None
    done = cache.statistics()
    assert (done.entries, done.size_bytes, done.expired) == (0, 0, 2)
    assert done.hit_ratio == pytest.approx(3 / 5)


def test_shrinking_takes_the_expired_first() -> None:
    clock = FakeClock()
    cache: Cache[str, str] = Cache(100_000, clock=clock)
    cache.put("old but good", "", size_bytes=10_000)
    cache.put("new but short", "", size_bytes=10_000, ttl_s=1)
    clock.now_s = 2
    assert cache.shrink(15_000) > 10_000
    assert "old but good" in cache
    assert cache.shrink(15_000) == 0
    assert cache.shrink(0) > 10_000
    assert len(cache) == 0


async def test_a_thousand_who_ask_at_once_cause_one_load() -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    asking = [asyncio.create_task(cache.get_or_load("a", source)) for _ in range(1000)]
    await turn_the_loop()
    assert cache.statistics().loading == 1
    source.ready.set()
    assert set(await asyncio.gather(*asking)) == {"A"}
    assert await cache.get_or_load("a", source) == "A"
    assert source.asked == ["a"]
    done = cache.statistics()
    assert (done.loads, done.loading, done.hits, done.misses) == (1, 0, 1, 1000)


async def test_who_is_cancelled_does_not_take_the_load_from_the_others() -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    first, second = (asyncio.create_task(cache.get_or_load("a", source)) for _ in range(2))
    await turn_the_loop()
    first.cancel()
    await asyncio.wait([first])
    source.ready.set()
    assert await second == "A"
    assert source.asked == ["a"]


async def test_when_the_last_who_waits_is_cancelled_so_is_the_load() -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    asking = [asyncio.create_task(cache.get_or_load("a", source)) for _ in range(3)]
    await turn_the_loop()
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    assert source.running == 0
    source.ready.set()
    assert await cache.get_or_load("a", source) == "A"
    assert source.asked == ["a", "a"]


async def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    source.ready.set()
    answers = await asyncio.gather(
        *(cache.get_or_load("bad", source) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [LookupError] * 3
    assert source.asked == ["bad"]
    with pytest.raises(LookupError):
        await cache.get_or_load("bad", source)
    done = cache.statistics()
    assert (done.entries, done.loads, done.failed_loads) == (0, 2, 2)


@pytest.mark.parametrize("change", ["remove", "clear", "put"])
async def test_what_was_invalidated_while_loading_is_not_kept(change: str) -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    early = asyncio.create_task(cache.get_or_load("a", source))
    await turn_the_loop()
    if change == "put":
        cache.put("a", "newer")
    elif change == "remove":
        cache.remove("a")
    else:
        cache.clear()
    source.ready.set()
    assert await early == "A"
    assert cache.get("a") == ("newer" if change == "put" else None)


async def test_who_asks_after_an_invalidation_gets_a_new_load() -> None:
    cache: Cache[str, str] = Cache(100_000)
    source = Source()
    early = asyncio.create_task(cache.get_or_load("a", source))
    await turn_the_loop()
    cache.remove("a")
    late = asyncio.create_task(cache.get_or_load("a", source))
    await turn_the_loop()
    assert source.asked == ["a", "a"]
    source.ready.set()
    assert (await early, await late) == ("A", "A")
    assert cache.get("a") == "A"


async def test_a_load_that_cancels_itself_cancels_nobody() -> None:
    async def load(_: str) -> str:
        raise asyncio.CancelledError

    with pytest.raises(WorkCancelled):
        await Cache[str, str](100_000).get_or_load("a", load)


async def test_a_load_that_asks_for_itself_is_told_so() -> None:
    cache: Cache[str, str] = Cache(100_000)

    async def load(key: str) -> str:
        return await cache.get_or_load(key, load)

    with pytest.raises(UsageError, match="Load it from its source"):
        await cache.get_or_load("a", load)


async def test_cancelled_at_any_await_no_load_is_left(
    cancel_everywhere: Callable[..., Awaitable[int]],
) -> None:
    cache: Cache[int, int] = Cache(100_000)
    running = 0

    async def load(key: int) -> int:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        finally:
            running -= 1
        return key

    async def scenario() -> None:
        cache.clear()
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(cache.get_or_load(number % 3, load))

    def check() -> None:
        assert (running, cache.statistics().loading) == (0, 0)

    assert await cancel_everywhere(scenario, check) >= 4


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({}, "Give max_bytes, max_entries, or both"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"max_entries": 0}, "max_entries from 1"),
        ({"max_bytes": 10, "ttl_s": 0}, "positive ttl_s"),
        ({"max_entries": 10, "ttl_s": 1, "ttl_jitter": 2}, "from 0 to 1"),
        ({"max_entries": 10, "stale_s": 5}, "a ttl_s with it"),
        ({"max_entries": 10, "negative_ttl_s": 0}, "positive ttl_s"),
        ({"max_entries": 10, "negative_errors": KeyError}, "Give negative_ttl_s"),
    ],
)
def test_a_cache_that_could_keep_nothing_is_refused(arguments: Any, cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        Cache(**arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda number: number + 1000.5,
        lambda number: f"agent number {number}",
        lambda number: (number + 1000, f"agent {number}", [f"t{number}", 2.5]),
    ],
)
def test_the_bytes_are_about_those_that_the_interpreter_allocates(
    make: Callable[[int], object],
) -> None:
    cache: Cache[str, object] = Cache(10**9)
    tracemalloc.start()
    for number in range(5000):
        cache.put(f"key {number}", make(number))
    allocated = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Rather more than less: interpreters from 3.12 on need 40 bytes an entry less than 3.11.
    assert 0.9 * allocated < cache.statistics().size_bytes < 1.35 * allocated


class CacheMachine(RuleBasedStateMachine):
    """
    The cache beside all that was ever put in: what it has is right, within bounds, and counted.
    Which one has to make room is not the model's business, but that nothing else went is.
    """

    MAX_BYTES = 3000

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.cache: Cache[int, int] = Cache(self.MAX_BYTES, clock=self.clock)
        self.put_in: dict[int, tuple[int, int, float]] = {}  # value, size, good until
        self.tags: dict[int, str] = {}

    keys = st.integers(1, 6)

    def good(self, key: int) -> bool:
        return key in self.put_in and self.put_in[key][2] > self.clock.now_s

    @rule(
        key=keys,
        value=st.integers(),
        size=st.integers(0, 3500),
        ttl=st.none() | st.integers(1, 9),
        tag=st.sampled_from("xy"),
    )
    def put(self, key: int, value: int, size: int, ttl: int | None, tag: str) -> None:
        whole = size + size_of(key) + ENTRY_BYTES
        fits = whole <= self.MAX_BYTES
        assert self.cache.put(key, value, size_bytes=size, ttl_s=ttl, tags=(tag,)) == fits
        assert (key in self.cache) == fits, "what was just put in can be got out"
        until = float("inf") if ttl is None else self.clock.now_s + ttl
        self.put_in.pop(key, None)
        if fits:
            self.put_in[key] = (value, whole, until)
            self.tags[key] = tag

    @rule(key=keys)
    def get(self, key: int) -> None:
        was_there = key in self.cache
        found = self.cache.get(key, "absent")
        assert found == (self.put_in[key][0] if was_there else "absent")

    @rule(key=keys)
    def remove(self, key: int) -> None:
        self.cache.remove(key)
        self.put_in.pop(key, None)

    @rule(tag=st.sampled_from("xy"))
    def invalidate(self, tag: str) -> None:
        mine = [key for key in self.put_in if self.tags[key] == tag]
        others = [key for key in self.put_in if key not in mine and key in self.cache]
        self.cache.invalidate_tag(tag)
        for key in mine:
            del self.put_in[key]
        assert all(key in self.cache for key in others)

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(to_bytes=st.integers(0, 3000))
    def shrink(self, to_bytes: int) -> None:
        before = self.cache.statistics()
        good = [key for key in self.put_in if key in self.cache]
        freed = self.cache.shrink(to_bytes)
        after = self.cache.statistics()
        assert freed == before.size_bytes - after.size_bytes
        assert after.size_bytes <= max(to_bytes, 0)
        if any(key not in self.cache for key in good):
            # Something good went, so nothing expired may be left.
            assert after.entries == sum(key in self.cache for key in self.put_in)

    @invariant()
    def it_is_bounded_and_counts_right(self) -> None:
        now = self.cache.statistics()
        kept = [key for key in self.put_in if self.cache._shelf.peek(key) is not None]
        assert now.entries == len(self.cache) == len(kept)
        assert now.size_bytes == sum(self.put_in[key][1] for key in kept) <= self.MAX_BYTES
        for key in range(1, 7):
            if key in self.cache:
                assert self.good(key)
        # Nothing goes while there is room for all of it.
        if sum(one[1] for one in self.put_in.values()) <= self.MAX_BYTES and not now.evicted:
            assert {key for key in self.put_in if self.good(key)} == {
                key for key in range(1, 7) if key in self.cache
            }


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_what_is_dropped_is_gone_at_once() -> None:
    class Value:
        pass

    cache: Cache[int, Value] = Cache(max_entries=100)
    gc.disable()  # nothing needs to be collected
    try:
        for drop in (lambda: cache.shrink(0), cache.clear, lambda: cache.remove(1)):
            value = Value()
            watched = weakref.ref(value)
            cache.put(1, value)
            del value
            drop()
            assert watched() is None
        other: Cache[int, Value] = Cache(max_entries=100)
        value = Value()
        watched = weakref.ref(value)
        other.put(1, value)
        del value, other
        assert watched() is None
    finally:
        gc.enable()
