"""Several processes: the same load and the same result as one, and nothing left however it ends."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import psutil
import pytest
from tests.loadtest.conftest import raw_server, says

from keiko_perf.errors import ServiceUnavailable, Unavailable, UsageError
from keiko_perf.fakes import FakeTransport, in_virtual_time, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Poisson,
    Stage,
    Stages,
    Step,
    Users,
    run,
    run_in_own_loop,
)
from keiko_perf.loadtest.processes.merging import merged_results
from keiko_perf.loadtest.processes.share import Share

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def children() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children(recursive=True)
        if one.status() != psutil.STATUS_ZOMBIE
        and "keiko_perf.loadtest.processes.worker" in one.cmdline()
    ]


@pytest.fixture(autouse=True)
def _nobody_left():
    yield
    assert children() == []


def shared_out(plan: Plan, processes: int, service_s: float = 0.01):
    """The parts of a run in virtual time, and what each sent."""

    def part(index: int):
        transport = FakeTransport(steady(service_s))

        async def go():
            clock = asyncio.get_running_loop().time
            share = Share(index, processes)
            return await run(plan, transport=transport, clock=clock, share=share)

        return in_virtual_time(go()), transport.paths

    parts = [part(index) for index in range(processes)]
    return [result for result, _ in parts], [paths for _, paths in parts]


# The same as one


@pytest.mark.parametrize(
    "load",
    [
        ConstantRate(101),
        Poisson(100, seed=3),
        Stages((Stage(2, 100), Stage(1, 0))),
        Users(9, think_s=0.3),
    ],
    ids=lambda load: type(load).__name__,
)
def test_four_shares_are_counted_as_one_load(load):
    plan = Plan(
        base_url="http://service",
        steps=(Step(path="/a/{n}", rows=[{"n": n} for n in range(7)], weight=2), Step(path="/b")),
        load=load,
        duration_s=0 if isinstance(load, Stages) else 3,
    )
    (whole,), (sent,) = shared_out(plan, 1)
    parts, paths = shared_out(plan, 4)
    merged = merged_results(parts)
    assert merged.offered == whole.offered
    assert merged.environment["processes"] == "4"
    assert len(merged.generators) == 4
    if not isinstance(load, Users):
        # Whose turn it is and which row it uses is decided by the one schedule of all.
        assert [paths[j % 4][j // 4] for j in range(len(sent))] == sent
        for one, other in zip(merged.steps, whole.steps, strict=True):
            assert [second.count for second in one.timeline] == [
                second.count for second in other.timeline
            ]
            assert one.response.succeeded == other.response.succeeded
            assert one.lag == other.lag
    assert merged.in_flight.mean == pytest.approx(whole.in_flight.mean, rel=0.15, abs=0.05)
    assert merged.invalid == whole.invalid == ()


def test_a_row_is_used_by_one_process_only():
    rows = [{"n": n} for n in range(400)]
    plan = Plan(
        base_url="http://service",
        steps=(Step(path="/{n}", rows=rows),),
        load=ConstantRate(100),
        duration_s=4,
    )
    _, paths = shared_out(plan, 3)
    assert Counter(path for share in paths for path in share) == {f"/{n}": 1 for n in range(400)}


def test_a_share_has_its_part_of_connections_and_room():
    plan = Plan(
        base_url="http://service",
        load=ConstantRate(100),
        duration_s=1,
        connections=5,
        max_in_flight=11,
        timeout_s=100,
    )
    parts, _ = shared_out(plan, 4, service_s=50)
    assert [one.connections for one in parts] == [2, 1, 1, 1]
    assert [one.in_flight.peak for one in parts] == [3, 3, 3, 2]
    assert merged_results(parts).dropped == 100 - 11


async def test_real_processes_send_what_one_would_send():
    seen: Counter[bytes] = Counter()

    async def count(reader, writer):
        while line := await reader.readuntil(b"\r\n"):
            seen[line.split()[1]] += 1
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.005)
            writer.write(OK)

    async with raw_server(count) as url:
        plan = Plan(
            base_url=url,
            steps=(Step(path="/{n}", rows=[{"n": n} for n in range(200)]),),
            load=ConstantRate(200),
            duration_s=1,
        )
        ticks = []
        result = await asyncio.to_thread(run_in_own_loop, plan, ticks.append, processes=4)
    assert seen == {f"/{n}".encode(): 1 for n in range(200)}
    assert result.offered == result.response.succeeded.count == 200
    assert result.errors == ()
    assert result.response.succeeded.min_s >= 0.005
    assert len(result.generators) == 4
    assert all(one.files_limit > one.files > 0 for one in result.generators)
    assert result.same_host
    assert ticks
    assert ticks[-1].offered <= 200
    assert not result.lost


# What cannot be


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"connections": 3}, "only 3 connections"),
        ({"max_in_flight": 3}, "only 3 requests in flight"),
        ({"load": Users(3)}, "only 3 users"),
    ],
)
def test_there_is_something_for_each_process_to_do(changes, reason):
    plan = Plan(base_url="http://127.0.0.1:9", duration_s=1, **changes)
    with pytest.raises(UsageError, match=reason):
        run_in_own_loop(plan, processes=4)


def test_a_plan_that_cannot_travel_says_why():
    plan = Plan(
        base_url="http://127.0.0.1:9",
        steps=(Step(upload=lambda: [b"x"], method="POST"),),
        duration_s=1,
    )
    with pytest.raises(UsageError, match="cannot be sent to another process"):
        run_in_own_loop(plan, processes=2)


@pytest.mark.parametrize(
    ("url", "kind", "reason"),
    [
        ("http://no-such-host.invalid", ServiceUnavailable, "no address"),
        ("http://192.0.2.1", UsageError, "public address"),
    ],
)
def test_what_a_process_raises_is_raised_here(url, kind, reason):
    if kind is UsageError:
        url = "http://8.8.8.8"
    with pytest.raises(kind, match=reason):
        run_in_own_loop(Plan(base_url=url, duration_s=1), processes=2)


# How it ends


async def test_a_process_that_dies_makes_the_run_invalid():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(100), duration_s=2)

        def kill_one(_progress):
            if len(children()) == 3:
                children()[0].kill()

        result = await asyncio.to_thread(run_in_own_loop, plan, kill_one, processes=3)
    assert result.lost == 1
    assert result.response.count == pytest.approx(133, abs=2)
    reasons = [reason.template for reason in result.invalid]
    assert any("ended before the run did" in reason for reason in reasons)


async def test_a_run_whose_processes_all_die_says_so():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(100), duration_s=30)

        def kill_all(_progress):
            for one in children():
                one.kill()

        with pytest.raises(Unavailable, match="ended before the run did"):
            await asyncio.to_thread(run_in_own_loop, plan, kill_all, processes=2)


async def test_what_a_listener_raises_ends_all_processes():
    def listener(_progress):
        raise RuntimeError("enough")

    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(100), duration_s=30)
        with pytest.raises(RuntimeError, match="enough"):
            await asyncio.to_thread(run_in_own_loop, plan, listener, processes=2)


async def test_a_listener_who_is_busy_delays_no_request():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(50), duration_s=2)
        result = await asyncio.to_thread(
            run_in_own_loop, plan, lambda _progress: time.sleep(0.7), processes=1
        )
    assert result.offered == result.response.count == 100
    assert result.duration_s < 2.5


SCRIPT = """
import sys
from keiko_perf.loadtest import ConstantRate, Plan, run_in_own_loop
plan = Plan(base_url=sys.argv[1], load=ConstantRate(100), duration_s=60)
try:
    result = run_in_own_loop(plan, lambda _: print("tick", flush=True), processes=2)
    print(result.interrupted, result.unfinished, result.response.count > 50, result.lost)
except KeyboardInterrupt:
    print("cancelled")
"""


@pytest.mark.parametrize(
    ("signals", "answer", "said"),
    [(1, OK, "True 0 True 0"), (2, b"", "cancelled")],
    ids=["once", "twice"],
)
async def test_ctrl_c_drains_all_processes_and_twice_ends_them(signals, answer, said):
    """A terminal sends it to the whole group, not only to the process in front."""

    async def behave(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            if not answer:
                await asyncio.sleep(60)
            writer.write(answer)

    def work(url: str) -> str:
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, url],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "tick\n"
            for _ in range(signals):
                os.killpg(process.pid, signal.SIGINT)
                time.sleep(0.5)
            said = process.stdout.read()
            assert process.wait(20) == 0
            return said

    async with raw_server(behave) as url:
        lines = (await asyncio.to_thread(work, url)).splitlines()
    assert [line for line in lines if line != "tick"] == [said]


async def test_processes_end_when_whoever_started_them_is_killed():
    def work(url: str) -> list[psutil.Process]:
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, url], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            workers = psutil.Process(process.pid).children()
            process.kill()
        return workers

    async with raw_server(says(OK)) as url:
        workers = await asyncio.to_thread(work, url)
        assert len(workers) == 2
        _, alive = await asyncio.to_thread(psutil.wait_procs, workers, 20)
    assert alive == []


def test_threads_are_as_many_as_before():
    before = threading.active_count()
    with pytest.raises(ServiceUnavailable):
        run_in_own_loop(Plan(base_url="http://no-such-host.invalid", duration_s=1), processes=1)
    assert threading.active_count() == before


async def test_a_result_that_no_buffer_holds_arrives_whole():
    # libuv makes what it watches non-blocking, and a run of ten minutes has as much to tell.
    steps = tuple(Step(path=f"/{number}") for number in range(200))
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, steps=steps, load=Users(4), duration_s=2, timeout_s=30)
        result = await asyncio.to_thread(run_in_own_loop, plan, processes=1)
    assert len(pickle.dumps(result)) > 250_000
    assert result.response.count == result.offered > 200
