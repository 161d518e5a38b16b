"""
Process: what this process and its machine or container have left, sampled now and then.

Per cent means per cent of what may be used: in a container with limits those of the container, else
those of the machine. How late the event loop runs is sampled by asking to be woken
at fixed times; a stall is charged to each of them that it swallowed, so that one stall of a
second does not hide among ten good samples a second.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from weakref import WeakKeyDictionary

from keiko_perf.container import ROOT, Cpu, read_cpu, read_held, read_memory
from keiko_perf.model import Kind
from keiko_perf.monitoring.recorder import Recorder

CPU_RATIO = "cpu_ratio"
MEMORY_RATIO = "memory_ratio"
RSS_BYTES = "rss_bytes"
LOOP_LAG = "event loop"
_MAX_CHARGED = 1_000
"""Wake-up times that one stall is charged for; a longer one is a suspended machine."""


class ProcessSampler:
    """
    Takes samples of CPU and memory. The first one has no CPU in it, which is a difference.

    Args:
        recorder: where they go; its clock is used.
        root: where `/proc` and `/sys` are found.
    """

    def __init__(self, recorder: Recorder, *, root: Path = ROOT) -> None:
        # The recorder itself is not kept: `sample` finds its sampler as long as it lives.
        self._clock = recorder.clock
        self._root = root
        self._before: Cpu | None = None

    def sample(self, recorder: Recorder) -> None:
        """One sample each of `cpu_ratio`, `memory_ratio` and `rss_bytes`, and of the probes."""
        now = read_cpu(self._clock(), self._root)
        ratio = None if self._before is None else now.busy_ratio(self._before)
        self._before = now
        if ratio is not None:
            recorder.gauge(CPU_RATIO, ratio)
        recorder.gauge(MEMORY_RATIO, read_memory(self._root).ratio)
        recorder.gauge(RSS_BYTES, read_held(self._root).rss_bytes)
        recorder.probe()


_samplers: WeakKeyDictionary[Recorder, ProcessSampler] = WeakKeyDictionary()


def sample(recorder: Recorder) -> None:
    """Take one sample for *recorder*; the CPU is that since its sample before."""
    sampler = _samplers.get(recorder)
    if sampler is None:
        sampler = _samplers.setdefault(recorder, ProcessSampler(recorder))
    sampler.sample(recorder)


async def watch_loop(recorder: Recorder, *, interval_s: float = 0.1) -> None:
    """
    Record how late the running event loop is, every *interval_s*, until it is cancelled.

    A loop's timers are exact to about a millisecond, so a little lag is no news.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time() + interval_s
    while True:
        await asyncio.sleep(due_s - loop.time())
        now_s = loop.time()
        for _ in range(_MAX_CHARGED):
            # The loop may wake us a clock tick early.
            recorder.record(Kind.LOOP, LOOP_LAG, max(now_s - due_s, 0.0))
            due_s += interval_s
            if due_s > now_s:
                break
        else:
            due_s = now_s + interval_s
        recorder.probe()
