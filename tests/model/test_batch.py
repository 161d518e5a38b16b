"""Many durations counted together are counted as each by itself would be, to the last bit."""

from __future__ import annotations

from math import inf, nextafter
from random import Random

import pytest

from keiko_perf.model import Histogram
from keiko_perf.model.batch import FEWEST, by_bucket, number_of, sum_ns_of


def at_the_edges() -> list[float]:
    """Durations at each bound of a bucket, and the next numbers on both sides."""
    bounds = [2.0 ** (index / 64) for index in range(-1270, 750)]
    return [one for at in bounds for one in (nextafter(at, 0.0), at, nextafter(at, inf))]


def drawn(count: int) -> list[float]:
    random = Random(count)
    return [min(3600.0, max(1e-6, random.lognormvariate(-6, 2))) for _ in range(count)]


@pytest.mark.parametrize(
    "values_s",
    [
        at_the_edges(),
        drawn(FEWEST - 1),
        drawn(FEWEST),
        drawn(5000),
        [0.001] * 1000,
        [2.0**-number for number in range(1, 19)] * 50,  # halves of a nanosecond among them
        [3600.0] * 5000,  # more nanoseconds than a floating-point number counts exactly
    ],
    ids=["edges", "few", "some", "many", "one", "halves", "long"],
)
def test_together_is_as_one_by_one(values_s):
    one_by_one, together = Histogram([0.02]), Histogram([0.02])
    for value_s in values_s:
        one_by_one.record(value_s)
    together.record_many(values_s)
    assert together.to_dict() == one_by_one.to_dict()


def test_buckets_come_in_order_and_hold_all():
    values_s = sorted(drawn(5000))
    found = list(by_bucket(values_s))
    assert sum(count for _, count in found) == len(values_s)
    numbers = [number for number, _ in found]
    assert numbers == sorted({number_of(one) for one in values_s}, reverse=True)


def test_what_is_no_number_is_refused_among_many():
    for wrong in (float("nan"), inf, -1.0):
        with pytest.raises(ValueError, match="a duration is a finite number"):
            Histogram(drawn(FEWEST)).record_many([*drawn(FEWEST), wrong])


def test_a_sum_is_that_of_whole_nanoseconds():
    assert sum_ns_of([1.4e-9, 1.6e-9, 2.0]) == 2_000_000_003
