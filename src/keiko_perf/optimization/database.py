"""
Running many operations on a database: which of them at once, and in which order.

Reads run first, concurrently. They see the database as it was before the first write. Then the
writes run one after another in their order; one that fails does not keep the next from running.
With `keep_order` a read waits for the writes listed before it, and a write for the reads: the
results are those of running one by one, and only reads that stand side by side overlap.

Each operation needs a session or connection of its own: SQLAlchemy's AsyncSession refuses to be
used by two at a time, and so does every driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isawaitable
from itertools import groupby
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.optimization.batches.batch import Batch
from keiko_perf.optimization.limiter import Limiter
from keiko_perf.optimization.operation import Operation
from keiko_perf.optimization.outcome import Outcome
from keiko_perf.optimization.transaction import (
    Begins,
    begun_in,
    refuse_outside,
    run_in_one_transaction,
)


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
        UsageError: no transaction can begin there, a write would not be in it, or it would have to
            last over reads.
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
        refuse_outside(writes, writes_in)
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


async def _run(numbered: tuple[int, Operation]) -> Any:
    answer = numbered[1].run()
    if not isawaitable(answer):
        raise UsageError(
            f"the operation returned {type(answer).__name__}, which cannot be awaited",
            cure="Make it an `async def`, or wrap it with asyncio.to_thread if it blocks",
        )
    return await answer
