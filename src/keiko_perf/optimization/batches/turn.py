"""
Turn: whether this turn of the event loop has lasted long enough.

Work that never really waits, because everything is in memory already, would keep the loop from
all else until the last item is done: no request is answered, no timeout fires. Asking
`is_over` after each item costs a look at the clock, and one callback for each turn of the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LONGEST_S = 0.005
"""From how long on a turn should end."""


class Turn:
    """
    The running event loop's present turn.

    Args:
        clock: monotonic seconds.
    """

    __slots__ = ("_clock", "_ends_at", "_loop")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._ends_at: float | None = None

    def is_over(self) -> bool:
        """Whether the caller should let the others run, by `await asyncio.sleep(0)`."""
        if self._ends_at is None:
            self._ends_at = self._clock() + LONGEST_S
            self._loop.call_soon(self._begin_anew)
            return False
        return self._clock() > self._ends_at

    def _begin_anew(self) -> None:
        self._ends_at = None
