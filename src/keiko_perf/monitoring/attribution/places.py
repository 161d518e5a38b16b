"""
Places: the line of the application that executes a statement.

The stack is walked, from the driver outwards and through the greenlets that SQLAlchemy puts between
an `await` and its driver. That costs some ten microseconds, so it is done ten times a second at
most; between them the answer is an empty text. No source text and no value of a variable is read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType

from keiko_perf.monitoring.process.stacks import lines_of, place_of

_PAUSE_S = 0.1
_MOST_FRAMES = 200
_BETWEEN = frozenset(
    {
        "asyncpg",
        "databases",
        "greenlet",
        "piccolo",
        "psycopg",
        "psycopg_pool",
        "sqlalchemy",
        "sqlmodel",
        "tortoise",
    }
)
"""Packages that execute what others want to be executed."""
_LOOPS = frozenset({"asyncio.base_events", "asyncio.events", "asyncio.runners", "uvloop"})
"""Who runs a task has not led to what it does: the line that started the server is none of it."""
_OURS = "keiko_perf.monitoring."


class Places:
    """
    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_s: float | None = None

    def here(self) -> str:
        """The line that led to this call, if it is time to look for one; else an empty text."""
        now_s = self._clock()
        if self._next_s is not None and now_s < self._next_s:
            return ""
        self._next_s = now_s + _PAUSE_S
        return place_now()


def place_now() -> str:
    """The line of the application that led to this call; empty if there is none."""
    frames = [frame for frame in _frames() if _is_somebodys(frame)]
    frames.reverse()
    return place_of(lines_of(frames)) if frames else ""


def _frames() -> Iterator[FrameType]:
    """From the innermost on, through all greenlets."""
    frame: FrameType | None = sys._getframe(1)
    greenlets = sys.modules.get("greenlet")
    greenlet = None if greenlets is None else greenlets.getcurrent()
    for _ in range(_MOST_FRAMES):
        if frame is None:
            greenlet = None if greenlet is None else greenlet.parent
            frame = None if greenlet is None else greenlet.gr_frame
            if frame is None:
                return
        if frame.f_globals.get("__name__") in _LOOPS:
            return
        yield frame
        frame = frame.f_back


def _is_somebodys(frame: FrameType) -> bool:
    module: str = frame.f_globals.get("__name__") or ""
    return module.partition(".")[0] not in _BETWEEN and not module.startswith(_OURS)
