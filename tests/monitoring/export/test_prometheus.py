"""promtool and a real Prometheus take what is exported, and compute our quantiles."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from math import sqrt
from random import Random

import httpx
import pytest
from fastapi import FastAPI
from tests.monitoring.export.exported import TOKEN, eventually, view

from keiko_perf.model import Histogram, Kind
from keiko_perf.monitoring import PerformanceMonitor
from keiko_perf.monitoring.export.families import families
from keiko_perf.monitoring.export.text import as_prometheus


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
