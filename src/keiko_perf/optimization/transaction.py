"""
Writes in one transaction: all of them take effect, or none does.

They run one after another in their order. The first that fails ends it: the transaction is rolled
back, what came before it counts as failed too, and what would have come after it never runs. So it
is when the commit itself fails, or whoever waits is cancelled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from inspect import isawaitable, signature
from typing import Any, Protocol, TypeAlias

from keiko_perf.errors import Unavailable, UsageError
from keiko_perf.optimization.limiter import Limiter
from keiko_perf.optimization.operation import Operation
from keiko_perf.optimization.outcome import Outcome

Begin: TypeAlias = "Callable[[], AbstractAsyncContextManager[Any]]"
Numbered: TypeAlias = tuple[int, Operation]


class Begins(Protocol):
    """What a transaction can begin in: SQLAlchemy's AsyncEngine, AsyncSession, or sessionmaker."""

    def begin(self) -> AbstractAsyncContextManager[Any]: ...


class RolledBack(Unavailable):
    """The write itself did not fail, but its transaction did, and so it has no effect."""


def refuse_outside(writes: Sequence[Numbered], where: Begins) -> None:
    """
    Let no write run that could not be in the transaction: an engine or a sessionmaker makes a
    session that only who is called with it can write with.

    Raises:
        UsageError: one of *writes* takes none.
    """
    if hasattr(where, "execute"):
        return  # a session, which each may have got elsewhere
    for index, write in writes:
        if not takes_one(write.run):
            raise UsageError(
                f"write {index} takes no connection or session, so it could only write outside",
                cure="Let it take one, without a default, or give the session that it uses",
            )


async def run_in_one_transaction(
    writes: Sequence[Numbered], begin: Begin, where: Begins, *, limiter: Limiter
) -> list[Outcome[Operation, Any]]:
    """
    The outcomes of *writes*: either no failure, or nothing but failures.

    Args:
        begin: what `begun_in` gave for *where*.
        where: in what the transaction begins.
        limiter: of which this takes one place.
    """
    if not writes:
        return []
    values: list[Any] = []
    async with limiter:
        try:
            async with begin() as entered:
                # A session's own transaction is entered, but it is the session that executes.
                executor = entered if hasattr(entered, "execute") else where
                for _, write in writes:
                    values.append(await _called(write, executor))
        except Exception as error:  # what is run is a stranger's code
            return [_failed(one, at, len(values), error) for at, one in enumerate(writes)]
    return [
        Outcome(item=write, index=index, value=value)
        for (index, write), value in zip(writes, values, strict=True)
    ]


def begun_in(where: Begins) -> Begin:
    """
    What begins a transaction in *where*. A session that has one already gets a savepoint in it, and
    whoever began that commits.

    Raises:
        UsageError: none can begin there.
    """
    begin: Any = getattr(where, "begin", None)
    if begin is None:
        raise UsageError(
            f"no transaction can begin in {type(where).__name__}",
            cure="Give SQLAlchemy's AsyncEngine, AsyncSession or async_sessionmaker",
        )
    is_in_one: Callable[[], bool] | None = getattr(where, "in_transaction", None)

    def begun() -> AbstractAsyncContextManager[Any]:
        nested: Any = getattr(where, "begin_nested", begin)
        answer: AbstractAsyncContextManager[Any] = (
            nested() if is_in_one is not None and is_in_one() else begin()
        )
        return answer

    return begun


async def _called(write: Operation, executor: Any) -> Any:
    answer = write.run(executor) if takes_one(write.run) else write.run()
    if not isawaitable(answer):
        raise UsageError(
            f"the operation returned {type(answer).__name__}, which cannot be awaited",
            cure="Make it an `async def`, or wrap it with asyncio.to_thread if it blocks",
        )
    return await answer


def takes_one(run: Callable[..., Awaitable[Any]]) -> bool:
    """Whether *run* has to be called with one argument: a default is its own, as in a loop."""
    try:
        told = signature(run)
        told.bind(None)
    except (TypeError, ValueError):
        return False
    try:
        told.bind()
    except TypeError:
        return True
    return False


def _failed(
    numbered: Numbered, at: int, failed_at: int, error: Exception
) -> Outcome[Operation, Any]:
    index, write = numbered
    if at == failed_at:
        return Outcome(item=write, index=index, error=error)
    told = RolledBack(
        "the write was rolled back with its transaction"
        if at < failed_at
        else "the write was not run, for its transaction had failed",
        cure="Cure what failed first, which is the cause of this",
    )
    told.__cause__ = error
    return Outcome(item=write, index=index, error=told)
