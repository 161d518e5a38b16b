"""How many of those who stand in line are served at once, told from when requests begin and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import mean

import pytest

from keiko_perf.optimization.knee import at_once
from keiko_perf.optimization.line import Line
from keiko_perf.optimization.simulation import (
    Fixed,
    Shape,
    Work,
    constant,
    contention,
    exponential,
    lognormal,
    simulate,
)
from keiko_perf.optimization.steering import Steering

WORKS = {
    "varies a little": lognormal(0.02, 0.2),
    "varies": exponential(0.02),
    "varies much": lognormal(0.02, 1.0),
}
EVERY = {"always the same": constant(0.02)} | WORKS


@dataclass
class Remembers:
    """A limit that never changes; when each request ended, how long it took, beside how many."""

    limit: int
    ended_: list[tuple[float, float, int]] = field(default_factory=list)

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        self.ended_.append((now_s, duration_s, beside))


def told(shape: Shape, in_flight: int) -> list[Sequence[float]]:
    """What lines are told that saw 24 requests each."""
    remembers = Remembers(in_flight)
    simulate(shape, remembers)
    all_told = []
    for first in range(16, len(remembers.ended_) - 24, 24):
        line = Line()
        for one in remembers.ended_[first : first + 24]:
            line.ended(*one)
        all_told.append(at_once(line.closing()))
    return all_told


def in_line(work: Work, places: int) -> Shape:
    return Shape("in line", work, lambda _: places, duration_s=8)


def shared_by_two(count: int, _now_s: float) -> float:
    return min(1.0, 2 / count)


def is_told(one: Sequence[float], places: int) -> bool:
    return len(one) >= places and one[places - 1] == max(one) > 0


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize(
    ("places", "in_flight"), [(1, 2), (1, 4), (2, 3), (2, 4), (2, 8), (3, 6), (4, 8)]
)
def test_most_windows_tell_how_many_are_served_at_once(
    work: Work, places: int, in_flight: int
) -> None:
    assert mean(is_told(one, places) for one in told(in_line(work, places), in_flight)) > 0.6


@pytest.mark.parametrize("in_flight", [2, 4])
def test_a_single_place_is_told_where_work_is_always_the_same(in_flight: int) -> None:
    assert all(is_told(one, 1) for one in told(in_line(constant(0.02), 1), in_flight))


@pytest.mark.parametrize("work", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("places", "in_flight"), [(2, 2), (4, 4), (20, 4), (20, 12)])
def test_where_nobody_waits_next_to_no_window_tells_anything(
    work: Work, places: int, in_flight: int
) -> None:
    assert mean(bool(one) for one in told(in_line(work, places), in_flight)) < 0.1


@pytest.mark.parametrize(
    "speed",
    [shared_by_two, contention(0.03, 0.02)],
    ids=["two processors shared", "contention"],
)
@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("in_flight", [2, 4, 8])
def test_who_slows_others_down_stands_in_no_line(
    work: Work, speed: Callable[[int, float], float], in_flight: int
) -> None:
    shape = Shape("shared", work, speed=speed, duration_s=8)
    assert mean(bool(one) for one in told(shape, in_flight)) < 0.15


def test_it_is_clear_after_a_window_or_two_and_no_more_once_others_overtake() -> None:
    line, now_s = Line(), 0.0
    assert not line.is_clear
    for _ in range(2):
        for _ in range(16):
            now_s += 0.02
            line.ended(now_s, 0.04, 2)
        at_once(line.closing())
    assert line.is_clear
    remembers = Remembers(4)
    simulate(Shape("shared", WORKS["varies"], speed=shared_by_two, duration_s=4), remembers)
    for first in range(16, 80, 16):
        for ended_s, duration_s, beside in remembers.ended_[first : first + 16]:
            line.ended(now_s + ended_s, duration_s, beside)
        at_once(line.closing())
    assert not line.is_clear


def test_what_was_told_fades_while_nobody_waits() -> None:
    line, now_s = Line(), 0.0
    for _ in range(16):
        now_s += 0.02
        line.ended(now_s, 0.04, 2)
    assert at_once(line.closing())
    windows = 0
    while at_once(line.closing()):
        windows += 1
    assert 20 < windows < 200


def test_nothing_is_told_by_few_requests_or_what_is_forgotten_or_no_time() -> None:
    line = Line()
    for at in range(3):
        line.ended(at * 0.02, 0.04, 2)
    assert not at_once(line.closing())
    for at in range(16):
        line.ended(1 + at * 0.02, 0.04, 2)
    line.forget()
    assert not at_once(line.closing())
    for _ in range(16):
        line.ended(7.0, 0.0, 2)
    assert not at_once(line.closing())


@pytest.mark.parametrize("work", EVERY.values(), ids=EVERY)
def test_a_single_place_is_soon_served_one_at_a_time(work: Work) -> None:
    shape = Shape("one", work, lambda _: 1, duration_s=30)
    limits = [one for seed in (1, 2, 3) for one in simulate(shape, Steering(), seed=seed).limits]
    assert limits.count(1) > 0.8 * len(limits)
    assert sum(one > 2 for one in limits) < 0.1 * len(limits)


@pytest.mark.parametrize("work", WORKS.values(), ids=WORKS)
@pytest.mark.parametrize("places", [2, 3])
def test_a_few_places_are_soon_served_as_many_at_a_time_or_one_more(
    work: Work, places: int
) -> None:
    shape = Shape("few", work, lambda _: places, duration_s=30)
    limits = simulate(shape, Steering()).limits
    assert sum(one in (places, places + 1) for one in limits) > 0.9 * len(limits)
    assert limits.count(places) > 0.5 * len(limits)


@pytest.mark.parametrize("work", EVERY.values(), ids=EVERY)
def test_two_places_lose_next_to_nothing_by_a_look_at_one(work: Work) -> None:
    shape = Shape("two", work, lambda _: 2, duration_s=30)
    ours, fixed = simulate(shape, Steering()), simulate(shape, Fixed(limit=2))
    assert ours.throughput_per_s > 0.97 * fixed.throughput_per_s
