"""What users ask for, and what they read of the answer."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest
from tests.loadtest.conftest import raw_server
from tests.loadtest.users.playing import ITEMS, browse, counts, failures, once, play

from keiko_perf.errors import UsageError
from keiko_perf.fakes import Answer
from keiko_perf.loadtest import (
    AsgiTransport,
    ConstantRate,
    Limits,
    Plan,
    Reply,
    Users,
    run,
    scenario,
)
from keiko_perf.loadtest.request import LARGE_BODY_BYTES, compose, with_body
from keiko_perf.model import OTHER


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


def test_a_body_like_the_last_one_is_not_written_anew_and_another_one_is_right():
    async def act(user):
        for number in (7, 7, 10, 10**9):
            await user.post("/j", json={"n": number})
        await user.post("/j", form={"n": 7})
        await user.put("/j", json={"n": 7})
        await user.post("/j", json={"n": 7}, name="other")
        user.headers["X-Y"] = "z"
        await user.post("/j", json={"n": 7})
        await user.post("/j", json={"n": 7}, headers={"X-Y": ""})
        await user.post("/j")
        await user.post("/j", body=b"")

    first, second, *others = sent_by(act)
    assert second is first
    for one in (first, *others):
        head, _, body = one.wire.partition(b"\r\n\r\n")
        assert body == one.body
        assert f"content-length: {len(body)}".encode() in head.split(b"\r\n")
        assert head.startswith(f"{one.method} /j HTTP/1.1\r\n".encode())
    assert [one.body for one in others[:4]] == [
        b'{"n": 10}',
        b'{"n": 1000000000}',
        b"n=7",
        b'{"n": 7}',
    ]
    assert [b"x-y" in dict(one.headers) for one in others[4:]] == [False, True, False, True, True]


@pytest.mark.parametrize("size", [0, 1, 9, 10, 999, 1000, LARGE_BODY_BYTES, LARGE_BODY_BYTES + 1])
@pytest.mark.parametrize("before", [0, 5, 12, LARGE_BODY_BYTES + 1])
def test_a_request_with_another_body_is_as_if_it_was_composed_with_it(size, before):
    target = Plan(base_url="http://127.0.0.1:8000/api", duration_s=1).target
    options = {"method": "POST", "headers": {"x-y": "content-length: 5"}, "step": 3}
    bodies = b"\r\ncontent-length: 5\r\n" + b"x" * LARGE_BODY_BYTES
    made = with_body(compose(target, "/", body=bodies[:before], **options), bodies[:size])
    anew = compose(target, "/", body=bodies[:size], **options)
    for field in fields(anew):
        assert getattr(made, field.name) == getattr(anew, field.name), field.name


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


JSON_BODIES = [
    (b' [1, {"a": null}]\r\n', [1, {"a": None}]),
    (b"\xef\xbb\xbf{}", {}),
    ('"ü"'.encode("utf-16"), "ü"),
    (b"3", 3),
]


@pytest.mark.parametrize(("body", "value"), JSON_BODIES)
def test_json_is_read_in_each_encoding_that_json_has(body, value):
    seen: list[object] = []

    async def act(user):
        seen.append((await user.get("/")).json())

    assert failures(once(act, body=body)) == {}
    assert seen == [value]


NO_JSON = [b"", b"{", b"{} {}", b"\xff", b"[1]]", b"nul"]


@pytest.mark.parametrize("body", NO_JSON)
def test_what_is_no_json_is_a_failure(body):
    async def act(user):
        (await user.get("/")).json()

    assert failures(once(act, body=body)) == {("check", "GET /", "the answer is no JSON"): 1}


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
