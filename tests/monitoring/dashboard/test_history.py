"""The history: what was measured, gaps as gaps, and never too many points."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.dashboard.asking import T0

from keiko_perf.errors import UsageError
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.dashboard.history import history, hours_of
from keiko_perf.monitoring.storage.points import MAX_POINTS
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.monitoring.storage.store import MemoryStore


def window(at_s, *, window_s=10.0, durations=(), cpu=None, worker="w1"):
    series = Series(
        kind=Kind.ROUTE, name="GET /", window_s=window_s, succeeded=Histogram(durations)
    )
    return Snapshot(
        started_at=T0 + timedelta(seconds=at_s),
        window_s=window_s,
        series=(series,) if durations else (),
        gauges={} if cpu is None else {"cpu_ratio": Gauge.of(cpu)},
        worker=worker,
    )


def history_of(windows, *, to_s, hours=1.0, window_s=10.0, current=None):
    store = SteadyStore(MemoryStore(retention_s=400 * 86_400.0))
    for one in sorted(windows, key=lambda one: one.started_at):
        store.append(one)
    end_at = T0 + timedelta(seconds=to_s)
    found = history(
        store, end_at - timedelta(hours=hours), end_at, window_s=window_s, current=current
    )
    store.close()
    return found.points


def test_a_point_has_what_was_measured_in_its_stretch():
    made = history_of(
        [window(0, durations=[0.1] * 20, cpu=0.5), window(20, durations=[0.3] * 40)], to_s=40
    )
    assert [one.at for one in made] == [T0, T0 + timedelta(seconds=20)]
    assert [one.p95_s for one in made] == [pytest.approx(0.1, 0.01), pytest.approx(0.3, 0.01)]
    assert [one.throughput_per_s for one in made] == [2.0, 4.0]
    assert [one.cpu_ratio for one in made] == [0.5, None]


def test_a_gap_is_a_gap_and_an_idle_window_is_0_requests():
    made = history_of([window(0, durations=[0.1]), window(60, cpu=0.1)], to_s=120)
    assert [one.throughput_per_s for one in made] == [0.1, None, None, 0.0, None]
    assert [one.p95_s is None for one in made] == [False, True, True, True, True]


def test_windows_longer_than_the_shortest_points_leave_no_gaps_between_points():
    made = history_of(
        [window(60 * i, window_s=60.0, durations=[0.1] * 60) for i in range(8)],
        to_s=480,
        window_s=60.0,
    )
    assert [one.requests for one in made] == [240, 240]
    assert [one.throughput_per_s for one in made] == [1.0, 1.0]


def test_the_window_that_goes_on_is_in_the_newest_point():
    current = window(30, window_s=5.0, durations=[0.2] * 3)
    made = history_of([window(10 * i, durations=[0.1]) for i in range(3)], to_s=35, current=current)
    assert [one.requests for one in made] == [2, 4]
    assert history_of([], to_s=35, current=current)[-1].requests == 3


def test_windows_that_are_cut_a_little_late_make_no_gap():
    jitter = [0.0, 0.4, -0.4, 3.0, -3.0, 0.1]
    windows = [window(20 * i + off, durations=[0.1]) for i, off in enumerate(jitter)]
    assert [one.requests for one in history_of(windows, to_s=120)] == [1] * 6


def test_workers_are_merged_and_their_rates_added():
    both = [
        window(0, durations=[0.1] * 90, worker="a"),
        window(1, durations=[0.5] * 10, worker="b"),
    ]
    (point,) = history_of(both, to_s=11)
    assert point.requests == 100
    assert point.p95_s == pytest.approx(0.5, 0.01)
    assert point.throughput_per_s == pytest.approx(100 / 11)


@given(
    st.lists(st.floats(0, 86_400 * 3), min_size=1, max_size=50),
    st.floats(0.001, 8784),
)
def test_there_are_never_more_than_a_thousand_points_at_equal_distances(starts_s, hours):
    end_s = 86_400 * 3
    made = history_of([window(at, durations=[0.1]) for at in starts_s], to_s=end_s, hours=hours)
    assert len(made) <= MAX_POINTS
    assert sum(one.requests for one in made) <= len(starts_s)
    gaps = {round((b.at - a.at).total_seconds(), 3) for a, b in pairwise(made)}
    assert len(gaps) <= 1


def test_a_long_history_has_all_that_was_measured():
    windows = [window(3600 * i, durations=[0.1] * 3) for i in range(72)]
    assert sum(one.requests for one in history_of(windows, to_s=86_400 * 3, hours=800)) == 216


@pytest.mark.parametrize("text", ["0", "-1", "1e9", "abc", "", "nan", "inf", "8785"])
def test_hours_that_make_no_sense_are_refused(text):
    with pytest.raises(UsageError, match=r"over 0 and at most 8784.*hours=24"):
        hours_of(text)


def test_hours_are_a_day_if_not_given_and_may_be_a_part_of_one():
    assert (hours_of(None), hours_of("0.25"), hours_of("8784")) == (24.0, 0.25, 8784.0)
