"""What every test of the helpers checks: no task is left, wherever it was cancelled."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
import pytest_asyncio


@pytest_asyncio.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert left == set()


@pytest.fixture(autouse=True)
def what_others_left_is_not_searched() -> Iterator[None]:
    """The suite's own heap is large: each collection of a test would take most of a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def cancel_everywhere() -> Callable[..., Awaitable[int]]:
    """Runs *scenario* again and again, cancelled one turn of the loop later each time."""

    async def run(
        scenario: Callable[[], Coroutine[Any, Any, Any]],
        check: Callable[[], None],
        *,
        most_turns: int = 500,
    ) -> int:
        for turns in range(most_turns):
            before = asyncio.all_tasks()
            task = asyncio.create_task(scenario())
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                await task
                return turns
            task.cancel()
            await asyncio.wait([task])
            assert asyncio.all_tasks() - before == set(), f"a task is left after turn {turns}"
            check()
        raise AssertionError(f"still running after {most_turns} turns")

    return run
