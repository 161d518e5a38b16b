"""
AsyncPerformanceOptimizer: the guide's front door to bounded concurrency.

All calls of one optimizer share its `max_concurrent` places, whoever makes them, first come,
first served. A call inside an item of another call is safe: the item lends its place meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar, overload

from keiko_perf.optimization.batches.batch import Batch
from keiko_perf.optimization.batches.crew import OnProgress
from keiko_perf.optimization.database import run_operations
from keiko_perf.optimization.limiter import Limiter, LimiterStatistics, checked_limit
from keiko_perf.optimization.operation import as_operations, close_unrun
from keiko_perf.optimization.outcome import ItemsFailed, Outcome
from keiko_perf.optimization.transaction import Begins

T = TypeVar("T")
R = TypeVar("R")


class AsyncPerformanceOptimizer:
    """
    Runs much at once, but never too much.

    Args:
        max_concurrent: how many items and operations of all calls run at once, at most.

    Attributes:
        limiter: what bounds them; its `limit` may be changed at any time.

    Raises:
        UsageError: *max_concurrent* is not a whole number from 1 on.
    """

    def __init__(self, max_concurrent: int = 100) -> None:
        self.limiter = Limiter(max_concurrent)

    @property
    def max_concurrent(self) -> int:
        """How many run at once, at most."""
        return self.limiter.limit

    def statistics(self) -> LimiterStatistics:
        """How many run and wait now, over all calls."""
        return self.limiter.statistics()

    @overload
    async def batch_process_with_concurrency(
        self,
        items: Iterable[T] | AsyncIterable[T],
        processor: Callable[[T], Awaitable[R]],
        batch_size: int = ...,
        *,
        return_exceptions: Literal[False] = ...,
        on_progress: OnProgress | None = ...,
    ) -> list[R]: ...

    @overload
    async def batch_process_with_concurrency(
        self,
        items: Iterable[T] | AsyncIterable[T],
        processor: Callable[[T], Awaitable[R]],
        batch_size: int = ...,
        *,
        return_exceptions: bool,
        on_progress: OnProgress | None = ...,
    ) -> list[R | Exception]: ...

    async def batch_process_with_concurrency(
        self,
        items: Iterable[T] | AsyncIterable[T],
        processor: Callable[[T], Awaitable[R]],
        batch_size: int = 50,
        *,
        return_exceptions: bool = False,
        on_progress: OnProgress | None = None,
    ) -> list[R] | list[R | Exception]:
        """
        What `await processor(item)` makes of each item, in the order of the items.

        The next item begins as soon as one is done: nobody waits for the slowest of a group.

        Args:
            items: an iterable or async iterable, read lazily.
            processor: an async function of one item.
            batch_size: how many items of this call run at once, at most; no more than
                `max_concurrent` in any case.
            return_exceptions: put each failure where its result would be, and raise nothing.
            on_progress: called with the statistics of the batch now and then.

        Raises:
            ItemsFailed: an ExceptionGroup, after all items have run: the error of each item that
                failed, with a note that tells the item. Its `outcomes` has the results as well.
            UsageError: an argument makes no sense.
        """
        batch = Batch(
            items,
            processor,
            limit=min(checked_limit(batch_size), self.max_concurrent),
            limiter=self.limiter,
            on_progress=on_progress,
        )
        return _results(await batch.collect(), return_exceptions=return_exceptions)

    async def optimize_database_operations(
        self,
        operations: Iterable[Any],
        *,
        return_exceptions: bool = False,
        keep_order: bool = False,
        writes_in: Begins | None = None,
    ) -> list[Any]:
        """
        Run the reads concurrently, then the writes one after another in their order.

        An operation is an async function without arguments, a coroutine, or an object or mapping
        that carries one as `operation`, `func`, `execute` or `run`, with `is_read` (true, unless
        it says otherwise) beside it; `Operation` is the one of ours. See `database.py` for what
        reads and writes see of each other.

        Args:
            operations: what to run; a session each.
            return_exceptions: put each failure where its result would be, and raise nothing.
            keep_order: let a read wait for the writes listed before it, and a write for the
                reads, as if run one by one.
            writes_in: an AsyncEngine, AsyncSession or async_sessionmaker of SQLAlchemy: all writes
                run in one transaction there, after the reads, and take effect together or not at
                all. A write that takes an argument without a default gets that connection or
                session; with an engine or sessionmaker each has to.

        Returns:
            The results, in the order of the operations.

        Raises:
            ItemsFailed: an ExceptionGroup, after all have run; see above.
            UsageError: one of them is no operation, or could not be in the transaction. None has
                run then.
        """
        given = list(operations)
        prepared = as_operations(given)
        try:
            outcomes = await run_operations(
                prepared, limiter=self.limiter, keep_order=keep_order, writes_in=writes_in
            )
        finally:
            close_unrun(given)  # cancelled, it may have left some
        return _results(outcomes, return_exceptions=return_exceptions)


def _results(outcomes: Sequence[Outcome[Any, R]], *, return_exceptions: bool) -> list[Any]:
    if not return_exceptions and any(one.failed for one in outcomes):
        raise ItemsFailed.of(outcomes)
    return [one.value if one.error is None else one.error for one in outcomes]
