"""
Care: what is done for each item of a batch beside running it: its pace, its time, its retries.

An item waits for its turn under the rate, then has so many attempts, each with its time. What
ran out of time has failed with `TimeoutError`. Retries are stamina's: exponential back-off with
jitter, so that those who failed together do not come back together; `retelling` has what is logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, TypeVar

from keiko_perf.errors import MissingExtra, UsageError
from keiko_perf.optimization.batches.retelling import Retelling, retelling_of, telling

T = TypeVar("T")
R = TypeVar("R")


class NotAsync(UsageError):
    """The processor is no async function: a mistake in the program, not of one item."""


def not_async(answer: object) -> NotAsync:
    """The error that says so of a processor that returned *answer*."""
    return NotAsync(
        f"the processor returned {type(answer).__name__}, which cannot be awaited",
        cure="Make it an `async def`, or wrap it with asyncio.to_thread if it blocks",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """
    Attributes:
        timeout_s: how long one attempt may take; None: as long as it takes.
        attempts: how often an item is tried, at most.
        retry_on: the errors after which it is tried again.
        retry_wait_s: how long the first wait between two attempts is, about; each is twice as
            long as the one before, up to a hundred times.
        rate_per_s: how many items may begin in a second; None: as many as there is room for.

    Raises:
        UsageError: a number makes no sense.
        MissingExtra: retries need the package stamina.
    """

    timeout_s: float | None = None
    attempts: int = 1
    retry_on: type[Exception] | tuple[type[Exception], ...] = Exception
    retry_wait_s: float = 0.1
    rate_per_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_s", "rate_per_s", "retry_wait_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name}={value!r} is not positive", cure="Give a number over 0")
        if self.attempts < 1:
            raise UsageError(
                f"with {self.attempts} attempts nothing is tried", cure="Give attempts from 1 on"
            )
        if self.attempts > 1:
            _stamina()

    def of(self, processor: Callable[[T], Awaitable[R]]) -> Callable[[T], Awaitable[R]]:
        """*processor* under this care; itself where there is nothing to care for."""
        cared = processor
        if self.timeout_s is not None:
            cared = _timed(cared, self.timeout_s)
        if self.attempts > 1:
            cared = self._retried(cared, retelling_of(processor, self.attempts))
        if self.rate_per_s is not None:
            cared = _paced(cared, 1 / self.rate_per_s)
        return cared

    def _retried(
        self, processor: Callable[[T], Awaitable[R]], retelling: Retelling
    ) -> Callable[[T], Awaitable[R]]:
        retry = _stamina().retry_context

        async def retried(item: T) -> R:
            # stamina costs more than most items, and most need no second attempt.
            try:
                return await _called(processor, item)
            except Exception as error:
                if not self._is_worth_retrying(error):
                    raise
                failed = error
            with telling(retelling, item):
                async for attempt in retry(
                    on=self._is_worth_retrying,
                    attempts=self.attempts,
                    timeout=None,
                    wait_initial=self.retry_wait_s,
                    wait_max=self.retry_wait_s * 100,
                    wait_jitter=self.retry_wait_s,
                ):
                    with attempt:
                        if attempt.num == 1:  # it was the one above: what follows is as after it
                            raise failed
                        with telling(None):  # it may try something again itself
                            return await _called(processor, item)
            raise AssertionError("stamina raises what the last attempt raised")

        return retried

    def _is_worth_retrying(self, error: Exception) -> bool:
        return isinstance(error, self.retry_on) and not isinstance(error, NotAsync)


def _timed(processor: Callable[[T], Awaitable[R]], timeout_s: float) -> Callable[[T], Awaitable[R]]:
    async def timed(item: T) -> R:
        async with asyncio.timeout(timeout_s):
            return await _called(processor, item)

    return timed


def _paced(processor: Callable[[T], Awaitable[R]], every_s: float) -> Callable[[T], Awaitable[R]]:
    due_s = 0.0

    async def paced(item: T) -> R:
        nonlocal due_s
        now_s = asyncio.get_running_loop().time()
        turn_s = max(due_s, now_s)
        due_s = turn_s + every_s
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
        return await _called(processor, item)

    return paced


async def _called(processor: Callable[[T], Awaitable[R]], item: T) -> R:
    answer = processor(item)
    if not isawaitable(answer):
        raise not_async(answer)
    return await answer


def _stamina() -> Any:
    try:
        import stamina
    except ImportError:
        raise MissingExtra("stamina", extra="tuning", purpose="trying an item again") from None
    return stamina
