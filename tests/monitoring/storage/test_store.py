from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.monitoring.storage.storing import NOON, everything, window

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind, Snapshot
from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.store import MemoryStore, Store

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
