"""Schedules: known instants first, then what must hold for any."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.pacer import (
    ConstantRate,
    Poisson,
    Replay,
    Stage,
    Stages,
    Users,
    arrivals,
    weighted_order,
)
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.saved.load import load_from_dict, load_to_dict

rates = st.floats(0.1, 2000)
stages = st.lists(
    st.builds(Stage, st.floats(0, 20), st.floats(0, 200)), min_size=1, max_size=5
).filter(lambda given: sum(one.duration_s for one in given) > 0 and any(s.per_s for s in given))


def test_a_constant_rate_is_due_at_multiples_of_its_distance():
    assert list(arrivals(ConstantRate(4), duration_s=1)) == [0, 0.25, 0.5, 0.75]


def test_a_constant_rate_does_not_drift_in_an_hour():
    *_, last = arrivals(ConstantRate(3), duration_s=3600)
    assert last == 10_799 / 3


def test_a_ramp_from_0_is_due_where_its_integral_is_whole():
    # 2/s² · t²/2 = k  ⇒  t = √k
    assert list(arrivals(Stages((Stage(2, 4),)), duration_s=2)) == pytest.approx(
        [0, 1, 2**0.5, 3**0.5]
    )


def test_a_ramp_down_is_due_where_its_integral_is_whole():
    # 4t - t² = k  ⇒  t = 2 - √(4 - k)
    expected = [2 - (4 - k) ** 0.5 for k in range(4)]
    assert list(arrivals(Stages((Stage(2, 0),), 4), duration_s=2)) == pytest.approx(expected)


def test_a_stage_of_no_length_is_a_jump():
    spike = Stages((Stage(1, 1), Stage(0, 100), Stage(1, 100), Stage(0, 1), Stage(1, 1)), 1)
    instants = list(arrivals(spike, duration_s=3))
    assert Counter(int(due) for due in instants) == {0: 1, 1: 100, 2: 1}


def test_a_warm_up_holds_the_rate_that_the_stages_start_from():
    instants = list(arrivals(Stages((Stage(1, 10),), 10), duration_s=1, warmup_s=2))
    assert len(instants) == 30
    assert instants[-1] == pytest.approx(2.9)


@given(rates, st.floats(0.1, 5))
def test_a_constant_rate_keeps_its_distances_and_its_end(per_s, duration_s):
    instants = list(arrivals(ConstantRate(per_s), duration_s=duration_s))
    assert all(later - due == pytest.approx(1 / per_s) for due, later in pairwise(instants))
    assert instants[0] == 0
    assert instants[-1] < duration_s
    assert abs(len(instants) - per_s * duration_s) <= 1


@given(stages, st.floats(0, 200))
def test_stages_send_their_integral_in_order(given_stages, start_per_s):
    load = Stages(tuple(given_stages), start_per_s)
    instants = list(arrivals(load, duration_s=load.duration_s))
    levels = [start_per_s, *(one.per_s for one in given_stages)]
    expected = sum(
        (before + one.per_s) / 2 * one.duration_s
        for before, one in zip(levels, given_stages, strict=False)
    )
    assert instants == sorted(instants)
    assert all(0 <= due <= load.duration_s for due in instants)
    assert abs(len(instants) - expected) <= 1 + 1e-6


def test_poisson_arrivals_repeat_and_have_the_rate_and_spread_of_their_kind():
    instants = list(arrivals(Poisson(100, seed=7), duration_s=200))
    assert instants == list(arrivals(Poisson(100, seed=7), duration_s=200))
    assert instants != list(arrivals(Poisson(100, seed=8), duration_s=200))
    gaps = [later - due for due, later in pairwise(instants)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    # 20,000 arrivals: both within four standard errors of 1/100 s.
    assert mean == pytest.approx(0.01, rel=0.03)
    assert spread == pytest.approx(0.01, rel=0.04)


def test_a_spike_goes_up_and_comes_back():
    load = Stages.spike(10, 100, before_s=2, spike_s=1, after_s=2)
    instants = list(arrivals(load, duration_s=load.duration_s))
    assert load.duration_s == 5
    assert Counter(int(due) for due in instants) == {0: 10, 1: 10, 2: 100, 3: 10, 4: 10}


def test_a_replay_keeps_the_distances_of_the_recording_whatever_its_clock_and_order():
    load = Replay([1_700_000_002.0, 1_700_000_000.0, 1_700_000_000.5])
    assert list(arrivals(load, duration_s=10)) == [0, 0.5, 2]
    assert list(arrivals(load, duration_s=2)) == [0, 0.5]
    assert load.peak_per_s == 2
    assert load.duration_s == 3  # three requests a second apart on average
    assert Replay([7.0]).duration_s == 1


def test_a_replay_sends_all_of_its_instants_and_its_beginning_is_the_warm_up():
    plan = Plan(base_url="http://127.0.0.1", load=Replay([0, 1, 2, 3]), warmup_s=1)
    assert plan.total_s == 4
    sent = arrivals(plan.load, duration_s=plan.duration_s, warmup_s=plan.warmup_s)
    assert list(sent) == [0, 1, 2, 3]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_replay_is_monotone_complete_and_comes_back_from_a_file(instants):
    load = Replay(instants)
    due = list(arrivals(load, duration_s=load.duration_s))
    assert due == sorted(due)
    assert len(due) == len(instants)
    assert due[-1] == pytest.approx(max(instants) - min(instants), abs=2e-6)
    assert load_from_dict(load_to_dict(load)) == load
    # Subtracted as the load does it: adding 1 would round in another direction.
    naive = max(sum(0 <= other - at < 1.0 for other in due) for at in due)
    assert load.peak_per_s == naive


@given(stages, st.floats(0, 200), st.integers(1, 8))
def test_shares_of_a_schedule_are_the_schedule(given_stages, start_per_s, of):
    load = Stages(tuple(given_stages), start_per_s)
    whole = list(islice(arrivals(load, duration_s=load.duration_s), 500))
    parts = [list(Share(index, of).sequence(whole)) for index in range(of)]
    assert [parts[j % of][j // of] for j in range(len(whole))] == whole
    assert [len(part) for part in parts] == [
        Share(index, of).count(len(whole)) for index in range(of)
    ]


def test_a_schedule_is_made_as_it_is_needed():
    day = arrivals(ConstantRate(1e6), duration_s=86_400)
    assert list(islice(day, 3)) == [0, 1e-6, 2e-6]


def test_users_who_think_start_spread_over_their_first_thought():
    assert list(Users(4, think_s=2).starts()) == [0, 0.5, 1, 1.5]


def test_the_order_of_weighted_steps_is_smooth():
    assert weighted_order((5, 1, 1)) == (0, 0, 1, 0, 2, 0, 0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6))
def test_each_step_comes_up_as_often_as_its_weight(weights):
    order = weighted_order(tuple(weights))
    shares = Counter(order)
    assert all(
        shares[index] * sum(weights) == weight * len(order) for index, weight in enumerate(weights)
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: ConstantRate(0), "above 0"),
        (lambda: ConstantRate(float("nan")), "above 0"),
        (lambda: ConstantRate(float("inf")), "above 0"),
        (lambda: Poisson(-1), "above 0"),
        (lambda: Replay([]), "at least one instant"),
        (lambda: Replay([0, float("nan")]), "no number"),
        (lambda: Replay([0, float("inf")]), "no number"),
        (lambda: Share(0, 0), "of 0 processes"),
        (lambda: Share(2, 2), "process 2 of 2"),
        (lambda: Users(0), "at least one user"),
        (lambda: Users(1, think_s=-1), "from 0 on"),
        (lambda: Stage(-1, 1), "from 0 on"),
        (lambda: Stage(1, float("nan")), "from 0 on"),
        (lambda: Stages(()), "at least one stage"),
        (lambda: Stages((Stage(0, 5),)), "no time"),
        (lambda: Stages((Stage(5, 0),)), "ever asks"),
        (lambda: weighted_order((9999, 10_000)), "repeat only after"),
    ],
)
def test_senseless_load_is_refused(make, reason):
    with pytest.raises(UsageError, match=reason):
        make()
