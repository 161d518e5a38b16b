"""Pairs of runs tell what one run of each cannot, and say how many more of them would."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model import Change, Comparison, holm, noise_floor, paired, say

LABEL = say("response time p{percent}", percent="95")


def of(before: list[float], after: list[float], **more: float) -> Comparison:
    return paired(before, after, subject="GET /", label=LABEL, format="duration", **more)


def runs(count: int, factor: float, seed: int, *, spread: float = 0.04) -> Comparison:
    """Pairs whose runs differ by *spread* from one to the next, on a machine that drifts."""
    random = Random(seed)
    drift = [1 + 0.1 * number / count for number in range(count)]
    before = [0.1 * one * random.lognormvariate(0, spread) for one in drift]
    after = [0.1 * factor * one * random.lognormvariate(0, spread) for one in drift]
    return of(before, after)


def as_asked(factor: float, seed: int, *, most: int = 40) -> Comparison:
    """As `load ab` does: pair after pair, until it is decided."""
    for count in range(3, most + 1):
        found = runs(count, factor, seed)
        if found.change is not Change.UNDECIDED:
            return found
    return found


def test_the_same_twice_is_no_regression_in_20_of_20() -> None:
    changes = [as_asked(1.0, seed).change for seed in range(20)]
    assert changes.count(Change.REGRESSED) == 0
    assert changes.count(Change.EQUAL) >= 18


def test_ten_per_cent_are_found_with_the_pairs_that_it_asks_for() -> None:
    changes = [as_asked(1.1, seed).change for seed in range(20)]
    assert changes.count(Change.REGRESSED) >= 18
    assert Change.IMPROVED not in changes


def test_too_few_pairs_say_how_many_are_needed() -> None:
    found = of([0.1, 0.1], [0.2, 0.2])
    assert found.change is Change.UNDECIDED
    assert found.reason.values["needed"] == 3


def test_what_is_undecided_says_how_many_more_pairs_would_tell() -> None:
    found = of([0.100, 0.103, 0.098, 0.100], [0.109, 0.102, 0.112, 0.108])
    assert found.change is Change.UNDECIDED
    assert 1 <= found.reason.values["more"] <= 60  # type: ignore[operator]


def test_a_count_that_never_differs_is_equal_and_one_that_always_does_is_not() -> None:
    assert of([3.0] * 3, [3.0] * 3).change is Change.EQUAL
    assert of([3.0] * 3, [4.0] * 3).change is Change.REGRESSED
    assert of([4.0] * 3, [3.0] * 3).change is Change.IMPROVED


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([0.0] * 3, [0.0] * 3, Change.EQUAL),
        ([0.0] * 3, [2.0] * 3, Change.REGRESSED),
        ([2.0] * 3, [0.0] * 3, Change.IMPROVED),
        ([0.0, 1.0, 0.0], [1.0, 0.0, 1.0], Change.UNDECIDED),
    ],
)
def test_nothing_at_all_has_no_ratio_but_can_be_compared(
    before: list[float], after: list[float], change: Change
) -> None:
    assert of(before, after).change is change


@pytest.mark.parametrize(
    ("before", "after", "effect"), [([1.0] * 3, [1.0] * 4, 0.05), ([1.0] * 3, [1.0] * 3, 0.0)]
)
def test_what_is_no_pair_is_refused(before: list[float], after: list[float], effect: float) -> None:
    with pytest.raises(ValueError, match="pairs need two figures"):
        of(before, after, min_effect=effect)


@given(st.lists(st.tuples(st.floats(0.001, 10), st.floats(0.001, 10)), min_size=3, max_size=20))
def test_what_is_worse_one_way_round_is_better_the_other(
    pairs: list[tuple[float, float]],
) -> None:
    before, after = [one for one, _ in pairs], [two for _, two in pairs]
    there, back = of(before, after), of(after, before)
    mirrored = {Change.REGRESSED: Change.IMPROVED, Change.IMPROVED: Change.REGRESSED}
    assert back.change is mirrored.get(there.change, there.change)
    assert there.ratio is not None
    assert back.ratio == pytest.approx(1 / there.ratio, rel=1e-6)


def test_of_many_comparisons_that_chance_alone_decided_few_are_left() -> None:
    """30 endpoints that did not change, by a least effect so small that chance often exceeds it."""
    random = Random(5)
    found = []
    for _ in range(300):
        before = [random.lognormvariate(0, 0.05) for _ in range(6)]
        after = [random.lognormvariate(0, 0.05) for _ in range(6)]
        found.append(of(before, after, min_effect=0.001))
    alone = sum(one.change in (Change.REGRESSED, Change.IMPROVED) for one in found)
    assert alone > 5
    groups = [holm(found[at : at + 30]) for at in range(0, 300, 30)]
    wrong = [
        any(one.change in (Change.REGRESSED, Change.IMPROVED) for one in group) for group in groups
    ]
    assert sum(wrong) <= 2


def test_holm_keeps_what_is_sure_and_says_why_it_drops_the_rest() -> None:
    sure = of([0.100, 0.101, 0.099, 0.1], [0.2, 0.201, 0.199, 0.2])
    near = runs(8, 1.14, 3)
    assert near.change is Change.REGRESSED
    kept, dropped, *_ = holm([sure, near, *[of([1.0] * 3, [1.0] * 3)] * 60])
    assert kept is sure
    assert dropped.change is Change.UNDECIDED
    assert dropped.reason.values["count"] == 62
    assert holm([near]) == (near,)


def test_the_noise_floor_is_what_two_runs_of_one_thing_differ_by() -> None:
    random = Random(2)
    floors = [noise_floor([random.lognormvariate(0, 0.03) for _ in range(30)]) for _ in range(10)]
    for floor in floors:
        assert floor is not None
        assert 0.05 < floor < 0.14  # 2.05 × √2 × 3 % is 8.7 %
    assert noise_floor([1.0, 1.0]) is None
    assert noise_floor([0.0] * 5) is None
