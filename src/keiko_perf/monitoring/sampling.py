"""
Sampling: the gauges of the process, taken in a thread, whatever becomes of who takes them.

A sampler that fails is logged the first time, and the monitor goes on without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import inf

from keiko_perf.monitoring.recorder import Recorder

_log = logging.getLogger("keiko_perf.monitor")

_LEAST_BETWEEN_S = 1.0
"""Between two samples where no ticker takes them: the CPU of some milliseconds would be that of
the question itself."""


class Sampling:
    """
    Args:
        recorder: where the gauges go.
        sample: takes them.
    """

    def __init__(self, recorder: Recorder, sample: Callable[[Recorder], None]) -> None:
        self._recorder = recorder
        self._sample = sample
        self._taken_s = -inf
        self._is_broken = False

    async def take(self) -> None:
        """Take them now."""
        self._taken_s = self._recorder.clock()
        try:
            # The kernel walks all memory of the process for one of its files.
            await asyncio.to_thread(self._sample, self._recorder)
        except Exception:  # a stranger's sampler, or a kernel's file that is like no other
            if not self._is_broken:
                self._is_broken = True
                _log.exception("the process cannot be sampled; the monitor goes on without it")
        self._recorder.probe()  # strangers' code, which may belong to the event loop

    async def take_if_old(self) -> None:
        """Take them unless that was done just now."""
        if self._recorder.clock() - self._taken_s >= _LEAST_BETWEEN_S:
            await self.take()
