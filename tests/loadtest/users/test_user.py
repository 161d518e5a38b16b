"""Users: when they are due, who they are, and what each of them keeps, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from tests.loadtest.users.playing import ITEMS, browse, counts, play, shop

from keiko_perf.errors import UsageError
from keiko_perf.fakes import Answer, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Failure,
    Stage,
    Stages,
    Users,
    rows,
    scenario,
)
from keiko_perf.loadtest.processes.share import Share


def test_open_load_starts_an_iteration_at_each_arrival():
    result = play(browse, service=shop)
    assert counts(result) == {"GET /items": (100, 0), "GET /items/{id}": (100, 0)}
    assert result.offered == 200
    assert result.response.succeeded.quantile(0.5) == pytest.approx(0.01, rel=0.01)
    assert result.invalid == ()


def test_the_first_request_was_due_when_the_arrival_was_and_the_others_when_they_are_asked_for():
    # One connection, two requests of 61 ms an iteration, one iteration every 100 ms.
    service = lambda *_: Answer(0.061, body=ITEMS)  # noqa: E731
    load = Stages((Stage(2, 10), Stage(0, 0), Stage(3, 0)), start_per_s=10)
    result = play(browse, service=service, connections=1, load=load, duration_s=5)
    first, second = naive_line([number / 10 for number in range(20)], 0.061)
    for step, response_s in zip(result.steps, (first, second), strict=True):
        assert step.response.succeeded.count == 20
        assert step.response.succeeded.sum_s == pytest.approx(sum(response_s), abs=1e-6)
        assert step.response.succeeded.max_s == pytest.approx(max(response_s))
        assert step.service.succeeded.max_s == pytest.approx(0.061)


def naive_line(arrivals_s: list[float], service_s: float) -> tuple[list[float], list[float]]:
    """Response times of first and second requests where one after the other is served."""
    line = [(due_s, True) for due_s in arrivals_s]
    now_s, first, second = 0.0, [], []
    while line:
        line.sort()
        due_s, is_first = line.pop(0)
        now_s = max(now_s, due_s) + service_s
        (first if is_first else second).append(now_s - due_s)
        if is_first:
            line.append((now_s, False))
    return first, second


def test_a_stall_is_charged_to_each_iteration_that_was_due_in_it():
    def frozen(now_s, _request):
        return Answer(max(0.01, 7 - now_s if 2 <= now_s < 7 else 0))

    @scenario
    async def one(user):
        await user.get("/")

    result = play(one, service=frozen, load=ConstantRate(100), duration_s=60)
    # As of steps: of 6,000 the 500 that were due within the 5 s wait for their end.
    assert result.response.succeeded.quantile(0.95) == pytest.approx(2.0, rel=0.02)


def test_closed_users_repeat_their_scenario_and_think_between():
    @scenario(think=0.99)
    async def one(user):
        await user.get("/")

    result = play(one, load=Users(5), duration_s=10)
    assert counts(result) == {"GET /": (50, 0)}
    assert result.response.succeeded.max_s == pytest.approx(0.01)


def test_users_who_think_do_not_march_in_step():
    seen: list[float] = []

    @scenario(think=1)
    async def one(user):
        seen.append(asyncio.get_running_loop().time())
        await user.get("/")

    play(one, load=Users(4), duration_s=0.9)
    assert seen == pytest.approx([0, 0.25, 0.5, 0.75], abs=0.002)


def test_think_times_differ_and_are_the_same_in_each_run():
    def starts(seed) -> list[float]:
        seen: list[float] = []

        @scenario(think="0.1s..0.5s")
        async def one(user):
            seen.append(asyncio.get_running_loop().time())
            await user.get("/")

        play(one, load=Users(1), duration_s=30, seed=seed)
        return seen

    first = starts(0)
    gaps = [after - before - 0.01 for before, after in pairwise(first)]
    assert 0.1 <= min(gaps) < 0.15
    assert 0.45 < max(gaps) <= 0.501
    assert starts(0) == first
    assert starts(1) != first


def test_pacing_starts_iterations_at_equal_distances_unless_they_take_longer():
    seen: list[float] = []

    @scenario(pacing="1s")
    async def one(user):
        seen.append(round(asyncio.get_running_loop().time(), 2))
        await user.get("/slow" if len(seen) == 3 else "/")

    service = lambda _now_s, request: Answer(1.5 if request.path == "/slow" else 0.01)  # noqa: E731
    play(one, service=service, load=Users(1), duration_s=6)
    assert seen == [0, 1, 2, 3.5, 4.5, 5.5]


def test_users_without_a_think_time_take_that_of_the_load():
    @scenario
    async def one(user):
        await user.get("/")

    result = play(one, load=Users(2, think_s=0.49), duration_s=5)
    assert result.offered == pytest.approx(20, abs=1)


def test_weights_share_out_arrivals_and_users():
    @scenario(weight=3)
    async def often(user):
        await user.get("/often")

    @scenario
    async def seldom(user):
        await user.get("/seldom")

    opened = play(often, seldom, load=ConstantRate(40))
    assert counts(opened) == {"GET /often": (300, 0), "GET /seldom": (100, 0)}
    closed = play(often, seldom, load=Users(8, think_s=0.99), duration_s=10)
    assert counts(closed) == {"GET /often": (60, 0), "GET /seldom": (20, 0)}


def test_a_warm_up_is_not_measured():
    result = play(browse, service=shop, warmup_s=5, duration_s=5)
    assert result.offered == result.response.count == 100


def test_requests_together_wait_together():
    @scenario
    async def both(user):
        first, second = await asyncio.gather(user.get("/a"), user.get("/b"))
        user.check(first, status=200)
        user.check(second, status=404)

    result = play(both, load=Users(1, think_s=0.99), duration_s=10)
    assert result.in_flight.peak == 2
    assert counts(result) == {"GET /a": (10, 0), "GET /b": (10, 10)}


def test_arrivals_over_the_most_iterations_are_dropped_and_the_run_is_invalid():
    @scenario
    async def slow(user):
        await user.get("/")
        await user.think(5)

    result = play(slow, max_in_flight=10, load=ConstantRate(10), duration_s=2)
    assert result.dropped == 10
    assert result.offered == 20
    assert [one.template for one in result.invalid] == [
        "{dropped:count} requests were not sent, because too many were in flight"
    ]


def test_service_times_and_lags_are_those_of_requests_that_waited():
    result = play(browse, service=shop, connections=1, load=ConstantRate(60), duration_s=4)
    first, second = result.steps
    for step in (first, second):
        assert step.service.succeeded.count == step.response.succeeded.count
        assert sum(one.count for one in step.timeline) == step.response.succeeded.count
        assert step.service.succeeded.max_s == pytest.approx(0.01)
    assert first.lag.succeeded.max_s > 0.3
    assert first.lag.succeeded.max_s == pytest.approx(first.response.succeeded.max_s - 0.01)


def test_a_user_logs_in_once_before_the_first_iteration():
    async def login(user):
        await user.post("/login", json={"user": user.number})
        user.headers["Authorization"] = f"Bearer {user.number}"

    seen: set[bytes] = set()

    @scenario(on_start=login, headers={"x-from": "scenario"})
    async def one(user):
        await user.get("/")

    def service(_now_s, request):
        if request.path == "/":
            seen.update(
                v for n, v in request.headers if n in (b"authorization", b"x-from", b"x-all")
            )
        return Answer(0.01)

    result = play(one, service=service, load=Users(3, think_s=0.5), headers={"X-All": "plan"})
    assert counts(result)["POST /login"] == (3, 0)
    assert counts(result)["GET /"][0] > 30
    assert seen == {b"Bearer 0", b"Bearer 1", b"Bearer 2", b"scenario", b"plan"}


def test_a_login_that_failed_is_tried_again():
    async def login(user):
        user.check(await user.post("/login"), status=200)
        await user.get("/me")

    tries = Counter[str]()

    def service(_now_s, request):
        tries[request.path] += 1
        return Answer(0.01, failure=Failure.RESET if tries["/login"] < 3 else None)

    @scenario(on_start=login)
    async def one(user):
        await user.get("/")

    result = play(one, service=service, load=Users(1, think_s=1))
    assert counts(result)["POST /login"] == (3, 2)
    assert counts(result)["GET /me"] == (1, 0)
    assert counts(result)["GET /"][0] > 5


def test_open_load_has_as_many_users_as_are_needed_at_once():
    numbers = Counter[int]()

    @scenario
    async def one(user):
        numbers[user.number] += 1
        await user.get("/")

    play(one, service=steady(0.25), load=ConstantRate(10), duration_s=10)
    assert set(numbers) == {0, 1, 2}
    assert sum(numbers.values()) == 100


def test_cookies_are_kept_for_each_user_and_sent():
    sent: list[str] = []

    def service(_now_s, request):
        sent.append(dict(request.headers).get(b"cookie", b"").decode())
        return Answer(0.001, headers=((b"set-cookie", f"n={len(sent)}; Path=/".encode()),))

    @scenario
    async def one(user):
        await user.get("/")

    play(one, service=service, load=Users(2, think_s=1), duration_s=1.9)
    assert sent == ["", "", "n=1", "n=2"]


def test_rows_are_unique_across_users_and_processes():
    feed = rows([{"n": number} for number in range(100)])
    seen: list[int] = []

    @scenario(rows=feed)
    async def one(user):
        seen.append(user.row["n"])
        await user.get("/")

    for index in range(3):
        play(one, share=Share(index, 3), load=Users(20, think_s=60), duration_s=59)
    assert sorted(seen) == list(range(20))


def test_rows_may_be_of_an_iteration_and_two_scenarios_may_share_them():
    feed = rows([{"n": number} for number in range(1000)], per="iteration")
    seen: list[int] = []

    async def take(user):
        seen.append(user.row["n"])
        await user.get("/")

    first, second = scenario(rows=feed, name="a")(take), scenario(rows=feed, name="b")(take)
    play(first, second)
    assert seen == list(range(100))


def test_a_run_whose_rows_are_used_up_ends_and_says_why():
    @scenario(rows=rows([{"n": number} for number in range(30)], per="iteration"))
    async def one(user):
        await user.get(f"/{user.row['n']}", name="row")

    result = play(one)
    assert result.response.count == 30
    assert result.interrupted
    assert [(one.failure, one.detail) for one in result.errors] == [
        (Failure.GENERATOR, "no row is left in the rows")
    ]
    assert result.invalid


def test_more_closed_users_than_rows_are_refused_at_the_start():
    @scenario(rows=rows([{"n": 1}]))
    async def one(user):
        await user.get("/")

    with pytest.raises(UsageError, match="fewer rows than 'one' has users"):
        play(one, load=Users(2))


def test_chance_is_the_users_own_and_the_same_in_each_run():
    def drawn() -> list[float]:
        seen: list[float] = []

        @scenario
        async def one(user):
            seen.append(user.random.random())
            await user.get("/")

        play(one, load=Users(2, think_s=1), duration_s=2)
        return seen

    assert drawn() == drawn()
    assert len(set(drawn())) == len(drawn()) > 2
