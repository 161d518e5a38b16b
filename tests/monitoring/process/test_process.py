from __future__ import annotations

import asyncio
import gc
import time
from itertools import count
from typing import Any

import psutil
import pytest

from keiko_perf.fakes import FakeClock, VirtualLoop
from keiko_perf.model import Kind
from keiko_perf.monitoring.process import process
from keiko_perf.monitoring.process.loop import watch_loop
from keiko_perf.monitoring.process.process import ProcessSampler, Sparing
from keiko_perf.monitoring.recorder import Recorder


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(50.0)


@pytest.fixture
def recorder(clock: FakeClock) -> Recorder:
    return Recorder(clock=clock)


def test_in_a_container_per_cent_means_per_cent_of_its_limits(
    machine: Any, recorder: Recorder, clock: FakeClock
) -> None:
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("sys/fs/cgroup/cpu.max", "150000 100000\n")
    machine.write("sys/fs/cgroup/cpu.stat", "usage_usec 1000000\n")
    machine.write("sys/fs/cgroup/memory.max", "536870912\n")
    machine.write("sys/fs/cgroup/memory.current", "268435456\n")
    sampler = ProcessSampler(recorder, root=machine.root)
    sampler.sample(recorder)
    clock.advance(10)
    machine.write("sys/fs/cgroup/cpu.stat", "usage_usec 4000000\n")
    sampler.sample(recorder)
    gauges = recorder.peek().gauges
    assert gauges["cpu_ratio"].samples == 1
    assert gauges["cpu_ratio"].mean == pytest.approx(3.0 / (10 * 1.5))
    assert gauges["memory_ratio"].mean == 0.5
    assert gauges["rss_bytes"].mean == 512 * 1024**2


def test_the_real_process_is_sampled() -> None:
    recorder = Recorder()
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
    assert gauges["threads"].mean >= 1


def test_memory_that_is_shared_is_divided_and_files_are_counted(
    machine: Any, recorder: Recorder
) -> None:
    machine.write("proc/self/smaps_rollup", "55-7f ---p 0 [rollup]\nRss: 9 kB\nPss:  2048 kB\n")
    machine.write("proc/self/status", "Name:\tuvicorn\nThreads:\t7\n")
    for number in range(5):
        machine.write(f"proc/self/fd/{number}", "")
    ProcessSampler(recorder, root=machine.root).sample(recorder)
    gauges = recorder.peek().gauges
    assert gauges["pss_bytes"].mean == 2 << 20
    assert gauges["threads"].mean == 7
    assert gauges["open_files"].mean == 5
    assert 0 < gauges["open_files_ratio"].mean < 1


def test_a_group_that_used_up_its_quota_shows_as_throttled(
    machine: Any, recorder: Recorder, clock: FakeClock
) -> None:
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("sys/fs/cgroup/cpu.max", "100000 100000\n")
    sampler = ProcessSampler(recorder, root=machine.root)
    for used_us, throttled_us in ((0, 0), (10_000_000, 2_500_000)):
        machine.write(
            "sys/fs/cgroup/cpu.stat", f"usage_usec {used_us}\nthrottled_usec {throttled_us}\n"
        )
        sampler.sample(recorder)
        clock.advance(10)
    assert recorder.peek().gauges["cpu_throttled_ratio"].mean == 0.25


def test_what_is_dear_to_read_is_read_seldom() -> None:
    clock = FakeClock()
    read: list[float] = []

    def reading() -> float:
        read.append(clock())
        clock.advance(0.01)  # that dear
        return 1.0

    sparing = Sparing(reading, clock=clock)
    for _ in range(300):
        sparing.read()
        clock.advance(0.1)
    assert len(read) == 3  # 10 ms each of 30 s: a thousandth
    assert Sparing(lambda: 7).read() == 7


def test_pauses_of_the_collector_are_recorded_by_generation() -> None:
    recorder = Recorder()
    sampler = ProcessSampler(recorder)
    gc.collect(1)
    gc.collect(2)
    gc.collect(2)
    sampler.sample(recorder)
    counts = {one.name: one.count for one in recorder.peek().of(Kind.GC)}
    assert counts["generation 1"] >= 1
    assert counts["generation 2"] >= 2
    sampler.sample(recorder)
    assert recorder.peek().find(Kind.GC, "generation 2").count >= 2


def test_who_is_gone_does_not_listen_to_the_collector_any_more(recorder: Recorder) -> None:
    before = len(gc.callbacks)
    sampler = ProcessSampler(recorder)
    assert len(gc.callbacks) == before + 1
    del sampler
    gc.collect()
    assert len(gc.callbacks) == before


def test_a_recorder_that_is_gone_is_not_kept(recorder: Recorder) -> None:
    gc.collect()
    before = len(process._samplers)
    short_lived = Recorder()
    process.sample(short_lived)
    assert len(process._samplers) == before + 1
    del short_lived
    gc.collect()
    assert len(process._samplers) == before


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
            loop.jump(seconds)
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
    times = count(1)

    def probe() -> dict[str, float]:
        if next(times) == 5:
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
