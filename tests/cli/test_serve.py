"""keiko-perf serve: the dashboard from a store, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime

import httpx
import pytest
from typer.testing import CliRunner

from keiko_perf.cli.main import app
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import Gauge, Snapshot
from keiko_perf.monitoring import SqliteStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "agents.db"
    kept = SqliteStore(file)
    now = datetime.now(UTC)
    kept.append(Snapshot(started_at=now, window_s=1.0, gauges={"cpu_ratio": Gauge.of(0.5)}))
    kept.close()
    return file


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ([], UsageError, "no store was named"),
        (["nothing.db"], StoreUnavailable, "there is no store nothing.db"),
        (["a=agents.db", "a=agents.db"], UsageError, "two services are called a"),
        (["agents.db", "--host", "192.0.2.1"], UsageError, "without a token"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_cure(store, arguments, error, why):
    result = CliRunner().invoke(app, ["serve", *arguments])
    assert isinstance(result.exception, error)
    assert why in str(result.exception)
    assert result.exception.cure


def test_it_serves_until_it_is_told_to_stop_also_while_a_page_is_open(store):
    command = [sys.executable, "-m", "keiko_perf", "serve", str(store), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline()
            url = re.search(r"http://\S+/", said).group()
            with httpx.Client(base_url=url, timeout=60, follow_redirects=True) as http:
                assert "agents" in http.get("").text
                with http.stream("GET", "performance/events") as events:
                    lines = events.iter_lines()
                    assert next(lines) == "event: state"
                    process.send_signal(signal.SIGTERM)
                    assert "event: bye" in list(lines)
            assert process.wait(60) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def test_a_port_that_is_taken_is_said(store):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["serve", "agents.db", "--port", port])
    assert "nobody can listen" in str(result.exception)
