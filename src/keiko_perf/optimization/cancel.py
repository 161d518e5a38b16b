"""Cancelling tasks so that none is left, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def cancel_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """
    Cancel *tasks* and return when each has ended, also if the caller is cancelled meanwhile.

    Raises:
        asyncio.CancelledError: the caller was cancelled meanwhile; the tasks have ended.
    """
    interrupted: asyncio.CancelledError | None = None
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        try:
            _, left = await asyncio.wait(left)
        except asyncio.CancelledError as again:
            interrupted = again
            left = {task for task in left if not task.done()}
    if interrupted is not None:
        raise interrupted


def is_being_cancelled() -> bool:
    """
    Whether the running task itself was asked to end.

    If not, a CancelledError comes from something that it waited for, and is that one's failure.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
