"""Cards and headline: the limits' colours, and no good news of nothing."""

from __future__ import annotations

import pytest
from tests.monitoring.dashboard.asking import T0

from keiko_perf.model import Gauge, Histogram, Kind, Outcome, Series, Snapshot, Verdict, say
from keiko_perf.monitoring import PerformanceKPIs
from keiko_perf.monitoring.dashboard.cards import Level, cards, level
from keiko_perf.monitoring.kpis import checks
from keiko_perf.monitoring.wording import headline
from keiko_perf.render import phrase


def verdict(name, value, *, samples=1000):
    target = checks(*PerformanceKPIs().targets())[name]
    holds = value <= target.limit if target.at_least is None else value >= target.limit
    reason = say("within the limit") if holds else say("over the limit")
    return Verdict(target, Outcome.MET if holds else Outcome.MISSED, reason, value, samples)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("api_response_time", 0.2, Level.GOOD),
        ("api_response_time", 0.201, Level.WARNING),
        ("api_response_time", 0.5, Level.WARNING),
        ("api_response_time", 0.501, Level.CRITICAL),
        ("cpu_usage", 0.7, Level.GOOD),
        ("cpu_usage", 0.89, Level.WARNING),
        ("cpu_usage", 0.91, Level.CRITICAL),
        ("memory_usage", 0.8, Level.GOOD),
        ("memory_usage", 0.94, Level.WARNING),
        ("memory_usage", 0.96, Level.CRITICAL),
        ("throughput", 1000.0, Level.GOOD),
        ("throughput", 900.0, Level.CRITICAL),
    ],
)
def test_the_guides_limits_colour_the_cards(name, value, expected):
    assert level(name, verdict(name, value)) is expected


def test_without_data_a_card_has_no_figure_and_no_colour():
    unknown = {
        name: target.judge(None) for name, target in checks(*PerformanceKPIs().targets()).items()
    }
    for card in cards(unknown):
        assert (card.value, card.level) == (None, Level.UNKNOWN)


def test_the_headline_names_the_worst_miss_and_where_it_comes_from():
    routes = Snapshot(
        started_at=T0,
        window_s=60.0,
        series=(
            Series(kind=Kind.ROUTE, name="GET /ok", window_s=60, succeeded=Histogram([0.01] * 500)),
            Series(
                kind=Kind.ROUTE, name="POST /tasks", window_s=60, succeeded=Histogram([0.4] * 500)
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.95)},
    )
    verdicts = [target.judge(routes) for target in PerformanceKPIs().targets()]
    assert phrase(headline(verdicts, routes)) == (
        "2 of 9 targets missed: response time p95 is 400 ms, limit 200 ms, mostly from POST /tasks"
    )


def test_the_headline_of_nothing_is_no_good_news():
    verdicts = [target.judge(None) for target in PerformanceKPIs().targets()]
    assert phrase(headline(verdicts)) == "No data yet: none of 9 targets can be judged"
    met = [verdict("cpu_usage", 0.1), *verdicts[:1]]
    assert phrase(headline(met)) == "1 of 2 targets met, too little data on the other 1"
    assert phrase(headline(met[:1])) == "All 1 targets met"
