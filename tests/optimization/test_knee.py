"""What is believed of a knee: a service that jumps, and one that has more or less room."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from keiko_perf.optimization.knee import Aim, Knee

NOISE = 0.03  # of a measurement, a standard deviation
Service = Callable[[float], float]


def queue(places: float, work_s: float) -> Service:
    """So many places, and how long one takes with so many in flight."""
    return lambda count: work_s * max(1.0, count / places)


def ask(knee: Knee, service: Service, random: Random, *, around: float, times: int) -> list[int]:
    """Measure a little below, at and above; what was said to have changed."""
    said = []
    for at in range(times):
        count = around * (0.75, 1.0, 1.25, 1.0)[at % 4]
        duration_s = service(count) * random.lognormvariate(0, NOISE)
        said.append(knee.learn(count, duration_s, NOISE**2))
    return said


def aim_of(knee: Knee) -> Aim:
    return knee.aim(1, 1000, sure=0.6)


def settled(seed: int) -> tuple[Knee, Random]:
    """What is believed of twenty places."""
    knee, random = Knee(40, doubt=2, most=1000), Random(seed)
    ask(knee, queue(20, 0.05), random, around=20, times=40)
    return knee, random


@pytest.mark.parametrize("seed", range(2))
def test_a_knee_is_found(seed: int) -> None:
    knee, _ = settled(seed)
    assert 16 < aim_of(knee).limit < 27
    assert aim_of(knee).doubt < 0.7


@pytest.mark.parametrize("times", [3.0, 1.6, 1 / 3])
@pytest.mark.parametrize("seed", range(2))
def test_all_that_takes_longer_at_once_is_a_jump_and_leaves_the_knee_alone(
    seed: int, times: float
) -> None:
    knee, random = settled(seed)
    before = aim_of(knee).limit
    said = ask(knee, queue(20, 0.05 * times), random, around=20, times=8)
    assert said == [1 if times > 1 else -1, *[0] * 7]
    assert aim_of(knee).limit == pytest.approx(before, rel=0.25)


@pytest.mark.parametrize("seed", range(2))
def test_more_in_flight_that_takes_no_longer_moves_the_knee(seed: int) -> None:
    knee, random = settled(seed)
    before = aim_of(knee).limit
    ask(knee, queue(60, 0.05), random, around=24, times=12)
    assert aim_of(knee).limit > 1.5 * before


@pytest.mark.parametrize("seed", range(2))
def test_what_is_queued_with_less_in_flight_moves_the_knee_down(seed: int) -> None:
    knee, random = settled(seed)
    before = aim_of(knee).limit
    ask(knee, queue(8, 0.05), random, around=16, times=24)
    ask(knee, queue(8, 0.05), random, around=9, times=24)
    assert aim_of(knee).limit < 0.75 * before


@pytest.mark.parametrize("seed", range(2))
def test_the_first_measurement_after_a_pause_tells_of_the_level_and_not_of_the_knee(
    seed: int,
) -> None:
    aims = []
    for has_rested in (False, True):
        knee, _ = settled(seed)
        before = aim_of(knee).limit
        if has_rested:
            knee.rest()
        knee.learn(25, 0.053, NOISE**2)  # it would take 0.062: more room, or a faster machine
        aims.append(aim_of(knee).limit / before)
    assert aims[0] > 1.5
    assert aims[1] == pytest.approx(1, abs=0.1)


def test_what_may_well_be_enough_is_below_what_surely_is() -> None:
    knee, random = Knee(40, doubt=2, most=1000), Random(1)
    ask(knee, queue(20, 0.05), random, around=60, times=12)  # only above the knee: who knows
    aim = aim_of(knee)
    assert aim.low < 0.8 * aim.limit
    assert aim.doubt > 0.15


def test_what_costs_least_is_aimed_at_and_twice_the_wait_costs_more_than_twice_as_much() -> None:
    knee, _ = settled(1)
    aim = aim_of(knee)
    assert aim.loss == pytest.approx(knee.loss(aim.limit))
    assert aim.loss <= min(knee.loss(limit) for limit in range(10, 60)) + 0.005
    little, much = (knee.loss(round(aim.limit * times)) - aim.loss for times in (1.5, 2.25))
    assert 0 < 2 * little < much
    assert knee.loss(aim.limit // 2) > 0.4  # half of it serves half as much
