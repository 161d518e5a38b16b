"""The search finds the capacity of services whose capacity is known, and never says more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heapify, heapreplace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.fakes import Answer, FakeTransport, Service, in_virtual_time
from keiko_perf.loadtest import ConstantRate, Plan, Poisson, Progress, read_promises, run
from keiko_perf.loadtest.capacity.report import Asked, capacity_report, law
from keiko_perf.loadtest.capacity.search import (
    MOST_STEPS,
    Capacity,
    Found,
    Passed,
    Purpose,
    Search,
    Trial,
    Tried,
    start_per_s,
    step_s,
)
from keiko_perf.loadtest.capacity.trial import hopeless, judged
from keiko_perf.loadtest.watching.watched import Watched
from keiko_perf.model import Message, Outcome, Resource, Status, Target, Use, Window, say
from keiko_perf.render import FORMATS, phrase, render

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TARGETS = tuple(one.target for one in read_promises("p95<200ms, errors<0.1%"))


def search(**changes: float) -> Search:
    given = {"start_per_s": 10.0, "most_per_s": 5000.0} | changes
    return Search(TARGETS, **given)  # type: ignore[arg-type]


# The machine alone: a service that passes up to its capacity, and answers by a coin near it.


def answered(trial: Trial, passed: Passed, **more: object) -> Tried:
    reason: tuple[Message, ...] = () if passed is Passed.YES else (say("over the limit"),)
    more = {"achieved_per_s": trial.per_s} | more
    return Tried(trial=trial, passed=passed, reasons=reason, **more)  # type: ignore[arg-type]


def carried_out(machine: Search, passes: Callable[[Trial], Passed], *, most: int = 200) -> Capacity:
    for _ in range(most):
        trial = machine.next()
        if trial is None:
            return machine.capacity
        machine.take(answered(trial, passes(trial)))
    raise AssertionError("the search has no end")


def up_to(capacity: float) -> Callable[[Trial], Passed]:
    return lambda trial: Passed.YES if trial.per_s <= capacity else Passed.NO


@given(st.floats(12, 4900), st.floats(1, 100), st.sampled_from([0.02, 0.05, 0.2]))
def test_the_bracket_holds_the_capacity_and_is_as_narrow_as_asked(
    capacity: float, start: float, within: float
) -> None:
    found = carried_out(search(start_per_s=start, within=within), up_to(capacity))
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert found.first_fail is not None
    assert found.last_pass.per_s <= capacity < found.first_fail.per_s
    assert found.first_fail.per_s <= found.last_pass.per_s * (1 + within) * 1.0001
    purposes = [one.trial.purpose for one in found.tried]
    assert purposes[-2:] == [Purpose.OVERLOAD, Purpose.RECOVERY]
    assert purposes.count(Purpose.AGAIN) == 2
    assert len(found.tried) <= 25


@given(st.floats(12, 4900), st.integers(0, 1000))
def test_noise_near_the_edge_moves_the_bracket_by_no_more_than_the_noise(
    capacity: float, seed: int
) -> None:
    random = Random(seed)

    def passes(trial: Trial) -> Passed:
        return up_to(capacity * random.uniform(0.94, 1.06))(trial)

    found = carried_out(search(), passes)
    if found.found is Found.BRACKET:
        assert found.last_pass is not None
        assert found.first_fail is not None
        assert found.last_pass.per_s <= capacity * 1.06
        assert found.first_fail.per_s >= capacity * 0.94
        assert found.first_fail.per_s <= found.last_pass.per_s * 1.0501
    assert len(found.tried) <= MOST_STEPS


def test_where_nothing_fails_it_is_at_least_the_highest_that_was_allowed() -> None:
    found = carried_out(search(most_per_s=300), up_to(9999))
    assert found.found is Found.AT_LEAST
    assert found.last_pass is not None
    assert found.last_pass.per_s == 300
    assert found.first_fail is None


def test_where_nothing_passes_it_is_below_the_lowest_that_can_be_told() -> None:
    found = carried_out(search(start_per_s=100), up_to(0))
    assert found.found is Found.BELOW
    assert found.last_pass is None
    assert found.first_fail is not None
    assert 0.9 < found.first_fail.per_s < 4


def test_a_capacity_below_the_first_rate_is_found_on_the_way_down() -> None:
    found = carried_out(search(start_per_s=500), up_to(33))
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert 31 < found.last_pass.per_s <= 33


def test_a_generator_that_is_the_limit_is_no_pass_however_often_it_is_tried() -> None:
    found = carried_out(search(), lambda trial: Passed.YES if trial.per_s < 100 else Passed.INVALID)
    assert found.found is Found.INVALID
    assert found.last_pass is not None
    assert found.last_pass.per_s < 100
    assert [one.passed for one in found.tried].count(Passed.INVALID) == 3


def test_one_spoilt_step_is_just_measured_again() -> None:
    spoilt = iter([True])
    found = carried_out(
        search(),
        lambda trial: Passed.INVALID if next(spoilt, False) else up_to(70)(trial),
    )
    assert found.found is Found.BRACKET


def test_what_could_have_gone_either_way_is_repeated_for_longer_and_then_not_believed() -> None:
    machine = search()
    found = carried_out(
        machine, lambda trial: Passed.UNSURE if 75 < trial.per_s < 90 else up_to(75)(trial)
    )
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert found.last_pass.per_s <= 75
    repeats = [one.trial for one in found.tried if one.passed is Passed.UNSURE]
    assert [one.repeat for one in repeats[:3]] == [0, 1, 2]
    assert repeats[1].duration_s == 2 * repeats[0].duration_s


def test_a_pass_that_does_not_come_again_is_none() -> None:
    def passes(trial: Trial) -> Passed:
        lucky = 82 if trial.purpose is not Purpose.AGAIN else 70
        return up_to(lucky)(trial)

    found = carried_out(search(), passes)
    assert found.last_pass is not None
    assert found.last_pass.per_s <= 82
    assert found.first_fail is not None
    assert found.first_fail.per_s < 82  # the one that passed by luck


def test_a_failure_that_does_not_come_again_is_none() -> None:
    unlucky = iter([True])

    def passes(trial: Trial) -> Passed:
        if trial.per_s > 70 and next(unlucky, False):
            return Passed.NO
        return up_to(300)(trial)

    found = carried_out(search(), passes)
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert found.last_pass.per_s > 80


def broken_by(
    rate: float, achieved_per_s: float, *, until: int = 10**9
) -> Callable[[Trial], tuple[Passed, float]]:
    """A service that *rate* breaks, for so many steps; it answers so many requests then."""
    broken_for = 0

    def outcome(trial: Trial) -> tuple[Passed, float]:
        nonlocal broken_for
        if trial.per_s >= rate or 0 < broken_for < until:
            broken_for += 1
            return Passed.NO, achieved_per_s
        broken_for = 0
        return Passed.YES, trial.per_s

    return outcome


def searched(machine: Search, outcome: Callable[[Trial], tuple[Passed, float]]) -> Capacity:
    while (trial := machine.next()) is not None:
        passed, achieved = outcome(trial)
        machine.take(answered(trial, passed, achieved_per_s=achieved, duration_s=10.0))
    return machine.capacity


def test_a_service_that_a_step_killed_is_waited_for_and_the_search_ends() -> None:
    found = searched(search(), broken_by(100, 0.0))
    assert found.found is Found.GONE
    assert found.last_pass is not None
    assert found.first_fail is not None
    assert (found.last_pass.per_s, found.first_fail.per_s) == (80, 160)
    told = [(one.trial.purpose, one.per_s) for one in found.tried[4:]]
    assert told == [(Purpose.RAMP, 160), *[(Purpose.BACK, 10)] * 3]


def test_a_service_that_is_slow_for_good_is_told_from_a_capacity_further_down() -> None:
    """It answers, and far too late, at rates that it kept before: those are not its capacity."""
    found = searched(search(), broken_by(100, 9.0))
    assert found.found is Found.GONE
    assert found.last_pass is not None
    assert found.first_fail is not None
    assert (found.last_pass.per_s, found.first_fail.per_s) == (80, 160)
    assert [one.trial.purpose for one in found.tried[-3:]] == [Purpose.BACK] * 3
    assert len(found.tried) < 16


def test_a_service_that_comes_back_is_searched_further() -> None:
    found = searched(search(), broken_by(100, 0.0, until=3))
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert 94 < found.last_pass.per_s < 100


def test_a_service_that_answers_nothing_from_the_start_is_not_searched_all_the_way_down() -> None:
    found = searched(search(start_per_s=500), lambda _: (Passed.NO, 0.0))
    assert found.found is Found.GONE
    assert [one.per_s for one in found.tried] == [500, 250, 125]


def test_a_search_that_is_stopped_says_what_it_knows() -> None:
    machine = search()
    for _ in range(6):
        trial = machine.next()
        assert trial is not None
        machine.take(answered(trial, up_to(100)(trial)))
    found = machine.capacity
    assert found.found is Found.UNFINISHED
    assert found.last_pass is not None
    assert found.first_fail is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_per_s": 0}, "Start above 0"),
        ({"start_per_s": 9999}, "no higher than --max"),
        ({"asked_s": 0.5}, "steps of 1 s"),
        ({"within": 0}, "a bracket from 0 to 1"),
    ],
)
def test_a_senseless_search_is_refused(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        search(**changes)


def test_a_step_is_as_long_as_its_percentiles_need_within_reason() -> None:
    p99 = tuple(one.target for one in read_promises("p99<1s"))
    assert step_s(p99, 1000, 10) == 10
    assert step_s(p99, 10, 10) == pytest.approx(299 * 1.2 / 10)
    assert step_s(p99, 1, 10) == 60
    assert start_per_s(p99, 10) == pytest.approx(35.88)


# The whole, in virtual time, against queues whose capacity is known.


def servers(count: int, service_s: Callable[[], float]) -> Service:
    """*count* servers with one queue, as a connection pool is."""
    free = [0.0] * count
    heapify(free)

    def service(now_s: float, _request: object) -> Answer:
        done = max(now_s, free[0]) + service_s()
        heapreplace(free, done)
        return Answer(done - now_s)

    return service


def measured(
    machine: Search, make: Callable[[], Service], *, load: type[ConstantRate | Poisson]
) -> Capacity:
    """The search, each step in a virtual time of its own."""
    while (trial := machine.next()) is not None:
        is_hopeless = False

        async def go(trial: Trial = trial) -> object:
            nonlocal is_hopeless
            stop = asyncio.Event()

            def tick(progress: Progress) -> None:
                nonlocal is_hopeless
                if not progress.is_warming_up and not progress.is_draining and not is_hopeless:
                    is_hopeless = hopeless(progress, trial, TARGETS)
                    if is_hopeless:
                        stop.set()

            plan = Plan(
                base_url="http://service",
                load=load(trial.per_s),
                duration_s=trial.duration_s,
                warmup_s=1,
                connections=2000,
            )
            clock = asyncio.get_running_loop().time
            return await run(plan, tick, transport=FakeTransport(make()), clock=clock, stop=stop)

        result = in_virtual_time(go())
        tried = judged(result, trial, TARGETS, was_hopeless=is_hopeless)  # type: ignore[arg-type]
        assert tried.passed is not Passed.INVALID
        machine.take(tried)
    return machine.capacity


def test_a_pool_of_5_that_is_held_for_50_ms_has_a_capacity_of_100_a_second() -> None:
    found = measured(search(), lambda: servers(5, lambda: 0.05), load=ConstantRate)
    assert found.found is Found.BRACKET
    assert found.last_pass is not None
    assert found.first_fail is not None
    assert 95 <= found.last_pass.per_s <= 100.5
    assert 99.5 <= found.first_fail.per_s <= 105
    assert found.overload is not None
    assert found.overload.achieved_per_s == pytest.approx(100, rel=0.05)
    assert found.recovery is not None
    assert found.recovery.passed is Passed.YES


def test_a_queue_that_grows_is_no_pass_though_the_percentile_is_still_kept() -> None:
    """At 104/s the excess is 4/s: after 10 s the queue makes 0.4 s, but not yet after 3 s."""
    (target,) = (one.target for one in read_promises("p95<900ms"))
    machine = Search((target,), start_per_s=104, most_per_s=104, asked_s=10)
    trial = machine.next()
    assert trial is not None

    async def go() -> object:
        plan = Plan(base_url="http://service", load=ConstantRate(104), duration_s=10, warmup_s=1)
        clock = asyncio.get_running_loop().time
        transport = FakeTransport(servers(5, lambda: 0.05))
        return await run(plan, transport=transport, clock=clock)

    tried = judged(in_virtual_time(go()), trial, (target,))  # type: ignore[arg-type]
    assert tried.passed is Passed.UNSURE
    assert tried.growth_per_s == pytest.approx(4, rel=0.2)
    assert tried.verdicts[0].outcome is Outcome.MET
    again = Trial(purpose=Purpose.RAMP, per_s=104, duration_s=10, repeat=1)
    assert judged(in_virtual_time(go()), again, (target,)).passed is Passed.NO  # type: ignore[arg-type]


def test_of_a_queue_with_random_times_the_capacity_lies_below_its_throughput() -> None:
    """M/M/4 of 40 ms: 100/s at most. The p95 of 200 ms is exceeded somewhat before that."""
    random = Random(4)
    found = measured(search(), lambda: servers(4, lambda: random.expovariate(25)), load=Poisson)
    assert found.last_pass is not None
    assert 60 <= found.last_pass.per_s <= 99
    assert found.first_fail is not None
    assert found.first_fail.per_s <= 105


def test_a_service_that_gives_way_under_overload_is_said_to() -> None:
    """Beyond 50 at once it is slower for all."""

    def make() -> Service:
        ends: list[float] = []

        def service(now_s: float, _request: object) -> Answer:
            ends[:] = [one for one in ends if one > now_s]
            took_s = 0.05 if len(ends) < 10 else 0.05 * (1 + (len(ends) / 10) ** 2)
            ends.append(now_s + took_s)
            return Answer(took_s)

        return service

    found = measured(search(), make, load=ConstantRate)
    assert found.last_pass is not None
    assert found.first_fail is not None
    assert found.last_pass.per_s < found.first_fail.per_s


# The report


def a_capacity(window: Window | None = None) -> Capacity:
    machine = search()
    while (trial := machine.next()) is not None:
        passed = up_to(98)(trial)
        rate = min(trial.per_s, 98.0)
        machine.take(
            answered(
                trial,
                passed,
                started_s=trial.per_s,
                duration_s=trial.duration_s,
                achieved_per_s=rate if trial.purpose is not Purpose.OVERLOAD else 40.0,
                error_ratio=0.0,
                p50_s=0.05,
                p95_s=0.06 if passed is Passed.YES else 0.5,
                in_flight=trial.per_s * 0.05,
                window=window,
            )
        )
    return machine.capacity


POOL = Window(
    rate_per_s=98,
    response_s=0.3,
    uses=(Use(resource=Resource.POOL, busy=4.95, capacity=5, wait_s=0.25),),
)


def asked(**changes: object) -> Asked:
    return Asked(target="http://service", targets=TARGETS, **changes)  # type: ignore[arg-type]


def test_the_report_has_the_bracket_the_limit_and_what_happens_beyond() -> None:
    told = capacity_report(
        a_capacity(POOL), asked(is_watched=True, seen=Watched(error_s=0.002)), ended_at=NOON
    )
    assert told.status is Status.OK
    assert phrase(told.headline) == (
        "promises are kept up to 95.1/s, and no longer at 99.5/s · "
        "DB pool: 5 of 5 in use, hold 50.5 ms, ceiling 99/s"
    )
    assert told.answer["capacity"]["bottleneck"] == "pool"  # type: ignore[index]
    text = render(told, "text")
    assert "gives way: only 40/s get done" in text
    assert "recovers" in text
    assert "within 2 ms" in text


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_report_can_be_had_in_each_form(format: str, lang: str) -> None:
    assert render(capacity_report(a_capacity(POOL), asked(), ended_at=NOON), format, lang=lang)


def test_without_a_watched_service_the_limit_is_a_gap() -> None:
    told = capacity_report(a_capacity(), asked(), ended_at=NOON)
    (gap,) = told.gaps
    assert "--watch" in phrase(gap.remedy)


@pytest.mark.parametrize(
    ("passes", "status", "says"),
    [
        (up_to(0), Status.MISSED, "no rate kept the promises"),
        (up_to(9999), Status.OK, "at least 5,000/s"),
        (lambda _: Passed.INVALID, Status.INVALID, "INVALID: the load generator was the limit"),
        (
            lambda trial: Passed.YES if trial.per_s < 50 else Passed.INVALID,
            Status.INVALID,
            "at 40/s at least",
        ),
    ],
)
def test_each_ending_has_its_status(
    passes: Callable[[Trial], Passed], status: Status, says: str
) -> None:
    told = capacity_report(carried_out(search(), passes), asked(), ended_at=NOON)
    assert told.status is status
    assert says in phrase(told.headline)


@pytest.mark.parametrize(
    ("machine", "outcome", "headline", "says"),
    [
        (
            search(),
            broken_by(100, 0.0),
            "160/s broke the service, and it did not come back; promises were kept up to 80/s",
            "it passed no step, though the last was at 10/s: see whether it still runs",
        ),
        (
            search(start_per_s=500),
            broken_by(0, 0.0),
            "not one request succeeded, at 500/s and below",
            "though the last was at 125/s",
        ),
    ],
    ids=["it was well before", "it never was"],
)
def test_that_the_service_did_not_come_back_is_said(
    machine: Search, outcome: Callable[[Trial], tuple[Passed, float]], headline: str, says: str
) -> None:
    told = capacity_report(searched(machine, outcome), asked(), ended_at=NOON)
    assert told.status is Status.MISSED
    assert phrase(told.headline) == headline
    assert says in " ".join(render(told, "text").split())


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [("rps>60", Outcome.MET), ("rps>120", Outcome.UNKNOWN), ("rps>200", Outcome.MISSED)],
)
def test_between_the_last_pass_and_what_broke_the_service_nothing_is_known(
    wanted: str, outcome: Outcome
) -> None:
    at_least = tuple(one.target for one in read_promises(wanted))
    found = searched(search(), broken_by(100, 0.0))
    told = capacity_report(found, asked(at_least=at_least), ended_at=NOON)
    assert next(told.verdicts).outcome is outcome


@pytest.mark.parametrize(
    ("wanted", "passes", "outcome"),
    [
        ("rps>90", up_to(98), Outcome.MET),
        ("rps>120", up_to(98), Outcome.MISSED),
        ("rps>9000", up_to(9999), Outcome.UNKNOWN),
        ("rps>1", up_to(0), Outcome.MISSED),
    ],
)
def test_a_capacity_can_be_asked_for(
    wanted: str, passes: Callable[[Trial], Passed], outcome: Outcome
) -> None:
    at_least: tuple[Target, ...] = tuple(one.target for one in read_promises(wanted))
    told = capacity_report(carried_out(search(), passes), asked(at_least=at_least), ended_at=NOON)
    assert next(told.verdicts).outcome is outcome
    if outcome is Outcome.MISSED:
        assert told.status is Status.MISSED


def test_a_model_is_told_only_where_it_fits() -> None:
    assert law(a_capacity()) is None  # a pool is full from one request to the next
