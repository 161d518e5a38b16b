"""
Cache: values by key, within a given number of entries, of bytes, or of both.

Anything can be kept, strings, dicts and tuples too, and stays until its time is up or its place
is needed; which one has to go then is decided in `eviction.py`. `get_or_load` asks the source once
for each key, however many ask at the same time.

What it promises:
- A load serves all who wait for it. It is cancelled when nobody waits any more, and not before.
- What was removed, or its tag invalidated, while it was being loaded is handed to those who waited
  for it already, and not kept.
- What was just put in can be got out, unless it is larger than the whole cache.

The bytes are estimated (`size.py`), key and bookkeeping included. Threads may share a cache; what
is under way in `get_or_load` is shared within one event loop.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from functools import partial
from random import Random
from threading import RLock
from typing import Generic, TypeVar, cast, overload

from keiko_perf.errors import UsageError
from keiko_perf.optimization.caching.entry import CacheStatistics, Entry, again
from keiko_perf.optimization.caching.flight import SingleFlight
from keiko_perf.optimization.caching.freshness import Freshness
from keiko_perf.optimization.caching.shelf import Shelf
from keiko_perf.optimization.memory.size import size_of

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

ENTRY_BYTES = 380
"""What an entry takes beside its key and value: measured, the most of CPython 3.11 to 3.13."""
_RETRY_S = 1.0
"""How long a stale value is handed out before what failed to load anew is tried again."""
_SLICE = 500
"""How many entries are dropped before others may use the cache again."""


class Cache(Generic[K, V]):
    """
    Values by key.

    Args:
        max_bytes: what all entries may take together; None: bounded by their number alone.
        max_entries: how many there may be; None: bounded by their bytes alone.
        ttl_s: how long a value is good for; None: as long as there is room.
        ttl_jitter: the share of this by which it is shortened at random, 0 to 1, so that what was
            loaded together is not to be loaded anew together.
        stale_s: for how long after that it is still handed out by `get_or_load`, at once, while it
            is loaded anew in the background. What fails to load is tried again after a second.
        negative_ttl_s: how long it is good for that there is nothing: that a load gave None, or
            raised one of *negative_errors*. None: None is a value like any other, and no error is
            kept.
        negative_errors: the errors that say that there is nothing, and do not mean a failure.
        size_of: how many bytes a value takes.
        clock: monotonic seconds.
        random: what shortens the times.

    Raises:
        UsageError: there is no bound, or a number makes no sense.
    """

    def __init__(
        self,
        max_bytes: int | None = None,
        *,
        max_entries: int | None = None,
        ttl_s: float | None = None,
        ttl_jitter: float = 0.0,
        stale_s: float = 0.0,
        negative_ttl_s: float | None = None,
        negative_errors: type[Exception] | tuple[type[Exception], ...] = (),
        size_of: Callable[[V], int] = size_of,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self._freshness = Freshness(
            ttl_s=ttl_s,
            ttl_jitter=ttl_jitter,
            stale_s=stale_s,
            negative_ttl_s=negative_ttl_s,
            negative_errors=negative_errors,
        )
        self._size_of = size_of
        self._clock = clock
        self._random = random or Random()
        self._shelf: Shelf[K, V] = Shelf(max_bytes, max_entries, clock)
        self._flights: SingleFlight[K, V] = SingleFlight()
        self._loads = self._failed_loads = 0
        self._load_s = 0.0
        # Re-entrant: to drop a value, or to compare a key, may run code that asks this cache.
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._shelf)

    def __contains__(self, key: K) -> bool:
        """Whether there is a good value; counts as no look-up and as no use."""
        with self._lock:
            entry = self._shelf.peek(key)
            return entry is not None and entry.error is None and not self._shelf.is_old(entry)

    @overload
    def get(self, key: K) -> V | None: ...

    @overload
    def get(self, key: K, default: D) -> V | D: ...

    def get(self, key: K, default: D | None = None) -> V | D | None:
        """The value of *key*, or *default*; the latter also if an error is what is kept."""
        with self._lock:
            entry = self._shelf.hit(key) or self._shelf.look_up(key)
        return default if entry is None or entry.error is not None else entry.value

    def hit(self, key: K) -> Entry[K, V] | None:
        """What is kept of *key*, if it is a good value; if not, this is no look-up yet."""
        with self._lock:
            return self._shelf.hit(key)

    def put(
        self,
        key: K,
        value: V,
        *,
        ttl_s: float | None = None,
        size_bytes: int | None = None,
        tags: Iterable[Hashable] = (),
    ) -> bool:
        """
        Keep *value*, in place of what was kept for *key*.

        Args:
            ttl_s: how long it is good for, if not as long as the cache's others.
            size_bytes: what it takes, if that is known better than it can be estimated.
            tags: what it belongs to; see `invalidate_tag`.

        Returns:
            Whether it is kept. A value larger than the whole cache is not.
        """
        entry = self._entry(key, value, ttl_s=ttl_s, size_bytes=size_bytes)
        with self._lock:
            self._flights.forget(key)  # what is being loaded is older than this
            return self._shelf.keep(entry, tags)

    async def get_or_load(
        self,
        key: K,
        load: Callable[[K], Awaitable[V]],
        *,
        ttl_s: float | None = None,
        tags: Iterable[Hashable] = (),
    ) -> V:
        """
        The value of *key*; if there is none, what `await load(key)` gives.

        Of those who ask at the same time one loads, and all get the answer, or the error. It is
        kept unless it was raised, or `put`, `remove`, `clear` or `invalidate_tag` came in between.

        Args:
            load: an async function of the key.
            ttl_s: how long what is loaded is good for, if not as long as the cache's others.
            tags: what it belongs to; see `invalidate_tag`.

        Raises:
            Exception: what *load* raised. Nothing is kept then, unless it is one of the
                `negative_errors`.
        """
        with self._lock:
            entry = self._shelf.hit(key)
            if entry is not None:
                return entry.value
            entry = self._shelf.look_up(key, or_stale=True)
        if entry is None:
            return await self._flights.join(key, partial(self._load, key, load, ttl_s, tags))
        if entry.stale_until is not None and self._is_due(entry):
            self._flights.begin(key, partial(self._load, key, load, ttl_s, tags, stale=entry))
        if entry.error is not None:
            raise again(entry.error)
        return entry.value

    def remove(self, key: K) -> bool:
        """Forget the value of *key*; whether there was one."""
        with self._lock:
            self._flights.forget(key)
            return self._shelf.invalidate(key)

    def invalidate_tag(self, tag: Hashable) -> int:
        """Forget all values that belong to *tag*; how many that were."""
        with self._lock:
            return sum(self.remove(key) for key in self._shelf.tags.keys(tag))

    def clear(self) -> int:
        """Forget everything; how many bytes that was, estimated."""
        with self._lock:
            self._flights.forget_all()
            freed_bytes = self._shelf.size_bytes
            entries = self._shelf.clear()
        del entries  # outside of the lock, for it may take long
        return freed_bytes

    def shrink(self, to_bytes: int) -> int:
        """
        Make do with *to_bytes* for now: the expired go first, then what is worth least per byte.

        A value is worth what it took to load it, times how often it was asked for of late.

        Returns:
            How many bytes were freed, estimated.
        """
        freed_bytes = 0
        for part in self._least_worth(to_bytes):
            with self._lock:
                freed_bytes += self._shelf.make_room(part, to_bytes)
        return freed_bytes

    def worths(self) -> list[tuple[float, float]]:
        """
        What is kept is worth how many seconds of loading per byte, and how many bytes that is.

        Of a large cache some stand for all.
        """
        return self._shelf.worths(self._entries(), usual_load_s=self._usual_load_s)

    async def aclose(self) -> None:
        """Give up what is being loaded anew in the background, in this event loop."""
        await self._flights.aclose()

    def statistics(self) -> CacheStatistics:
        """How things stand now."""
        with self._lock:
            shelf = self._shelf
            return CacheStatistics(
                entries=len(shelf),
                size_bytes=shelf.size_bytes,
                max_bytes=shelf.max_bytes,
                max_entries=shelf.max_entries,
                hits=shelf.hits,
                stale_hits=shelf.stale_hits,
                misses=shelf.misses,
                evicted=shelf.evicted,
                expired=shelf.expired,
                invalidated=shelf.invalidated,
                refused=shelf.refused,
                loads=self._loads,
                failed_loads=self._failed_loads,
                load_s=self._load_s,
                saved_s=shelf.saved_s,
                loading=len(self._flights),
            )

    @property
    def _usual_load_s(self) -> float | None:
        succeeded = self._loads - self._failed_loads
        return self._load_s / succeeded if succeeded > 0 else None

    def _entries(self) -> list[Entry[K, V]]:
        with self._lock:
            return self._shelf.entries()

    def _entry(
        self,
        key: K,
        value: V | None,
        *,
        ttl_s: float | None = None,
        size_bytes: int | None = None,
        load_s: float | None = None,
        error: Exception | None = None,
    ) -> Entry[K, V]:
        if size_bytes is None:
            size_bytes = self._size_of(cast(V, value)) if error is None else size_of(error.args)
        if size_bytes < 0:
            raise UsageError(
                f"a value cannot take {size_bytes} bytes", cure="Give its size in bytes, or None"
            )
        is_nothing = value is None
        good_s = self._freshness.good_s(
            is_nothing=is_nothing, ttl_s=ttl_s, chance=self._random.random()
        )
        good_until = None if good_s is None else self._clock() + good_s
        stale_s = 0.0 if is_nothing else self._freshness.stale_s
        return Entry(
            key,
            value,
            size_bytes=size_bytes + size_of(key) + ENTRY_BYTES,
            good_until=good_until,
            stale_until=good_until + stale_s if good_until is not None and stale_s else None,
            load_s=load_s,
            error=error,
        )

    def _is_due(self, entry: Entry[K, V]) -> bool:
        return self._shelf.is_old(entry) and self._clock() >= entry.retry_at

    def _least_worth(self, to_bytes: int) -> Iterator[list[Entry[K, V]]]:
        """Some entries at a time, until enough are named: first those that are worth least."""
        left_bytes: float = self._shelf.size_bytes - to_bytes
        if left_bytes <= 0:
            return
        entries, usual_load_s = self._entries(), self._usual_load_s
        worth, limit = partial(self._shelf.worth_per_byte, usual_load_s=usual_load_s), 0.0
        for worth_per_byte, size_bytes in sorted(
            self._shelf.worths(entries, usual_load_s=usual_load_s)
        ):
            limit = worth_per_byte
            left_bytes -= size_bytes
            if left_bytes <= 0:
                break
        rest: list[Entry[K, V]] = []
        for at in range(0, len(entries), _SLICE):
            part = [(worth(one), one) for one in entries[at : at + _SLICE]]
            yield [one for its_worth, one in part if its_worth < limit]
            rest += [one for its_worth, one in part if its_worth >= limit]
        # Those of just this worth before the others, which go only if some stood for too many.
        rest.sort(key=lambda one: worth(one) > limit)
        yield from (rest[at : at + _SLICE] for at in range(0, len(rest), _SLICE))

    async def _load(
        self,
        key: K,
        load: Callable[[K], Awaitable[V]],
        ttl_s: float | None,
        tags: Iterable[Hashable],
        *,
        stale: Entry[K, V] | None = None,
    ) -> V:
        began_at = self._clock()
        tags = frozenset(tags)
        with self._lock:
            self._loads += 1
            if tags:  # what is being loaded can be invalidated by them as well
                self._shelf.tags.put(key, tags)
        entry: Entry[K, V] | None = None
        made = partial(self._entry, key, ttl_s=ttl_s)
        try:
            value = await load(key)
            entry = made(value, load_s=self._clock() - began_at)
            return value
        except self._freshness.negative_errors as error:
            entry = made(None, load_s=self._clock() - began_at, error=error)
            raise
        finally:
            with self._lock:
                self._load_s += self._clock() - began_at
                self._failed_loads += entry is None
                if stale is not None:
                    stale.retry_at = self._clock() + _RETRY_S
                is_wanted = self._flights.is_current(key)
                if entry is not None and is_wanted:
                    self._shelf.keep(entry, tags)
                elif self._shelf.peek(key) is None and (is_wanted or key not in self._flights):
                    self._shelf.tags.remove(key)
