from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import OTHER, BlockingCall, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.encoding import decode, encode, no_series
from keiko_perf.monitoring.points import STRETCHES_S, Sum, points_of, stretch_for, sums_of
from keiko_perf.monitoring.steady import SteadyStore
from keiko_perf.monitoring.store import Charted, MemoryStore, SqliteStore, Store

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def window(after_s: float = 0.0, *, worker: str = "w1", duration_s: float = 0.1) -> Snapshot:
    return Snapshot(
        started_at=NOON + timedelta(seconds=after_s),
        window_s=10.0,
        series=(
            Series(
                kind=Kind.ROUTE,
                name="GET /agents/{agent_id}",
                window_s=10.0,
                succeeded=Histogram([duration_s] * 3),
                failed=Histogram((2.0,)),
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.25, 0.5)},
        counters={"arrived": 4},
        worker=worker,
    )


def everything(store: Store) -> list[Snapshot]:
    return store.between(NOON - 1000 * DAY, NOON + 1000 * DAY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, path: Path) -> Store:
    month_s = 30 * 86_400.0
    if request.param == "memory":
        return MemoryStore(retention_s=month_s)
    return SqliteStore(path, retention_s=month_s)


# What every store promises


def test_what_was_kept_comes_back_as_it_was(store: Store) -> None:
    windows = [window(0), window(10), window(10, worker="w2")]
    for one in windows:
        store.append(one)
    assert everything(store) == windows
    store.close()


def test_windows_come_back_in_the_order_in_which_they_began(store: Store) -> None:
    for after_s in (20, 0, 10):
        store.append(window(after_s))
    assert [one.started_at for one in everything(store)] == [
        NOON + timedelta(seconds=after_s) for after_s in (0, 10, 20)
    ]
    store.close()


def test_ranges_that_adjoin_share_no_window(store: Store) -> None:
    for after_s in (0, 10, 20):
        store.append(window(after_s))
    middle = NOON + timedelta(seconds=10)
    before = store.between(NOON, middle)
    after = store.between(middle, NOON + timedelta(seconds=20, microseconds=1))
    assert [len(before), len(after)] == [1, 2]
    store.close()


def test_an_empty_store_has_no_windows(store: Store) -> None:
    assert everything(store) == []
    store.close()


def test_to_close_twice_is_no_mistake(store: Store) -> None:
    store.append(window())
    store.close()
    store.close()
    assert everything(store) == [window()]
    store.close()


def test_both_stores_are_stores(tmp_path: Path) -> None:
    assert isinstance(MemoryStore(), Store)
    assert isinstance(SqliteStore(tmp_path / "x"), Store)


@pytest.mark.parametrize("make", [MemoryStore, lambda **bounds: SqliteStore("unused", **bounds)])
def test_old_windows_go_once_newer_ones_come(
    make: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make(retention_s=60.0)
    for after_s in range(0, 200, 10):
        store.append(window(after_s))
    kept = [(one.started_at - NOON).total_seconds() for one in everything(store)]
    assert kept == [130, 140, 150, 160, 170, 180, 190]
    store.close()


@pytest.mark.parametrize("make", [MemoryStore, lambda **bounds: SqliteStore("unused", **bounds)])
def test_a_store_that_is_full_gives_up_its_oldest_windows_and_says_so(
    make: Callable[..., Store],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make(max_bytes=1 << 17)
    with caplog.at_level(logging.WARNING):
        for number in range(800):
            store.append(window(number, duration_s=0.001 * (number + 1)))
    kept = [round((one.started_at - NOON).total_seconds()) for one in everything(store)]
    assert kept[-1] == 799
    assert kept == list(range(kept[0], 800))
    assert 100 < len(kept) < 800
    assert "given up" in caplog.text
    store.close()
    for file in tmp_path.glob("unused"):
        assert file.stat().st_size <= 1 << 17


# Roll-ups


def test_older_windows_are_merged_into_longer_ones_and_nothing_is_lost(store: Store) -> None:
    hours = 52
    measured: list[Snapshot] = []
    for number in range(hours * 12):
        for worker in ("w1", "w2"):
            one = window(number * 300.0, worker=worker, duration_s=0.001 * (number % 500 + 1))
            measured.append(replace(one, window_s=300.0))
            store.append(measured[-1])
    found = everything(store)
    lengths = Counter((one.worker, round(one.window_s)) for one in found)
    # Five quarters of an hour of each worker, both together up to two days, then ten minutes.
    assert lengths["w1", 300] == lengths["w2", 300] == pytest.approx(15, abs=1)
    assert lengths["", 300] == pytest.approx(48 * 12 - 15, abs=3)
    assert lengths["", 600] == pytest.approx((hours - 48) * 6, abs=2)
    assert sum(lengths.values()) == len(found)
    merged, expected = Snapshot.merged(found), Snapshot.merged(measured)
    assert merged is not None
    assert expected is not None
    assert merged.whole(Kind.ROUTE).succeeded == expected.whole(Kind.ROUTE).succeeded
    assert merged.counters == expected.counters
    assert merged.gauges["cpu_ratio"].samples == expected.gauges["cpu_ratio"].samples
    assert merged.window_s == expected.window_s == hours * 3600
    store.close()


def test_a_window_that_comes_late_is_not_lost(store: Store) -> None:
    for number in range(300):
        store.append(window(number * 20))
    store.append(window(5, worker="late"))
    for number in range(300, 310):
        store.append(window(number * 20))
    merged = Snapshot.merged(everything(store))
    assert merged is not None
    assert merged.counters == {"arrived": 4 * 311}
    store.close()


def test_a_pause_is_caught_up_on_bit_by_bit(store: Store) -> None:
    for number in range(90):
        for worker in range(20):
            store.append(window(number * 10, worker=f"w{worker}"))
    store.append(window(86_400))
    for number in range(20):
        store.append(window(86_400 + number))
    found = everything(store)
    assert len([one for one in found if one.started_at < NOON + timedelta(hours=1)]) <= 30
    merged = Snapshot.merged(found)
    assert merged is not None
    assert merged.counters == {"arrived": 4 * (1800 + 21)}
    store.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MemoryStore(retention_s=0),
        lambda: MemoryStore(max_bytes=0),
        lambda: SqliteStore("x", retention_s=-1),
        lambda: SqliteStore("x", max_bytes=1),
        lambda: SqliteStore("x", busy_timeout_s=-1),
    ],
)
def test_a_store_that_could_keep_nothing_is_refused(make: Callable[[], Store]) -> None:
    with pytest.raises(UsageError, match="Let "):
        make()


# Charts


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


def blocking(place: str, total_s: float) -> BlockingCall:
    return BlockingCall(
        place=place, count=1, total_s=total_s, longest_s=total_s, last_at=NOON, computed_s=0.0
    )


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


def first_layout(path: Path) -> None:
    """A store as the first layout had it, with an hour of windows."""
    store = SqliteStore(path)
    for number in range(60):
        store.append(window(60 * number))
    store.close()
    with sqlite3.connect(path) as raw:
        raw.executescript(
            "DROP TABLE points; DROP TABLE fresh; DROP TABLE calls; DROP TABLE minutes;"
            "DROP TABLE wholes;"
            "PRAGMA user_version = 1"
        )
    raw.close()


def test_a_store_of_the_first_layout_is_read_as_it_is_and_brought_up_to_date_by_who_writes(
    path: Path,
) -> None:
    first_layout(path)
    range_ = (NOON, NOON + timedelta(hours=2))
    reading = SqliteStore(path)
    before = reading.points(*range_, 20)
    assert reading.blocking_calls(*range_) == ()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (1,)
    raw.close()
    assert sum(one.requests for one in before) == 60 * 4
    writing = SqliteStore(path)
    writing.append(window(3600))
    after = writing.points(*range_, 20)
    assert after[:-1] == before
    assert sum(one.requests for one in after) == 61 * 4
    assert reading.points(*range_, 20) == after
    reading.close()
    writing.close()


SECOND_LAYOUT = """
DROP TABLE points;
DROP TABLE fresh;
DROP TABLE minutes;
DROP TABLE wholes;
CREATE TABLE points (
    stretch_s INTEGER NOT NULL, started_s INTEGER NOT NULL, first_us INTEGER NOT NULL,
    covered_s REAL NOT NULL, longest_s REAL NOT NULL, is_folded INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL, failed INTEGER NOT NULL, refused INTEGER NOT NULL,
    p50_s REAL, p95_s REAL, p99_s REAL, lag_p99_s REAL,
    tasks INTEGER NOT NULL, failed_tasks INTEGER NOT NULL,
    cpu_ratio REAL, cpu_ratio_samples INTEGER NOT NULL,
    memory_ratio REAL, memory_ratio_samples INTEGER NOT NULL,
    pool_ratio REAL, pool_ratio_samples INTEGER NOT NULL,
    in_flight_peak REAL, durations BLOB NOT NULL, lags BLOB NOT NULL,
    PRIMARY KEY (stretch_s, started_s)
) WITHOUT ROWID;
CREATE INDEX points_unfolded ON points (stretch_s, started_s) WHERE is_folded = 0;
PRAGMA user_version = 2;
"""


def second_layout(path: Path, windows: list[Snapshot]) -> None:
    """A store of *windows* as the second layout had it; the newest point is in no longer one."""
    store = SqliteStore(path)
    for one in windows:
        store.append(one)
    store.close()
    with sqlite3.connect(path) as raw:
        raw.executescript(SECOND_LAYOUT)
        for stretch_s in (20, 120, 900, 3600, 43_200):
            for one in sums_of(windows if stretch_s == 20 else windows[:-1], stretch_s):
                row = {
                    **{name: getattr(one, name) for name in ("stretch_s", "started_s", "first_us")},
                    **{name: getattr(one, name) for name in ("covered_s", "longest_s")},
                    **{name: getattr(one, name) for name in ("requests", "failed", "refused")},
                    "is_folded": stretch_s > 20 or one.started_s < last_s(windows),
                    "tasks": 0,
                    "failed_tasks": 0,
                    "cpu_ratio": one.gauges["cpu_ratio"].mean,
                    "cpu_ratio_samples": one.gauges["cpu_ratio"].samples,
                    "memory_ratio_samples": 0,
                    "pool_ratio_samples": 0,
                    "durations": one.durations.pack(),
                    "lags": one.lags.pack(),
                }
                raw.execute(
                    f"INSERT INTO points ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                    list(row.values()),
                )
    raw.close()


def last_s(windows: list[Snapshot]) -> int:
    return sums_of(windows[-1:], 20)[0].started_s


def test_a_store_of_the_second_layout_is_read_as_it_is_and_its_points_are_added_up_anew(
    path: Path,
) -> None:
    lag = Series(kind=Kind.LOOP, name="event loop", window_s=10.0, succeeded=Histogram((0.003,)))
    windows = [
        replace(one, series=(*one.series, lag)) for one in (window(60 * at) for at in range(300))
    ]
    second_layout(path, windows)
    range_ = (NOON - DAY, NOON + DAY)
    reading = SqliteStore(path)
    assert sum(one.requests for one in reading.points(*range_, 20)) == 300 * 4
    assert reading.sums(*range_, 240) is None
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (2,)
    raw.close()
    newest = replace(window(18_000), gauges={"pool_waiting": Gauge.of(3.0)})
    writing = SqliteStore(path)
    writing.append(newest)
    for stretch_s in STRETCHES_S:
        points = reading.points(*range_, stretch_s)
        made = points_of([*windows, newest], stretch_s)
        assert [(one.at, one.requests, one.p95_s, one.lag_max_s, one.heat) for one in points] == [
            (one.at, one.requests, one.p95_s, one.lag_max_s, one.heat) for one in made
        ]
        assert points[-1].pool_waiting_peak == 3.0
    reading.close()
    writing.close()


def test_a_chart_of_what_is_held_back_or_of_a_foreign_store_is_made_from_the_windows() -> None:
    class Foreign:
        """Has what a store must have, and no more."""

        is_full = False

        def __init__(self) -> None:
            self.windows: list[Snapshot] = []

        def append(self, snapshot: Snapshot) -> None:
            if self.is_full:
                raise StoreUnavailable("the disk is full", cure="Make room")
            self.windows.append(snapshot)

        def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
            return [one for one in self.windows if start_at <= one.started_at < end_at]

        def close(self) -> None: ...

    foreign = Foreign()
    steady = SteadyStore(foreign)
    range_ = (NOON, NOON + timedelta(hours=1))
    steady.append(replace(window(0), blocking=(blocking("a", 0.2),)))
    foreign.is_full = True
    steady.append(replace(window(100), blocking=(blocking("b", 0.1),)))
    assert [one.requests for one in steady.points(*range_, 20)] == [4, 4]
    assert steady.sums(*range_, 20) is None
    assert [one.place for one in steady.blocking_calls(*range_)] == ["a", "b"]
    outlines = steady.outlines(*range_, every_s=30.0, of_each_s=10.0)
    assert [one.started_at for one in outlines] == [NOON]
    outlines = steady.outlines(*range_, every_s=50.0, of_each_s=10.0)
    assert [one.blocking[0].place for one in outlines] == ["a", "b"]


# The encoding

_histograms = st.lists(st.floats(min_value=0, max_value=1e5), max_size=20).map(Histogram)
_names = st.text(max_size=30)
_calls = st.builds(
    lambda place, stack, count, longest_s, more_s, computed_s, last_at: BlockingCall(
        place=place,
        stack=tuple(stack),
        count=count,
        total_s=longest_s + more_s,
        longest_s=longest_s,
        computed_s=computed_s,
        last_at=last_at,
    ),
    _names,
    st.lists(_names, max_size=4),
    st.integers(1, 1 << 30),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    ),
)
_snapshots = st.builds(
    lambda started_at, window_s, series, gauges, counters, blocking, worker: Snapshot(
        started_at=started_at,
        window_s=window_s,
        series=tuple(
            Series(
                kind=kind,
                name=name,
                window_s=window_s,
                succeeded=ok,
                failed=bad,
                refused=refused,
                sent_bytes=sent_bytes,
                redirected=redirected,
            )
            for (kind, name), (ok, bad, refused, sent_bytes, redirected) in series.items()
        ),
        gauges=gauges,
        counters=counters,
        blocking=tuple(blocking),
        worker=worker,
    ),
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2999, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    st.floats(min_value=0, max_value=1e6),
    st.dictionaries(
        st.tuples(st.sampled_from(list(Kind)), _names),
        st.tuples(
            *(_histograms, _histograms, _histograms),
            *(st.integers(0, 1 << 50), st.integers(0, 1 << 50)),
        ),
        max_size=5,
    ),
    st.dictionaries(
        _names,
        st.builds(
            Gauge,
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(1, 1 << 40),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=5,
    ),
    st.dictionaries(_names, st.integers(0, 1 << 70), max_size=5),
    st.lists(_calls, max_size=3),
    st.text(max_size=10),
)


def envelope(snapshot: Snapshot) -> Snapshot:
    return Snapshot(
        started_at=snapshot.started_at, window_s=snapshot.window_s, worker=snapshot.worker
    )


@given(_snapshots)
def test_any_window_survives_its_encoding(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot), envelope(snapshot)) == snapshot
    outline = decode(encode(snapshot), envelope(snapshot), no_series)
    assert outline == replace(snapshot, series=())


def test_a_window_of_the_first_format_is_still_read() -> None:
    # A route of two successes, a gauge and a counter, as the first release wrote them.
    plain = bytes.fromhex(
        "0c010105052000010901010702726f757465474554202f0106000080c6868f01ab084101003f019a999999"
        "9999b93f9a9999999999c93f6370755f726174696f000000000000e03f000000000000e03f6172726976"
        "6564"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.series == (
        Series(kind=Kind.ROUTE, name="GET /", window_s=10.0, succeeded=Histogram((0.1, 0.2))),
    )
    assert found.gauges == {"cpu_ratio": Gauge.of(0.5)}
    assert (found.counters, found.blocking) == ({"arrived": 2}, ())


def test_a_window_of_the_second_format_is_still_read() -> None:
    # A route of two successes and a refusal, and a counter, before redirects were told apart.
    plain = bytes.fromhex(
        "0e02010505750035ac020001070300726f757465474554202f0242000000000000000000000000000000"
        "00000000000000000000a3e111000000002bff9a9999999999b93f9a9999999999c93f01000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000010242000000000000000000000000000000000000000000000000"
        "00a3e1110000000090ff333333333333d33f333333333333d33f0161727269766564"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.series == (
        Series(
            kind=Kind.ROUTE,
            name="GET /",
            window_s=10.0,
            succeeded=Histogram((0.1, 0.2)),
            refused=Histogram((0.3,)),
            sent_bytes=300,
        ),
    )
    assert found.counters == {"arrived": 3}


def test_a_window_of_the_fourth_format_is_still_read() -> None:
    # A counter, a statement of a route and a slow request, before repeats were told.
    plain = bytes.fromhex(
        "1e0400000107030001050908020403010580e0a5e3acf49103c801070109036172726976656447455420"
        "2f53454c454354202431612e70793a312066000000000000e03f474554202f000000000000e03f000000"
        "000000d03f00000000000000000000000000000000000000000000000000000000000000000000000000"
        "00000053454c454354202431000000000000d03f"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.counters == {"arrived": 3}
    assert [(one.route, one.count) for one in found.asked] == [("GET /", 4)]
    assert [one.duration_s for one in found.exemplars] == [0.5]
    assert found.repeats == ()


def test_a_name_that_is_no_text_survives_too() -> None:
    odd = Snapshot(started_at=NOON, window_s=1.0, counters={"a\udc80b": 1})
    assert decode(encode(odd), envelope(odd)) == odd


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="window"):
        decode(encoded, envelope(window()))


@given(st.data())
def test_damaged_bytes_are_refused_or_say_the_same(data: st.DataObject) -> None:
    encoded = bytearray(encode(window()))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(encoded), envelope(window()))
    except ValueError as error:
        refused = str(error)
    else:
        assert found == window()  # a bit that pads the last byte means nothing
        return
    assert "window" in refused


@given(st.integers(0, 200))
def test_bytes_cut_short_are_refused(length: int) -> None:
    encoded = encode(window())
    with pytest.raises(ValueError, match="window"):
        decode(encoded[: min(length, len(encoded) - 1)], envelope(window()))


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"\x02\x01\x00", "cut short"),  # a head without its counts
        (b"\x09\x01\x00", "of this format"),  # says of its head that it is longer than all
        (b"\x04\x07\x00\x00\x00", "of this format"),  # a later format
        (b"\x04\x01\x00\x00\x00rest", "more in it"),
        (b"\x05\x02\x00\x00\x00\x00rest", "more in it"),
        (b"\x06\x01\x00\x00\x01\x05\x01abc", "cut short"),  # a counter's name of 5 bytes
        # A call with no name and no stack that was seen once, in no year of the calendar
        (b"\x11\x02\x00\x00\x00\x01\x00\x00\x01" + b"\xff" * 8 + b"\x7f" + bytes(24), "calendar"),
    ],
)
def test_a_window_that_contradicts_itself_is_refused(plain: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(zlib.compress(plain), envelope(window()))


def test_a_few_bytes_do_not_unpack_to_a_gigabyte() -> None:
    bomb = zlib.compress(bytes(65 << 20), 1)
    with pytest.raises(ValueError, match="cut short"):
        decode(bomb, envelope(window()))


def test_a_window_of_twenty_routes_takes_little_room() -> None:
    series = tuple(
        Series(
            kind=Kind.ROUTE,
            name=f"GET /api/v1/things/{number}",
            window_s=10.0,
            succeeded=Histogram(0.001 * 1.05 ** (turn % 80) for turn in range(500)),
        )
        for number in range(20)
    )
    assert len(encode(Snapshot(started_at=NOON, window_s=10.0, series=series))) < 4_000


# SQLite


def test_a_store_does_nothing_before_it_is_used(path: Path) -> None:
    store = SqliteStore(path)
    assert everything(store) == []
    store.close()
    assert not path.exists()


def test_the_folder_is_made(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a" / "b" / "store.db")
    store.append(window())
    assert everything(store) == [window()]
    store.close()


def test_another_process_reads_what_this_one_writes(path: Path) -> None:
    writer, reader = SqliteStore(path), SqliteStore(path)
    writer.append(window(0))
    assert len(everything(reader)) == 1
    writer.append(window(10))
    assert len(everything(reader)) == 2
    writer.close()
    reader.close()


WORKER = """
import sys
from datetime import UTC, datetime, timedelta
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.store import SqliteStore

path, worker, windows = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = SqliteStore(path)
for number in range(windows):
    started_at = datetime(2026, 5, 4, 12, tzinfo=UTC) + timedelta(seconds=number)
    counters = {"arrived": 4, "number": number}
    store.append(
        Snapshot(started_at=started_at, window_s=1.0, counters=counters, worker=worker)
    )
store.close()
"""


def start_worker(path: Path, name: str, windows: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(path), name, str(windows)])


def test_four_processes_write_at_once_and_nothing_is_lost(path: Path) -> None:
    workers = [start_worker(path, f"w{number}", 50) for number in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    store = SqliteStore(path)
    found = everything(store)
    store.close()
    assert sorted((one.worker, one.counters["number"]) for one in found) == [
        (f"w{worker}", number) for worker in range(4) for number in range(50)
    ]


def test_a_worker_that_is_killed_leaves_whole_windows(path: Path) -> None:
    store = SqliteStore(path)
    with start_worker(path, "w", 1_000_000) as worker:
        while len(everything(store)) < 20:
            assert worker.poll() is None
            time.sleep(0.01)  # the other process has to get on, and has its own time
        worker.kill()
    found = everything(store)
    assert [one.counters["number"] for one in found] == list(range(len(found)))
    store.append(window(0, worker="the next"))
    assert len(everything(store)) == len(found) + 1
    store.close()


def test_threads_share_a_store(path: Path) -> None:
    store = SqliteStore(path)
    threads = [
        Thread(target=lambda: [store.append(window(number)) for number in range(20)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(everything(store)) == 80
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"SQLite format 3\0" + b"this is no database" * 1000),
        lambda file: file.write_bytes(bytes(8192)),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        lambda file: file.write_bytes(
            file.read_bytes()[:100] + os.urandom(4000) + file.read_bytes()[4100:]
        ),
    ],
    ids=["other bytes", "zeros", "cut off", "overwritten within"],
)
def test_a_damaged_file_is_moved_aside_and_said(
    path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store = SqliteStore(path)
    for number in range(200):
        store.append(window(number))
    store.close()
    damage(path)
    damaged = path.read_bytes()
    with caplog.at_level(logging.WARNING):
        store.append(window(999))
    assert everything(store) == [window(999)]
    store.close()
    (aside,) = (one for one in path.parent.glob("*.corrupt-*") if "-wal" not in one.name)
    assert aside.read_bytes() == damaged
    assert "moved to" in caplog.text
    assert str(aside) in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"somebody's letters, which are no database" * 100, "is not a database"),
        (b"SQLite format 3\x00" + b"\xff" * 5000, "cannot be read"),
    ],
)
def test_reading_a_file_that_is_no_store_leaves_it_alone(
    path: Path, content: bytes, reason: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=reason):
        everything(SqliteStore(path))
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("content", [b"import fastapi\n" * 300, b"\x89PNG\r\n" + bytes(9000), b"x"])
def test_a_file_of_somebody_elses_is_never_moved(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="is not a database"):
        SqliteStore(path).append(window(0))
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]


def test_reading_makes_no_store_of_an_empty_file(path: Path) -> None:
    path.touch()
    assert everything(SqliteStore(path)) == []
    assert path.stat().st_size == 0


def test_reading_does_not_keep_the_writer_from_beginning_anew(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"damaged" * 1000)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable):
        everything(store)
    store.append(window(1))
    assert everything(store) == [window(1)]
    store.close()


def test_a_store_is_read_by_whoever_may_not_write(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0))
    reader = """if True:
        import os, sys
        from datetime import datetime, UTC
        from keiko_perf.monitoring.store import SqliteStore
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        windows = SqliteStore(sys.argv[1]).between(
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        )
        print(len(windows))
    """
    for folder in (path.parent, *path.parent.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        command = [sys.executable, "-c", reader, str(path)]
        while_written = subprocess.run(command, capture_output=True, text=True, check=False)
        path.parent.chmod(0o755)
        store.close()
        path.parent.chmod(0o555)
        afterwards = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        path.parent.chmod(0o755)
    assert (while_written.stdout, afterwards.stdout) == ("1\n", "1\n"), (
        while_written.stderr + afterwards.stderr
    )


def test_a_path_that_cannot_be_looked_at_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="too long"):
        everything(SqliteStore(tmp_path / ("x" * 300)))


@pytest.mark.parametrize("make", [MemoryStore, lambda **bounds: SqliteStore("unused", **bounds)])
def test_a_clock_that_is_wrong_once_does_not_cost_the_history(
    make: Callable[..., Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = make(retention_s=86_400.0)
    for number in range(300):
        store.append(window(10 * number))
    store.append(window(500 * 86_400.0))
    store.append(window(3000))
    requests = sum(
        one.whole(Kind.ROUTE).count for one in store.between(NOON, NOON + timedelta(seconds=3010))
    )
    assert requests >= 4 * (301 - 10)
    store.close()


def test_a_store_that_another_worker_has_begun_anew_is_not_moved_aside(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"this is no database" * 1000)
    first, second = SqliteStore(path), SqliteStore(path)
    first.append(window(0))
    second.append(window(1))
    first.append(window(2))
    assert len(everything(second)) == 3
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    first.close()
    second.close()


def test_a_file_that_was_taken_away_is_begun_anew(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0))
    path.unlink()
    store.append(window(1))
    other = SqliteStore(path)
    assert everything(other) == [window(1)]
    store.close()
    other.close()


def test_a_window_that_cannot_be_read_is_a_hole_and_said(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(path)
    for after_s in (0, 10, 20):
        store.append(window(after_s))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE windows SET body = x'00' WHERE id = 2")
    raw.close()
    with caplog.at_level(logging.WARNING):
        assert everything(store) == [window(0), window(20)]
    assert "cannot be read" in caplog.text
    store.close()


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE mine (x)")
    raw.close()
    before = path.read_bytes()
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match="another program") as refused:
        store.append(window())
    assert "Name another file" in refused.value.cure
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window())
    store.close()
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreUnavailable, match="layout 99") as refused:
        everything(store)
    assert "Upgrade" in refused.value.cure


def test_a_lock_that_is_not_given_back_is_said_and_later_all_is_well(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.0)
    store.append(window(0))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked") as refused:
        store.append(window(1))
    assert "busy_timeout_s" in refused.value.cure
    assert everything(store) == [window(0)]  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    store.append(window(1))
    assert everything(store) == [window(0), window(1)]
    store.close()


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime, timedelta
from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.store import SqliteStore

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))
store, noon = SqliteStore(sys.argv[1]), datetime(2026, 5, 4, 12, tzinfo=UTC)

def keep(number):
    counters = {f"counter {number * 1000 + turn}": 1 for turn in range(200)}
    at = noon + timedelta(microseconds=number)
    store.append(Snapshot(started_at=at, window_s=1.0, counters=counters))

def kept():
    return len(store.between(noon, noon + timedelta(1)))

for number in range(1_000):
    try:
        keep(number)
    except StoreUnavailable as error:
        said = error
        break
assert 0 < number < 999 and kept() == number, (number, kept())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
keep(number)
assert kept() == number + 1
print(said)
"""


def test_a_disk_that_takes_no_more_is_said_and_once_it_does_all_goes_on(path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)],
        check=False,  # what it says comes first
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert "cannot be written" in finished.stdout


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = SqliteStore(tmp_path / "file" / "store.db")
    with pytest.raises(StoreUnavailable, match="cannot be written") as refused:
        store.append(window())
    assert "folder" in refused.value.cure


def test_a_folder_in_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        SqliteStore(tmp_path).append(window())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_forks_shares_no_connection(path: Path) -> None:
    store = SqliteStore(path)
    store.append(window(0, worker="parent"))
    child = os.fork()
    if not child:
        try:
            store.append(window(1, worker="child"))
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.append(window(2, worker="parent"))
    assert [one.worker for one in everything(store)] == ["parent", "child", "parent"]
    store.close()
