"""
Steps: what a watchdog saw of one step of a task, look by look, and what may be said of it. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from keiko_perf.model import BlockingCall
from keiko_perf.monitoring.process.stacks import Lines, place_of, stack_of

_STACKS = 50
"""Stacks that are told apart in one step; of a longer one they tell nothing new."""
_FAIR_SHARE = 0.25
_LINE = re.compile(r":\d+ ")
_LATE = 2.0
"""A watchdog that comes after more than so many times its pause was kept from looking."""


@dataclass(frozen=True, slots=True)
class Look:
    """
    One look at the loop's thread. What is not told, or was not asked for, is None.

    Attributes:
        at_s: when, by a monotonic clock.
        computed_s: the CPU time of the loop's thread since some beginning.
        queued_s: how long it had to wait for a processor since then.
        own_queued_s: how long the watchdog had to.
        step: what tells the step from others; None if the loop was not in any.
        lines: where in the code, outermost first.
        held_s: how much of the time since the look before this step has surely held the loop.
        of_it_computed_s: how much of that was computed.
    """

    at_s: float
    computed_s: float | None
    queued_s: float | None = None
    own_queued_s: float | None = None
    step: object = None
    lines: Lines = ()
    held_s: float = 0.0
    of_it_computed_s: float | None = None

    def since(self, last: Look, expected_s: float) -> Look:
        """This look, with what it adds to *last*, after a pause that was to be *expected_s*."""
        passed_s = self.at_s - last.at_s
        computed_s = _between(last.computed_s, self.computed_s)
        if self.step is None:
            held_s = 0.0
        elif self.step is last.step:
            # If the watchdog was kept from looking, all may have stood still but what computed.
            queued_s = _between(last.queued_s, self.queued_s) or 0.0
            held_s = max(min(passed_s, _LATE * expected_s) - queued_s, computed_s or 0.0)
        elif passed_s > _LATE * expected_s and self._was_kept_waiting(last, passed_s):
            held_s = computed_s or 0.0
        else:
            held_s = 0.0
        held_s = min(max(held_s, 0.0), passed_s)
        of_it_s = None if computed_s is None else min(computed_s, held_s)
        return replace(self, held_s=held_s, of_it_computed_s=of_it_s)

    def _was_kept_waiting(self, last: Look, passed_s: float) -> bool:
        """Whether it was the interpreter that the watchdog waited for, and not a processor."""
        queued_s = _between(last.own_queued_s, self.own_queued_s)
        return queued_s is not None and queued_s < passed_s / 4

    def without_step(self) -> Look:
        """The same look, for one that is to begin anew."""
        return replace(self, step=None, lines=())


@dataclass(slots=True)
class _Stay:
    """In how many looks a step was at some lines, for how long, and how much it computed there."""

    looks: int
    held_s: float
    computed_s: float | None

    def add(self, other: _Stay) -> None:
        self.looks += other.looks
        self.held_s += other.held_s
        known = self.computed_s is not None and other.computed_s is not None
        self.computed_s = (self.computed_s or 0.0) + (other.computed_s or 0.0) if known else None


class Step:
    """One step of a task, or one callback, that may hold the loop; it was seen first in *look*."""

    __slots__ = ("_stays", "held_s")

    def __init__(self, look: Look) -> None:
        self.held_s = look.held_s
        self._stays = {look.lines: _Stay(1, look.held_s, look.of_it_computed_s)}

    def add(self, look: Look, *, after: Look) -> None:
        """It was seen again in *look*, if it is not the one that was given first."""
        if look.step is not after.step:
            return
        self.held_s += look.held_s
        lines = look.lines
        if lines not in self._stays and len(self._stays) >= _STACKS:
            lines = next(iter(self._stays))
        stay = _Stay(1, look.held_s, look.of_it_computed_s)
        known = self._stays.get(lines)
        if known is None:
            self._stays[lines] = stay
        else:
            known.add(stay)

    def told(self, at: datetime) -> tuple[BlockingCall, ...]:
        """
        The step as values: what held the loop in it, one after the other, the longest first.

        That is one function nearly always. Where another one had a fair share of the time as well
        it is told apart; less than that goes with the longest. Of the lines of a function the one
        that was seen most is told.
        """
        functions: dict[str, list[tuple[str, Lines, _Stay]]] = {}
        for lines, stay in self._stays.items():
            place = place_of(lines)
            functions.setdefault(_LINE.sub(" ", place, count=1), []).append((place, lines, stay))
        found = sorted(
            (_whole(stays) for stays in functions.values()),
            key=lambda one: (-one[2].held_s, -one[2].looks),
        )
        place, lines, longest = found[0]
        calls = [(place, lines, longest)]
        for one in found[1:]:
            if one[2].held_s >= _FAIR_SHARE * self.held_s and one[2].looks > 1:
                calls.append(one)
            else:
                longest.add(one[2])
        return tuple(
            BlockingCall(
                place=place,
                stack=stack_of(lines),
                count=1,
                total_s=stay.held_s,
                longest_s=stay.held_s,
                computed_s=stay.computed_s,
                last_at=at,
            )
            for place, lines, stay in calls
        )


def _whole(stays: list[tuple[str, Lines, _Stay]]) -> tuple[str, Lines, _Stay]:
    """The lines of one function as one, under the line that was seen most."""
    place, lines, _ = max(stays, key=lambda one: one[2].looks)
    whole = _Stay(0, 0.0, 0.0)
    for _, _, stay in stays:
        whole.add(stay)
    return place, lines, whole


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(after - before, 0.0)
