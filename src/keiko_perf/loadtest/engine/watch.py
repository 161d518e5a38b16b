"""
Watch: what a process of the load generator sees of itself while it runs.

CPU, pauses of the garbage collector, open files and ports. It costs nothing per request.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping
from pathlib import Path

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.engine.generator import Generator
from keiko_perf.model import Histogram, samples_needed

_SPARE_FILES = 64  # the event loop's own, those of pipes, of the interpreter


class Watch:
    """
    Watches from `start` to `stop`, in the thread that calls both.

    Args:
        proc: the root of the process file system.
    """

    def __init__(self, *, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._pauses = 0
        self._paused_s = self._longest_s = self._paused_at = 0.0
        self._cpu_s = 0.0
        self._is_on = False

    def start(self) -> None:
        gc.callbacks.append(self._collecting)
        self._is_on = True
        self._cpu_s = time.thread_time()

    def stop(self) -> None:
        """Stop watching; harmless if that was never started."""
        if self._is_on:
            self._is_on = False
            gc.callbacks.remove(self._collecting)

    @property
    def cpu_s(self) -> float:
        """The thread's CPU time since the start."""
        return time.thread_time() - self._cpu_s

    def seen(self, *, cpu_ratio: float | None, late: Histogram, opened: int) -> Generator:
        """What was seen so far, together with what the engine knows."""
        is_told = late.count >= samples_needed(0.99)
        return Generator(
            cpu_ratio=cpu_ratio,
            late_p99_s=late.quantile(0.99) if is_told else None,
            gc_pauses=self._pauses,
            gc_paused_s=self._paused_s,
            gc_longest_s=self._longest_s,
            files=_count(self._proc / "self/fd"),
            files_limit=_files_limits()[0],
            opened=opened,
            ports=_ports(self._proc / "sys/net/ipv4/ip_local_port_range"),
        )

    def _collecting(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._paused_at = time.perf_counter()
            return
        pause_s = time.perf_counter() - self._paused_at
        self._pauses += 1
        self._paused_s += pause_s
        self._longest_s = max(self._longest_s, pause_s)


def make_room_for(connections: int) -> None:
    """
    Let this process open as many files as *connections* take, up to its hard limit.

    Raises:
        UsageError: the hard limit is lower.
    """
    soft, hard = _files_limits()
    needed = connections + _SPARE_FILES
    if not soft or needed <= soft:
        return
    if needed > hard:
        raise UsageError(
            f"{connections} connections, and a process of this machine may open {hard} files",
            cure="Use fewer connections, more processes, or raise the limit (ulimit -Hn)",
        )
    import resource  # is there where _files_limits found one

    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _files_limits() -> tuple[int, int]:
    """The soft and the hard limit of open files; zeros where there is none."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return 0, 0
    endless = resource.RLIM_INFINITY
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (0, 0) if soft == endless else (soft, 2**31 if hard == endless else hard)


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


def _ports(file: Path) -> int:
    try:
        first, last = map(int, file.read_text().split())
    except (OSError, ValueError):
        return 0
    return last - first + 1
