"""Pairs of runs become a report; costs come first, and an unlike machine is no comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.fakes import run_virtually, steady
from keiko_perf.loadtest import ConstantRate, Plan, Result, compare_results
from keiko_perf.loadtest.comparison.ab import (
    BYTES,
    CPU_S,
    STATEMENTS,
    Pair,
    Run,
    ab_report,
    compare_pairs,
    is_decided,
    order,
)
from keiko_perf.model import Change, Status
from keiko_perf.render import FORMATS, phrase, render


def run(service_s: float, **costs: float) -> Run:
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=5)
    return Run(result=run_virtually(plan, steady(service_s)), costs=costs)


def pairs(count: int, first_s: float, second_s: float, **after: float) -> list[Pair]:
    costs = {STATEMENTS: 2.0, BYTES: 100.0, CPU_S: 0.001}
    return [Pair(run(first_s, **costs), run(second_s, **costs | after)) for _ in range(count)]


def test_the_versions_take_turns() -> None:
    assert [order(number) for number in range(4)] == [(0, 1), (1, 0), (0, 1), (1, 0)]


def test_costs_come_first_and_decide_alone() -> None:
    told = ab_report(pairs(3, 0.02, 0.02, statements=3.0), ("a", "b"))
    assert told.status is Status.REGRESSED
    first = next(told.comparisons)
    assert (phrase(first.label), first.change) == ("statements a request", Change.REGRESSED)
    assert phrase(told.headline) == "statements a request of all requests: worse by 50 %"


def test_the_same_twice_is_equal_and_decided() -> None:
    found = compare_pairs(pairs(3, 0.02, 0.02))
    assert is_decided(found)
    assert ab_report(pairs(3, 0.02, 0.02), ("a", "b")).status is Status.OK


def test_a_faster_version_is_told() -> None:
    told = ab_report(pairs(3, 0.02, 0.01), ("a", "b"))
    assert told.status is Status.OK
    assert "better by" in phrase(told.headline)


def test_too_few_pairs_are_undecided() -> None:
    told = ab_report(pairs(2, 0.02, 0.04), ("a", "b"))
    assert told.status is Status.UNDECIDED
    assert not is_decided(tuple(told.comparisons))
    assert not is_decided(())


def test_a_run_that_may_not_be_believed_makes_the_answer_invalid() -> None:
    spoilt = run(0.02).result
    told = ab_report(pairs(3, 0.02, 0.02), ("a", "b"), invalid=replace(spoilt, lost=1).invalid)
    assert told.status is Status.INVALID


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_report_can_be_had_in_each_form(format: str, lang: str) -> None:
    assert render(ab_report(pairs(3, 0.02, 0.04), ("a", "b")), format, lang=lang)


# Two saved results


def result(**environment: str) -> Result:
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=40)
    found = run_virtually(plan, steady(0.02))
    return replace(found, environment={**found.environment, **environment})


def test_two_machines_are_not_compared() -> None:
    told = compare_results(result(cores="2"), result(cores="8"))
    assert told.status is Status.UNDECIDED
    assert "not the same machine" in phrase(told.headline)
    (gap,) = told.gaps
    assert "cores 2 before, 8 after" in phrase(gap.reason)


def test_another_version_of_python_is_told_and_may_be_what_was_changed() -> None:
    told = compare_results(result(python="3.11.1"), result(python="3.13.1"))
    assert told.status is Status.OK
    assert any("python 3.11.1 before, 3.13.1 after" in phrase(gap.reason) for gap in told.gaps)


def test_the_noise_floor_of_two_runs_is_told() -> None:
    told = compare_results(result(), result())
    assert any("one run of each" in phrase(one) for one in told.sections[0].paragraphs)
