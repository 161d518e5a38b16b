"""
AdaptiveLimiter: finds by itself how many at once serve a service best, and follows its changes.

It is told nothing about the service: it measures how long those inside take, beside how many, and
keeps to the least that gives nearly all the throughput there is (`steering.py`). Who is too many
waits by a queue discipline (`queueing.py`) or is turned away by `Overloaded`, which says when to
come again.

    limiter = AdaptiveLimiter()

    async with limiter:                                        # any work
        await work()
    async with limiter.around(session.get(url)) as response:   # one context inside it
        ...

    @limiter
    async def fetch(url): ...

`LimitConcurrency` limits what a service is asked for, `limited_pool`, `LimitedTransport` and
`limit_requests` what it asks of a database and of other services.

Work that raises has failed and counts as time spent for nothing; work that is cancelled says
nothing. Its time is that of the running event loop. A limiter belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, current_task, get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from math import inf
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from keiko_perf.errors import Unavailable, UsageError
from keiko_perf.optimization.limiter import checked_limit
from keiko_perf.optimization.queueing import Discipline, Queue, QueueRules
from keiko_perf.optimization.steering import Steering

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

_LEAST_RETRY_S = 1.0
_LONG_TURN_S = 0.005
"""A shorter turn of the loop is no delay to speak of."""


class Overloaded(Unavailable):
    """
    There is more to do than can be done, and this was turned away.

    Attributes:
        retry_after_s: when there may be room again.
    """

    retry_after_s: float = _LEAST_RETRY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveStatistics:
    """
    Attributes:
        limit: how many may be in at once, now.
        in_use: how many are.
        waiting: how many wait for a place.
        peak_in_use: the most that were in at once.
        acquired: how many places were given out.
        refused: how many were turned away as they came, because too many waited.
        turned_away: how many were turned away after they had waited.
        failed: how many places were given back by work that failed.
        windows: how many measurements the limit rests on.
        changes: how often the service was found to have changed.
    """

    limit: int
    in_use: int
    waiting: int
    peak_in_use: int
    acquired: int
    refused: int
    turned_away: int
    failed: int
    windows: int
    changes: int


class Place:
    """A place that is taken. Give it back by `release`, once."""

    __slots__ = ("_began_s", "_beside", "_limiter", "_outer")

    def __init__(self, limiter: AdaptiveLimiter, began_s: float, beside: int) -> None:
        self._limiter: AdaptiveLimiter | None = limiter
        self._began_s = began_s
        self._beside = beside
        self._outer: Place | None = None  # another that the same task has entered before

    def release(self, succeeded: bool | None = True) -> None:
        """
        Give the place back.

        Args:
            succeeded: whether the work was of use; None if it says nothing, being cancelled.

        Raises:
            UsageError: it was given back already.
        """
        limiter, self._limiter = self._limiter, None
        if limiter is None:
            raise UsageError("a place was given back twice", cure="Call release() only once")
        limiter._release(self, succeeded)


class AdaptiveLimiter:
    """
    As many at once as serve best.

    Args:
        least: the lowest limit there may be.
        most: the highest.
        first: the limit to begin with. The default begins low, to see how long work takes
            without a queue, and finds its limit within seconds.
        discipline: who is next: `"codel"`, `"fifo"` or `"lifo"`.
        max_waiting: how many may wait.
        patience_s: how long anybody may wait.
        target_s: how long somebody may wait in a queue that stands, by `codel`.
        name: what its gauges begin with, where a process has several.

    Raises:
        UsageError: a number makes no sense.
    """

    def __init__(
        self,
        *,
        least: int = 1,
        most: int = 1000,
        first: int = 2,
        discipline: Discipline = "codel",
        max_waiting: int = 1000,
        patience_s: float = 1.0,
        target_s: float = 0.02,
        name: str = "concurrency",
    ) -> None:
        if checked_limit(least) > checked_limit(most):
            raise UsageError(
                f"a limit cannot be at least {least} and at most {most}",
                cure="Let least be no more than most",
            )
        self._steering = Steering(first=checked_limit(first), least=least, most=most)
        self._queue: Queue[asyncio.Future[Place]] = Queue(
            QueueRules(
                discipline=discipline,
                most=max_waiting,
                patience_s=patience_s,
                target_s=target_s,
            )
        )
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting = self._queue.waiting
        self._places: dict[asyncio.Task[Any] | None, Place] = {}  # the innermost of each task
        self._timer: asyncio.TimerHandle | None = None
        self._look_s = inf  # when somebody may have waited too long
        self._unseen_s: float | None = None  # who came since waits for the loop, not for a place
        self._in_use = self._peak = self._acquired = self._refused = self._turned_away = 0
        self._failed = 0
        self._ended = 0
        self._first_s: float | None = None

    def __repr__(self) -> str:
        return f"<AdaptiveLimiter {self._in_use} of {self.limit}, {len(self._waiting)} waiting>"

    @property
    def limit(self) -> int:
        """How many may be in at once, now."""
        return self._steering.limit

    def statistics(self) -> AdaptiveStatistics:
        """How things stand now."""
        return AdaptiveStatistics(
            limit=self.limit,
            in_use=self._in_use,
            waiting=len(self._waiting),
            peak_in_use=self._peak,
            acquired=self._acquired,
            refused=self._refused,
            turned_away=self._turned_away,
            failed=self._failed,
            windows=self._steering.windows,
            changes=self._steering.changes,
        )

    def gauges(self) -> Mapping[str, float]:
        """
        The same for a monitor: `monitor.recorder.add_probe(limiter.gauges)`.

        They are `concurrency_limit`, `concurrency_in_use`, `concurrency_waiting` and
        `concurrency_turned_away` (how many were, since the limiter was made), or by its name.
        """
        return {
            f"{self._name}_limit": self.limit,
            f"{self._name}_in_use": self._in_use,
            f"{self._name}_waiting": len(self._waiting),
            f"{self._name}_turned_away": self._refused + self._turned_away,
        }

    async def acquire(self) -> Place:
        """
        Wait for a place.

        Raises:
            Overloaded: too many wait, or this one has waited too long.
        """
        self._loop = loop = get_running_loop()
        if self._in_use < self._steering.limit:
            return self._take(loop.time())
        return await self._wait(loop)

    @asynccontextmanager
    async def around(self, resource: AbstractAsyncContextManager[C]) -> AsyncIterator[C]:
        """*resource*, entered in a place and left before that is given back."""
        async with self, resource as entered:
            yield entered

    def __call__(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """
        A decorator: each call of *function* has a place.

        Raises:
            UsageError: it is not an async function.
        """
        if not iscoroutinefunction(function):
            raise UsageError(
                f"a limiter decorates async functions, not {function!r}",
                cure="Make it an `async def`",
            )

        @wraps(function)
        async def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self:
                return await function(*args, **kwargs)

        return limited

    async def __aenter__(self) -> Self:
        self._loop = loop = get_running_loop()
        if self._in_use < self._steering.limit:
            place = self._take(loop.time())
        else:
            place = await self._wait(loop)
        task = current_task()
        place._outer = self._places.get(task)
        self._places[task] = place
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = current_task()
        place = self._places.pop(task, None)
        if place is None:
            raise UsageError(
                "a limiter was left by a task that had not entered it",
                cure="Enter and leave it in the same task, or use acquire() and release()",
            )
        if place._outer is not None:
            self._places[task] = place._outer
        place._limiter = None
        if error is None:
            self._release(place, True)
        else:
            # Cancelled and the like: nobody knows how long it would have taken.
            self._release(place, False if isinstance(error, Exception) else None)

    # Invariant: somebody waits only while in_use >= limit, so that a place which is free is
    # nobody's. What follows is done for each request: it calls little, and looks up little.

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> Place:
        now_s = loop.time()
        if self._queue.is_full:
            self._refused += 1
            raise self._overloaded(now_s)
        waiter: asyncio.Future[Place] = loop.create_future()
        if self._queue.join(waiter, now_s):
            self._look_again(loop, now_s)
        if self._unseen_s is None:
            self._unseen_s = now_s
            loop.call_soon(self._turn_of_loop, loop)
        try:
            return await waiter
        except CancelledError:
            self._queue.leave(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().release(None)  # the place came together with the cancellation
            raise

    def _take(self, now_s: float) -> Place:
        if self._first_s is None:
            self._first_s = now_s
        self._acquired += 1
        self._in_use = in_use = self._in_use + 1
        if in_use > self._peak:
            self._peak = in_use
        return Place(self, now_s, in_use)

    def _release(self, place: Place, succeeded: bool | None) -> None:
        loop = self._loop or get_running_loop()
        now_s = loop.time()
        self._in_use = in_use = self._in_use - 1
        if succeeded is not None:
            self._ended += 1
            if not succeeded:
                self._failed += 1
            self._steering.ended(
                now_s,
                now_s - place._began_s,
                beside=place._beside,
                in_flight=in_use,
                succeeded=succeeded,
            )
        if self._waiting:
            self._let_in(now_s)

    def _let_in(self, now_s: float) -> None:
        if now_s >= self._look_s:  # the loop is late
            self._begin_to_wait(now_s)
            self._turn_away(now_s)
        while self._in_use < self._steering.limit and self._waiting:
            waiter = self._queue.next(now_s)
            # Cancelled in this very turn of the loop, it did not get round to leave the queue.
            if not waiter.done():
                waiter.set_result(self._take(now_s))

    def _turn_away(self, now_s: float) -> None:
        for waiter in self._queue.turn_away(now_s):
            if not waiter.done():
                self._turned_away += 1
                waiter.set_exception(self._overloaded(now_s))

    def _look_again(self, loop: asyncio.AbstractEventLoop, now_s: float) -> None:
        """See to it that somebody is turned away in time, also while no place is given back."""
        look_s = self._queue.next_look_s(now_s)
        if look_s is None or self._look_s <= look_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._look_s = look_s
        self._timer = loop.call_at(look_s, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._look_s = None, inf
        now_s = loop.time()
        self._begin_to_wait(now_s)
        self._turn_away(now_s)
        self._look_again(loop, now_s)

    def _turn_of_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._begin_to_wait(loop.time())
        self._unseen_s = None

    def _begin_to_wait(self, now_s: float) -> None:
        """
        Who came within the running turn of the loop begins to wait now: in it no place could be
        given back, however long it was.
        """
        if self._unseen_s is not None and now_s - self._unseen_s > _LONG_TURN_S:
            self._queue.begin_anew(self._unseen_s, now_s)
            self._unseen_s = now_s

    def _overloaded(self, now_s: float) -> Overloaded:
        lasted_s = now_s - (self._first_s if self._first_s is not None else now_s)
        # As long as those who wait already will take, by the rate so far.
        wait_s = len(self._waiting) * lasted_s / self._ended if self._ended else 0.0
        error = Overloaded(
            f"all {self.limit} places are taken, and {len(self._waiting)} wait for one",
            cure=f"Try again in {max(wait_s, _LEAST_RETRY_S):.0f} s",
        )
        error.retry_after_s = max(wait_s, _LEAST_RETRY_S)
        return error
