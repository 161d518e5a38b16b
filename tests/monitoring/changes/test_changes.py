"""A change of level is found where it is, and nothing where nothing changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import exp, pi, sin, sqrt, tanh
from random import Random

import pytest

from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.model.compare import Change
from keiko_perf.model.student import p_value, t_quantile
from keiko_perf.monitoring import Marker, MarkerKind, MemoryStore, change_points
from keiko_perf.monitoring.changes import markers as notes
from keiko_perf.monitoring.changes.regression import fit
from keiko_perf.monitoring.remembering import Past
from keiko_perf.monitoring.storage.journal import Journal

END = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)
DAY = 144


def a_day(seed, *, noise=0.1, likeness=0.0, course=0.0, spikes=0.0, slower=1.0, from_=DAY):
    """A day of p95s, ten minutes apart, that are *slower* from a point on."""
    random, wander, values = Random(seed), 0.0, []
    for number in range(DAY):
        wander = likeness * wander + random.gauss(0, noise * sqrt(1 - likeness**2))
        level = 0.05 * (slower if number >= from_ else 1.0)
        spike = random.expovariate(1) if random.random() < spikes else 0.0
        values.append(level * exp(wander + spike + course * sin(2 * pi * (number + 13) / DAY)))
    return values


# --- The statistics beneath ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "df", "p"),  # from published tables
    [(2.228, 10, 0.05), (12.706, 1, 0.05), (1.960, 1e6, 0.05), (3.169, 10, 0.01), (0.0, 5, 1.0)],
)
def test_the_t_distribution_is_that_of_the_tables(t, df, p):
    assert p_value(t, df) == pytest.approx(p, abs=2e-4)
    assert p_value(-t, df) == p_value(t, df)
    if 0 < p < 1:
        assert t_quantile(1 - p / 2, df) == pytest.approx(t, rel=1e-3)


def test_a_fit_finds_what_it_was_made_of_and_leaves_a_needless_column_out():
    random = Random(1)
    x = [random.random() for _ in range(200)]
    twice = [2 * one for one in x]
    values = [3 + 5 * one + random.gauss(0, 0.1) for one in x]
    found = fit([[1.0] * 200, x, twice], values)
    assert found.coefficients[0] == pytest.approx(3, abs=4 * found.errors[0])
    assert found.coefficients[1] == pytest.approx(5, abs=4 * found.errors[1])
    assert found.coefficients[2] == found.errors[2] == 0
    assert sqrt(found.rss / 200) == pytest.approx(0.1, rel=0.2)


# --- Change points ------------------------------------------------------------------------------


@pytest.mark.parametrize("from_", [30, 72, 120])
@pytest.mark.parametrize("seed", range(3))
def test_a_slowdown_of_30_percent_in_a_noisy_day_is_found_within_its_hour(from_, seed):
    (point,) = change_points(a_day(seed, slower=1.3, from_=from_), points_per_day=DAY)
    assert abs(point.index - from_) <= 6
    assert point.low < 1.3 < point.high
    assert point.low > 1.1
    assert point.p < 0.01


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"noise": 0.3},
        {"likeness": 0.5},
        {"course": 0.3},
        {"course": 0.3, "noise": 0.03},
        {"spikes": 0.05},
    ],
    ids=["noise", "much noise", "neighbours alike", "day and night", "a clear course", "spikes"],
)
def test_nothing_is_found_in_an_unchanged_day(shape):
    found = [seed for seed in range(8) if change_points(a_day(seed, **shape), points_per_day=DAY)]
    assert found == []


def test_a_slowdown_is_told_from_day_and_night():
    values = a_day(2, course=0.3, noise=0.05, slower=1.3, from_=110)
    (point,) = change_points(values, points_per_day=DAY)
    assert abs(point.index - 110) <= 3


def days(seed, *, before=5, steep=False, slower=1.0, from_=DAY, since=DAY):
    """Some days that go up and down by a third, and one more that is *slower* from a point on."""
    random, values = Random(seed), []
    for number in range(-before * DAY, DAY):
        wave = sin(2 * pi * (number + 13) / DAY)
        course = tanh(3 * wave) if steep else wave
        level = (slower if number >= from_ else 1.0) * (1.4 if number >= since else 1.0)
        values.append(0.05 * level * exp(random.gauss(0, 0.1) + 0.3 * course))
    return {"before": values[: before * DAY], "values": values[before * DAY :]}


@pytest.mark.parametrize("steep", [False, True])
@pytest.mark.parametrize("from_", [30, 72, 110])
def test_beside_the_days_before_a_slowdown_is_found_in_the_middle_of_any_course(from_, steep):
    found = [
        change_points(**days(seed, slower=1.3, from_=from_, steep=steep), points_per_day=DAY)
        for seed in range(4)
    ]
    hits = [any(abs(one.index - from_) <= 6 and one.ratio > 1 for one in each) for each in found]
    assert sum(hits) >= 3


@pytest.mark.parametrize("steep", [False, True])
def test_a_day_that_goes_like_those_before_has_no_change(steep):
    found = [change_points(**days(seed, steep=steep), points_per_day=DAY) for seed in range(4)]
    assert found == [()] * 4


@pytest.mark.parametrize("back", [1, 2, 3, 4])
def test_a_change_of_days_ago_is_none_of_today(back):
    """Though the days before it and those after it tell different things of what is usual."""
    found = change_points(**days(back, since=72 - back * DAY), points_per_day=DAY)
    assert found == ()


def test_what_was_before_a_gap_in_the_days_is_not_needed():
    known = days(3, slower=1.4, from_=60, steep=True)
    known["before"][200:230] = [None] * 30
    found = change_points(**known, points_per_day=DAY)
    assert any(abs(one.index - 60) <= 6 for one in found)


def test_a_change_and_its_repair_are_two():
    values = a_day(5, slower=1.5, from_=50)
    healed = [one / 1.5 if number >= 100 else one for number, one in enumerate(values)]
    worse, better = change_points(healed, points_per_day=DAY)
    assert (abs(worse.index - 50) <= 3, abs(better.index - 100) <= 3) == (True, True)
    assert worse.ratio > 1.2 > 0.8 > better.ratio


def test_a_series_without_any_noise_has_its_change_where_it_is():
    (point,) = change_points([1.0] * 40 + [1.3] * 40, points_per_day=DAY)
    assert point.index == 40
    assert point.ratio == pytest.approx(1.3)
    assert change_points([1.0] * 80, points_per_day=DAY) == ()


def test_a_change_too_small_to_matter_is_none():
    values = a_day(3, noise=0.01, slower=1.05, from_=72)
    assert change_points(values, points_per_day=DAY, least_effect=0.1) == ()
    assert len(change_points(values, points_per_day=DAY, least_effect=0.02)) == 1


def test_gaps_are_no_change_and_the_place_is_counted_with_them():
    values = a_day(4, slower=1.4, from_=90)
    with_gaps = [
        None if number % 5 == 0 or 20 <= number < 40 else one for number, one in enumerate(values)
    ]
    (point,) = change_points(with_gaps, points_per_day=DAY)
    assert abs(point.index - 90) <= 6
    assert change_points([None] * 100, points_per_day=DAY) == ()
    assert change_points(values[:20], points_per_day=DAY) == ()


# --- A stored day -------------------------------------------------------------------------------


def window(at, durations, *, route="GET /agents", window_s=600.0):
    routes = {route: durations, "GET /health": [0.001] * len(durations)}
    return Snapshot(
        started_at=at,
        window_s=window_s,
        series=tuple(
            Series(kind=Kind.ROUTE, name=name, window_s=window_s, succeeded=Histogram(values))
            for name, values in routes.items()
        ),
        worker="w1",
    )


def stored(seed, *, slower=1.0, from_=DAY, hours=24):
    """A store of so many hours of requests whose time has a heavy tail."""
    random, store = Random(seed), MemoryStore(retention_s=30 * 86_400)
    for number in range(hours * 6):
        at = END - timedelta(seconds=600 * (hours * 6 - number))
        factor = (slower if number >= from_ else 1.0) * exp(random.gauss(0, 0.08))
        store.append(
            window(at, [0.02 * factor * random.lognormvariate(0, 0.6) for _ in range(150)])
        )
    return store


def changes_of(store, journal=None):
    past = Past(store, journal or Journal(store))
    now = END + timedelta(seconds=61)
    return past.changes(past.stretches(now, 86_400))


def test_a_slowdown_in_a_stored_day_is_told_with_its_deploy_and_only_where_it_is():
    store = stored(1, slower=1.3, from_=100)
    journal = Journal(store)
    at = END - timedelta(seconds=600 * 44)
    deploy = Marker(
        at=at - timedelta(minutes=4), kind=MarkerKind.DEPLOY, text="v2", revision="c0ffee"
    )
    notes.add(journal, Marker(at=at - timedelta(hours=9), text="something else"))
    notes.add(journal, deploy)
    changes = changes_of(store, journal)
    told = {(one.name, one.subject) for one in changes}
    assert ("latency_p95_s", "GET /agents") in told
    assert {subject for _, subject in told} <= {None, "GET /agents"}
    one = next(one for one in changes if one.subject == "GET /agents")
    assert abs((one.at - at).total_seconds()) <= 3600
    assert one.low < 1.3 < one.high
    assert one.is_worse
    assert 0.99 < one.confidence <= 0.999
    assert one.marker == deploy


def test_what_is_usual_at_which_hour_is_read_from_the_days_that_are_stored():
    random, store = Random(3), MemoryStore(retention_s=30 * 86_400)
    for number in range(-3 * DAY, DAY):
        at = END - timedelta(seconds=600 * (DAY - number))
        course = 0.4 * tanh(3 * sin(2 * pi * number / DAY))
        level = 0.02 * (1.4 if number >= 100 else 1.0) * exp(course + random.gauss(0, 0.05))
        store.append(window(at, [level * random.lognormvariate(0, 0.3) for _ in range(60)]))
    past = Past(store, Journal(store))
    stretches = past.stretches(END + timedelta(seconds=61), 86_400)
    assert len(past.before(stretches)) == 3 * DAY
    found = [one for one in past.changes(stretches) if one.subject == "GET /agents"]
    since = END - timedelta(seconds=600 * 44)
    assert [abs((one.at - since).total_seconds()) <= 3600 for one in found] == [True]


@pytest.mark.parametrize("seed", range(3))
def test_in_an_unchanged_stored_day_nothing_is_told(seed):
    assert changes_of(stored(seed)) == ()


def test_stretches_that_are_over_are_read_once():
    store = stored(1)
    reads = []
    past = Past(store, Journal(store))
    pieces = store.pieces
    store.pieces = lambda *span: reads.append(span) or pieces(*span)
    past.stretches(END, 86_400)
    first = len(reads)
    past.stretches(END + timedelta(minutes=10), 86_400)
    assert 0 < first <= DAY + 1
    assert len(reads) <= first + 2


def test_of_a_store_that_has_nothing_merged_the_windows_are_read():
    store = stored(1)
    merged = Past(store, Journal(store)).stretches(END, 86_400)
    store.pieces = lambda *_: None
    assert [one.values for one in Past(store, Journal(store)).stretches(END, 86_400)] == [
        one.values for one in merged
    ]


def test_trends_set_the_last_hour_beside_last_weeks_and_beside_the_deploy():
    store = stored(7, hours=24 * 7 + 2, slower=1.6, from_=6 * (24 * 7 + 2) - 7)
    journal = Journal(store)
    notes.add(journal, Marker(at=END - timedelta(minutes=70), kind=MarkerKind.DEPLOY, text="v2"))
    week, deploy = Past(store, journal).trends(END)
    assert week.comparison.change is Change.REGRESSED
    assert 1.4 < week.comparison.ratio < 1.8
    assert week.before.end_at == END - timedelta(days=7)
    assert deploy.comparison.change is Change.REGRESSED
    assert deploy.after.start_at == END - timedelta(minutes=70)


def test_without_a_week_of_history_a_trend_is_undecided():
    store = stored(7)
    (week,) = Past(store, Journal(store)).trends(END)
    assert week.comparison.change is Change.UNDECIDED


def test_of_a_short_history_the_points_stand_closer():
    random, store = Random(2), MemoryStore()
    for number in range(120):
        at = END - timedelta(minutes=120 - number)
        level = 0.02 * (1.5 if number >= 80 else 1.0)
        durations = [level * random.lognormvariate(0, 0.5) for _ in range(100)]
        store.append(window(at, durations, window_s=60.0))
    changes = changes_of(store)
    one = next(one for one in changes if one.subject == "GET /agents")
    assert one.step_s == 60
    assert abs((one.at - (END - timedelta(minutes=40))).total_seconds()) <= 360
