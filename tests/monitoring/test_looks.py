"""What is asked again of endpoints and statements: seen at a middleware and at an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.model import Kind, Repeats, Snapshot
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.looks import (
    LONGEST_BYTES,
    MOST_ROWS,
    MOST_SUBJECTS,
    Looks,
    rows_of,
)
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Service:
    """An application that is asked, with a clock that goes on by as much as it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.recorder = Recorder(clock=lambda: self.now_s, looks=Looks())
        self.app = FastAPI()
        self._asked: Any = None

    async def get(
        self, path: str, *, after_s: float = 1.0, method: str = "GET", **headers: str
    ) -> None:
        """Ask once, so many seconds after the last time."""
        if self._asked is None:
            self._asked = PerfMiddleware(self.app, self.recorder)
        self.now_s += after_s
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }

        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in asked:
                return message
            await asyncio.Event().wait()  # the client stays
            raise AssertionError

        async def send(_message: Message) -> None:
            return None

        await self._asked(scope, receive, send)

    def seen(self) -> Repeats:
        (seen,) = self.recorder.peek().repeats
        return seen

    def of(self, route: str) -> Repeats | None:
        return next((one for one in self.recorder.peek().repeats if one.subject == route), None)


@pytest.fixture
def service() -> Service:
    return Service()


async def test_answers_that_repeat_are_counted_by_route(service: Service) -> None:
    @service.app.get("/agents/{agent_id}")
    async def agent(agent_id: int, verbose: bool = False) -> dict[str, object]:
        service.now_s += 0.25
        return {"id": agent_id, "verbose": verbose}

    for _ in range(10):
        await service.get("/agents/1")
        await service.get("/agents/2")
        await service.get("/agents/1?verbose=true")
    seen = service.seen()
    assert (seen.kind, seen.subject, seen.calls) == (Kind.ROUTE, "GET /agents/{agent_id}", 30)
    assert seen.took_s == pytest.approx(7.5)
    one, ten, sixty, _ = seen.kept
    assert (one.hits, sixty.hits, sixty.stale) == (0, 27, 0)
    assert 0 < ten.hits < 27
    assert sixty.spared_s == pytest.approx(27 * 0.25)
    assert service.recorder.snapshot().repeats == (seen,)
    assert service.recorder.snapshot().repeats == ()


async def test_what_changes_meanwhile_is_out_of_date(service: Service) -> None:
    @service.app.get("/now")
    async def now() -> float:
        return service.now_s

    for _ in range(10):
        await service.get("/now")
    assert [(one.hits, one.stale) for one in service.seen().kept][2] == (9, 9)


async def test_who_asks_is_part_of_the_question(service: Service) -> None:
    @service.app.get("/me")
    async def me() -> str:
        return "me"

    for asker in ("a", "b", "c"):
        await service.get("/me", authorization=asker)
        await service.get("/me", cookie=asker)
    assert [one.hits for one in service.seen().kept] == [0, 0, 0, 0]
    await service.get("/me", cookie="c", traceparent="another each time")
    assert service.seen().kept[1].hits == 1


async def test_what_must_not_be_kept_is_not_looked_at(service: Service) -> None:
    app = service.app

    @app.get("/cookie")
    async def cookie(response: Response) -> str:
        response.set_cookie("session", "1")
        return "a"

    @app.get("/no-store")
    async def no_store(response: Response) -> str:
        response.headers["Cache-Control"] = "private, no-store"
        return "a"

    @app.get("/long")
    async def long() -> Response:
        return Response(b"x" * (LONGEST_BYTES + 1))

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(__file__)

    @app.get("/absent")
    async def absent() -> Response:
        return Response(b"not here", status_code=404)

    @app.get("/empty")
    async def empty() -> Response:
        return Response()

    @app.post("/post")
    async def post() -> str:
        return "a"

    for _ in range(3):
        for path in ("cookie", "no-store", "long", "absent", "empty", "nowhere"):
            await service.get(f"/{path}")
        await service.get("/post", method="POST")
    assert service.recorder.peek().repeats == ()
    await service.get("/file")  # whose body the application itself reads here
    assert service.seen().subject == "GET /file"


async def test_an_answer_in_pieces_is_the_same_as_in_one(service: Service) -> None:
    pieces = iter([[b"ab", b"c"], [b"a", b"bc"]])

    @service.app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(next(pieces)))

    for _ in range(2):
        await service.get("/stream")
    assert (service.seen().kept[2].hits, service.seen().kept[2].stale) == (1, 0)


async def test_an_endpoint_of_two_routes_is_counted_for_the_first(service: Service) -> None:
    @service.app.get("/a")
    @service.app.get("/b")
    async def both() -> str:
        return "a"

    for _ in range(3):
        await service.get("/a")
        await service.get("/b")
    # Two routes of FastAPI's are two owners; of a framework that tells the endpoint alone, one.
    assert {one.subject for one in service.recorder.peek().repeats} <= {"GET /a", "GET /b"}
    assert service.of("GET /a") is not None


def test_subjects_are_bounded_and_who_is_not_asked_makes_room() -> None:
    looks = Looks()

    def ask(owner: object, *, at_s: float) -> bool:
        scope = {
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [],
            "endpoint": owner,
        }
        look = looks.look(scope, {"headers": []}, at_s)
        if look is not None:
            look.add(b"a")
            look.end(f"GET {owner}", at_s=at_s, took_s=0.1)
        return look is not None

    owners = [f"endpoint {number}" for number in range(MOST_SUBJECTS + 1)]
    assert [ask(owner, at_s=0) for owner in owners] == [True] * MOST_SUBJECTS + [False]
    looks.cut()
    assert ask(owners[-1], at_s=1)
    assert [one.subject for one in looks.peek()] == [f"GET {owners[-1]}"]


async def test_nobody_looks_unless_it_is_wished() -> None:
    assert PerformanceMonitor().recorder.looks is None
    assert PerformanceMonitor(attribution=True, repeats=False).recorder.looks is None
    assert PerformanceMonitor(attribution=True).recorder.looks is not None
    assert PerformanceMonitor(repeats=True).recorder.looks is not None


async def test_repeats_are_stored_and_read_and_merged(service: Service) -> None:
    @service.app.get("/a")
    async def a() -> str:
        return "a"

    for _ in range(4):
        await service.get("/a")
    window = service.recorder.snapshot()
    envelope = Snapshot(
        started_at=window.started_at, window_s=window.window_s, worker=window.worker
    )
    assert decode(encode(window), envelope).repeats == window.repeats
    merged = Snapshot.merged([window, window])
    assert merged is not None
    assert merged.repeats[0].calls == 8


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_the_rows_of_a_statement_repeat_or_do_not(postgres: Cluster, driver: str) -> None:
    monitor = PerformanceMonitor(repeats=True)
    url = postgres.url.replace("postgresql+psycopg", f"postgresql+{driver}", 1)
    engine = create_async_engine(url)
    monitor.watch_engine(engine)
    try:
        for number in range(6):
            async with engine.connect() as connection:
                for statement in (
                    "SELECT CAST(:n AS int) + 1, 'name'",
                    "SELECT clock_timestamp(), CAST(:n AS int)",
                    "SELECT * FROM generate_series(1, CAST(:n AS int) + 600)",
                ):
                    await connection.execute(text(statement), {"n": number % 2})
                await connection.execute(text("CREATE TEMP TABLE t (a int)"))
                await connection.execute(text("INSERT INTO t VALUES (1), (1)"))
            await asyncio.sleep(0.11)  # a subject is looked at ten times a second at most
    finally:
        await engine.dispose()
    seen = {one.subject: one for one in monitor.recorder.peek().repeats}
    same, changing = (
        next(one for name, one in seen.items() if word in name.lower())
        for word in ("+", "clock_timestamp")
    )
    assert (same.kind, same.calls) == (Kind.STATEMENT, 6)
    assert (same.kept[2].hits, same.kept[2].stale) == (4, 0)
    assert (changing.kept[2].hits, changing.kept[2].stale) == (4, 4)
    assert len(seen) == 2  # neither one of many rows, nor what writes


def test_what_cannot_be_told_apart_is_no_mistake_of_the_services() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("odd")

    looks = Looks(pause_s=0.0)
    rows = type("Cursor", (), {"_rows": [(1,)]})()
    for parameters, cursor in (((Odd(),), rows), ({"a": []}, object()), (["a"], rows)):
        looks.executed("SELECT 1", parameters, cursor, name="SELECT $1", at_s=0.0, took_s=0.1)
    (seen,) = looks.peek()
    assert seen.calls == 1  # a list has no hash, but can be written down

    scope = {"method": "GET", "path": "/", "endpoint": "a"}  # what a server may leave out
    assert looks.look(scope, {}, 0.0) is not None


def test_rows_that_are_many_or_long_are_not_looked_at() -> None:
    def cursor(*rows: tuple[object, ...]) -> object:
        return type("Cursor", (), {"_rows": rows})()

    assert rows_of(cursor((1, "a"), (2, "b"))) != rows_of(cursor((1, "a"), (2, "c")))
    assert rows_of(cursor()) == b""
    assert rows_of(cursor(*[(1,)] * (MOST_ROWS + 1))) is None
    assert rows_of(cursor(("x" * (LONGEST_BYTES + 1),))) is None
    assert rows_of(cursor(*[("x" * 1_000,)] * 300)) is None
    assert rows_of(object()) is None
