"""
Container: what this process holds, and what its container or else its machine has and uses.

Control groups of version 2 and 1 are read, that of the process and all above it: the tightest limit
counts, and the machine where none is tighter. Elsewhere than on Linux, psutil is asked. Each
function reads afresh and takes some microseconds per file; a file that is not there is no limit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from weakref import finalize

import psutil

ROOT = Path("/")
"""Where `proc` and `sys` are found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """
    Attributes:
        rss_bytes: what this process holds in memory.
        vms_bytes: what it has asked for.
    """

    rss_bytes: int
    vms_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """
    Attributes:
        used_bytes: what is in use, by all who share the limit.
        limit_bytes: how much they may use.
        group: the control group whose limit that is; None for the memory of the machine.
    """

    used_bytes: int
    limit_bytes: int
    group: PurePosixPath | None = None

    @property
    def ratio(self) -> float:
        """The share that is in use, 0 to 1."""
        return min(self.used_bytes / self.limit_bytes, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """
    Attributes:
        used_s: the CPU time that was used since some beginning, by all who share the limit.
        offered_s: how much there was since some beginning.
        cores: how many cores' worth may be used at once.
        group: the control group whose limit that is; None for the machine.
        throttled_s: how long the group had to stand still because its quota was used up, since
            some beginning; None where nothing can throttle it, or does not say so.
    """

    used_s: float
    offered_s: float
    cores: float
    group: PurePosixPath | None = None
    throttled_s: float | None = None

    def busy_ratio(self, before: Cpu) -> float | None:
        """
        The share that was used since *before*, 0 to 1.

        None if no time went by, or if the limit is not the same any more.
        """
        offered_s = self.offered_s - before.offered_s
        if offered_s <= 0 or (self.group, self.cores) != (before.group, before.cores):
            return None
        # A group may burst over its quota for a moment, and counters of several cores are not
        # read at the same instant.
        return min(max((self.used_s - before.used_s) / offered_s, 0.0), 1.0)


def read_held(root: Path = ROOT) -> Held:
    """What this process holds now."""
    pages = _read(root / "proc/self/statm")
    if pages is None:
        held = psutil.Process().memory_info()
        return Held(rss_bytes=held.rss, vms_bytes=held.vms)
    vms, rss, *_ = map(int, pages.split())
    size_bytes = os.sysconf("SC_PAGE_SIZE")
    return Held(rss_bytes=rss * size_bytes, vms_bytes=vms * size_bytes)


class RssReader:
    """
    Tells what this process holds, for who asks often: it keeps the file open.

    A process that was forked off needs one of its own.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        try:
            self._file: int | None = os.open(root / "proc/self/statm", os.O_RDONLY)
        except OSError:
            self._file = None
        else:
            finalize(self, os.close, self._file)

    def __call__(self) -> int:
        if self._file is None:
            return read_held(self._root).rss_bytes
        return int(os.pread(self._file, 200, 0).split(maxsplit=2)[1]) * self._page_bytes


def read_pss_bytes(root: Path = ROOT) -> int | None:
    """
    What this process holds, with what it shares divided by those who share it; None if not told.

    Of several workers that were forked from one the sum is what they hold together, which that of
    their `rss_bytes` is not. The kernel walks all its memory for it: some milliseconds.
    """
    kib = _field((_read(root / "proc/self/smaps_rollup") or "").replace(":", ""), "Pss")
    return None if kib is None else kib * 1024


def read_threads(root: Path = ROOT) -> int:
    """How many threads this process has, those of libraries included."""
    threads = _field((_read(root / "proc/self/status") or "").replace(":", ""), "Threads")
    return psutil.Process().num_threads() if threads is None else threads


def read_turns(root: Path = ROOT) -> tuple[int, int] | None:
    """
    For how long the main thread computed, and queued for a processor, both in ns since it began.

    None where the system does not say, as in some sandboxes.
    """
    text = _read(root / "proc/self/schedstat")
    parts = (text or "").split()
    if len(parts) < 2 or not (parts[0].isdigit() and parts[1].isdigit()):
        return None
    return int(parts[0]), int(parts[1])


def read_open_files(root: Path = ROOT) -> int | None:
    """How many files and sockets this process has open; None where it is not told."""
    try:
        return len(os.listdir(root / "proc/self/fd"))
    except OSError:
        count = getattr(psutil.Process(), "num_fds", None)
        return None if count is None else int(count())


def open_files_limit() -> int | None:
    """How many it may have open; None if there is no limit."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError:  # Windows
        return None
    limit, _ = getrlimit(RLIMIT_NOFILE)
    return None if limit == RLIM_INFINITY else limit


def read_memory(root: Path = ROOT, *, pid: int | None = None) -> Memory:
    """
    The memory that a process shares with others, now: its container's, or the machine's.

    Of a container, without the page cache that the kernel drops first: files that were read once
    are no memory need (the working set, as Kubernetes counts it).

    Args:
        root: where `proc` and `sys` are found.
        pid: of the process; this one if not given.
    """
    machine = _machine_memory(root)
    groups = _groups(root, "memory", "self" if pid is None else str(pid))
    found = _tightest(groups, _Group.memory_bytes, below=machine.limit_bytes)
    if found is None:
        return machine
    group, limit_bytes = found
    used_bytes = group.used_bytes()
    if used_bytes is None:
        return machine
    return Memory(used_bytes=used_bytes, limit_bytes=round(limit_bytes), group=group.path)


def read_cpu(clock_s: float, root: Path = ROOT) -> Cpu:
    """
    The CPU time used and offered until now: in the container, or on the whole machine.

    Args:
        clock_s: monotonic seconds, by which the container's time goes.
        root: where `proc` and `sys` are found.
    """
    machine = _machine_cpu(root)
    found = _tightest(_groups(root, "cpu"), _Group.cores, below=machine.cores)
    if found is None:
        return machine
    group, cores = found
    used_s = group.used_s()
    if used_s is None:
        # Version 1 may count the time in another tree, in which the group is not.
        return replace(machine, throttled_s=group.throttled_s())
    return Cpu(
        used_s=used_s,
        offered_s=clock_s * cores,
        cores=cores,
        group=group.path,
        throttled_s=group.throttled_s(),
    )


class _Group:
    """
    A control group of either version. None is "no limit", or "no such file".

    Sources: https://docs.kernel.org/admin-guide/cgroup-v2.html, cpu.max and memory.max;
    https://docs.kernel.org/admin-guide/cgroup-v1/memory.html;
    https://docs.kernel.org/scheduler/sched-bwc.html.
    """

    def __init__(self, mount: Path, path: PurePosixPath, *, is_v1: bool) -> None:
        self.path = path
        self._mount = mount
        self._is_v1 = is_v1

    def memory_bytes(self) -> int | None:
        return self._limit("memory.limit_in_bytes" if self._is_v1 else "memory.max")

    def used_bytes(self) -> int | None:
        used_bytes = self._limit("memory.usage_in_bytes" if self._is_v1 else "memory.current")
        if used_bytes is None:
            return None
        droppable = "total_inactive_file" if self._is_v1 else "inactive_file"
        return max(used_bytes - (_field(self._text("memory.stat"), droppable) or 0), 0)

    def cores(self) -> float | None:
        if self._is_v1:
            quota, period = self._limit("cpu.cfs_quota_us"), self._limit("cpu.cfs_period_us")
        else:
            quota, period = map(_limit, self._text("cpu.max").split()[:2] or ("max", "max"))
        return quota / period if quota and period else None

    def used_s(self) -> float | None:
        if self._is_v1:
            used_ns = self._limit("cpuacct.usage")
            return None if used_ns is None else used_ns / 1e9
        used_us = _field(self._text("cpu.stat"), "usage_usec")
        return None if used_us is None else used_us / 1e6

    def throttled_s(self) -> float | None:
        stat = self._text("cpu.stat")
        throttled_us = _field(stat, "throttled_usec")
        if throttled_us is not None:
            return throttled_us / 1e6
        throttled_ns = _field(stat, "throttled_time")  # version 1
        return None if throttled_ns is None else throttled_ns / 1e9

    def _limit(self, name: str) -> int | None:
        return _limit(self._text(name))

    def _text(self, name: str) -> str:
        # In version 1 each controller has a tree of its own.
        tree = self._mount / name.partition(".")[0] if self._is_v1 else self._mount
        return _read(tree / self.path / name) or ""


def _tightest(
    groups: Iterable[_Group], limit_of: Callable[[_Group], float | None], *, below: float
) -> tuple[_Group, float] | None:
    """The group with the least limit, if that is *below* what the machine has, and the limit."""
    limits = ((group, limit_of(group)) for group in groups)
    # Version 1 says "no limit" by a number larger than any machine.
    tight = [(group, limit) for group, limit in limits if limit is not None and limit < below]
    return min(tight, key=lambda one: one[1], default=None)


def _groups(root: Path, controller: str, process: str = "self") -> Iterator[_Group]:
    """The groups whose limits by *controller* hold for a process, each before that above it."""
    mount = root / "sys/fs/cgroup"
    for membership in (_read(root / "proc" / process / "cgroup") or "").splitlines():
        _, controllers, path = membership.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        own = PurePosixPath(path.lstrip("/"))
        # Without a cgroup namespace a container sees its host's path, and its own group at the top.
        for one in (own, *own.parents):
            yield _Group(mount, one, is_v1=bool(controllers))


def _machine_memory(root: Path) -> Memory:
    facts = (_read(root / "proc/meminfo") or "").replace(":", "")
    total, available = _field(facts, "MemTotal"), _field(facts, "MemAvailable")
    if total is None or available is None:
        machine = psutil.virtual_memory()
        return Memory(used_bytes=machine.total - machine.available, limit_bytes=machine.total)
    return Memory(used_bytes=(total - available) * 1024, limit_bytes=total * 1024)


def _machine_cpu(root: Path) -> Cpu:
    everyone, *each = [
        line.split() for line in (_read(root / "proc/stat") or "").splitlines() if line[:3] == "cpu"
    ] or [[]]
    if not everyone:
        times = psutil.cpu_times()
        return Cpu(
            used_s=sum(times) - times.idle, offered_s=sum(times), cores=psutil.cpu_count() or 1
        )
    # The time of guests, which comes last, is in that of users already.
    user, nice, system, idle, iowait, *more = (int(ticks) for ticks in everyone[1:9])
    used, hertz = user + nice + system + sum(more), os.sysconf("SC_CLK_TCK")
    return Cpu(used_s=used / hertz, offered_s=(used + idle + iowait) / hertz, cores=len(each))


def _limit(text: str) -> int | None:
    """A number; None for "max", or for the -1 that says the same in version 1."""
    return int(text) if text.strip().isdecimal() else None


def _field(text: str, name: str) -> int | None:
    """A value of a file of lines like `name 123 kB`."""
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name:
            return int(words[1])
    return None


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None
