"""
Crew: the workers of one batch, from the first item to the last task's end.

Each pulls the next item when it is through with its last one. What they make of an item goes to
`put`; who calls `put`, and what becomes of it, is the batch's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from inspect import isawaitable
from types import CoroutineType
from typing import Generic, Literal, TypeVar

from keiko_perf.errors import UsageError
from keiko_perf.optimization.batches.care import NotAsync, not_async
from keiko_perf.optimization.batches.slot import Slot
from keiko_perf.optimization.batches.source import END, Source
from keiko_perf.optimization.batches.turn import Turn
from keiko_perf.optimization.cancel import cancel_all, is_being_cancelled
from keiko_perf.optimization.limiter import Limiter
from keiko_perf.optimization.outcome import Outcome, WorkCancelled

T = TypeVar("T")
R = TypeVar("R")

OnError = Literal["collect", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatistics:
    """
    How far a batch has come.

    Attributes:
        total: how many items there are in all; None if the source does not say.
        taken: how many were read from the source so far.
        in_flight: how many of these are being worked on, or wait for a place under the limiter.
        succeeded: how many came to a value.
        failed: how many came to an error.
        cancelled: how many were given up because the batch was stopped or cancelled.
        elapsed_s: how long the batch has been running, or ran.
        is_overdue: whether it was ended by its deadline.
    """

    total: int | None
    taken: int
    in_flight: int
    succeeded: int
    failed: int
    cancelled: int
    elapsed_s: float
    is_overdue: bool = False

    @property
    def rate_per_s(self) -> float | None:
        """Items finished a second; None before any time has passed."""
        finished = self.succeeded + self.failed
        return finished / self.elapsed_s if self.elapsed_s > 0 else None


OnProgress = Callable[[BatchStatistics], None]


class Crew(Generic[T, R]):
    """The workers; the arguments are those of `Batch`."""

    def __init__(
        self,
        items: Iterable[T] | AsyncIterable[T],
        processor: Callable[[T], Awaitable[R]],
        *,
        limit: int,
        limiter: Limiter | None,
        on_error: OnError,
        on_progress: OnProgress | None,
        progress_every_s: float,
        clock: Callable[[], float],
        deadline_s: float | None = None,
    ) -> None:
        self._deadline_s = deadline_s
        self._deadline: asyncio.TimerHandle | None = None
        self._is_overdue = False
        self._source = Source(items)
        self._processor = processor
        self._limit = limit
        self._limiter = limiter
        self._on_error = on_error
        self._on_progress = on_progress
        self._progress_every_s = progress_every_s
        self._progress_at = 0.0
        self._clock = clock
        self._lender: Slot | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._began_at: float | None = None
        self._elapsed_s: float | None = None
        self._closed = False
        self._error: BaseException | None = None
        self._in_flight = self._succeeded = self._failed = self._cancelled = 0

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing more to come."""
        return self._ended.is_set()

    @property
    def error(self) -> BaseException | None:
        """What went wrong outside of the items: in the source, in a callback."""
        return self._error or self._source.error

    def statistics(self) -> BatchStatistics:
        """How things stand now."""
        elapsed_s = self._elapsed_s
        if elapsed_s is None:
            elapsed_s = 0.0 if self._began_at is None else self._clock() - self._began_at
        return BatchStatistics(
            total=self._source.total,
            taken=self._source.taken,
            in_flight=self._in_flight,
            succeeded=self._succeeded,
            failed=self._failed,
            cancelled=self._cancelled,
            elapsed_s=elapsed_s,
            is_overdue=self._is_overdue,
        )

    def begin(
        self,
        put: Callable[[Outcome[T, R]], None],
        *,
        window: Limiter | None = None,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        """
        Let the work begin.

        Args:
            put: takes each outcome as it comes.
            window: a worker takes a place in it for each item; whoever reads the outcomes gives
                it back.
            on_end: called when nothing more is to come.

        Raises:
            UsageError: it has begun before.
        """
        if self._began_at is not None:
            raise UsageError("a batch runs only once", cure="Make a new Batch of the same items")
        self._began_at = self._progress_at = self._clock()
        self._put = put
        self._window = window
        self._on_end = on_end
        self._turn = Turn(self._clock)
        if self._limiter is not None:
            self._lender = Slot.around(self._limiter)
        if self._lender is not None:
            self._lender.lend()
        if self._deadline_s is not None:
            loop = asyncio.get_running_loop()
            self._deadline = loop.call_later(self._deadline_s, self._expire)
        self._hire()

    async def wait(self) -> None:
        """Until nothing more is to come."""
        await self._ended.wait()

    async def end(self) -> None:
        """Cancel what still runs, and return when no task is left."""
        self._closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            await cancel_all(self._workers)
        finally:
            self._ended.set()
            if self._elapsed_s is None and self._began_at is not None:
                self._elapsed_s = self._clock() - self._began_at

    async def reclaim(self) -> None:
        """Let the item that this batch runs in have its place again, before it goes on."""
        lender, self._lender = self._lender, None
        if lender is not None:
            await lender.reclaim()

    def forsake(self) -> None:
        """The same without waiting, when it is cancelled: it goes on without a place."""
        lender, self._lender = self._lender, None
        if lender is not None:
            lender.forsake()

    def report_last(self) -> None:
        """Tell the progress callback how it ended."""
        if self._on_progress is not None:
            self._on_progress(self.statistics())

    def _hire(self) -> None:
        """One more worker, if there may be one and there may be work for it."""
        if len(self._workers) >= self._limit or self._source.is_exhausted or self._closed:
            return
        worker = asyncio.get_running_loop().create_task(self._work())
        self._workers.add(worker)
        worker.add_done_callback(self._leave)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._error = self._error or error
            self._stop()
        if not self._workers:
            self._ended.set()
            if self._on_end is not None:
                self._on_end()

    def _expire(self) -> None:
        if not self.has_ended:
            self._is_overdue = True
            self._stop()

    def _stop(self) -> None:
        self._closed = True
        this = asyncio.current_task()
        for worker in self._workers:
            if worker is not this:
                worker.cancel()

    async def _work(self) -> None:
        # Whoever finds work hires two more: there are never many more workers than items, and
        # the limit is reached within a few turns of the loop.
        await asyncio.sleep(0)  # an eager task factory would have each hire before it is counted
        to_hire = 2
        source, window, turn = self._source, self._window, self._turn
        while not self._closed:
            if window is not None:
                await window.acquire()
            item = await source.pull() if source.is_async else source.next()
            if item is END:
                if window is not None:
                    window.release()
                return
            index = source.taken - 1
            while to_hire:
                to_hire -= 1
                self._hire()
            await self._process(item, index)
            if self._on_progress is not None:
                self._report(self._on_progress)
            if turn.is_over():
                await asyncio.sleep(0)

    async def _process(self, item: T, index: int) -> None:
        slot = None if self._limiter is None else Slot(self._limiter)
        self._in_flight += 1
        try:
            if slot is not None:
                await slot.take()
            called = self._processor(item)
            if type(called) is not CoroutineType and not isawaitable(called):
                raise not_async(called)
            outcome: Outcome[T, R] = Outcome(item=item, index=index, value=await called)
            self._succeeded += 1
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                self._cancelled += 1
                raise
            outcome = Outcome(item=item, index=index, error=_cancelled_within(error))
            self._failed += 1
        except NotAsync:
            raise
        except Exception as error:  # the processor is a stranger's code
            outcome = Outcome(item=item, index=index, error=error)
            self._failed += 1
        finally:
            self._in_flight -= 1
            if slot is not None:
                slot.give_back()
        self._put(outcome)
        if outcome.error is not None and self._on_error == "stop":
            self._stop()

    def _report(self, on_progress: OnProgress) -> None:
        now = self._clock()
        if now - self._progress_at >= self._progress_every_s:
            self._progress_at = now
            on_progress(self.statistics())


def _cancelled_within(error: asyncio.CancelledError) -> WorkCancelled:
    failure = WorkCancelled(
        "the work was cancelled from within",
        cure="Look for what cancels the task, or the future, that it waits for",
    )
    failure.__cause__ = error
    return failure
