from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from keiko_perf.model import Kind
from keiko_perf.monitoring import process
from keiko_perf.monitoring.process import CpuReading, ProcessSampler, busy_ratio, watch_loop
from keiko_perf.monitoring.recorder import Recorder


class Clock:
    def __init__(self) -> None:
        self.s = 50.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(clock=clock)


Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the machine whose root is `tmp_path`."""

    def write_file(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write_file


# As Docker with `--cpus 1.5 --memory 512m` shows them within the container (kernel 6.1).
CPU_STAT = """\
usage_usec {used}
user_usec 800000
system_usec 200000
nr_periods 100
nr_throttled 3
throttled_usec 12345
nr_bursts 0
burst_usec 0
"""
MEMORY_STAT = """\
anon 209715200
file 104857600
kernel 4194304
inactive_anon 0
active_anon 209715200
inactive_file 62914560
active_file 41943040
"""


@pytest.fixture
def container(write: Write) -> Write:
    write("proc/self/cgroup", "0::/\n")
    write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
    write("sys/fs/cgroup/cpu.max", "150000 100000\n")
    write("sys/fs/cgroup/cpu.stat", CPU_STAT.format(used=1_000_000))
    write("sys/fs/cgroup/memory.max", "536870912\n")
    write("sys/fs/cgroup/memory.current", "331350016\n")
    write("sys/fs/cgroup/memory.stat", MEMORY_STAT)
    return write


def test_in_a_container_per_cent_means_per_cent_of_its_limits(
    container: Write, tmp_path: Path, recorder: Recorder, clock: Clock
) -> None:
    sampler = ProcessSampler(recorder, root=tmp_path)
    sampler.sample(recorder)
    clock.s += 10
    container("sys/fs/cgroup/cpu.stat", CPU_STAT.format(used=4_000_000))
    sampler.sample(recorder)
    gauges = recorder.peek().gauges
    assert gauges["cpu_ratio"].samples == 1
    assert gauges["cpu_ratio"].mean == pytest.approx(3.0 / (10 * 1.5))
    # The page cache that the kernel drops first is no need: 331350016 - 62914560.
    assert gauges["memory_ratio"].mean == pytest.approx(268435456 / 536870912)


def test_a_burst_over_the_quota_is_all_of_it(
    container: Write, tmp_path: Path, recorder: Recorder, clock: Clock
) -> None:
    sampler = ProcessSampler(recorder, root=tmp_path)
    sampler.sample(recorder)
    clock.s += 1
    container("sys/fs/cgroup/cpu.stat", CPU_STAT.format(used=3_000_000))
    sampler.sample(recorder)
    assert recorder.peek().gauges["cpu_ratio"].mean == 1.0


def test_the_tightest_limit_on_the_way_up_counts(write: Write, tmp_path: Path) -> None:
    write("proc/self/cgroup", "12:cpu:/old\n0::/system.slice/api.service\n")
    write("sys/fs/cgroup/cgroup.controllers", "cpu memory\n")
    write("sys/fs/cgroup/system.slice/cpu.max", "200000 100000\n")
    write("sys/fs/cgroup/system.slice/memory.max", "max\n")
    write("sys/fs/cgroup/system.slice/api.service/cpu.max", "max 100000\n")
    write("sys/fs/cgroup/system.slice/api.service/memory.max", "1000\n")
    limits = process.read_limits(tmp_path)
    assert limits.cpu_group == tmp_path / "sys/fs/cgroup/system.slice"
    assert limits.cores == 2.0
    assert limits.memory_group == tmp_path / "sys/fs/cgroup/system.slice/api.service"
    assert limits.memory_bytes == 1000


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "4:memory:/docker/abc\n1:cpu:/docker/abc\n"},
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/fs/cgroup/cpu.max": "max 100000\n",
            "sys/fs/cgroup/memory.max": "max\n",
        },
    ],
    ids=["no control groups", "cgroup v1", "no limits"],
)
def test_without_limits_it_is_the_machine_that_counts(
    write: Write, tmp_path: Path, recorder: Recorder, files: dict[str, str]
) -> None:
    for name, text in files.items():
        write(name, text)
    limits = process.read_limits(tmp_path)
    assert limits == process.Limits()
    assert process.read_memory_ratio(limits) == pytest.approx(
        psutil.virtual_memory().percent / 100, abs=0.1
    )
    reading = process.read_cpu(limits, 0.0)
    assert 0 < reading.used_s < reading.offered_s


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (CpuReading(10, 100), CpuReading(15, 120), 0.25),
        (CpuReading(10, 100), CpuReading(10, 120), 0.0),
        (CpuReading(10, 100), CpuReading(9, 120), 0.0),  # counters of cores that went away
        (CpuReading(10, 100), CpuReading(50, 120), 1.0),
        (CpuReading(10, 100), CpuReading(10, 100), None),  # no time went by: nothing to tell
    ],
)
def test_the_share_of_the_cpu_is_that_between_two_readings(
    before: CpuReading, now: CpuReading, expected: float | None
) -> None:
    assert busy_ratio(before, now) == expected


def test_the_real_process_is_sampled() -> None:
    recorder = Recorder()
    recorder.add_probe(lambda: {"pool_ratio": 0.5})
    process.sample(recorder)
    first = recorder.snapshot().gauges
    assert "cpu_ratio" not in first  # a difference needs two
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    process.sample(recorder)
    gauges = recorder.snapshot().gauges
    assert 0 < gauges["cpu_ratio"].mean <= 1
    assert 0 < gauges["memory_ratio"].mean < 1
    assert gauges["rss_bytes"].mean == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert gauges["pool_ratio"].mean == 0.5


def test_a_recorder_that_is_gone_is_not_kept(recorder: Recorder) -> None:
    gc.collect()
    before = len(process._samplers)
    short_lived = Recorder()
    process.sample(short_lived)
    assert len(process._samplers) == before + 1
    del short_lived
    gc.collect()
    assert len(process._samplers) == before


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time goes by only when nothing is left to do, or when it is held up."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self.advance_to_next_timer()

    def time(self) -> float:
        return self._virtual_s

    def stall(self, seconds: float) -> None:
        self._virtual_s += seconds

    def advance_to_next_timer(self) -> None:
        selector = self._selector  # type: ignore[attr-defined]  # asyncio's own
        select = selector.select

        def select_at_once(timeout: float | None = None) -> object:
            if timeout:
                self._virtual_s += timeout
            return select(0)

        selector.select = select_at_once


def lags_of(stalls: dict[float, float], *, until_s: float) -> list[float]:
    """What `watch_loop` records in a loop that is held up at the given times."""
    recorded: list[float] = []

    class Listing(Recorder):
        def record(self, kind: Kind, name: str, duration_s: float, *, failed: bool = False) -> None:
            assert (kind, name, failed) == (Kind.LOOP, "event loop", False)
            recorded.append(round(duration_s, 6))

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        watching = asyncio.create_task(watch_loop(Listing(), interval_s=0.1))
        for at_s, seconds in stalls.items():
            await asyncio.sleep(at_s - loop.time())
            loop.stall(seconds)
        await asyncio.sleep(until_s - loop.time())
        watching.cancel()
        await asyncio.wait([watching])
        assert watching.cancelled()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario())
    return recorded


def test_a_loop_with_nothing_to_do_has_no_lag() -> None:
    assert lags_of({}, until_s=1.05) == [0.0] * 10


def test_a_stall_is_charged_to_each_wake_up_that_it_swallowed() -> None:
    # Held up from 0.25 to 0.77: the wake-ups of 0.3 to 0.7 come at 0.77.
    lags = lags_of({0.25: 0.52}, until_s=1.05)
    assert lags == [0.0, 0.0, 0.47, 0.37, 0.27, 0.17, 0.07, 0.0, 0.0, 0.0]


def test_a_machine_that_was_suspended_is_not_charged_for_ever() -> None:
    lags = lags_of({0.25: 36_000.0}, until_s=36_001.0)
    assert 1_000 <= len(lags) < 1_020
    assert max(lags) == pytest.approx(36_000.0, abs=0.1)


async def test_the_real_loop_is_sampled_and_the_probes_with_it() -> None:
    recorder = Recorder()
    asked = asyncio.Event()

    def probe() -> dict[str, float]:
        if recorder.peek().whole(Kind.LOOP).count >= 5:
            asked.set()
        return {"pool_ratio": 0.5}

    recorder.add_probe(probe)
    watching = asyncio.create_task(watch_loop(recorder, interval_s=0.001))
    await asked.wait()
    time.sleep(0.05)  # noqa: ASYNC251 - what is to be found
    await asyncio.sleep(0.002)
    watching.cancel()
    await asyncio.wait([watching])
    snapshot = recorder.peek()
    max_s = snapshot.whole(Kind.LOOP).succeeded.max_s
    assert max_s is not None
    assert max_s > 0.04
    assert snapshot.gauges["pool_ratio"].samples >= 5
