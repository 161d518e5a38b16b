"""
Operation: one thing to do on a database, which reads or writes; and how to run many of them.

Reads run first, concurrently. They see the database as it was before the first write. Then the
writes run one after another in their order; one that fails does not keep the next from running.
With `keep_order` a read waits for the writes listed before it, and a write for the reads: the
results are those of running one by one, and only reads that stand side by side overlap.

Each operation needs a session or connection of its own: SQLAlchemy's AsyncSession refuses to be
used by two at a time, and so does every driver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import groupby
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.optimization.batches.batch import Batch
from keiko_perf.optimization.limiter import Limiter
from keiko_perf.optimization.outcome import Outcome
from keiko_perf.optimization.transaction import Begins, begun_in, run_in_one_transaction

_NAMES = ("run", "operation", "func", "function", "execute", "query", "callable")
"""The names by which a mapping, or an object, may carry what is to be run; the first one counts."""


@dataclass(frozen=True, slots=True)
class Operation:
    """
    Attributes:
        run: an async function without arguments; of a write in one transaction it may take one,
            the session or connection of that transaction.
        is_read: whether it changes nothing.
        name: what to call it in a report.
    """

    run: Callable[..., Awaitable[Any]] = field(repr=False)
    is_read: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        # A caller without a type checker may pass anything.
        run: object = self.run
        is_read: object = self.is_read
        if not callable(run):
            raise UsageError(
                f"an operation cannot run {type(run).__name__}",
                cure="Give an async function without arguments",
            )
        if not isinstance(is_read, bool):
            raise UsageError(
                f"is_read={is_read!r} does not say whether the operation reads",
                cure="Give True or False",
            )


def as_operations(given: Iterable[Any]) -> list[Operation]:
    """
    What was given, as operations.

    Each is an Operation; an async function, or an object that can be called like one; a
    coroutine or another awaitable; or an object or mapping that carries one of these as `run`,
    `operation`, `func`, `function`, `execute`, `query` or `callable`. `is_read` and `name` are
    taken from it, if it has them.

    Raises:
        UsageError: one is none of these. Coroutines among the others are closed unrun.
    """
    given = list(given)
    try:
        return [_as_operation(one, index) for index, one in enumerate(given)]
    except UsageError:
        close_unrun(given)
        raise


async def run_operations(
    operations: Sequence[Operation],
    *,
    limiter: Limiter,
    keep_order: bool = False,
    writes_in: Begins | None = None,
) -> list[Outcome[Operation, Any]]:
    """
    The outcomes of *operations*, in their order.

    Args:
        limiter: how many run at once, shared with whatever else runs under it.
        keep_order: whether reads and writes wait for each other.
        writes_in: in what one transaction begins, for all writes; see `transaction.py`.

    Raises:
        UsageError: no transaction can begin there, or it would have to last over reads.
    """
    numbered = list(enumerate(operations))
    if writes_in is not None:
        if keep_order:
            raise UsageError(
                "writes in one transaction run together, after all reads",
                cure="Leave out keep_order, or writes_in",
            )
        writes = [one for one in numbered if not one[1].is_read]
        begun = begun_in(writes_in)
        numbered = [one for one in numbered if one[1].is_read]
    if not keep_order:
        numbered.sort(key=lambda one: not one[1].is_read)  # stable: reads, then writes
    outcomes: list[Outcome[Operation, Any]] = []
    for is_read, group in groupby(numbered, key=lambda one: one[1].is_read):
        batch = Batch(list(group), _run, limit=limiter.limit if is_read else 1, limiter=limiter)
        outcomes += [
            Outcome(item=done.item[1], index=done.item[0], value=done.value, error=done.error)
            for done in await batch.collect()
        ]
    if writes_in is not None:
        outcomes += await run_in_one_transaction(writes, begun, writes_in, limiter=limiter)
    return sorted(outcomes, key=lambda one: one.index)


def close_unrun(given: Iterable[Any]) -> None:
    """Close the coroutines among *given*, bare or in mappings and objects, that never ran."""
    for one in given:
        for held in (one, _carried(one)):
            if isinstance(held, Coroutine):
                held.close()


async def _run(numbered: tuple[int, Operation]) -> Any:
    answer = numbered[1].run()
    if not isawaitable(answer):
        raise UsageError(
            f"the operation returned {type(answer).__name__}, which cannot be awaited",
            cure="Make it an `async def`, or wrap it with asyncio.to_thread if it blocks",
        )
    return await answer


def _as_operation(given: Any, index: int) -> Operation:
    if isinstance(given, Operation):
        return given
    run = given if callable(given) or isawaitable(given) else _carried(given)
    if run is None:
        raise UsageError(
            f"operation {index} is {type(given).__name__}, in which there is nothing to run",
            cure=f"Give an async function, an Operation, or a mapping with one of {_NAMES}",
        )
    is_read, name = _attribute(given, "is_read", True), _attribute(given, "name", None)
    if not isinstance(name, str):
        name = getattr(run, "__qualname__", "")
    if isawaitable(run):
        return Operation(lambda: run, is_read, name)
    return Operation(run, is_read, name)


def _carried(given: Any) -> Any:
    """What a mapping or an object carries to be run; None if nothing."""
    for name in _NAMES:
        held = _attribute(given, name, None)
        if callable(held) or isawaitable(held):
            return held
    return None


def _attribute(given: Any, name: str, default: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get(name, default)
    return getattr(given, name, default)
