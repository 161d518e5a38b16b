"""Whether one is served after another, told from the order in which requests end."""

from __future__ import annotations

from statistics import mean

import pytest

from keiko_perf.optimization.line import Line
from keiko_perf.optimization.simulation import (
    Fixed,
    Shape,
    Work,
    constant,
    exponential,
    lognormal,
    simulate,
)
from keiko_perf.optimization.steering import Steering

WORKS = {
    "always the same": constant(0.02),
    "varies a little": lognormal(0.02, 0.2),
    "varies": exponential(0.02),
    "varies much": lognormal(0.02, 1.0),
}


def variation(values: list[float]) -> float:
    middle = mean(values)
    return mean((one - middle) ** 2 for one in values) / middle**2


def told(work: Work, places: int, in_flight: int) -> list[float]:
    """What windows of sixteen tell, of which the first is left out: it began with no line."""
    run = simulate(Shape("", work, lambda _: places, duration_s=8), Fixed(limit=in_flight))
    line, all_told = Line(), []
    for first in range(16, len(run.ended_s) - 16, 16):
        window = slice(first, first + 16)
        for now_s, duration_s in zip(run.ended_s[window], run.durations_s[window], strict=True):
            line.ended(now_s, duration_s)
        all_told.append(line.close_window(in_flight * variation(run.durations_s[window])))
    return all_told


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("in_flight", [2, 4])
def test_a_single_place_is_told_by_nearly_each_window(work: Work, in_flight: int) -> None:
    assert mean(one > 1 for one in told(work, 1, in_flight)) > 0.6


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize(("places", "in_flight"), [(2, 2), (2, 4), (3, 4), (8, 8)])
def test_several_places_are_hardly_ever_taken_for_one(
    work: Work, places: int, in_flight: int
) -> None:
    assert mean(one > 0 for one in told(work, places, in_flight)) < 0.15


def test_it_is_clear_after_some_windows_and_no_more_once_one_is_overtaken() -> None:
    line, now_s = Line(), 0.0
    for _ in range(2):
        assert not line.is_clear
        for _ in range(16):
            now_s += 0.02
            line.ended(now_s, 0.04)
        line.close_window(0.0)
    assert line.is_clear
    for at in range(16):
        now_s += 0.02
        line.ended(now_s, 0.04 if at % 2 else 0.1)
    assert line.close_window(0.2) == 0
    assert not line.is_clear


def test_what_was_refuted_is_not_believed_again_for_long() -> None:
    line, now_s, first = Line(), 0.0, None
    line.refute()
    for at in range(300):
        for _ in range(16):
            now_s += 0.02
            line.ended(now_s, 0.04)
        if line.close_window(0.0) and first is None:
            first = at
    assert first is not None
    assert first > 100


def test_nothing_is_told_where_nobody_waits_or_hardly_anything_ended() -> None:
    line = Line()
    for at in range(16):
        line.ended(at * 0.02, 0.04)
    assert line.close_window(None) == 0
    for at in range(3):
        line.ended(at * 0.02, 0.04)
    assert line.close_window(0.0) == 0
    for _ in range(16):
        line.ended(7.0, 0.04)  # all at once: no time passes
    assert line.close_window(0.0) == 0


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_a_single_place_is_soon_served_one_at_a_time(work: Work) -> None:
    shape = Shape("one", work, lambda _: 1, duration_s=30)
    limits = simulate(shape, Steering()).limits
    later = limits[len(limits) // 5 :]
    assert later.count(1) > 0.3 * len(later)
    assert sum(one > 2 for one in limits) < 0.1 * len(limits)


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
def test_two_places_lose_next_to_nothing_by_a_look_at_one(work: Work) -> None:
    shape = Shape("two", work, lambda _: 2, duration_s=30)
    ours, fixed = simulate(shape, Steering()), simulate(shape, Fixed(limit=2))
    assert ours.throughput_per_s > 0.97 * fixed.throughput_per_s
