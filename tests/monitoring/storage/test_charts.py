from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.monitoring.storage.storing import DAY, NOON, blocking, everything, window

from keiko_perf.model import OTHER, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.points import Sum, points_of, stretch_for
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.monitoring.storage.store import Charted, Store


def minutes_of_four_workers(minutes: int) -> list[Snapshot]:
    """Windows of 10 s, of workers that began at different moments."""
    return [
        replace(
            window(10 * number + 2.4 * worker, worker=f"w{worker}", duration_s=0.01 * (worker + 1)),
            gauges={"cpu_ratio": Gauge.of(0.1 * worker), "in_flight": Gauge.of(float(worker))},
        )
        for number in range(6 * minutes)
        for worker in range(4)
    ]


def test_the_points_of_a_chart_are_those_of_all_workers_merged(store: Store) -> None:
    assert isinstance(store, Charted)
    for one in minutes_of_four_workers(30):
        store.append(one)
    hour = store.points(NOON, NOON + timedelta(hours=1), 20)
    assert {one.stretch_s for one in hour} == {20}
    assert sum(one.requests for one in hour) == 30 * 6 * 4 * 4
    assert sum(one.failed for one in hour) == 30 * 6 * 4
    (point,) = (one for one in hour if one.at == NOON + timedelta(minutes=10))
    assert point.requests == 2 * 4 * 4
    assert point.p95_s == pytest.approx(0.04, rel=0.006)  # of the slowest worker, not a mean
    assert point.p50_s == pytest.approx(0.02, rel=0.006)
    assert point.cpu_ratio == pytest.approx(0.15)
    assert point.in_flight_peak == 3
    assert point.throughput_per_s == pytest.approx(32 / 20, rel=0.4)
    day = store.points(NOON - DAY, NOON + timedelta(hours=1), 240)
    assert {one.stretch_s for one in day} == {240}
    assert sum(one.requests for one in day) == 30 * 6 * 4 * 4
    assert sum(one.covered_s for one in day) == pytest.approx(1800, rel=0.02)
    store.close()


def test_outlines_are_some_of_the_windows_without_their_series(store: Store) -> None:
    kept = minutes_of_four_workers(5)
    for one in kept:
        store.append(one)
    start_at, end_at = NOON + timedelta(seconds=10), NOON + timedelta(minutes=4)
    steady = SteadyStore(store)
    found = steady.outlines(start_at, end_at, every_s=30.0, of_each_s=10.0)
    assert found == sorted(
        (
            replace(one, series=())
            for one in kept
            if start_at <= one.started_at < end_at
            and (one.started_at - start_at).total_seconds() % 30.0 < 10.0
        ),
        key=lambda one: one.started_at,
    )
    assert len(found) == 8 * 4
    steady.close()


@pytest.mark.parametrize(
    ("hours", "stretch_s"),
    [(1, 20), (5, 20), (6, 240), (24, 240), (24 * 7, 1800), (24 * 30, 7200), (24 * 366, 43_200)],
)
def test_a_chart_has_as_many_points_as_fit_and_no_more(hours: float, stretch_s: int) -> None:
    end_at = NOON + timedelta(hours=hours)
    assert stretch_for(NOON, end_at) == stretch_s
    assert hours * 3600 / stretch_s + 1 <= 1000


def test_the_points_are_those_that_the_windows_themselves_would_give(store: Store) -> None:
    windows = minutes_of_four_workers(7)
    for one in windows[::-1]:  # some come late
        store.append(one)
    assert isinstance(store, Charted)
    kept = store.points(NOON, NOON + timedelta(hours=1), 20)
    made = points_of(windows, 20)
    assert [(one.at, one.requests, one.p95_s, one.failed) for one in kept] == [
        (one.at, one.requests, one.p95_s, one.failed) for one in made
    ]
    store.close()


@pytest.mark.parametrize("stretch_s", [20, 240, 1800])
def test_what_points_are_added_up_from_is_what_the_windows_tell(
    store: Store, stretch_s: int
) -> None:
    def of(number: int) -> Snapshot:
        one = window(10 * number, worker=f"w{number % 2}", duration_s=0.001 * (number + 1))
        of_kinds = (
            (Kind.ROUTE, (0.2, 0.3), 1),
            (Kind.GC, (0.001 * number,), 0),
            (Kind.LOOP, (0.002 * number,), 0),
            (Kind.POOL, (0.004, 0.01 * number), 0),
        )
        more = tuple(
            Series(
                kind=kind, name="x", window_s=10.0, succeeded=Histogram(durations), redirected=times
            )
            for kind, durations, times in of_kinds
        )
        gauges = {
            "pool_waiting": Gauge.of(number % 7.0),
            "concurrency_limit": Gauge.of(20.0, 30.0),
        }
        return replace(one, series=(*one.series, *more), gauges={**one.gauges, **gauges})

    windows = [of(number) for number in range(200)]
    for one in windows:
        store.append(one)
    assert isinstance(store, Charted)
    sums = store.sums(NOON, NOON + DAY, stretch_s)
    assert sums is not None
    assert [one.started_s for one in sums] == sorted({one.started_s for one in sums})
    points = store.points(NOON, NOON + DAY, stretch_s)
    assert [replace(one.point(), lag_p99_s=None) for one in sums] == [
        replace(one, lag_p99_s=None) for one in points
    ]
    whole = Sum()
    for one in sums:
        whole.add(one)
    merged = Snapshot.merged(windows)
    assert merged is not None
    routes = merged.whole(Kind.ROUTE)
    assert whole.durations.to_dict() == routes.succeeded.to_dict()
    assert (whole.requests, whole.failed, whole.redirected) == (200 * 6, 200, 200)
    assert whole.lag_max_s == merged.whole(Kind.LOOP).succeeded.max_s
    assert whole.waits == merged.whole(Kind.POOL).succeeded
    assert whole.gc_max_s == merged.whole(Kind.GC).succeeded.max_s
    assert whole.pool_waiting_peak == 6
    assert whole.gauges["concurrency_limit"].mean == pytest.approx(25)
    assert whole.gauges["cpu_ratio"].mean == pytest.approx(0.375)
    store.close()


def test_where_nothing_was_measured_there_is_no_point(store: Store) -> None:
    assert isinstance(store, Charted)
    store.append(window(0))
    store.append(window(600))
    found = store.points(NOON, NOON + timedelta(hours=1), 20)
    assert [one.at for one in found] == [NOON, NOON + timedelta(seconds=600)]
    assert found[0].covered_s == 10.0
    store.close()


def test_points_that_no_chart_shows_any_more_are_forgotten(path: Path) -> None:
    store = SqliteStore(path)
    for number in range(1_500):
        store.append(window(20 * number))
    with sqlite3.connect(path) as raw:
        counts = dict(
            raw.execute("SELECT stretch_s, count(*) FROM points GROUP BY stretch_s").fetchall()
        )
    raw.close()
    assert counts == {20: 1_097, 240: 125, 1800: 17, 7200: 5, 43_200: 1}
    store.close()


def test_what_held_the_loop_is_found_without_reading_the_windows(store: Store) -> None:
    assert isinstance(store, Charted)
    for number, place in enumerate("aab"):
        calls = (blocking(place, 0.2),)
        store.append(replace(window(10 * number), blocking=calls))
    store.append(window(30))
    calls = store.blocking_calls(NOON, NOON + timedelta(minutes=1))
    assert [(one.place, one.count, one.total_s) for one in calls] == [("a", 2, 0.4), ("b", 1, 0.2)]
    assert store.blocking_calls(NOON + timedelta(seconds=20), NOON + DAY) == calls[1:]
    merged = Snapshot.merged(everything(store))
    assert merged is not None
    assert merged.blocking == calls
    store.close()


def test_places_over_the_bound_share_one(store: Store) -> None:
    assert isinstance(store, Charted)
    many = tuple(blocking(f"place {number}", 1.0 + number) for number in range(30))
    store.append(replace(window(0), blocking=many[:20]))
    store.append(replace(window(10), blocking=many[20:]))
    calls = store.blocking_calls(NOON, NOON + DAY)
    assert len(calls) == 21
    assert (calls[0].place, calls[-1].place, calls[-1].count) == ("place 29", OTHER, 10)
    assert sum(one.total_s for one in calls) == pytest.approx(sum(one.total_s for one in many))
    store.close()
