"""Memory: what grows and does not stop is told from what comes to rest, and from noise."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from random import Random

import pytest

from keiko_perf.doctor.growth import growth_of, rising, slope

MIB = float(1 << 20)


def points(held: Callable[[float], float], *, count: int = 60, noise: float = 0.0, seed: int = 1):
    random = Random(seed)
    return [(float(at), held(float(at)) + random.uniform(-noise, noise)) for at in range(count)]


def test_a_leak_is_told_with_its_pace_and_when_it_ends() -> None:
    grown = growth_of(points(lambda at: (100 + at) * MIB, noise=0.3 * MIB), limit_bytes=759 * MIB)
    assert grown is not None
    assert grown.per_s == pytest.approx(MIB, rel=0.05)
    assert grown.full_in_s == pytest.approx(600, rel=0.05)


def test_the_objects_that_are_kept_are_told_as_well() -> None:
    grown = growth_of(
        points(lambda at: (100 + at) * MIB), blocks=points(lambda at: 1e6 + 9000 * at)
    )
    assert grown is not None
    assert grown.blocks_per_s == pytest.approx(9000)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (lambda _at: 100 * MIB, "it stays"),
        (lambda at: (100 + 40 * (1 - exp(-at / 8))) * MIB, "it has just started"),
        (lambda at: (100 + 0.2 * at) * MIB, "it is a little"),
        (lambda at: (100 + (at % 20)) * MIB, "it gives back"),
        (lambda at: (100 + (30 if at > 40 else 0)) * MIB, "it was one step"),
        (lambda at: (200 - at) * MIB, "it shrinks"),
    ],
)
def test_what_does_not_go_on_growing_is_no_leak(
    held: Callable[[float], float], reason: str, seed: int
) -> None:
    assert growth_of(points(held, noise=0.5 * MIB, seed=seed)) is None, reason


def test_of_few_points_nothing_is_said() -> None:
    assert growth_of(points(lambda at: (100 + at) * MIB, count=12)) is None
    assert growth_of([]) is None


def test_slope_and_rising_of_little_are_known() -> None:
    assert slope([(0.0, 1.0), (2.0, 5.0)]) == 2.0
    assert slope([(0.0, 1.0)]) == 0.0
    assert rising([(0.0, 1.0), (1.0, 1.0)]) == 0.5
    assert rising([]) == 0.0
