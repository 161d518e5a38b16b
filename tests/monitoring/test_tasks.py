from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from inspect import iscoroutinefunction, signature
from typing import Any

import httpx
import pytest
from fastapi import BackgroundTasks, FastAPI

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import OTHER, Gauge, Kind, Outcome, Snapshot, Target
from keiko_perf.model.kpi import TASK_FAILURE_RATIO, TASKS_PER_MINUTE
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.tasks import Tasks

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now_at=NOON)


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock=clock, now=clock.now)


@pytest.fixture
def task(recorder: Recorder) -> Tasks:
    return Tasks(recorder)


def counts(recorder: Recorder) -> dict[str, tuple[int, int]]:
    return {one.name: (one.count, one.errors) for one in recorder.peek().of(Kind.TASK)}


async def test_an_async_task_is_timed_and_hands_back_its_result(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    @task
    async def reindex(agent_id: int, *, deep: bool = False) -> tuple[int, bool]:
        clock.advance(2.5)
        return agent_id, deep

    assert await reindex(7, deep=True) == (7, True)
    (series,) = recorder.peek().of(Kind.TASK)
    assert (series.name, series.succeeded.max_s) == ("reindex", 2.5)
    assert iscoroutinefunction(reindex)
    assert list(signature(reindex).parameters) == ["agent_id", "deep"]


def test_a_sync_task_is_timed_too(task: Tasks, recorder: Recorder, clock: FakeClock) -> None:
    @task(name="mail")
    def send_mail() -> str:
        clock.advance(0.5)
        return "sent"

    assert send_mail() == "sent"
    (series,) = recorder.peek().of(Kind.TASK)
    assert (series.name, series.succeeded.max_s) == ("mail", 0.5)


def test_a_method_is_named_with_its_class(task: Tasks, recorder: Recorder) -> None:
    class Mailer:
        @task
        def send(self) -> None: ...

    Mailer().send()
    assert counts(recorder) == {"Mailer.send": (1, 0)}


async def test_an_object_that_is_called_asynchronously_is_awaited(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    class Job:
        async def __call__(self) -> None:
            clock.advance(1)

    await task(Job())()
    assert recorder.peek().whole(Kind.TASK).succeeded.max_s == 1
    assert counts(recorder) == {"Job": (1, 0)}


async def test_an_exception_is_a_failure_and_goes_on_its_way(
    task: Tasks, recorder: Recorder
) -> None:
    @task
    async def breaks() -> None:
        raise KeyError("missing")

    with pytest.raises(KeyError, match="missing"):
        await breaks()
    with pytest.raises(KeyError), task.run("block"):
        raise KeyError
    assert counts(recorder) == {"breaks": (1, 1), "block": (1, 1)}


async def test_a_cancelled_task_neither_succeeded_nor_failed(
    task: Tasks, recorder: Recorder
) -> None:
    @task
    async def waits() -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(waits())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert counts(recorder) == {}
    assert recorder.peek().counters == {"tasks_queued": 1, "tasks_cancelled": 1}


async def test_tasks_that_overlap_do_not_disturb_each_other(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    first, second = asyncio.Event(), asyncio.Event()

    @task
    async def waits(event: asyncio.Event) -> None:
        await event.wait()

    running = [asyncio.create_task(waits(event)) for event in (first, second)]
    await asyncio.sleep(0)
    for event in (first, second):
        clock.advance(1)
        event.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*running)
    series = recorder.peek().whole(Kind.TASK).succeeded
    assert (series.min_s, series.max_s) == (1, 2)


def test_tasks_in_threads_are_counted(task: Tasks, recorder: Recorder) -> None:
    @task
    def work(number: int) -> int:
        return number

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(500))) == 124_750
    assert counts(recorder) == {"work": (500, 0)}


def test_a_run_from_a_queue_tells_how_long_it_waited(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    task.queued(2)
    clock.advance(3)
    with task.run("job", queued_at=NOON):
        clock.advance(1)
    with task.run("job", queued_at=NOON + timedelta(hours=1)):  # another machine's clock
        pass
    snapshot = recorder.peek()
    assert snapshot.counters == {"tasks_queued": 2}
    assert snapshot.gauges == {"task_wait_s": Gauge(3.0, 2, 3.0)}
    assert counts(recorder) == {"job": (2, 0)}


def test_a_decorated_task_finds_in_its_arguments_when_it_was_queued(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    @task(queued_at=lambda job, **_: job["queued_at"])
    def handle(job: dict[str, datetime], *, quick: bool) -> None: ...

    clock.now_s = 4
    handle({"queued_at": NOON}, quick=True)
    assert recorder.peek().gauges["task_wait_s"].mean == 4
    assert recorder.peek().counters == {}


def test_a_queue_that_grows_misses_its_target_and_a_quiet_one_does_not(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    target = Target(kpi=TASKS_PER_MINUTE, at_least=500.0)
    task.queued(100)
    for _ in range(100):
        with task.run("job", queued_at=clock.now()):
            pass
    clock.advance(60)
    quiet = recorder.snapshot()
    task.queued(400)
    for _ in range(100):
        with task.run("job", queued_at=clock.now()):
            pass
    clock.advance(60)
    growing = recorder.snapshot()
    assert target.judge(quiet).outcome is Outcome.MET
    assert target.judge(growing).outcome is Outcome.MISSED


def test_a_function_that_is_queued_now_tells_how_long_it_waited(
    task: Tasks, recorder: Recorder, clock: FakeClock
) -> None:
    @task(name="mail")
    def send_mail(to: str) -> str:
        clock.advance(0.5)
        return to

    queued = [task.later(send_mail), task.later(str.upper, name="other")]
    clock.advance(2)
    assert [one("a") for one in queued] == ["a", "A"]
    found = recorder.peek()
    assert counts(recorder) == {"mail": (1, 0), "other": (1, 0)}
    assert {one.name: one.succeeded.max_s for one in found.of(Kind.QUEUE)} == {
        "mail": 2.0,
        "other": 2.5,
    }
    assert found.counters == {"tasks_queued": 2}


def test_background_tasks_of_an_application_tell_all_that_is_asked_of_tasks(serve: Any) -> None:
    """Duration, wait in the queue, failures and retries, of real ones behind a real server."""
    monitor = PerformanceMonitor(window_s=60)
    app = FastAPI()
    monitor.install(app)
    done: list[str] = []

    @monitor.task
    async def reindex(agent: str) -> None:
        await asyncio.sleep(0.05)
        done.append(agent)

    @monitor.task(name="mail")
    def send_mail(to: str) -> None:  # in a thread
        done.append(to)
        raise ConnectionError("no route")

    @monitor.task
    async def push(agent: str) -> None:
        for _ in range(2):  # does not get through
            monitor.task.retried()
            await asyncio.sleep(0)
        done.append(agent)

    @app.post("/agents/{agent}")
    async def change(agent: str, background: BackgroundTasks) -> dict[str, str]:
        background.add_task(reindex, agent)
        background.add_task(monitor.task.later(push), agent)
        background.add_task(monitor.task.later(send_mail), "a@example.com")
        return {"agent": agent}

    with serve(app) as url:
        for agent in ("7", "8"):
            assert httpx.post(f"{url}/agents/{agent}").json() == {"agent": agent}
    # The server has waited for them before it went.
    start_at = datetime(2000, 1, 1, tzinfo=UTC)
    found = Snapshot.merged(monitor.store.between(start_at, start_at + timedelta(days=36500)))
    assert found is not None
    assert sorted(done) == ["7", "7", "8", "8", "a@example.com", "a@example.com"]
    tasks = {one.name: one for one in found.of(Kind.TASK)}
    assert {name: (one.count, one.errors) for name, one in tasks.items()} == {
        "reindex": (2, 0),
        "push": (2, 0),
        "mail": (2, 2),
    }
    shortest_s = tasks["reindex"].succeeded.min_s
    assert shortest_s is not None
    assert shortest_s >= 0.045  # a loop may wake up some of its clock's ticks early
    waits = {one.name: one.succeeded for one in found.of(Kind.QUEUE)}
    assert {name: one.count for name, one in waits.items()} == {"push": 2, "mail": 2}
    assert (waits["push"].min_s or 0.0) >= 0.04, "they are run one after the other"
    assert found.counters["tasks_retried"] == 4
    assert found.counters["tasks_queued"] == 6
    assert TASK_FAILURE_RATIO.read(found, None).value == pytest.approx(2 / 6)
    (route,) = found.of(Kind.ROUTE)
    assert (route.name, route.count, route.errors) == ("POST /agents/{agent}", 2, 0)


def test_names_are_bounded() -> None:
    recorder = Recorder(max_series=2)
    task = Tasks(recorder)
    for number in range(5):
        with task.run(f"job {number}"):
            pass
    assert counts(recorder) == {"job 0": (1, 0), "job 1": (1, 0), OTHER: (3, 0)}


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [generator, async_generator])
def test_a_generator_is_refused(task: Tasks, function: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="is a generator") as refused:
        task(function)
    assert "with monitor.task.run" in refused.value.cure


def test_a_time_without_a_zone_is_refused(task: Tasks) -> None:
    with pytest.raises(UsageError, match="no time zone") as refused:
        task.run("job", queued_at=NOON.replace(tzinfo=None))
    assert "UTC" in refused.value.cure
