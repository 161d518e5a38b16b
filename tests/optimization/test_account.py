"""Whether what has ended tells how long it takes, also where long work is rare."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from keiko_perf.optimization.account import Account
from keiko_perf.optimization.simulation import (
    Fixed,
    Shape,
    Work,
    exponential,
    lognormal,
    simulate,
    two_kinds,
)
from keiko_perf.optimization.steering import Steering


def shared(count: int, now_s: float) -> float:
    """Six processors; three after ten seconds."""
    return min(1.0, 6 / count) * (1.0 if now_s < 10 else 0.5)


RARE_LONG = Shape(
    "rare long work, capacity halves",
    two_kinds(0.01, 0.19, long_ratio=0.1),
    speed=shared,
    changes=[10],
    duration_s=30,
)


def window(account: Account, *, durations_s: list[float], lasts_s: float, at_s: float) -> None:
    """Ten are in flight for as long; those of so many durations end."""
    for index, duration_s in enumerate(durations_s, start=1):
        now_s = at_s + lasts_s * index / len(durations_s)
        account.ended(now_s, duration_s, in_flight=9)
    account.close_window(is_full=True, begins=False)


def test_an_account_is_open_while_long_work_does_not_end() -> None:
    varied, account = [0.01] * 9 + [0.91], Account()  # ten at once: 0.1 s for ten of them
    for at in range(30):
        window(account, durations_s=varied, lasts_s=0.1, at_s=at * 0.1)
    assert not account.is_open
    for at in range(30, 40):  # only short work ends
        window(account, durations_s=[0.01] * 9, lasts_s=0.1, at_s=at * 0.1)
    assert account.is_open


def test_an_account_of_work_that_is_always_the_same_is_never_open() -> None:
    account = Account()
    for at in range(100):
        window(account, durations_s=[0.05] * 10, lasts_s=0.1, at_s=at * 0.1)
    assert not account.is_open


def test_who_is_not_asked_for_as_much_as_may_be_has_no_account() -> None:
    account = Account()
    for at in range(100):
        account.ended(at * 1.0, 0.01 if at % 10 else 0.5, in_flight=0)
        account.close_window(is_full=False, begins=False)
    assert not account.is_open


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rare_long_work_does_not_make_the_limit_run_away(seed: int) -> None:
    result = simulate(RARE_LONG, Steering(), seed=seed)
    enough = simulate(RARE_LONG, Fixed(limit=12), seed=seed)
    assert result.throughput_per_s > 0.85 * enough.throughput_per_s
    late = sorted(result.limits[len(result.limits) // 2 :])
    assert late[len(late) * 9 // 10] < 60  # it was some hundreds
    assert result.quantile_s(0.99) < 3


@dataclass
class Watching:
    """A controller that has an account kept, and lets so much more in with each window."""

    limit: int
    more: float = 1.0
    account: Account = field(default_factory=Account)
    was_open: bool = False
    _ends: int = 0

    def ended(
        self, now_s: float, duration_s: float, *, beside: int, in_flight: int, succeeded: bool
    ) -> None:
        self.account.ended(now_s, duration_s, in_flight=in_flight)
        self._ends += 1
        if self._ends == max(self.limit, 16):
            self._ends = 0
            self.account.close_window(is_full=True, begins=now_s < 1)
            self.was_open |= self.account.is_open
            self.limit = round(self.limit * self.more)


@pytest.mark.parametrize("work", [exponential(0.05), lognormal(0.05, 0.5)])
def test_neither_chance_nor_a_stall_nor_a_growing_limit_opens_it_for_ordinary_work(
    work: Work,
) -> None:
    stalled = Shape(
        "stalls",
        work,
        lambda _: 20,
        lambda _, now_s: 0.0 if 5 <= now_s < 5.5 else 1.0,
        changes=[5, 5.5],
        duration_s=10,
    )
    for controller in (Watching(25), Watching(10, more=1.06)):
        simulate(stalled, controller)
        assert not controller.was_open


def test_a_limit_that_grows_opens_it_where_long_work_is_rare() -> None:
    controller = Watching(12, more=1.06)
    simulate(RARE_LONG, controller)
    assert controller.was_open


def test_a_pause_in_which_nobody_asks_is_no_time_in_flight() -> None:
    varied, account = [0.01] * 9 + [0.91], Account()
    for at in range(60):
        window(account, durations_s=varied, lasts_s=0.1, at_s=at * 10.0)
        account.ended(at * 10.0 + 0.11, 0.01, in_flight=0)
    assert not account.is_open
