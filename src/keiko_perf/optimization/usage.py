"""
Usage: how much memory this process holds, and how much it may.

On Linux from `/proc` and the control groups, version 2 or 1, of the process and all above it:
the least limit counts, and the machine's memory where there is none. Elsewhere from psutil.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """
    Attributes:
        rss_bytes: what the process holds in memory.
        vms_bytes: what it has asked for.
        limit_bytes: what it may hold: the container's limit, else the machine's memory.
        is_container_limit: which of the two that is.
    """

    rss_bytes: int
    vms_bytes: int
    limit_bytes: int
    is_container_limit: bool

    @property
    def ratio(self) -> float:
        """The share of the limit that is held."""
        return self.rss_bytes / self.limit_bytes


def read_usage(proc_root: Path = PROC, cgroup_root: Path = CGROUP) -> Usage:
    """The running process's memory now."""
    rss_bytes, vms_bytes = _held(proc_root)
    total_bytes = _machine_bytes(proc_root)
    limit_bytes = min(_limits(proc_root, cgroup_root), default=total_bytes)
    return Usage(
        rss_bytes=rss_bytes,
        vms_bytes=vms_bytes,
        # Version 1 says "no limit" by a number larger than any machine.
        limit_bytes=min(limit_bytes, total_bytes),
        is_container_limit=limit_bytes < total_bytes,
    )


def read_rss_bytes(proc_root: Path = PROC) -> int:
    """What the process holds in memory now; a few microseconds."""
    return _held(proc_root)[0]


def _held(proc_root: Path) -> tuple[int, int]:
    try:
        pages = (proc_root / "self" / "statm").read_text().split()
    except OSError:
        held = psutil.Process().memory_info()
        return held.rss, held.vms
    size = _page_bytes()
    return int(pages[1]) * size, int(pages[0]) * size


def _page_bytes() -> int:
    from resource import getpagesize  # not on Windows, where there is no /proc either

    return getpagesize()


def _machine_bytes(proc_root: Path) -> int:
    try:
        for line in (proc_root / "meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return psutil.virtual_memory().total


def _limits(proc_root: Path, cgroup_root: Path) -> Iterator[int]:
    for file in _limit_files(proc_root, cgroup_root):
        try:
            limit = file.read_text().strip()
        except OSError:  # a container sees its own group as the root, under another path
            continue
        if limit.isdecimal():  # version 2 says "max" where there is none
            yield int(limit)


def _limit_files(proc_root: Path, cgroup_root: Path) -> Iterator[Path]:
    try:
        memberships = (proc_root / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for membership in memberships:
        _, controllers, path = membership.split(":", 2)
        if not controllers:
            root, name = cgroup_root, "memory.max"
        elif "memory" in controllers.split(","):
            root, name = cgroup_root / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        for one in (group, *group.parents):
            yield root / one / name
