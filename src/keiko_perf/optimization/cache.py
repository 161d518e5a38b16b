"""
Cache: values by key, within a given number of bytes; the one not used for longest goes first.

Anything can be kept, strings, dicts and tuples too, and stays until its time is up or its place
is needed. `get_or_load` asks the source once for each key, however many ask at the same time.

The bytes are estimated (`size.py`), key and bookkeeping included. Threads may share a cache; what
is under way in `get_or_load` is shared within one event loop.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from threading import RLock
from typing import Generic, TypeVar, overload

from keiko_perf.errors import UsageError
from keiko_perf.optimization.flight import SingleFlight
from keiko_perf.optimization.size import size_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

_ENTRY_BYTES = 176
"""What an entry takes beside its key and value: measured, the most of CPython 3.11 to 3.13."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatistics:
    """
    How full a cache is, and how much it was of use.

    Attributes:
        entries: how many values are kept.
        size_bytes: what they take, estimated.
        max_bytes: what they may take.
        hits: how often a value was there.
        misses: how often not, expired ones included.
        evicted: how many had to make room.
        expired: how many had their time up.
        refused: how many were larger than the cache.
        loads: how many were loaded, by `get_or_load`.
        failed_loads: how many of these loads raised or were cancelled.
        load_s: how long all loads took.
        loading: how many loads are under way.
    """

    entries: int
    size_bytes: int
    max_bytes: int
    hits: int
    misses: int
    evicted: int
    expired: int
    refused: int
    loads: int
    failed_loads: int
    load_s: float
    loading: int

    @property
    def hit_ratio(self) -> float | None:
        """The share of the look-ups that found a value, 0 to 1; None if there was none."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


class Cache(Generic[K, V]):
    """
    Values by key.

    Args:
        max_bytes: what all entries may take together.
        ttl_s: how long a value is good for; None: as long as there is room.
        size_of: how many bytes a value takes.
        clock: monotonic seconds.

    Raises:
        UsageError: a size or a time is not positive.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        ttl_s: float | None = None,
        size_of: Callable[[V], int] = size_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not max_bytes > 0:
            raise UsageError(
                f"a cache of {max_bytes!r} bytes keeps nothing", cure="Give max_bytes from 1 on"
            )
        self._max_bytes = max_bytes
        self._ttl_s = _checked_ttl(ttl_s)
        self._size_of = size_of
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._flights: SingleFlight[K, V] = SingleFlight()
        self._size_bytes = 0
        self._hits = self._misses = self._evicted = self._expired = self._refused = 0
        self._loads = self._failed_loads = 0
        self._load_s = 0.0
        # Re-entrant: to drop a value, or to compare a key, may run code that asks this cache.
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        """Whether there is a good value; counts as no look-up and as no use."""
        with self._lock:
            entry = self._entries.get(key)
            return entry is not None and not self._is_old(entry)

    @overload
    def get(self, key: K) -> V | None: ...

    @overload
    def get(self, key: K, default: D) -> V | D: ...

    def get(self, key: K, default: D | None = None) -> V | D | None:
        """The value of *key*, or *default*."""
        with self._lock:
            entry = self._look_up(key)
            return default if entry is None else entry.value

    def put(
        self, key: K, value: V, *, ttl_s: float | None = None, size_bytes: int | None = None
    ) -> bool:
        """
        Keep *value*, in place of what was kept for *key*.

        Args:
            ttl_s: how long it is good for, if not as long as the cache's others.
            size_bytes: what it takes, if that is known better than it can be estimated.

        Returns:
            Whether it is kept. A value larger than the whole cache is not.
        """
        entry = self._entry(key, value, ttl_s=ttl_s, size_bytes=size_bytes)
        with self._lock:
            self._flights.forget(key)  # what is being loaded is older than this
            return self._keep(key, entry)

    async def get_or_load(self, key: K, load: Callable[[K], Awaitable[V]]) -> V:
        """
        The value of *key*; if there is none, what `await load(key)` gives.

        Of those who ask at the same time one loads, and all get the answer, or the error. It is
        kept unless it was raised, or `put`, `remove` or `clear` came in between.

        Raises:
            Exception: what *load* raised. Nothing is kept then.
        """
        with self._lock:
            entry = self._look_up(key)
        if entry is not None:
            return entry.value
        return await self._flights.join(key, lambda: self._load(key, load))

    def remove(self, key: K) -> bool:
        """Forget the value of *key*; whether there was one."""
        with self._lock:
            self._flights.forget(key)
            return self._drop(key) is not None

    def clear(self) -> int:
        """Forget everything; how many bytes that was, estimated."""
        with self._lock:
            self._flights.forget_all()
            entries, self._entries = self._entries, OrderedDict()
            freed_bytes, self._size_bytes = self._size_bytes, 0
        del entries  # outside of the lock, for it may take long
        return freed_bytes

    def shrink(self, to_bytes: int) -> int:
        """
        Make do with *to_bytes* for now: the expired go first, then those not used for longest.

        Returns:
            How many bytes were freed, estimated.
        """
        dropped = []
        with self._lock:
            before_bytes = self._size_bytes
            if before_bytes > to_bytes:
                for key in [key for key, one in self._entries.items() if self._is_old(one)]:
                    self._expired += 1
                    dropped.append(self._drop(key))
                dropped += self._evict(to_bytes)
            freed_bytes = before_bytes - self._size_bytes
        del dropped  # outside of the lock, for it may take long
        return freed_bytes

    def statistics(self) -> CacheStatistics:
        """How things stand now."""
        with self._lock:
            return CacheStatistics(
                entries=len(self._entries),
                size_bytes=self._size_bytes,
                max_bytes=self._max_bytes,
                hits=self._hits,
                misses=self._misses,
                evicted=self._evicted,
                expired=self._expired,
                refused=self._refused,
                loads=self._loads,
                failed_loads=self._failed_loads,
                load_s=self._load_s,
                loading=len(self._flights),
            )

    def _look_up(self, key: K) -> _Entry[V] | None:
        entry = self._entries.get(key)
        if entry is not None and self._is_old(entry):
            self._expired += 1
            self._drop(key)
            entry = None
        if entry is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(key)
        return entry

    def _entry(
        self, key: K, value: V, *, ttl_s: float | None = None, size_bytes: int | None = None
    ) -> _Entry[V]:
        ttl_s = self._ttl_s if ttl_s is None else _checked_ttl(ttl_s)
        if size_bytes is None:
            size_bytes = self._size_of(value)
        if size_bytes < 0:
            raise UsageError(
                f"a value cannot take {size_bytes} bytes", cure="Give its size in bytes, or None"
            )
        return _Entry(
            value,
            size_bytes=size_bytes + size_of(key) + _ENTRY_BYTES,
            good_until=None if ttl_s is None else self._clock() + ttl_s,
        )

    def _keep(self, key: K, entry: _Entry[V]) -> bool:
        self._drop(key)
        if entry.size_bytes > self._max_bytes:
            self._refused += 1
            return False
        self._evict(self._max_bytes - entry.size_bytes)
        self._entries[key] = entry
        self._size_bytes += entry.size_bytes
        return True

    def _evict(self, to_bytes: int) -> list[_Entry[V]]:
        dropped = []
        while self._entries and self._size_bytes > to_bytes:
            _, entry = self._entries.popitem(last=False)
            self._size_bytes -= entry.size_bytes
            self._evicted += 1
            dropped.append(entry)
        return dropped

    def _drop(self, key: K) -> _Entry[V] | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size_bytes -= entry.size_bytes
        return entry

    def _is_old(self, entry: _Entry[V]) -> bool:
        return entry.good_until is not None and self._clock() >= entry.good_until

    async def _load(self, key: K, load: Callable[[K], Awaitable[V]]) -> V:
        began_at = self._clock()
        self._loads += 1
        succeeded = False
        try:
            value = await load(key)
            succeeded = True
        finally:
            self._load_s += self._clock() - began_at
            self._failed_loads += not succeeded
        entry = self._entry(key, value)
        with self._lock:
            if self._flights.is_current(key):
                self._keep(key, entry)
        return value


class _Entry(Generic[V]):
    __slots__ = ("good_until", "size_bytes", "value")

    def __init__(self, value: V, *, size_bytes: int, good_until: float | None) -> None:
        self.value = value
        self.size_bytes = size_bytes
        self.good_until = good_until


def _checked_ttl(ttl_s: float | None) -> float | None:
    if ttl_s is not None and not ttl_s > 0:
        raise UsageError(
            f"a value that is good for {ttl_s!r} s is never good",
            cure="Give a positive ttl_s, or None for no limit",
        )
    return ttl_s
