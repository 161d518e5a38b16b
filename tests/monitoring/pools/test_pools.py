"""Pools of the real libraries: who waits, how long connections are held, how full they are."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from functools import partial
from threading import Event, Thread
from typing import Any
from weakref import ref

import asyncpg
import psycopg_pool
import pytest

from keiko_perf import PerformanceMonitor
from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring.pools import Occupancy, Turnstile, pools_of, watch_pool
from keiko_perf.monitoring.recorder import Recorder

pytestmark = pytest.mark.postgres
GAUGES = ("pool_in_use", "pool_size", "pool_waiting", "pool_ratio")


@pytest.fixture(params=["asyncpg", "psycopg"])
async def pool(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Any]:
    """A pool of two connections."""
    if request.param == "asyncpg":
        async with asyncpg.create_pool(url, min_size=1, max_size=2) as opened:
            yield opened
    else:
        async with psycopg_pool.AsyncConnectionPool(url, min_size=1, max_size=2) as opened:
            yield opened


def borrowed(pool: Any, **options: Any) -> Any:
    return pool.acquire(**options) if hasattr(pool, "acquire") else pool.connection(**options)


def sampled(recorder: Recorder) -> dict[str, float]:
    recorder.snapshot()
    recorder.probe()
    gauges = recorder.peek().gauges
    return {name: gauges[name].mean for name in GAUGES}


async def test_how_full_it_is_and_who_waits_is_sampled(pool: Any, recorder: Recorder) -> None:
    watch_pool(pool, recorder)
    assert recorder.pool_kinds == {"asyncpg" if hasattr(pool, "acquire") else "psycopg"}
    assert sampled(recorder) == dict(zip(GAUGES, (0, 2, 0, 0.0), strict=True))
    async with borrowed(pool):
        assert sampled(recorder) == dict(zip(GAUGES, (1, 2, 0, 0.5), strict=True))
        async with borrowed(pool):

            async def third() -> None:
                async with borrowed(pool):
                    pass

            waiting = asyncio.create_task(third())
            while sampled(recorder)["pool_waiting"] < 1:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.001)
            assert sampled(recorder) == dict(zip(GAUGES, (2, 2, 1, 1.0), strict=True))
        await waiting
    assert sampled(recorder)["pool_in_use"] == 0


async def test_waits_and_holds_are_histograms(pool: Any) -> None:
    now_s = [1.0]
    recorder = Recorder(clock=lambda: now_s[0])
    watch_pool(pool, recorder, name="agents")
    async with borrowed(pool), borrowed(pool):
        assert recorder.peek().whole(Kind.POOL).succeeded.count == 2

        async def third() -> None:
            async with borrowed(pool):
                pass

        waiting = asyncio.create_task(third())
        while sampled(recorder)["pool_waiting"] < 1:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
        now_s[0] += 0.05
    await waiting
    waits = recorder.peek().find(Kind.POOL, "agents")
    holds = recorder.peek().find(Kind.HOLD, "agents")
    assert waits is not None
    assert holds is not None
    assert (waits.count, waits.errors, holds.count) == (1, 0, 3)
    assert waits.succeeded.count_above(0.04) == 1
    assert holds.succeeded.count_above(0.04) == 2


async def test_a_wait_in_vain_is_a_failure(pool: Any, recorder: Recorder) -> None:
    watch_pool(pool, recorder)
    async with borrowed(pool), borrowed(pool):
        with pytest.raises((TimeoutError, psycopg_pool.PoolTimeout)):
            async with borrowed(pool, timeout=0.02):
                pass
    waits = recorder.peek().whole(Kind.POOL)
    assert (waits.succeeded.count, waits.errors) == (2, 1)
    assert sampled(recorder)["pool_waiting"] == 0


async def test_one_that_is_cancelled_waits_no_longer(pool: Any, recorder: Recorder) -> None:
    watch_pool(pool, recorder)
    async with borrowed(pool), borrowed(pool):

        async def third() -> None:
            async with borrowed(pool):
                pass

        waiting = asyncio.create_task(third())
        while sampled(recorder)["pool_waiting"] < 1:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert sampled(recorder)["pool_waiting"] == 0


async def test_the_pool_still_does_what_it_did(pool: Any, recorder: Recorder) -> None:
    watch_pool(pool, recorder)
    watch_pool(pool, recorder)  # no mistake
    async with borrowed(pool) as connection:
        if isinstance(pool, asyncpg.Pool):
            assert await connection.fetchval("SELECT 40 + 2") == 42
            assert await pool.fetchval("SELECT 7") == 7
        else:
            found = await connection.execute("SELECT 40 + 2")
            assert await found.fetchone() == (42,)
    assert recorder.peek().whole(Kind.POOL).count == (2 if isinstance(pool, asyncpg.Pool) else 1)


def test_a_pool_of_threads_is_watched_too(url: str, recorder: Recorder) -> None:
    with psycopg_pool.ConnectionPool(url, min_size=1, max_size=1, name="threads") as pool:
        watch_pool(pool, recorder)
        is_held, may_end = Event(), Event()

        def hold() -> None:
            with pool.connection():
                is_held.set()
                may_end.wait(30)

        first, second = Thread(target=hold), Thread(target=hold)
        first.start()
        is_held.wait(30)
        second.start()
        while sampled(recorder)["pool_waiting"] < 1:
            pass
        may_end.set()
        first.join()
        second.join()
    recorder.snapshot()
    with psycopg_pool.ConnectionPool(url, min_size=1, max_size=1, name="threads") as pool:
        watch_pool(pool, recorder)
        with pool.connection():
            pass
    assert recorder.peek().find(Kind.POOL, "threads").count == 1
    assert recorder.peek().find(Kind.HOLD, "threads").count == 1


async def test_the_monitor_has_it_as_a_method(pool: Any) -> None:
    monitor = PerformanceMonitor(notify=())
    monitor.watch_pool(pool, name="mine")
    async with borrowed(pool):
        pass
    assert monitor.recorder.peek().find(Kind.POOL, "mine") is not None


def test_what_is_no_pool_is_refused(recorder: Recorder) -> None:
    with pytest.raises(UsageError, match="a list is no connection pool") as refused:
        watch_pool([], recorder)
    assert "watch_engine" in refused.value.cure


def test_of_several_pools_the_fullest_one_is_the_ratio_and_the_rest_is_added_up(
    recorder: Recorder,
) -> None:
    pools = pools_of(recorder)
    readings = [Occupancy(9, 10, 2), Occupancy(1, 90, 0), Occupancy(5, None, 1), None]
    for reading in readings:
        pools.add(lambda reading=reading: reading)
    for _ in range(2):  # the one that is gone is asked once
        assert sampled(recorder) == dict(zip(GAUGES, (15, 100, 3, 0.9), strict=True))
    assert len(pools._readings) == 3


def occupied(turnstile: Turnstile) -> Occupancy:
    return Occupancy(turnstile.in_use, 1, turnstile.waiting)


def test_a_recorder_that_is_gone_is_not_kept_by_its_pools() -> None:
    recorder: Recorder | None = Recorder()
    assert recorder is not None
    pools_of(recorder).add(partial(occupied, Turnstile(recorder, "x")))
    assert pools_of(recorder) is pools_of(recorder)
    gone = ref(recorder)
    del recorder
    gc.collect()
    assert gone() is None
