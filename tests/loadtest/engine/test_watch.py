"""What the generator sees of itself, and what becomes of it."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.loadtest.conftest import raw_server, says

from keiko_perf.errors import UsageError
from keiko_perf.fakes import Answer, FakeTransport, in_virtual_time, run_virtually, steady
from keiko_perf.loadtest import ConstantRate, Plan, run, run_in_own_loop
from keiko_perf.loadtest.engine import environment as surroundings
from keiko_perf.loadtest.engine.environment import is_same_host
from keiko_perf.loadtest.engine.generator import Generator
from keiko_perf.loadtest.engine.quiet import quiet
from keiko_perf.loadtest.engine.watch import Watch, make_room_for
from keiko_perf.loadtest.target import read_target
from keiko_perf.model import Histogram

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture
def honest():
    plan = Plan(base_url="http://service", load=ConstantRate(100), duration_s=10)
    result = run_virtually(plan, steady(0.01))
    assert result.invalid == result.notes == ()
    return result


def seen(watch: Watch) -> Generator:
    return watch.seen(cpu_ratio=None, late=Histogram(), opened=0)


def reasons(result) -> list[str]:
    return [reason.template for reason in result.invalid]


def notes(result) -> list[str]:
    return [note.template for note in result.notes]


# Watching


def test_each_collection_of_garbage_while_watching_is_counted():
    watch = Watch()
    gc.collect()
    watch.start()
    try:
        assert seen(watch).gc_pauses == 0
        gc.collect()
        gc.collect(0)
    finally:
        watch.stop()
    gc.collect()
    after = seen(watch)
    assert after.gc_pauses == 2
    assert 0 < after.gc_longest_s <= after.gc_paused_s


def test_a_watch_that_stopped_is_gone_and_may_be_stopped_again():
    before = list(gc.callbacks)
    watch = Watch()
    watch.stop()
    watch.start()
    watch.stop()
    watch.stop()
    assert gc.callbacks == before


def test_cpu_is_this_threads_since_the_start():
    watch = Watch()
    watch.start()
    try:
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        assert 0.02 <= watch.cpu_s < 5
    finally:
        watch.stop()


def test_files_and_ports_are_read_from_the_machine(tmp_path):
    (tmp_path / "self/fd").mkdir(parents=True)
    for number in range(7):
        (tmp_path / "self/fd" / str(number)).touch()
    (tmp_path / "sys/net/ipv4").mkdir(parents=True)
    (tmp_path / "sys/net/ipv4/ip_local_port_range").write_text("32768\t60999\n")
    found = seen(Watch(proc=tmp_path))
    assert found.files == 7
    assert found.ports == 28_232
    assert found.files_limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_what_a_machine_does_not_show_is_unknown_and_no_error(tmp_path):
    found = seen(Watch(proc=tmp_path))
    assert (found.files, found.ports) == (0, 0)


def test_the_lateness_of_too_few_requests_is_not_told():
    few, enough = Histogram([0.001] * 298), Histogram([0.001] * 299)
    assert Watch().seen(cpu_ratio=None, late=few, opened=0).late_p99_s is None
    told = Watch().seen(cpu_ratio=None, late=enough, opened=0).late_p99_s
    assert told == pytest.approx(0.001, rel=0.01)


async def test_a_real_run_is_watched():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(400), duration_s=1)
        result = await run(plan)
    (one,) = result.generators
    assert one.opened == result.opened >= 1
    assert one.cpu_ratio == result.cpu_ratio > 0
    assert one.late_p99_s is not None
    assert 0 < one.files < one.files_limit
    assert result.same_host


# Room for connections


@pytest.fixture
def _limits():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("_limits")
def test_the_soft_limit_of_files_is_raised_where_connections_need_it():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    make_room_for(100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    make_room_for(200)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard


def test_more_connections_than_files_may_be_open_are_refused():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.raises(UsageError, match=r"may open \d+ files") as refused:
        make_room_for(hard)
    assert "ulimit -Hn" in refused.value.cure


# Quiet


def test_a_quiet_thread_collects_no_garbage_and_catches_up_afterwards():
    class Cycle:
        alive = 0

        def __init__(self) -> None:
            self.me = self
            Cycle.alive += 1

        def __del__(self) -> None:
            Cycle.alive -= 1

    with quiet():
        assert not gc.isenabled()
        for _ in range(5000):
            Cycle()
        assert Cycle.alive == 5000
    assert gc.isenabled()
    assert Cycle.alive == 0
    assert gc.get_freeze_count() == 0


def test_quiet_leaves_a_collector_off_that_was_off():
    gc.disable()
    try:
        with quiet():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_timers_are_precise_while_quiet_and_as_before_afterwards():
    def slack() -> str:
        with open(f"/proc/{os.getpid()}/timerslack_ns") as file:
            return file.read().strip()

    if not os.path.exists(f"/proc/{os.getpid()}/timerslack_ns"):
        pytest.skip("not Linux")
    before = slack()
    with quiet():
        assert slack() == "1"
    assert slack() == before


async def test_a_run_in_its_own_loop_is_never_held_up_by_the_collector():
    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(500), duration_s=1)
        result = await asyncio.to_thread(run_in_own_loop, plan)
    assert result.generators[0].gc_pauses == 0


# Same host


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.9.9.9:1", True),
        ("http://[::1]:1", True),
        ("http://localhost:1", True),
        ("http://192.0.2.1:1", False),
        ("http://no-such-host.invalid:1", False),
    ],
)
async def test_a_target_on_this_machine_is_known_by_its_address(url, is_same):
    assert await is_same_host(read_target(url, unix_socket="")) is is_same


async def test_a_card_of_this_machine_and_a_unix_socket_are_this_machine():
    own = {
        one.address
        for card in surroundings.psutil.net_if_addrs().values()
        for one in card
        if one.family == 2
    }
    for address in own:
        assert await is_same_host(read_target(f"http://{address}:1", unix_socket=""))
    assert await is_same_host(read_target("http://service", unix_socket="/run/service"))


# What it means


@pytest.mark.parametrize(
    ("generator", "is_invalid"),
    [
        (Generator(gc_pauses=3, gc_paused_s=0.3, gc_longest_s=0.1), True),
        (Generator(gc_pauses=3, gc_paused_s=0.05, gc_longest_s=0.04), False),
        (Generator(gc_pauses=1000, gc_paused_s=0.3, gc_longest_s=0.001), False),
    ],
    ids=["over 1 % of the time", "hardly ever", "never long enough to see"],
)
def test_a_generator_that_collected_garbage_is_invalid_if_that_is_in_the_figures(
    honest, generator, is_invalid
):
    judged = replace(honest, generators=(Generator(), generator))
    assert any("garbage" in reason for reason in reasons(judged)) is is_invalid


def late_by(result, late_s: float, *, slowest_s: float, slow: int, waited: int = 0):
    """*result* with two late requests in a hundred, *slow* of these among the 60 slowest."""
    (step,) = result.steps
    service = [0.01] * 940 + [slowest_s] * 60
    late = range(920 + slow, 940 + slow)
    response = [one + (late_s if at in late else 0) for at, one in enumerate(service)]
    return replace(
        result,
        steps=(
            replace(
                step,
                response=replace(step.response, succeeded=Histogram(response)),
                service=replace(step.service, succeeded=Histogram(service)),
            ),
        ),
        late=Histogram([0.0] * 980 + [late_s] * 20),
        lag=Histogram([0.0] * 980 + [late_s] * 20),
        waited=waited,
        in_flight=replace(result.in_flight, samples=0),
    )


@pytest.mark.parametrize(
    ("late_s", "slowest_s", "slow", "waited", "is_invalid"),
    [
        (0.004, 0.01, 20, 0, False),
        (0.02, 0.01, 20, 0, True),
        (0.05, 0.4, 0, 0, False),
        (0.05, 0.4, 0, 7, True),
        (0.08, 0.1, 15, 0, True),
    ],
    ids=[
        "no more than a time slice",
        "it is what the p99 is made of",
        "slow answers hide it in every percentile",
        "with waiting for connections it cannot be told apart",
        "it moves the p99 from 100 to 180 ms",
    ],
)
def test_lateness_makes_a_run_invalid_if_it_is_in_a_percentile_that_is_told(
    honest, late_s, slowest_s, slow, waited, is_invalid
):
    judged = late_by(honest, late_s, slowest_s=slowest_s, slow=slow, waited=waited)
    assert any("was late by" in reason for reason in reasons(judged)) is is_invalid


def test_lost_processes_make_a_run_invalid_with_their_number(honest):
    (reason,) = replace(honest, generators=(Generator(),) * 3, lost=1).invalid
    assert reason.values == {"lost": 1, "all": 4}


def test_a_service_on_the_same_machine_is_a_note_and_no_fault(honest):
    judged = replace(honest, same_host=True)
    assert judged.invalid == ()
    assert any("share its cores" in note for note in notes(judged))


def test_connections_that_are_hardly_used_again_are_noted_before_ports_run_out(honest):
    few = replace(honest, opened=10_000, generators=(Generator(ports=28_000),))
    assert notes(few) == []
    many = replace(honest, opened=20_000, generators=(Generator(ports=28_000),))
    assert many.invalid == ()
    assert any("hardly used again" in note for note in notes(many))


def test_a_process_that_is_nearly_out_of_files_is_noted(honest):
    near = replace(
        honest,
        generators=(Generator(files=10, files_limit=1000), Generator(files=950, files_limit=1000)),
    )
    (note,) = near.notes
    assert note.values == {"files": 950, "limit": 1000}


def test_what_was_seen_comes_back_from_its_document():
    one = Generator(cpu_ratio=0.5, gc_pauses=2, gc_paused_s=0.1, files=5, files_limit=9, ports=7)
    assert Generator.from_dict(one.to_dict()) == one
    assert Generator.from_dict(Generator().to_dict()) == Generator()
    with pytest.raises(KeyError):
        Generator.from_dict({})


def test_a_results_start_is_when_the_gate_opened_for_all():
    async def gate() -> float:
        return asyncio.get_running_loop().time() + 5

    async def go():
        loop = asyncio.get_running_loop()
        plan = Plan(base_url="http://service", load=ConstantRate(10), duration_s=1)
        transport = FakeTransport(lambda now_s, _request: answers(now_s))
        result = await run(plan, transport=transport, clock=loop.time, gate=gate)
        return result, loop.time()

    sent = []

    def answers(now_s: float):
        sent.append(now_s)
        return Answer(0.001)

    before = datetime.now(UTC)
    result, ended_s = in_virtual_time(go())
    assert sent == pytest.approx([5 + number / 10 for number in range(10)])
    assert ended_s == pytest.approx(6, abs=0.01)
    assert 4 < (result.started_at - before).total_seconds() < 6
    assert result.late.max_s == pytest.approx(0, abs=1e-9)
