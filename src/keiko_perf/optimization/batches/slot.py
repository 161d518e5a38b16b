"""
Slot: the place under a limiter that one item of a batch holds, and lends while it only waits.

A batch inside an item of another batch under the same limiter is natural (agents, and each
one's tasks) and deadly: once the outer items hold every place, none is left for the inner ones
that they wait for. So an item that runs such a batch lends its place for as long, and takes a
new one before it goes on. Nobody waits while holding a place, and so nobody waits for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

from keiko_perf.optimization.limiter import Limiter

_NONE: Mapping[Limiter, Slot] = MappingProxyType({})
_held: ContextVar[Mapping[Limiter, Slot]] = ContextVar("keiko_perf_slots", default=_NONE)


class Slot:
    """The place of one item under *limiter*."""

    __slots__ = ("_has_place", "_is_over", "_lent", "_limiter")

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._has_place = self._is_over = False
        self._lent = 0

    @staticmethod
    def around(limiter: Limiter) -> Slot | None:
        """The slot of the item that the caller runs in, or None outside of any."""
        return _held.get().get(limiter)

    async def take(self) -> None:
        """Wait for the place; batches that start in this context from now on may borrow it."""
        await self._limiter.acquire()
        self._has_place = True
        _held.set({**_held.get(), self._limiter: self})

    def give_back(self) -> None:
        """The item is done. What it started and did not wait for has no place to borrow now."""
        self._is_over = True
        self._free()

    def lend(self) -> None:
        """The item begins to wait for a batch; it may wait for several at a time."""
        self._lent += 1
        self._free()

    async def reclaim(self) -> None:
        """A batch has ended. After the last one, wait for a place to go on with."""
        self._lent -= 1
        if not self._is_in_need():
            return
        await self._limiter.acquire()
        if self._is_in_need():
            self._has_place = True
        else:  # it ended meanwhile, or waits for another batch already
            self._limiter.release()

    def forsake(self) -> None:
        """A batch was cancelled: the item goes on without a place rather than wait for one now."""
        self._lent -= 1

    def _is_in_need(self) -> bool:
        return not (self._lent or self._is_over or self._has_place)

    def _free(self) -> None:
        if self._has_place:
            self._has_place = False
            self._limiter.release()
