from __future__ import annotations

import asyncio
import gc
import inspect
import time
import tracemalloc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from keiko_perf.model import Kind, Outcome, Series, Snapshot, Target
from keiko_perf.model.kpi import LATENCY_P95, REFUSED_RATIO
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.requests import MAX_PLACES
from keiko_perf.monitoring.routes import RouteNames

Handler = Callable[[Request], Awaitable[Response]]


async def hello(_request: Request) -> Response:
    return PlainTextResponse("Hello, world!")


async def broken(_request: Request) -> Response:
    raise RuntimeError("it broke")


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def served(recorder: Recorder, *routes: Any) -> Starlette:
    return Starlette(
        routes=list(routes), middleware=[Middleware(PerfMiddleware, recorder=recorder)]
    )


@asynccontextmanager
async def client(app: ASGIApp, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, **{"raise_app_exceptions": False, **options})
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as opened:
        yield opened


def routes_of(recorder: Recorder) -> dict[str, int]:
    return {series.name: series.count for series in recorder.peek().of(Kind.ROUTE)}


def only(recorder: Recorder) -> Series:
    (series,) = recorder.peek().of(Kind.ROUTE)
    return series


async def drive(app: ASGIApp, scope: dict[str, Any], *messages: dict[str, Any]) -> list[Any]:
    """One request by hand: what is received is *messages*, and then silence."""
    incoming = list(messages) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        if incoming:
            return incoming.pop(0)
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def request_scope(**changes: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        **changes,
    }


# Names


def agents_app(recorder: Recorder) -> FastAPI:
    router = APIRouter(prefix="/agents")

    @router.get("/{agent_id}")
    async def agent(agent_id: int) -> dict[str, int]:
        return {"id": agent_id}

    @router.post("/{agent_id}/tasks/{path:path}", status_code=201)
    async def task(agent_id: int, path: str) -> str:
        return path

    nested = APIRouter(prefix="/nested")
    nested.include_router(router)
    inner = Starlette(
        routes=[
            Route("/things/{thing_id:int}", hello),
            Mount("/deep/{tenant}", routes=[Route("/leaf", hello), Mount("/", routes=[])]),
        ]
    )
    sub = FastAPI()
    sub.include_router(router, prefix="/v3")
    behind_another = GZipMiddleware(
        Starlette(routes=[Mount("/t/{tenant}", routes=[Route("/x/{id}", hello)])])
    )
    with_mount = APIRouter()
    with_mount.mount("/inner/{tenant}", inner)

    app = FastAPI()
    app.include_router(router, prefix="/api/v1")
    app.include_router(router, prefix="/api/v2")
    app.include_router(nested, prefix="/api")
    app.include_router(with_mount, prefix="/included")
    app.mount("/static", StaticFiles(directory=Path(__file__).parent))
    app.mount("/sub/{tenant}", sub)
    app.mount("/inner/{thing_id}", inner)
    app.mount("/behind", behind_another)
    app.add_middleware(PerfMiddleware, recorder=recorder)
    return app


NAMED = [
    ("GET", "/api/v1/agents/7", "GET /api/v1/agents/{agent_id}"),
    ("GET", "/api/v2/agents/7", "GET /api/v2/agents/{agent_id}"),
    ("GET", "/api/nested/agents/7", "GET /api/nested/agents/{agent_id}"),
    ("GET", "/api/v1/agents/seven", "GET /api/v1/agents/{agent_id}"),  # 422
    ("POST", "/api/v1/agents/7/tasks/a/b", "POST /api/v1/agents/{agent_id}/tasks/{path}"),
    ("DELETE", "/api/v1/agents/7", "DELETE /api/v1/agents/{agent_id}"),  # 405
    ("BREW", "/api/v1/agents/7", "(other) /api/v1/agents/{agent_id}"),  # 405
    ("GET", "/sub/acme/v3/agents/7", "GET /sub/{tenant}/v3/agents/{agent_id}"),
    ("GET", "/sub/acme/nothing", "GET /sub/{tenant}/{path}"),
    ("GET", "/inner/5/things/6", "GET /inner/{thing_id}/things/{thing_id}"),
    ("GET", "/inner/5/deep/6/leaf", "GET /inner/{thing_id}/deep/{tenant}/leaf"),
    ("GET", "/included/inner/5/things/6", "GET /included/inner/{tenant}/things/{thing_id}"),
    ("GET", "/included/inner/5/deep/5/leaf", "GET /included/inner/{tenant}/deep/{tenant}/leaf"),
    ("GET", "/behind/t/t/x/9", "GET /behind/t/{tenant}/x/{id}"),
    ("GET", "/static/test_middleware.py", "GET /static/{path}"),
    ("GET", "/static/nothing", "GET /static/{path}"),
    ("GET", "/openapi.json", "GET /openapi.json"),
    ("GET", "/nothing/at/all", "(unmatched)"),
    ("GET", "/api/v1/agents/7/", "(unmatched)"),  # a redirect, before any route
]


@pytest.mark.parametrize(("method", "path", "name"), NAMED)
async def test_a_request_is_named_by_its_whole_template(
    recorder: Recorder, method: str, path: str, name: str
) -> None:
    app = agents_app(recorder)
    async with client(app) as http:
        await http.request(method, path)
        await http.request(method, path)
    assert routes_of(recorder) == {name: 2}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/agents/7", "GET /agents/{agent_id}"),
        ("/7/agents", "GET /{agent_id}/agents"),
        ("/t/acme/agents/7", "GET /t/{tenant}/agents/{agent_id}"),
        ("/t/acme/nothing", "GET /t/{tenant}/{path}"),
        ("/nothing", "(unmatched)"),
    ],
)
async def test_routes_of_an_older_starlette_are_found_by_their_endpoint(
    recorder: Recorder, path: str, name: str
) -> None:
    class NoRoute:
        """Starlette left no `route` in the scope before it did."""

        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def forgetting(message: Any) -> None:
                scope.pop("route", None)
                await send(message)

            await self.app(scope, receive, forgetting)

    app = Starlette(
        routes=[
            Route("/agents/{agent_id}", hello),
            Route("/{agent_id}/agents", hello),
            Mount("/t/{tenant}", routes=[Route("/agents/{agent_id}", hello)]),
        ],
        middleware=[Middleware(PerfMiddleware, recorder=recorder), Middleware(NoRoute)],
    )
    async with client(app) as http:
        await http.get("/agents/1")
        recorder.snapshot()
        await http.get(path)
    assert routes_of(recorder) == {name: 1}


async def test_hosts_add_nothing_to_the_name(recorder: Recorder) -> None:
    inner = Starlette(routes=[Route("/x/{x}", hello)])
    async with client(served(recorder, Host("{tenant}.test", inner))) as http:
        await http.get("/x/1", headers={"host": "acme.test"})
    assert routes_of(recorder) == {"GET /x/{x}": 1}


async def test_a_proxys_prefix_is_no_part_of_the_name(recorder: Recorder) -> None:
    app = served(recorder, Mount("/m", routes=[Route("/x/{x}", hello)]))
    async with client(app, root_path="/prefix") as http:
        await http.get("/prefix/m/x/1")
    assert routes_of(recorder) == {"GET /m/x/{x}": 1}


async def test_an_application_without_routes_is_one_series(recorder: Recorder) -> None:
    app = PerfMiddleware(PlainTextResponse("ok"), recorder)
    await drive(app, request_scope(path="/a"))
    await drive(app, request_scope(path="/b"))
    assert routes_of(recorder) == {"(unmatched)": 2}


async def test_a_strange_route_disturbs_nobody(recorder: Recorder) -> None:
    async def strange(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("Strange", (), {"endpoint": None})()
        await PlainTextResponse("ok")(scope, receive, send)

    sent = await drive(PerfMiddleware(strange, recorder), request_scope())
    assert sent[-1]["body"] == b"ok"
    assert routes_of(recorder) == {"(unmatched)": 1}


async def test_ten_thousand_paths_of_clients_make_no_series() -> None:
    recorder = Recorder(max_series=20)
    app = served(
        recorder, Route("/a/{id}", hello), Mount("/t/{tenant}", routes=[Route("/x", hello)])
    )
    perf = PerfMiddleware(app, recorder)
    for number in range(5_000):
        await drive(app, request_scope(path=f"/t/tenant-{number}/x", method=f"M{number}"))
        await drive(app, request_scope(path=f"/random/{number}"))
    assert routes_of(recorder) == {"(other) /t/{tenant}/x": 5_000, "(unmatched)": 5_000}
    assert perf.recorder is recorder


async def test_ten_thousand_routes_stay_within_the_bound() -> None:
    recorder = Recorder(max_series=50)

    async def many(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = type("R", (), {"endpoint": None, "path_format": scope["path"]})
        await PlainTextResponse("ok")(scope, receive, send)

    app = PerfMiddleware(many, recorder)
    for number in range(10_000):
        await drive(app, request_scope(path=f"/{number}"))
    found = routes_of(recorder)
    assert len(found) == 51
    assert found["(other)"] == 9_950
    assert recorder.peek().counters["folded"] == 9_950


def test_what_is_remembered_of_routes_is_bounded() -> None:
    names = RouteNames()
    route = type("R", (), {"endpoint": None, "path_format": "/x"})
    for number in range(10_000):
        scope = {"method": "GET", "route": route, "root_path": f"/tenant-{number}"}
        assert names.of(scope, "") == f"GET /tenant-{number}/x"
    assert len(names._known) <= 2_000


# Noted together


def ticking() -> Callable[[], float]:
    """A clock by which each reading comes a 1024th of a second, exactly, after the one before."""
    readings = count(1)
    return lambda: next(readings) / 1024


def counted(snapshot: Snapshot) -> Any:
    series = {
        (one.kind, one.name): (
            one.succeeded, one.failed, one.refused, one.redirected, one.sent_bytes,
        )
        for one in snapshot.series
    }  # fmt: skip
    return series, snapshot.gauges, snapshot.counters


def many_kinds_app(recorder: Recorder) -> Starlette:
    """Of one endpoint several routes, mounts, methods, statuses and lengths; answers in pieces."""

    async def answer(request: Request) -> Response:
        status = int(request.query_params.get("status", 200))
        return PlainTextResponse(request.method * (status % 7), status)

    async def pieces(_request: Request) -> Response:
        return StreamingResponse(iter([b"some", b"thing"]))

    mounted = Starlette(routes=[Route("/leaf", hello)])
    return served(
        recorder,
        Mount("/a", mounted),
        Mount("/b", mounted),
        Route("/answer", answer, methods=["GET", "POST"]),
        Route("/the/same/{one}", answer),
        Route("/pieces", pieces),
        Route("/broken", broken),
    )


MANY_KINDS = [
    *(("GET", f"/answer?status={status}") for status in (200, 204, 304, 307, 404, 422, 500, 503)),
    *(("GET", f"/the/same/{number}?status={number}") for number in (201, 301, 401, 599)),
    ("POST", "/answer"), ("HEAD", "/answer"), ("GET", "/pieces"), ("GET", "/broken"),
    ("GET", "/a/leaf"), ("GET", "/b/leaf"),
]  # fmt: skip
MANY_NAMES = [(method, path) for method, path, _ in NAMED]


@pytest.mark.parametrize(
    ("make_app", "asked", "together"),
    [(many_kinds_app, MANY_KINDS, 9), (agents_app, MANY_NAMES, 4)],
)
async def test_what_is_noted_together_is_counted_as_each_of_them_would_be(
    make_app: Callable[[Recorder], ASGIApp], asked: list[tuple[str, str]], together: int
) -> None:
    found = []
    for does_know_the_routes in (False, True):
        recorder = Recorder(clock=ticking())
        async with client(make_app(recorder)) as opened:
            if does_know_the_routes:
                for method, path in asked:
                    await opened.request(method, path)
                recorder.snapshot()
            for method, path in (*asked, *asked):
                await opened.request(method, path)
        noted = len(recorder.requests.ended), len(recorder.requests.over)
        many = 2 * together if does_know_the_routes else 0
        assert noted == (many, 2 * len(asked) - many)
        found.append(counted(recorder.snapshot()))
    assert found[0] == found[1]


async def test_routes_over_the_bound_of_names_are_folded_where_they_are_noted_together() -> None:
    recorder = Recorder(max_series=2)
    app = served(recorder, *(Route(f"/{n}", _another(n)) for n in range(4)))
    async with client(app) as opened:
        for _ in range(2):
            for n in range(4):
                await opened.get(f"/{n}")
                await opened.get(f"/{n}")
            snapshot = recorder.snapshot()
            assert {one.name: one.count for one in snapshot.of(Kind.ROUTE)} == {
                "GET /0": 2, "GET /1": 2, "(other)": 4,
            }  # fmt: skip
            assert snapshot.counters["folded"] == 4
            assert snapshot.whole(Kind.ROUTE).sent_bytes == 8 * len("Hello, world!")


@pytest.mark.parametrize("error", [TypeError, RuntimeError])
async def test_an_endpoint_that_has_no_hash_has_no_place_and_is_counted(
    recorder: Recorder, error: type[Exception]
) -> None:
    class Unhashable:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("")(scope, receive, send)

        def __hash__(self) -> int:
            raise error

    async with client(served(recorder, Route("/", Unhashable()))) as opened:
        for number in range(1, 4):
            await opened.get("/")
            assert routes_of(recorder) == {"GET /": number}
    assert not recorder.requests.places


async def test_what_a_server_leaves_out_of_the_scope_is_missed_by_nobody(
    recorder: Recorder,
) -> None:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["endpoint"] = hello
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    took: list[list[float]] = [[] for _ in range(6)]
    recorder.requests.places[hello] = object(), None, "GET", "", "", took, []
    for scope in ({"type": "http"}, request_scope(root_path=None), request_scope(route=hello)):
        assert len(await drive(PerfMiddleware(app, recorder), scope)) == 2
    assert recorder.peek().whole(Kind.ROUTE).count == 3
    assert recorder.in_flight == 0


async def test_of_so_many_routes_requests_are_noted_together_and_no_more(
    recorder: Recorder,
) -> None:
    app = served(recorder, *(Route(f"/{n}", _another(n)) for n in range(MAX_PLACES + 10)))
    async with client(app) as opened:
        for n in range(MAX_PLACES + 10):
            await opened.get(f"/{n}")
        recorder.settle()
    assert len(recorder.requests.places) == MAX_PLACES


def _another(number: int) -> Handler:
    async def handler(request: Request) -> Response:
        assert request.url.path == f"/{number}"
        return await hello(request)

    return handler


# What counts


async def test_the_clock_starts_on_arrival_and_stops_at_the_last_byte() -> None:
    clock = iter((100.0, 100.0, 100.5, 101.0, 107.5)).__next__
    recorder = Recorder(clock=clock)  # begins at 100

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        clock()  # a second goes by
        await send({"type": "http.response.body", "body": b"b"})

    perf = PerfMiddleware(app, recorder)
    await drive(perf, request_scope())
    recorder.clock = lambda: 200.0
    assert only(recorder).succeeded.max_s == 7.5
    (first,) = recorder.peek().of(Kind.FIRST_BYTE)
    assert (first.name, first.count, first.succeeded.max_s) == ("(unmatched)", 1, 0.5)


async def test_background_tasks_are_not_counted(recorder: Recorder) -> None:
    app = FastAPI()
    seen: list[tuple[int, int]] = []

    async def later() -> None:
        seen.append((recorder.in_flight, only(recorder).count))

    @app.get("/")
    async def root(tasks: BackgroundTasks) -> str:
        tasks.add_task(later)
        return "ok"

    app.add_middleware(PerfMiddleware, recorder=recorder)
    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
    assert seen == [(0, 1)]
    assert only(recorder).count == 1


async def test_an_exception_in_a_background_task_is_no_failed_request(recorder: Recorder) -> None:
    async def later() -> None:
        raise RuntimeError("afterwards")

    async def root(_request: Request) -> Response:
        from starlette.background import BackgroundTask

        return PlainTextResponse("ok", background=BackgroundTask(later))

    async with client(served(recorder, Route("/", root)), raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="afterwards"):
            await http.get("/")
    assert (only(recorder).count, only(recorder).errors) == (1, 0)
    assert recorder.in_flight == 0


@pytest.mark.parametrize(
    ("status", "part"),
    [
        (200, "succeeded"),
        (304, "succeeded"),
        (400, "refused"),
        (401, "refused"),
        (404, "refused"),
        (499, "refused"),
        (500, "failed"),
        (503, "failed"),
    ],
)
async def test_a_failure_is_the_servers_fault_and_a_refusal_that_of_who_asks(
    recorder: Recorder, status: int, part: str
) -> None:
    async def root(_request: Request) -> Response:
        return Response(status_code=status)

    async with client(served(recorder, Route("/", root))) as http:
        assert (await http.get("/")).status_code == status
    series = only(recorder)
    assert {name: getattr(series, name).count for name in ("succeeded", "failed", "refused")} == {
        **dict.fromkeys(("succeeded", "failed", "refused"), 0),
        part: 1,
    }


async def test_while_nobody_can_log_in_no_response_time_is_told(recorder: Recorder) -> None:
    async def root(_request: Request) -> Response:
        return Response(status_code=401)

    async with client(served(recorder, Route("/", root))) as http:
        for _ in range(100):
            await http.get("/")
    snapshot = recorder.peek()
    assert Target(kpi=LATENCY_P95, at_most=0.2).judge(snapshot).outcome is Outcome.UNKNOWN
    assert REFUSED_RATIO.read(snapshot, None).value == 1.0


async def test_the_sizes_of_answers_are_added_up_piece_by_piece(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(5):
            yield b"x" * number

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root), Route("/hello", hello))) as http:
        await http.get("/")
        await http.get("/hello")
        await http.head("/hello")
    sizes = {one.name: one.sent_bytes for one in recorder.peek().of(Kind.ROUTE)}
    assert sizes["GET /"] == 10
    assert sizes["GET /hello"] == len("Hello, world!")


async def test_redirects_and_what_was_not_modified_are_successes_of_their_own(
    recorder: Recorder,
) -> None:
    async def elsewhere(request: Request) -> Response:
        return Response(status_code=int(request.query_params["status"]))

    async with client(served(recorder, Route("/", elsewhere))) as http:
        for status in (200, 301, 304, 307, 404, 500):
            await http.get("/", params={"status": status})
    (found,) = recorder.peek().of(Kind.ROUTE)
    assert (found.succeeded.count, found.redirected) == (4, 3)
    assert (found.refused.count, found.failed.count) == (1, 1)
    both = Snapshot.merged([recorder.peek(), recorder.snapshot()])
    assert both is not None
    (twice,) = both.of(Kind.ROUTE)
    assert twice.redirected == 6


async def test_the_first_byte_is_told_of_answers_in_pieces_only(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0.02)
        yield b"b"

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root), Route("/hello", hello))) as http:
        await http.get("/")
        await http.get("/hello")
    (first,) = recorder.peek().of(Kind.FIRST_BYTE)
    whole = recorder.peek().find(Kind.ROUTE, "GET /")
    assert (first.name, first.count) == ("GET /", 1)
    assert whole is not None
    assert whole.sum_s >= first.sum_s + 0.02


async def test_a_framework_that_names_its_template_itself_is_understood(
    recorder: Recorder,
) -> None:
    async def litestar(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"] = "/agents/{agent_id:int}"
        await PlainTextResponse("ok")(scope, receive, send)

    await drive(PerfMiddleware(litestar, recorder), request_scope(path="/agents/7"))
    assert routes_of(recorder) == {"GET /agents/{agent_id:int}": 1}


async def test_an_exception_is_a_failure_and_goes_on_its_way(recorder: Recorder) -> None:
    app = served(recorder, Route("/broken/{id}", broken))
    async with client(app) as http:
        assert (await http.get("/broken/1")).status_code == 500
    async with client(app, raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="it broke"):
            await http.get("/broken/2")
    series = only(recorder)
    assert (series.name, series.count, series.errors) == ("GET /broken/{id}", 2, 2)
    assert recorder.peek().counters == {"arrived": 2}
    assert recorder.in_flight == 0


async def test_an_exception_amid_the_answer_is_a_failure(recorder: Recorder) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("half way")

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    async with client(served(recorder, Route("/", root)), raise_app_exceptions=True) as http:
        with pytest.raises(RuntimeError, match="half way"):
            await http.get("/")
    assert only(recorder).errors == 1


async def test_an_answer_that_never_ends_up_complete_is_a_failure(recorder: Recorder) -> None:
    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    await drive(PerfMiddleware(silent, recorder), request_scope())
    assert (only(recorder).errors, recorder.in_flight) == (1, 0)


async def test_an_exception_that_was_handled_within_is_judged_by_its_status(
    recorder: Recorder,
) -> None:
    def apologise(_request: Request, _error: Exception) -> Response:
        return PlainTextResponse("sorry", status_code=409)

    app = Starlette(
        routes=[Route("/", broken)],
        middleware=[Middleware(PerfMiddleware, recorder=recorder)],
        exception_handlers={RuntimeError: apologise},
    )
    async with client(app) as http:
        assert (await http.get("/")).status_code == 409
    assert (only(recorder).count, only(recorder).errors) == (1, 0)


async def test_nothing_of_a_request_is_held_until_it_is_counted(recorder: Recorder) -> None:
    class Session:
        """What an application leaves in its scope."""

    left: list[weakref.ref[Session]] = []

    async def root(request: Request) -> Response:
        request.state.session = session = Session()
        left.append(weakref.ref(session))
        return PlainTextResponse("ok")

    app = served(recorder, Route("/{id}", root))
    gc.disable()  # it goes at once, not once it is found in a cycle
    try:
        await drive(app, request_scope(path="/1"))
        assert [one() for one in left] == [None]
    finally:
        gc.enable()
    assert routes_of(recorder) == {"GET /{id}": 1}


def test_servers_can_tell_which_version_of_asgi_it_is(recorder: Recorder) -> None:
    assert inspect.iscoroutinefunction(PerfMiddleware(PlainTextResponse("ok"), recorder).__call__)


async def test_a_failure_to_send_is_passed_on_and_counted_once(recorder: Recorder) -> None:
    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the socket is gone")

    with pytest.raises(OSError, match="the socket is gone"):
        await PerfMiddleware(PlainTextResponse("ok"), recorder)(request_scope(), _receive, send)
    assert (only(recorder).count, recorder.in_flight) == (1, 0)


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


# Clients that leave


async def test_a_client_that_leaves_a_stream_is_neither_success_nor_failure(
    recorder: Recorder,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0)

    async def root(_request: Request) -> Response:
        return StreamingResponse(pieces())

    app = served(recorder, Route("/", root))
    await drive(app, request_scope(), {"type": "http.disconnect"})
    assert routes_of(recorder) == {}
    assert recorder.peek().counters == {"arrived": 1, "disconnected": 1}
    assert recorder.in_flight == 0


async def test_a_client_that_leaves_amid_its_upload_is_no_error(recorder: Recorder) -> None:
    async def root(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("ok")

    app = served(recorder, Route("/", root, methods=["POST"]))
    upload = {"type": "http.request", "body": b"half", "more_body": True}
    with pytest.raises(ClientDisconnect):
        await drive(app, request_scope(method="POST"), upload, {"type": "http.disconnect"})
    assert routes_of(recorder) == {}
    assert recorder.peek().counters == {"arrived": 1, "disconnected": 1}


async def test_an_answer_to_nobody_has_no_duration(recorder: Recorder) -> None:
    async def late(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        await PlainTextResponse("too late")(scope, receive, send)

    sent = await drive(PerfMiddleware(late, recorder), request_scope(), {"type": "http.disconnect"})
    assert sent[-1]["body"] == b"too late"
    assert routes_of(recorder) == {}
    assert recorder.peek().counters["disconnected"] == 1


async def test_a_disconnect_after_the_last_byte_changes_nothing(recorder: Recorder) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("ok")(scope, receive, send)
        while (await receive())["type"] != "http.disconnect":
            pass

    await drive(PerfMiddleware(app, recorder), request_scope(), {"type": "http.disconnect"})
    assert only(recorder).count == 1
    assert recorder.peek().counters == {"arrived": 1}


async def test_a_server_that_reports_the_disconnect_with_the_last_byte_changes_nothing(
    recorder: Recorder,
) -> None:
    finished = asyncio.Event()

    async def receive() -> Any:
        await finished.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            finished.set()
            for _ in range(3):
                await asyncio.sleep(0)  # the listener is told before this returns

    async def app(scope: Any, receive: Any, send: Any) -> None:
        listener = asyncio.create_task(receive())
        await PlainTextResponse("ok")(scope, receive, send)
        await listener

    await PerfMiddleware(app, recorder)(request_scope(), receive, send)
    assert only(recorder).count == 1


@pytest.mark.parametrize("awaits", range(4))
async def test_a_request_that_is_cancelled_anywhere_leaves_nothing_in_flight(
    recorder: Recorder, awaits: int
) -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    task = asyncio.ensure_future(PerfMiddleware(app, recorder)(request_scope(), _receive, send))
    for _ in range(awaits + 1):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() is (awaits < 3)
    counters = recorder.peek().counters
    finished = recorder.peek().whole(Kind.ROUTE)
    assert counters.get("disconnected", 0) + finished.count == 1
    assert finished.errors == 0
    assert recorder.in_flight == 0


# What passes through


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/hello", "/not-modified", "/empty", "/nothing", "/stream"])
async def test_the_answer_is_the_same_to_the_byte(
    recorder: Recorder, method: str, path: str
) -> None:
    async def not_modified(_request: Request) -> Response:
        return Response(status_code=304, headers={"etag": '"x"'})

    async def empty(_request: Request) -> Response:
        return Response(status_code=204)

    async def stream(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return StreamingResponse(pieces(), headers={"x-odd": "\xe4"})

    routes = [
        Route("/hello", hello),
        Route("/not-modified", not_modified),
        Route("/empty", empty),
        Route("/stream", stream),
    ]
    scope = request_scope(method=method, path=path)
    plain = await drive(Starlette(routes=routes), dict(scope))
    watched = await drive(served(recorder, *routes), dict(scope))
    assert watched == plain
    assert only(recorder).name == ("(unmatched)" if path == "/nothing" else f"{method} {path}")


async def test_every_message_is_the_very_object_that_was_sent(recorder: Recorder) -> None:
    messages = [
        {"type": "http.response.start", "status": 200, "headers": [], "trailers": True},
        {"type": "http.response.early_hint", "links": []},
        {"type": "http.response.body", "body": b"a", "more_body": True},
        {"type": "http.response.body", "body": b"b", "more_body": False},
        {"type": "http.response.trailers", "headers": [], "more_trailers": False},
    ]

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    sent = await drive(PerfMiddleware(app, recorder), request_scope())
    assert [id(message) for message in sent] == [id(message) for message in messages]
    assert only(recorder).count == 1


async def test_a_file_that_the_server_sends_is_a_complete_answer(recorder: Recorder) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/some/file"})

    await drive(PerfMiddleware(app, recorder), request_scope())
    assert (only(recorder).count, only(recorder).errors) == (1, 0)


async def test_a_large_stream_is_not_held_back(recorder: Recorder) -> None:
    piece, pieces = b"x" * 65_536, 800  # 50 MiB
    received = 0

    async def stream() -> AsyncIterator[bytes]:
        for number in range(pieces):
            assert received == number * len(piece)  # each is sent before the next is made
            yield bytes(piece)

    async def root(_request: Request) -> Response:
        return StreamingResponse(stream())

    async def send(message: Any) -> None:
        nonlocal received
        received += len(message.get("body", b""))

    async def silence() -> Any:
        await asyncio.Event().wait()

    app = served(recorder, Route("/", root))
    tracemalloc.start()
    await app(request_scope(), silence, send)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == pieces * len(piece)
    assert peak_bytes < 2 << 20
    assert only(recorder).count == 1


def websocket_scope(path: str = "/ws/7") -> dict[str, Any]:
    scope = request_scope(type="websocket", path=path, scheme="ws", subprotocols=[])
    del scope["method"]
    return scope


CONNECT = {"type": "websocket.connect"}
HANG_UP = {"type": "websocket.disconnect", "code": 1001}


def says(text: str) -> dict[str, Any]:
    return {"type": "websocket.receive", "text": text}


async def test_websockets_pass_and_are_counted_in_no_latency(recorder: Recorder) -> None:
    seen: list[float] = []

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        recorder.probe()
        seen.append(recorder.peek().gauges["websockets"].peak)
        await websocket.close()

    app = served(recorder, WebSocketRoute("/ws/{room}", echo))
    sent = await drive(app, websocket_scope(), CONNECT, says("hi"))
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
    assert sent[1]["text"] == "hi"
    snapshot = recorder.peek()
    (series,) = snapshot.series
    assert (series.kind, series.name) == (Kind.WEBSOCKET, "WEBSOCKET /ws/{room}")
    assert (series.count, series.succeeded.count) == (1, 1)
    assert snapshot.counters == {"websocket_received": 1, "websocket_sent": 1}
    assert seen == [1.0]
    assert recorder.in_flight == 0


async def breaks(websocket: WebSocket) -> None:
    await websocket.accept()
    raise RuntimeError("it broke")


async def refuses(websocket: WebSocket) -> None:
    await websocket.close()


async def denies(websocket: WebSocket) -> None:
    await websocket.send_denial_response(Response(status_code=401))


async def gives_up(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(1011)


async def listens(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.receive_text()  # raises once the client has hung up


@pytest.mark.parametrize(
    ("endpoint", "messages", "part"),
    [
        (breaks, (CONNECT,), "failed"),
        (gives_up, (CONNECT,), "failed"),
        (refuses, (CONNECT,), "refused"),
        (denies, (CONNECT,), "refused"),
        (listens, (CONNECT, says("a"), HANG_UP), "succeeded"),
    ],
)
async def test_how_a_websocket_ends_is_its_outcome(
    recorder: Recorder, endpoint: Any, messages: Any, part: str
) -> None:
    scope = websocket_scope()
    scope["extensions"] = {"websocket.http.response": {}}
    app = served(recorder, WebSocketRoute("/ws/{room}", endpoint))
    with suppress(RuntimeError, WebSocketDisconnect):
        await drive(app, scope, *messages)
    (series,) = recorder.peek().of(Kind.WEBSOCKET)
    assert (getattr(series, part).count, series.count) == (1, 1)


async def test_a_websocket_to_nowhere_is_refused_and_unmatched(recorder: Recorder) -> None:
    await drive(served(recorder), websocket_scope("/nowhere"), CONNECT)
    (series,) = recorder.peek().of(Kind.WEBSOCKET)
    assert (series.name, series.refused.count) == ("(unmatched)", 1)


async def test_the_lifespan_passes(recorder: Recorder) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        seen.append("started")
        yield
        seen.append("stopped")

    app = PerfMiddleware(Starlette(lifespan=lifespan), recorder)
    sent = await drive(
        app,
        {"type": "lifespan", "asgi": {"version": "3.0"}},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert seen == ["started", "stopped"]
    assert recorder.peek().series == ()


@pytest.mark.parametrize("outside", [True, False], ids=["outside", "inside"])
async def test_it_works_beside_base_http_middleware(recorder: Recorder, outside: bool) -> None:
    class PassOn(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    stack = [Middleware(PerfMiddleware, recorder=recorder), Middleware(PassOn)]
    app = Starlette(
        routes=[Route("/a/{id}", hello), Route("/broken", broken)],
        middleware=stack if outside else stack[::-1],
    )
    async with client(app) as http:
        assert (await http.get("/a/1")).text == "Hello, world!"
        assert (await http.get("/broken")).status_code == 500
    assert routes_of(recorder) == {"GET /a/{id}": 1, "GET /broken": 1}
    assert recorder.peek().whole(Kind.ROUTE).errors == 1
    assert recorder.peek().counters == {"arrived": 2}
    assert recorder.in_flight == 0


# A real server


Serve = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture
def server(serve: Serve, recorder: Recorder) -> Iterator[str]:
    async def slow(_request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(10_000):
                yield b"x" * 1_000
                await asyncio.sleep(0.005)

        return StreamingResponse(pieces())

    app = served(
        recorder, Route("/hello/{id}", hello), Route("/slow", slow), Route("/broken", broken)
    )
    with serve(app) as url:
        yield url


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for the server's thread; the test's own time limit ends it if it never comes."""
    while not holds():
        time.sleep(0.005)


def test_a_real_server_is_counted_exactly(server: str, recorder: Recorder) -> None:
    with httpx.Client(base_url=server) as http:
        for number in range(50):
            assert http.get(f"/hello/{number}").text == "Hello, world!"
        assert http.head("/hello/1").status_code == 200
        assert http.get("/nothing").status_code == 404
        # The last one: the server closes the connection on an exception, in its own time.
        assert http.get("/broken").status_code == 500
    eventually(lambda: recorder.in_flight == 0)
    snapshot = recorder.peek()
    assert {one.name: (one.count, one.errors) for one in snapshot.series} == {
        "GET /hello/{id}": (50, 0),
        "HEAD /hello/{id}": (1, 0),
        "GET /broken": (1, 1),
        "(unmatched)": (1, 0),
    }
    assert snapshot.counters == {"arrived": 53}
    assert snapshot.gauges["in_flight"].peak == 1


def test_a_real_client_that_hangs_up_is_counted_as_disconnected(
    server: str, recorder: Recorder
) -> None:
    with httpx.Client(base_url=server) as http, http.stream("GET", "/slow") as response:
        pieces = response.iter_raw()  # once nobody holds it the response is closed
        next(pieces)
        assert recorder.in_flight == 1
    eventually(lambda: recorder.in_flight == 0)
    snapshot = recorder.peek()
    assert snapshot.series == ()
    assert snapshot.counters == {"arrived": 1, "disconnected": 1}
