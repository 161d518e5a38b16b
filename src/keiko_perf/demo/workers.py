"""
Background workers: they take queued tasks from PostgreSQL and do them.

Several workers, also of several processes, share one queue: `FOR UPDATE SKIP LOCKED` gives each a
task of its own. A task is taken for a while only. If its worker dies, it is ready again after
that: it is done at least once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from keiko_perf.demo.faults import Faults
from keiko_perf.demo.schema import QueuedTask, Task, TaskEvent
from keiko_perf.demo.sessions import Sessions
from keiko_perf.demo.work import Result, TaskFailed, Work, work_of
from keiko_perf.monitoring import PerformanceMonitor

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 3
_LOOKS_EVERY_S = 1.0
_LAST_WORDS_S = 3.0
"""How long tasks under way may take once the service stops."""

_LOST = (OperationalError, InterfaceError, PoolTimeout)
"""What is raised when the database, and not the work, is the trouble."""

_log = logging.getLogger("keiko_perf.demo")


class Workers:
    """
    Args:
        sessions: where the queue is.
        monitor: counts and times the tasks.
        faults: which of them are on.
        count: how many tasks are done at a time.
    """

    def __init__(
        self, sessions: Sessions, monitor: PerformanceMonitor, faults: Faults, *, count: int
    ) -> None:
        self._sessions = sessions
        self._count = count
        self._work: Mapping[str, Work] = {
            kind: monitor.task(name=kind, queued_at=_queued_at)(work)
            for kind, work in work_of(faults).items()
        }
        self._queued = asyncio.Event()
        self._stopping = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work."""
        self._running = [
            asyncio.create_task(self._run(), name=f"worker {number}")
            for number in range(self._count)
        ]

    def wake(self) -> None:
        """A task was queued: look at once."""
        self._queued.set()

    async def stop(self) -> None:
        """Take no more tasks, and finish those under way if they don't take long."""
        self._stopping.set()
        self._queued.set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_LAST_WORDS_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not await self.do_one():
                    await self._until_queued()
            except _LOST as error:
                # The database may come back; a task that was taken is ready again after its lease.
                _log.warning("a worker lost the database: %s", type(error).__name__)
                await self._until_queued()

    async def _until_queued(self) -> None:
        """Wait for a task, or for a while: another process may have queued one."""
        if self._stopping.is_set():
            return
        self._queued.clear()
        try:
            await asyncio.wait_for(self._queued.wait(), _LOOKS_EVERY_S)
        except TimeoutError:
            return

    async def do_one(self) -> bool:
        """Take a task and do it; whether there was one."""
        async with self._sessions() as db:
            task = await take(db)
        if task is None:
            return False
        try:
            async with self._sessions() as db:
                await _finish(db, task, await self._work[task.kind](db, task))
        except TaskFailed as error:
            await self._give_up(task, str(error))
        except _LOST:
            raise
        except Exception as error:  # a bug in the work: it is logged, and others go on
            _log.exception("task %d failed", task.id)
            if task.attempts >= MOST_ATTEMPTS:
                await self._give_up(task, type(error).__name__)
        return True

    async def _give_up(self, task: Task, reason: str) -> None:
        async with self._sessions() as db:
            await _close(db, task, status="failed", detail=reason, result=None)


def _queued_at(_db: AsyncSession, task: Task) -> datetime:
    return task.created_at


async def take(db: AsyncSession) -> Task | None:
    """The next task, taken for a while; None if none is ready."""
    ready = (
        select(QueuedTask.task_id)
        .where(QueuedTask.ready_at <= func.now())
        .order_by(QueuedTask.ready_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    task_id = await db.scalar(
        update(QueuedTask)
        .where(QueuedTask.task_id == ready)
        .values(ready_at=func.now() + LEASE)
        .returning(QueuedTask.task_id)
    )
    if task_id is None:
        return None
    task = await db.scalar(
        update(Task)
        .where(Task.id == task_id)
        .values(status="running", attempts=Task.attempts + 1)
        .returning(Task)
    )
    db.add(TaskEvent(task_id=task_id, event="started"))
    await db.commit()
    return task


async def _finish(db: AsyncSession, task: Task, result: Result) -> None:
    await _close(db, task, status="succeeded", detail=None, result=result)


async def _close(
    db: AsyncSession, task: Task, *, status: str, detail: str | None, result: Result | None
) -> None:
    """Write down how it ended, and take it off the queue."""
    await db.execute(
        update(Task)
        .where(Task.id == task.id)
        .values(status=status, result=result, finished_at=func.now())
        .execution_options(synchronize_session=False)
    )
    db.add(TaskEvent(task_id=task.id, event=status, detail=detail))
    await db.execute(delete(QueuedTask).where(QueuedTask.task_id == task.id))
    await db.commit()
