"""
Process: what this process and its machine or container have left, sampled now and then.

Per cent means per cent of what may be used: in a container with limits (cgroup v2) those of the
container, else those of the machine. How late the event loop runs is sampled by asking to be woken
at fixed times; a stall is charged to each of them that it swallowed, so that one stall of a
second does not hide among ten good samples a second.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from weakref import WeakKeyDictionary

import psutil

from keiko_perf.model import Kind
from keiko_perf.monitoring.recorder import Recorder

CPU_RATIO = "cpu_ratio"
MEMORY_RATIO = "memory_ratio"
RSS_BYTES = "rss_bytes"
LOOP_LAG = "event loop"
_MAX_CHARGED = 1_000
"""Wake-up times that one stall is charged for; a longer one is a suspended machine."""


class CpuReading(NamedTuple):
    """How much CPU time was used, in CPU-seconds, and how much there was, since some beginning."""

    used_s: float
    offered_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What this process may use.

    Attributes:
        cpu_group: the control group that limits its CPU; None if none does.
        cores: how many cores' worth it may use at once, if so.
        memory_group: the control group that limits its memory; None if none does.
        memory_bytes: how much it may use, if so.
    """

    cpu_group: Path | None = None
    cores: float = 0.0
    memory_group: Path | None = None
    memory_bytes: int = 0


class ProcessSampler:
    """
    Takes samples of CPU and memory. The first one has no CPU in it, which is a difference.

    Args:
        recorder: where they go; its clock is used.
        root: where `/proc` and `/sys` are found.
    """

    def __init__(self, recorder: Recorder, *, root: Path = Path("/")) -> None:
        # The recorder itself is not kept: `sample` finds its sampler as long as it lives.
        self._clock = recorder.clock
        self._root = root
        self._before: CpuReading | None = None

    def sample(self, recorder: Recorder) -> None:
        """One sample each of `cpu_ratio`, `memory_ratio` and `rss_bytes`, and of the probes."""
        limits = read_limits(self._root)
        now = read_cpu(limits, self._clock())
        ratio = None if self._before is None else busy_ratio(self._before, now)
        self._before = now
        if ratio is not None:
            recorder.gauge(CPU_RATIO, ratio)
        recorder.gauge(MEMORY_RATIO, read_memory_ratio(limits))
        recorder.gauge(RSS_BYTES, psutil.Process(os.getpid()).memory_info().rss)
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


def read_limits(root: Path) -> Limits:
    """
    The tightest limits on this process, from its control group and those above it.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max and memory.max.
    """
    cpu: tuple[float, Path] | None = None
    memory: tuple[int, Path] | None = None
    for group in _groups(root):
        cores = _read_cores(group)
        if cores is not None and (cpu is None or cores < cpu[0]):
            cpu = cores, group
        limit = _read_int(group / "memory.max")
        if limit is not None and (memory is None or limit < memory[0]):
            memory = limit, group
    return Limits(
        cpu_group=cpu and cpu[1],
        cores=cpu[0] if cpu else 0.0,
        memory_group=memory and memory[1],
        memory_bytes=memory[0] if memory else 0,
    )


def read_cpu(limits: Limits, clock_s: float) -> CpuReading:
    """The CPU time used and offered so far: by the limiting group, or by the whole machine."""
    if limits.cpu_group is not None:
        used_us = _read_field(limits.cpu_group / "cpu.stat", "usage_usec")
        if used_us is not None:
            return CpuReading(used_us / 1e6, clock_s * limits.cores)
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    # Guests' time is in user time already.
    guests_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    offered_s = sum(times) - guests_s
    return CpuReading(offered_s - idle_s, offered_s)


def busy_ratio(before: CpuReading, now: CpuReading) -> float | None:
    """The share of the CPU that was used in between, 0 to 1; None if no time went by."""
    offered_s = now.offered_s - before.offered_s
    if offered_s <= 0:
        return None
    # A group may burst over its quota for a moment, and counters of several cores are not read
    # at the same instant.
    return min(max((now.used_s - before.used_s) / offered_s, 0.0), 1.0)


def read_memory_ratio(limits: Limits) -> float:
    """
    The share of the memory that is in use, 0 to 1.

    Of a container, without the page cache that the kernel drops first: files that were read once
    are no memory need (the working set, as Kubernetes counts it).
    """
    group = limits.memory_group
    used = None if group is None else _read_int(group / "memory.current")
    if group is None or used is None or not limits.memory_bytes:
        return float(psutil.virtual_memory().percent) / 100.0
    droppable = _read_field(group / "memory.stat", "inactive_file") or 0
    return min(max(used - droppable, 0) / limits.memory_bytes, 1.0)


def _groups(root: Path) -> Iterator[Path]:
    """The control group of this process, and those above it, of cgroup v2."""
    mount = root / "sys/fs/cgroup"
    lines = (_read(root / "proc/self/cgroup") or "").splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None or not (mount / "cgroup.controllers").exists():
        return
    group = mount / own.strip().lstrip("/")
    # Without a cgroup namespace a container sees its host's path, and its own group at the top.
    while group != mount:
        yield group
        group = group.parent
    yield mount


def _read_cores(group: Path) -> float | None:
    quota, _, period = (_read(group / "cpu.max") or "max").partition(" ")
    if quota.strip() == "max":
        return None
    return int(quota) / int(period or 100_000)


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None


def _read_int(file: Path) -> int | None:
    text = (_read(file) or "max").strip()
    return None if text == "max" else int(text)


def _read_field(file: Path, name: str) -> int | None:
    for line in (_read(file) or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return None
