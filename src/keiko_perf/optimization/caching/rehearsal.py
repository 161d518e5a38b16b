"""
Rehearsal: by which way of eviction a cache would have more hits just now.

Both ways play on a sample of the keys, each with its share of the room: a small cache of the same
load has about the hit ratio of the large one. Nothing is kept but the keys.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from keiko_perf.optimization.caching.eviction import NEW_RATIO, Eviction, Kept, mix

K = TypeVar("K", bound=Hashable)

_FIRST_SHARE = 4
_ENTRIES = 512
"""How many a rehearsal keeps, at most, before it takes half as many keys."""
_MEMORY = 2
"""It looks back over so many questions for each value it keeps, and 512 at least."""
_BETTER_RATIO = 0.02
"""By how much more hits the other way has to have before it is taken."""


class Rehearsal(Generic[K]):
    """
    Args:
        capacity: that of the cache it is for.

    Attributes:
        is_recency_better: whether what was not asked for longest should go.
        share: one key in so many takes part.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.is_recency_better = False
        self.share = _FIRST_SHARE
        self._begin()

    def takes(self, key: K) -> bool:
        """Whether *key* is one of the sample."""
        return not mix(key) >> 32 & self.share - 1

    def fit(self, entries: int) -> None:
        """The cache keeps so many *entries*: a large one is known by fewer of its keys."""
        if entries > _ENTRIES * self.share:
            self.share *= 2
            self._begin()

    def ask(self, key: K, cost: int) -> bool:
        """*key*, one of the sample, was asked for. Whether the better way is another now."""
        by_recency, by_frequency = (
            self._play(self._recency, key, cost),
            self._play(self._frequency, key, cost),
        )
        memory = max(_MEMORY * len(self._frequency.entries), _ENTRIES)
        self._lead += by_recency - by_frequency - self._lead / memory
        lead = self._lead if not self.is_recency_better else -self._lead
        if lead <= _BETTER_RATIO * memory:
            return False
        self.is_recency_better = not self.is_recency_better
        return True

    def begin_anew(self) -> None:
        """Forget what was played; the way that was better stays so until the other is."""
        self.share = _FIRST_SHARE
        self._begin()

    def _begin(self) -> None:
        room = max(self._capacity // self.share, 1)
        self._recency: Eviction[K] = Eviction(room, new_ratio=1)
        self._frequency: Eviction[K] = Eviction(room)
        self._lead = 0.0

    @staticmethod
    def _play(way: Eviction[K], key: K, cost: int) -> bool:
        entry = way.entries.get(key)
        if entry is not None and entry.cost == cost:
            way.hit(entry)
            return True
        if entry is not None:
            way.remove(entry)
        if cost <= way.capacity:
            way.add(Kept(key, cost))
        return False


class TunedEviction(Eviction[K]):
    """An `Eviction` that goes the way by which its rehearsal has more hits."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity)
        self._rehearsal: Rehearsal[K] = Rehearsal(capacity)

    @property
    def is_by_recency(self) -> bool:
        """Whether just now what was not asked for longest goes, however often it was before."""
        return self._rehearsal.is_recency_better

    def add(self, entry: Kept[K]) -> list[Kept[K]]:
        self._rehearsal.fit(len(self.entries))
        entry.is_sampled = self._rehearsal.takes(entry.key)
        if entry.is_sampled:
            self._rehearse(entry)
        return super().add(entry)

    def clear(self) -> None:
        super().clear()
        self._rehearsal.begin_anew()

    def compact(self) -> bool:
        # The sample's lie scattered among those that went, and would hold on to their pages.
        is_compacted = super().compact()
        if is_compacted:
            self._rehearsal.begin_anew()
        return is_compacted

    def _rehearse(self, entry: Kept[K]) -> None:
        if self._rehearsal.ask(entry.key, entry.cost):
            self.set_new_ratio(1 if self.is_by_recency else NEW_RATIO)
