"""The histogram's promises: its error, exact merging, honest emptiness, exact round trips."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model import Histogram, samples_needed

in_range_s = st.floats(min_value=1e-6, max_value=3600.0)
any_duration_s = st.floats(min_value=0.0, max_value=1e5)
durations_s = st.lists(any_duration_s, max_size=60)


def nearest_rank(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[max(1, math.ceil(q * len(ordered) - 1e-9)) - 1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("q", [0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999])
def test_a_quantile_of_a_heavy_tail_errs_by_less_than_one_percent(seed: int, q: float) -> None:
    random = Random(seed)
    modes = [(0.0008, 0.3), (0.02, 0.6), (0.9, 1.1)]
    values = [
        min(max(random.lognormvariate(math.log(median), sigma), 1e-6), 3600.0)
        for median, sigma in random.choices(modes, weights=(70, 25, 5), k=20_000)
    ]
    estimate = Histogram(values).quantile(q)
    assert estimate is not None
    assert estimate == pytest.approx(nearest_rank(values, q), rel=0.0055)


@given(in_range_s)
def test_one_duration_is_every_quantile_exactly(value: float) -> None:
    assert Histogram([value]).quantiles((0.0, 0.5, 0.99, 1.0)) == [value] * 4


@given(st.lists(in_range_s, min_size=1, max_size=80), st.floats(min_value=0.0, max_value=1.0))
def test_every_quantile_is_within_one_percent_of_its_rank(values: list[float], q: float) -> None:
    estimate = Histogram(values).quantile(q)
    ordered = sorted(values)
    # The rank may differ by one where q·n is an integer to the last bit only.
    rank = min(max(1, math.ceil(q * len(values))), len(values))
    near = ordered[max(0, rank - 2) : rank]
    assert estimate is not None
    assert any(estimate == pytest.approx(value, rel=0.01) for value in near)


@given(durations_s, durations_s)
def test_merging_equals_recording_together(one: list[float], other: list[float]) -> None:
    merged = Histogram(one)
    merged.merge(Histogram(other))
    assert merged == Histogram(one + other)
    assert merged.to_bytes() == Histogram(other + one).to_bytes()


@given(durations_s)
def test_many_at_once_are_recorded_as_each_alone(values: list[float]) -> None:
    alone = Histogram()
    for value in values:
        alone.record(value)
    assert Histogram(values) == Histogram(iter(values)) == Histogram(array("d", values)) == alone


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -0.1])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_among_many_what_is_no_duration_is_refused_too(nonsense: float, at: int) -> None:
    histogram, values = Histogram(), [0.1, 0.2]
    values.insert(at, nonsense)
    with pytest.raises(ValueError, match="a duration is a finite number of seconds"):
        histogram.record_many(values)
    assert histogram == Histogram(values[:at])


@given(st.lists(durations_s, max_size=6))
def test_merging_many_at_once_equals_merging_one_by_one(parts: list[list[float]]) -> None:
    whole = Histogram()
    for part in parts:
        whole.merge(Histogram(part))
    merged = Histogram.merged(map(Histogram, parts))
    assert merged == whole
    merged.record_many([1e-7, 0.003, 4000.0])  # it takes more, like any other
    whole.record_many([1e-7, 0.003, 4000.0])
    assert merged == whole


@given(st.lists(durations_s, max_size=5))
def test_the_order_of_merging_does_not_matter(parts: list[list[float]]) -> None:
    forwards = Histogram.merged(Histogram(part) for part in parts)
    backwards = Histogram.merged(Histogram(part) for part in reversed(parts))
    assert forwards == backwards


@given(durations_s)
def test_bytes_and_dict_round_trip(values: list[float]) -> None:
    histogram = Histogram(values)
    assert Histogram.from_bytes(histogram.to_bytes()) == histogram
    assert Histogram.from_dict(json.loads(json.dumps(histogram.to_dict()))) == histogram


@given(durations_s)
def test_it_agrees_with_a_plain_list(values: list[float]) -> None:
    histogram = Histogram(values)
    assert histogram.count == len(values)
    assert histogram.min_s == min(values, default=None)
    assert histogram.max_s == max(values, default=None)
    assert histogram.below == sum(value < 1e-6 for value in values)
    assert histogram.above == sum(value > 3600 for value in values)
    assert histogram.sum_s == pytest.approx(math.fsum(values), abs=1e-9 * (len(values) + 1))
    assert bool(histogram) is bool(values)


def test_nothing_recorded_has_no_quantile_and_no_bounds() -> None:
    histogram = Histogram()
    assert histogram.quantiles((0.0, 0.5, 1.0)) == [None] * 3
    assert (histogram.min_s, histogram.max_s, histogram.mean_s) == (None, None, None)
    assert histogram.count == 0
    assert not histogram


def test_what_is_outside_the_range_is_counted_and_never_understated() -> None:
    histogram = Histogram([0.0, 5e-7, 1.0, 7200.0, 9000.0])
    assert (histogram.below, histogram.above, histogram.count) == (2, 2, 5)
    assert histogram.quantile(0.2) == 1e-6
    assert histogram.quantile(0.5) == pytest.approx(1.0, rel=0.0055)
    assert histogram.quantile(0.8) == 9000.0


@pytest.mark.parametrize("nonsense", [-1e-9, -1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_duration_is_refused_and_leaves_no_trace(nonsense: float) -> None:
    histogram = Histogram([0.25])
    with pytest.raises(ValueError, match="finite number of seconds"):
        histogram.record(nonsense)
    assert histogram == Histogram([0.25])


@pytest.mark.parametrize("q", [-0.1, 1.01, math.nan])
def test_a_quantile_outside_0_and_1_is_refused(q: float) -> None:
    with pytest.raises(ValueError, match="within 0 and 1"):
        Histogram([1.0]).quantile(q)


def test_the_bounds_of_the_range_belong_to_it() -> None:
    histogram = Histogram([1e-6, 3600.0])
    assert (histogram.below, histogram.above) == (0, 0)


def test_a_power_of_two_lies_in_the_bucket_that_it_closes_as_opentelemetry_has_it() -> None:
    ((lower, upper, count),) = Histogram([0.5]).buckets()
    assert (upper, count) == (0.5, 1)
    assert lower == pytest.approx(0.5 * 2 ** (-1 / 64))
    assert Histogram([0.5]).to_dict()["offset"] == -65


def test_counting_above_a_limit_leaves_its_own_bucket_out() -> None:
    histogram = Histogram([0.1, 0.2, 0.3, 5000.0])
    assert histogram.count_above(0.25) == 2
    assert histogram.count_above(0.3) == 1
    assert histogram.count_above(0.05) == 4
    assert histogram.count_above(histogram.max_s) == 0
    assert Histogram().count_above(0.0) == 0


def test_a_copy_shares_nothing() -> None:
    original = Histogram([0.1])
    copy = original.copy()
    copy.record(0.2)
    assert original == Histogram([0.1])
    assert copy.count == 2


def test_a_window_of_a_busy_route_takes_few_bytes() -> None:
    random = Random(1)
    histogram = Histogram(random.lognormvariate(-4, 0.5) for _ in range(10_000))
    assert len(histogram.to_bytes()) < 600


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"", "not a histogram"),
        (b"\x02\x06", "not a histogram"),
        (b"\x01\x05", "not a histogram"),
        (b"\x01\x06\x00\x00", "cut short"),
        (Histogram([0.1, 0.2]).to_bytes()[:-1], "cut short|multiple of"),
        (b"\x01\x06\x00\x00\x00\x80\x0a\xff\xff\xff\x0f", "buckets"),
    ],
)
def test_bytes_that_are_no_histogram_are_refused(encoded: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Histogram.from_bytes(encoded)


@given(st.binary(max_size=60))
def test_no_bytes_whatever_break_the_reader(noise: bytes) -> None:
    with suppress(ValueError):  # refused, as it should be
        Histogram.from_bytes(b"\x01\x06" + noise).quantile(0.5)


@pytest.mark.parametrize(
    "change",
    [{"scale": 5}, {"counts": [-1]}, {"counts": None}, {"offset": 10**9}, {"min_s": None}],
    ids=["another scale", "negative count", "no counts", "out of range", "no bounds"],
)
def test_a_document_that_is_no_histogram_is_refused(change: dict[str, object]) -> None:
    document = Histogram([0.1]).to_dict() | change
    with pytest.raises(ValueError, match="histogram"):
        Histogram.from_dict(document)


@pytest.mark.parametrize(
    ("q", "needed"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995), (0.01, 299)]
)
def test_the_samples_that_a_quantile_needs_are_those_of_the_order_statistics(
    q: float, needed: int
) -> None:
    assert samples_needed(q) == needed
    assert Histogram([0.1] * (needed - 1)).known_quantile(q) is None
    assert Histogram([0.1] * needed).known_quantile(q) == pytest.approx(0.1, rel=0.0055)


def test_a_run_of_empty_buckets_over_the_end_is_refused() -> None:
    # Version, scale; nothing below or above, no sum, bucket 1280 first, two of them: one count, and
    # a zero that stands for five.
    encoded = Histogram().to_bytes()[:2] + bytes((0, 0, 0, 0x80, 0x0A, 2, 1, 0, 5))
    with pytest.raises(ValueError, match="cut short"):
        Histogram.from_bytes(encoded)


@pytest.mark.parametrize("q", [0.0, 1.0])
def test_the_bounds_need_one_sample(q: float) -> None:
    assert samples_needed(q) == 1


def test_it_equals_only_a_histogram_that_counted_the_same() -> None:
    assert Histogram([0.1, 0.2]) == Histogram([0.2, 0.1])
    assert Histogram([0.1]) != Histogram([0.1, 0.1])
    assert Histogram() != 0


def test_it_shows_what_is_in_it() -> None:
    assert repr(Histogram()) == "<Histogram count=0 p50=None p99=None max=None (s)>"
    assert repr(Histogram([0.25])) == "<Histogram count=1 p50=0.25 p99=0.25 max=0.25 (s)>"


@given(durations_s)
def test_packed_and_unpacked_it_is_the_same(values: list[float]) -> None:
    histogram = Histogram(values)
    packed = histogram.pack()
    assert Histogram.unpack(packed) == histogram
    assert bool(packed) is bool(values)
    more = Histogram.unpack(packed)
    more.record(0.5)  # it goes on like any other
    assert more.count == histogram.count + 1


def test_counts_of_any_size_are_packed() -> None:
    histogram = Histogram((0.001, 0.1))
    for _ in range(40):
        assert Histogram.unpack(histogram.pack()) == histogram
        histogram.merge(histogram.copy())
    assert histogram.count == 2 << 40


@given(st.binary(max_size=120))
def test_foreign_bytes_are_not_unpacked(encoded: bytes) -> None:
    with suppress(ValueError):
        Histogram.unpack(b"\x02" + encoded)


@given(st.lists(st.floats(1e-6, 3600.0), max_size=50), st.sampled_from((1, 3, 16, 64)))
def test_groups_of_buckets_hold_what_their_buckets_hold(values_s: list[float], width: int) -> None:
    histogram = Histogram(values_s)
    expected: Counter[int] = Counter()
    for _, upper_s, count in histogram.buckets():
        expected[(round(math.log2(upper_s) * 64) - 1) // width] += count
    assert dict(histogram.grouped(width)) == expected
