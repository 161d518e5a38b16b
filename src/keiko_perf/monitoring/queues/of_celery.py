"""
Celery: its signals, which tell of each task in the worker, and of each message that is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

from keiko_perf.errors import Unavailable
from keiko_perf.monitoring.tasks import Run

if TYPE_CHECKING:
    from keiko_perf.monitoring.monitor import PerformanceMonitor

_HEADER = "keiko_perf_queued_at"
_MAX_RUNNING = 10_000
"""Runs that began and have not ended; a worker that loses more than that loses count."""


def watch_celery(monitor: PerformanceMonitor) -> Callable[[], None]:
    """
    Watch all tasks of the Celery applications of this process: in the worker that runs them, and in
    the service that sends them.

        monitor = PerformanceMonitor(store="keiko-perf.db")
        watch_celery(monitor)

    A message that is sent gets a header that says when. In a worker the monitor ticks in a thread
    of its own, in each process of its pool. Where tasks run in threads it is the same.

    Returns:
        What ends the watch.

    Raises:
        Unavailable: Celery is not installed.
    """
    try:
        from celery import signals
    except ImportError as error:
        raise Unavailable(
            "the package celery is not installed here", cure="pip install celery"
        ) from error

    watch = _Watch(monitor)
    pairs = [
        (signals.before_task_publish, watch.sent),
        (signals.task_prerun, watch.began),
        (signals.task_postrun, watch.ended),
        (signals.worker_process_init, watch.start),  # of each process of a pool
        (signals.worker_ready, watch.start),
        (signals.worker_process_shutdown, watch.stop),
        (signals.worker_shutdown, watch.stop),
    ]
    for signal, receiver in pairs:
        signal.connect(receiver, weak=False)

    def end() -> None:
        for signal, receiver in pairs:
            signal.disconnect(receiver)
        watch.stop()

    return end


class _Watch:
    def __init__(self, monitor: PerformanceMonitor) -> None:
        self._monitor = monitor
        self._running: dict[str, Run] = {}
        self._ticking: ExitStack | None = None

    def sent(self, headers: dict[str, Any] | None = None, **_: Any) -> None:
        if headers is not None:
            headers[_HEADER] = self._monitor.now().isoformat()
        self._monitor.task.queued()

    def began(self, task_id: str = "", task: Any = None, **_: Any) -> None:
        if len(self._running) < _MAX_RUNNING:
            queued_at = _queued_at(task.request)
            self._running[task_id] = self._monitor.task.run(task.name, queued_at=queued_at).start()

    def ended(self, task_id: str = "", state: str | None = None, **_: Any) -> None:
        run = self._running.pop(task_id, None)
        if run is None:
            return
        if state == "RETRY":
            run.retry()
        elif state in ("REVOKED", "IGNORED", "REJECTED"):
            run.cancel()
        else:
            run.finish(failed=state == "FAILURE")

    def start(self, **_: Any) -> None:
        if self._ticking is None:
            self._ticking = ExitStack()
            self._ticking.enter_context(self._monitor.ticking_in_thread())

    def stop(self, **_: Any) -> None:
        stack, self._ticking = self._ticking, None
        if stack is not None:
            stack.close()


def _queued_at(request: Any) -> datetime | None:
    # Celery's second protocol hands on headers that it does not know as attributes, or in a dict.
    at = getattr(request, _HEADER, None) or (getattr(request, "headers", None) or {}).get(_HEADER)
    try:
        found = datetime.fromisoformat(at) if isinstance(at, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
