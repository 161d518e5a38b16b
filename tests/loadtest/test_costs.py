"""What a request takes is counted in this process, exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI, Request
from sqlalchemy import Engine, create_engine, text

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest.costs import RequestCosts

Ask = Callable[..., Awaitable[RequestCosts]]


@pytest.fixture
def engine() -> Engine:
    return create_engine("sqlite://")


@pytest.fixture
def app(engine: Engine) -> FastAPI:
    service = FastAPI()
    calls = iter(range(1000))

    @service.get("/agents")
    async def agents() -> list[int]:
        with engine.connect() as connection:
            ids = [0, 1, 2]
            connection.execute(text("SELECT 1"))
            for one in ids:
                connection.execute(text("SELECT :id"), {"id": one})
        return ids

    @service.post("/echo")
    async def echo(request: Request) -> dict[str, object]:
        return {"body": (await request.body()).decode(), "q": request.query_params.get("q", "")}

    @service.get("/changing")
    async def changing() -> None:
        with engine.connect() as connection:
            for _ in range(next(calls)):
                connection.execute(text("SELECT 1"))

    @service.get("/broken")
    async def broken() -> None:
        raise RuntimeError("out of order")

    return service


async def test_statements_bytes_and_repeats_are_counted(
    request_costs: Ask, app: FastAPI, engine: Engine
) -> None:
    costs = await request_costs(app, "/agents", engine=engine)
    assert (costs.status, costs.statements, costs.sent_bytes) == (200, 4, len("[0,1,2]"))
    (repeated,) = costs.repeated.items()
    assert repeated == ("SELECT ?", 3)
    assert costs.cpu_s > 0
    assert costs.requests == 5


async def test_two_measurements_count_the_same(
    request_costs: Ask, app: FastAPI, engine: Engine
) -> None:
    first, second = [await request_costs(app, "/agents", engine=engine) for _ in range(2)]
    assert (first.statements, first.sent_bytes, first.texts) == (
        second.statements,
        second.sent_bytes,
        second.texts,
    )


async def test_a_body_a_query_and_headers_arrive(request_costs: Ask, app: FastAPI) -> None:
    costs = await request_costs(
        app, "/echo?q=7", method="POST", body=b"abc", headers={"X-One": "1"}, requests=1
    )
    assert costs.status == 200
    assert costs.sent_bytes == len('{"body":"abc","q":"7"}')
    assert costs.statements is None


async def test_more_work_takes_more_cpu(request_costs: Ask) -> None:
    service = FastAPI()

    @service.get("/burn/{count}")
    async def burn(count: int) -> None:
        sum(range(count))

    little = await request_costs(service, "/burn/10")
    much = await request_costs(service, "/burn/3000000")
    assert much.cpu_s > 3 * little.cpu_s


async def test_nothing_is_counted_once_it_is_over(
    request_costs: Ask, app: FastAPI, engine: Engine
) -> None:
    await request_costs(app, "/agents", engine=engine)
    from sqlalchemy import event

    dispatch = engine.dispatch.before_cursor_execute
    assert not list(dispatch)
    assert event is not None


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/changing", UsageError, "differ"),
        ("/broken", ServiceUnavailable, "raised RuntimeError: out of order"),
        ("agents", UsageError, "from the slash on"),
    ],
)
async def test_what_cannot_be_measured_is_refused(
    request_costs: Ask, app: FastAPI, engine: Engine, path: str, kind: type, reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        await request_costs(app, path, engine=engine)


async def test_an_application_that_says_nothing_is_refused(request_costs: Ask) -> None:
    async def silent(_scope: object, _receive: object, _send: object) -> None:
        await asyncio.sleep(0)

    with pytest.raises(ServiceUnavailable, match="not answered to its end"):
        await request_costs(silent, "/")
