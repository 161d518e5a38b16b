"""A promise about each stretch is broken by one bad one; one that stops a run stops it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import jsonschema
import pytest

from keiko_perf.fakes import Answer, FakeTransport, Service, in_virtual_time
from keiko_perf.loadtest import ConstantRate, Plan, Progress, Result, read_promises, report, run
from keiko_perf.loadtest.saved.result import from_dict, result_schema, to_dict
from keiko_perf.loadtest.verdicts.judging import Judge, verdicts_on
from keiko_perf.loadtest.verdicts.steady import warmup
from keiko_perf.model import Outcome, Status


def slow_between(
    first_s: float, last_s: float, *, slow_s: float = 0.4, status: int = 200
) -> Service:
    """A service whose answers take long, or fail, between two instants of the run."""
    begun: list[float] = []

    def service(now_s: float, _request: object) -> Answer:
        begun.append(now_s)
        if first_s <= now_s - begun[0] < last_s:
            return Answer(slow_s, status)
        return Answer(0.02)

    return service


def load(service: Service, promises: str = "", *, duration_s: float = 30.0) -> Result:
    """50 requests a second in virtual time; stopped where a promise says so."""
    promised = read_promises(promises) if promises else ()
    judge = Judge(promised)

    async def go() -> Result:
        stop = asyncio.Event()

        def tick(progress: Progress) -> None:
            if judge.take(progress):
                stop.set()

        plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=duration_s)
        clock = asyncio.get_running_loop().time
        return await run(plan, tick, transport=FakeTransport(service), clock=clock, stop=stop)

    result = in_virtual_time(go())
    return replace(result, promises=promised, stopped=judge.stopped)


@pytest.mark.parametrize(
    ("promise", "outcome", "reason"),
    [
        ("p95<100ms", Outcome.MET, "within the limit"),
        ("p95<100ms for 5s", Outcome.MISSED, "missed in {share:ratio} of the stretches"),
        ("p95<100ms for 25s", Outcome.MET, "within the limit in each stretch"),
        ("p95<100ms for 40s", Outcome.UNKNOWN, "the run was shorter"),
        ("errors<1% for 5s", Outcome.MET, "within the limit in each stretch"),
    ],
)
def test_a_stall_breaks_the_promise_about_each_short_stretch(
    promise: str, outcome: Outcome, reason: str
) -> None:
    (verdict,) = verdicts_on(load(slow_between(10, 11), promise))
    assert verdict.outcome is outcome
    assert reason in verdict.reason.template


def test_the_worst_stretch_is_the_figure_and_the_first_is_named() -> None:
    (verdict,) = verdicts_on(load(slow_between(10, 13), "p95<100ms for 5s"))
    assert verdict.value == pytest.approx(0.4, rel=0.01)
    assert verdict.reason.values["at"] == 11.0
    assert verdict.reason.values["share"] == pytest.approx(7 / 26)


def test_failures_of_a_stretch_count_in_it() -> None:
    result = load(slow_between(10, 11, slow_s=0.02, status=500), "errors<5%, errors<5% for 5s")
    assert [one.outcome for one in verdicts_on(result)] == [Outcome.MET, Outcome.MISSED]


@pytest.mark.parametrize(
    ("promise", "earliest_s", "latest_s"),
    [
        ("p95<100ms for 5s, stop as failed", 10, 13),
        ("p50<100ms, stop as failed", 20, 25),  # once half of all answers are slow
        ("p95<100ms for 25s, stop as failed", 25, 26),  # not before it was measured for so long
    ],
)
def test_a_promise_ends_the_run_once_it_is_missed(
    promise: str, earliest_s: float, latest_s: float
) -> None:
    result = load(slow_between(10, 99), promise, duration_s=60)
    assert result.interrupted
    assert result.stopped is not None
    assert earliest_s <= result.stopped.at_s <= latest_s
    assert result.duration_s < latest_s + 1
    told = report(result)
    assert told.status is Status.MISSED
    assert "it stopped the run" in next(told.verdicts).reason.template


def test_a_promise_that_is_kept_ends_nothing() -> None:
    result = load(slow_between(99, 99), "p95<100ms for 5s, stop as failed, errors<1%")
    assert not result.interrupted
    assert report(result).status is Status.OK


def test_the_first_failures_do_not_end_a_run_before_it_was_measured_for_a_while() -> None:
    result = load(slow_between(0, 0.1, slow_s=0.02, status=500), "errors<5%, stop as failed")
    assert result.stopped is None


def test_what_was_promised_and_what_ended_the_run_are_saved() -> None:
    result = load(slow_between(10, 99), "p95<100ms for 5s, stop as failed, errors<1%")
    result = replace(result, warmup=warmup(result.timeline("GET /")))
    again = from_dict(to_dict(result))
    assert (again.promises, again.stopped, again.warmup) == (
        result.promises,
        result.stopped,
        result.warmup,
    )
    jsonschema.validate(to_dict(result), result_schema())
    older = {
        key: value
        for key, value in to_dict(result).items()
        if key not in ("promises", "stopped", "warmup")
    }
    assert from_dict(older).promises == ()


def test_the_warm_up_is_no_part_of_the_verdicts_and_the_report_says_so() -> None:
    result = load(slow_between(0, 4), "p95<100ms for 5s", duration_s=40)
    assert report(result).status is Status.MISSED
    settled = replace(result, warmup=warmup(result.timeline("GET /")))
    assert settled.first_settled == 4
    told = report(settled, [one.target for one in read_promises("p95<100ms")])
    assert told.status is Status.OK
    assert any(
        "settled after" in getattr(one, "template", "") for one in told.sections[0].paragraphs
    )


def test_a_run_that_never_settles_is_judged_by_all_of_it() -> None:
    begun: list[float] = []

    def ever_slower(now_s: float, _request: object) -> Answer:
        begun.append(now_s)
        return Answer(0.02 * 1.1 ** int(now_s - begun[0]))

    result = load(ever_slower, "p95<100ms", duration_s=30)
    settled = replace(result, warmup=warmup(result.timeline("GET /")))
    assert settled.first_settled == 0
    paragraphs = report(settled).sections[0].paragraphs
    assert any("did not settle" in getattr(one, "template", "") for one in paragraphs)
