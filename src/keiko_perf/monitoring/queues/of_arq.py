"""
arq: its functions, wrapped. The worker's hooks are told neither a job's name nor how it ended.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.tasks import Tasks

_Coroutine = Callable[..., Awaitable[Any]]


def watch_arq(task: Tasks, functions: Iterable[Any]) -> list[Any]:
    """
    The functions of an arq worker, watched:

        class WorkerSettings:
            functions = watch_arq(monitor.task, [send_mail, func(reindex, max_tries=3)])

            async def on_startup(ctx): monitor.start()
            async def on_shutdown(ctx): await monitor.stop()

    Whoever enqueues a job calls `monitor.task.queued()`, if throughput is to be judged by demand.

    Args:
        task: the monitor's `task`.
        functions: as arq takes them: async functions, or what `arq.func` and `arq.cron` return.

    Raises:
        UsageError: one is neither.
    """
    return [_watched(task, function) for function in functions]


def _watched(task: Tasks, function: Any) -> Any:
    coroutine, name = getattr(function, "coroutine", None), getattr(function, "name", None)
    if coroutine is not None and is_dataclass(function) and not isinstance(function, type):
        return replace(function, coroutine=_timed(task, coroutine, str(name)))
    if not callable(function):
        raise UsageError(
            f"arq does not run a {type(function).__name__}, and so it cannot be watched",
            cure="Give async functions, or what arq.func and arq.cron return",
        )
    return _timed(task, function, function.__qualname__)


def _timed(task: Tasks, coroutine: _Coroutine, name: str) -> _Coroutine:
    @wraps(coroutine)
    async def timed(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> Any:
        run = task.run(name, queued_at=_queued_at(ctx)).start()
        try:
            result = await coroutine(ctx, *args, **kwargs)
        except CancelledError:
            run.cancel()
            raise
        except Exception as error:  # the job's own, which arq deals with
            if _is_retry(error):
                run.retry()
            else:
                run.finish(failed=True)
            raise
        run.finish(failed=False)
        return result

    return timed


def _queued_at(ctx: dict[Any, Any]) -> datetime | None:
    at = ctx.get("enqueue_time")
    if not isinstance(at, datetime):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _is_retry(error: Exception) -> bool:
    """Whether arq will try again: `Retry`, or the `RetryJob` that a worker raises itself."""
    return any(
        one.__name__ in ("Retry", "RetryJob") and one.__module__.startswith("arq.")
        for one in type(error).__mro__
    )
