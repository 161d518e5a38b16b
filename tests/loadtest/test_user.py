"""Users carry out scenarios: in virtual time, where the truth is known, and over sockets."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from tests.loadtest.conftest import raw_server

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.fakes import Answer, FakeTransport, in_virtual_time, steady
from keiko_perf.loadtest import (
    AsgiTransport,
    ConstantRate,
    Failure,
    Limits,
    Plan,
    Reply,
    RequestFailed,
    Result,
    Stage,
    Stages,
    Users,
    rows,
    run,
    scenario,
)
from keiko_perf.loadtest.share import Share
from keiko_perf.model import OTHER

ITEMS = json.dumps([{"id": 7}, {"id": 8}]).encode()


def play(
    *scenarios, service=None, share=None, stop_after_s=None, on_tick=None, **changes
) -> Result:
    """Carry out scenarios in virtual time."""
    given = {"base_url": "http://service", "load": ConstantRate(10), "duration_s": 10}
    plan = Plan(scenarios=scenarios, **(given | changes))

    async def go() -> Result:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        if stop_after_s is not None:
            loop.call_later(stop_after_s, stop.set)
        transport = FakeTransport(service or steady(0.01))
        result = await run(
            plan, on_tick, transport=transport, clock=loop.time, share=share, stop=stop
        )
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return in_virtual_time(go())


def counts(result: Result) -> dict[str, tuple[int, int]]:
    """How many requests of each name there were, and how many of them failed."""
    return {step.name: (step.response.count, step.response.errors) for step in result.steps}


@scenario
async def browse(user):
    reply = await user.get("/items")
    await user.get(f"/items/{reply.json()[0]['id']}", name="GET /items/{id}")


def shop(_now_s, request):
    return Answer(0.01, body=ITEMS if request.path == "/items" else b"{}")


# What is due when


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


# Users


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


# Requests


def sent_by(act) -> list:
    """What a user sends who does *act* once."""
    requests: list = []

    def service(_now_s, request):
        requests.append(request)
        return Answer(0.001, body=ITEMS)

    play(scenario(act), service=service, load=Users(1, think_s=60), duration_s=1)
    return requests


def test_requests_are_what_was_asked_for():
    async def act(user):
        await user.get("/a b/ü?x=y", params={"q": ["1", "2 3"]})
        await user.post("/j", json={"n": user.number})
        await user.put("/f", form={"a b": "&"})
        await user.patch("/t", body="ü", headers={"X-Y": "z"})
        await user.delete("/b", body=lambda one: f"{one.number}".encode())
        await user.post("/c", json=lambda one: [one.number])
        await user.options("http://service/absolute#top")

    requests = sent_by(act)
    assert [(one.method, one.path, one.body) for one in requests] == [
        ("GET", "/a%20b/%C3%BC?x=y&q=1&q=2+3", b""),
        ("POST", "/j", b'{"n": 0}'),
        ("PUT", "/f", b"a+b=%26"),
        ("PATCH", "/t", "ü".encode()),
        ("DELETE", "/b", b"0"),
        ("POST", "/c", b"[0]"),
        ("OPTIONS", "/absolute", b""),
    ]
    kinds = [dict(one.headers).get(b"content-type") for one in requests[1:4]]
    assert kinds[0] == b"application/json"
    assert kinds[1] == b"application/x-www-form-urlencoded"
    assert kinds[2] == b"text/plain; charset=utf-8"
    assert dict(requests[3].headers)[b"x-y"] == b"z"


def test_a_header_of_the_user_is_left_out_for_one_request_by_an_empty_value():
    async def act(user):
        user.headers["X-Key"] = "k"
        await user.get("/")
        await user.get("/", headers={"x-key": ""})
        del user.headers["x-key"]
        await user.get("/")

    keys = [dict(one.headers).get(b"x-key") for one in sent_by(act)]
    assert keys == [b"k", None, None]


MISUSED = [
    (lambda user: user.get("items"), "'items' is no path of http://service"),
    (lambda user: user.get("http://other/"), "'http://other/' is no path of http://service"),
    (lambda user: user.request("get", "/"), "'get' is no HTTP method"),
    (lambda user: user.post("/", json=1, body="x"), "a request with two bodies"),
    (lambda user: user.post("/", json={1, 2}), "has no form in JSON"),
    (lambda user: user.post("/", body=3), "a body of the type int"),
    (lambda user: user.get("/", headers={"a b": "c"}), "'a b' is no header's name"),
]


@pytest.mark.parametrize(("ask", "reason"), MISUSED)
def test_a_request_that_makes_no_sense_is_an_error_of_the_scenario(ask, reason):
    @scenario
    async def one(user):
        await ask(user)

    with pytest.raises(UsageError, match="failed in its own code") as failed:
        play(one)
    assert reason in str(failed.value)


def test_replies_can_be_read():
    seen: list[Reply] = []
    kind = (b"content-type", b"text/plain; charset=latin-1")

    @scenario
    async def one(user):
        seen.append(await user.get("/x"))

    service = lambda *_: Answer(0.25, 201, body=b"\xfc", headers=(kind,))  # noqa: E731
    play(one, service=service, load=Users(1, think_s=60), duration_s=1)
    (reply,) = seen
    assert (reply.status, reply.is_ok, reply.text, reply.body) == (201, True, "ü", b"\xfc")
    assert reply.header("Content-Type") == "text/plain; charset=latin-1"
    assert reply.response_s == pytest.approx(0.25)
    assert repr(reply) == "Reply('GET /x', status=201)"


# Failures


def failures(result: Result) -> dict[tuple[str, str, str], int]:
    return {(one.failure.value, one.step, one.detail): one.count for one in result.errors}


def once(act: Callable, *, status=200, body=ITEMS) -> Result:
    service = lambda *_: Answer(0.01, status, body=body)  # noqa: E731
    return play(scenario(act), service=service, load=Users(1, think_s=60), duration_s=1)


CHECKS = [
    ({"status": 201}, "status 200, not 201"),
    ({"status": (201, 204)}, "status 200, not 201 or 204"),
    ({"contains": "nine"}, "the body does not contain 'nine'"),
    ({"json": {"a": 2}}, "a is not 2"),
    ({"json": {"c": 2}}, "c is missing"),
    ({"json": {"b": {"d": [1]}}}, "b.d is not [1]"),
    ({"json": [1]}, "the JSON is not [1]"),
    ({"json": {"t": 1}}, "t is not 1"),
    ({"json": lambda found: False}, "the JSON does not hold <lambda>"),
]


@pytest.mark.parametrize(("expected", "detail"), CHECKS)
def test_a_failing_check_is_a_failure_of_its_request_with_an_example(expected, detail):
    async def act(user):
        reply = await user.get("/x")
        assert user.check(reply, **expected) is False

    result = once(act, body=b'{"a": 1, "b": {"d": []}, "t": true}')
    assert failures(result) == {("check", "GET /x", detail): 1}
    assert counts(result) == {"GET /x": (1, 1)}
    assert result.errors[0].example == "curl -i http://service/x"


HELD = [
    {"status": 200},
    {"status": {200, 404}},
    {"contains": "nine"},
    {"json": {"b": {"c": "nine"}}},
    {"json": lambda found: found["a"] == 1},
]


@pytest.mark.parametrize("expected", HELD)
def test_a_check_that_holds_leaves_a_success(expected):
    async def act(user):
        assert user.check(await user.get("/x"), **expected)

    assert failures(once(act, body=b'{"a": 1, "b": {"c": "nine", "d": 2}}')) == {}


def test_whatever_raises_in_the_block_of_a_check_is_its_failure():
    async def act(user):
        reply = await user.get("/x")
        with reply.check("has items"):
            assert reply.json()["items"]
        with reply.check("another"):
            raise AssertionError
        await user.get("/y")

    result = once(act)
    assert failures(result) == {("check", "GET /x", "has items"): 1}
    assert counts(result) == {"GET /x": (1, 1), "GET /y": (1, 0)}


def test_a_body_that_is_no_json_fails_the_request_and_ends_the_iteration():
    async def act(user):
        (await user.get("/x")).json()
        await user.get("/never")

    result = once(act, body=b"<html>")
    assert failures(result) == {("check", "GET /x", "the answer is no JSON"): 1}
    assert counts(result) == {"GET /x": (1, 1)}


def test_a_status_that_was_expected_is_a_success():
    async def act(user):
        user.check(await user.get("/gone"), status=404)

    result = once(act, status=404)
    assert failures(result) == {}
    assert counts(result) == {"GET /gone": (1, 0)}


def test_a_bad_status_that_nobody_expected_keeps_its_class():
    async def act(user):
        reply = await user.get("/x")
        assert not user.check(reply, status=200, json={"a": 1})
        with reply.check("has items"):
            assert reply.json()["items"]

    assert failures(once(act, status=503, body=b"")) == {("http-5xx", "GET /x", "HTTP 503"): 1}


def test_a_check_that_comes_too_late_says_so():
    async def act(user):
        first = await user.get("/x")
        await user.get("/y")
        user.check(first, contains="something else")

    with pytest.raises(UsageError, match="checked after it was counted"):
        once(act)


def test_a_request_without_an_answer_raises_and_the_scenario_may_go_on():
    caught: list[RequestFailed] = []

    @scenario
    async def one(user):
        try:
            await user.get("/x")
        except RequestFailed as failed:
            caught.append(failed)
        await user.get("/y")

    def service(_now_s, request):
        return Answer(0.01, failure=Failure.RESET if request.path == "/x" else None)

    result = play(one, service=service)
    assert counts(result) == {"GET /x": (100, 100), "GET /y": (100, 0)}
    assert caught[0].failure is Failure.RESET
    assert str(caught[0]) == "GET /x: reset, as the fake service was told"


def test_a_dead_service_is_not_hammered_and_is_no_error_of_the_scenario():
    service = lambda *_: Answer(0.0001, failure=Failure.CONNECT_REFUSED)  # noqa: E731
    result = play(browse, service=service, load=Users(1), duration_s=10)
    assert result.response.count == pytest.approx(100, abs=2)
    assert {failure for failure, _, _ in failures(result)} == {"connect-refused"}


def test_what_a_scenario_raises_is_counted_once_with_its_line_and_the_run_goes_on():
    @scenario
    async def one(user):
        await user.get("/")
        if user.random.random() < 0.5:
            raise KeyError("id")

    result = play(one, load=Users(2, think_s=0.1))
    (group,) = result.errors
    line = one.run.__code__.co_firstlineno + 4
    assert (group.failure, group.step) == (Failure.SCENARIO, "one")
    assert group.detail == f"KeyError at test_user.py:{line}"
    assert group.example == f"KeyError: 'id' (test_user.py:{line})"
    assert group.count > 10
    assert result.response.errors == 0
    assert dict(result.notes[-1].values) == {"count": group.count, "example": group.example}


def test_what_is_raised_after_a_failed_request_is_told_and_not_blamed_on_the_scenario():
    @scenario
    async def one(user):
        reply = await user.get("/")
        raise LookupError(reply.status)

    result = play(one, service=steady(0.01, status=500), load=ConstantRate(100))
    assert result.response.errors == 1000
    assert {failure for failure, _, _ in failures(result)} == {"http-5xx", "scenario"}


def test_a_scenario_that_never_gets_through_ends_the_run():
    asked: list[None] = []

    @scenario
    async def one(user):
        asked.append(None)
        await user.get("/")
        return 1 / 0

    with pytest.raises(UsageError, match=r"every iteration .* ZeroDivisionError.*test_user.py:\d+"):
        play(one, load=ConstantRate(100), duration_s=60)
    assert 100 <= len(asked) <= 105


def test_several_failures_at_once_are_one_failure_of_the_iteration():
    @scenario
    async def one(user):
        async with asyncio.TaskGroup() as group:
            for path in ("/a", "/b"):
                group.create_task(ask(user, path))

    async def ask(user, path):
        await user.get(path)

    result = play(one, service=lambda *_: Answer(0.01, failure=Failure.RESET))
    assert {failure for failure, _, _ in failures(result)} == {"reset"}


def test_a_scenario_that_asks_for_nothing_does_not_hold_up_the_others():
    @scenario
    async def idle(user):
        """Nothing."""

    @scenario
    async def busy(user):
        await user.get("/")

    result = play(idle, busy, load=Users(2), duration_s=5)
    assert result.response.count == pytest.approx(500, abs=2)


def test_a_user_who_gives_up_waiting_is_not_told_and_the_request_is_counted():
    @scenario
    async def hasty(user):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await user.get("/slow")
        await user.get("/fast")

    def service(_now_s, request):
        return Answer(0.2 if request.path == "/slow" else 0.01)

    result = play(hasty, service=service)
    assert counts(result) == {"GET /slow": (100, 0), "GET /fast": (100, 0)}
    assert result.response.succeeded.max_s == pytest.approx(0.2)


# Names


def test_more_names_than_two_hundred_are_folded():
    @scenario
    async def careless(user):
        await user.get(f"/items/{user.random.randrange(10**9)}")

    result = play(careless, load=ConstantRate(100), duration_s=5)
    assert len(result.steps) == 201
    assert result.steps[-1].name == OTHER
    assert result.steps[-1].response.count == 300
    assert sum(step.response.count for step in result.steps) == 500
    assert result.notes[-1].values == {"most": 200, "count": 300, "other": OTHER}


def test_names_leave_the_query_out():
    async def act(user):
        await user.get("/a?b=c")

    assert list(counts(once(act))) == ["GET /a"]


# Before, after, and the end


def test_set_up_and_tear_down_are_done_once_unmeasured():
    done: list[str] = []

    async def up(user):
        done.append("up")
        return {"id": (await user.post("/shop")).json()["id"]}

    async def down(user):
        done.append("down")
        await user.delete(f"/shop/{user.given['id']}")

    async def visit(user):
        await user.get(f"/shop/{user.given['id']}")

    paths = Counter[str]()

    def service(_now_s, request):
        paths[f"{request.method} {request.path}"] += 1
        return Answer(0.01, body=b'{"id": 5}')

    first = scenario(set_up=up, tear_down=down, name="a")(visit)
    second = scenario(set_up=up, tear_down=down, name="b")(visit)
    result = play(first, second, service=service)
    assert done == ["up", "down"]
    assert counts(result) == {"GET /shop/5": (100, 0)}
    assert paths == {"POST /shop": 1, "GET /shop/5": 100, "DELETE /shop/5": 1}


def test_a_set_up_that_fails_ends_the_run_and_what_was_set_up_is_torn_down():
    done: list[str] = []

    async def fine(user):
        done.append("up")

    async def down(user):
        done.append("down")

    async def broken(user):
        return {}["x"]

    async def unanswered(user):
        await user.get("/")

    for act, kind, reason in (
        (broken, UsageError, r"broken of the scenario 'b' failed: KeyError: 'x' \(test_user.py"),
        (unanswered, ServiceUnavailable, "unanswered of the scenario 'b' had no answer: GET /"),
    ):
        done.clear()
        first = scenario(name="a", set_up=fine, tear_down=down)(browse.run)
        second = scenario(name="b", set_up=act)(browse.run)
        with pytest.raises(kind, match=reason):
            play(first, second, service=lambda *_: Answer(0.01, failure=Failure.RESET))
        assert done == ["up", "down"]


def test_a_tear_down_that_fails_is_a_warning_and_the_result_is_there():
    async def down(user):
        raise LookupError

    with pytest.warns(RuntimeWarning, match="down of the scenario 'browse' failed: LookupError"):
        result = play(scenario(tear_down=down)(browse.run), service=shop)
    assert result.response.count == 200


def test_the_end_waits_for_answers_and_cancels_the_rest():
    ended: list[str] = []

    @scenario
    async def long(user):
        try:
            await user.get("/slow")
            ended.append("answered")
            await user.get("/next")
        finally:
            ended.append("end")

    @scenario
    async def thinker(user):
        await user.get("/fast")
        try:
            await user.think(1000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def service(_now_s, request):
        return Answer(3 if request.path == "/slow" else 0.01)

    result = play(long, thinker, service=service, load=Users(2), duration_s=2)
    assert sorted(ended) == ["answered", "cancelled", "end"]
    assert counts(result) == {"GET /slow": (1, 0), "GET /fast": (1, 0)}
    assert result.unfinished == 0
    assert not result.interrupted


def test_a_stopped_run_has_a_result_of_what_was_measured():
    result = play(browse, service=shop, stop_after_s=3, duration_s=60)
    assert result.interrupted
    assert result.response.count == pytest.approx(60, abs=2)


def test_what_has_no_answer_at_the_end_is_unfinished():
    slow = lambda *_: Answer(100, body=ITEMS)  # noqa: E731
    result = play(browse, service=slow, duration_s=2, timeout_s=200, load=ConstantRate(1))
    assert (result.unfinished, result.response.count, result.offered) == (0, 2, 2)
    result = play(browse, service=slow, timeout_s=200, load=ConstantRate(1), stop_after_s=1.5)
    assert (result.unfinished, result.response.count, result.offered) == (2, 0, 2)
    assert result.unfinished_s == pytest.approx(6.5, abs=0.01)


async def test_a_cancelled_run_leaves_no_task(nothing_left):
    ended: list[str] = []

    @scenario
    async def one(user):
        try:
            while True:
                await user.get("/")
        finally:
            ended.append("end")

    async def behave(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.001)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, scenarios=(one,), load=Users(3), duration_s=60)
        task = asyncio.create_task(run(plan))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["end"] * 3


def test_progress_tells_how_it_goes():
    told = []
    play(browse, service=shop, on_tick=told.append, duration_s=5)
    last = told[3]
    assert last.offered == pytest.approx(80, abs=4)
    assert [step.name for step in last.steps] == ["GET /items", "GET /items/{id}"]
    assert last.steps[0].whole.count == pytest.approx(40, abs=2)


# Over real sockets and in process


async def test_over_sockets_with_bodies_in_pieces(nothing_left):
    """Answers that come in pieces, chunked and with new headers, are read as well."""
    answers = [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b'[{"id"', b": 7}]"],
        [b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n[{"id": 7}]'],
        [b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n[{"id": 8}]'],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n[{",
            b'"id": 9}]\r\n0\r\n\r\n',
        ],
        [b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[{"id": 3}]'],
    ]
    sent = 0

    async def behave(reader, writer):
        nonlocal sent
        while True:
            await reader.readuntil(b"\r\n\r\n")
            pieces = answers[sent % len(answers)]
            sent += 1
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
            if b"close" in pieces[0]:
                return

    seen: list[int] = []

    @scenario
    async def one(user):
        seen.append((await user.get("/")).json()[0]["id"])

    async with raw_server(behave) as url:
        plan = Plan(
            base_url=url, scenarios=(one,), load=ConstantRate(50), duration_s=1, connections=1
        )
        result = await run(plan)
    assert seen == [7, 7, 8, 9, 3] * 10
    assert result.response.errors == 0
    assert result.offered == 50


async def test_in_process():
    async def app(scope, receive, send):
        assert scope["type"] == "http"
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"][::-1]})

    bodies: list[bytes] = []

    @scenario
    async def one(user):
        reply = await user.post("/", body=b"abc")
        bodies.append(reply.body)

    plan = Plan(base_url="http://app", scenarios=(one,), load=ConstantRate(100), duration_s=0.2)
    result = await run(plan, transport=AsgiTransport(app, plan))
    assert bodies == [b"cba"] * result.offered
    assert result.offered == 20


def test_large_numbers_of_users_are_within_the_limits_of_a_plan():
    with pytest.raises(UsageError, match="the limit is 5"):
        Plan(
            base_url="http://a",
            duration_s=1,
            scenarios=(browse,),
            load=Users(6),
            limits=Limits(users=5),
        )
