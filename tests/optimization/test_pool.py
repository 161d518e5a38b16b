"""The size of a connection pool, from Little's law."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.optimization import advise_pool


@pytest.mark.parametrize(
    ("checkouts_per_s", "hold_s", "workers", "size"),
    [
        (0, 0.01, 1, 1),  # nobody asks: one is enough
        (100, 0.01, 1, 4),  # one in use on average, up to four 99 times in 100
        (1000, 0.02, 4, 11),  # five in each worker
        (1000, 0.02, 1, 31),  # twenty in one: together they need less than apart
    ],
)
def test_the_size_leaves_room_for_chance(
    checkouts_per_s: float, hold_s: float, workers: int, size: int
) -> None:
    advice = advise_pool(checkouts_per_s=checkouts_per_s, hold_s=hold_s, workers=workers)
    assert (advice.size_per_worker, advice.fits) == (size, True)
    assert advice.busy == pytest.approx(checkouts_per_s * hold_s)


def test_simulated_one_in_a_hundred_finds_the_pool_in_use() -> None:
    random, ends, full = Random(1), list[float](), 0
    size = advise_pool(checkouts_per_s=500, hold_s=0.02).size_per_worker
    now_s = 0.0
    for _ in range(20_000):
        now_s += random.expovariate(500)
        ends = [end for end in ends if end > now_s]
        full += len(ends) >= size
        ends.append(now_s + random.expovariate(1 / 0.02))
    assert full < 0.03 * 20_000


def test_no_more_than_the_server_has() -> None:
    advice = advise_pool(checkouts_per_s=10_000, hold_s=0.5, workers=8, max_connections=100)
    assert (advice.size_per_worker, advice.most_per_worker, advice.fits) == (12, 12, False)
    assert advise_pool(
        checkouts_per_s=1000, hold_s=1, max_connections=5000
    ).size_per_worker == pytest.approx(1074, abs=2)


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        ({"hold_s": -1}, "as measured"),
        ({"workers": 0}, "number of processes"),
        ({"workers": 200}, "PgBouncer"),
    ],
)
def test_numbers_without_sense_are_refused(wrong: dict[str, Any], cure: str) -> None:
    with pytest.raises(UsageError, match=cure):
        advise_pool(**{"checkouts_per_s": 1, "hold_s": 1, **wrong})
