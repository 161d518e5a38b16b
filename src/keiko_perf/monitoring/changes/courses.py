"""
Courses: how a series usually goes over the day, as the days before it went. Pure.

A service has hours at which it is slower on each day, and their ramps may be as steep as a change.
What is left once the usual course is taken off is what this day has of its own. What looks like a
change beside the usual course must look like it beside most of the days that it was made from: or
else it is one of those days that was different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

LEAST_DAYS = 3
"""Of fewer it cannot be told which was different."""
MOST_DAYS = 7
_NEIGHBOURS = 1
"""Points to either side, which tell of a moment as well."""
_AROUND = 12
"""Points to either side of a change that are held against those of a day before."""
_MOST_OF_THEM = 0.6

Logs = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Course:
    """
    Attributes:
        usual: what was usual at each point, beside the middle of the day.
        days: each of the days before, at the same points; None where nothing was measured.
    """

    usual: Sequence[float]
    days: Sequence[Logs]

    def bears_out(self, values: Sequence[float], index: int, effect: float) -> bool:
        """Whether *values* change by about *effect* at *index* beside most of the days, too."""
        seen = [
            after - before
            for day in self.days
            if (before := _beside(values, day, range(max(0, index - _AROUND), index))) is not None
            and (after := _beside(values, day, range(index, index + _AROUND))) is not None
        ]
        agreeing = sum(1 for one in seen if one / effect >= 0.5)
        return len(seen) >= LEAST_DAYS and agreeing >= _MOST_OF_THEM * len(seen)


def course_of(at: Sequence[int], before: Logs, points_per_day: float) -> Course | None:
    """
    The usual course at the points *at*; None if too little was measured before.

    Args:
        at: which points, counted from the first after *before*.
        before: what was measured up to there, at the same distances.
        points_per_day: how many make a day.
    """
    days = []
    for back in range(1, MOST_DAYS + 1):
        places = [len(before) + one - round(back * points_per_day) for one in at]
        # A series of several days reaches into itself: those days are its own.
        if min(places) < 0 or max(places) >= len(before):
            break
        days.append([_near(before, place) for place in places])
    known = [day for day in days if sum(one is not None for one in day) >= 0.9 * len(at)]
    if len(known) < LEAST_DAYS:
        return None
    # A day that was slower as a whole went the same way as the others.
    middles = [median(one for one in day if one is not None) for day in known]
    usual = []
    for moments in zip(*map(_less, known, middles), strict=True):
        told = [one for one in moments if one is not None]
        if not told:
            return None
        usual.append(median(told))
    return Course(usual, known)


def _less(day: Logs, middle: float) -> Logs:
    return [None if one is None else one - middle for one in day]


def _near(values: Logs, place: int) -> float | None:
    around = values[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]
    known = [one for one in around if one is not None]
    return fmean(known) if known else None


def _beside(values: Sequence[float], day: Logs, places: range) -> float | None:
    found = [
        values[place] - usual
        for place in places
        if place < len(values) and (usual := day[place]) is not None
    ]
    return median(found) if len(found) >= _AROUND // 2 else None
