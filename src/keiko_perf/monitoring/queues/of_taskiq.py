"""
taskiq: a middleware, which its brokers call around each task, and for each message that is sent.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from keiko_perf.errors import Unavailable
from keiko_perf.monitoring.tasks import Run

if TYPE_CHECKING:
    from keiko_perf.monitoring.monitor import PerformanceMonitor

_LABEL = "keiko_perf_queued_at"
_MAX_RUNNING = 10_000


def taskiq_middleware(monitor: PerformanceMonitor) -> Any:
    """
    The middleware: `broker.add_middlewares(taskiq_middleware(monitor))`, before any that retries.

    A message that is sent gets a label that says when. In a worker the monitor starts and stops
    with the broker.

    Raises:
        Unavailable: taskiq is not installed.
    """
    try:
        from taskiq import TaskiqMiddleware
        from taskiq.exceptions import NoResultError
    except ImportError as error:
        raise Unavailable(
            "the package taskiq is not installed here", cure="pip install taskiq"
        ) from error

    class Watch(TaskiqMiddleware):
        def __init__(self) -> None:
            super().__init__()
            self._running: dict[str, Run] = {}

        async def startup(self) -> None:
            if self.broker.is_worker_process:
                monitor.start()

        async def shutdown(self) -> None:
            if self.broker.is_worker_process:
                await monitor.stop()

        def pre_send(self, message: Any) -> Any:
            message.labels[_LABEL] = monitor.now().isoformat()
            monitor.task.queued()
            return message

        def pre_execute(self, message: Any) -> Any:
            if len(self._running) < _MAX_RUNNING:
                run = monitor.task.run(message.task_name, queued_at=_queued_at(message))
                self._running[message.task_id] = run.start()
            return message

        def post_execute(self, message: Any, result: Any) -> None:
            run = self._running.pop(message.task_id, None)
            if run is None:
                return
            # What a retry middleware leaves in place of the error of a task that it sends again.
            if isinstance(result.error, NoResultError):
                run.retry()
            else:
                run.finish(failed=bool(result.is_err))

    return Watch()


def _queued_at(message: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(message.labels.get(_LABEL)))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
