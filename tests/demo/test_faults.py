"""Each fault, on and off: it really has its effect, and its cure takes the effect away."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from time import monotonic

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from keiko_perf.demo import routes
from keiko_perf.demo.faults import BLOCKING_S, SLOW_TASK_S, SMALL_POOL
from keiko_perf.demo.schema import CREATE_HOT_INDEX, HOT_INDEX
from keiko_perf.demo.seed import seed
from keiko_perf.demo.settings import Fault
from keiko_perf.model import BlockingCall, Kind

from .conftest import Serve, Served

pytestmark = pytest.mark.postgres


@contextmanager
def statements(engine: AsyncEngine) -> Iterator[list[str]]:
    """The statements that an engine executes meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine.sync_engine, "before_cursor_execute", note)


async def hot_plan(served: Served) -> str:
    """How the planner gets at the hot endpoint's rows."""
    async with served.demo.sessions() as db:
        found = await db.execute(
            text(
                "EXPLAIN SELECT * FROM keiko_demo.tasks WHERE agent_id = 1 AND status = 'pending'"
                " ORDER BY created_at DESC LIMIT 20"
            )
        )
        return "\n".join(found.scalars())


# Switching


async def test_faults_are_on_from_the_start_if_the_settings_say_so(
    own_url: str, serve: Serve
) -> None:
    async with serve(own_url, faults=frozenset(Fault)) as served:
        assert (await served.get("/demo/faults"))["on"] == [*Fault]


async def test_a_service_without_faults_has_none(empty_url: str, serve: Serve) -> None:
    await seed(empty_url, scale=0.001, faults=())
    async with serve(empty_url) as served:
        assert await served.get("/demo/faults") == {"on": [], "all": [*Fault]}


@pytest.mark.parametrize("fault", Fault)
async def test_each_fault_comes_and_goes_by_its_name(
    empty_url: str, serve: Serve, fault: Fault
) -> None:
    await seed(empty_url, scale=0.001, faults=())
    async with serve(empty_url) as served:
        path = f"/demo/faults/{fault}"
        for _ in range(2):  # to switch on what is on changes nothing
            assert await served.post(path) == {"on": [fault]}
        for _ in range(2):
            answer = await served.client.delete(path)
            assert answer.json() == {"on": []}


# missing-index


async def test_without_the_index_the_whole_table_is_read(own_url: str, serve: Serve) -> None:
    async with serve(own_url) as served:
        assert "Seq Scan on tasks" in await hot_plan(served)
        await served.client.delete("/demo/faults/missing-index")
        plan = await hot_plan(served)
        assert HOT_INDEX in plan
        assert "Sort" not in plan
        await served.post("/demo/faults/missing-index")
        assert "Seq Scan on tasks" in await hot_plan(served)


async def test_an_index_that_somebody_else_makes_ends_the_fault(own_url: str, serve: Serve) -> None:
    async with serve(own_url, faults=frozenset({Fault.MISSING_INDEX})) as served:
        assert (await served.get("/demo/faults"))["on"] == ["missing-index"]
        async with served.demo.sessions() as db:
            await db.execute(text(CREATE_HOT_INDEX.replace(HOT_INDEX, "by_another_name")))
            await db.commit()
        assert (await served.get("/demo/faults"))["on"] == []
        await served.post("/demo/faults/missing-index")
        assert "Seq Scan on tasks" in await hot_plan(served)


# n-plus-one


async def test_n_plus_one_asks_once_more_for_each_agent(served: Served) -> None:
    with statements(served.demo.sessions.engine) as healthy:
        expected = await served.get("/api/v1/agents?limit=9")
    await served.post("/demo/faults/n-plus-one")
    with statements(served.demo.sessions.engine) as faulty:
        assert await served.get("/api/v1/agents?limit=9") == expected
    assert len(expected["items"]) == 9
    assert (len(healthy), len(faulty)) == (2, 1 + 9)


# small-pool


async def test_a_small_pool_lets_the_third_request_wait(shared_url: str, serve: Serve) -> None:
    async with serve(shared_url, pool_size=5, pool_timeout_s=0.2) as served:
        await served.post("/demo/faults/small-pool")
        async with served.demo.sessions() as one, served.demo.sessions() as two:
            await one.execute(text("SELECT 1"))
            await two.execute(text("SELECT 1"))
            assert served.demo.sessions.size == SMALL_POOL
            assert (await served.client.get("/api/v1/agents")).status_code == 503
            # Switching needs no connection: a service that is stuck can be healed.
            served.demo.sessions.resize(5)
            await served.get("/api/v1/agents")
        waits = served.demo.monitor.recorder.peek().whole(Kind.POOL)
    assert waits.failed.count == 1


async def test_who_holds_a_connection_of_the_old_pool_may_finish(
    shared_url: str, serve: Serve
) -> None:
    async with serve(shared_url) as served, served.demo.sessions() as db:
        await db.execute(text("SELECT 1"))
        await served.post("/demo/faults/small-pool")
        await asyncio.sleep(0)
        assert (await db.execute(text("SELECT 2"))).scalar_one() == 2


async def test_the_small_pool_is_there_from_the_start(shared_url: str, serve: Serve) -> None:
    async with serve(shared_url, faults=frozenset({Fault.SMALL_POOL})) as served:
        assert served.demo.sessions.size == SMALL_POOL


# blocking-call


async def longest_stall_s(served: Served, path: str) -> float:
    """The longest time that nobody else had a turn while *path* was answered."""
    longest_s = 0.0

    async def others() -> None:
        nonlocal longest_s
        last_s = monotonic()
        while True:
            await asyncio.sleep(0)
            now_s = monotonic()
            longest_s, last_s = max(longest_s, now_s - last_s), now_s

    running = asyncio.create_task(others())
    await served.get(path)
    running.cancel()
    return longest_s


async def test_a_blocking_call_lets_nobody_else_have_a_turn(served: Served) -> None:
    path = "/api/v1/conversations/1/messages"
    await served.get(path)
    healthy_s = min([await longest_stall_s(served, path) for _ in range(3)])
    await served.post("/demo/faults/blocking-call")
    faulty_s = min([await longest_stall_s(served, path) for _ in range(3)])
    assert faulty_s >= BLOCKING_S
    assert healthy_s < faulty_s


async def test_a_blocking_call_is_named_with_its_file_and_line(served: Served) -> None:
    await served.post("/demo/faults/blocking-call")
    found: list[BlockingCall] = []
    while not found or found[0].count < 3:  # the watchdog of a busy machine may miss one
        await served.get("/api/v1/conversations/1/messages")
        calls = await served.demo.monitor.blocking_calls()
        found = [one for one in calls if one.place.endswith("_ask_moderation")]
    lines, first = inspect.getsourcelines(routes._ask_moderation)
    line = first + next(number for number, text in enumerate(lines) if "time.sleep" in text)
    assert found[0].place.endswith(f"demo/routes.py:{line} _ask_moderation")


# leaking-cache


async def grown_bytes(served: Served, path: str) -> int:
    """How much more memory is held after some requests, garbage aside."""
    await served.get(path)
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(20):
        await served.get(path)
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before


async def test_a_leaking_cache_grows_with_each_search_until_it_is_healed(served: Served) -> None:
    path = "/api/v1/search?q=invoice"
    tracemalloc.start()
    try:
        healthy_bytes = await grown_bytes(served, path)
        await served.post("/demo/faults/leaking-cache")
        faulty_bytes = await grown_bytes(served, path)
        assert len(served.demo.cache.kept) == 21
        await served.client.delete("/demo/faults/leaking-cache")
        assert not served.demo.cache.kept
    finally:
        tracemalloc.stop()
    assert faulty_bytes > 20 * 10_000
    assert faulty_bytes > 5 * healthy_bytes


# slow-task


async def test_a_slow_task_takes_seconds_and_the_others_do_not_wait(
    own_url: str, serve: Serve
) -> None:
    async with serve(own_url, faults=frozenset({Fault.SLOW_TASK})) as served:
        path = "/api/v1/agents/1/tasks"
        slow = await served.post(path, {"kind": "research", "title": "x", "topic": "invoice"})
        quick = await served.post(path, {"kind": "notify", "title": "x"})
        workers = served.demo.workers
        assert await asyncio.gather(workers.do_one(), workers.do_one()) == [True, True]
        took_s = {}
        for task in (slow, quick):
            done = await served.get(f"/api/v1/tasks/{task['id']}")
            started = next(one for one in done["events"] if one["event"] == "started")
            ended = datetime.fromisoformat(done["finished_at"])
            took_s[task["id"]] = (
                ended - datetime.fromisoformat(started["created_at"])
            ).total_seconds()
    assert took_s[slow["id"]] >= SLOW_TASK_S > took_s[quick["id"]]


def test_the_faults_are_named_as_people_write_them() -> None:
    assert json.dumps([*Fault]) == json.dumps(
        [
            "missing-index",
            "n-plus-one",
            "small-pool",
            "blocking-call",
            "leaking-cache",
            "starved-pool",
            "cpu-burn",
            "row-lock",
            "slow-http",
            "http-loop",
            "async-lock",
            "slow-task",
        ]
    )
