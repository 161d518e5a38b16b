"""
Process: what this process and its machine or container have left, sampled now and then.

Per cent means per cent of what may be used: in a container with limits those of the container, else
those of the machine. What is dear to read is read seldom: no figure here costs more than a
thousandth of a processor, however large the process is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from keiko_perf.container import (
    ROOT,
    Cpu,
    open_files_limit,
    read_cpu,
    read_held,
    read_memory,
    read_open_files,
    read_pss_bytes,
    read_threads,
    read_turns,
)
from keiko_perf.monitoring.process.garbage import Pauses
from keiko_perf.monitoring.recorder import Recorder

CPU_RATIO = "cpu_ratio"
CPU_THROTTLED_RATIO = "cpu_throttled_ratio"
MEMORY_RATIO = "memory_ratio"
MEMORY_LIMIT_BYTES = "memory_limit_bytes"
RSS_BYTES = "rss_bytes"
PSS_BYTES = "pss_bytes"
OPEN_FILES = "open_files"
OPEN_FILES_RATIO = "open_files_ratio"
CPU_QUEUED_RATIO = "cpu_queued_ratio"
"""Of the time that the main thread wanted to compute: how long it had to queue for a processor."""
THREADS = "threads"
PYTHON_BLOCKS = "python_blocks"
"""Blocks of memory that Python's objects take: more and more of them are objects that are kept."""
_MOST_OF_A_PROCESSOR = 0.001
T = TypeVar("T")


class ProcessSampler:
    """
    Takes samples of the process. The first one has no CPU in it, which is a difference.

    Args:
        recorder: where they go; its clock is used.
        root: where `/proc` and `/sys` are found.
    """

    def __init__(self, recorder: Recorder, *, root: Path = ROOT) -> None:
        # The recorder itself is not kept: `sample` finds its sampler as long as it lives.
        self._clock = recorder.clock
        self._root = root
        self._before: tuple[float, Cpu] | None = None
        self._pauses = Pauses(recorder.clock)
        self._pss_bytes = Sparing(lambda: read_pss_bytes(root))
        self._turns: tuple[int, int] | None = None
        self._blocks = Sparing(sys.getallocatedblocks)
        self._open_files = Sparing(lambda: read_open_files(root))

    def sample(self, recorder: Recorder) -> None:
        """One sample of each figure that can be had."""
        self._sample_cpu(recorder)
        memory = read_memory(self._root)
        recorder.gauge(MEMORY_RATIO, memory.ratio)
        recorder.gauge(MEMORY_LIMIT_BYTES, memory.limit_bytes)
        recorder.gauge(RSS_BYTES, read_held(self._root).rss_bytes)
        recorder.gauge(THREADS, read_threads(self._root))
        blocks = self._blocks.read()
        if blocks is not None:
            recorder.gauge(PYTHON_BLOCKS, blocks)
        pss_bytes = self._pss_bytes.read()
        if pss_bytes is not None:
            recorder.gauge(PSS_BYTES, pss_bytes)
        self._sample_queue(recorder)
        self._sample_files(recorder)
        self._pauses.hand_over(recorder)

    def _sample_cpu(self, recorder: Recorder) -> None:
        now_s = self._clock()
        now = read_cpu(now_s, self._root)
        (before_s, before), self._before = self._before or (now_s, None), (now_s, now)
        ratio = None if before is None else now.busy_ratio(before)
        if before is None or ratio is None:
            return
        recorder.gauge(CPU_RATIO, ratio)
        if now.throttled_s is not None and before.throttled_s is not None:
            throttled_s = max(now.throttled_s - before.throttled_s, 0.0)
            recorder.gauge(CPU_THROTTLED_RATIO, min(throttled_s / (now_s - before_s), 1.0))

    def _sample_queue(self, recorder: Recorder) -> None:
        now = read_turns(self._root)
        before, self._turns = self._turns, now
        if before is None or now is None:
            return
        ran_ns, queued_ns = now[0] - before[0], now[1] - before[1]
        if ran_ns >= 0 and queued_ns >= 0 and ran_ns + queued_ns > 0:
            recorder.gauge(CPU_QUEUED_RATIO, queued_ns / (ran_ns + queued_ns))

    def _sample_files(self, recorder: Recorder) -> None:
        open_files, limit = self._open_files.read(), open_files_limit()
        if open_files is None:
            return
        recorder.gauge(OPEN_FILES, open_files)
        if limit:
            recorder.gauge(OPEN_FILES_RATIO, open_files / limit)


class Sparing(Generic[T]):
    """
    Reads something no more often than it can be afforded.

    Args:
        reading: what is read.
        clock: seconds, of the reading's own cost.
    """

    def __init__(
        self, reading: Callable[[], T], *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._reading = reading
        self._clock = clock
        self._next_s: float | None = None

    def read(self) -> T | None:
        """What is read, or None if it is too soon for that."""
        began_s = self._clock()
        if self._next_s is not None and began_s < self._next_s:
            return None
        reading = self._reading()
        self._next_s = began_s + (self._clock() - began_s) / _MOST_OF_A_PROCESSOR
        return reading


_samplers: WeakKeyDictionary[Recorder, ProcessSampler] = WeakKeyDictionary()


def sample(recorder: Recorder) -> None:
    """Take one sample for *recorder*; the CPU is that since its sample before."""
    sampler = _samplers.get(recorder)
    if sampler is None:
        sampler = _samplers.setdefault(recorder, ProcessSampler(recorder))
    sampler.sample(recorder)
