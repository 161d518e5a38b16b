"""What the how-to pages of monitoring show works as it stands there."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.model import Kind
from keiko_perf.monitoring import PerformanceMonitor

HOW_TO = Path(__file__).parent.parent / "docs" / "how-to"
TOKEN = "correct horse"
apprise = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


def code_of(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (HOW_TO / page).read_text(), re.S)


def ran(page: str) -> dict[str, Any]:
    """The names of a page whose code is run from top to bottom."""
    names: dict[str, Any] = {}
    exec("\n".join(code_of(page)), names)  # noqa: S102  # our own page
    return names


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@apprise
async def test_the_alerts_of_the_page_are_judged_and_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_URL", "json://localhost")
    monkeypatch.setenv("ALERTMANAGER_URL", "http://127.0.0.1:9093")
    monkeypatch.setenv("WEBHOOK_URL", "http://127.0.0.1:9/hook")
    names = ran("alerts.md")
    monitor: PerformanceMonitor = names["monitor"]
    verdicts = await monitor.verdicts()
    assert {"refused_ratio", "api_response_time[POST /orders]", "throughput"} <= set(verdicts)
    assert monitor.kpis.requests_per_second == 200
    await monitor.tick()
    await monitor.stop()
    commands = re.findall(r"^    (keiko-perf .+)$", (HOW_TO / "alerts.md").read_text(), re.M)
    assert len(commands) == 2
    for command in commands:
        done = await asyncio.to_thread(CliRunner().invoke, cli, shlex.split(command)[1:])
        assert done.exit_code == 0, done.output
    assert [one.reason for one in await monitor.silences()] == ["we move the database"]
    await monitor.stop()


async def test_the_export_of_the_page_is_scraped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFORMANCE_TOKEN", TOKEN)
    names = ran("export-to-prometheus.md")
    app: FastAPI = names["app"]
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://agents") as http:
        for path in ("/metrics/", "/performance/prometheus"):
            assert (await http.get(path)).status_code in (401, 403)
            found = await http.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
            assert found.status_code == 200
            assert "http_server" in found.text or "process" in found.text
        assert (await http.get("/performance/livez")).text == "ok\n"
    await names["monitor"].stop()
    assert repr(names["pushing"]).startswith("<PerformanceMonitor")


async def test_the_tasks_and_workers_of_the_page_are_watched_and_protected() -> None:
    names = ran("watch-tasks-and-workers.md")
    await names["work"]()
    seen = names["monitor"].recorder.peek()
    assert {one.name for one in seen.of(Kind.TASK)} >= {"mail", "nightly"}
    assert len(seen.of(Kind.TASK)) == 3
    await names["engine"].dispose()
    for app in (names["app"], names["other"]):
        transport = httpx.ASGITransport(app, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://agents.example") as http:
            assert (await http.get("/performance/metrics")).status_code == 403
            admin = await http.get("/performance/metrics", headers={"X-User": "admin"})
            assert admin.status_code == 200
    await names["shared"].stop()


async def test_a_framework_that_leaves_no_route_is_told_apart_as_the_page_says() -> None:
    names = ran("watch-tasks-and-workers.md")

    async def send(_message: object) -> None: ...

    for path in ("/films/movie", "/films/review", "/elsewhere"):
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        await names["served"](scope, None, send)
    monitor: PerformanceMonitor = names["monitor"]
    routes = {one.name: one.count for one in monitor.recorder.peek().series if one.count}
    await monitor.stop()
    assert routes["GET /{database}/{table}"] == 2
    assert routes["(unmatched)"] == 1


@pytest.mark.parametrize("page", ["alerts", "export-to-prometheus", "watch-tasks-and-workers"])
def test_what_a_page_names_is_there(page: str) -> None:
    import keiko_perf.monitoring as monitoring

    text = (HOW_TO / f"{page}.md").read_text()
    for name in re.findall(r"`(watch_\w+|taskiq_middleware|[A-Z]\w+(?:Notifier|Exporter))\(", text):
        assert hasattr(monitoring, name), name
