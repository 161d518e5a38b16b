"""
MemoryOptimizer: keeps a process under a threshold, and says what it gave back.

Looking costs microseconds and is done now and then, never for each call. Over the threshold the
caches make room first, then the allocator gives free pages back to the system, and only if
that is not enough the garbage is collected. The last two run in a thread, so the event loop
goes on while the allocator works; collecting holds the interpreter's lock, which is why it is last.

The guide's megabytes are 1024 · 1024 bytes.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict
from weakref import WeakSet

from keiko_perf.container import ROOT, read_held, read_memory
from keiko_perf.errors import UsageError
from keiko_perf.optimization.caching.cache import Cache
from keiko_perf.optimization.caching.entry import CacheStatistics
from keiko_perf.optimization.caching.flight import SingleFlight
from keiko_perf.optimization.memory.allocator import trim
from keiko_perf.optimization.memory.shedding import Shrinkable, shed

_MB = 1024 * 1024
_WORTH_TELLING_BYTES = 50 * _MB
_TARGET = 0.9
"""Once over the threshold, room is made down to this share of it, so that it lasts a while."""
_ATTEMPTS = 4
"""What caches give up is estimated, and freed pages may lie between used ones: so look again."""
_PATIENCE = 64
"""Where nothing can be given back, looking is put off up to so many times the usual interval."""


_optimizers: WeakSet[MemoryOptimizer] = WeakSet()
"""All there are: memory is the process's, so whoever needs some may ask the caches of all."""


class MemoryUsage(TypedDict):
    """What `check_memory_usage` says: MiB, and per cent of what the process may hold."""

    rss_mb: float
    vms_mb: float
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStatistics:
    """
    What was done to keep the process under its threshold.

    Attributes:
        looks: how often the process's memory was looked at, because somebody called.
        optimizations: how often it was over the threshold, and something was done.
        given_back_bytes: what the process held less after all of these together.
        freed_from_caches_bytes: what caches gave up for it, estimated.
        collections: how often garbage had to be collected.
        cache: the optimizer's own cache.
    """

    looks: int
    optimizations: int
    given_back_bytes: int
    freed_from_caches_bytes: int
    collections: int
    cache: CacheStatistics


class MemoryOptimizer:
    """
    Caches objects, and makes room when the process holds too much.

    Args:
        memory_threshold_mb: how much memory the process should hold at most, in MiB.
        max_cache_mb: what the objects cached here may take; a quarter of the threshold by default.
        ttl_s: how long a cached object is good for; None: as long as there is room.
        check_every_s: how long `@memory_optimized` waits between two looks, at least.
        root: where `/proc` and `/sys` are found.
        clock: monotonic seconds.

    Raises:
        UsageError: a size or a time is not positive.
    """

    def __init__(
        self,
        memory_threshold_mb: float = 1000,
        *,
        max_cache_mb: float | None = None,
        ttl_s: float | None = None,
        check_every_s: float = 1.0,
        root: Path = ROOT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.memory_threshold_mb = _positive(memory_threshold_mb, "memory_threshold_mb")
        if max_cache_mb is None:
            max_cache_mb = memory_threshold_mb / 4
        self._objects: Cache[tuple[Hashable, Hashable], Any] = Cache(
            int(_positive(max_cache_mb, "max_cache_mb") * _MB), ttl_s=ttl_s, clock=clock
        )
        self._caches: WeakSet[Shrinkable] = WeakSet()
        self._check_every_s = _positive(check_every_s, "check_every_s")
        self._root = root
        self._clock = clock
        self._look_at: float | None = None
        self._pause_s = check_every_s
        self._flight: SingleFlight[str, int] = SingleFlight()
        self._looks = self._optimizations = self._collections = 0
        self._given_back_bytes = self._freed_from_caches_bytes = 0
        _optimizers.add(self)

    def get_cached_object(self, cache_key: Hashable, object_id: Hashable) -> Any:
        """The object cached under both names; None if there is none any more."""
        return self._objects.get((cache_key, object_id))

    def cache_object(
        self,
        cache_key: Hashable,
        object_id: Hashable,
        obj: object,
        *,
        ttl_s: float | None = None,
        size_bytes: int | None = None,
    ) -> bool:
        """
        Cache *obj*, of whatever type, until its place or its memory is needed.

        Args:
            cache_key: which kind of object it is, such as "agents".
            object_id: which one of them.
            obj: the object itself, kept as it is and not copied.
            ttl_s: how long it is good for, if not as long as the others.
            size_bytes: what it takes; estimated if not given.

        Returns:
            Whether it is kept: one that is larger than the whole cache is not.
        """
        return self._objects.put((cache_key, object_id), obj, ttl_s=ttl_s, size_bytes=size_bytes)

    def clear_caches(self) -> int:
        """Forget all cached objects, here and in watched caches; about how many bytes that was."""
        return sum(cache.shrink(0) for cache in self._caches) + self._objects.clear()

    def watch(self, cache: Shrinkable) -> None:
        """Let *cache* make room too when memory gets tight. It is not kept alive by that."""
        self._caches.add(cache)

    def check_memory_usage(self) -> MemoryUsage:
        """
        What the process holds: `rss_mb`, `vms_mb`, and `percent` of what it may hold, which is the
        limit of its container, or else the memory of the machine.
        """
        held = read_held(self._root)
        return MemoryUsage(
            rss_mb=held.rss_bytes / _MB,
            vms_mb=held.vms_bytes / _MB,
            percent=held.rss_bytes / read_memory(self._root).limit_bytes * 100,
        )

    async def optimize_memory_if_needed(self) -> bool:
        """
        Give memory back, if the process holds more than the threshold.

        Who calls while another call is at it waits for that one and gets its answer.

        Returns:
            Whether the process holds more than 50 MiB less than before.
        """
        return await self._relieve() > _WORTH_TELLING_BYTES

    async def look(self) -> None:
        """
        The same, at most once in `check_every_s`, and less often while there is nothing to give.

        Cheap enough to be called for each request: between two looks it reads the clock.
        """
        now = self._clock()
        if self._look_at is not None and now < self._look_at:
            return
        self._look_at = now + self._pause_s
        useless = self._is_over() and await self._relieve() <= 0
        longest_s = self._check_every_s * _PATIENCE
        self._pause_s = min(self._pause_s * 2, longest_s) if useless else self._check_every_s
        self._look_at = self._clock() + self._pause_s

    def statistics(self) -> MemoryStatistics:
        """What was done so far."""
        return MemoryStatistics(
            looks=self._looks,
            optimizations=self._optimizations,
            given_back_bytes=self._given_back_bytes,
            freed_from_caches_bytes=self._freed_from_caches_bytes,
            collections=self._collections,
            cache=self._objects.statistics(),
        )

    @property
    def _threshold_bytes(self) -> float:
        return self.memory_threshold_mb * _MB

    def _rss_bytes(self) -> int:
        self._looks += 1
        return read_held(self._root).rss_bytes

    def _is_over(self) -> bool:
        return self._rss_bytes() > self._threshold_bytes

    async def _relieve(self) -> int:
        """How many bytes the process holds less; 0 if it was under the threshold anyway."""
        return await self._flight.join("memory", self._make_room)

    async def _make_room(self) -> int:
        before_bytes = self._rss_bytes()
        if before_bytes <= self._threshold_bytes:
            return 0
        self._optimizations += 1
        held_bytes = before_bytes
        for attempt in range(_ATTEMPTS):
            freed_bytes = self._shrink_caches(round(held_bytes - self._threshold_bytes * _TARGET))
            if attempt and not freed_bytes:
                break
            held_bytes = await asyncio.to_thread(self._give_back, collect=attempt == 0)
            if held_bytes <= self._threshold_bytes:
                break
        given_back_bytes = max(0, before_bytes - held_bytes)
        self._given_back_bytes += given_back_bytes
        return given_back_bytes

    def _shrink_caches(self, excess_bytes: int) -> int:
        """Of all caches of the process that are known here, what is worth least per byte."""
        everyone = {self, *_optimizers}
        caches = {cache for one in everyone for cache in (one._objects, *one._caches)}
        freed_bytes = shed(caches, excess_bytes)
        self._freed_from_caches_bytes += freed_bytes
        return freed_bytes

    def _give_back(self, *, collect: bool) -> int:
        """Runs in a thread. What the process holds afterwards."""
        trim()
        held_bytes = self._rss_bytes()
        if collect and held_bytes > self._threshold_bytes:
            self._collections += 1
            gc.collect()
            trim()
            held_bytes = self._rss_bytes()
        return held_bytes


def _positive(number: float, name: str) -> float:
    if not number > 0:
        raise UsageError(f"{name}={number!r} is not positive", cure="Give a number over 0")
    return number
