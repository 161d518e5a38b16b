"""Which keys stay: the known answers of loops and scans, and the better of two ways."""

from __future__ import annotations

from bisect import bisect
from collections import OrderedDict
from collections.abc import Iterable
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.optimization.caching.eviction import Eviction, Kept
from keiko_perf.optimization.caching.rehearsal import TunedEviction


def hit_ratio(eviction: Eviction[int], trace: Iterable[int]) -> float:
    hits = asked = 0
    for key in trace:
        asked += 1
        entry = eviction.entries.get(key)
        if entry is None:
            eviction.add(Kept(key, 1))
        else:
            eviction.hit(entry)
            hits += 1
    return hits / asked


def least_recently_used(capacity: int, trace: Iterable[int]) -> float:
    kept: OrderedDict[int, None] = OrderedDict()
    hits = asked = 0
    for key in trace:
        asked += 1
        if key in kept:
            hits += 1
            kept.move_to_end(key)
        else:
            kept[key] = None
            if len(kept) > capacity:
                kept.popitem(last=False)
    return hits / asked


def zipf(keys: int, length: int, *, exponent: float = 0.9, first: int = 0) -> list[int]:
    random = Random(7)
    weights = list(accumulate(1 / (rank + 1) ** exponent for rank in range(keys)))
    return [first + bisect(weights, random.random() * weights[-1]) for _ in range(length)]


def of_the_recent(length: int, depth: int) -> list[int]:
    """A new key, or one of the last few."""
    random, seen = Random(3), [0]
    for number in range(1, length):
        back = min(1 + int(random.expovariate(1 / depth)), len(seen))
        seen.append(number if random.random() < 0.3 else seen[-back])
    return seen


@pytest.mark.parametrize("times", [1.1, 2, 5])
def test_of_a_loop_that_does_not_fit_as_much_is_kept_as_fits(times: float) -> None:
    loop = list(range(int(200 * times))) * 60
    kept = hit_ratio(TunedEviction(200), loop)
    assert least_recently_used(200, loop) == 0
    assert kept > 0.9 / times


def test_a_scan_does_not_wash_out_what_is_asked_for_again_and_again() -> None:
    popular = zipf(1_000, 10_000)
    eviction: TunedEviction[int] = TunedEviction(100)
    before = hit_ratio(eviction, popular)
    hit_ratio(eviction, range(10_000, 12_000))
    assert hit_ratio(eviction, popular[:500]) > 0.9 * before


def test_where_the_recent_is_what_counts_the_oldest_goes() -> None:
    trace = of_the_recent(40_000, 80)
    eviction: TunedEviction[int] = TunedEviction(200)
    assert hit_ratio(eviction, trace) > 0.95 * least_recently_used(200, trace)
    assert eviction.is_by_recency
    hit_ratio(eviction, (key + 10**6 for key in zipf(2_000, 20_000)))
    assert not eviction.is_by_recency


def test_by_popularity_it_does_better_than_by_recency() -> None:
    trace = zipf(5_000, 50_000)
    assert hit_ratio(TunedEviction(500), trace) > 1.1 * least_recently_used(500, trace)


def test_old_fame_fades() -> None:
    eviction: Eviction[int] = Eviction(100)
    hit_ratio(eviction, list(range(50)) * 200)
    hit_ratio(eviction, (key + 1000 for key in list(range(100)) * 60))
    assert sum(key >= 1000 for key in eviction.entries) > 80


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), max_size=200),
    st.sampled_from([0.01, 0.3, 1.0]),
)
def test_whatever_comes_it_is_within_bounds_and_has_the_newest(
    asked: list[tuple[int, int]], new_ratio: float
) -> None:
    eviction: Eviction[int] = Eviction(100, new_ratio=new_ratio)
    for key, cost in asked:
        entry = eviction.entries.get(key)
        if entry is not None:
            eviction.hit(entry)
        else:
            before = dict(eviction.entries)
            gone = eviction.add(Kept(key, cost))
            assert key in eviction.entries
            assert set(before) | {key} == set(eviction.entries) | {one.key for one in gone}
        assert eviction.cost == sum(one.cost for one in eviction.entries.values()) <= 100
        assert sorted(one.key for one in eviction.in_order()) == sorted(eviction.entries)


def test_a_change_of_ways_is_no_long_stop() -> None:
    eviction: Eviction[int] = Eviction(10_000, new_ratio=1)
    hit_ratio(eviction, range(10_000))
    eviction.set_new_ratio(0.01)
    assert len(eviction.add(Kept(-1, 1))) <= 8
    assert len(eviction.entries) <= 10_000


def test_made_smaller_it_gives_its_tables_back_and_works_on() -> None:
    eviction: Eviction[int] = Eviction(50_000)
    hit_ratio(eviction, [*range(50_000), *range(0, 50_000, 7)])
    large = len(eviction._table)
    for entry in eviction.in_order()[:-500]:
        eviction.remove(entry)
    eviction.compact()
    assert len(eviction._table) < large / 100
    for entry in list(eviction.entries.values()):
        eviction.hit(entry)
    assert hit_ratio(eviction, [*range(2_000), *range(2_000)]) > 0.4
    assert sorted(one.key for one in eviction.in_order()) == sorted(eviction.entries)
