"""
Since: when a target began to be missed, and under which load it broke.

The windows are judged stretch by stretch, backwards from now, until one keeps the promise. A
stretch that cannot be judged neither begins nor ends a miss.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from keiko_perf.model import Kind, Outcome, Snapshot, Target

REACHES_S = (3_600.0, 86_400.0)
"""How far back is looked: first an hour, and a day if the miss is older."""
_MAX_STRETCHES = 150
_MERGED_S = (240, 60)
"""The minutes and the shortest of the longer stretches that a store has merged already."""


@dataclass(frozen=True, slots=True)
class Since:
    """
    Attributes:
        at: when the first stretch began that missed the target, aware UTC.
        load_per_s: how many requests a second there were in that stretch.
        is_older: whether it was missed as far back as was looked.
    """

    at: datetime
    load_per_s: float
    is_older: bool


def since(
    windows: Iterable[Snapshot], target: Target, now: datetime, *, reach_s: float, judged_s: float
) -> Since | None:
    """
    When *target* began to be missed; None if it is not missed in what *windows* know.

    Args:
        windows: of the last *reach_s* seconds.
        target: what is missed now.
        now: the wall clock.
        reach_s: how far back to look.
        judged_s: over how long a target is judged.
    """
    stretch_s = _stretch_s(reach_s, judged_s)
    stretches: dict[int, list[Snapshot]] = {}
    for window in windows:
        age_s = (now - window.started_at).total_seconds()
        stretches.setdefault(int(age_s // stretch_s), []).append(window)
    broke: Snapshot | None = None
    is_older = True
    for number in sorted(stretches):
        merged = Snapshot.merged(stretches[number])
        outcome = target.judge(merged).outcome
        if outcome is Outcome.MET:
            is_older = False
            break
        if outcome is Outcome.MISSED:
            broke = merged
    if broke is None:
        return None
    oldest_s = (now - broke.started_at).total_seconds()
    is_older = is_older and oldest_s > reach_s - 2 * stretch_s
    return Since(broke.started_at, broke.whole(Kind.ROUTE).rate_per_s, is_older)


def within_s(reach_s: float, judged_s: float) -> int:
    """How far windows may be merged so that it can still be told."""
    stretch_s = _stretch_s(reach_s, judged_s)
    return next((one for one in _MERGED_S if one <= stretch_s), 1)


def _stretch_s(reach_s: float, judged_s: float) -> float:
    return max(judged_s, reach_s / _MAX_STRETCHES)


def reach_start(now: datetime, reach_s: float) -> datetime:
    """From when on windows are needed."""
    return now - timedelta(seconds=reach_s)
