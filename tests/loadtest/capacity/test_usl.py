"""The law is found again in what obeys it, and in nothing else."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.loadtest.capacity.usl import Law, fitted

COUNTS = (1, 2, 4, 8, 16, 32, 64)


def obeying(law: Law, noise: float = 0.0, seed: int = 1) -> list[tuple[float, float]]:
    random = Random(seed)
    return [(n, law.per_s(n) * random.lognormvariate(0, noise)) for n in COUNTS]


@given(st.floats(1, 1000), st.floats(0, 0.5), st.floats(0, 0.01))
def test_what_obeys_the_law_gives_it_back(alone: float, queueing: float, agreeing: float) -> None:
    law = Law(alone_per_s=alone, queueing=queueing, agreeing=agreeing, fit=1.0)
    found = fitted(obeying(law))
    assert found is not None
    for n in COUNTS:
        assert found.per_s(n) == pytest.approx(law.per_s(n), rel=1e-3)
    assert found.queueing >= 0
    assert found.agreeing >= 0


def test_noise_is_smoothed() -> None:
    law = Law(alone_per_s=100, queueing=0.05, agreeing=0.001, fit=1.0)
    for seed in range(20):
        found = fitted(obeying(law, 0.03, seed))
        assert found is not None
        assert found.most_per_s is not None
        assert law.most_per_s is not None
        assert found.most_per_s == pytest.approx(law.most_per_s, rel=0.15)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1.0, 10.0)] * 5,  # too few
        [(5.0, 10.0 + i) for i in range(8)],  # all in one place
        [(n, x) for n, x in zip(COUNTS, (10, 90, 20, 80, 30, 70, 10), strict=True)],  # no law
        [(n, min(n, 5) * 20.0) for n in (1, 2, 3, 4, 5, 20, 60, 200)],  # a pool that is full
    ],
)
def test_what_obeys_no_law_is_not_fitted(points: list[tuple[float, float]]) -> None:
    assert fitted(points) is None


def test_the_best_is_where_more_would_be_less() -> None:
    law = Law(alone_per_s=100, queueing=0.05, agreeing=0.001, fit=1.0)
    best = law.best_in_service
    assert best is not None
    assert law.per_s(best) >= max(law.per_s(best * 0.9), law.per_s(best * 1.1))
    endless = Law(alone_per_s=100, queueing=0.0, agreeing=0.0, fit=1.0)
    assert (endless.best_in_service, endless.most_per_s) == (None, None)
    assert Law(alone_per_s=100, queueing=0.1, agreeing=0, fit=1).most_per_s == pytest.approx(1000)
