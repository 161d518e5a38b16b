"""
Relief: what was done when memory was tight, and what the governor has done so far.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """
    What was done at one time.

    Attributes:
        used_bytes: what was used before.
        limit_bytes: of how much.
        freed_from_caches_bytes: what caches gave up, estimated.
        given_back_bytes: what the process held less afterwards.
        collect_s: how long garbage was collected; None if it was not.
        took_s: how long all of it took.
    """

    used_bytes: int
    limit_bytes: int
    freed_from_caches_bytes: int
    given_back_bytes: int
    collect_s: float | None
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorStatistics:
    """
    Attributes:
        used_bytes: what was used at the last look; of the process, or of all in its container.
        limit_bytes: of how much; None before the first look.
        looks: how often it looked.
        reliefs: how often there was pressure, and something was done.
        trims: how often the C library gave back what was free, without pressure.
        freed_from_caches_bytes: what caches gave up in all, estimated.
        given_back_bytes: what the process held less after all of these together.
        collections: how often garbage was collected, and
        collect_s: how long that took in all.
        caches: how many it may shrink.
        next_look_s: how long it waits until the next look.
        last: what was done the last time; None if nothing ever was.
    """

    used_bytes: int
    limit_bytes: int | None
    looks: int
    reliefs: int
    trims: int
    freed_from_caches_bytes: int
    given_back_bytes: int
    collections: int
    collect_s: float
    caches: int
    next_look_s: float
    last: Relief | None
