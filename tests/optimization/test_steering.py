"""The limit that finds itself, on simulated services: the same run each time, on any machine."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from statistics import mean

import pytest

from keiko_perf.optimization.simulation import (
    Fixed,
    Shape,
    constant,
    contention,
    exponential,
    lognormal,
    settled,
    simulate,
)
from keiko_perf.optimization.steering import Steering

TEN = Shape("ten", lognormal(0.05, 0.2), lambda _: 10, duration_s=20)


def limits_after(limits: Sequence[int]) -> Sequence[int]:
    return limits[len(limits) // 2 :]


def test_a_simulated_service_does_what_queueing_theory_says() -> None:
    shape = Shape("ten", constant(0.1), lambda _: 10, duration_s=20)
    below, above = (simulate(shape, Fixed(limit=limit)) for limit in (5, 20))
    assert below.throughput_per_s == pytest.approx(50, rel=0.02)
    assert below.quantile_s(0.99) == pytest.approx(0.1)
    assert above.throughput_per_s == pytest.approx(100, rel=0.02)
    assert above.quantile_s(0.99) == pytest.approx(0.2)
    assert (above.failed, settled(above, after_s=5, of_per_s=100)) == (0, 0)


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [simulate(TEN, Steering(), seed=3).limits for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != simulate(TEN, Steering(), seed=4).limits


@pytest.mark.parametrize(
    ("shape", "best"),
    [
        (TEN, 10),
        (Shape("two", lognormal(0.05, 0.2), lambda _: 2, duration_s=40), 2),
        (Shape("shared", exponential(0.02), speed=lambda n, _: min(1, 8 / n), duration_s=20), 8),
        (Shape("far", exponential(0.02), lambda _: 10, delay_s=0.05, duration_s=20), 45),
        (Shape("steep", exponential(0.03), speed=contention(0.03, 0.005), duration_s=20), 13),
    ],
    ids=lambda one: one.name if isinstance(one, Shape) else "",
)
def test_it_finds_nearly_all_the_throughput_at_nearly_the_least_latency(
    shape: Shape, best: int
) -> None:
    steering = Steering()
    found, fixed = simulate(shape, steering), simulate(shape, Fixed(limit=best))
    assert found.throughput_per_s > 0.88 * fixed.throughput_per_s
    assert found.quantile_s(0.95) < 1.7 * fixed.quantile_s(0.95)
    typical = sorted(limits_after(found.limits))[len(found.limits) // 4]
    assert best * 0.6 <= typical <= best * 1.6 + 1
    assert steering.windows > 20


@pytest.mark.parametrize("seed", [1, 3])
def test_two_places_are_found_by_one_early_look_down(seed: int) -> None:
    two = Shape("two", lognormal(0.05, 0.2), lambda _: 2, duration_s=40)
    limits = simulate(two, Steering(), seed=seed).limits
    assert sum(one > 2 for one in limits) < 0.17 * len(limits)  # most of it the beginning
    assert sum(one < 2 for one in limits) < 0.03 * len(limits)


def two_processors(count: int, _now_s: float) -> float:
    """As a PostgreSQL shares them: what the fifth at once brings is still a part of a processor."""
    return 2 / count * (1 + (2 / count) ** 2.9) ** (-1 / 2.9)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_a_few_share_without_a_line_nearly_all_the_throughput_is_got(seed: int) -> None:
    shared = Shape("shared", exponential(0.005), speed=two_processors, duration_s=20)
    found, most = (simulate(shared, one, seed=seed) for one in (Steering(), Fixed(limit=8)))
    assert found.throughput_per_s > 0.955 * most.throughput_per_s
    assert found.quantile_s(0.99) < 0.8 * most.quantile_s(0.99)
    limits = limits_after(found.limits)
    assert mean(one in (5, 6) for one in limits) > 0.5


@pytest.mark.parametrize("places", [3, 4])
def test_where_a_few_stand_in_line_none_is_let_in_for_nothing(places: int) -> None:
    line = Shape("line", exponential(0.005), lambda _: places, duration_s=20)
    limits = limits_after(simulate(line, Steering()).limits)
    assert mean(one > places + 1 for one in limits) < 0.1


@pytest.mark.parametrize("seed", [1, 3])
def test_more_capacity_is_found_within_two_seconds(seed: int) -> None:
    shape = Shape(
        "rises",
        lognormal(0.05, 0.2),
        lambda now_s: 10 if now_s < 15 else 60,
        changes=[15],
        duration_s=25,
    )
    steering = Steering()
    result = simulate(shape, steering, seed=seed)
    after_s = settled(result, after_s=15, of_per_s=60 / 0.05)
    assert after_s is not None
    assert after_s < 2
    assert steering.changes >= 1


@pytest.mark.parametrize("seed", [1, 3])
def test_a_quick_service_is_known_sooner(seed: int) -> None:
    quick = Shape("quick", lognormal(0.002, 0.2), lambda _: 20, duration_s=0.25)
    found, fixed = (simulate(quick, one, seed=seed) for one in (Steering(), Fixed(limit=40)))
    assert found.throughput_per_s > 0.6 * fixed.throughput_per_s


def test_less_capacity_lets_no_queue_stand() -> None:
    shape = Shape(
        "falls",
        lognormal(0.05, 0.2),
        lambda now_s: 20 if now_s < 15 else 6,
        changes=[15],
        duration_s=30,
    )
    result = simulate(shape, Steering())
    late = [
        duration_s
        for at_s, duration_s in zip(result.ended_s, result.durations_s, strict=True)
        if at_s > 20
    ]
    assert sum(late) / len(late) < 2 * 0.05  # 20 in flight would take 0.167 s


def test_a_server_that_rejects_is_asked_for_no_more_than_it_takes() -> None:
    shape = Shape("rejects", lognormal(0.05, 0.2), lambda _: 30, rejects_above=30, duration_s=20)
    result = simulate(shape, Steering())
    assert result.throughput_per_s > 0.9 * 30 / 0.05
    assert max(limits_after(result.limits)) < 60


def test_a_stall_does_not_change_the_limit_for_long() -> None:
    shape = Shape(
        "stalls",
        lognormal(0.05, 0.2),
        lambda _: 20,
        lambda _, now_s: 0.0 if 10 <= now_s < 10.5 else 1.0,
        changes=[10, 10.5],
        duration_s=20,
    )
    result = simulate(shape, Steering())
    assert result.rate_per_s(12, 20) > 0.93 * 20 / 0.05
    assert max(limits_after(result.limits)) < 45


@pytest.mark.parametrize("seed", [1, 2])
def test_a_machine_that_is_faster_or_slower_after_each_pause_does_not_make_the_limit_wander(
    seed: int,
) -> None:
    speeds = [1.0, 1.0, *[1.0, 0.6, 1.0, 0.6, 0.6, 1.0] * 2, 1.0]
    shape = Shape(
        "a second in five",
        lognormal(0.002, 0.3),
        speed=lambda count, now_s: min(1.0, 4 / count) * speeds[int(now_s // 5)],
        changes=[edge for at in range(len(speeds)) for edge in (5.0 * at + 1, 5.0 * at + 5)],
        asked=lambda now_s: 100 if now_s % 5 < 1 else 0,
        duration_s=5.0 * len(speeds) - 1,
    )
    run = simulate(shape, Steering(), seed=seed)
    later = [one for one, at_s in zip(run.limits, run.ended_s, strict=True) if at_s > 5]
    assert sum(one > 6 for one in later) < 0.06 * len(later)
    assert 4 <= mean(later) < 5


@pytest.mark.parametrize(("least", "most"), [(1, 1), (5, 8), (30, 40)])
def test_it_keeps_to_its_bounds(least: int, most: int) -> None:
    limits = simulate(TEN, Steering(least=least, most=most)).limits
    assert least <= min(limits)
    assert max(limits) <= most


def test_who_asks_for_little_does_not_make_the_limit_grow() -> None:
    steering = Steering(first=10)
    for step in range(20_000):
        steering.ended(step * 0.01, 0.05, beside=5, in_flight=4, succeeded=True)
    assert steering.limit <= 20


def test_failures_alone_lower_it_and_no_time_at_all_changes_nothing() -> None:
    steering = Steering(first=100)
    for step in range(2000):
        steering.ended(step * 0.01, 0.05, beside=100, in_flight=99, succeeded=step < 100)
    assert steering.limit < 100
    idle = Steering(first=10)
    for _ in range(1000):
        idle.ended(0.0, 0.0, beside=10, in_flight=9, succeeded=True)
    assert idle.limit == 10


def test_a_limit_is_kept_while_nobody_asks_for_as_much() -> None:
    steering = Steering()
    simulate(TEN, steering)
    found = steering.limit
    for step in range(2000):
        steering.ended(20 + step * 0.05, 0.05, beside=1, in_flight=0, succeeded=True)
    assert steering.limit >= 0.6 * found


def test_where_few_are_served_at_once_it_looks_up_and_down_now_and_then_alone() -> None:
    shape = Shape("two", lognormal(0.02, 0.2), lambda _: 2, duration_s=30)
    late: list[int] = []
    for seed in (1, 2, 3):
        late += limits_after(simulate(shape, Steering(), seed=seed).limits)
    assert late.count(2) > 0.75 * len(late)  # the others are half as many, or half as many again
    assert late.count(1) < 0.03 * len(late)
    assert late.count(3) > 0
    assert max(late) <= 4


def lag_of(work_s: float) -> list[int]:
    """How many requests ended between the end of a window and the limit that it led to."""
    steering, lags, since = Steering(), [], None
    random = Random(1)
    for at in range(12_000):
        windows, limit = steering.windows, steering.limit
        duration_s = work_s * max(limit / 10, 1) * random.lognormvariate(0, 0.1)
        now_s = at * work_s / 10
        steering.ended(now_s, duration_s, beside=limit, in_flight=limit - 1, succeeded=True)
        if steering.windows != windows:
            since = at
        if since is not None and steering.limit != limit:
            lags.append(at - since)
            since = None
    return lags


def test_no_request_waits_for_a_whole_thought_where_thousands_end_in_a_second() -> None:
    fast, slow = lag_of(0.002), lag_of(0.2)
    assert min(fast[10:]) > 10  # each of them bears a piece of it
    assert max(fast) < 50  # of 500 in a window
    assert set(slow) <= {0, 1}  # where one takes long, a thought is nothing


class Recorded:
    """Steering, and which limit was set after each window, once the next one is over."""

    def __init__(self) -> None:
        self.steering = Steering()
        self.limits: list[tuple[int, int]] = []

    @property
    def limit(self) -> int:
        return self.steering.limit

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        before, limit = self.steering.windows, self.limit
        self.steering.ended(
            now_s, duration_s, beside=beside, in_flight=in_flight, succeeded=succeeded
        )
        if self.steering.windows != before:
            self.limits.append((before, limit))


def test_now_and_then_it_looks_further_down_than_else() -> None:
    shape = Shape("twenty", exponential(0.05), lambda _: 20, duration_s=20)
    ratios = []
    for seed in range(1, 7):
        recorded = Recorded()
        simulate(shape, recorded, seed=seed)
        later = [(at % 16, limit) for at, limit in recorded.limits if at > 48]
        looks = mean(limit for at, limit in later if at == 2)
        ratios.append(looks / mean(limit for at, limit in later if at in (6, 10, 14)))
    assert mean(ratios) < 0.98  # without, they would all be alike
