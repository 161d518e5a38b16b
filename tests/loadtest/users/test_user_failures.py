"""What fails while users are at it, and how that is told."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.loadtest.users.playing import browse, counts, failures, once, play, shop

from keiko_perf.errors import UsageError
from keiko_perf.fakes import Answer, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Failure,
    RequestFailed,
    Users,
    scenario,
)

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
    assert group.detail == f"KeyError at test_user_failures.py:{line}"
    assert group.example == f"KeyError: 'id' (test_user_failures.py:{line})"
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

    with pytest.raises(UsageError, match=r"every iteration .* ZeroDivisionError.*_failures.py:\d+"):
        play(one, load=ConstantRate(100), duration_s=60)
    assert 100 <= len(asked) <= 105


def test_a_reply_that_was_not_awaited_says_what_is_missing():
    @scenario
    async def hasty(user):
        await user.get("/")
        reply = user.get("/")
        assert reply.status == 200

    with pytest.raises(UsageError, match="status of a reply that was not awaited: write reply = "):
        play(hasty)


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


def test_a_user_who_gets_no_answer_does_not_hammer_a_dead_service():
    @scenario
    async def stubborn(user):
        with contextlib.suppress(RequestFailed):
            await user.get("/x")

    dead = lambda *_: Answer(0, failure=Failure.CONNECT_REFUSED)  # noqa: E731
    result = play(stubborn, service=dead, load=Users(1), duration_s=1)
    assert 5 <= result.response.count <= 11


def test_a_user_who_awaits_nothing_does_not_keep_all_others_from_their_turn():
    @scenario
    async def hasty(user):
        user.get("/x")

    result = play(hasty, browse, load=Users(2), service=shop, duration_s=1)
    assert result.step("GET /items").response.count > 10
    assert 5 <= result.step("GET /x").response.count <= 60
