"""The cache in a real Redis: shared, signed, and no harm when it is down."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from keiko_perf.errors import Unavailable, UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.optimization import JsonCodec, RedisCache, SignedPickle, cached

SECRET = b"0123456789abcdef"


@pytest_asyncio.fixture
async def client(redis_port: int) -> AsyncIterator[Redis]:
    client = Redis(port=redis_port)
    await client.flushall()
    yield client
    await client.aclose()


class Source:
    def __init__(self) -> None:
        self.asked = 0
        self.answer: Any = None
        self.error: Exception | None = None
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, key: object) -> Any:
        self.asked += 1
        answer = self.asked if self.answer is None else self.answer
        await self.may.wait()
        if self.error is not None:
            raise self.error
        return answer


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # it is a server that makes it hold
            await asyncio.sleep(0.005)


async def test_what_one_process_loads_another_finds(client: Redis) -> None:
    source, one, two = Source(), RedisCache(client), RedisCache(client)
    source.answer = {"name": "keiko", "tags": [1, 2.5, None]}
    assert await one.get_or_load("a", source) == source.answer
    assert await two.get_or_load("a", source) == source.answer
    assert await two.get("a") == source.answer
    assert await two.get("b", "absent") == "absent"
    assert source.asked == 1
    assert two.statistics().hits == 2
    assert two.statistics().hit_ratio == 2 / 3
    assert two.statistics().saved_s > 0


async def test_of_those_who_miss_in_several_processes_one_loads(client: Redis) -> None:
    source = Source()
    caches = [RedisCache(client) for _ in range(4)]
    source.may.clear()
    asking = [
        asyncio.create_task(one.get_or_load("a", source)) for one in caches for _ in range(50)
    ]
    await until(lambda: sum(one.statistics().waited for one in caches) == 3)
    source.may.set()
    assert set(await asyncio.gather(*asking)) == {1}
    assert source.asked == 1


async def test_real_processes_share_one_load(client: Redis, redis_port: int) -> None:
    script = f"""
import asyncio
from redis.asyncio import Redis
from keiko_perf.optimization import RedisCache

async def main():
    client = Redis(port={redis_port})
    async def load(key):
        await asyncio.sleep(0.3)
        return await client.incr("loads")
    await client.incr("ready")
    while int(await client.get("ready")) < 3:
        await asyncio.sleep(0.01)
    print(await RedisCache(client).get_or_load("a", load))
    await client.aclose()

asyncio.run(main())
"""
    command = [sys.executable, "-c", script]
    running = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(3)
    ]
    said = [(await one.communicate())[0] for one in running]
    assert said == [b"1\n"] * 3


async def test_a_process_that_dies_while_loading_is_followed_by_another(client: Redis) -> None:
    source, cache = Source(), RedisCache(client, lock_s=0.05)
    assert await cache._store.lock("s:a", "a process that died")
    assert await cache.get_or_load("a", source) == 1


async def test_a_long_load_keeps_its_lock(client: Redis) -> None:
    """It is renewed each third of its life, so four renewals are more than one life."""
    source, other = Source(), Source()
    one, two = RedisCache(client, lock_s=2), RedisCache(client, lock_s=2)
    source.may.clear()
    loading = asyncio.create_task(one.get_or_load("a", source))
    await until(lambda: source.asked == 1)
    waiting = asyncio.create_task(two.get_or_load("a", other))
    (lock,) = await client.keys("keiko-perf:l:*")
    left_ms, renewals = await client.pttl(lock), 0
    async with asyncio.timeout(60):
        while renewals < 4 and not waiting.done():
            before_ms, left_ms = left_ms, await client.pttl(lock)
            renewals += left_ms > before_ms
    source.may.set()
    assert (await loading, await waiting, other.asked) == (1, 1, 0)


async def test_times_stale_values_and_nothing(client: Redis) -> None:
    clock, source = FakeClock(1e9), Source()
    cache = RedisCache(client, ttl_s=100, stale_s=1000, negative_ttl_s=5, clock=clock)
    assert await cache.get_or_load("a", source) == 1
    clock.advance(100)
    assert await cache.get("a") is None
    assert await cache.get_or_load("a", source) == 1
    await until(lambda: cache.statistics().loads == 2 and not len(cache._flights))
    assert await cache.get_or_load("a", source) == 2
    assert cache.statistics().stale_hits == 1

    async def nothing(_: object) -> None:
        source.asked += 1

    for _ in range(2):
        assert await cache.get_or_load("none", nothing) is None
    assert source.asked == 3
    clock.advance(5)
    await cache.get_or_load("none", nothing)
    assert source.asked in (3, 4)  # Redis goes by its own clock, ours is a fake
    ages = [await client.pttl(key) for key in await client.keys("keiko-perf:v:*")]
    assert all(0 < age <= 1_100_000 for age in ages)
    await until(lambda: not len(cache._flights))


async def test_an_error_that_says_there_is_nothing_is_told_to_others(client: Redis) -> None:
    class Missing(LookupError):
        pass

    source = Source()
    source.error = Missing("no agent 7")
    one, two = (
        RedisCache(client, negative_ttl_s=60, negative_errors=(Missing, KeyError)) for _ in range(2)
    )
    for cache in (one, two, two):
        with pytest.raises(Missing, match="no agent 7"):
            await cache.get_or_load("a", source)
    assert source.asked == 1
    assert await two.get("a", "absent") == "absent"
    with pytest.raises(Missing):  # whoever does not know the error asks
        await RedisCache(client).get_or_load("a", source)
    assert source.asked == 2


async def test_other_errors_reach_all_who_wait_and_are_not_kept(client: Redis) -> None:
    source, cache = Source(), RedisCache(client)
    source.error = ConnectionError("down")
    answers = await asyncio.gather(
        *(cache.get_or_load("a", source) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in answers] == [ConnectionError] * 3
    assert source.asked == 1
    assert cache.statistics().failed_loads == 1
    assert await client.keys("*") == []


async def test_forgotten_by_key_by_tag_and_altogether(client: Redis) -> None:
    source, one, two = Source(), RedisCache(client), RedisCache(client)
    for key in "abc":
        await one.get_or_load(key, source, tags=("x",) if key != "c" else ())
    assert await two.remove("a")
    assert not await two.remove("a")
    assert await one.get("a", tags=("x",)) is None
    await two.invalidate_tag("x")
    assert await one.get("b", tags=("x",)) is None
    assert await one.get("c") == 3
    await two.clear()
    assert await one.get("c") is None
    assert await one.get_or_load("b", source, tags=("x",)) == 4
    assert await two.get("b", tags=("x",)) == 4


@pytest.mark.parametrize("change", ["remove", "tag", "clear", "put"])
async def test_what_was_forgotten_while_it_was_loaded_is_not_kept(
    client: Redis, change: str
) -> None:
    source, one, two = Source(), RedisCache(client), RedisCache(client)
    source.may.clear()
    loading = asyncio.create_task(one.get_or_load("a", source, tags=("x",)))
    await until(lambda: source.asked == 1)
    if change == "remove":
        await two.remove("a")
    elif change == "tag":
        await two.invalidate_tag("x")
    elif change == "clear":
        await two.clear()
    else:
        assert await two.put("a", "newer", tags=("x",))
    source.may.set()
    assert await loading == 1
    assert await two.get("a", tags=("x",)) == ("newer" if change == "put" else None)


async def test_without_redis_values_are_loaded_and_nothing_else_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = Redis(port=port)
    source, cache = Source(), RedisCache(client)
    assert await cache.get_or_load("a", source) == 1
    assert await cache.get_or_load("a", source) == 2
    assert await cache.get("a") is None
    assert not await cache.put("a", 1)
    assert cache.statistics().unreachable == 1, "it is not asked again at once"
    for forgetting in (cache.remove("a"), cache.invalidate_tag("x"), cache.clear()):
        with pytest.raises(Unavailable, match="cannot be forgotten"):
            await forgetting
    await client.aclose()


async def test_a_signed_value_is_what_it_was_and_another_hand_is_refused(client: Redis) -> None:
    source = Source()
    source.answer = {(1, 2): {3.5, "x"}}
    cache = RedisCache(client, codec=SignedPickle(SECRET))
    assert await cache.get_or_load("a", source) == source.answer
    assert await cache.get("a") == source.answer
    stored = await client.get("keiko-perf:v:s:a")
    await client.set("keiko-perf:v:s:b", stored)  # signed, but for another key
    await client.set("keiko-perf:v:s:c", stored[:-1] + b"\x00")
    await client.set("keiko-perf:v:s:d", b"no record")
    source.answer = None
    for key in "bcd":
        assert await cache.get_or_load(key, source) == source.asked
    assert cache.statistics().refused >= 3
    assert await RedisCache(client, codec=SignedPickle(SECRET[::-1])).get("a") is None


def test_codecs_say_what_they_cannot_carry() -> None:
    with pytest.raises(UsageError, match="or give SignedPickle"):
        JsonCodec().dumps({1, 2}, "a")
    with pytest.raises(UsageError, match="or give SignedPickle"):
        JsonCodec().dumps(float("nan"), "a")
    with pytest.raises(UsageError, match="Keep what is in it"):
        SignedPickle(SECRET).dumps(lambda: None, "a")
    with pytest.raises(UsageError, match="token_bytes"):
        SignedPickle(b"short")


async def test_keys_are_the_same_in_all_processes_or_refused(client: Redis) -> None:
    cache, source = RedisCache(client), Source()
    keys: list[Any] = [
        "1",
        1,
        1.0,
        True,
        None,
        b"1",
        (1,),
        ("1",),
        "x" * 500,
        "k:1",
        "\n",
        (int, 1),
    ]
    for key in keys:
        await cache.get_or_load(key, source)
    assert source.asked == len(keys)
    assert [await cache.get(key) for key in keys] == list(range(1, len(keys) + 1))
    with pytest.raises(UsageError, match="another one in each process"):
        await cache.get(object())


async def test_as_of_cached_functions(client: Redis) -> None:
    cache = RedisCache(client)

    @cached(cache=cache, ttl_s=60, tags=lambda number: ("agents",))
    async def agent(number: int) -> dict[str, int]:
        return {"id": number}

    @cached(cache=cache, ttl_s=60)
    async def task(number: int) -> dict[str, int]:
        return {"task": number}

    assert (await agent(1), await agent(1)) == ({"id": 1}, {"id": 1})
    assert await task(1) == {"task": 1}
    assert agent.statistics().hits == 1
    assert await agent.invalidate(1)
    await agent(1)
    assert await agent.invalidate_tag("agents") == 0
    await agent(1)
    assert agent.statistics().loads == 4


async def test_cancelled_at_any_time_it_leaves_no_task_and_no_load(client: Redis) -> None:
    cache = RedisCache(client, ttl_s=60)
    running = 0

    async def load(_: object) -> str:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(0)
        finally:
            running -= 1
        return json.dumps("x")

    for turns in range(30):
        await client.flushall()
        task = asyncio.create_task(cache.get_or_load("a", load))
        for _ in range(turns):
            await asyncio.sleep(0.0002)
        task.cancel()
        await asyncio.wait([task])
        assert running == 0
        assert not len(cache._flights)


def test_a_client_that_decodes_is_refused() -> None:
    with pytest.raises(UsageError, match="decode_responses=False"):
        RedisCache(Redis(decode_responses=True))
    with pytest.raises(UsageError, match="over 0"):
        RedisCache(Redis(), lock_s=0)
