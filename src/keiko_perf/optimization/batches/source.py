"""
Source: the items of a batch, one at a time, from an iterable or an async iterable.

Its own failure is no item's: it ends the source, and is kept for whoever asked for the batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable
from typing import Any, Generic, TypeVar

from keiko_perf.optimization.cancel import is_being_cancelled
from keiko_perf.optimization.outcome import WorkCancelled

T = TypeVar("T")

END: Any = object()
"""What comes after the last item."""


class Source(Generic[T]):
    """
    Reads *items* lazily. It is opened by the first reading, so a broken one fails only there.

    Attributes:
        is_async: whether to read it by `pull`; otherwise by `next`.
        is_exhausted: whether there is nothing more to read.
        taken: how many items were read.
        error: what the source raised; None if nothing.
    """

    __slots__ = ("_items", "_iterator", "_turns", "error", "is_async", "is_exhausted", "taken")

    def __init__(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        self._items = items
        self._iterator: Any = None
        self._turns = asyncio.Lock()
        self.is_async = isinstance(items, AsyncIterable)
        self.is_exhausted = False
        self.taken = 0
        self.error: Exception | None = None

    @property
    def total(self) -> int | None:
        """How many items there are in all; None if the source does not say."""
        try:
            return len(self._items)  # type: ignore[arg-type] # not everything has a length
        except TypeError:
            return None

    def next(self) -> T:
        """The next item, or END."""
        if self.is_exhausted:
            return END  # type: ignore[no-any-return] # a mark, no item
        try:
            if self._iterator is None:
                self._iterator = iter(self._items)  # type: ignore[arg-type] # see is_async
            item: T = next(self._iterator, END)
        except Exception as error:  # the source is a stranger's code
            return self._end(error)
        if item is END:
            return self._end()
        self.taken += 1
        return item

    async def pull(self) -> T:
        """The next item, or END; one reader at a time, for an async generator bears no two."""
        async with self._turns:
            if self.is_exhausted:
                return END  # type: ignore[no-any-return] # a mark, no item
            try:
                if self._iterator is None:
                    self._iterator = aiter(self._items)  # type: ignore[arg-type] # see is_async
                item: T = await anext(self._iterator)
            except StopAsyncIteration:
                return self._end()
            except asyncio.CancelledError as error:
                if is_being_cancelled():
                    raise
                failure = WorkCancelled(
                    "the source of the batch was cancelled from within",
                    cure="Look for what cancels the task, or the future, that it waits for",
                )
                failure.__cause__ = error
                return self._end(failure)
            except Exception as error:  # the source is a stranger's code
                return self._end(error)
            self.taken += 1
            return item

    def _end(self, error: Exception | None = None) -> T:
        self.is_exhausted = True
        self.error = error
        return END  # type: ignore[no-any-return] # a mark, no item
