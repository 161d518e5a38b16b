"""
Awaited: what requests wait for where nothing that is watched tells it: a lock, a sleep, a queue, a
driver.

Some times a second, in a turn of the loop, some of the requests under way that are elsewhere are
looked at: which line of the application awaits, and through which functions, to where it ends. No
value of a variable is read. The looks of the last minutes are kept, in this process alone.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable
from math import ceil
from types import FrameType
from typing import Any

from keiko_perf.model.awaited import AwaitedAt
from keiko_perf.monitoring.attribution.account import Account
from keiko_perf.monitoring.process.stacks import Lines, lines_of, place_of, stack_of

MOST_AT_ONCE = 5
"""Requests that are looked at in one turn, which takes some ten microseconds each."""
MOST_KEPT = 4_000
MOST_TOLD = 30
_DEEPEST = 100
_HANDS_ON = re.compile(r"[/\\]anyio[/\\]|[/\\]starlette[/\\]concurrency\.py$")
_STEPS = (("cr_frame", "cr_await"), ("gi_frame", "gi_yieldfrom"), ("ag_frame", "ag_await"))


class Awaited:
    """
    Args:
        clock: monotonic seconds.

    Attributes:
        accounts: of the requests under way, by their id. Who lets one begin puts it in and takes it
            out.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.accounts: dict[int, Account] = {}
        self._clock = clock
        self._turns = 0
        self._seen: deque[tuple[float, str, Lines]] = deque(maxlen=MOST_KEPT)

    def look(self) -> None:
        """Look at some of the requests under way, others each time. In the loop's thread."""
        accounts = list(self.accounts.values())
        if not accounts:
            return
        self._turns += 1
        apart = ceil(len(accounts) / MOST_AT_ONCE)
        now_s = self._clock()
        for account in accounts[self._turns % apart :: apart]:
            awaited, where = account.elsewhere, account.where
            if awaited is None or where is None:
                continue
            lines = lines_of(_frames(awaited))
            if lines:
                find, scope, root_path = where
                self._seen.append((now_s, find(scope, root_path), lines))

    def since(self, last_s: float) -> tuple[AwaitedAt, ...]:
        """What was seen within the last *last_s* seconds, the most frequent first."""
        from_s = self._clock() - last_s
        counted = Counter((route, lines) for at_s, route, lines in self._seen if at_s >= from_s)
        return tuple(
            AwaitedAt(route=route, place=_place(lines), stack=stack_of(lines), looks=looks)
            for (route, lines), looks in counted.most_common(MOST_TOLD)
        )


def _place(lines: Lines) -> str:
    """The line to name; where none is the application's, no line that only hands on to a thread."""
    told = [one for one in lines if not _HANDS_ON.search(one[0].co_filename)]
    return place_of(tuple(told) or lines)


def _frames(awaited: Any) -> list[FrameType]:
    """Where it stands, the outermost first; what another task does for it is not seen."""
    found: list[FrameType] = []
    for _ in range(_DEEPEST):
        for of_frame, of_next in _STEPS:
            if hasattr(awaited, of_frame):
                frame = getattr(awaited, of_frame)
                awaited = getattr(awaited, of_next)
                break
        else:
            return found
        if frame is None:  # it is over
            return found
        found.append(frame)
    return found
