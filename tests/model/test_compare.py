"""A comparison has four answers, and says how sure it is."""

from __future__ import annotations

from math import log, sqrt
from random import Random

import pytest

from keiko_perf.model import Change, Comparison, Histogram, compare, holm


def seconds(
    count: int, median_s: float, *, seed: int, rate: int = 100, sigma: float = 0.3
) -> list[Histogram]:
    random = Random(seed)
    return [
        Histogram(random.lognormvariate(log(median_s), sigma) for _ in range(rate))
        for _ in range(count)
    ]


def compared(before: list[Histogram], after: list[Histogram], q: float = 0.95) -> Comparison:
    return compare(before, after, subject="GET /", q=q)


def test_a_tenfold_gain_is_an_improvement_with_the_ratio_inside_its_interval() -> None:
    comparison = compared(seconds(30, 0.1, seed=1), seconds(30, 0.01, seed=2))
    assert comparison.change is Change.IMPROVED
    assert comparison.low is not None
    assert comparison.high is not None
    assert comparison.low < 0.1 < comparison.high
    assert comparison.ratio == pytest.approx(0.1, rel=0.1)


def test_thirty_percent_slower_is_a_regression() -> None:
    comparison = compared(seconds(60, 0.1, seed=1), seconds(60, 0.13, seed=2))
    assert comparison.change is Change.REGRESSED


def test_the_same_load_twice_is_never_a_regression() -> None:
    changes = {
        compared(seconds(40, 0.1, seed=seed), seconds(40, 0.1, seed=seed + 1000)).change
        for seed in range(40)
    }
    assert Change.REGRESSED not in changes
    assert Change.IMPROVED not in changes


def test_much_of_the_same_is_equal() -> None:
    before, after = (seconds(200, 0.1, seed=seed, rate=400, sigma=0.1) for seed in (1, 2))
    assert compared(before, after).change is Change.EQUAL


def test_neighbours_that_resemble_each_other_widen_the_interval() -> None:
    random = Random(3)
    levels = [random.choice((0.05, 0.2)) for _ in range(12)]
    waves = [
        Histogram(random.lognormvariate(log(level), 0.1) for _ in range(100))
        for level in levels
        for _ in range(5)
    ]
    together = compare(waves, waves[::-1], subject="GET /", q=0.5)
    mixed = random.sample(waves, len(waves))
    alone = compare(mixed, mixed[::-1], subject="GET /", q=0.5)
    assert alone.high is not None
    assert alone.low is not None
    assert together.high is not None
    assert together.low is not None
    assert together.high / together.low > (alone.high / alone.low) ** 2


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ([], [], "needed to tell"),
        (seconds(30, 0.1, seed=1), [], "needed to tell"),
        (seconds(30, 0.1, seed=1, rate=1), seconds(30, 0.1, seed=2), "only {seen:count} seen"),
        (seconds(5, 0.1, seed=1), seconds(5, 0.01, seed=2), "too short"),
        ([Histogram([0.0] * 9)] * 30, seconds(30, 0.1, seed=2), "no ratio"),
    ],
    ids=["nothing", "nothing after", "too few requests", "too short", "no time at all"],
)
def test_too_little_is_undecided_and_says_what_is_missing(
    before: list[Histogram], after: list[Histogram], reason: str
) -> None:
    comparison = compared(before, after)
    assert comparison.change is Change.UNDECIDED
    assert reason in comparison.reason.template
    assert comparison.low is None


@pytest.mark.parametrize("count", [15, 20, 29])
@pytest.mark.parametrize(("factor", "change"), [(18, Change.REGRESSED), (1 / 18, Change.IMPROVED)])
def test_what_is_obvious_is_decided_in_a_short_run(
    count: int, factor: float, change: Change
) -> None:
    found = compared(seconds(count, 0.1, seed=1), seconds(count, 0.1 * factor, seed=2))
    assert found.change is change
    assert found.low is not None
    assert found.high is not None
    assert found.ratio is not None
    assert found.low < found.ratio < found.high
    assert found.chance is not None
    assert found.chance < 0.001


def swaying(random: Random, *, seconds: int, sway: float, likeness: float) -> list[Histogram]:
    """Each second resembles the one before it, as where caches fill or a neighbour works."""
    level, found = random.gauss(0, sway), []
    for _ in range(seconds):
        level = likeness * level + random.gauss(0, sway * sqrt(1 - likeness**2))
        found.append(Histogram(random.lognormvariate(log(0.1) + level, 0.3) for _ in range(20)))
    return found


def test_two_runs_that_sway_differ_no_more_often_than_their_interval_allows() -> None:
    random = Random(7)

    def run() -> list[Histogram]:
        return swaying(random, seconds=40, sway=0.3, likeness=0.8)

    differ = [
        compared(run(), run()).change in (Change.REGRESSED, Change.IMPROVED) for _ in range(60)
    ]
    assert sum(differ) <= 6  # 3 are 5 %; by the 5 s stretches alone it was every fifth


def test_a_short_run_that_sways_is_not_told_from_another_one() -> None:
    random = Random(5)

    def run() -> list[Histogram]:
        return swaying(random, seconds=20, sway=0.2, likeness=0.95)

    found = [compared(run(), run()) for _ in range(100)]
    assert {one.change for one in found} == {Change.UNDECIDED}
    assert "only what is {factor:factor} as much" in found[0].reason.template


def test_twenty_short_steps_that_all_got_slower_are_decided_together() -> None:
    found = holm(
        [compared(seconds(20, 0.1, seed=n), seconds(20, 1.8, seed=n + 50)) for n in range(20)]
    )
    assert {one.change for one in found} == {Change.REGRESSED}


def test_undecided_says_how_much_more_would_tell() -> None:
    comparison = compared(seconds(30, 0.1, seed=1, rate=30), seconds(30, 0.104, seed=2, rate=30))
    assert comparison.change is Change.UNDECIDED
    more = comparison.reason.values["more"]
    assert isinstance(more, int)
    assert more > 0


def test_the_same_input_gives_the_same_answer() -> None:
    before, after = seconds(30, 0.1, seed=1), seconds(30, 0.12, seed=2)
    assert compared(before, after) == compared(before, after)


@pytest.mark.parametrize("arguments", [{"min_effect": 0.0}, {"q": 1.0}, {"stretch": 0}])
def test_senseless_arguments_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="needs"):
        compare([], [], subject="GET /", **arguments)  # type: ignore[arg-type]


def test_seconds_without_a_request_are_no_hindrance() -> None:
    bursts = [Histogram([0.1] * 100), *(Histogram() for _ in range(29))]
    comparison = compared(bursts, bursts)
    assert comparison.ratio == 1.0
    assert comparison.low == comparison.high == pytest.approx(1.0)
