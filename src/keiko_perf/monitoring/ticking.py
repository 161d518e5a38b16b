"""
Ticking in a thread: an event loop of its own for a program that has none, such as a Celery worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

_PATIENCE_S = 5.0


@contextmanager
def ticking(run: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run a coroutine that does not end by itself, in a thread, while the context lasts."""
    begun = Event()
    held: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def main() -> None:
        task = asyncio.create_task(run(), name="keiko-perf monitor")
        held.append((asyncio.get_running_loop(), task))
        begun.set()
        await asyncio.wait([task])

    thread = Thread(target=lambda: asyncio.run(main()), name="keiko-perf monitor", daemon=True)
    thread.start()
    begun.wait(_PATIENCE_S)
    try:
        yield
    finally:
        for loop, task in held:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(_PATIENCE_S)
