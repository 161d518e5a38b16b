"""A monitor starts and stops with its application, and counts each of its requests once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring import PerformanceMonitor


async def hello(_request):
    return PlainTextResponse("hello")


def test_it_starts_and_stops_with_the_application(serve):
    app = FastAPI()
    monitor = PerformanceMonitor(window_s=60)
    monitor.install(app)
    app.add_route("/hello", hello)
    with serve(app) as url:
        assert httpx.get(f"{url}/hello").text == "hello"
        assert monitor._ticker is not None
    assert monitor._ticker is None
    start = datetime(2000, 1, 1, tzinfo=UTC)
    kept = monitor.store.between(start, start + timedelta(days=36500))
    assert [one.name for window in kept for one in window.of(Kind.ROUTE)] == ["GET /hello"]


def test_it_starts_with_the_first_request_where_there_is_no_lifespan(serve):
    app = FastAPI()
    monitor = PerformanceMonitor(window_s=60)
    monitor.install(app)
    app.add_route("/hello", hello)
    with serve(app, lifespan="off") as url:
        assert httpx.get(f"{url}/hello").status_code == 200
        assert monitor._ticker is not None
    start = datetime(2000, 1, 1, tzinfo=UTC)
    kept = monitor.store.between(start, start + timedelta(days=36500))
    assert sum(one.whole(Kind.ROUTE).count for one in kept) == 1


async def test_a_failed_startup_leaves_nothing_running():
    async def fails(_app):
        raise RuntimeError("no database")
        yield

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message["type"])

    sent, before = [], asyncio.all_tasks()
    app = FastAPI(lifespan=asynccontextmanager(fails))
    PerformanceMonitor().install(app)
    with pytest.raises(RuntimeError, match="no database"):
        await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.failed"]
    assert asyncio.all_tasks() == before


async def test_a_lifespan_that_is_cancelled_leaves_nothing_running():
    began = asyncio.Event()

    async def receive():
        if began.is_set():
            await asyncio.Event().wait()
        return {"type": "lifespan.startup"}

    async def send(_message):
        began.set()

    before = asyncio.all_tasks()
    app = FastAPI()
    PerformanceMonitor().install(app)
    living = asyncio.create_task(app({"type": "lifespan"}, receive, send))
    await began.wait()
    living.cancel()
    await asyncio.wait((living,))
    assert asyncio.all_tasks() == before


def test_requests_to_the_dashboard_are_not_counted(serve):
    app = FastAPI()
    monitor = PerformanceMonitor(window_s=60)
    monitor.install(app)
    app.add_route("/performance/review", hello)
    with serve(app) as url:
        assert httpx.get(f"{url}/performance/metrics").status_code == 200
        assert httpx.get(f"{url}/performance/static/dashboard.css").status_code == 200
        assert httpx.get(f"{url}/performance/review").text == "hello"
        series = monitor.recorder.peek().of(Kind.ROUTE)
    assert [(one.name, one.count) for one in series] == [("GET /performance/review", 1)]


@pytest.mark.parametrize("kind", [FastAPI, Starlette])
def test_to_install_twice_is_to_install_once(kind, serve):
    app = kind()
    monitor = PerformanceMonitor(window_s=60)
    monitor.install(app)
    monitor.install(app)
    app.router.routes.append(Route("/hello", hello))
    with serve(app) as url:
        httpx.get(f"{url}/hello")
        assert httpx.get(f"{url}/performance/metrics").json()["samples"] == 1
    assert len(app.user_middleware) == 1


def test_a_catch_all_route_does_not_hide_the_dashboard(serve):
    app = Starlette(routes=[Route("/{path:path}", hello)])
    PerformanceMonitor().install(app)
    with serve(app) as url:
        assert httpx.get(f"{url}/anything").text == "hello"
        page = httpx.get(f"{url}/performance/dashboard")
    assert page.headers["content-type"].startswith("text/html")


async def test_a_request_to_a_mounted_application_is_counted_once():
    monitor = PerformanceMonitor(window_s=60)
    parent, child = FastAPI(), FastAPI()
    child.add_route("/hello", hello)
    monitor.install(child)
    monitor.install(parent)
    parent.mount("/below", child)
    transport = httpx.ASGITransport(parent)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/below/hello")).text == "hello"
    assert [(one.name, one.count) for one in monitor.recorder.peek().of(Kind.ROUTE)] == [
        ("GET /below/hello", 1)
    ]
    await monitor.stop()


async def test_an_application_that_runs_already_is_refused():
    app = FastAPI()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        await client.get("http://test/")
    with pytest.raises(UsageError, match="already running"):
        PerformanceMonitor().install(app)


def test_a_second_monitor_is_refused():
    app = FastAPI()
    PerformanceMonitor().install(app)
    with pytest.raises(UsageError, match="another monitor"):
        PerformanceMonitor().install(app)


def test_what_is_no_application_of_these_kinds_is_refused_with_the_cure():
    async def bare(scope, receive, send):
        """An ASGI application without a framework."""

    with pytest.raises(UsageError, match=r"monitor\.wrap\(app\)"):
        PerformanceMonitor().install(bare)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"window_s": 0}, "windows of 0"),
        ({"window_s": 120}, "windows of 120"),
        ({"token": " "}, "empty token"),
        ({"metrics_window_s": 1e12}, "cannot be judged"),
        ({"kpis": {"cpu_usage_max": 50}}, "not dict"),
        ({"targets": ["api_response_time"]}, "not str"),
        ({"token": b"secret"}, "not bytes"),
        ({"store": 7}, "kept in int"),
        ({"store": ""}, "names no store"),
        ({"notify": "me@example.com"}, "told to str"),
    ],
)
def test_senseless_options_are_refused(options, reason):
    with pytest.raises(UsageError, match=reason):
        PerformanceMonitor(**options)


# Around any other application


def of_another_framework(lived: list[str]):
    """An ASGI application as one of Litestar's looks from outside."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            lived.append((await receive())["type"])
            await send({"type": "lifespan.startup.complete"})
            lived.append((await receive())["type"])
            await send({"type": "lifespan.shutdown.complete"})
            return
        scope["path_template"] = "/agents/{agent_id}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    return app


def test_around_an_application_of_another_framework_it_counts_and_serves_its_dashboard(serve):
    lived: list[str] = []
    monitor = PerformanceMonitor(window_s=60, attribution=True)
    app = monitor.wrap(of_another_framework(lived))
    with serve(app) as url:
        assert httpx.get(f"{url}/agents/7").text == "/agents/7"
        assert httpx.get(f"{url}/performance/own").text == "/performance/own"
        page = httpx.get(f"{url}/performance/dashboard")
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        assert httpx.get(f"{url}/performance/readyz").status_code == 200
        told = httpx.get(f"{url}/performance/attribution").json()
        assert monitor._ticker is not None
    assert monitor._ticker is None
    assert lived == ["lifespan.startup", "lifespan.shutdown"]
    assert "GET /agents/{agent_id}" in str(told)
    start = datetime(2000, 1, 1, tzinfo=UTC)
    kept = monitor.store.between(start, start + timedelta(days=36500))
    names = {one.name: one.count for window in kept for one in window.of(Kind.ROUTE)}
    assert names == {"GET /agents/{agent_id}": 2}


def test_around_an_application_the_dashboard_is_protected_like_any_other(serve):
    app = PerformanceMonitor().wrap(of_another_framework([]), protect=lambda request: False)
    with serve(app) as url:
        assert httpx.get(f"{url}/performance/dashboard").status_code == 403
        assert httpx.get(f"{url}/agents/7").status_code == 200


def test_what_is_no_application_is_not_wrapped():
    with pytest.raises(UsageError, match="str is no ASGI application"):
        PerformanceMonitor().wrap("service:app")
    with pytest.raises(UsageError, match="whom to let in"):
        PerformanceMonitor().wrap(of_another_framework([]), protect=True)
    with pytest.raises(UsageError, match="neither a FastAPI") as caught:
        PerformanceMonitor().install(of_another_framework([]))
    assert "monitor.wrap(app)" in caught.value.cure
