"""
Tasks: how long background work takes, how often it fails, and how long it waited.

A run that ends with an exception failed; one that was cancelled did neither and is counted as
`tasks_cancelled`, and one that is to be tried again as `tasks_retried`: what comes of it the last
try tells. How long a task waited in its queue is a histogram by its name. The counter
`tasks_queued` is the demand that throughput is judged against: work without a queue is asked for
when it is called and counts itself; work from a queue says when it was queued (`queued_at`), and
whoever puts it there says so (`queued`).
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring.recorder import Recorder

QUEUED = "tasks_queued"
CANCELLED = "tasks_cancelled"
RETRIED = "tasks_retried"
WAIT_S = "task_wait_s"
_TASK = "__keiko_perf_task__"
"""Of a function that is watched: itself, and the name of the task."""

P = ParamSpec("P")
R = TypeVar("R")
QueuedAt = Callable[..., datetime | None]


class Tasks:
    """
    Watches tasks. It is a decorator itself, with and without arguments:

        @monitor.task
        async def reindex(agent_id): ...

        @monitor.task(name="mail", queued_at=lambda job: job.queued_at)
        def send_mail(job): ...

        with monitor.task.run("nightly"):
            ...

        background.add_task(monitor.task.later(reindex), agent_id)
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @overload
    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def __call__(
        self, /, *, name: str | None = None, queued_at: QueuedAt | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...

    def __call__(
        self,
        function: Callable[P, R] | None = None,
        /,
        *,
        name: str | None = None,
        queued_at: QueuedAt | None = None,
    ) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
        """
        Watch each call of a function, async or not.

        Args:
            function: the function.
            name: what to call the task; the function's own name if not given.
            queued_at: tells from the call's arguments when it was queued, aware UTC.

        Raises:
            UsageError: it is a generator, which does its work after the call.
        """
        if function is None:
            return lambda function: self._watched(function, name, queued_at)
        return self._watched(function, name, queued_at)

    def run(self, name: str, *, queued_at: datetime | None = None) -> Run:
        """
        Watch a block of code: `with monitor.task.run("nightly"):`, in async code as well.

        Raises:
            UsageError: *queued_at* does not say in which time zone.
        """
        if queued_at is not None and queued_at.tzinfo is None:
            raise UsageError(
                f"the task {name} was queued at {queued_at}, in no time zone",
                cure="Make it aware: datetime.now(UTC)",
            )
        return Run(self._recorder, name, queued_at)

    def queued(self, n: int = 1) -> None:
        """*n* tasks were put into a queue. Their runs give `queued_at`, and don't count again."""
        self._recorder.count(QUEUED, n)

    def retried(self) -> None:
        """A task that did not get through is tried again, by a loop or a library in its code."""
        self._recorder.count(RETRIED)

    def later(self, function: Callable[P, R], *, name: str | None = None) -> Callable[P, R]:
        """
        *function* as a task that is queued now, to be called once, by whoever has no hooks:

            background.add_task(monitor.task.later(send_mail), job)

        Its run tells how long it waited. A function that is watched already is not counted twice.

        Args:
            function: to be called later.
            name: what to call the task; as of the decorator if not given.

        Raises:
            UsageError: it is a generator.
        """
        known: tuple[Callable[P, R], str] | None = getattr(function, _TASK, None)
        if known is not None:
            function, name = known[0], name or known[1]
        queued_at = self._recorder.now()
        made = self._watched(function, name, lambda *_, **__: queued_at)
        self.queued()
        return made

    def _watched(
        self, function: Callable[P, R], name: str | None, queued_at: QueuedAt | None
    ) -> Callable[P, R]:
        name = name or _name_of(function)
        if _is(function, inspect.isgeneratorfunction) or _is(function, inspect.isasyncgenfunction):
            raise UsageError(
                f"{name} is a generator, whose work is done after the call",
                cure="Watch the block that uses it: with monitor.task.run(...)",
            )

        def begin(*args: Any, **kwargs: Any) -> Run:
            return self.run(name, queued_at=queued_at(*args, **kwargs) if queued_at else None)

        @wraps(function)
        async def watched_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with begin(*args, **kwargs):
                return await cast(Callable[P, Awaitable[Any]], function)(*args, **kwargs)

        @wraps(function)
        def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            with begin(*args, **kwargs):
                return function(*args, **kwargs)

        is_async = _is(function, inspect.iscoroutinefunction)
        made = cast(Callable[P, R], watched_async) if is_async else watched
        setattr(made, _TASK, (function, name))
        return made


class Run:
    """
    One run of a task, from entering it to leaving it.

    Where a queue tells of beginning and end by hooks, these call `start`, and one of `finish`,
    `retry` and `cancel`.
    """

    __slots__ = ("_name", "_queued_at", "_recorder", "_started_s")

    def __init__(self, recorder: Recorder, name: str, queued_at: datetime | None) -> None:
        self._recorder = recorder
        self._name = name
        self._queued_at = queued_at
        self._started_s = 0.0

    def start(self) -> Self:
        """It begins to run now."""
        recorder = self._recorder
        if self._queued_at is None:
            recorder.count(QUEUED)
        else:
            # Two machines' clocks may disagree; nothing ran before it was queued.
            waited_s = max((recorder.now() - self._queued_at).total_seconds(), 0.0)
            recorder.record(Kind.QUEUE, self._name, waited_s)
            recorder.gauge(WAIT_S, waited_s)
        self._started_s = recorder.clock()
        return self

    def finish(self, *, failed: bool) -> None:
        """It is done, for good or ill."""
        duration_s = self._recorder.clock() - self._started_s
        self._recorder.record(Kind.TASK, self._name, duration_s, failed=failed)

    def retry(self) -> None:
        """It did not get through, and will be tried again."""
        self._recorder.count(RETRIED)

    def cancel(self) -> None:
        """It was stopped."""
        self._recorder.count(CANCELLED)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, CancelledError | GeneratorExit):
            self.cancel()
        else:
            self.finish(failed=kind is not None)


def _name_of(function: Callable[..., object]) -> str:
    """`Mailer.send` of a method, `send` of a function, also of one within a function."""
    named = inspect.unwrap(function)
    name: str = getattr(named, "__qualname__", type(named).__qualname__)
    return name.rpartition("<locals>.")[2]


def _is(function: Callable[..., object], test: Callable[[object], bool]) -> bool:
    """Whether calling *function*, which may be an object with `__call__`, passes *test*."""
    return test(function) or test(getattr(function, "__call__", None))  # noqa: B004 - not "callable?"
