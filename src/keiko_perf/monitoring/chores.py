"""
Chores: what is done again and again beside the windows, such as a reading of a database.

One that fails is logged the first time and done again in its turn; it never ends the monitor, and
two of the same never run at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keiko_perf.errors import UsageError

_log = logging.getLogger("keiko_perf.monitor")


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do each so many seconds, from the beginning of one to that of the next."""

    every_s: float
    work: Callable[[], Awaitable[object]]

    def __post_init__(self) -> None:
        if not 0 < self.every_s < float("inf") or not callable(self.work):
            raise UsageError(
                f"nothing can be done each {self.every_s!r} s",
                cure="Give a number of seconds over 0, and an async function without arguments",
            )

    async def run(self) -> None:
        """Do it until it is cancelled."""
        loop = asyncio.get_running_loop()
        due, has_failed = loop.time(), False
        while True:
            try:
                await self.work()
                has_failed = False
            except Exception:  # a stranger's code: the monitor goes on
                if not has_failed:
                    _log.exception("what the monitor does each %g s failed", self.every_s)
                has_failed = True
            # What took longer than its turn is not made up for.
            due = max(due + self.every_s, loop.time())
            await asyncio.sleep(due - loop.time())
