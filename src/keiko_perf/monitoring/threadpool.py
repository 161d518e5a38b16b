"""
Thread pool: how many threads there are for handlers without async, how many are at work, and how
many handlers wait for one.

Starlette runs such handlers, and FastAPI such dependencies, in the threads of anyio: 40 unless
somebody said otherwise. Without anyio, outside of its loop and before the first of them ran there
is nothing to tell.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

SIZE = "handler_threads_size"
IN_USE = "handler_threads_in_use"
WAITING = "handler_threads_waiting"


class ThreadPoolProbe:
    """Reads the pool of the running loop; for `recorder.add_probe`."""

    def __init__(self) -> None:
        self._was_used = False

    def __call__(self) -> Mapping[str, float]:
        anyio = sys.modules.get("anyio.to_thread")
        if anyio is None:
            return {}
        try:
            seen = anyio.current_default_thread_limiter().statistics()
        except (RuntimeError, LookupError):  # no loop of anyio's runs here
            return {}
        self._was_used = self._was_used or seen.borrowed_tokens > 0
        if not self._was_used:
            return {}
        return {
            SIZE: float(seen.total_tokens),
            IN_USE: float(seen.borrowed_tokens),
            WAITING: float(seen.tasks_waiting),
        }
