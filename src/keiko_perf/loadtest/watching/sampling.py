"""
Sampling: asks something four times a second while a run goes on, in a thread and a loop of its own.

What is asked is handed over, so that a load test knows nothing of databases: an async context that
gives an async function, which gives numbers by name.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

from keiko_perf.errors import KeikoError
from keiko_perf.loadtest.watching.telemetry import Reading

EVERY_S = 0.25
MOST_READINGS = 40_000
_OPENING_S = 60.0
_ENDING_S = 30.0

Ask = Callable[[], Awaitable[Mapping[str, float]]]
Source = Callable[[], AbstractAsyncContextManager[Ask]]


class Sampler:
    """
    Samples *source* while its context lasts.

    Args:
        source: opens what is asked; it is entered and left in the sampler's own loop.

    Raises:
        KeikoError: on entering, what opening it or asking it for the first time raised.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._readings: deque[Reading] = deque(maxlen=MOST_READINGS)
        self._thread = threading.Thread(target=self._run, name="sampling", daemon=True)
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    def __enter__(self) -> Sampler:
        self._thread.start()
        self._opened.wait(_OPENING_S)
        if self._error is not None:
            self.__exit__()
            raise self._error
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._ended is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_ENDING_S)

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All so far, the oldest first."""
        return tuple(self._readings)

    def _run(self) -> None:
        try:
            asyncio.run(self._sample())
        except Exception as error:  # whatever the source raises is told to whoever entered
            self._error = self._error or error
        finally:
            self._opened.set()

    async def _sample(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self._source() as ask:
            self._readings.append(await _reading(ask))
            self._opened.set()
            due = time.monotonic() + EVERY_S
            while not await _is_set(self._ended, due - time.monotonic()):
                try:
                    self._readings.append(await _reading(ask))
                except KeikoError:
                    return  # it is gone; what was read until then is kept
                due = max(due + EVERY_S, time.monotonic())


async def _reading(ask: Ask) -> Reading:
    asked_s = time.monotonic()
    values = await ask()
    answered_s = time.monotonic()
    return Reading((asked_s + answered_s) / 2, (answered_s - asked_s) / 2, values)


async def _is_set(event: asyncio.Event, within_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), max(0.0, within_s))
    except TimeoutError:
        return False
    return True
