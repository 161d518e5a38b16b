"""
MemoryGovernor: keeps a process within the memory that it may use, before the kernel ends it.

It looks from a thread of its own, seldom while there is room and often while there is little, and
never for each call. Over `high` of the limit it has caches give up what is worth least per byte,
then the C library gives free pages back, and if that is not enough the garbage is collected, down
to `low`: so it does not begin again at once. Where nothing can be given up, it tries less and
less often.

Without pressure it has the C library give back what was freed and is still held, once that is
much.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Self
from weakref import WeakSet

from keiko_perf.container import ROOT, RssReader, read_memory
from keiko_perf.errors import UsageError
from keiko_perf.optimization.memory.allocator import free_bytes, trim
from keiko_perf.optimization.memory.relief import GovernorStatistics, Relief
from keiko_perf.optimization.memory.shedding import Shrinkable, ShrinkableMapping, shed, shrinkable

_MB = 1024 * 1024
_SHORTEST_S, _LONGEST_S = 0.05, 1.0
_SHARED_EVERY_S = 2.0
_ATTEMPTS = 8
"""What caches give up is estimated, and freed pages may lie between used ones: so look again."""
_PATIENCE = 64
_GC_SHARE = 0.01
"""Collecting garbage may take so much of all time, at most."""
_FREE_EVERY_S = 10.0
_FREE_SHARE = 0.000_2
_FREE_WORTH_BYTES = 64 * _MB
_LOOP_ANSWERS_S, _LOOP_LOOK_S = 5.0, 0.05
_log = logging.getLogger("keiko_perf.memory")


class MemoryGovernor:
    """
    Start it once for the process, where the event loop runs, and stop it at the end:

        with MemoryGovernor() as governor:
            governor.watch(pages)
            ...

    Args:
        limit_mb: how much the process may hold, in MiB; None: what its container may, or the
            machine.
        high: over this share of the limit something is done,
        low: down to this one.
        on_relief: called, in the governor's thread, with what was done.
        root: where `/proc` and `/sys` are found.
        clock: monotonic seconds.

    Raises:
        UsageError: a number makes no sense.
    """

    def __init__(
        self,
        *,
        limit_mb: float | None = None,
        high: float = 0.85,
        low: float = 0.75,
        on_relief: Callable[[Relief], None] | None = None,
        root: Path = ROOT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if limit_mb is not None and not limit_mb > 0:
            raise UsageError(f"limit_mb={limit_mb!r} is not positive", cure="Give a number over 0")
        if not 0 < low < high <= 1:
            raise UsageError(
                f"low={low!r} and high={high!r} are no shares of a limit, one below the other",
                cure="Give them as in low=0.75, high=0.85",
            )
        self._limit_bytes = None if limit_mb is None else round(limit_mb * _MB)
        self._high, self._low = high, low
        self._on_relief = on_relief
        self._root, self._clock = root, clock
        self._reader: RssReader | None = None
        self._shared_then: tuple[int, int, int] | None = None
        self._shared_at = 0.0
        self._caches: WeakSet[Any] = WeakSet()
        self._mappings: dict[int, ShrinkableMapping] = {}
        self._thread: Thread | None = None
        self._ended = Event()
        self._looking = Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._used: tuple[int, int] | None = None
        self._used_at = 0.0
        self._next_look_s = _SHORTEST_S
        self._retry_at, self._pause_s = 0.0, _LONGEST_S
        self._collect_at = 0.0
        self._free_at, self._free_floor = 0.0, free_bytes() or 0
        self._looks = self._reliefs = self._trims = self._collections = 0
        self._freed_from_caches_bytes = self._given_back_bytes = 0
        self._collect_s = 0.0
        self._last: Relief | None = None

    def watch(self, cache: Shrinkable | MutableMapping[Any, Any]) -> None:
        """
        Let *cache* give up what is worth least when memory gets tight.

        A `Cache`, or whatever has `shrink` and `statistics`, is not kept alive by that. A plain
        mapping is, until `forget`; of it the oldest entries go, in the event loop's own thread.

        Raises:
            UsageError: it can give up nothing.
        """
        one = shrinkable(cache, self._where_it_is_used)
        if isinstance(one, ShrinkableMapping):
            self._mappings[id(cache)] = one
        else:
            self._caches.add(one)

    def forget(self, cache: Shrinkable | MutableMapping[Any, Any]) -> None:
        """Leave *cache* alone from now on."""
        if self._mappings.pop(id(cache), None) is None:
            self._caches.discard(cache)

    def start(self) -> Self:
        """Look from now on, in the background."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        # In a process that was forked off there is no thread any more, and the reader tells of
        # the parent.
        if self._thread is None or not self._thread.is_alive():
            self._reader = None
            self._ended.clear()
            self._thread = Thread(target=self._run, name="keiko-perf memory", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """Look no more. What is under way is finished first."""
        thread, self._thread = self._thread, None
        self._ended.set()
        if thread is not None:
            thread.join()
        self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def look(self) -> Relief | None:
        """Look now, and do what is to be done; what that was."""
        with self._looking:
            used_bytes, limit_bytes = self._read()
            relief = None
            now = self._clock()
            if used_bytes >= self._high * limit_bytes and now >= self._retry_at:
                relief = self._relieve(used_bytes, limit_bytes)
            elif now >= self._free_at:
                self._give_free_back()
            self._next_look_s = self._until_next(limit_bytes)
        if relief is not None and self._on_relief is not None:
            self._on_relief(relief)
        return relief

    def statistics(self) -> GovernorStatistics:
        """How things stand now."""
        used_bytes, limit_bytes = self._used or (0, None)
        return GovernorStatistics(
            used_bytes=used_bytes,
            limit_bytes=limit_bytes,
            looks=self._looks,
            reliefs=self._reliefs,
            trims=self._trims,
            freed_from_caches_bytes=self._freed_from_caches_bytes,
            given_back_bytes=self._given_back_bytes,
            collections=self._collections,
            collect_s=self._collect_s,
            caches=len(self._caches) + len(self._mappings),
            next_look_s=self._next_look_s,
            last=self._last,
        )

    def gauges(self) -> Mapping[str, float]:
        """Figures for `monitor.recorder.add_probe`."""
        used_bytes, limit_bytes = self._used or (0, 0)
        return {
            "memory_governor_used_bytes": used_bytes,
            "memory_governor_limit_bytes": limit_bytes,
            "memory_governor_freed_bytes": self._freed_from_caches_bytes,
            "memory_governor_reliefs": self._reliefs,
        }

    def _run(self) -> None:
        while not self._ended.wait(self._next_look_s):
            try:
                self.look()
            except Exception:  # a stranger's cache or callback must not end the watch
                _log.exception("The memory governor could not do its work")
                self._next_look_s = _LONGEST_S

    def _read(self) -> tuple[int, int]:
        """What is used, and of how much."""
        self._looks += 1
        rss_bytes = self._rss_bytes()
        if self._limit_bytes is not None:
            used = rss_bytes, self._limit_bytes
        else:
            used = self._shared(rss_bytes)
        self._before, self._before_at = self._used, self._used_at
        self._used, self._used_at = used, self._clock()
        return used

    def _rss_bytes(self) -> int:
        if self._reader is None:
            self._reader = RssReader(self._root)
        return self._reader()

    def _shared(self, rss_bytes: int) -> tuple[int, int]:
        """
        What all in the container use, and of how much.

        To read that takes several files: in between, and while this process holds about the
        same, only its own is read.
        """
        now = self._clock()
        if self._shared_then is not None and now < self._shared_at + _SHARED_EVERY_S:
            then_bytes, limit_bytes, then_rss_bytes = self._shared_then
            if abs(rss_bytes - then_rss_bytes) < limit_bytes / 100:
                return then_bytes + rss_bytes - then_rss_bytes, limit_bytes
        memory = read_memory(self._root)
        self._shared_at, self._shared_then = now, (memory.used_bytes, memory.limit_bytes, rss_bytes)
        return memory.used_bytes, memory.limit_bytes

    def _until_next(self, limit_bytes: int) -> float:
        """Half of the time in which it would come to the upper threshold as it grows now."""
        if self._used is None or self._before is None:
            return _SHORTEST_S
        passed_s = max(self._used_at - self._before_at, 1e-3)
        growth_per_s = (self._used[0] - self._before[0]) / passed_s
        left_bytes = self._high * limit_bytes - self._used[0]
        if left_bytes <= 0:
            return min(max(self._retry_at - self._clock(), _SHORTEST_S * 4), _LONGEST_S)
        # It may begin to grow at any time, from nothing to the limit within two seconds; if it
        # does already, the next look cannot be too early.
        shortest_s = _SHORTEST_S if growth_per_s > limit_bytes / 20 else 5 * _SHORTEST_S
        growth_per_s = max(growth_per_s, limit_bytes / 2)
        return min(max(left_bytes / growth_per_s / 2, shortest_s), _LONGEST_S)

    def _relieve(self, used_bytes: int, limit_bytes: int) -> Relief:
        began_at, rss_bytes = self._clock(), self._rss_bytes()
        first_bytes, freed_bytes = used_bytes, 0
        aim_bytes = round(self._low * limit_bytes)
        for _ in range(_ATTEMPTS):
            freed = shed([*self._caches, *self._mappings.values()], used_bytes - aim_bytes)
            freed_bytes += freed
            trim()
            used_bytes, _ = self._read()
            if used_bytes <= aim_bytes or not freed:
                break
        collect_s = self._collect() if used_bytes > self._high * limit_bytes else None
        given_back_bytes = max(0, rss_bytes - self._rss_bytes())
        relief = Relief(
            used_bytes=first_bytes,
            limit_bytes=limit_bytes,
            freed_from_caches_bytes=freed_bytes,
            given_back_bytes=given_back_bytes,
            collect_s=collect_s,
            took_s=self._clock() - began_at,
        )
        self._note(relief)
        return relief

    def _note(self, relief: Relief) -> None:
        self._last = relief
        self._reliefs += 1
        self._freed_from_caches_bytes += relief.freed_from_caches_bytes
        self._given_back_bytes += relief.given_back_bytes
        is_useless = not relief.freed_from_caches_bytes and relief.given_back_bytes < _MB
        self._pause_s = min(self._pause_s * 2, _PATIENCE * _LONGEST_S) if is_useless else 0.0
        self._retry_at = self._clock() + self._pause_s
        self._pause_s = max(self._pause_s, _LONGEST_S)
        self._free_floor = free_bytes() or 0
        _log.log(
            logging.WARNING if is_useless else logging.INFO,
            "Memory was tight: %d of %d MiB were used. Caches gave up %d MiB, the process holds "
            "%d MiB less%s",
            relief.used_bytes // _MB,
            relief.limit_bytes // _MB,
            relief.freed_from_caches_bytes // _MB,
            relief.given_back_bytes // _MB,
            "; nothing is left to give up" if is_useless else "",
        )

    def _collect(self) -> float | None:
        now = self._clock()
        if now < self._collect_at:
            return None
        gc.collect()
        collect_s = self._clock() - now
        trim()
        self._read()
        self._collections += 1
        self._collect_s += collect_s
        self._collect_at = self._clock() + collect_s / _GC_SHARE
        return collect_s

    def _give_free_back(self) -> None:
        began_at = self._clock()
        free = free_bytes()
        if free is not None:
            self._free_floor = min(self._free_floor, free)
            if free - self._free_floor >= _FREE_WORTH_BYTES:
                before_bytes = self._rss_bytes()
                trim()
                given_back_bytes = max(0, before_bytes - self._rss_bytes())
                self._given_back_bytes += given_back_bytes
                self._trims += 1
                self._free_floor = free
                _log.info("%d MiB that were free were given back", given_back_bytes // _MB)
        took_s = self._clock() - began_at
        self._free_at = self._clock() + max(_FREE_EVERY_S, took_s / _FREE_SHARE)

    def _where_it_is_used(self, do: Callable[[], int]) -> int:
        """Run *do* in the event loop's thread, between its steps; here if there is no loop."""
        loop = self._loop
        if loop is None or not loop.is_running():
            return do()
        if self._ended.is_set():
            return 0
        answer: Future[int] = Future()

        def run() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(do())
            except BaseException as error:
                answer.set_exception(error)

        loop.call_soon_threadsafe(run)
        for _ in range(round(_LOOP_ANSWERS_S / _LOOP_LOOK_S)):
            try:
                return answer.result(_LOOP_LOOK_S)
            except FutureTimeout:
                if self._ended.is_set():  # the loop may be what waits for the end
                    break
        # It is blocked: nothing is taken from under its hands.
        return 0 if answer.cancel() else answer.result()
