"""Reports: the verdict first, no percentile that the samples don't tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keiko_perf.fakes import Answer, freezing, run_virtually, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Poisson,
    Stage,
    Stages,
    Step,
    Users,
    compare_results,
    comparisons,
    report,
)
from keiko_perf.model import Change, Severity, Status, Target
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P50, LATENCY_P95
from keiko_perf.render import phrase, render


def measured(service=None, **changes):
    given = {"base_url": "http://service", "load": ConstantRate(50), "duration_s": 60}
    return run_virtually(Plan(**(given | changes)), service or steady(0.01))


def test_a_sound_run_says_its_p95_first():
    found = report(measured())
    assert found.status is Status.OK
    assert found.headline.template.startswith("response time p95")
    assert found.headline.values["p95"] == pytest.approx(0.01, rel=0.01)
    assert found.headline.values["rate"] == pytest.approx(50, rel=0.01)


def test_an_invalid_run_is_invalid_whatever_its_targets_say():
    targets = (Target(kpi=ERROR_RATIO, at_most=1.0),)
    found = report(measured(connections=1, max_in_flight=2, service=steady(0.5)), targets)
    assert found.status is Status.INVALID
    assert found.status.exit_code == 4
    assert found.headline.template.startswith("INVALID")
    assert any("were not sent" in one.template for one in found.sections[0].paragraphs)
    assert section(found, "How far to trust it").paragraphs[0].template.startswith("INVALID")


def test_missed_targets_are_the_headline():
    targets = (Target(kpi=LATENCY_P95, at_most=0.001), Target(kpi=LATENCY_P50, at_most=0.001))
    found = report(measured(), targets)
    assert found.status is Status.MISSED
    assert found.headline.values == {"missed": 2, "all": 2}


@pytest.mark.parametrize(
    ("target", "headline"),
    [
        (Target(kpi=LATENCY_P95, at_most=0.001), "response time p95 is 10 ms, the limit is 1 ms"),
        (
            Target(kpi=LATENCY_P95, at_most=0.001, subject="GET /"),
            "response time p95 of GET / is 10 ms, the limit is 1 ms",
        ),
        (Target(kpi=ERROR_RATIO, at_most=0.1), "error rate is 50 %, the limit is 10 %"),
    ],
)
def test_a_single_missed_target_is_told_with_its_figures(target, headline):
    def every_other_second(now_s: float, _request: object) -> Answer:
        return Answer(0.01, 503 if int(now_s) % 2 else 200)

    assert phrase(report(measured(every_other_second), (target,)).headline) == headline


def test_a_missed_target_says_when_and_under_which_load_it_broke():
    def slower_from_200(now_s: float, _request: object) -> Answer:
        return Answer(0.01 if now_s < 30 else 0.5)

    load = Stages((Stage(30, 20), Stage(0, 100), Stage(30, 100)), start_per_s=20)
    targets = (Target(kpi=LATENCY_P95, at_most=0.1),)
    found = report(measured(slower_from_200, load=load), targets)
    (verdict,) = found.verdicts
    assert verdict.reason.values["at"] == 30.0
    assert verdict.reason.values["rate"] == pytest.approx((9 * 20 + 100) / 10, rel=0.05)
    assert verdict.reason.values["share"] == pytest.approx(0.5, abs=0.03)


def test_errors_that_came_late_broke_late():
    service = lambda now_s, _request: Answer(0.001, 503 if now_s >= 40 else 200)  # noqa: E731
    (verdict,) = report(measured(service), (Target(kpi=ERROR_RATIO, at_most=0.01),)).verdicts
    assert verdict.reason.values["at"] == 40.0
    assert phrase(verdict.reason) == "broke 40 s into the run, at 50/s; missed in 33.3 % of it"


def test_a_target_that_was_kept_broke_nowhere():
    (verdict,) = report(measured(), (Target(kpi=LATENCY_P95, at_most=1.0),)).verdicts
    assert phrase(verdict.reason) == "within the limit"


def test_targets_of_the_result_itself_count_unless_others_are_given():
    result = replace(measured(), targets=(Target(kpi=LATENCY_P95, at_most=0.001),))
    assert report(result).status is Status.MISSED
    assert report(result, ()).status is Status.OK


def section(found, title: str):
    """The section of a title."""
    (one,) = [one for one in found.sections if one.title.template == title]
    return one


def cells(found, title: str) -> dict[str, object]:
    """The first row of a table, by the titles of its columns."""
    (table,) = [
        table
        for section in found.sections
        for table in section.tables
        if getattr(table.title, "template", table.title) == title
    ]
    titles = [getattr(one.title, "template", one.title) for one in table.columns]
    return dict(zip(titles, table.rows[0], strict=True))


def test_percentiles_without_enough_samples_are_left_out_with_what_they_need():
    row = cells(report(measured(duration_s=2)), "Response time, from due")  # 100 samples
    assert row["requests"] == 100
    assert row["p95"] == pytest.approx(0.01, rel=0.01)
    assert phrase(row["p99"]) == "– (299)"
    assert phrase(row["p99.9"]) == "– (2,995)"
    (gap,) = report(measured(duration_s=2)).gaps
    assert gap.reason.values == {"seen": 100, "needed": 299}
    assert gap.remedy.values["duration"] == 7.0


def test_steps_that_lack_the_same_percentile_are_one_gap():
    steps = tuple(Step(path=f"/{name}") for name in "abcd")
    (gap,) = report(measured(duration_s=20, steps=steps)).gaps  # 250 each
    assert phrase(gap.subject) == "response time p99 of 4 steps"
    (gap,) = report(measured(duration_s=10, steps=steps[:2])).gaps
    assert phrase(gap.subject) == "response time p99 of GET /a, GET /b"


def test_percentiles_with_enough_samples_need_nothing():
    row = cells(report(measured()), "Response time, from due")  # 3,000 samples
    assert row["p99.9"] == pytest.approx(0.01, rel=0.01)
    assert not list(report(measured()).gaps)


def test_a_run_without_a_success_points_to_its_errors():
    found = report(measured(lambda _now_s, _request: Answer(0.001, 500)))
    assert cells(found, "Response time, from due")["p50"] is None
    (gap,) = found.gaps
    assert "Look at the errors" in gap.remedy.template
    assert found.status is Status.MISSED
    assert found.headline.template.startswith("not one of")
    (finding,) = found.findings
    assert finding.code == "load.http-5xx"
    assert finding.severity is Severity.CRITICAL
    assert "its log tells" in phrase(finding.explanation)  # each has a cure


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "token"),
        (403, "token"),
        (404, "ids are made up"),
        (502, "got no answer"),
        (503, "a limit turned it away"),
        (504, "gave up"),
        (422, "takes no such values"),
        (429, "how often"),
        (418, "The service refuses it"),
    ],
)
def test_what_a_refusal_means_is_told_by_its_status(status: int, words: str):
    (finding, *_) = report(measured(lambda _now_s, _request: Answer(0.001, status))).findings
    assert finding.code == f"load.http-{status // 100}xx"
    assert words in phrase(finding.explanation)
    assert phrase(finding.explanation, "de") != phrase(finding.explanation)


def test_failures_are_grouped_by_class_with_their_span_and_a_line_to_repeat():
    def answer(now_s: float, _request: object) -> Answer:
        return Answer(0.001, 503 if 10 <= now_s < 11 else 404 if now_s < 2 else 200)

    plan = Step(path="/a?token=hunter2", headers={"authorization": "hunter2"})
    found = report(measured(answer, steps=(plan,)))
    first, second = found.findings
    assert (first.code, second.code) == ("load.http-4xx", "load.http-5xx")
    assert first.summary.values["failed"] == 100
    assert second.summary.values == {
        "failed": 50,
        "all": 3000,
        "failure": "http-5xx",
        "detail": "HTTP 503",
    }
    assert second.evidence["first_seen_s"] == pytest.approx(10.0, abs=0.01)
    assert second.evidence["last_seen_s"] == pytest.approx(11.0, abs=0.03)
    assert second.example.startswith("curl -i")
    assert "hunter2" not in render(found, "json")
    assert found.status is Status.OK


def test_more_kinds_of_failures_than_a_reader_takes_in_are_a_table():
    found = report(measured(lambda now_s, _request: Answer(0.001, 500 + int(now_s) % 20)))
    assert len(list(found.findings)) == 8
    (table,) = section(found, "Errors").tables
    assert len(table.rows) == 12


def test_several_steps_have_a_row_for_all():
    steps = (Step(path="/a"), Step(path="/b"))
    found = report(measured(steps=steps))
    (table,) = section(found, "Steps").tables
    assert [row[1] for row in table.rows] == [1500, 1500, 3000]


def test_closed_load_is_told_what_it_hides():
    found = report(measured(load=Users(2, think_s=0.1)))
    trusted = section(found, "How far to trust it")
    assert any("Closed load" in one.template for one in trusted.paragraphs)
    assert "asked" not in section(found, "Verdict").paragraphs[0].values


def line(chart, name: str) -> dict[float, float | None]:
    """The points of one line."""
    (one,) = [one for one in chart.lines if getattr(one.name, "template", one.name) == name]
    return dict(one.points)


def test_a_chart_shows_the_stall_where_it_was():
    found = report(measured(freezing(0.001, from_s=20, to_s=25), load=ConstantRate(100)))
    p95 = line(section(found, "Over time").charts[0], "p95")
    assert p95[20.5] == pytest.approx(4.95, rel=0.02)
    assert p95[30.5] == pytest.approx(0.001, rel=0.02)


def test_a_chart_has_no_more_points_than_the_samples_tell():
    response = section(report(measured()), "Over time").charts[0]  # 50 a second
    assert [len(one.points) for one in response.lines] == [60, 30, 10]


def test_several_steps_have_a_chart_of_all():
    drawn = section(report(measured(steps=(Step(path="/a"), Step(path="/b")))), "Over time").charts
    assert phrase(drawn[0].title) == "Response time of all steps"
    assert len(drawn[0].lines[2].points) == 10  # the p99 of 50/s
    assert [phrase(one.title) for one in drawn[1:3]] == [
        "Response time of GET /a",
        "Response time of GET /b",
    ]


def test_a_stage_is_marked_by_where_its_rate_goes():
    load = Stages((Stage(10, 20), Stage(10, 60), Stage(10, 60)), start_per_s=20)
    (chart, *_) = section(report(measured(load=load, duration_s=0)), "Over time").charts
    assert [(at, phrase(words)) for at, words in chart.marks] == [
        (10.0, "to 60/s"),
        (20.0, "at 60/s"),
    ]


def test_charts_of_throughput_failures_and_requests_in_flight():
    def answer(now_s: float, _request: object) -> Answer:
        return Answer(0.1, 503 if 10 <= now_s < 20 else 200)

    load = Stages((Stage(30, 20), Stage(0, 60), Stage(30, 60)), start_per_s=20)
    drawn = section(report(measured(answer, load=load)), "Over time").charts
    found = {one.title.template: one for one in drawn}
    succeeded = line(found["Requests by the second in which they were due"], "succeeded")
    assert (succeeded[5.5], succeeded[15.5], succeeded[40.5]) == (20, 0, 60)
    asked = line(found["Requests by the second in which they were due"], "asked for")
    assert asked == {0.0: 20, 30.0: 60, 60.0: 60}
    failed = line(found["Failures by the second in which they were due"], "GET /")
    assert (failed[5.5], failed[15.5]) == (0, 20)
    in_flight = line(found["Requests in flight"], "mean of each second")
    assert in_flight[40.5] == pytest.approx(6.0, rel=0.1)  # Little: 60/s × 0.1 s
    assert [at for at, _ in found["Requests in flight"].marks] == [30.0]


def noisy(middle_s: float, seed: int):
    """A service whose time wanders by some per cent from second to second."""
    from random import Random

    random = Random(seed)
    seconds = [middle_s * random.uniform(0.95, 1.05) for _ in range(100)]
    return lambda now_s, _request: Answer(seconds[int(now_s)] * random.uniform(0.8, 1.2))


def test_a_slower_run_is_a_regression():
    before, after = measured(noisy(0.01, 1)), measured(noisy(0.013, 2))
    (found,) = comparisons(before, after)
    assert found.change is Change.REGRESSED
    assert found.ratio == pytest.approx(1.3, rel=0.03)
    slower = compare_results(before, after)
    assert slower.status is Status.REGRESSED
    assert slower.headline.values == {"count": 1, "all": 1}
    assert compare_results(after, before).status is Status.OK


def test_a_comparison_draws_both_runs():
    slower = compare_results(measured(steady(0.01)), measured(steady(0.02)))
    (chart,) = slower.sections[0].charts
    first, second = (dict(one.points) for one in chart.lines)
    assert first[1.0] == pytest.approx(0.01, rel=0.01)  # 2 s each, for 59 samples
    assert second[1.0] == pytest.approx(0.02, rel=0.01)


def test_the_same_service_twice_is_no_regression():
    twice = compare_results(measured(noisy(0.01, 1)), measured(noisy(0.01, 2)))
    assert twice.status is Status.OK
    assert "no step got slower" in twice.headline.template


def test_a_short_run_is_undecided():
    short = compare_results(measured(duration_s=5), measured(duration_s=5))
    assert short.status is Status.UNDECIDED


def test_runs_under_different_load_or_with_different_steps_have_a_gap():
    found = compare_results(
        measured(steps=(Step(path="/a"), Step(path="/b"))),
        measured(steps=(Step(path="/a"),), load=Poisson(50)),
    )
    subjects = [getattr(gap.subject, "template", gap.subject) for gap in found.gaps]
    assert subjects == ["the effect of the change alone", "GET /b"]


def test_runs_without_a_common_step_are_undecided():
    found = compare_results(measured(steps=(Step(path="/a"),)), measured(steps=(Step(path="/b"),)))
    assert found.status is Status.UNDECIDED
    assert "no step in common" in found.headline.template


@pytest.mark.parametrize("format", ["text", "json", "html", "markdown", "junit"])
def test_every_form_of_the_report_can_be_made(format):
    result = measured(steps=(Step(path="/a"), Step(path="/b")), duration_s=5)
    for found in (report(result), compare_results(result, result)):
        assert "/a" in render(found, format)
