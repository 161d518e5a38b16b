"""
SingleFlight: many ask for the same at once, and it is done once.

The work runs in a task of its own, so the first to ask may be cancelled and the others still
get their answer. When the last of them is gone, the work is cancelled too, and waited for. Work
that was begun for nobody in particular goes on in any case, until it is through or given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from keiko_perf.errors import UsageError
from keiko_perf.optimization.cancel import cancel_all
from keiko_perf.optimization.outcome import WorkCancelled

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Work under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[K, _Flight[V]] = {}
        # The event loop does not hold on to its tasks, and what is begun may be forgotten.
        self._begun: set[asyncio.Task[V]] = set()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        return key in self._flights

    async def join(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """
        The answer of *work*, or of the one that is already under way for *key*.

        Raises:
            Exception: what the work raised; everyone who waits for it gets the same.
            WorkCancelled: it was cancelled from within.
            UsageError: the work waits for itself.
        """
        flight = self._flights.get(key)
        # Nobody can wait for the task of another thread's event loop.
        if flight is None or flight.task.get_loop() is not asyncio.get_running_loop():
            flight = self._flights[key] = _Flight(work)
            flight.task.add_done_callback(partial(self._landed, key, flight))
        elif flight.task is asyncio.current_task():
            raise UsageError(
                "a load asks for the very key that it loads", cure="Load it from its source"
            )
        return await self._wait(key, flight)

    def begin(self, key: K, work: Callable[[], Awaitable[V]]) -> None:
        """Have *work* done, unless it is under way for *key*, and wait for nothing."""
        if key in self._flights:
            return
        flight = self._flights[key] = _Flight(work)
        flight.waiting = 1  # for ever: who joins and leaves does not end it
        self._begun.add(flight.task)
        flight.task.add_done_callback(self._begun.discard)
        flight.task.add_done_callback(partial(self._landed, key, flight))

    async def aclose(self) -> None:
        """Give up what was begun for nobody in particular."""
        loop = asyncio.get_running_loop()
        await cancel_all([task for task in self._begun if task.get_loop() is loop])

    def forget(self, key: K) -> None:
        """Who asks from now on starts anew; who waits already still gets the answer."""
        self._flights.pop(key, None)

    def forget_all(self) -> None:
        """The same for all keys."""
        self._flights.clear()

    def is_current(self, key: K) -> bool:
        """Whether the caller, the work itself, is still what those who ask for *key* wait for."""
        flight = self._flights.get(key)
        return flight is not None and flight.task is asyncio.current_task()

    async def _wait(self, key: K, flight: _Flight[V]) -> V:
        flight.waiting += 1
        try:
            await asyncio.wait([flight.task])
        except asyncio.CancelledError:
            if flight.waiting == 1:
                self._land(key, flight)
                await cancel_all([flight.task])
            raise
        finally:
            flight.waiting -= 1
        if flight.task.cancelled():
            raise WorkCancelled(
                "the work was cancelled from within",
                cure="Look for what cancels the task, or the future, that it waits for",
            )
        return flight.task.result()

    def _landed(self, key: K, flight: _Flight[V], _: asyncio.Task[V]) -> None:
        self._land(key, flight)

    def _land(self, key: K, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


class _Flight(Generic[V]):
    __slots__ = ("task", "waiting")

    def __init__(self, work: Callable[[], Awaitable[V]]) -> None:
        self.waiting = 0
        self.task = asyncio.get_running_loop().create_task(_run(work))
        # Looked at here, so that nobody complains that it was not when all waiters have gone.
        self.task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _run(work: Callable[[], Awaitable[V]]) -> V:
    await asyncio.sleep(0)  # an eager task factory would have it done before it is known
    return await work()
