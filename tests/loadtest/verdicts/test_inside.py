"""A load test promises what happens inside the service, and is held to it over run and stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.fakes import run_virtually, snapshot, steady
from keiko_perf.loadtest import ConstantRate, Plan, Result, read_promises, report
from keiko_perf.loadtest.capacity.search import Passed, Purpose, Trial, step_s
from keiko_perf.loadtest.capacity.trial import judged
from keiko_perf.loadtest.saved.result import from_dict, result_schema, to_dict
from keiko_perf.loadtest.verdicts.inside import (
    LEVELS,
    TIMES,
    is_inside,
    kpi_named,
    needs,
    read_word,
)
from keiko_perf.loadtest.verdicts.judging import Judge, verdicts_on
from keiko_perf.loadtest.watching.exposition import read_protobuf
from keiko_perf.loadtest.watching.meanwhile import check_needs
from keiko_perf.loadtest.watching.moments import lately, moments, since
from keiko_perf.loadtest.watching.telemetry import (
    CPU_S,
    HOLDS,
    KINDS,
    POOL_SIZE,
    REQUESTS,
    WAITS,
    WORKERS,
    Reading,
)
from keiko_perf.loadtest.watching.watched import watched
from keiko_perf.model import Histogram, Kind, Outcome, Series, Snapshot
from keiko_perf.monitoring.export.families import Family, Sample, Sort
from keiko_perf.monitoring.export.protobuf import as_protobuf
from keiko_perf.render import FORMATS, phrase, render

BEGUN_S = 1000.0
DURATION_S = 20


def readings(*, slow_from_s: float = 1e9, slow_to_s: float = 1e9) -> list[Reading]:
    """
    A service of 100 requests a second that wait 5 ms for a connection, and for some time 50 ms.
    """
    waits: list[float] = []
    found = []
    for quarter in range(-4, DURATION_S * 4 + 5):
        at_s = quarter / 4
        waits += [0.05 if slow_from_s <= at_s < slow_to_s else 0.005] * 25
        count = len(waits)
        values = {
            f"{REQUESTS}_count": float(count),
            f"{REQUESTS}_sum": count * 0.02 + sum(waits),
            f"{WAITS}_count": float(count),
            f"{WAITS}_sum": sum(waits),
            f"{HOLDS}_sum": count * 0.04,
            POOL_SIZE: 5.0,
            CPU_S: (at_s + 1) * 0.3,
            WORKERS: 1.0,
        }
        found.append(Reading(BEGUN_S + at_s, 0.001, values, {Kind.POOL: Histogram(waits)}))
    return found


def sampled(*, locked_from_s: float = 1e9) -> list[Reading]:
    return [
        Reading(
            BEGUN_S + quarter / 4, 0.001, {"lock": 3.0 if quarter / 4 >= locked_from_s else 0.0}
        )
        for quarter in range(DURATION_S * 4)
    ]


def result(promises: str, **slow: float) -> Result:
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=DURATION_S)
    locked = slow.pop("locked_from_s", 1e9)
    seen = watched(
        readings(**slow),
        sampled(locked_from_s=locked),
        begun_s=BEGUN_S,
        duration_s=DURATION_S,
        interval_s=1.0,
    )
    run = run_virtually(plan, steady(0.02))
    return replace(run, promises=read_promises(promises), watched=seen)


# What can be promised


@pytest.mark.parametrize("word", [*(f"{one}.p95" for one in TIMES), "pool.wait.p99.9", *LEVELS])
def test_each_figure_is_read_named_and_found_again(word: str) -> None:
    kpi = read_word(word)
    assert kpi is not None
    assert kpi_named(kpi.name) is kpi
    assert is_inside(kpi)
    (promise,) = (
        read_promises(f"{word}<{'5' if kpi.format == 'number' else '50%'}")
        if (kpi.format != "duration")
        else read_promises(f"{word} < 20ms for 10s, stop as failed")
    )
    assert promise.target.kpi is kpi


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pool.wait<20ms", "there is no figure 'pool.wait'"),
        ("pool.p95<20ms", "there is no figure 'pool.p95'"),
        ("pool.wait.p0<20ms", "there is no figure"),
        ("pool.wait.p95 of GET /a<20ms", "a figure of the service is one of all requests"),
        ("cpu<80", "here its unit is expected"),
        ("cpu<180%", "at most 100 %"),
        ("db.locks>1", "promised with <"),
        ("db.locks<1ms", "is no unit of it"),
    ],
)
def test_what_is_no_figure_of_a_service_is_refused_at_its_place(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        read_promises(text)


def test_the_figures_that_there_are_are_told_to_who_names_none() -> None:
    with pytest.raises(UsageError) as refused:
        read_promises("pool.wate.p95<1s")
    assert "pool.wait.p95" in refused.value.cure
    assert "db.locks" in refused.value.cure


@pytest.mark.parametrize(
    ("text", "option"), [("pool.wait.p95<20ms", "--watch"), ("db.locks<1", "--database")]
)
def test_a_promise_about_what_nobody_reads_is_refused_with_the_option(
    text: str, option: str
) -> None:
    (promise,) = read_promises(text)
    assert needs(promise.target.kpi) == option
    check_needs((promise.target,), has_watch=True, has_database=True)
    with pytest.raises(UsageError, match=option) as refused:
        check_needs((promise.target,), has_watch=option != "--watch",
                    has_database=option != "--database")  # fmt: skip
    assert f"Give {option}" in refused.value.cure


# Over the run and its stretches


@pytest.mark.parametrize(
    ("promise", "outcome", "reason"),
    [
        ("pool.wait.p95<20ms", Outcome.MET, "within the limit"),
        ("pool.wait.p95<20ms for 5s", Outcome.MISSED, "missed in {share:ratio} of the stretches"),
        ("pool.wait.p99<20ms", Outcome.MISSED, "broke {at:duration} into the run"),
        ("pool.wait.p50<20ms for 5s", Outcome.MET, "within the limit in each stretch"),
        ("pool.waiting<3 for 3s", Outcome.MET, "within the limit in each stretch"),
        ("pool.use<90%", Outcome.MET, "within the limit"),
        ("cpu<20%", Outcome.MISSED, "broke {at:duration} into the run"),
        ("db.locks<0.5", Outcome.MISSED, "broke {at:duration} into the run"),
        ("loop.lag.p95<1s", Outcome.UNKNOWN, "the service's own figures were not read"),
        ("memory<50%", Outcome.UNKNOWN, "the service's own figures were not read"),
    ],
)
def test_a_promise_is_held_to_what_the_service_counted(
    promise: str, outcome: Outcome, reason: str
) -> None:
    found = result(promise, slow_from_s=12, slow_to_s=12.75, locked_from_s=15)
    (verdict,) = verdicts_on(found)
    assert verdict.outcome is outcome, verdict
    assert reason in verdict.reason.template


def test_where_it_broke_is_told_with_the_rate_of_the_requests() -> None:
    (verdict,) = verdicts_on(result("db.locks<1", locked_from_s=10))
    assert verdict.reason.values["rate"] == pytest.approx(50.0, rel=0.05)
    assert 10 <= float(str(verdict.reason.values["at"])) <= 14


def test_the_moments_add_up_to_what_was_counted_and_nothing_is_made_up() -> None:
    found = moments(readings(), (), begun_s=BEGUN_S, intervals=DURATION_S, interval_s=1.0)
    assert len(found) == DURATION_S
    counts = [one.whole(Kind.POOL).succeeded.count for one in found if one is not None]
    assert counts == [100] * DURATION_S
    gone = [one for one in readings() if not 1005.1 < one.at_s < 1007.9]
    found = moments(gone, (), begun_s=BEGUN_S, intervals=DURATION_S, interval_s=1.0)
    assert found[5] is found[6] is None
    assert sum(one.whole(Kind.POOL).succeeded.count for one in found if one) == 100 * DURATION_S
    assert moments((), (), begun_s=0, intervals=2, interval_s=1.0) == (None, None)


def test_a_service_that_began_anew_is_not_told_of() -> None:
    anew = Reading(BEGUN_S + 1, 0.0, {}, {Kind.POOL: Histogram([0.01] * 5)})
    many = Reading(BEGUN_S, 0.0, {}, {Kind.POOL: Histogram([0.01] * 50)})
    assert since(many.histograms[Kind.POOL], anew.histograms[Kind.POOL]) is None
    assert lately((many, anew), (), since_s=BEGUN_S) is None


def test_the_last_seconds_are_those_that_stop_a_run() -> None:
    slow = readings(slow_from_s=10, slow_to_s=30)
    recent = lately(slow, (), since_s=BEGUN_S + 15)
    assert recent is not None
    (promise,) = read_promises("pool.wait.p95<20ms for 5s, stop as failed")
    assert promise.target.judge(recent).outcome is Outcome.MISSED
    asked: list[float] = []

    def inside(last_s: float) -> Snapshot | None:
        asked.append(last_s)
        return recent

    judge = Judge((promise,), inside=inside)
    progress = Progressed()
    assert not judge.take(progress.at(3))  # too early for a stretch of 5 s
    assert judge.take(progress.at(6))
    assert judge.stopped is not None
    assert judge.stopped.value == pytest.approx(0.05, rel=0.01)
    assert asked == [5.0]


class Progressed:
    """What a run tells a judge that looks inside alone."""

    def at(self, elapsed_s: float) -> Any:
        from tests.cli.test_load_screen import progress

        return progress(elapsed_s=elapsed_s)


# Kept, and shown


def test_it_is_saved_with_the_result_and_held_to_again() -> None:
    found = result("pool.wait.p95<20ms for 5s, cpu<20%", slow_from_s=12, slow_to_s=13)
    document = to_dict(found)
    jsonschema.validate(document, result_schema())
    again = from_dict(document)
    assert [(one.outcome, one.value) for one in verdicts_on(again)] == [
        (one.outcome, one.value) for one in verdicts_on(found)
    ]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_report_tells_it_in_each_form(format: str, lang: str) -> None:
    found = result("pool.wait.p95<20ms for 5s, db.locks<1", slow_from_s=12, locked_from_s=5)
    assert render(report(found), format, lang=lang)
    assert "2 of 2 targets" in phrase(report(found).headline)


# In a search for the capacity


def test_a_step_fails_by_what_happens_inside() -> None:
    (promise,) = read_promises("pool.wait.p95<20ms")
    trial = Trial(purpose=Purpose.RAMP, per_s=50.0, duration_s=DURATION_S)
    good = judged(result("p95<1s"), trial, (promise.target,))
    bad = judged(result("p95<1s", slow_from_s=0, slow_to_s=30), trial, (promise.target,))
    unread = judged(replace(result("p95<1s"), watched=None), trial, (promise.target,))
    assert (good.passed, bad.passed) == (Passed.YES, Passed.NO)
    assert unread.passed is Passed.UNSURE
    assert "wait for a database connection p95" in phrase(bad.reasons[0])


def test_a_step_lasts_until_what_is_measured_by_itself_can_be_told() -> None:
    lag, wait = (one.target for one in read_promises("loop.lag.p99<50ms, pool.wait.p99<50ms"))
    assert step_s((lag,), 1000.0, 10.0) == pytest.approx(299 / 10 * 1.2)
    assert step_s((wait,), 1000.0, 10.0) == 10.0
    assert step_s((wait,), 10.0, 10.0) == pytest.approx(299 / 10 * 1.2)


# Read off what a service exports

DURATIONS = st.lists(st.floats(0, 5000), max_size=40)


@given(st.dictionaries(st.sampled_from(tuple(KINDS)), st.lists(DURATIONS, max_size=3)))
def test_what_a_service_exports_is_read_bucket_by_bucket(given: Mapping[str, Any]) -> None:
    families = [
        Family(name, Sort.HISTOGRAM, "help", "seconds", tuple(
            Sample((("route", str(number)),), Histogram(some)) for number, some in enumerate(lists)
        ))
        for name, lists in given.items()
    ]  # fmt: skip
    families.insert(0, Family("keiko_pool_size", Sort.GAUGE, "", "", (Sample((), 5.0),)))
    families.append(Family("keiko_other", Sort.COUNTER, "", "", (Sample((), 9.0),)))
    values, found = read_protobuf(as_protobuf(families), frozenset(KINDS.values()))
    assert values[POOL_SIZE] == 5.0
    for name, lists in given.items():
        whole = Histogram.merged(Histogram(some) for some in lists)
        if not lists:
            continue
        assert values[f"{name}_count"] == whole.count
        assert values[f"{name}_sum"] == pytest.approx(whole.sum_s)
        assert list(found[KINDS[name]].buckets()) == list(whole.buckets())
        assert (found[KINDS[name]].below, found[KINDS[name]].above) == (whole.below, whole.above)


@given(st.binary(max_size=200))
def test_nonsense_is_refused_and_never_taken_for_figures(body: bytes) -> None:
    try:
        values, _ = read_protobuf(body, frozenset(KINDS.values()))
    except ValueError:
        return
    assert all(isinstance(one, float) for one in values.values())


@given(DURATIONS, DURATIONS)
def test_a_difference_is_what_came_since(before: list[float], more: list[float]) -> None:
    first = Histogram(before)
    whole = Histogram.merged((first, Histogram(more)))
    found = since(first, whole)
    assert found is not None
    assert list(found.buckets()) == list(Histogram(more).buckets())


def test_a_histogram_of_another_schema_is_only_counted() -> None:
    # A classic histogram, as other exporters write it: count 3, sum 1.5, and no schema.
    histogram = bytes((0x08, 3, 0x11)) + b"\x00\x00\x00\x00\x00\x00\xf8\x3f"
    metric = bytes((0x3A, len(histogram))) + histogram
    name = WAITS.encode()
    family = bytes((0x0A, len(name))) + name + bytes((0x22, len(metric))) + metric
    values, found = read_protobuf(bytes((len(family),)) + family, frozenset(KINDS.values()))
    assert values == {f"{WAITS}_count": 3.0, f"{WAITS}_sum": 1.5}
    assert found == {}


def test_a_snapshot_of_requests_alone_says_nothing_of_the_inside() -> None:
    (promise,) = read_promises("pool.wait.p95<20ms")
    verdict = promise.target.judge(
        snapshot(Series(kind=Kind.STEP, name="a", window_s=1.0, succeeded=Histogram([1.0])))
    )
    assert verdict.outcome is Outcome.UNKNOWN
