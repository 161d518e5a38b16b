from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.monitoring.storage.storing import DAY, NOON, blocking, window

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.points import STRETCHES_S, points_of, sums_of
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.steady import SteadyStore


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
