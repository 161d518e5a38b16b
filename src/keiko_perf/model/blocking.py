"""
BlockingCall: a place in the code that held the event loop, and how often and how long it did.

Calls from one place are one value, whichever worker or window they were seen in. It holds names of
files, functions and line numbers, and no value of any variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from keiko_perf.model.series import OTHER

MAX_PLACES = 20
"""How many places are told apart; those that took the least time share `(other)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockingCall:
    """
    Attributes:
        place: where, as in `service/routes.py:42 search`: the innermost line of the application.
        stack: how the program got there and what it called there, outermost first, as places.
        count: how often the loop was held.
        total_s: for how long in all, at least.
        longest_s: the longest single time.
        computed_s: how much of the total was computed; for the rest the thread waited. None where
            that cannot be told.
        last_at: when it was seen last, aware UTC.
    """

    place: str
    stack: tuple[str, ...] = ()
    count: int
    total_s: float
    longest_s: float
    computed_s: float | None = None
    last_at: datetime

    def __post_init__(self) -> None:
        if self.count < 1 or not 0 <= self.longest_s <= self.total_s * 1.000001:
            raise ValueError("a blocking call was seen, and took some time")

    def merge(self, other: BlockingCall) -> BlockingCall:
        """Both as one, with the stack of the longer one."""
        longer = self if self.longest_s >= other.longest_s else other
        known = self.computed_s is not None and other.computed_s is not None
        return replace(
            longer,
            count=self.count + other.count,
            total_s=self.total_s + other.total_s,
            computed_s=(self.computed_s or 0.0) + (other.computed_s or 0.0) if known else None,
            last_at=max(self.last_at, other.last_at),
        )


def merged_calls(calls: Iterable[BlockingCall]) -> tuple[BlockingCall, ...]:
    """One call for each place, that which took the most time first; at most `MAX_PLACES`."""
    places: dict[str, BlockingCall] = {}
    for call in calls:
        known = places.get(call.place)
        places[call.place] = call if known is None else known.merge(call)
    told = sorted(
        (call for call in places.values() if call.place != OTHER),
        key=lambda call: (-call.total_s, call.place),
    )
    rest = [*told[MAX_PLACES:], *(call for call in places.values() if call.place == OTHER)]
    if not rest:
        return tuple(told)
    whole = replace(rest[0], place=OTHER, stack=())
    for call in rest[1:]:
        whole = whole.merge(replace(call, place=OTHER, stack=()))
    return (*told[:MAX_PLACES], whole)
