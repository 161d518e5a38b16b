"""
Limiter: at most so many at once.

First come, first served: who waits longest gets the next place, and nobody slips past a queue.
The limit may be changed while it is in use. Raised, it lets waiters in at once; lowered, it
takes nobody's place away, the number in use falls as they leave. Whoever is cancelled while
waiting leaves no trace, also if the place had just been given to them.

A limiter belongs to one event loop at a time and is not for threads.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from keiko_perf.errors import Unavailable, UsageError


class WouldBlock(Unavailable):
    """There is no place free just now, and the caller did not want to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterStatistics:
    """
    How many are in, and how many had to wait.

    Attributes:
        limit: how many may be in at once.
        in_use: how many are; over the limit for a while after it was lowered.
        waiting: how many wait for a place.
        peak_in_use: the most that were in at once.
        acquired: how many places were given out since the limiter was made.
        refused: how often `acquire_nowait` found no place.
    """

    limit: int
    in_use: int
    waiting: int
    peak_in_use: int
    acquired: int
    refused: int


class Limiter:
    """
    At most *limit* at once, in the order in which they came.

    Raises:
        UsageError: *limit* is not a whole number from 1 on.
    """

    # Invariant: somebody waits only while in_use >= limit. A place that becomes free is handed
    # to the first waiter without being free in between, so that no newcomer can take it.

    __slots__ = ("_acquired", "_in_use", "_limit", "_peak", "_refused", "_waiters")

    def __init__(self, limit: int) -> None:
        self._limit = checked_limit(limit)
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._in_use = self._peak = self._acquired = self._refused = 0

    def __repr__(self) -> str:
        return f"<Limiter {self._in_use} of {self._limit}, {len(self._waiters)} waiting>"

    @property
    def limit(self) -> int:
        """How many may be in at once; may be set at any time."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = checked_limit(limit)
        self._let_in()

    def statistics(self) -> LimiterStatistics:
        """How things stand now."""
        return LimiterStatistics(
            limit=self._limit,
            in_use=self._in_use,
            waiting=len(self._waiters),
            peak_in_use=self._peak,
            acquired=self._acquired,
            refused=self._refused,
        )

    def acquire_nowait(self) -> None:
        """
        Take a place, if there is one.

        Raises:
            WouldBlock: there is none.
        """
        if self._in_use >= self._limit:
            self._refused += 1
            raise WouldBlock(
                f"all {self._limit} places are taken",
                cure="Wait with acquire(), or try again later",
            )
        self._take()

    async def acquire(self) -> None:
        """Wait for a place, behind all who came earlier. Each must be given back by `release`."""
        if self._in_use < self._limit:
            self._take()
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = None
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()  # the place came together with the cancellation
            else:
                self._waiters.pop(waiter, None)
            raise

    def release(self) -> None:
        """
        Give a place back.

        Raises:
            UsageError: none is taken.
        """
        if self._in_use <= 0:
            raise UsageError(
                "a place was given back that nobody had taken",
                cure="Call release() once for each acquire(), or use `async with`",
            )
        self._in_use -= 1
        self._let_in()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _take(self) -> None:
        self._acquired += 1
        self._in_use += 1
        if self._in_use > self._peak:
            self._peak = self._in_use

    def _let_in(self) -> None:
        while self._waiters and self._in_use < self._limit:
            waiter, _ = self._waiters.popitem(last=False)
            # Cancelled in this very turn of the loop, it did not get round to leave the queue.
            if not waiter.done():
                self._take()
                waiter.set_result(None)


def checked_limit(limit: int) -> int:
    """*limit*, if it is one."""
    # A caller without a type checker may pass anything.
    whole: object = limit
    if isinstance(whole, bool) or not isinstance(whole, int) or limit < 1:
        raise UsageError(
            f"a limit of {limit!r} lets nobody in", cure="Give a whole number from 1 on"
        )
    return limit
