"""A request is named by the template that it met, however it is mounted."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.monitoring.middleware.serving import (
    NAMED,
    agents_app,
    client,
    drive,
    hello,
    request_scope,
    routes_of,
    served,
)

from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.routes import RouteNames


@pytest.mark.parametrize(("method", "path", "name"), NAMED)
async def test_a_request_is_named_by_its_whole_template(
    recorder: Recorder, method: str, path: str, name: str
) -> None:
    app = agents_app(recorder)
    async with client(app) as http:
        await http.request(method, path)
        await http.request(method, path)
    assert routes_of(recorder) == {name: 2}


async def test_a_route_of_the_application_is_counted_beside_an_included_router(
    recorder: Recorder,
) -> None:
    app, router = FastAPI(), APIRouter()
    router.add_api_route("/agents", lambda: {})
    app.include_router(router, prefix="/v1")
    app.add_api_route("/ok", lambda: {})
    app.add_middleware(PerfMiddleware, recorder=recorder)
    async with client(app) as http:
        for path in ("/ok", "/v1/agents", "/ok"):
            assert (await http.get(path)).status_code == 200
            recorder.settle()
    assert routes_of(recorder) == {"GET /ok": 2, "GET /v1/agents": 1}


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


def test_where_no_route_is_left_behind_it_is_found_within_a_mount_behind_a_middleware() -> None:
    """As with Starlette 0.38."""
    mounted = Starlette(routes=[Route("/hello/{name}", hello)])
    app = Starlette(routes=[Mount("/sub", GZipMiddleware(GZipMiddleware(mounted)))])
    scope = {
        "method": "GET",
        "endpoint": hello,
        "router": app.router,
        "root_path": "/sub",
        "path": "/sub/hello/ada",
        "path_params": {"name": "ada"},
    }
    assert RouteNames().of(scope, "") == "GET /sub/hello/{name}"


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
