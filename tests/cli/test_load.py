"""The load commands, run as a user runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from typer.testing import CliRunner

from keiko_perf.cli import load
from keiko_perf.cli.load.values import split_url
from keiko_perf.errors import KeikoError, UsageError

app = FastAPI()


@app.get("/ok")
async def ok(request: Request) -> dict[str, str]:
    return dict(request.headers)


@app.post("/echo")
async def echo(request: Request) -> Response:
    is_right = await request.json() == {"a": 1} and request.headers["x-one"] == "1"
    return Response(status_code=200 if is_right else 400)


@app.get("/slow")
async def slow() -> None:
    await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def url(serve) -> Iterator[str]:
    with serve(app) as served:
        yield served


def keiko(*arguments: str, **environment: str):
    return CliRunner().invoke(load.app, list(arguments), env=environment)


def test_a_url_and_a_load_are_enough(url):
    done = keiko("run", f"{url}/ok", "--duration", "500ms", "--users", "2", "--format", "markdown")
    assert done.exit_code == 0, done.output
    assert "GET /ok" in done.output


def test_method_header_and_json_arrive(url, tmp_path):
    body = tmp_path / "body.json"
    body.write_text('{"a": 1}')
    for given in ('{"a": 1}', f"@{body}"):
        done = keiko(
            *("run", f"{url}/echo", "--duration", "0.3s", "-H", "X-One: 1", "--json", given),
            *("--format", "json", "--users", "2"),
        )
        assert done.exit_code == 0, done.output
        assert '"POST /echo"' in done.output


def test_a_missed_target_is_exit_3(url):
    done = keiko("run", f"{url}/slow", "--users", "9", "--duration", "1s", "--max-p95", "10ms")
    assert done.exit_code == 3, done.output


def test_errors_are_exit_3_though_nothing_was_promised(url):
    done = keiko("run", f"{url}/none", "--users", "2", "--duration", "500ms")
    assert done.exit_code == 3, done.output
    assert "http-4xx" in done.output


def test_a_measurement_that_cannot_be_trusted_is_exit_4(url):
    done = keiko(
        *("run", f"{url}/slow", "--rate", "200", "--duration", "500ms"),
        *("--connections", "1", "--timeout", "200ms"),
    )
    assert done.exit_code == 4, done.output
    assert "INVALID" in done.output


def test_a_result_is_saved_shown_again_and_compared(url, tmp_path):
    file = tmp_path / "result.json"
    arguments = ("run", f"{url}/ok", "--users", "2", "--duration", "500ms", "--save", str(file))
    assert keiko(*arguments, "--token", "hunter2").exit_code == 0
    assert "hunter2" not in file.read_text()
    shown = keiko("show", str(file), "--format", "json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.output)["command"] == "load show"
    compared = keiko("compare", str(file), str(file))
    assert compared.exit_code == 6, compared.output  # too short to tell


def test_the_token_may_come_from_the_environment(url, tmp_path):
    file = tmp_path / "result.json"
    done = keiko(
        *("run", f"{url}/none", "--users", "2", "--duration", "200ms", "--save", str(file)),
        KEIKO_PERF_TOKEN="hunter2",
    )
    assert done.exit_code == 3
    assert "authorization: ***" in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--rate", "5", "--users", "5"), "exclude each other"),
        (("--users", "5", "--poisson"), "--poisson goes with --rate, not with --users"),
        (("--stages", "5@1s", "--spike", "9@1s"), "--spike goes with --rate, not with --stages"),
        (("--spike", "9"), "no spike"),
        (("--spike", "9@30s"), "a spike of 30 s in a test of 30 s"),
        (("--spike", "9@1s", "--poisson"), "exclude each other"),
        (("--replay", "/nowhere"), "cannot be read"),
        (("--replay", "/nowhere", "--rate", "5"), "--rate and --replay exclude each other"),
        (("--rate", "5", "--think", "1s"), "goes with --users"),
        (("--duration", "soon"), "no duration"),
        (("--stages", "50"), "no stage"),
        (("--stages", "x@5s"), "no stage"),
        (("--json", "{"), "no JSON"),
        (("--json", "@/nowhere"), "cannot be read"),
        (("--header", "secret"), "without a colon"),
        (("--rate", "30000"), "limit is 20000"),
        (("--max-errors", "101"), "% of errors"),
        (("--max-errors", "few"), "not a share of errors"),
        (("--max-p95", "GET /no=1s"), "there is no such step"),
        (("--min-rate", "0"), "a rate of 0"),
        (("--key", "key.pem"), "a key without its certificate"),
        (("--ca", "ca.pem", "--insecure"), "nothing is to be verified"),
        (("--save", "/nowhere/result.json"), "cannot be written"),
    ],
)
def test_senseless_options_are_refused(arguments, reason):
    done = keiko("run", "http://127.0.0.1:1/", *arguments)
    assert isinstance(done.exception, KeikoError)
    assert reason in str(done.exception)


def test_a_public_target_needs_the_users_word():
    done = keiko("run", "http://8.8.8.8/", "--duration", "1s")
    assert isinstance(done.exception, UsageError)
    assert "--i-own-this-target" in done.exception.cure


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h:1/a/b?c=d#e", ("http://h:1", "/a/b?c=d")),
        ("h:1", ("http://h:1", "/")),
        ("https://h?x=1", ("https://h", "/?x=1")),
    ],
)
def test_how_a_url_is_split(url, parts):
    assert split_url(url) == parts


def test_ctrl_c_reports_what_was_measured(url, tmp_path):
    file = tmp_path / "result.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from keiko_perf.cli.load import app; app()"),
            *("run", f"{url}/ok", "--duration", "60s", "--rate", "20", "--save", str(file)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr is not None
    # It has a line of progress out after ten seconds; a request that arrives says it earlier.
    _wait_for_requests(process.pid)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "The run was stopped" in output
    assert json.loads(Path(file).read_text())["interrupted"] is True


def _wait_for_requests(pid: int) -> None:
    """Until the process has a connection, that is to say, until its load began."""
    import time

    import psutil

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if any(one.status == "ESTABLISHED" for one in psutil.Process(pid).net_connections()):
            return
        time.sleep(0.05)
    pytest.fail("the load did not begin")
