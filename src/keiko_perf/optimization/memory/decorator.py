"""
@memory_optimized: a decorator for async functions that keeps the process under the threshold.

A call looks at the clock before it begins and after it has returned; about once a second one of
them looks at the process's memory, and makes room if that is over the threshold. Nothing is
collected for each call, and a call that fails or is cancelled is not held up.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache, wraps
from inspect import iscoroutinefunction
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from keiko_perf.errors import UsageError
from keiko_perf.optimization.memory.optimizer import MemoryOptimizer

P = ParamSpec("P")
R = TypeVar("R")

_THRESHOLD_MB = 1000.0
_CHECK_EVERY_S = 1.0


class Decorator(Protocol):
    """What `memory_optimized(…)` gives: it keeps the signature of what it decorates."""

    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]: ...


@overload
def memory_optimized(
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> Callable[P, Coroutine[Any, Any, R]]: ...


@overload
def memory_optimized(
    *,
    memory_threshold_mb: float = ...,
    check_every_s: float = ...,
    optimizer: MemoryOptimizer | None = ...,
) -> Decorator: ...


def memory_optimized(
    function: Callable[P, Coroutine[Any, Any, R]] | None = None,
    /,
    *,
    memory_threshold_mb: float | None = None,
    check_every_s: float | None = None,
    optimizer: MemoryOptimizer | None = None,
) -> Callable[P, Coroutine[Any, Any, R]] | Decorator:
    """
    Keep the process under a threshold while the decorated function is in use.

        @memory_optimized
        async def summarize(agent_id: str) -> Summary: ...

        @memory_optimized(memory_threshold_mb=400)
        async def embed(texts: list[str]) -> list[Vector]: ...

    Args:
        function: an async function.
        memory_threshold_mb: how much memory the process should hold at most, in MiB; 1000 by
            default.
        check_every_s: how long there is between two looks, at least; 1 second by default.
        optimizer: whose threshold, caches and statistics to use, instead of these two. Functions
            decorated alike share one.

    Raises:
        UsageError: it is not an async function, or the arguments exclude each other.
    """
    if optimizer is None:
        chosen = _shared(
            _THRESHOLD_MB if memory_threshold_mb is None else memory_threshold_mb,
            _CHECK_EVERY_S if check_every_s is None else check_every_s,
        )
    elif memory_threshold_mb is None and check_every_s is None:
        chosen = optimizer
    else:
        raise UsageError(
            "an optimizer has a threshold and an interval of its own",
            cure="Give either the optimizer or the numbers",
        )
    return _Decorator(chosen) if function is None else _Decorator(chosen)(function)


class _Decorator:
    def __init__(self, optimizer: MemoryOptimizer) -> None:
        self._optimizer = optimizer

    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        if not iscoroutinefunction(function):
            raise UsageError(
                f"@memory_optimized decorates async functions, not {function!r}",
                cure="Make it an `async def`",
            )
        look = self._optimizer.look

        @wraps(function)
        async def optimized(*args: P.args, **kwargs: P.kwargs) -> R:
            await look()
            result = await function(*args, **kwargs)
            await look()
            return result

        return optimized


@cache
def _shared(memory_threshold_mb: float, check_every_s: float) -> MemoryOptimizer:
    return MemoryOptimizer(memory_threshold_mb, check_every_s=check_every_s)
