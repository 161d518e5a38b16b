"""What a store has merged already: the same as its windows, in few pieces, whatever comes when."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.minutes import Minutes
from keiko_perf.monitoring.storage.pieces import Piece, snapshots
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.monitoring.storage.store import MemoryStore
from keiko_perf.monitoring.storage.wholes import LENGTHS_S

MONTH_S = 30 * 86_400.0
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ROUTES = ("GET /a", "GET /b")


def window(at_s: float, worker: str = "w0", window_s: float = 10.0) -> Snapshot:
    # Whole numbers of nanoseconds, so that any order gives the same sum.
    durations = [0.001 * (at_s % 97 + 1 + number) for number in range(3)]
    return Snapshot(
        started_at=NOON + timedelta(seconds=at_s),
        window_s=window_s,
        series=tuple(
            Series(kind=Kind.ROUTE, name=name, window_s=window_s, succeeded=Histogram(durations))
            for name in ROUTES
        ),
        gauges={"cpu_ratio": Gauge.of(0.5)},
        counters={"arrived": 6},
        worker=worker,
    )


def fill(store: MemoryStore | SqliteStore, until_s: float, *, step_s: float = 10.0) -> None:
    for number in range(round(until_s / step_s)):
        for worker in range(2):
            store.append(window(step_s * number + 3 * worker, f"w{worker}", step_s))


def figures(windows: list[Snapshot]) -> tuple[object, ...]:
    merged = Snapshot.merged(windows)
    if merged is None:
        return ()
    routes = {one.name: one.succeeded.to_dict() for one in merged.of(Kind.ROUTE)}
    return merged.counters, routes, merged.gauges["cpu_ratio"].samples, round(merged.window_s, 3)


def told(store: MemoryStore | SqliteStore, start_s: float, end_s: float) -> list[Piece]:
    """The pieces of a range, which are to be all that its windows are."""
    range_ = NOON + timedelta(seconds=start_s), NOON + timedelta(seconds=end_s)
    pieces = store.pieces(*range_)
    assert pieces is not None
    assert figures(snapshots(pieces)) == figures(store.between(*range_))
    return pieces


@pytest.fixture(scope="module")
def eleven_days() -> MemoryStore:
    store = MemoryStore(retention_s=MONTH_S)
    fill(store, 11 * 86_400.0, step_s=1_200.0)
    return store


@pytest.fixture(scope="module")
def three_hours() -> MemoryStore:
    store = MemoryStore(retention_s=MONTH_S)
    fill(store, 3 * 3_600.0)
    return store


@pytest.mark.parametrize("seed", range(20))
def test_any_range_is_what_its_windows_are(
    eleven_days: MemoryStore, three_hours: MemoryStore, seed: int
) -> None:
    random_ = random.Random(seed)
    for store, length_s in ((eleven_days, 11 * 86_400.0), (three_hours, 3 * 3_600.0)):
        start_s, end_s = sorted(random_.uniform(-100.0, length_s + 100.0) for _ in range(2))
        told(store, start_s, end_s)


def test_long_ranges_are_few_pieces(eleven_days: MemoryStore, three_hours: MemoryStore) -> None:
    assert len(told(eleven_days, 0.0, 11 * 86_400.0)) < 60
    assert len(told(eleven_days, 9.7 * 86_400.0, 10.7 * 86_400.0)) < 40
    pieces = told(three_hours, 3_600.0, 3 * 3_600.0)
    windows = three_hours.between(NOON + timedelta(hours=1), NOON + timedelta(hours=3))
    assert len(windows) > 900
    assert len(pieces) < 60


@pytest.mark.parametrize("within_s", [10, 60, 240, 720, 1800, 7200])
def test_none_but_windows_reaches_over_a_multiple_of_what_is_asked_for(
    three_hours: MemoryStore, within_s: int
) -> None:
    range_ = NOON, NOON + timedelta(hours=3)
    pieces = three_hours.pieces(*range_, within_s)
    windows = three_hours.between(*range_)
    assert figures(snapshots(pieces)) == figures(windows)
    kept = {(one.started_at, one.window_s) for one in windows}
    for one in snapshots(pieces):
        if (one.started_at, one.window_s) not in kept:
            last_s = one.ended_at.timestamp() - 13.1  # when the first of the last two began
            assert one.started_at.timestamp() // within_s == last_s // within_s


def test_what_comes_late_is_in_all_that_it_belongs_to(store: MemoryStore | SqliteStore) -> None:
    fill(store, 5_400.0)
    for at_s in (500.5, 4_000.0, 5_393.0):  # one of a time that is rolled up, one of a minute
        store.append(window(at_s, "late"))
        store.append(window(at_s + 10, "w1"))
        told(store, 0.0, 5_400.0)
    fill(store, 60.0)  # and all of a minute once more
    for start_s in (0.0, 240.0, 3_600.0):
        told(store, start_s, 5_460.0)
    store.close()


def test_after_a_pause_each_stretch_is_made_and_none_of_nothing(
    store: MemoryStore | SqliteStore,
) -> None:
    fill(store, 1_800.0, step_s=30.0)
    for number in range(200):
        store.append(window(86_400.0 + 30 * number, window_s=30.0))
    pieces = told(store, 0.0, 100_000.0)
    assert sum(one.is_whole for one in pieces) >= 4
    assert len(pieces) < 60
    store.close()


def test_a_clock_that_is_set_back_costs_nothing(store: MemoryStore | SqliteStore) -> None:
    fill(store, 3_600.0, step_s=30.0)
    for number in range(60):
        store.append(window(1_200.0 + 30 * number + 1, window_s=30.0))
    for number in range(60):
        store.append(window(3_600.0 + 30 * number, window_s=30.0))
    told(store, 0.0, 6_000.0)
    store.close()


def test_where_the_oldest_are_given_up_nothing_tells_of_them(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "small.db", max_bytes=1 << 17)
    fill(store, 3_600.0)
    pieces = told(store, -86_400.0, 86_400.0)
    first_s = (pieces[0].started_us / 1e6) - NOON.timestamp()
    assert first_s > 600.0, "some were given up"
    store.close()


def third_layout(path: Path) -> None:
    """As it was before: points of what is fresh stood among the others, and nothing was merged."""
    with sqlite3.connect(path) as raw:
        raw.executescript(
            "ALTER TABLE points ADD COLUMN is_folded INTEGER NOT NULL DEFAULT 1;"
            "CREATE INDEX points_unfolded ON points (stretch_s, started_s) WHERE is_folded = 0;"
        )
        fresh = [row[1] for row in raw.execute("PRAGMA table_info(fresh)")][1:]
        columns = ", ".join(fresh)
        raw.executescript(
            f"INSERT OR IGNORE INTO points ({columns}, is_folded, heat)"
            f" SELECT {columns}, 0, x'' FROM fresh GROUP BY started_s HAVING id = min(id);"
            "DROP TABLE fresh; DROP TABLE minutes; DROP TABLE wholes; PRAGMA user_version = 3"
        )
    raw.close()


def test_a_store_of_the_third_layout_is_read_as_it_is_and_gets_them_bit_by_bit(
    tmp_path: Path,
) -> None:
    path = tmp_path / "third.db"
    store = SqliteStore(path)
    fill(store, 3_600.0)
    store.close()
    third_layout(path)
    range_ = NOON, NOON + timedelta(hours=1)
    reading = SqliteStore(path)
    assert reading.pieces(*range_) is None
    assert len(reading.points(*range_, 20)) == 180
    writing = SqliteStore(path)
    writing.append(window(3_600.0))
    assert len(told(writing, 0.0, 3_600.0)) > 300, "most are its windows still"
    for number in range(1, 60):
        writing.append(window(3_600.0 + 20 * number))
    assert len(told(writing, 0.0, 3_600.0)) < 60
    # But for what the one who made this layout has thrown away: all but one of each fresh point.
    points = writing.points(*range_, 240)
    assert [one.requests for one in points[:14]] == [2 * 24 * 6] * 14
    reading.close()
    writing.close()


def test_what_is_held_back_is_a_piece_of_its_own(tmp_path: Path) -> None:
    class Full(MemoryStore):
        is_full = False

        def append(self, snapshot: Snapshot) -> None:
            if self.is_full:
                raise StoreUnavailable("the disk is full", cure="Make room")
            super().append(snapshot)

    full = Full(retention_s=MONTH_S)
    steady = SteadyStore(full)
    steady.append(window(0))
    full.is_full = True
    steady.append(window(10))
    range_ = NOON, NOON + timedelta(minutes=1)
    pieces = steady.pieces(*range_)
    assert pieces is not None
    assert figures(snapshots(pieces)) == figures([window(0), window(10)])


def test_of_a_store_of_somebody_elses_there_are_none() -> None:
    class Foreign:
        def append(self, snapshot: Snapshot) -> None: ...

        def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
            return [window(0)]

        def close(self) -> None: ...

    assert SteadyStore(Foreign()).pieces(NOON, NOON + timedelta(hours=1)) is None


# One minute of one worker


def over(windows: list[Snapshot]) -> Snapshot | None:
    minutes = Minutes()
    for one in windows:
        assert minutes.over(one) is None
        minutes.take(one)
    found = minutes.over(window(60.0))
    return found and found.whole


def test_a_minute_is_over_with_the_first_window_of_another() -> None:
    windows = [window(10.0 * number) for number in range(6)]
    whole = over(windows)
    assert whole is not None
    assert figures([whole]) == figures(windows)


def test_many_windows_of_a_minute_are_no_less() -> None:
    windows = [window(float(number), window_s=1.0) for number in range(60)]
    whole = over(windows)
    assert whole is not None
    assert figures([whole]) == figures(windows)


@pytest.mark.parametrize(
    ("windows", "why"),
    [
        ([], "nothing was measured"),
        ([window(0)], "it would be the window itself"),
        ([window(0), window(40)], "merged it would not know of its gap"),
    ],
)
def test_a_minute_that_would_say_less_than_its_windows_is_none(
    windows: list[Snapshot], why: str
) -> None:
    assert over(windows) is None, why


def test_a_minute_of_which_the_store_has_other_windows_is_not_kept(tmp_path: Path) -> None:
    """Two processes of one name write into it, and neither has all that there is."""
    stores = [SqliteStore(tmp_path / "one.db") for _ in range(2)]
    for number in range(13):
        stores[number % 2].append(window(10.0 * number))
    pieces = told(stores[0], 0.0, 120.0)
    assert len(pieces) == 12
    for one in stores:
        one.close()


# What is unpacked


@pytest.mark.parametrize("make", [lambda kind, name: name == "GET /b", lambda kind, name: False])
def test_series_that_are_not_wanted_are_left_out_and_nothing_else_is(
    make: Callable[[Kind, str], bool],
) -> None:
    one = replace(window(0), counters={"arrived": 6, "folded": 1})
    envelope = Snapshot(started_at=one.started_at, window_s=one.window_s, worker=one.worker)
    expected = replace(one, series=tuple(x for x in one.series if make(x.kind, x.name)))
    assert decode(encode(one), envelope, make) == expected


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore | SqliteStore:
    if request.param == "memory":
        return MemoryStore(retention_s=MONTH_S)
    return SqliteStore(tmp_path / "store.db", retention_s=MONTH_S)


def test_the_lengths_are_those_of_points() -> None:
    assert LENGTHS_S == (240, 1_800, 7_200, 43_200)
