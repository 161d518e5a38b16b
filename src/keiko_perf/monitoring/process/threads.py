"""
ThreadClock: how much a thread of this process computed, and how long it waited for a processor.

Both tell a call that holds its thread from a machine that gives the thread no turn. Where the
system does not say, it is None.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from keiko_perf.container import ROOT


class ThreadClock:
    """
    Reads the times of a thread from any thread, in some microseconds.

    Args:
        ident: Python's number of it.
        native_id: the system's.
        root: where `proc` is found.
    """

    def __init__(self, ident: int, native_id: int, *, root: Path = ROOT) -> None:
        # Neither is there on macOS, nor the second in a sandbox without schedstat.
        clock_of = getattr(time, "pthread_getcpuclockid", None)
        self._clock_id: int | None = None if clock_of is None else clock_of(ident)
        self._file: int | None = None
        try:
            path = root / f"proc/self/task/{native_id}/schedstat"
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return

    def computed_s(self) -> float | None:
        """The CPU time of the thread since it began."""
        return None if self._clock_id is None else _computed_s(self._clock_id)

    def queued_s(self) -> float | None:
        """How long it could have run since it began, and had to wait for a processor."""
        return None if self._file is None else _queued_s(self._file)

    def close(self) -> None:
        """Give the file back."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


def _computed_s(clock_id: int) -> float | None:
    try:
        return time.clock_gettime(clock_id)
    except OSError:  # the thread has ended
        return None


def _queued_s(file: int) -> float | None:
    # Three numbers: nanoseconds on a processor, nanoseconds queued for one, turns
    # (https://docs.kernel.org/scheduler/sched-stats.html).
    try:
        return int(os.pread(file, 128, 0).split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None
