"""How long requests take by shape, and what it costs to be off: beside the formula."""

from __future__ import annotations

from math import exp, log

import pytest

from keiko_perf.optimization.curves import STEP, Curves

LOWEST, COUNT = -0.3, 74
CURVES = Curves(LOWEST, COUNT)
FORMULAS = ((24.0, 1.0), (5.0, 1.0), (2.5, 1.0), (2.5, 2.0), (12.0, 2.0))


@pytest.mark.parametrize("limit", [1, 2, 7.5, 40, 1000])
def test_each_shape_and_knee_is_told_as_the_formula_says(limit: float) -> None:
    told = CURVES.longer(log(limit))
    assert len(told) == len(FORMULAS) * COUNT
    for index, (p, q) in enumerate(FORMULAS):
        for at in (0, 10, COUNT - 1):
            load = limit / exp(LOWEST + at * STEP)
            exact = log((1 + load**p) ** (q / p))
            assert told[index * COUNT + at] == pytest.approx(exact, abs=0.006)


def lost(log_n: float, index: int) -> float:
    """What it costs where the shape is *index*'s and the knee the fortieth, for sure."""
    weights = [0.0] * (len(FORMULAS) * COUNT)
    weights[index * COUNT + 40] = 1.0
    return CURVES.expected_loss(log_n, weights)


def test_nothing_is_lost_at_the_goal_and_more_the_further_from_it() -> None:
    for index, curve in enumerate(CURVES.shapes):
        losses = [
            lost(LOWEST + 40 * STEP + curve.goal + off, index)
            for off in (-1.0, -0.5, 0.0, 0.5, 1.0)
        ]
        assert losses[2] == pytest.approx(0, abs=0.01)
        assert losses[0] > losses[1] > losses[2] < losses[3] < losses[4]


def test_what_is_not_known_costs_the_mean_of_what_may_be() -> None:
    both = [0.0] * (len(FORMULAS) * COUNT)
    both[40] = both[COUNT + 40] = 0.5
    at = LOWEST + 41 * STEP
    assert CURVES.expected_loss(at, both) == pytest.approx((lost(at, 0) + lost(at, 1)) / 2)


def test_where_more_in_flight_brings_less_it_costs_as_much_as_too_little() -> None:
    for index, curve in enumerate(CURVES.shapes):
        goal = LOWEST + 40 * STEP + curve.goal
        above = lost(goal + 0.3, index)
        assert (above > 0.15) == (index == len(FORMULAS) - 1)  # a cliff
