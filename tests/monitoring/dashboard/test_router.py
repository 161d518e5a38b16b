"""The answers over HTTP: what they say, whom they refuse, and how they are packed."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from tests.monitoring.dashboard.asking import asked, service

from keiko_perf.model import Target
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import performance_router


async def test_the_routers_answers_are_the_guides():
    app = service()
    for _ in range(80):
        await asked(app, "/agents")
    metrics = (await asked(app, "/performance/metrics")).json()
    assert {"api_p95", "api_p99", "rps", "cpu_percent", "memory_percent"} <= set(metrics)
    assert metrics["samples"] == 80
    assert metrics["checks"]["api_response_time"]["outcome"] == "met"
    assert metrics["routes"][0]["name"] == "GET /agents"
    history = (await asked(app, "/performance/history?hours=1")).json()
    names = ("timestamps", "response_times", "throughput", "cpu_usage", "memory_usage")
    assert len({len(history[name]) for name in names}) == 1
    assert (await asked(app, "/performance/alerts")).json() == {"alerts": []}


@pytest.mark.parametrize("hours", ["0", "-1", "1e9", "text", "%3Cscript%3E"])
async def test_bad_hours_get_a_422_that_says_what_is_good(hours):
    app = service()
    answer = await asked(app, f"/performance/history?hours={hours}")
    assert answer.status_code == 422
    assert "over 0 and at most 8784" in answer.json()["detail"]


async def test_an_endless_limit_is_no_number_of_jsons():
    app = service(targets=[Target(kpi=LATENCY_P95, at_most=float("inf"), subject="GET /agents")])
    await asked(app, "/agents")
    answer = await asked(app, "/performance/metrics")
    assert answer.status_code == 200
    assert answer.json()["checks"]["api_response_time[GET /agents]"]["limit"] is None


@pytest.mark.parametrize(
    "path", ["dashboard", "metrics", "history?hours=0", "static/strip.js", "tables"]
)
async def test_every_answer_has_the_strict_headers(path):
    app = service()
    headers = (await asked(app, f"/performance/{path}")).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", ["nothing.js", "..%2fpages.py", "login.html", "%2e%2e%2fx"])
async def test_no_other_file_is_served(name):
    app = service()
    assert (await asked(app, f"/performance/static/{name}")).status_code == 404


@pytest.mark.parametrize("path", ["dashboard", "metrics", "history"])
async def test_nothing_is_changed_by_other_methods(path):
    app = service()
    assert (await asked(app, f"/performance/{path}", method="POST")).status_code == 405


async def test_the_router_works_alone_and_says_that_requests_are_not_recorded():
    app = FastAPI()
    app.include_router(performance_router)
    assert (await asked(app, "/performance/dashboard")).status_code == 200
    metrics = (await asked(app, "/performance/metrics")).json()
    assert metrics["is_recording"] is False
    assert metrics["rps"] is None
    assert (await asked(app, "/performance/history")).status_code == 200


async def test_the_router_keeps_one_monitor_for_an_app_and_none_for_two():
    one, two = FastAPI(), FastAPI()
    for app in (one, two):
        app.include_router(performance_router)
        await asked(app, "/performance/metrics")
    first = one.state.keiko_perf_monitor
    await asked(one, "/performance/metrics")
    assert one.state.keiko_perf_monitor is first
    assert two.state.keiko_perf_monitor is not first


@pytest.mark.parametrize("path", ["timeline", "tables", "events"])
async def test_a_view_that_makes_no_sense_gets_a_422_that_says_what_is_good(path):
    answer = await asked(service(), f"/performance/{path}?range=1y")
    assert answer.status_code == 422
    assert "15m, 1h, 24h" in answer.json()["detail"]


async def test_figures_are_packed_for_who_takes_it_and_assets_sent_once():
    app = service()
    plain = {"Accept-Encoding": "identity"}
    packed = await asked(app, "/performance/timeline?range=1h")
    assert packed.headers["content-encoding"] == "gzip"
    unpacked = await asked(app, "/performance/timeline?range=1h", headers=plain)
    assert "content-encoding" not in unpacked.headers
    assert packed.json()["columns"].keys() == unpacked.json()["columns"].keys()
    first = await asked(app, "/performance/static/dashboard.js")
    tag = {"If-None-Match": first.headers["etag"]}
    assert (await asked(app, "/performance/static/dashboard.js", headers=tag)).status_code == 304
    never = {"Accept-Encoding": "gzip;q=0"}
    assert (
        "content-encoding"
        not in (await asked(app, "/performance/static/dashboard.js", headers=never)).headers
    )
