"""
Shelf: where a cache keeps its entries, within their number and their bytes.

It looks up, keeps, drops and counts; what loads, and waits, is the cache's. Not for threads: the
cache holds a lock around each call but those that say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar, cast

from keiko_perf.errors import UsageError
from keiko_perf.optimization.caching.entry import Entry
from keiko_perf.optimization.caching.rehearsal import TunedEviction
from keiko_perf.optimization.caching.tags import Tags

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ASSUMED_LOAD_S = 0.001
"""What a value is held to have cost that was put in, if none was loaded."""
_SAMPLE = 2_000


class Shelf(Generic[K, V]):
    """
    Entries by key.

    Args:
        max_bytes: what all may take together; None: bounded by their number alone.
        max_entries: how many there may be; None: bounded by their bytes alone.
        clock: monotonic seconds.

    Raises:
        UsageError: there is no bound, or one that keeps nothing.
    """

    __slots__ = (
        "_clock",
        "_eviction",
        "evicted",
        "expired",
        "hits",
        "invalidated",
        "max_bytes",
        "max_entries",
        "misses",
        "refused",
        "saved_s",
        "size_bytes",
        "stale_hits",
        "tags",
    )

    def __init__(
        self, max_bytes: int | None, max_entries: int | None, clock: Callable[[], float]
    ) -> None:
        _check_bounds(max_bytes, max_entries)
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self._clock = clock
        self._eviction: TunedEviction[K] = TunedEviction((max_bytes or 1) * (max_entries or 1))
        self.tags: Tags[K] = Tags()
        self.size_bytes = 0
        self.hits = self.stale_hits = self.misses = 0
        self.evicted = self.expired = self.invalidated = self.refused = 0
        self.saved_s = 0.0

    def __len__(self) -> int:
        return len(self._eviction.entries)

    def peek(self, key: K) -> Entry[K, V] | None:
        """What is kept of *key*, good or not; counts as no look-up."""
        return cast("Entry[K, V] | None", self._eviction.entries.get(key))

    def hit(self, key: K) -> Entry[K, V] | None:
        """A look-up that found a good value; anything else is None, and not counted yet."""
        entry: Entry[K, V] | None = self._eviction.entries.get(key)  # type: ignore[assignment] # ours
        if entry is None or entry.error is not None:
            return None
        if entry.good_until is not None and self._clock() >= entry.good_until:
            return None
        self.hits += 1
        if entry.load_s is not None:
            self.saved_s += entry.load_s
        self._eviction.hit(entry)
        return entry

    def look_up(self, key: K, *, or_stale: bool = False) -> Entry[K, V] | None:
        """What is good of *key*, or at least stale; that there is nothing can be good too."""
        entry = self.peek(key)
        if entry is None:
            self.misses += 1
            return None
        if self.is_old(entry):
            is_over = self._clock() >= (entry.stale_until or 0.0)
            if is_over or not or_stale:
                self.misses += 1
                if is_over:
                    self.expired += 1
                    self.drop(entry)
                return None
            self.stale_hits += 1
        else:
            self.hits += 1
        self.saved_s += entry.load_s or 0.0
        self._eviction.hit(entry)
        return entry

    def keep(self, entry: Entry[K, V], tags: Iterable[Hashable]) -> bool:
        """Keep *entry* in place of what was kept of its key; whether it is not too large."""
        old = self.peek(entry.key)
        if old is not None:
            self.drop(old)
        entry.cost = self._cost(entry.size_bytes)
        if entry.cost > self._eviction.capacity:
            self.refused += 1
            return False
        self.size_bytes += entry.size_bytes
        for gone in self._eviction.add(entry):
            self.evicted += 1
            self.size_bytes -= cast("Entry[K, V]", gone).size_bytes
            self.tags.remove(gone.key)
        self.tags.put(entry.key, tags)
        return True

    def drop(self, entry: Entry[K, V]) -> None:
        """Keep *entry*, which is kept, no longer."""
        self._eviction.remove(entry)
        self.size_bytes -= entry.size_bytes
        self.tags.remove(entry.key)

    def invalidate(self, key: K) -> bool:
        """Forget *key*; whether something was kept of it."""
        self.tags.remove(key)
        entry = self.peek(key)
        if entry is None:
            return False
        self.invalidated += 1
        self.drop(entry)
        return True

    def clear(self) -> object:
        """Forget everything. What was kept is returned, for its end may take long."""
        entries = self._eviction.entries
        self.invalidated += len(entries)
        self._eviction.clear()
        self.tags.clear()
        self.size_bytes = 0
        return entries

    def make_room(self, part: Iterable[Entry[K, V]], to_bytes: int) -> int:
        """Drop those of *part* that are still kept, until *to_bytes*; how many bytes that was."""
        before_bytes = self.size_bytes
        for entry in part:
            if self.size_bytes <= to_bytes:
                break
            if self.peek(entry.key) is entry:
                if self.is_old(entry):
                    self.expired += 1
                else:
                    self.evicted += 1
                self.drop(entry)
        self._eviction.compact()
        return before_bytes - self.size_bytes

    def entries(self) -> list[Entry[K, V]]:
        """All of them; those that would go first, first."""
        return cast("list[Entry[K, V]]", self._eviction.in_order())

    def worths(
        self, entries: list[Entry[K, V]], *, usual_load_s: float | None
    ) -> list[tuple[float, float]]:
        """
        What *entries* are worth per byte, in seconds of loading, and how many bytes are of that
        worth. Some of many stand for all. Needs no lock.
        """
        step = max(1, len(entries) // _SAMPLE)
        return [
            (self.worth_per_byte(one, usual_load_s=usual_load_s), one.size_bytes * float(step))
            for one in entries[::step]
        ]

    def worth_per_byte(self, entry: Entry[K, V], *, usual_load_s: float | None) -> float:
        """What it took to load *entry* times how often it was asked for of late, per byte."""
        if self.is_old(entry):
            return 0.0
        load_s = usual_load_s if entry.load_s is None else entry.load_s
        load_s = _ASSUMED_LOAD_S if load_s is None else max(load_s, 1e-6)
        return (1 + self._eviction.count(entry)) * load_s / entry.size_bytes

    def is_old(self, entry: Entry[K, V]) -> bool:
        """Whether its time is up."""
        return entry.good_until is not None and self._clock() >= entry.good_until

    def _cost(self, size_bytes: int) -> int:
        """The share of the bound that an entry takes most of, in whole numbers."""
        if self.max_bytes is None:
            return 1
        if self.max_entries is None:
            return size_bytes
        return max(size_bytes * self.max_entries, self.max_bytes)


def _check_bounds(max_bytes: int | None, max_entries: int | None) -> None:
    if max_bytes is None and max_entries is None:
        raise UsageError(
            "a cache without a bound is a leak", cure="Give max_bytes, max_entries, or both"
        )
    bounds = (("max_bytes", max_bytes, "bytes"), ("max_entries", max_entries, "entries"))
    for name, bound, what in bounds:
        if bound is not None and not bound > 0:
            raise UsageError(
                f"a cache of {bound!r} {what} keeps nothing", cure=f"Give {name} from 1 on"
            )
