"""Tasks of arq, Celery and taskiq, run by these themselves, and what the monitor says of them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind, Snapshot
from keiko_perf.monitoring import (
    PerformanceMonitor,
    SqliteStore,
    taskiq_middleware,
    watch_arq,
    watch_celery,
)


@pytest.fixture
def monitor() -> PerformanceMonitor:
    return PerformanceMonitor(notify=())


def counts(monitor: PerformanceMonitor, kind: Kind = Kind.TASK) -> dict[str, tuple[int, int]]:
    series = monitor.recorder.peek().of(kind)
    return {re.split(r"[.:]", one.name)[-1]: (one.count, one.errors) for one in series}


def counters(monitor: PerformanceMonitor) -> dict[str, int]:
    return dict(monitor.recorder.peek().counters)


# arq


@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")  # arq's own
async def test_jobs_of_a_real_arq_worker_are_watched(
    monitor: PerformanceMonitor, redis_port: int
) -> None:
    arq = pytest.importorskip("arq")
    from arq.connections import RedisSettings
    from arq.worker import Retry, Worker, func

    tries: list[int] = []

    async def works(_ctx: dict[Any, Any], number: int) -> int:
        return number + 1

    async def breaks(_ctx: dict[Any, Any]) -> None:
        raise RuntimeError("it broke")

    async def tries_again(ctx: dict[Any, Any]) -> None:
        tries.append(ctx["job_try"])
        if len(tries) < 3:
            raise Retry(defer=0)

    settings = RedisSettings("127.0.0.1", redis_port)
    pool = await arq.create_pool(settings)
    jobs = [
        await pool.enqueue_job(works.__qualname__, 41),
        await pool.enqueue_job(breaks.__qualname__),
        await pool.enqueue_job("renamed"),
    ]
    monitor.task.queued(3)
    worker = Worker(
        functions=watch_arq(monitor.task, [works, breaks, func(tries_again, name="renamed")]),
        redis_settings=settings,
        burst=True,
        poll_delay=0.01,
        handle_signals=False,
    )
    await worker.async_run()
    assert jobs[0] is not None
    assert await jobs[0].result(timeout=5) == 42
    assert tries == [1, 2, 3]
    await worker.close()
    await pool.aclose()
    assert counts(monitor) == {"works": (1, 0), "breaks": (1, 1), "renamed": (1, 0)}
    assert counters(monitor) == {"tasks_queued": 3, "tasks_retried": 2}
    waits = counts(monitor, Kind.QUEUE)
    assert waits == {"works": (1, 0), "breaks": (1, 0), "renamed": (3, 0)}


async def test_a_job_that_is_cancelled_is_neither(monitor: PerformanceMonitor) -> None:
    async def waits(_ctx: dict[Any, Any]) -> None:
        await asyncio.Event().wait()

    (watched,) = watch_arq(monitor.task, [waits])
    ctx = {"enqueue_time": datetime.now(UTC) - timedelta(seconds=3)}
    running = asyncio.create_task(watched(ctx))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert counts(monitor) == {}
    assert counters(monitor) == {"tasks_cancelled": 1}
    waited = monitor.recorder.peek().whole(Kind.QUEUE).succeeded.max_s
    assert waited == pytest.approx(3, abs=1)


def test_what_arq_does_not_run_is_refused(monitor: PerformanceMonitor) -> None:
    with pytest.raises(UsageError, match="does not run a str"):
        watch_arq(monitor.task, ["works"])


# Celery


CELERY = """
import sys
import celery
from celery.contrib.testing.worker import start_worker
from keiko_perf.monitoring import PerformanceMonitor, watch_celery

app = celery.Celery("tests", broker="memory://", backend="cache+memory://")
app.conf.worker_hijack_root_logger = False
tries = []

@app.task(name="works")
def works(number):
    return number + 1

@app.task(name="breaks")
def breaks():
    raise RuntimeError("it broke")

@app.task(name="tries_again", bind=True, max_retries=5)
def tries_again(self):
    tries.append(self.request.retries)
    if len(tries) < 3:
        raise self.retry(countdown=0)
    return "done"

end = watch_celery(PerformanceMonitor(store=sys.argv[1], notify=()))
with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=60):
    assert works.delay(41).get(timeout=60) == 42
    assert isinstance(breaks.delay().get(timeout=60, propagate=False), RuntimeError)
    assert tries_again.delay().get(timeout=60) == "done"
end()
"""


def test_tasks_of_a_real_celery_worker_are_watched_and_kept(tmp_path: Path) -> None:
    """In a process of its own, for it leaves open what it opens; the monitor ticks in a thread."""
    path = tmp_path / "store.db"
    command = [sys.executable, "-c", CELERY, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    now = datetime.now(UTC)
    windows = SqliteStore(path).between(now - timedelta(minutes=5), now)
    seen = Snapshot.merged(windows)
    assert seen is not None
    told = {(one.kind, one.name): (one.count, one.errors) for one in seen.series}
    assert told == {
        (Kind.TASK, "works"): (1, 0),
        (Kind.TASK, "breaks"): (1, 1),
        (Kind.TASK, "tries_again"): (1, 0),
        (Kind.QUEUE, "works"): (1, 0),
        (Kind.QUEUE, "breaks"): (1, 0),
        (Kind.QUEUE, "tries_again"): (3, 0),
    } | {key: value for key, value in told.items() if key[0] is Kind.GC}
    assert seen.counters == {"tasks_queued": 5, "tasks_retried": 2}


def test_once_the_watch_is_ended_nothing_is_told_any_more(monitor: PerformanceMonitor) -> None:
    celery = pytest.importorskip("celery")
    app = celery.Celery("tests", broker="memory://")
    app.conf.task_always_eager = True

    @app.task
    def works() -> int:
        return 7

    end = watch_celery(monitor)
    assert works.delay().get() == 7
    end()
    assert works.delay().get() == 7
    assert counts(monitor) == {"works": (1, 0)}


def test_a_program_without_an_event_loop_ticks_in_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    monitor = PerformanceMonitor(store=path, window_s=0.05, metrics_window_s=1.0, notify=())
    with monitor.ticking_in_thread():
        with monitor.task.run("nightly"):
            pass
        while monitor.statistics().ticks < 2:
            time.sleep(0.01)
    other = PerformanceMonitor(store=path, notify=())
    now = datetime.now(UTC)
    windows = other.store.between(now - timedelta(minutes=1), now)
    assert sum(one.whole(Kind.TASK).count for one in windows) == 1
    other.store.close()


# taskiq


async def test_tasks_of_a_taskiq_broker_are_watched(monitor: PerformanceMonitor) -> None:
    taskiq = pytest.importorskip("taskiq")
    broker = taskiq.InMemoryBroker().with_middlewares(
        taskiq_middleware(monitor), taskiq.SimpleRetryMiddleware(default_retry_count=5)
    )
    tries: list[int] = []

    @broker.task
    async def works(number: int) -> int:
        return number + 1

    @broker.task
    async def breaks() -> None:
        raise RuntimeError("it broke")

    @broker.task(retry_on_error=True)
    async def tries_again() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return "done"

    await broker.startup()
    task = await works.kiq(41)
    assert (await task.wait_result(timeout=30)).return_value == 42
    assert (await (await breaks.kiq()).wait_result(timeout=30)).is_err
    await tries_again.kiq()
    while counts(monitor).get("tries_again") is None:  # noqa: ASYNC110 - a broker has no event
        await asyncio.sleep(0.01)
    await broker.shutdown()
    assert counts(monitor) == {"works": (1, 0), "breaks": (1, 1), "tries_again": (1, 0)}
    assert counts(monitor, Kind.QUEUE) == {
        "works": (1, 0),
        "breaks": (1, 0),
        "tries_again": (3, 0),
    }
    assert counters(monitor) == {"tasks_queued": 5, "tasks_retried": 2}
