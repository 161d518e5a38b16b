"""
Pulse: one beat for all open pages, so that they cost as much as one; it ends with the server.

A server that is told to stop waits until its connections are closed, and a live page never closes
its own. So each beat looks whether the process was told to stop, and the streams end then. How
it is told has no public name: uvicorn handles the signals itself, with a method of the server.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

EVERY_S = 3.0
_LOOK_S = 0.5


def is_told_to_stop() -> bool:
    """Whether a server that handles this process's signals has begun to shut down."""
    for number in (signal.SIGTERM, signal.SIGINT):
        server = getattr(signal.getsignal(number), "__self__", None)
        if getattr(server, "should_exit", False) is True:
            return True
    return False


class Pulse:
    """
    Args:
        every_s: how far the beats are apart.
        is_ending: whether the streams should end; asked twice a second.
    """

    def __init__(
        self,
        *,
        every_s: float = EVERY_S,
        is_ending: Callable[[], bool] = is_told_to_stop,
    ) -> None:
        self.every_s = every_s
        self._is_ending = is_ending
        self._listeners = 0
        self._next: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many wait for the next beat."""
        return self._listeners

    async def beat(self) -> bool:
        """Wait for the next beat; False if it was the last one."""
        loop = asyncio.get_running_loop()
        if self._next is None or self._next.get_loop() is not loop or self._next.done():
            self._next = loop.create_future()
            self._task = loop.create_task(self._run(self._next), name="keiko-perf pulse")
        self._listeners += 1
        try:
            return await asyncio.shield(self._next)
        finally:
            self._listeners -= 1

    async def _run(self, beat: asyncio.Future[bool]) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self.every_s
        is_ending = self._is_ending()
        while not is_ending and (left_s := due_s - loop.time()) > 0:
            await asyncio.sleep(min(left_s, _LOOK_S))
            is_ending = self._is_ending()
        if not beat.done():
            beat.set_result(not is_ending)
