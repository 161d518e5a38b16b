"""What the process may use and uses: known files of both versions, and the machine itself."""

from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath
from typing import Any

import psutil
import pytest

from keiko_perf.container import Cpu, Held, Memory, RssReader, read_cpu, read_held, read_memory

MB = 1024**2
CGROUP = "sys/fs/cgroup"

# As Docker with `--cpus 1.5 --memory 512m` shows them within the container (kernel 6.1).
V2 = {
    "proc/self/cgroup": "0::/\n",
    "cpu.max": "150000 100000\n",
    "cpu.stat": "usage_usec 1000000\nuser_usec 800000\nsystem_usec 200000\nnr_periods 100\n",
    "memory.max": "536870912\n",
    "memory.current": "331350016\n",
    "memory.stat": "anon 209715200\nfile 104857600\ninactive_file 62914560\nactive_file 41943040\n",
}
# And with control groups of version 1, where the path is the host's.
V1 = {
    "proc/self/cgroup": "9:name=systemd:/d/1\n4:memory:/d/1\n2:cpu,cpuacct:/d/1\n",
    "cpu/cpu.cfs_quota_us": "150000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "cpuacct/cpuacct.usage": "1000000000\n",
    "memory/memory.limit_in_bytes": "536870912\n",
    "memory/memory.usage_in_bytes": "331350016\n",
    "memory/memory.stat": "inactive_file 1\ntotal_cache 2\ntotal_inactive_file 62914560\n",
}


def put(machine: Any, files: dict[str, str]) -> None:
    for name, text in files.items():
        machine.write(name if name.startswith("proc/") else f"{CGROUP}/{name}", text)


@pytest.mark.parametrize("files", [V2, V1], ids=["version 2", "version 1"])
def test_a_container_has_its_own_cpu_and_memory(machine: Any, files: dict[str, str]) -> None:
    put(machine, files)
    group = PurePosixPath(".")
    assert read_cpu(200.0, machine.root) == Cpu(used_s=1, offered_s=300, cores=1.5, group=group)
    # The page cache that the kernel drops first is no need: 331350016 - 62914560.
    memory = read_memory(machine.root)
    assert memory == Memory(used_bytes=268435456, limit_bytes=536870912, group=group)
    assert memory.ratio == 0.5


def test_the_machine_has_what_proc_says(machine: Any) -> None:
    hertz = os.sysconf("SC_CLK_TCK")
    # Waiting for a disk is idle, and the time of guests is not counted twice.
    assert read_cpu(200.0, machine.root) == Cpu(
        used_s=(1000 + 20 + 300 + 10 + 40 + 30) / hertz, offered_s=7900 / hertz, cores=4
    )
    assert read_memory(machine.root) == Memory(used_bytes=2048 * MB, limit_bytes=8192 * MB)
    assert read_held(machine.root) == Held(rss_bytes=512 * MB, vms_bytes=4096 * MB)


@pytest.mark.parametrize(
    ("files", "limit_mb", "why"),
    [
        ({"proc/self/cgroup": "0::/\n"}, None, "no group says anything"),
        ({"memory.max": "max"}, None, "a group without a limit"),
        ({"memory.max": str(1024 * MB)}, 1024, "a container, which sees itself as root"),
        (
            {
                "proc/self/cgroup": "0::/pod/app\n",
                "pod/app/memory.max": "max",
                "pod/memory.max": str(2048 * MB),
                "pod/memory.current": "1",
            },
            2048,
            "the limit of the group above",
        ),
        (
            {
                "proc/self/cgroup": "0::/pod/app\n",
                "pod/app/memory.max": str(600 * MB),
                "pod/app/memory.current": "1",
                "pod/memory.max": str(2048 * MB),
            },
            600,
            "the least of them",
        ),
        ({"memory.max": str(99_999 * MB)}, None, "more than the machine has"),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/1\n",
                "memory/docker/1/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
            "version 1 without a limit",
        ),
        (
            {"proc/self/cgroup": "4:cpu:/x\n", "memory/x/memory.limit_in_bytes": "1"},
            None,
            "in version 1, a group of another controller",
        ),
    ],
)
def test_the_tightest_limit_of_memory_counts(
    machine: Any, files: dict[str, str], limit_mb: int | None, why: str
) -> None:
    put(machine, {"proc/self/cgroup": "0::/\n", "memory.current": "1", **files})
    memory = read_memory(machine.root)
    assert memory.limit_bytes == (limit_mb or 8192) * MB, why
    assert (memory.group is not None) == (limit_mb is not None), why


def test_of_another_process_it_is_that_of_its_own_group(machine: Any) -> None:
    put(
        machine,
        {
            "proc/self/cgroup": "0::/\n",
            "proc/42/cgroup": "0::/services/shop\n",
            "services/shop/memory.max": str(400 * MB),
            "services/shop/memory.current": str(300 * MB),
        },
    )
    memory = read_memory(machine.root, pid=42)
    assert (memory.used_bytes, memory.limit_bytes) == (300 * MB, 400 * MB)
    assert read_memory(machine.root).group is None


@pytest.mark.parametrize(
    ("files", "cores", "why"),
    [
        ({"cpu.max": "max 100000\n"}, None, "a group without a quota"),
        ({"cpu.max": "600000 100000\n"}, None, "more than the machine has"),
        ({"cpu.max": "50000 100000\n"}, 0.5, "half a core"),
        (
            {
                "proc/self/cgroup": "12:cpu:/old\n0::/system.slice/api.service\n",
                "system.slice/cpu.max": "200000 100000\n",
                "system.slice/cpu.stat": "usage_usec 5\n",
                "system.slice/api.service/cpu.max": "max 100000\n",
            },
            2.0,
            "the quota of the slice above",
        ),
        (
            {"proc/self/cgroup": "1:cpu:/\n", "cpu/cpu.cfs_quota_us": "-1\n"},
            None,
            "version 1 without a quota",
        ),
    ],
)
def test_the_tightest_quota_of_cpu_counts(
    machine: Any, files: dict[str, str], cores: float | None, why: str
) -> None:
    put(machine, {"proc/self/cgroup": "0::/\n", "cpu.stat": "usage_usec 5\n", **files})
    cpu = read_cpu(10.0, machine.root)
    assert cpu.cores == (cores or 4), why
    assert (cpu.group is not None) == (cores is not None), why


@pytest.mark.parametrize("files", [V2, V1], ids=["version 2", "version 1"])
def test_a_limit_whose_use_cannot_be_read_is_left_for_the_machines(
    machine: Any, files: dict[str, str]
) -> None:
    unread = ("memory.current", "memory.usage_in_bytes", "cpu.stat", "cpuacct.usage")
    put(machine, {name: text for name, text in files.items() if not name.endswith(unread)})
    assert read_cpu(10.0, machine.root).group is None
    assert read_memory(machine.root).group is None


def test_who_is_stopped_is_told_also_where_what_was_used_is_counted_elsewhere(machine: Any) -> None:
    unread = {name: text for name, text in V1.items() if not name.startswith("cpuacct/")}
    put(machine, {**unread, "cpu/cpu.stat": "nr_throttled 3\nthrottled_time 2500000000\n"})
    cpu = read_cpu(10.0, machine.root)
    assert (cpu.group, cpu.throttled_s) == (None, 2.5)


def reading(used_s: float, offered_s: float, **more: Any) -> Cpu:
    return Cpu(used_s=used_s, offered_s=offered_s, **{"cores": 2, **more})


@pytest.mark.parametrize(
    ("before", "now", "expected", "why"),
    [
        (reading(10, 100), reading(15, 120), 0.25, "five of twenty seconds"),
        (reading(10, 100), reading(10, 120), 0.0, "idle"),
        (reading(10, 100), reading(9, 120), 0.0, "counters of cores that went away"),
        (reading(10, 100), reading(50, 120), 1.0, "a burst over the quota is all of it"),
        (reading(10, 100), reading(10, 100), None, "no time went by"),
        (reading(10, 100), reading(15, 900, cores=4), None, "the quota was raised meanwhile"),
        (reading(10, 100), reading(15, 120, group=PurePosixPath("a")), None, "it was moved"),
    ],
)
def test_the_share_of_the_cpu_is_that_between_two_readings(
    before: Cpu, now: Cpu, expected: float | None, why: str
) -> None:
    assert now.busy_ratio(before) == expected, why


def test_without_proc_psutil_is_asked(tmp_path: Path) -> None:
    assert read_held(tmp_path).rss_bytes == pytest.approx(
        psutil.Process().memory_info().rss, rel=0.1
    )
    assert read_memory(tmp_path).limit_bytes == psutil.virtual_memory().total
    cpu = read_cpu(0.0, tmp_path)
    assert cpu.cores == psutil.cpu_count()
    assert 0 < cpu.used_s < cpu.offered_s


def test_of_this_very_machine_it_says_what_psutil_says() -> None:
    held, truth = read_held(), psutil.Process().memory_info()
    assert held.rss_bytes == pytest.approx(truth.rss, rel=0.1)
    assert held.vms_bytes == pytest.approx(truth.vms, rel=0.1)
    memory = read_memory()
    assert 0 < memory.used_bytes < memory.limit_bytes <= psutil.virtual_memory().total
    before, until = read_cpu(time.monotonic()), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    ratio = read_cpu(time.monotonic()).busy_ratio(before)
    assert ratio is not None
    assert 0 < ratio <= 1


def test_a_reader_that_keeps_the_file_open_tells_what_is_held_now(tmp_path: Path) -> None:
    statm = tmp_path / "proc/self/statm"
    statm.parent.mkdir(parents=True)
    statm.write_text("1000 500 0 0 0 0 0\n")
    read = RssReader(tmp_path)
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    assert read() == 500 * page_bytes
    statm.write_text("1000 700 0 0 0 0 0\n")
    assert read() == 700 * page_bytes
    assert RssReader(tmp_path / "nowhere")() > 0
