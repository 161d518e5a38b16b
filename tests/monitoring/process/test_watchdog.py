"""What holds the event loop is found with file and line, and who waits his turn is not blamed."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from fastapi import FastAPI
from sqlalchemy.util import greenlet_spawn

from keiko_perf.model import BlockingCall
from keiko_perf.monitoring import PerformanceMonitor, SqliteStore
from keiko_perf.monitoring.process.greenlets import note_greenlet
from keiko_perf.monitoring.process.watchdog import watching
from keiko_perf.monitoring.recorder import Recorder

HERE = "tests/monitoring/process/test_watchdog.py"
AFTER_S = 0.05


def compute(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def sleeps() -> None:
    time.sleep(0.2)  # noqa: ASYNC251 - what is to be found


async def calls_one_that_sleeps() -> None:
    await sleeps()


async def computes() -> None:
    compute(0.2)


async def lets_nobody_look() -> None:
    # Catastrophic on purpose: C code that keeps the interpreter to itself for a tenth of a
    # second and more, however fast the machine is: it is made longer until it takes that long.
    for length in range(18, 40):
        began_s = time.thread_time()
        re.match(r"(a+)+$", "a" * length + "b")
        if time.thread_time() - began_s > 0.16:  # the clocks differ by some µs
            return


def line_of(function: Callable[..., Any], text: str) -> int:
    lines, first = inspect.getsourcelines(function)
    return first + next(number for number, line in enumerate(lines) if text in line)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def held_by(
    request: pytest.FixtureRequest,
) -> Callable[[Callable[[], Awaitable[object]]], tuple[BlockingCall, ...]]:
    """
    What is found while an async function runs in a loop of its own. What should be found *often*
    times is looked for again where a busy machine gave the watchdog no processor meanwhile.
    """

    def find(function: Callable[[], Awaitable[object]], often: int = 1) -> tuple[BlockingCall, ...]:
        for _ in range(5):
            found = find_once(function)
            if sum(call.count for call in found) >= often:
                break
        return found

    def find_once(function: Callable[[], Awaitable[object]]) -> tuple[BlockingCall, ...]:
        recorder = Recorder()

        async def scenario() -> None:
            with watching(recorder, after_s=AFTER_S):
                # The watchdog is to have looked before, as it has wherever it matters.
                await asyncio.sleep(2 * AFTER_S)
                await asyncio.ensure_future(function())
                await asyncio.sleep(2 * AFTER_S)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scenario())
        return recorder.peek().blocking

    return find


def test_a_sleep_in_an_async_function_is_found_with_its_file_and_line(held_by: Any) -> None:
    (call,) = held_by(calls_one_that_sleeps)
    line = line_of(sleeps, "time.sleep")
    assert call.place.endswith(f"test_watchdog.py:{line} sleeps")
    assert call.stack[-1] == call.place
    outer = line_of(calls_one_that_sleeps, "await sleeps()")
    assert call.stack[-2].endswith(f"test_watchdog.py:{outer} calls_one_that_sleeps")
    assert call.count == 1
    assert AFTER_S <= call.total_s == call.longest_s <= 0.25
    assert call.computed_s is not None
    assert call.computed_s < call.total_s / 2


def test_what_computes_is_told_from_what_waits(held_by: Any) -> None:
    (call,) = held_by(computes)
    assert call.place.endswith(" compute")
    assert call.computed_s > call.total_s / 2


def test_two_that_hold_the_loop_in_one_step_are_told_apart(held_by: Any) -> None:
    async def both() -> None:
        await sleeps()
        await computes()

    found = {call.place.rpartition(" ")[2]: call for call in held_by(both, often=2)}
    assert set(found) == {"sleeps", "compute"}
    assert found["sleeps"].computed_s < found["sleeps"].total_s / 2
    assert found["compute"].computed_s > found["compute"].total_s / 2


def test_code_that_lets_nobody_look_is_found_when_it_ends(held_by: Any) -> None:
    (call,) = held_by(lets_nobody_look)
    assert call.place.endswith(f":{line_of(lets_nobody_look, 're.match')} lets_nobody_look")
    assert call.total_s >= 0.1


def test_a_callback_without_a_task_is_found_too(held_by: Any) -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().call_soon(time.sleep, 0.2)
        asyncio.get_running_loop().call_soon(lambda: time.sleep(0.2))
        await asyncio.sleep(0.01)

    # A function of C that the loop calls itself leaves no frame, and so no name.
    (call,) = held_by(scenario)
    assert call.place.endswith(" <lambda>")


def test_a_thousand_short_steps_are_nobodys_fault(held_by: Any) -> None:
    async def short() -> None:
        compute(0.001)

    async def scenario() -> None:
        await asyncio.gather(*(short() for _ in range(300)))

    assert held_by(scenario, often=0) == ()


def test_neither_is_one_task_that_lets_others_have_their_turn(held_by: Any) -> None:
    async def scenario() -> None:
        for _ in range(300):
            compute(0.001)
            await asyncio.sleep(0)

    assert held_by(scenario, often=0) == ()


def test_nor_a_loop_that_sleeps(held_by: Any) -> None:
    assert held_by(lambda: asyncio.sleep(0.3), often=0) == ()


def test_the_same_place_is_one_call_seen_often(held_by: Any) -> None:
    async def scenario() -> None:
        for _ in range(3):
            await sleeps()
            await asyncio.sleep(0.01)

    (call,) = held_by(scenario, often=3)
    assert call.count == 3
    assert call.total_s > call.longest_s


def test_with_a_library_in_between_the_applications_own_line_is_blamed(held_by: Any) -> None:
    async def asks() -> None:
        threading.Event().wait(0.2)

    (call,) = held_by(asks)
    assert call.place.endswith(" asks")
    assert "threading.py" in call.stack[-1]


LIBRARY = """
def loads(note, wait):
    note()
    wait(0.2)
"""


def test_of_a_greenlet_the_line_that_awaits_it_is_blamed(held_by: Any) -> None:
    library: dict[str, Any] = {}
    exec(compile(LIBRARY, "/x/site-packages/orm.py", "exec"), library)  # noqa: S102  # our own

    async def asks() -> None:
        await greenlet_spawn(library["loads"], note_greenlet, threading.Event().wait)

    (call,) = held_by(asks)
    place = f"{HERE}:{line_of(asks, 'await')} asks"
    assert call.place.endswith(place.rpartition("/")[2])
    below = call.stack[call.stack.index(call.place) + 1 :]
    assert any(one.endswith("orm.py:4 loads") for one in below)
    assert below[0].endswith("greenlet_spawn")


def test_a_greenlet_that_ended_long_ago_tells_nothing(held_by: Any) -> None:
    async def asks() -> None:
        await greenlet_spawn(note_greenlet)
        await sleeps()

    (call,) = held_by(asks)
    assert call.place.endswith(" sleeps")


async def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with watching(Recorder(), after_s=AFTER_S):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    with watching(Recorder(), after_s=None):
        assert threading.active_count() == before


def test_a_loop_that_is_closed_underneath_ends_the_watch() -> None:
    loop = asyncio.new_event_loop()

    async def begin() -> Any:
        watch = watching(Recorder(), after_s=0.01)
        watch.__enter__()
        return watch

    watch = loop.run_until_complete(begin())
    (thread,) = (one for one in threading.enumerate() if one.name == "keiko-perf watchdog")
    loop.close()
    compute(0.1)
    watch.__exit__(None, None, None)
    thread.join()


async def test_any_worker_tells_what_held_another(tmp_path: Path) -> None:
    """Two monitors on one store stand for two workers."""
    path = tmp_path / "store.db"
    blocked = PerformanceMonitor(store=path, window_s=0.2, metrics_window_s=1.0, notify=())
    blocked.recorder._worker = "another"
    blocked.start()
    calls: tuple[BlockingCall, ...] = ()
    while not calls:  # a machine that gives the watchdog no processor hides a single one
        await asyncio.sleep(0.1)
        await sleeps()
        await asyncio.sleep(0.1)
        calls = await blocked.blocking_calls()
    (seen,) = calls
    await blocked.stop()
    asked = PerformanceMonitor(store=SqliteStore(path), notify=())
    (call,) = await asked.blocking_calls()
    assert call.place == seen.place
    assert call.count >= seen.count
    assert call.place.endswith(" sleeps")
    assert await asked.blocking_calls(within_s=1e-6) == ()
    asked.store.close()


def test_a_handler_of_a_real_service_is_found(serve: Any) -> None:
    app = FastAPI()
    monitor = PerformanceMonitor(notify=())
    monitor.install(app)

    @app.get("/report")
    async def report() -> str:
        time.sleep(0.2)  # noqa: ASYNC251 - what is to be found
        return "done"

    import httpx

    with serve(app) as url, httpx.Client(base_url=url, timeout=30) as http:
        for _ in range(3):
            assert http.get("/report").status_code == 200
        while not (calls := monitor.recorder.peek().blocking):
            time.sleep(0.01)
    assert calls[0].place.endswith(" report")
    assert f"{HERE}:{line_of(report, 'time.sleep')}" in calls[0].place
