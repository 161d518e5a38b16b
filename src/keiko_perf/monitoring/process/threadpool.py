"""
Thread pool: how many threads there are for handlers without async, how many are at work, and how
many handlers wait for one.

Starlette runs such handlers, and FastAPI such dependencies, in the threads of anyio: 40 unless
somebody said otherwise. Without anyio, outside of its loop and before the first of them ran there
is nothing to tell.

The gauges are means of a window. What is to be known between two instants of one's own choice, as
in a load test, is counted up: for how long threads were at work and handlers waited for one, each
look standing for the time since the one before.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from keiko_perf.monitoring.recorder import Recorder

SIZE = "handler_threads_size"
IN_USE = "handler_threads_in_use"
WAITING = "handler_threads_waiting"
BUSY_US = "handler_threads_busy_us"
QUEUED_US = "handler_threads_queued_us"
_LONGEST_S = 60.0
"""Between two looks; a longer time is a suspended machine's, and one look says little of it."""


class ThreadPoolProbe:
    """
    Reads the pool of the running loop; for `recorder.add_probe`.

    Args:
        recorder: counts for how long threads were busy; its clock is used.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._was_used = False
        self._looked_s: float | None = None

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
        self._count(seen.borrowed_tokens, seen.tasks_waiting)
        return {
            SIZE: float(seen.total_tokens),
            IN_USE: float(seen.borrowed_tokens),
            WAITING: float(seen.tasks_waiting),
        }

    def _count(self, busy: float, waiting: int) -> None:
        now_s, before_s = self._recorder.clock(), self._looked_s
        self._looked_s = now_s
        if before_s is not None:
            since_us = min(max(now_s - before_s, 0.0), _LONGEST_S) * 1e6
            self._recorder.count(BUSY_US, round(busy * since_us))
            self._recorder.count(QUEUED_US, round(waiting * since_us))
