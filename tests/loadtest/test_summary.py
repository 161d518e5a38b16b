"""Reports: the verdict first, no percentile that the samples don't tell."""

from __future__ import annotations

import pytest

from keiko_perf.fakes import Answer, freezing, run_virtually, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Poisson,
    Step,
    Users,
    compare_results,
    comparisons,
    report,
)
from keiko_perf.model import Change, Status, Target
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P95
from keiko_perf.render import render


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


def test_a_missed_target_is_the_headline():
    targets = (Target(kpi=LATENCY_P95, at_most=0.001), Target(kpi=ERROR_RATIO, at_most=0.0))
    found = report(measured(), targets)
    assert found.status is Status.MISSED
    assert found.headline.values == {"missed": 1, "all": 2}


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
    assert row["p99"] is None
    assert row["p99.9"] is None
    assert row["too few by"] == 2895
    (gap,) = report(measured(duration_s=2)).gaps
    assert gap.reason.values == {"seen": 100, "needed": 299}
    assert gap.remedy.values["duration"] == 7.0


def test_percentiles_with_enough_samples_need_nothing():
    row = cells(report(measured()), "Response time, from due")  # 3,000 samples
    assert row["p99.9"] == pytest.approx(0.01, rel=0.01)
    assert row["too few by"] == 0
    assert not list(report(measured()).gaps)


def test_a_run_without_a_success_points_to_its_errors():
    found = report(measured(lambda _now_s, _request: Answer(0.001, 503)))
    row = cells(found, "Failures by class")
    assert (row["class"], row["detail"], row["requests"]) == ("http-5xx", "HTTP 503", 3000)
    assert cells(found, "Response time, from due")["p50"] is None
    (gap,) = found.gaps
    assert "Look at the errors" in gap.remedy.template
    assert found.status is Status.MISSED
    assert found.headline.template.startswith("not one of")
    (finding,) = found.findings
    assert finding.evidence == {"error_ratio": 1.0, "class": "http-5xx"}


def test_some_failures_are_a_finding_and_no_catastrophe():
    found = report(measured(lambda now_s, _request: Answer(0.001, 503 if now_s < 1 else 200)))
    (finding,) = found.findings
    assert finding.summary.values == {"failed": 50, "all": 3000}
    assert found.status is Status.OK


def test_several_steps_have_a_row_for_all():
    steps = (Step(path="/a"), Step(path="/b"))
    found = report(measured(steps=steps))
    (table,) = [table for table in found.sections[1].tables if len(table.rows) == 3]
    assert [row[1] for row in table.rows] == [1500, 1500, 3000]


def test_closed_load_is_told_what_it_hides():
    found = report(measured(load=Users(2, think_s=0.1)))
    assert any("Closed load" in one.template for one in found.sections[0].paragraphs)


def test_a_chart_shows_the_stall_where_it_was():
    found = report(measured(freezing(0.001, from_s=20, to_s=25)))
    ((chart,),) = [section.charts for section in found.sections if section.charts]
    p95 = dict(chart.lines[1].points)
    assert p95[20.0] == pytest.approx(4.95, rel=0.02)
    assert p95[30.0] == pytest.approx(0.001, rel=0.02)


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
