"""Snapshots of several workers and windows merge into what one recorder would have seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def window(
    at_s: float, window_s: float, values: list[float], *, worker: str = "a", **more: object
) -> Snapshot:
    series = Series(kind=Kind.ROUTE, name="GET /", window_s=window_s, succeeded=Histogram(values))
    return Snapshot(
        started_at=NOON + timedelta(seconds=at_s),
        window_s=window_s,
        series=(series,),
        worker=worker,
        **more,  # type: ignore[arg-type]
    )


def test_workers_of_one_window_add_up_and_their_window_does_not() -> None:
    merged = Snapshot.merged([window(0, 10, [0.1] * 20), window(0, 10, [0.3] * 20, worker="b")])
    assert merged is not None
    route = merged.find(Kind.ROUTE, "GET /")
    assert route is not None
    assert (route.count, route.rate_per_s, merged.window_s) == (40, 4.0, 10)
    assert merged.worker == ""


def test_windows_in_a_row_last_as_long_as_all_of_them() -> None:
    merged = Snapshot.merged([window(10, 10, [0.1]), window(0, 10, [0.1])])
    assert merged is not None
    assert (merged.window_s, merged.started_at, merged.worker) == (20, NOON, "a")


def test_a_gap_that_nobody_measured_stays_out_of_the_rate() -> None:
    merged = Snapshot.merged([window(0, 10, [0.1] * 100), window(600, 10, [0.1] * 100)])
    assert merged is not None
    assert merged.window_s == 20
    assert merged.whole(Kind.ROUTE).rate_per_s == 10.0


def test_windows_that_overlap_are_not_counted_twice() -> None:
    merged = Snapshot.merged([window(0, 10, []), window(5, 10, [], worker="b"), window(2, 1, [])])
    assert merged is not None
    assert merged.window_s == 15


def test_gauges_keep_their_mean_and_peak_and_counters_their_sum() -> None:
    one = window(0, 10, [], gauges={"cpu_ratio": Gauge.of(0.2, 0.4)}, counters={"arrived": 3})
    other = window(10, 10, [], gauges={"cpu_ratio": Gauge.of(0.9)}, counters={"arrived": 4})
    merged = Snapshot.merged([one, other])
    assert merged is not None
    assert merged.gauges["cpu_ratio"].mean == pytest.approx(0.5)
    assert merged.gauges["cpu_ratio"].peak == 0.9
    assert merged.counters == {"arrived": 7}


def test_no_snapshots_merge_into_none_and_one_into_itself() -> None:
    alone = window(0, 10, [0.1])
    assert Snapshot.merged([]) is None
    assert Snapshot.merged([alone]) is alone


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Snapshot(started_at=datetime(2026, 3, 1), window_s=1)  # noqa: DTZ001  # that is the point


def test_a_window_of_negative_length_is_refused() -> None:
    with pytest.raises(ValueError, match="no negative time"):
        window(0, -1, [])


def test_a_gauge_without_a_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        Gauge(0.0, samples=0, peak=0.0)


def test_the_time_that_a_series_took_is_that_of_failures_too() -> None:
    series = Series(
        kind=Kind.TASK, name="t", window_s=1, succeeded=Histogram([1.0]), failed=Histogram([0.5])
    )
    assert series.sum_s == 1.5


def test_a_series_without_requests_has_no_error_ratio() -> None:
    assert Series(kind=Kind.ROUTE, name="GET /", window_s=10).error_ratio is None
