"""
What a cache keeps of one key, and what all of it was good for.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from keiko_perf.optimization.caching.eviction import Kept

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """
    How full a cache is, and how much it was of use.

    Attributes:
        entries: how many values are kept.
        size_bytes: what they take, estimated.
        max_bytes: what they may take; None: they are bounded by number alone.
        max_entries: how many may be kept; None: they are bounded by their bytes alone.
        hits: how often a value was there.
        stale_hits: how often one was there whose time was up, and was handed out all the same
            while it was loaded anew.
        misses: how often none was there, expired ones included.
        evicted: how many had to make room.
        expired: how many had their time up.
        invalidated: how many were removed, by key or by tag, or cleared.
        refused: how many were larger than the cache.
        loads: how many were loaded, by `get_or_load`.
        failed_loads: how many of these loads raised or were cancelled.
        load_s: how long all loads took.
        saved_s: how long the loads would have taken that hits made unnecessary: for each, as
            long as it took to load what was found.
        loading: how many loads are under way.
    """

    entries: int
    size_bytes: int
    max_bytes: int | None
    max_entries: int | None
    hits: int
    stale_hits: int
    misses: int
    evicted: int
    expired: int
    invalidated: int
    refused: int
    loads: int
    failed_loads: int
    load_s: float
    saved_s: float
    loading: int

    @property
    def hit_ratio(self) -> float | None:
        """The share of the look-ups that found a value, 0 to 1; None if there was none."""
        found = self.hits + self.stale_hits
        asked = found + self.misses
        return found / asked if asked else None


class Entry(Kept[K], Generic[K, V]):
    """
    A value, or the error that says that there is none.

    Attributes:
        good_until: by the cache's clock; None: as long as there is room.
        stale_until: until when it may be handed out while a new one is loaded; None: not at all.
        retry_at: before this it is not loaded anew, since that has just failed.
        load_s: how long it took to load; None if it was put in.
    """

    __slots__ = ("error", "good_until", "load_s", "retry_at", "size_bytes", "stale_until", "value")

    def __init__(
        self,
        key: K,
        value: V | None,
        *,
        size_bytes: int,
        good_until: float | None,
        stale_until: float | None,
        load_s: float | None,
        error: Exception | None = None,
    ) -> None:
        super().__init__(key, 1)
        self.value = cast(V, value)  # what failed has none, and none is asked for
        self.size_bytes = size_bytes
        self.good_until = good_until
        self.stale_until = stale_until
        self.retry_at = 0.0
        self.load_s = load_s
        self.error = error


def again(error: Exception) -> Exception:
    """
    *error*, to be raised once more.

    A copy where it can be copied: one object that is raised again and again grows with each time.
    """
    try:
        fresh = copy.copy(error)
    except Exception:  # a stranger's class may need arguments that a copy is not given
        fresh = error
    return fresh.with_traceback(None)
