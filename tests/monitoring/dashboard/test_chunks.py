"""The windows of a range as few snapshots: the same as all of them, and read once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import MemoryStore, PerformanceMonitor
from keiko_perf.monitoring.dashboard import chunks
from keiko_perf.monitoring.dashboard.chunks import Chunks
from keiko_perf.monitoring.dashboard.tables import tables

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


class Asked:
    """A store that knows what it was asked for."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.is_broken = False
        self.asked_s: list[float] = []

    def append(self, snapshot: Snapshot) -> None:
        self.store.append(snapshot)

    def between(self, start_at: datetime, end_at: datetime) -> list[Snapshot]:
        if self.is_broken:
            raise StoreUnavailable("the disk is away", cure="Mount it")
        found = self.store.between(start_at, end_at)
        self.asked_s.append(sum(one.window_s for one in found))
        return found

    def close(self) -> None:
        self.store.close()


def window(at_s, worker="w1", duration_s=0.1):
    return Snapshot(
        started_at=NOON + timedelta(seconds=at_s),
        window_s=10.0,
        series=(
            Series(
                kind=Kind.ROUTE, name="GET /", window_s=10.0, succeeded=Histogram([duration_s] * 3)
            ),
        ),
        gauges={"cpu_ratio": Gauge.of(0.5)},
        counters={"arrived": 3},
        worker=worker,
    )


def filled(minutes):
    store = MemoryStore(retention_s=30 * 86_400.0)
    for number in range(6 * minutes):
        for worker in range(2):
            store.append(window(10 * number + 3 * worker, f"w{worker}", 0.001 * (number + 1)))
    return store


@pytest.fixture(scope="module")
def three_hours():
    return filled(180)


@pytest.fixture
def store(three_hours):
    return Asked(three_hours)


def chunks_of(store):
    monitor = PerformanceMonitor(store=store, notify=())
    return monitor, Chunks(monitor)


@pytest.mark.parametrize(
    ("from_s", "to_s", "now_s"),
    [
        (0, 10_800, 10_800),
        (7_213, 10_813, 10_813),
        (1_000, 1_030, 10_800),
        (33, 9_999, 20_000),
        (10_790, 10_800, 10_800),
        (20_000, 30_000, 30_000),
    ],
)
def test_it_is_all_that_the_windows_are(store, from_s, to_s, now_s):
    _, kept = chunks_of(store)
    range_ = NOON + timedelta(seconds=from_s), NOON + timedelta(seconds=to_s)
    expected = Snapshot.merged(store.store.between(*range_))
    for _ in range(2):  # made, and kept
        found = Snapshot.merged(kept.between(*range_, NOON + timedelta(seconds=now_s)))
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.whole(Kind.ROUTE) == expected.whole(Kind.ROUTE)
            assert found.counters == expected.counters
            assert found.gauges["cpu_ratio"].samples == expected.gauges["cpu_ratio"].samples
            assert found.window_s == pytest.approx(expected.window_s, abs=1e-6)


@pytest.mark.parametrize(
    ("from_s", "to_s"), [(0, 10_800), (7_213, 10_813), (33, 9_999), (10_790, 10_800), (-9, -1)]
)
def test_of_a_store_that_has_merged_it_already_it_is_the_same(three_hours, from_s, to_s):
    monitor = PerformanceMonitor(store=three_hours, notify=())
    kept = Chunks(monitor)
    range_ = NOON + timedelta(seconds=from_s), NOON + timedelta(seconds=to_s)
    expected = Snapshot.merged(three_hours.between(*range_))
    trends = []
    for _ in range(2):  # made, and kept
        few = kept.between(*range_, NOON + timedelta(hours=3))
        found = Snapshot.merged(few)
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.whole(Kind.ROUTE) == expected.whole(Kind.ROUTE)
            assert found.counters == expected.counters
            assert found.window_s == pytest.approx(expected.window_s, abs=1e-6)
            trends += [1 + row["trend"] for row in tables(few)["endpoints"] if row["trend"]]
    if to_s - from_s > 3_600:
        assert len(few) < 60
        rows = tables(three_hours.between(*range_))["endpoints"]
        # The halves may be off by a thirty-second of it.
        assert trends == pytest.approx([1 + row["trend"] for row in rows] * 2, rel=0.1)


def test_what_is_over_is_read_once(store):
    _, kept = chunks_of(store)
    for number in range(4):
        store.asked_s.clear()
        now = NOON + timedelta(hours=3, seconds=30 * number)
        made = kept.between(now - timedelta(hours=2), now, now)
    assert sum(store.asked_s) <= 2 * 2 * 90, "the minutes at both ends, of two workers"
    assert len(made) < 120


def test_a_longer_one_is_put_together_from_shorter_ones(store):
    _, kept = chunks_of(store)
    kept.between(
        NOON + timedelta(hours=2), NOON + timedelta(minutes=121), NOON + timedelta(hours=3)
    )
    for minute in range(122, 181):
        store.asked_s.clear()
        now = NOON + timedelta(minutes=minute, seconds=40)
        kept.between(NOON + timedelta(hours=2), now, now)
        assert sum(store.asked_s) <= 2 * 120, "what was not over the last time"
    number = int(NOON.timestamp()) // 3_600 + 2
    assert (3_600, number) in kept._kept


def test_what_came_late_is_seen_within_the_hour():
    store = Asked(filled(20))
    _, kept = chunks_of(store)
    range_ = NOON, NOON + timedelta(minutes=20)
    now = NOON + timedelta(hours=1)
    counts = [sum(one.counters["arrived"] for one in kept.between(*range_, now))]
    store.append(window(505, "late"))
    for minutes in (30, 61):
        later = now + timedelta(minutes=minutes)
        counts.append(sum(one.counters["arrived"] for one in kept.between(*range_, later)))
    assert counts == [counts[0], counts[0], counts[0] + 3]


def test_what_could_not_be_read_is_no_gap():
    store = Asked(filled(20))
    monitor, kept = chunks_of(store)
    range_ = NOON, NOON + timedelta(minutes=20)
    now = NOON + timedelta(hours=1)
    store.is_broken = True
    assert kept.between(*range_, now) == []
    store.is_broken = False
    monitor.store.append(window(1_800))  # it works again
    found = Snapshot.merged(kept.between(*range_, now))
    assert found.counters == {"arrived": 2 * 120 * 3}


def test_what_is_kept_is_bounded(store, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_KEPT", 10)
    _, kept = chunks_of(store)
    for hour in range(3):
        for minute in range(0, 60, 7):
            start_at = NOON + timedelta(hours=hour, minutes=minute)
            kept.between(start_at, start_at + timedelta(minutes=5), NOON + timedelta(hours=9))
    assert len(kept._kept) <= 10
