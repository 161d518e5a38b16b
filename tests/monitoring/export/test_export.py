"""What other tools read: true figures under the agreed names, in each format, for whom they are."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import struct
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from math import sqrt
from random import Random

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse

from keiko_perf.fakes import FakeClock
from keiko_perf.model import Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring import (
    OtlpExporter,
    PerformanceKPIs,
    PerformanceMonitor,
    PrometheusApp,
    SqliteStore,
    StoredMonitor,
    performance_router,
)
from keiko_perf.monitoring.dashboard.pages import STATE
from keiko_perf.monitoring.export.families import View, families
from keiko_perf.monitoring.export.negotiation import choose
from keiko_perf.monitoring.export.otlp import as_otlp
from keiko_perf.monitoring.export.protobuf import PROTOBUF, as_protobuf
from keiko_perf.monitoring.export.text import OPENMETRICS, PROMETHEUS, as_openmetrics, as_prometheus
from keiko_perf.monitoring.export.totals import Totals
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.journal import Journal

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TOKEN = "a-token-of-a-test"


def view(**options):
    durations = [0.004, 0.02, 0.02, 0.3, 20.0]
    routes = (
        Series(
            kind=Kind.ROUTE,
            name="GET /agents/{id}",
            window_s=60.0,
            succeeded=Histogram(durations),
            failed=Histogram([1.0]),
            sent_bytes=4096,
        ),
        Series(kind=Kind.ROUTE, name="(other)", window_s=60.0, succeeded=Histogram([0.01])),
        Series(
            kind=Kind.STATEMENT,
            name='SELECT "name" FROM agents WHERE id = $1',
            window_s=60.0,
            succeeded=Histogram([0.001]),
        ),
    )
    totals = Snapshot(
        started_at=T0, window_s=60.0, series=routes, counters={"arrived": 6, "tasks_total": 2}
    )
    given = {"totals": totals, "since": T0, "current": None, "verdicts": {}, "alerts": ()}
    return View(**{**given, "build": {"version": "1"}, "figures": {}, **options})


# --- The formats --------------------------------------------------------------------------------


def test_prometheus_text_has_the_semantic_names_and_exact_counts():
    lines = as_prometheus(families(view())).splitlines()
    labels = 'http_request_method="GET",http_route="/agents/{id}"'
    name = "http_server_request_duration_seconds"
    assert f"# TYPE {name} histogram" in lines
    for bound, within in (("0.005", 1), ("0.025", 3), ("0.25", 3), ("0.5", 4), ("+Inf", 5)):
        assert f'{name}_bucket{{{labels},le="{bound}"}} {within}' in lines
    assert f"{name}_count{{{labels}}} 5" in lines
    assert f"{name}_sum{{{labels}}} 20.344" in lines
    assert f'{name}_count{{{labels},error_type="5xx"}} 1' in lines
    assert f'{name}_count{{http_request_method="_OTHER",http_route="(other)"}} 1' in lines
    assert f"keiko_http_server_sent_bytes_total{{{labels}}} 4096.0" in lines
    assert "keiko_arrived_total 6.0" in lines
    assert "keiko_tasks_total 2.0" in lines  # and not keiko_tasks_total_total
    quoted = 'db_query_text="SELECT \\"name\\" FROM agents WHERE id = $1"'
    assert f"db_client_operation_duration_seconds_count{{{quoted}}} 1" in lines


def test_openmetrics_says_units_and_since_when_and_ends():
    lines = as_openmetrics(families(view()), T0).splitlines()
    assert lines[-1] == "# EOF"
    assert "# UNIT http_server_request_duration_seconds seconds" in lines
    assert "# TYPE keiko_http_server_sent_bytes counter" in lines
    assert "# TYPE keiko_build info" in lines
    assert f"keiko_arrived_created {T0.timestamp()!r}" in lines


def test_a_value_that_would_break_a_line_is_escaped_and_a_long_one_is_cut():
    def named(name):
        one = replace(view().totals.series[2], name=name)
        return as_prometheus(families(view(totals=replace(view().totals, series=(one,)))))

    assert 'db_query_text="a\\\\b\\nc"' in named("a\\b\nc")
    assert "\\udcff" not in named("a\udcffb")
    long, other = (named("x" * 900 + end) for end in ("1", "2"))
    assert max(map(len, long.splitlines())) < 500
    assert long != other


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/html", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        ("text/plain;q=0.9,application/openmetrics-text;q=0.8", PROMETHEUS),
        (f"{PROTOBUF},text/plain;q=0.5", PROTOBUF),
        ("application/vnd.google.protobuf;q=1", PROMETHEUS),
        ("application/openmetrics-text;q=nonsense", PROMETHEUS),
    ],
)
def test_a_scrape_gets_the_format_that_it_likes_best(accept, format):
    assert choose(accept) == format


def test_the_protobuf_form_is_read_by_a_reader_of_its_own():
    decoded = list(read_families(as_protobuf(families(view()))))
    by_name = {name: metrics for name, _, metrics in decoded}
    histogram = by_name["http_server_request_duration_seconds"][0]
    assert histogram["labels"] == {"http_request_method": "GET", "http_route": "/agents/{id}"}
    assert histogram["schema"] == 6
    original = view().totals.series[0].succeeded
    expected = {upper: count for _, upper, count in original.buckets()}
    assert histogram["count"] == original.count
    assert histogram["sum"] == original.sum_s
    assert {round(2 ** (index / 64), 9): n for index, n in histogram["buckets"].items()} == {
        round(upper, 9): n for upper, n in expected.items()
    }


def test_durations_beyond_the_buckets_are_in_the_native_histogram_as_well():
    edges = Histogram([0.0, 1e-7, 0.5, 4000.0])
    series = replace(view().totals.series[0], succeeded=edges, failed=Histogram())
    totals = replace(view().totals, series=(series,))
    ((_, _, (metric,)), *_) = read_families(as_protobuf(families(view(totals=totals))))
    assert metric["zero"] == 2
    assert metric["zero"] + sum(metric["buckets"].values()) == metric["count"] == 4


def test_otlp_is_what_opentelemetrys_own_messages_take_and_loses_nothing():
    metrics = pytest.importorskip("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    from google.protobuf import json_format

    document = as_otlp(
        families(view()), since=T0, now=T0, resource={"service.name": "agents"}, version="1"
    )
    request = metrics.ExportMetricsServiceRequest()
    json_format.Parse(json.dumps(document), request)
    (resource,) = request.resource_metrics
    by_name = {one.name: one for one in resource.scope_metrics[0].metrics}
    duration = by_name["http.server.request.duration"]
    point = duration.exponential_histogram.data_points[0]
    original = view().totals.series[0].succeeded
    assert (duration.unit, point.scale, point.count) == ("s", 6, original.count)
    assert list(point.positive.bucket_counts) == original.to_dict()["counts"]
    assert point.positive.offset == original.to_dict()["offset"]
    assert {one.key for one in point.attributes} == {"http.request.method", "http.route"}
    assert by_name["keiko.http_server_sent"].sum.is_monotonic


# --- The totals ---------------------------------------------------------------------------------


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


# --- The endpoints ------------------------------------------------------------------------------


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


# --- The real ones ------------------------------------------------------------------------------


@pytest.fixture
def promtool(absent):
    return shutil.which("promtool") or absent("promtool. apt install prometheus")


def test_promtool_finds_nothing_to_complain_of(promtool):
    monitor = PerformanceMonitor()
    monitor.recorder.gauge("cpu_ratio", 0.2)
    monitor.recorder.gauge("rss_bytes", 1e6)
    monitor.recorder.gauge("open_files", 12)
    monitor.recorder.gauge("threads", 3)
    monitor.recorder.gauge("task_wait_s", 3)
    current = monitor.recorder.peek()
    text = as_prometheus(families(view(current=current, verdicts=monitor.judge(current))))
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def prometheus(tmp_path, absent):
    """Starts a Prometheus that scrapes a service twice a second; hands back its own address."""
    program = shutil.which("prometheus") or absent("Prometheus. apt install prometheus")
    started = []

    def start(url, *options):
        service = {
            "job_name": "service",
            "metrics_path": "/performance/prometheus",
            "authorization": {"credentials": TOKEN},
            "static_configs": [{"targets": [url.removeprefix("http://")]}],
        }
        often = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        config = tmp_path / "prometheus.yml"
        config.write_text(json.dumps({"global": often, "scrape_configs": [service]}))
        place = f"--storage.tsdb.path={tmp_path / 'tsdb'}"
        own = [f"--config.file={config}", place, "--web.listen-address=127.0.0.1:0"]
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen([program, *own, *options], stdout=log, stderr=log)
        started.append((process, log))

        def address():
            said = (tmp_path / "log").read_text()
            return re.search(r'"Listening on" address=(\S+)', said)

        return f"http://{eventually(address)[1]}"

    yield start
    for process, log in started:
        process.terminate()
        process.wait(30)
        log.close()


def eventually(question):
    """The first answer that is not empty, asked again for a minute at most."""
    ends_s = time.monotonic() + 60
    while not (answered := question()):
        assert time.monotonic() < ends_s, "it never came"
        time.sleep(0.05)
    return answered


def queried(prometheus, query):
    """What Prometheus answers, by route; nothing before it is ready."""
    try:
        answered = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}).json()
    except (httpx.TransportError, ValueError):
        return {}
    results = answered["data"]["result"]
    return {one["metric"].get("http_route", ""): float(one["value"][1]) for one in results}


COUNT = "http_server_request_duration_seconds_count"


def test_a_real_prometheus_scrapes_a_service_behind_its_token(prometheus, serve):
    app = FastAPI()
    monitor = PerformanceMonitor(token=TOKEN, window_s=1)
    monitor.install(app)
    monitor.recorder.record(Kind.ROUTE, "GET /agents/{id}", 0.02)
    with serve(app) as url:
        own = prometheus(url)
        found = eventually(lambda: queried(own, COUNT))
        assert found == {"/agents/{id}": 1.0}
        assert eventually(lambda: queried(own, "up == 1")) == {"": 1.0}
        for _ in range(4):
            monitor.recorder.record(Kind.ROUTE, "GET /agents/{id}", 0.02)
        assert eventually(lambda: queried(own, f"{COUNT} == 5")) == {"/agents/{id}": 5.0}


def test_prometheus_computes_our_quantiles_from_native_histograms(prometheus, serve):
    """Its own p95 of a heavy-tailed route, where fixed buckets would be tens of per cent off."""
    app = FastAPI()
    monitor = PerformanceMonitor(token=TOKEN, window_s=1)
    monitor.install(app)
    random = Random(1)
    durations = Histogram(random.lognormvariate(-4, 1) for _ in range(20_000))
    for lower, upper, count in durations.buckets():
        for _ in range(count):
            monitor.recorder.record(Kind.ROUTE, "GET /agents", sqrt(lower * upper))
    with serve(app) as url:
        own = prometheus(url, "--enable-feature=native-histograms")
        name = COUNT.removesuffix("_count")
        for q in (0.5, 0.95, 0.99):
            found = eventually(lambda: queried(own, f"histogram_quantile({q}, {name})"))  # noqa: B023
            assert found["/agents"] == pytest.approx(durations.quantile(q), rel=0.012)


# --- A reader of Prometheus' messages -----------------------------------------------------------


def read_families(encoded):
    """The name, the type and the metrics of each message, by the numbers of its fields."""
    while encoded:
        length, encoded = read_varint(encoded)
        body, encoded = encoded[:length], encoded[length:]
        fields = read_fields(body)
        yield (
            fields[1][0].decode(),
            fields[3][0],
            [read_metric(one) for one in fields.get(4, ())],
        )


def read_metric(body):
    fields = read_fields(body)
    labels = {}
    for one in fields.get(1, ()):
        label = read_fields(one)
        labels[label[1][0].decode()] = label[2][0].decode()
    if 7 not in fields:
        return {"labels": labels}
    histogram = read_fields(fields[7][0])
    buckets, at = {}, 0
    deltas, count = [unzigzag(one) for one in histogram.get(13, ())], 0
    for one in histogram.get(12, ()):
        span = read_fields(one)
        at += unzigzag(span[1][0])
        for _ in range(span[2][0]):
            count += deltas.pop(0)
            buckets[at] = count
            at += 1
    return {
        "labels": labels,
        "count": histogram[1][0],
        "sum": struct.unpack("<d", histogram[2][0])[0],
        "schema": unzigzag(histogram[5][0]),
        "zero": histogram[7][0],
        "buckets": buckets,
    }


def read_fields(body):
    fields = {}
    while body:
        key, body = read_varint(body)
        if key & 7 == 0:
            value, body = read_varint(body)
        elif key & 7 == 1:
            value, body = body[:8], body[8:]
        else:
            length, body = read_varint(body)
            value, body = body[:length], body[length:]
        fields.setdefault(key >> 3, []).append(value)
    return fields


def read_varint(encoded):
    number = shift = 0
    for position, byte in enumerate(encoded):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, encoded[position + 1 :]
    raise ValueError("cut short")


def unzigzag(number):
    return number >> 1 if number % 2 == 0 else -(number >> 1) - 1
