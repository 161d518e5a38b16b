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


def test_nothing_is_lost_at_the_goal_and_more_the_further_from_it() -> None:
    for index, curve in enumerate(CURVES.shapes):
        losses = [
            CURVES.loss(LOWEST + 40 * STEP + curve.goal + off)[index * COUNT + 40]
            for off in (-1.0, -0.5, 0.0, 0.5, 1.0)
        ]
        assert losses[2] == pytest.approx(0, abs=0.01)
        assert losses[0] > losses[1] > losses[2] < losses[3] < losses[4]


def test_where_more_in_flight_brings_less_it_costs_as_much_as_too_little() -> None:
    for index, curve in enumerate(CURVES.shapes):
        goal = LOWEST + 40 * STEP + curve.goal
        above = CURVES.loss(goal + 0.3)[index * COUNT + 40]
        assert (above > 0.15) == (index == len(FORMULAS) - 1)  # a cliff
