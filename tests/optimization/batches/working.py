"""Work for batches, and who counts how much of it goes on at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

Check = Callable[..., Awaitable[int]]


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


async def picky(number: int) -> int:
    """Takes its time, and does not like multiples of three."""
    for _ in range(number % 4):
        await asyncio.sleep(0)
    if number % 3 == 0:
        raise ValueError(f"{number} is a multiple of three")
    return number * 2


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


class Gate:
    """Counts who is in, and how many at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.entered = 0

    async def __call__(self, item: Any) -> Any:
        self.inside += 1
        self.entered += 1
        self.most = max(self.most, self.inside)
        try:
            for _ in range(1 + hash(item) % 3):
                await asyncio.sleep(0)
        finally:
            self.inside -= 1
        return item
