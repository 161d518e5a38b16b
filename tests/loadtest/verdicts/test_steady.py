"""What is not like the rest at the beginning is warm-up; what is like it is not."""

from __future__ import annotations

from math import log
from random import Random

import pytest

from keiko_perf.loadtest.verdicts.steady import Warmup, settled_after, warmup
from keiko_perf.model import Histogram


def noisy(means: list[float], seed: int = 1) -> list[float]:
    random = Random(seed)
    return [log(mean * random.lognormvariate(0, 0.03)) for mean in means]


@pytest.mark.parametrize(
    ("means", "first", "last"),
    [
        ([1.0] * 60, 0, 0),  # steady from the start
        ([4.0] * 5 + [1.0] * 55, 5, 12),  # a cold cache
        ([1 + 5 * 0.5**i for i in range(60)], 3, 12),  # it decays
        ([1.05] * 5 + [1.0] * 55, 0, 0),  # too near to be anything else
        ([0.2] * 8 + [1.0] * 52, 8, 15),  # fast at first, as before a pool is full
    ],
)
def test_where_it_settles(means: list[float], first: int, last: int) -> None:
    for seed in range(10):
        found = settled_after(noisy(means, seed))
        assert found is not None
        assert first <= found <= last


def test_a_run_that_drifts_all_the_time_has_not_settled() -> None:
    assert settled_after(noisy([1.1**i for i in range(60)])) is None


def test_one_outlier_in_the_middle_is_no_warm_up() -> None:
    assert settled_after(noisy([1.0] * 20 + [9.0] + [1.0] * 39)) in (0, 21)


def test_intervals_without_an_answer_say_nothing() -> None:
    slow, fast, none = Histogram([0.4] * 20), Histogram([0.1] * 20), Histogram()
    assert warmup([none, slow, slow, none, *[fast] * 30]) == Warmup(intervals=4)
    assert warmup([fast] * 30) == Warmup()


def test_too_little_to_tell_is_not_settled() -> None:
    assert warmup([Histogram([0.1])] * 5) == Warmup(is_settled=False)
    assert warmup([]) == Warmup(is_settled=False)


def test_a_warm_up_is_read_back() -> None:
    for one in (Warmup(), Warmup(intervals=4), Warmup(is_settled=False)):
        assert Warmup.from_dict(one.to_dict()) == one
