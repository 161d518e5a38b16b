"""
Growth: does a process's memory grow and not stop? Pure.

A service that has just started grows as well: it loads code, fills caches, opens connections. So
the first part of what was seen does not count, the rest has to grow from beginning to end and no
slower in its second half, and by more than what an allocator's rounding makes of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import median

from keiko_perf.doctor.symptoms import Growth

LEAST_POINTS = 12
LEAST_BYTES = 16 << 20
LEAST_RATIO = 0.05
"""Of what the process holds. A service that began a minute ago grows by some megabytes."""
MANY_WAITING = 10.0
RISING = 0.9
"""The share of pairs of points of which the later one is higher."""
_WARM_UP = 0.25
_MOST_POINTS = 256
_STEADY = 0.5
"""The second half grows at no less than this share of the first one's pace."""

Point = tuple[float, float]


def growth_of(
    points: Sequence[Point],
    *,
    limit_bytes: float | None = None,
    blocks: Sequence[Point] = (),
    in_flight: Sequence[Point] = (),
) -> Growth | None:
    """
    Args:
        points: when, in seconds, and how many bytes one process held; in the order of time.
        limit_bytes: how much it may hold.
        blocks: likewise, how many blocks of memory Python's objects take.
        in_flight: likewise, how many requests were being answered: while more and more of them
            wait, memory grows as well, and that is no leak.
    """
    kept = points[int(len(points) * _WARM_UP) :][-_MOST_POINTS:]
    if len(kept) < LEAST_POINTS:
        return None
    over_s = kept[-1][0] - kept[0][0]
    per_s = slope(kept)
    grown, now = per_s * over_s, kept[-1][1]
    waiting = in_flight[int(len(in_flight) * _WARM_UP) :][-_MOST_POINTS:]
    if slope(waiting) * over_s >= MANY_WAITING:
        return None
    if grown < max(LEAST_BYTES, LEAST_RATIO * now) or rising(kept) < RISING:
        return None
    half = len(kept) // 2
    if slope(kept[half:]) < _STEADY * slope(kept[: half + 1]):
        return None  # it is coming to rest
    room = None if limit_bytes is None else max(limit_bytes - now, 0.0)
    more = blocks[int(len(blocks) * _WARM_UP) :][-_MOST_POINTS:]
    return Growth(
        per_s=per_s,
        grown_bytes=grown,
        over_s=over_s,
        rss_bytes=now,
        full_in_s=None if room is None else room / per_s,
        blocks_per_s=slope(more) if len(more) >= LEAST_POINTS else None,
    )


def slope(points: Sequence[Point]) -> float:
    """The median slope of all pairs of points (Theil and Sen), which outliers don't move."""
    slopes = [
        (later - earlier) / (until_s - since_s)
        for (since_s, earlier), (until_s, later) in combinations(points, 2)
        if until_s > since_s
    ]
    return median(slopes) if slopes else 0.0


def rising(points: Sequence[Point]) -> float:
    """The share of pairs of which the later one is higher; ties count by half (Mann)."""
    pairs = [(one[1], other[1]) for one, other in combinations(points, 2)]
    up = sum(
        1.0 if later > earlier else 0.5 if later == earlier else 0.0 for earlier, later in pairs
    )
    return up / len(pairs) if pairs else 0.0
