"""
Batch: one async function over many items, a bounded number of them at a time.

Workers pull from the source, each the next item as soon as it is through with its last one, so
nobody waits for the slowest of a group, and a million items need no million tasks. The source
is any iterable or async iterable, and is read only as far as there is work to do.

What it promises:
- A failure is kept with its item (`Outcome`) and stops nothing, unless `on_error="stop"`.
- Cancelled, timed out, stopped or left early: when the call returns, no task of it is left.
- Work that never waits does not keep the event loop from everything else.
- Where outcomes are handed out one by one, a slow reader slows the work: nothing piles up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar, get_args

from keiko_perf.errors import UsageError
from keiko_perf.optimization.batches.care import Care
from keiko_perf.optimization.batches.crew import BatchStatistics, Crew, OnError, OnProgress
from keiko_perf.optimization.limiter import Limiter, checked_limit
from keiko_perf.optimization.outcome import Outcome, shortened

T = TypeVar("T")
R = TypeVar("R")

_KEPT_FAILURES = 1_000
_SHOWN_FAILURES = 3
"""In a repr, which may come into a log at each run."""
_WINDOW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained(Generic[T, R]):
    """
    What is left of a batch whose results were not kept.

    Attributes:
        statistics: how it went.
        failures: the first outcomes that failed; `statistics.failed` counts them all.
    """

    statistics: BatchStatistics
    failures: tuple[Outcome[T, R], ...]

    def __repr__(self) -> str:
        shown = [shortened(one) for one in self.failures[:_SHOWN_FAILURES]]
        more = self.statistics.failed - len(shown)
        if more > 0:
            shown.append(f"and {more:,} more")
        return f"Drained(statistics={self.statistics!r}, failures=({', '.join(shown)}))"


class Batch(Generic[T, R]):
    """
    Work through *items*, once, by one of `collect`, `drain`, `in_order` and `as_completed`.

    Args:
        items: an iterable or async iterable, read lazily.
        processor: an async function of one item.
        limit: how many items are worked on at once, at most.
        limiter: a bound shared with others, which holds as well. A batch inside an item of
            another under the same limiter is safe: the item lends its place meanwhile.
        on_error: `"collect"` keeps a failure and goes on. `"stop"` starts nothing new, cancels
            what is in flight, and leaves the outcomes so far, the failure among them.
        on_progress: called with the statistics now and then, and once when all is done.
        progress_every_s: how long there is at least between two such calls.
        care: the time, the attempts and the pace of each item.
        deadline_s: after so long it ends as if stopped: what is done stays, what is in flight is
            cancelled, and `statistics().is_overdue` says so.
        clock: monotonic seconds.

    Raises:
        UsageError: an argument makes no sense.
    """

    def __init__(
        self,
        items: Iterable[T] | AsyncIterable[T],
        processor: Callable[[T], Awaitable[R]],
        *,
        limit: int = 100,
        limiter: Limiter | None = None,
        on_error: OnError = "collect",
        on_progress: OnProgress | None = None,
        progress_every_s: float = 0.1,
        care: Care | None = None,
        deadline_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(items, Iterable | AsyncIterable):
            raise UsageError(
                f"a batch cannot read items from {type(items).__name__}",
                cure="Give an iterable or an async iterable",
            )
        if not callable(processor):
            raise UsageError(
                f"a batch cannot call {type(processor).__name__}",
                cure="Give an async function of one item",
            )
        if on_error not in get_args(OnError):
            raise UsageError(f"on_error={on_error!r} is not known", cure="Give collect or stop")
        if deadline_s is not None and not deadline_s > 0:
            raise UsageError(f"deadline_s={deadline_s!r} has passed", cure="Give a number over 0")
        self._limit = checked_limit(limit)
        self._crew = Crew(
            items,
            processor if care is None else care.of(processor),
            limit=limit,
            limiter=limiter,
            on_error=on_error,
            on_progress=on_progress,
            progress_every_s=progress_every_s,
            clock=clock,
            deadline_s=deadline_s,
        )

    async def collect(self) -> list[Outcome[T, R]]:
        """
        The outcomes of all items, in the order of the items.

        Raises:
            Exception: what the source raised, after the items in flight were finished; or what
                the progress callback raised.
        """
        outcomes: list[Outcome[T, R]] = []
        await self._run(outcomes.append)
        outcomes.sort(key=lambda one: one.index)
        return outcomes

    async def drain(self, *, keep_failures: int = _KEPT_FAILURES) -> Drained[T, R]:
        """
        Work through all items and keep none of the values, whatever their number.

        Args:
            keep_failures: how many failures are kept, at most; all are counted.

        Raises:
            Exception: as `collect`.
        """
        failures: list[Outcome[T, R]] = []

        def keep(outcome: Outcome[T, R]) -> None:
            if outcome.error is not None and len(failures) < keep_failures:
                failures.append(outcome)

        await self._run(keep)
        return Drained(statistics=self.statistics(), failures=tuple(failures))

    def in_order(self, *, window: int | None = None) -> Outcomes[T, R]:
        """
        The outcomes one by one, in the order of the items.

            async with Batch(agents, fetch, limit=20).in_order() as outcomes:
                async for outcome in outcomes: ...

        Args:
            window: how many items may be begun and not handed out yet, and so how many outcomes
                can wait for a slow one before them; 16 times the limit by default.
        """
        return Outcomes(self._crew, Limiter(window or _WINDOW * self._limit), in_order=True)

    def as_completed(self, *, window: int | None = None) -> Outcomes[T, R]:
        """The outcomes one by one, each as soon as it is there; otherwise like `in_order`."""
        return Outcomes(self._crew, Limiter(window or _WINDOW * self._limit), in_order=False)

    def statistics(self) -> BatchStatistics:
        """How things stand now; may be asked at any time."""
        return self._crew.statistics()

    async def _run(self, put: Callable[[Outcome[T, R]], None]) -> None:
        async with _Running(self._crew, put):
            await self._crew.wait()
        if self._crew.error is not None:
            raise self._crew.error


class Outcomes(Generic[T, R], AsyncIterator[Outcome[T, R]]):
    """
    The outcomes of a batch, one by one: enter it with `async with`, then iterate.

    Left early, by `break` or by an error, it cancels what is in flight and waits for its end.
    """

    def __init__(self, crew: Crew[T, R], window: Limiter, *, in_order: bool) -> None:
        self._crew = crew
        self._window = window
        self._in_order = in_order
        self._ready: dict[int, Outcome[T, R]] = {}
        self._came = self._next = 0
        self._news = asyncio.Event()
        self._running: _Running[T, R] | None = None

    async def __aenter__(self) -> Self:
        self._running = _Running(self._crew, self._put, window=self._window, on_end=self._news.set)
        await self._running.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._running is not None
        self._ready.clear()
        await self._running.__aexit__(kind, error, traceback)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[T, R]:
        if self._running is None:
            raise UsageError(
                "the outcomes of a batch were read before it was begun",
                cure="Write `async with batch.as_completed() as outcomes:` around the loop",
            )
        while self._next not in self._ready:
            if self._crew.has_ended:
                self._skip_what_was_stopped()
                break
            self._news.clear()
            await self._news.wait()
        outcome = self._ready.pop(self._next)
        self._next += 1
        self._window.release()
        return outcome

    def _put(self, outcome: Outcome[T, R]) -> None:
        self._ready[outcome.index if self._in_order else self._came] = outcome
        self._came += 1
        self._news.set()

    def _skip_what_was_stopped(self) -> None:
        """Nothing more comes: go on with the next outcome there is, or end the iteration."""
        if self._ready:
            self._next = min(self._ready)
        elif self._crew.error is not None:
            raise self._crew.error
        else:
            raise StopAsyncIteration


class _Running(Generic[T, R]):
    """A crew from its begin to the end of its last task."""

    def __init__(
        self,
        crew: Crew[T, R],
        put: Callable[[Outcome[T, R]], None],
        *,
        window: Limiter | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self._crew = crew
        self._begin = partial(crew.begin, put, window=window, on_end=on_end)

    async def __aenter__(self) -> None:
        self._begin()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._crew.end()
            if error is None:
                await self._crew.reclaim()
        finally:
            self._crew.forsake()
        if error is None:
            self._crew.report_last()
