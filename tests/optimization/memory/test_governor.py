"""The memory governor: when it does something, what, and that it really helps."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.optimization import Cache, MemoryGovernor, Relief
from keiko_perf.optimization.memory.shedding import ShrinkableMapping, shed

MB = 1024 * 1024


class Held(Cache[int, str]):
    """A cache in which each byte is one of the process."""

    def __init__(self, machine: Any, held_mb: float) -> None:
        super().__init__(max_bytes=10**10)
        self.machine = machine
        self.base_bytes = round(held_mb * MB)
        self.told()

    def told(self) -> None:
        self.machine.hold(self.base_bytes + self.statistics().size_bytes)

    def fill(self, mb: int) -> None:
        for _ in range(mb):
            self.put(len(self), "", size_bytes=MB - 1000)
        self.told()

    def shrink(self, to_bytes: int) -> int:
        freed_bytes = super().shrink(to_bytes)
        self.told()
        return freed_bytes


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # it is another thread that makes it hold
            await asyncio.sleep(0.01)


def test_between_the_thresholds_nothing_is_done_and_over_them_down_to_the_lower(
    machine: Any,
) -> None:
    cache, clock = Held(machine, 100), FakeClock()
    governor = MemoryGovernor(limit_mb=1000, root=machine.root, clock=clock)
    governor.watch(cache)
    cache.fill(740)
    assert governor.look() is None
    cache.fill(20)
    relief = governor.look()
    assert relief is not None
    left = 100 * MB + cache.statistics().size_bytes
    assert 745 * MB < left <= 750 * MB
    assert governor.look() is None
    cache.fill(90)
    assert governor.look() is None, "it does not begin again before the upper threshold"
    done = governor.statistics()
    assert (done.reliefs, done.collections, done.caches) == (1, 0, 1)
    assert done.freed_from_caches_bytes == pytest.approx(110 * MB, rel=0.05)
    assert done.last == relief


def test_the_limit_is_that_of_the_container(machine: Any) -> None:
    cache = Held(machine, 100)
    machine.write("proc/self/cgroup", "0::/\n")
    machine.write("sys/fs/cgroup/memory.max", f"{512 * MB}\n")
    machine.write("sys/fs/cgroup/memory.current", f"{500 * MB}\n")
    machine.write("sys/fs/cgroup/memory.stat", "inactive_file 0\n")
    governor = MemoryGovernor(root=machine.root)
    governor.watch(cache)
    cache.fill(300)
    relief = governor.look()
    assert relief is not None
    assert (relief.used_bytes, relief.limit_bytes) == (500 * MB, 512 * MB)
    assert relief.freed_from_caches_bytes >= 116 * MB


async def loaded(clock: FakeClock, seconds: float) -> Cache[int, str]:
    cache: Cache[int, str] = Cache(10**10, clock=clock, size_of=lambda _: MB)

    async def load(_: int) -> str:
        clock.advance(seconds)
        return ""

    for number in range(200):
        await cache.get_or_load(number, load)
    return cache


async def test_what_is_worth_least_goes_first_whichever_cache_it_is_in() -> None:
    clock = FakeClock()
    cheap, dear = await loaded(clock, 0.001), await loaded(clock, 1)
    plain = {number: f"{number:1000}" for number in range(1000)}
    mapping = ShrinkableMapping(plain, lambda do: do())
    assert shed([dear, mapping, cheap], 500_000) == pytest.approx(500_000, rel=0.05)
    assert (len(cheap), len(dear)) == (200, 200)
    assert min(plain) == 1000 - len(plain), "the oldest went"
    assert shed([dear, mapping, cheap], 100 * MB) == pytest.approx(100 * MB, rel=0.05)
    assert len(plain) == 0
    assert (90 < len(cheap) < 110, len(dear)) == (True, 200)
    assert shed([dear, mapping, cheap], 1000 * MB) == pytest.approx(300 * MB, rel=0.05)
    assert (len(cheap), len(dear)) == (0, 0)
    assert shed([dear, mapping, cheap], 1000 * MB) == 0


async def test_a_plain_dict_gives_up_its_oldest_in_the_loops_thread(machine: Any) -> None:
    threads = set()

    class Leak(dict[int, bytes]):
        def pop(self, *given: Any) -> Any:
            threads.add(threading.current_thread())
            return super().pop(*given)

    leak = Leak((number, bytes(100_000)) for number in range(1000))
    machine.hold(900 * MB)
    governor = MemoryGovernor(limit_mb=1000, root=machine.root)
    governor.watch(leak)
    governor.start()
    try:
        await until(lambda: len(leak) < 1000)
    finally:
        governor.stop()
    assert threads == {threading.current_thread()}
    assert 999 in leak or not leak
    governor.forget(leak)
    assert governor.statistics().caches == 0


def test_where_nothing_can_be_given_up_it_tries_less_and_less_often(
    machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    machine.hold(990 * MB)
    governor = MemoryGovernor(limit_mb=1000, root=machine.root, clock=clock)
    with caplog.at_level(logging.INFO, "keiko_perf.memory"):
        for _ in range(1000):
            governor.look()
            clock.advance(1)
    done = governor.statistics()
    assert 5 <= done.reliefs <= 25
    assert done.collections <= done.reliefs
    assert "nothing is left to give up" in caplog.text


def test_a_callback_and_a_log_say_what_was_done(
    machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Relief] = []
    cache = Held(machine, 100)
    governor = MemoryGovernor(limit_mb=1000, root=machine.root, on_relief=told.append)
    governor.watch(cache)
    cache.fill(800)
    with caplog.at_level(logging.INFO, "keiko_perf.memory"):
        governor.look()
    assert [one.used_bytes // MB for one in told] == [899]
    assert "of 1000 MiB were used. Caches gave up" in caplog.text
    assert governor.gauges()["memory_governor_reliefs"] == 1


def test_it_looks_seldom_where_there_is_room_and_often_where_there_is_little(
    machine: Any,
) -> None:
    clock = FakeClock()
    governor = MemoryGovernor(limit_mb=1000, root=machine.root, clock=clock)
    intervals = []
    for held_mb in (50, 50, 700, 840):
        machine.hold(held_mb * MB)
        governor.look()
        intervals.append(governor.statistics().next_look_s)
        clock.advance(1)
    assert intervals[1] > 0.5
    assert intervals[1] > intervals[2] > intervals[3]
    assert intervals[3] >= 0.05


async def test_it_works_in_the_background_and_ends(machine: Any) -> None:
    cache = Held(machine, 100)
    cache.fill(800)
    before = threading.active_count()
    with MemoryGovernor(limit_mb=1000, root=machine.root) as governor:
        governor.watch(cache)
        await until(lambda: governor.statistics().reliefs > 0)
    assert threading.active_count() == before


def test_a_cache_that_fails_does_not_end_the_watch(
    machine: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Held):
        def shrink(self, to_bytes: int) -> int:
            raise RuntimeError("broken on purpose")

    cache = Broken(machine, 900)
    cache.fill(50)
    with caplog.at_level(logging.ERROR), MemoryGovernor(limit_mb=1000, root=machine.root) as one:
        one.watch(cache)
        ended = threading.Event()
        while "broken on purpose" not in caplog.text:
            assert not ended.wait(0.01)
        assert one.statistics().looks > 0


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        ({"limit_mb": 0}, "over 0"),
        ({"low": 0.9}, "low=0.75"),
        ({"high": 1.5}, "low=0.75"),
    ],
)
def test_numbers_without_sense_are_refused(arguments: Any, cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        MemoryGovernor(**arguments)


def test_what_cannot_shrink_is_refused() -> None:
    with pytest.raises(UsageError, match=r"shrink\(to_bytes\)"):
        MemoryGovernor().watch([1, 2])  # type: ignore[arg-type] # that is the point


_LEAK = """
import resource, sys, json, time
from keiko_perf.optimization import MemoryGovernor
from keiko_perf.container import read_held

LIMIT_MB = {limit_mb}
kept = {{}}
governor = MemoryGovernor(limit_mb=read_held().rss_bytes / 2**20 + LIMIT_MB * 0.8)
if {governed}:
    governor.watch(kept)
governor.start()  # in either case, for a thread takes room of its own
base_mb = read_held().vms_bytes / 2**20
resource.setrlimit(resource.RLIMIT_AS, (int((base_mb + LIMIT_MB) * 2**20),) * 2)
for number in range({entries}):  # the leak of the demo: a key that is never asked for again
    kept["q", number] = [str(number) * 50 for _ in range(200)]
    if number % 400 == 0:  # 20 MB: no faster than is looked at, on whatever machine
        seen = governor.statistics().looks
        while governor.statistics().looks < seen + 2:
            time.sleep(0.01)
governor.stop()
print(json.dumps([len(kept), governor.statistics().reliefs]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set by setrlimit")
@pytest.mark.parametrize("governed", [True, False])
def test_a_leak_that_kills_a_process_does_not_where_it_is_governed(governed: bool) -> None:
    script = _LEAK.format(limit_mb=120, governed=governed, entries=4_000)
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    if not governed:
        assert ran.returncode != 0
        assert "MemoryError" in ran.stderr
        return
    assert ran.returncode == 0, ran.stderr
    kept, reliefs = json.loads(ran.stdout)
    assert reliefs >= 1
    assert kept < 4_000
