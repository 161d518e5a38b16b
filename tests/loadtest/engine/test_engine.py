"""The engine in virtual time, where the truth is known in closed form; and how it ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from math import log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server, says

from keiko_perf.errors import MissingExtra
from keiko_perf.fakes import (
    Answer,
    FakeTransport,
    freezing,
    in_virtual_time,
    queueing,
    run_virtually,
    steady,
)
from keiko_perf.loadtest import (
    ConstantRate,
    Failure,
    Limits,
    Plan,
    Poisson,
    Stage,
    Stages,
    Step,
    Users,
    run,
    run_in_own_loop,
)
from keiko_perf.model import Kind

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def plan(**changes) -> Plan:
    given = {"base_url": "http://service", "load": ConstantRate(100), "duration_s": 10}
    return Plan(**(given | changes))


# What is measured


def test_a_stall_is_charged_to_everyone_who_queued_behind_it():
    # 500 of 6,000 requests are due within the 5 s; the one due u s into them waits 5 - u s.
    frozen = run_virtually(plan(duration_s=60), freezing(0.001, from_s=20, to_s=25))
    p50_s, p95_s, p99_s = frozen.response.succeeded.quantiles((0.5, 0.95, 0.99))
    assert frozen.response.succeeded.count == frozen.offered == 6000
    assert p50_s == pytest.approx(0.001, rel=0.01)
    assert p95_s == pytest.approx(2.00, rel=0.02)
    assert p99_s == pytest.approx(4.40, rel=0.02)
    assert frozen.response.succeeded.mean_s == pytest.approx(0.2095, rel=0.01)
    assert frozen.invalid == ()


def test_closed_load_hides_the_same_stall():
    frozen = run_virtually(
        plan(duration_s=60, load=Users(10, think_s=0.1)), freezing(0.001, from_s=20, to_s=25)
    )
    assert frozen.response.succeeded.quantile(0.99) == pytest.approx(0.001, rel=0.01)
    assert frozen.is_closed


def test_waiting_for_a_connection_is_latency_and_not_the_services_time():
    # One connection, 30 ms a request, one due every 20 ms: request k is 10·k ms late.
    busy = run_virtually(plan(load=ConstantRate(50), duration_s=1, connections=1), steady(0.03))
    assert busy.service.succeeded.quantile(0.99) == pytest.approx(0.03, rel=0.01)
    assert busy.response.succeeded.max_s == pytest.approx(0.03 + 49 * 0.01)
    assert busy.response.succeeded.mean_s == pytest.approx(0.03 + 24.5 * 0.01)
    assert busy.lag.max_s == pytest.approx(49 * 0.01)
    assert busy.waited == 49
    assert busy.late.max_s == 0
    assert busy.duration_s == pytest.approx(50 * 0.03)
    assert busy.invalid == ()


@pytest.mark.parametrize("service_s", [0.0002, 0.01, 1.0, 10.0])
def test_a_fixed_service_time_is_reported_within_one_per_cent(service_s):
    result = run_virtually(plan(connections=2000, timeout_s=60), steady(service_s))
    for q in (0.01, 0.5, 0.95, 0.99):
        assert result.response.succeeded.quantile(q) == pytest.approx(service_s, rel=0.01)


def test_an_mm1_queue_has_the_percentiles_of_theory():
    # Response times of M/M/1 are exponential with rate mu - lambda (Kleinrock, vol. 1, 5.118).
    random = Random(3)
    result = run_virtually(
        plan(load=Poisson(50, seed=5), duration_s=2000, connections=2000),
        queueing(lambda: random.expovariate(100)),
    )
    for q in (0.5, 0.95, 0.99):
        truth_s = -log(1 - q) / (100 - 50)
        assert result.response.succeeded.quantile(q) == pytest.approx(truth_s, rel=0.06)
    assert result.in_flight.mean == pytest.approx(1.0, rel=0.15)  # rho / (1 - rho)
    assert result.invalid == ()


def test_each_second_holds_the_requests_that_were_due_in_it():
    frozen = run_virtually(plan(), freezing(0.001, from_s=3, to_s=5))
    timeline = frozen.timeline("GET /")
    assert [one.count for one in timeline] == [100] * 10
    assert timeline[3].quantile(0.5) == pytest.approx(1.5, rel=0.02)
    assert timeline[4].quantile(0.5) == pytest.approx(0.5, rel=0.02)
    assert timeline[5].quantile(0.99) == pytest.approx(0.001, rel=0.01)


def test_a_long_run_has_a_bounded_number_of_intervals():
    result = run_virtually(
        plan(load=ConstantRate(0.1), duration_s=3 * 3600, limits=Limits(duration_s=24 * 3600)),
        steady(0.001),
    )
    assert result.interval_s == 3
    assert len(result.timeline("GET /")) == 3600
    assert sum(one.count for one in result.timeline("GET /")) == 1080


def test_the_warm_up_is_sent_and_not_measured():
    transport = FakeTransport(steady(0.001))
    result = _through(plan(warmup_s=5, duration_s=10), transport)
    assert transport.sent == 1500
    assert result.offered == result.response.count == 1000
    assert result.planned_s == 10
    assert result.duration_s == pytest.approx(10)
    assert result.offered_per_s == pytest.approx(100)


def test_offered_and_achieved_rate_differ_where_the_service_cannot_keep_up():
    slow = run_virtually(plan(connections=1, timeout_s=30), steady(0.02))
    assert slow.offered_per_s == pytest.approx(100)
    assert slow.achieved_per_s == pytest.approx(50)
    assert slow.duration_s == pytest.approx(20)


def test_failures_do_not_touch_the_latency_of_successes():
    def half(now_s, request):
        return Answer(0.001, 500) if request.path == "/bad" else Answer(0.1)

    steps = (Step(path="/bad"), Step(path="/good"))
    result = run_virtually(plan(steps=steps), half)
    assert result.step("GET /good").response.succeeded.min_s == pytest.approx(0.1)
    assert result.step("GET /bad").response.succeeded.count == 0
    assert result.step("GET /bad").response.failed.count == 500
    assert result.response.error_ratio == 0.5
    assert result.response.succeeded.quantile(0.5) == pytest.approx(0.1, rel=0.01)
    (group,) = result.errors
    assert (group.failure, group.step, group.count) == (Failure.HTTP_5XX, "GET /bad", 500)


def test_two_runs_send_the_same_sequence():
    steps = (
        Step(path="/a", weight=3),
        Step(path="/b/{id}", weight=1, rows=({"id": 1}, {"id": 2})),
    )
    first, second = FakeTransport(steady(0.001)), FakeTransport(steady(0.5))
    _through(plan(steps=steps), first)
    _through(plan(steps=steps), second)
    assert first.paths == second.paths
    assert first.paths[:8] == ["/a", "/a", "/b/1", "/a", "/a", "/a", "/b/2", "/a"]


def test_stages_are_sent_as_they_are_due():
    result = run_virtually(
        plan(load=Stages((Stage(2, 100), Stage(1, 0))), duration_s=0), steady(0.001)
    )
    assert [one.count for one in result.timeline("GET /")] == [25, 75, 50]


def test_users_ask_think_and_ask_again():
    result = run_virtually(plan(load=Users(5, think_s=0.09)), steady(0.01))
    assert result.offered == pytest.approx(5 * 10 / 0.1, abs=5)
    assert result.in_flight.peak <= 5
    assert result.opened <= 5
    assert result.service.succeeded.count == result.response.succeeded.count


def test_users_who_do_not_think_are_limited_by_the_service():
    result = run_virtually(plan(load=Users(4), duration_s=1), steady(0.01))
    assert result.offered == pytest.approx(400, abs=4)
    assert result.opened == 4


def test_users_of_a_dead_service_do_not_hammer_it():
    dead = run_virtually(
        plan(load=Users(10), duration_s=10),
        lambda _now_s, _request: Answer(0.0001, failure=Failure.CONNECT_REFUSED),
    )
    assert dead.offered <= 10 * 10 / 0.1
    assert dead.response.succeeded.quantile(0.5) is None
    assert dead.errors[0].failure is Failure.CONNECT_REFUSED


@settings(max_examples=40, deadline=None)
@given(
    per_s=st.floats(1, 300),
    service_s=st.floats(0.0001, 0.5),
    connections=st.integers(1, 20),
    most=st.integers(1, 40),
    warmup_s=st.floats(0, 1),
)
def test_every_request_that_was_due_is_accounted_for(per_s, service_s, connections, most, warmup_s):
    result = run_virtually(
        plan(
            load=ConstantRate(per_s),
            duration_s=2,
            connections=connections,
            max_in_flight=most,
            warmup_s=warmup_s,
            timeout_s=1,
        ),
        steady(service_s),
    )
    finished = result.response.count
    assert result.offered == finished + result.dropped + result.unfinished
    assert abs(result.offered - per_s * 2) <= 1
    assert result.in_flight.peak <= most
    assert bool(result.dropped or result.unfinished) <= bool(result.invalid)
    assert result.response.sum_s >= result.service.sum_s - 1e-6


# What is refused or called invalid


def reasons(result) -> list[str]:
    return [reason.template for reason in result.invalid]


def test_what_is_over_the_bound_is_dropped_counted_and_makes_the_run_invalid():
    full = run_virtually(plan(duration_s=1, connections=2, max_in_flight=5), steady(0.5))
    assert full.in_flight.peak == 5
    assert full.dropped == 100 - full.response.count
    assert full.dropped > 80
    assert any("were not sent" in reason for reason in reasons(full))


def test_requests_that_outlive_the_run_are_counted_with_their_age():
    stuck = run_virtually(plan(duration_s=1, connections=1, timeout_s=0.5), steady(0.3))
    assert stuck.unfinished > 90
    assert stuck.unfinished_s > 0.6
    assert any("had no answer when the run ended" in reason for reason in reasons(stuck))


def test_an_answer_that_takes_too_long_is_a_timeout():
    slow = run_virtually(plan(duration_s=1, timeout_s=0.5), steady(2))
    assert slow.response.failed.count == 100
    assert slow.errors[0].failure is Failure.TIMEOUT_HEADERS
    assert slow.response.failed.min_s == pytest.approx(0.5, abs=0.06)


def test_a_run_without_an_answer_is_invalid():
    result = run_virtually(
        plan(load=Stages((Stage(10, 0.01),)), duration_s=0), freezing(1, from_s=0, to_s=9e9)
    )
    assert "no request was finished" in reasons(result) or result.response.succeeded.count == 0


def test_a_machine_without_ports_is_not_the_services_fault():
    result = run_virtually(
        plan(), lambda _now_s, _request: Answer(0.001, failure=Failure.GENERATOR)
    )
    assert any("for want of ports" in reason for reason in reasons(result))


def test_a_generator_that_wakes_up_late_says_so():
    """A blocking call in the loop, every 50 ms for 40 ms of its time."""

    async def go():
        loop = asyncio.get_running_loop()

        def block() -> None:
            loop.jump(0.04)
            loop.call_later(0.01, block)

        block()
        clock = loop.time
        return await run(plan(), transport=FakeTransport(steady(0.001)), clock=clock)

    late = in_virtual_time(go())
    assert late.late.quantile(0.99) == pytest.approx(0.04, abs=0.01)
    assert any("the load generator was late" in reason for reason in reasons(late))
    # It was late, and still sent what was due: nothing is left out of the response times.
    assert late.offered == late.response.count == 1000


def test_a_clock_that_contradicts_the_requests_in_flight_is_noticed():
    """A service that answers at once in the books, and holds its channels for longer."""
    honest = run_virtually(plan(duration_s=30), steady(0.1))
    assert honest.in_flight.mean == pytest.approx(10, rel=0.05)
    assert honest.invalid == ()
    wrong = replace(honest, in_flight=replace(honest.in_flight, mean=20.0))
    assert any("were in flight" in reason for reason in reasons(wrong))


def test_a_service_is_not_doubted_for_being_quicker_than_a_look_at_it():
    quick = run_virtually(plan(load=ConstantRate(2000), duration_s=2), steady(100e-6))
    looked = replace(quick.in_flight, samples=100_000)  # else too few to say anything
    assert quick.response.sum_s / quick.duration_s == pytest.approx(0.2, rel=0.05)
    assert replace(quick, in_flight=replace(looked, mean=0.12)).invalid == ()
    wrong = replace(quick, in_flight=replace(looked, mean=0.5))
    assert any("were in flight" in reason for reason in reasons(wrong))


def test_a_generator_that_used_its_whole_core_was_the_limit():
    honest = run_virtually(plan(), steady(0.1))
    assert honest.cpu_ratio is None  # virtual time says nothing about CPU
    busy = replace(honest, cpu_ratio=0.95)
    assert any("of its core" in reason for reason in reasons(busy))
    assert replace(honest, cpu_ratio=0.85).invalid == ()


# How it goes and ends


def test_progress_is_told_each_second():
    seen = []
    run_virtually(plan(warmup_s=2, duration_s=5), steady(0.01), seen.append)
    assert [round(one.elapsed_s) for one in seen][:7] == [1, 2, 3, 4, 5, 6, 7]
    assert [one.is_warming_up for one in seen][:4] == [True, False, False, False]
    assert seen[4].offered == pytest.approx(300, abs=1)
    assert seen[4].rate_per_s == pytest.approx(100, abs=1)
    assert seen[4].recent.succeeded.quantile(0.5) == pytest.approx(0.01, rel=0.01)


def test_what_a_listener_raises_ends_the_run():
    def listener(_progress):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_virtually(plan(), steady(0.01), listener)


def test_a_stopped_run_drains_and_reports_what_it_measured():
    async def go():
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.call_later(4.995, stop.set)
        return await run(plan(), stop=stop, transport=FakeTransport(steady(0.1)), clock=loop.time)

    result = in_virtual_time(go())
    assert result.interrupted
    assert result.offered == result.response.count == 500
    assert result.unfinished == 0
    assert result.duration_s == pytest.approx(5.09, abs=0.02)
    assert result.offered_per_s == pytest.approx(100, rel=0.03)
    assert len(result.timeline("GET /")) == 6
    assert result.invalid == ()


def test_a_stopped_run_does_not_wait_for_a_service_that_hangs():
    async def go():
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.call_later(1.995, stop.set)
        result = await run(
            plan(timeout_s=60), stop=stop, transport=FakeTransport(steady(50)), clock=loop.time
        )
        return result, loop.time()

    result, ended_s = in_virtual_time(go())
    assert ended_s == pytest.approx(7, abs=0.1)
    assert result.unfinished == result.offered == 200
    assert result.unfinished_s == pytest.approx(7, abs=0.1)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("after_s", [0.0, 0.001, 0.02, 0.15])
@pytest.mark.parametrize("load", [ConstantRate(500), Users(20)], ids=["open", "closed"])
async def test_a_cancelled_run_leaves_no_task_and_no_socket(after_s, load):
    async with raw_server(says(OK)) as url:
        task = asyncio.create_task(run(Plan(base_url=url, load=load, duration_s=60)))
        await asyncio.sleep(after_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.usefixtures("nothing_left")
async def test_a_finished_run_leaves_no_task_and_no_socket():
    async with raw_server(says(OK)) as url:
        result = await run(Plan(base_url=url, load=Users(20), duration_s=0.2))
    assert result.response.succeeded.count >= 20  # each user asked, however busy the machine was
    assert result.errors == ()


async def test_uvloop_runs_the_same_plan(serve):
    uvloop = pytest.importorskip("uvloop")

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    with serve(app) as url:

        def work():
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(run(Plan(base_url=url, load=ConstantRate(100), duration_s=1)))

        result = await asyncio.to_thread(work)
        own = await asyncio.to_thread(
            run_in_own_loop, Plan(base_url=url, load=Users(2), duration_s=0.2)
        )
    assert result.errors == own.errors == ()
    assert result.response.succeeded.count == 100
    assert result.environment["event loop"] == "uvloop"
    assert own.response.succeeded.count > 2


def test_an_engine_without_its_packages_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    with pytest.raises(MissingExtra, match=r"keiko-perf\[load\]"):
        run_in_own_loop(plan())


def test_the_result_in_the_models_words():
    snapshot = run_virtually(plan(), steady(0.01)).snapshot()
    (series,) = snapshot.of(Kind.STEP)
    assert series.name == "GET /"
    assert series.succeeded.count == snapshot.counters["arrived"] == 1000
    assert snapshot.window_s == pytest.approx(10)
    assert snapshot.started_at.tzinfo is not None


def test_weights_decide_how_often_a_step_comes_up():
    transport = FakeTransport(steady(0.001))
    _through(plan(steps=(Step(path="/a", weight=7), Step(path="/b", weight=3))), transport)
    assert Counter(transport.paths) == {"/a": 700, "/b": 300}


def _through(given: Plan, transport: FakeTransport):
    async def go():
        clock = asyncio.get_running_loop().time
        return await run(given, transport=transport, clock=clock)

    return in_virtual_time(go())
