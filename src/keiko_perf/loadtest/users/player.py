"""
Player: advances a coroutine that mostly waits for answers to its own requests, at once.

Through an event loop's queue such a wait costs a future, a handle, a turn of the loop and another
look at all sockets, together as much as the request itself. Here whoever has the answer calls
`go_on`, and the coroutine runs on where that is. Whatever else it waits for (a sleep, a gather, a
lock) goes through its task as ever.

The task is a real one: it can be cancelled, has context variables of its own, and is the current
task while its coroutine runs, on either way. To enter it from outside is what asyncio documents
for tasks of third parties ("Extending").
"""

from __future__ import annotations

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator, Iterable
from contextvars import copy_context
from typing import Any

try:  # since Python 3.12
    from asyncio.tasks import _swap_current_task  # type: ignore[attr-defined]
except ImportError:
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]

    _swap_current_task = _current_tasks.__setitem__


class Player:
    """
    One coroutine and its task.

    Attributes:
        task: ends when the coroutine does, and as it does.
        is_on: whether the coroutine runs just now. Only then may what it awaits yield the player,
            and is run on by the next `go_on`.
        wake: `go_on`, bound once.
    """

    __slots__ = (
        "_awaited",
        "_back",
        "_end",
        "_is_asleep",
        "_loop",
        "_run",
        "_send",
        "_throw",
        "is_on",
        "task",
        "wake",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]
    ) -> None:
        context = copy_context()
        self._loop = loop
        self._send, self._throw = coroutine.send, coroutine.throw
        self._run = context.run
        self._is_asleep = False  # the task, while the coroutine waits for `go_on`
        self._back: asyncio.Future[None] | None = None  # what the task awaits meanwhile
        self._awaited: Any = None  # what the coroutine awaits that is none of ours
        self._end: BaseException | None = None  # how it ended outside of its task
        self.is_on = False
        self.wake = self.go_on
        self.task = loop.create_task(self._play(), context=context)

    @types.coroutine
    def until_called(self) -> Generator[Player, None, None]:
        """Wait for the next `go_on`, which may have been meant for an earlier wait."""
        yield self

    def go_on(self) -> None:
        """Run the coroutine on, if it waits for that: now, or soon if another task runs now."""
        if not self._is_asleep:
            return
        loop, task, run = self._loop, self.task, self._run
        try:
            _enter_task(loop, task)
        except RuntimeError:
            loop.call_soon(self.go_on)
            return
        self.is_on = True
        try:
            awaited = run(self._send, None)
        except BaseException as error:  # the coroutine's end, which its task is to hear of
            awaited, self._end = None, error
        self.is_on = False
        _leave_task(loop, task)
        if awaited is not self:
            self._return(awaited)

    def _return(self, awaited: Any) -> None:
        """Let the task do the rest: the coroutine ended, or awaits something else."""
        self._awaited = awaited
        self._is_asleep = False
        assert self._back is not None
        if not self._back.done():
            self._back.set_result(None)

    async def _play(self) -> None:
        await self._steps()

    @types.coroutine
    def _steps(self) -> Generator[Any, None, None]:
        """In the task: hand on what the coroutine awaits, and sleep while it waits for `go_on`."""
        thrown: BaseException | None = None
        while True:
            self.is_on = True
            try:
                awaited = self._send(None) if thrown is None else self._throw(thrown)
            except StopIteration:
                return
            finally:
                self.is_on = False
            thrown = None
            try:
                if awaited is self:
                    awaited = yield from self._sleep()
                if self._end is None:
                    yield awaited
            except BaseException as error:  # what is thrown into the task is for the coroutine
                thrown = error
            if self._end is not None:
                self._finish(thrown)
                return

    def _sleep(self) -> Generator[Any, None, Any]:
        """What the coroutine awaits when it next awaits anything else."""
        self._is_asleep = True
        self._back = self._loop.create_future()
        try:
            yield from self._back
            return self._awaited
        except asyncio.CancelledError:
            if self._awaited is not None:
                self._awaited.cancel()  # as a task does with what it awaits
            raise
        finally:
            self._is_asleep = False
            self._back = self._awaited = None

    def _finish(self, thrown: BaseException | None) -> None:
        """End the task as the coroutine ended, or as it was told to meanwhile."""
        if self._end is not None and not isinstance(self._end, StopIteration):
            raise self._end
        if thrown is not None:
            raise thrown


def go_on_all(loop: asyncio.AbstractEventLoop, players: Iterable[Player]) -> None:
    """As `go_on` of one after the other, from a callback of *loop*, where no task runs."""
    task, swap = None, _swap_current_task
    for player in players:
        if not player._is_asleep:
            continue
        # One task takes the place of the one before it, which costs half of leaving and entering.
        task = player.task
        swap(loop, task)
        player.is_on = True
        try:
            awaited = player._run(player._send, None)
        except BaseException as error:  # the coroutine's end, which its task is to hear of
            awaited, player._end = None, error
        player.is_on = False
        if awaited is not player:
            player._return(awaited)
    if task is not None:
        _leave_task(loop, task)
