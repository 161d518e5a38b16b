"""The totals and the endpoints that tell them, to whom they are for; and what is pushed."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from tests.monitoring.export.exported import T0, TOKEN, eventually

from keiko_perf.fakes import FakeClock
from keiko_perf.model import Kind, Severity, Snapshot, say
from keiko_perf.monitoring import (
    OtlpExporter,
    PerformanceKPIs,
    PerformanceMonitor,
    PrometheusApp,
    SqliteStore,
    StoredMonitor,
    performance_router,
)
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.dashboard.pages import STATE
from keiko_perf.monitoring.export.health import document_of
from keiko_perf.monitoring.export.text import PROMETHEUS
from keiko_perf.monitoring.export.totals import Totals
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.journal import Journal


def answer(recorder, count, duration_s=0.01):
    for _ in range(count):
        recorder.request("GET /", duration_s)


def counted(totals):
    return totals.read()[0].whole(Kind.ROUTE).count


def test_until_somebody_asks_nothing_is_kept_and_then_it_only_grows(tmp_path):
    clock, store = FakeClock(), SqliteStore(tmp_path / "perf.sqlite")
    workers = [Recorder(clock=clock, now=clock.now, worker=name) for name in "abcd"]
    all_totals = [Totals(Journal(store), store, one, clock.now) for one in workers]

    def window(count):
        clock.advance(10)
        for recorder, totals in zip(workers, all_totals, strict=True):
            answer(recorder, count)
            cut = recorder.snapshot()
            totals.take(cut)
            store.append(cut)
            totals.settle()

    window(5)
    assert Journal(store).read(lambda page: page.entries("totals"), absent=[]) == []
    assert [counted(one) for one in all_totals] == [20] * 4  # of the minutes before
    window(7)
    assert [counted(one) for one in all_totals] == [48] * 4
    again = Totals(Journal(store), store, Recorder(worker="e"), clock.now)
    assert counted(again) == 48  # a new process goes on where the old ones were
    store.close()


async def test_in_one_process_a_request_counts_at_once_and_never_twice():
    monitor = PerformanceMonitor(window_s=10)
    seen = []
    for _ in range(3):
        answer(monitor.recorder, 2)
        seen.append(counted(monitor.totals))
        await monitor.tick()
        seen.append(counted(monitor.totals))
    assert seen == [2, 2, 4, 4, 6, 6]


@pytest.fixture
def app():
    app = FastAPI()
    # However busy the machine is, its answers are quick enough for these.
    kpis = PerformanceKPIs(api_response_time_p95=20_000, api_response_time_p99=20_000)
    monitor = PerformanceMonitor(window_s=0.2, metrics_window_s=60, kpis=kpis)
    monitor.install(app)
    app.state.monitor = monitor

    async def hello(_request):
        return PlainTextResponse("hello")

    app.add_route("/hello/{name}", hello)
    app.mount("/figures", PrometheusApp(monitor))
    return app


def asked(url, count):
    for number in range(count):
        assert httpx.get(f"{url}/hello/{number}?secret=hunter2").status_code == 200


def test_a_scrape_is_answered_by_the_router_and_by_the_app_that_is_mounted(app, serve):
    with serve(app) as url:
        asked(url, 3)
        for path in ("/performance/prometheus", "/figures", "/figures/"):
            answered = httpx.get(f"{url}{path}", follow_redirects=True)
            assert answered.status_code == 200
            assert answered.headers["content-type"] == PROMETHEUS
            assert 'http_route="/hello/{name}"} 3' in answered.text
            assert "hunter2" not in answered.text


def test_health_says_pass_or_fail_with_its_status_and_its_reasons(app, serve):
    with serve(app) as url:
        asked(url, 3)
        healthy = httpx.get(f"{url}/performance/health")
        assert healthy.status_code == 200
        assert healthy.headers["content-type"].startswith("application/health+json")
        check = healthy.json()["checks"]["api_response_time"][0]
        assert (check["outcome"], check["at_most"]) == ("unknown", 20.0)
        for _ in range(100):
            app.state.monitor.recorder.record(Kind.ROUTE, "GET /hello/{name}", 60.0)
        ill = httpx.get(f"{url}/performance/health")
        assert ill.status_code == 503
        assert ill.json()["status"] == "fail"
        assert "response time p95" in ill.json()["description"]


@pytest.mark.parametrize("path", ["health", "attribution"])
def test_what_a_person_reads_is_in_the_language_that_is_asked_for(app, serve, path):
    with serve(app) as url:
        asked(url, 3)
        german, plain = (
            httpx.get(f"{url}/performance/{path}", headers={"Accept-Language": lang}).json()
            for lang in ("de-AT, en;q=0.5", "fr")
        )
    if path == "health":
        (one,), (other,) = (said["checks"]["api_response_time"] for said in (german, plain))
        assert (one["label"], other["label"]) == ("Antwortzeit p95", "response time p95")
        assert (one["kpi"], one["outcome"]) == (other["kpi"], other["outcome"])
    else:
        assert (german["limit"] != plain["limit"]) == bool(plain["limit"])


def test_the_alerts_in_health_are_in_the_language_that_is_asked_for():
    alert = Alert(
        metric="error_rate",
        severity=Severity.CRITICAL,
        state=AlertState.FIRING,
        message=say("nothing was measured yet"),
        since=T0,
        changed_at=T0,
    )
    told = document_of({}, None, [alert], build={}, now=T0, lang="de")["alerts"][0]
    assert told["message"] == "noch wurde nichts gemessen"
    assert told["text"] == "[firing] error_rate (critical): noch wurde nichts gemessen"
    assert told["state"] == "firing"


def test_livez_and_readyz_answer_an_orchestrator_and_tell_nothing(serve):
    app = FastAPI()
    monitor = PerformanceMonitor(token=TOKEN)
    monitor.install(app)
    with serve(app) as url:
        for path in ("livez", "readyz"):
            answered = httpx.get(f"{url}/performance/{path}")
            assert (answered.status_code, answered.text) == (200, "ok\n")
        for path in ("health", "prometheus"):
            assert httpx.get(f"{url}/performance/{path}").status_code == 401
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            assert httpx.get(f"{url}/performance/{path}", headers=bearer).status_code == 200


def test_whoever_only_looks_at_a_store_refers_to_the_service_itself(serve, tmp_path):
    store = SqliteStore(tmp_path / "perf.sqlite")
    store.append(Snapshot(started_at=T0, window_s=10.0))
    store.close()
    app = FastAPI()
    setattr(app.state, STATE, StoredMonitor(store.path))
    app.include_router(performance_router)
    with serve(app) as url:
        for path, status in (("prometheus", 404), ("health", 404), ("readyz", 503), ("livez", 200)):
            assert httpx.get(f"{url}/performance/{path}").status_code == status


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (TOKEN, {}, 401),
        (TOKEN, {"Authorization": "Bearer wrong"}, 401),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}"}, 200),
        (None, {"X-Forwarded-For": "203.0.113.9"}, 403),
        (None, {}, 200),
    ],
)
def test_the_mounted_app_is_protected_as_the_dashboard_is(token, headers, status, serve):
    app = FastAPI()
    monitor = PerformanceMonitor(token=token)
    monitor.install(app)
    app.mount("/figures", PrometheusApp(monitor))
    with serve(app) as url:
        assert httpx.get(f"{url}/figures/", headers=headers).status_code == status
        assert httpx.post(f"{url}/figures/", headers=headers).status_code == 405


async def test_figures_are_pushed_to_a_collector_and_its_absence_is_said_once(serve, caplog):
    taken, collector = [], FastAPI()

    @collector.post("/v1/metrics")
    async def take(document: dict):
        taken.append(document)

    with serve(collector) as url:
        exporter = OtlpExporter(url, service="agents", every_s=0.01, headers={"api-key": TOKEN})
        monitor = PerformanceMonitor(otlp=exporter, revision="r1")
        answer(monitor.recorder, 3)
        monitor.start()
        await asyncio.to_thread(eventually, lambda: taken)
    await asyncio.to_thread(eventually, lambda: "collector" in caplog.text)
    await monitor.stop()
    (resource,) = taken[0]["resourceMetrics"]
    names = {one["value"]["stringValue"] for one in resource["resource"]["attributes"]}
    assert names == {"agents", "r1"}
    said = [one for one in caplog.records if one.name == "keiko_perf.export"]
    assert len(said) == 1
    assert TOKEN not in f"{caplog.text} {exporter!r}"
