"""Engine, front door and command against real servers: nginx, uvicorn, the demo service."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from keiko_perf import LoadTester
from keiko_perf.cli import load
from keiko_perf.demo.child import running_service
from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.seed import seed
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.loadtest import ConstantRate, Plan, Users, run

TOKEN = "a-token-of-the-tests"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, absent) -> Iterator[str]:
    """A real nginx with one worker; it closes each connection after 50 requests."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        absent("nginx. apt install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
        events {{ worker_connections 512; }}
        http {{
          access_log off; keepalive_requests 50; client_body_temp_path {folder}/body;
          proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
          uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
          server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
        }}
        """
    )
    process = subprocess.Popen([program, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def test_the_guides_call_on_nginx(nginx):
    result = await LoadTester(nginx).run_load_test("/", concurrent_users=10, duration_seconds=1)
    assert result.failed_requests == 0
    assert result.total_requests > 10  # more than one for each user


def commanded(*arguments: str) -> dict[str, object]:
    """The report of `load run`: all is well, or this machine was too busy to measure."""
    done = CliRunner().invoke(
        load.app, ["run", *arguments, "--format", "json"], env={"KEIKO_PERF_LOAD_TOKEN": TOKEN}
    )
    assert done.exit_code in (0, 4), done.output
    report: dict[str, object] = json.loads(done.stdout)
    return report


def steps(report) -> dict[str, int]:
    """How often each step was asked."""
    (section,) = [one for one in report["sections"] if one["title"]["text"] == "Steps"]
    return {row[0]: row[1] for row in section["tables"][0]["rows"] if isinstance(row[0], str)}


def test_the_command_on_nginx(nginx):
    assert steps(commanded(nginx, "--rate", "200", "--duration", "1s")) == {"GET /": 200}


def test_the_command_on_uvicorn(serve):
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    with serve(app) as url:
        report = commanded("--openapi", f"{url}/openapi.json", "--rate", "100", "--duration", "1s")
    assert steps(report) == {"GET /items/{number}": 100}


@pytest.mark.postgres
async def test_the_guides_call_and_the_command_on_the_demo_service(
    postgres: Cluster, tmp_path: Path
):
    database = await postgres.create_database("load_demo")
    await seed(database, scale=0.002)
    settings = DemoSettings(database_url=database, token=TOKEN, workers=0)
    async with running_service(settings, log=tmp_path / "service.log") as url:
        result = await LoadTester(url, TOKEN).run_load_test(
            "/api/v1/agents", concurrent_users=10, duration_seconds=1
        )
        arguments = (f"{url}/api/v1/agents", "--rate", "20", "--duration", "2s")
        report = await asyncio.to_thread(commanded, *arguments)
    assert result.failed_requests == 0
    assert result.total_requests >= 10  # one of each user, however slow the machine
    assert 0 < result.avg_response_time <= result.p99_response_time
    assert steps(report) == {"GET /api/v1/agents": 40}


@pytest.mark.parametrize("load", [ConstantRate(400), Users(10)], ids=["open", "closed"])
async def test_nginx_that_closes_its_connections_costs_no_request(nginx, load):
    result = await run(Plan(base_url=nginx, load=load, duration_s=1))
    assert result.errors == ()
    assert result.response.succeeded.count >= 300
    assert result.opened >= result.offered // 50
