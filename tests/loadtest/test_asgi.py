"""The in-process transport against real applications."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.loadtest import (
    AsgiTransport,
    ConstantRate,
    Failure,
    Plan,
    Result,
    Step,
    Users,
    bearer,
    run,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


async def ask(app, *steps: Step, timeout_s: float = 5) -> Result:
    plan = Plan(
        base_url="http://app/api",
        steps=steps or (Step(),),
        load=ConstantRate(100),
        duration_s=0.1,
        timeout_s=timeout_s,
        headers=bearer("secret"),
    )
    return await run(plan, transport=AsgiTransport(app, plan))


async def test_a_fastapi_app_is_asked_without_a_socket():
    seen = []

    @asynccontextmanager
    async def lifespan(_app):
        seen.append("started")
        yield {"shared": 5}
        seen.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.post("/api/agents/{name}")
    async def create(name: str, q: str, request: Request) -> None:
        shown = request.headers["authorization"], await request.json(), request.state.shared
        seen.append((name, q, *shown))

    result = await ask(app, Step.with_json({"a": 1}, "/agents/x%20y?q=z"))
    assert result.errors == ()
    assert seen == ["started", *[("x y", "z", "Bearer secret", {"a": 1}, 5)] * 10, "ended"]


async def app_with(scope, send, *messages):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    for message in messages:
        await send(message)


START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}
MORE = {**BODY, "more_body": True}


@pytest.mark.parametrize(
    ("messages", "failure", "detail"),
    [
        ((), Failure.PROTOCOL, "the application returned without an answer"),
        ((START, MORE), Failure.PROTOCOL, "the application returned without an answer"),
        ((BODY,), Failure.PROTOCOL, "a body before its status"),
        (({**START, "status": 404}, BODY), Failure.HTTP_4XX, "HTTP 404"),
    ],
)
async def test_what_is_no_good_answer_is_a_failure(messages, failure, detail):
    async def app(scope, receive, send):
        await app_with(scope, send, *messages)

    result = await ask(app)
    assert {(group.failure, group.detail) for group in result.errors} == {(failure, detail)}
    assert result.response.failed.count == 10


async def test_an_application_that_raises_answers_500():
    async def app(scope, receive, send):
        raise ZeroDivisionError

    result = await ask(app)
    assert {group.detail for group in result.errors} == {"HTTP 500"}


async def test_what_runs_after_the_answer_is_not_its_time():
    async def app(scope, receive, send):
        await app_with(scope, send, START, MORE, BODY)
        await asyncio.sleep(30)

    result = await ask(app)
    assert result.errors == ()
    assert result.response.succeeded.count == 10


async def test_an_application_that_hangs_is_given_up():
    async def app(scope, receive, send):
        await app_with(scope, send)
        await asyncio.sleep(30)

    result = await ask(app, timeout_s=0.1)
    assert {group.failure for group in result.errors} == {Failure.TIMEOUT_HEADERS}
    assert result.response.failed.count == 10


async def test_an_application_that_waits_for_a_disconnect_gets_it():
    async def app(scope, receive, send):
        await app_with(scope, send, START, BODY)
        while (await receive())["type"] != "http.disconnect":
            pass

    plan = Plan(base_url="http://app", load=Users(1), duration_s=0.05)
    result = await run(plan, transport=AsgiTransport(app, plan))
    assert result.errors == ()
    assert result.opened == 1


async def test_an_application_that_does_not_start_is_said():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ServiceUnavailable, match="did not start: no database"):
        await ask(app)
