"""The load commands, run as a user runs them."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psutil
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
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


@app.get("/stuck", include_in_schema=False)
async def stuck() -> None:
    await asyncio.sleep(6)


@app.get("/news", include_in_schema=False)
async def news() -> StreamingResponse:
    async def told() -> AsyncIterator[str]:
        while True:
            yield "data: x\n\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(told(), media_type="text/event-stream")


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


def test_a_subscription_is_complete_after_so_many_events(url):
    asked = ("run", f"{url}/news", "--users", "2", "--duration", "0.5s", "--format", "json")
    done = keiko(*asked, "--events", "3")
    assert done.exit_code == 0, done.output
    (steps,) = [one for one in json.loads(done.stdout)["sections"] if "Steps" in str(one["title"])]
    (phases,) = [one for one in steps["tables"] if "Phases" in str(one["title"])]
    seen = {row[1]: row[2] for row in phases["rows"]}
    assert seen["event gap"] == 2 * seen["first event"] > 0


def test_events_are_about_requests_and_not_about_users(tmp_path):
    file = tmp_path / "shop.py"
    file.write_text(
        "from keiko_perf.loadtest import scenario\n\n\n@scenario()\n"
        "async def browse(user):\n    await user.get('/')\n"
    )
    done = keiko("run", str(file), "--url", "http://127.0.0.1:1", "--events", "1")
    assert isinstance(done.exception, UsageError)
    assert "not about users" in str(done.exception)


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


def test_the_token_may_come_from_the_environment_and_that_of_the_monitor_is_not_sent(url, tmp_path):
    file = tmp_path / "result.json"
    asked = ("run", f"{url}/none", "--users", "2", "--duration", "200ms", "--save", str(file))
    assert keiko(*asked, KEIKO_PERF_LOAD_TOKEN="hunter2").exit_code == 3
    assert "authorization: ***" in file.read_text()
    assert keiko(*asked, KEIKO_PERF_TOKEN="hunter2").exit_code == 3
    assert "authorization" not in file.read_text()


def test_a_promise_that_is_missed_ends_the_run_with_exit_3(url, tmp_path):
    file = tmp_path / "result.json"
    promise = "p50 of GET /slow < 10ms for 1s, stop as failed"
    done = keiko(
        *("run", f"{url}/slow", "--users", "9", "--duration", "50s", "--slo", promise),
        *("--save", str(file), "--warmup", "auto"),
    )
    assert done.exit_code in (3, 4), done.output  # 4 where the machine starved the generator
    assert "it stopped the run" in done.output
    saved = json.loads(file.read_text())
    assert saved["duration_s"] < 40
    assert saved["stopped"]["number"] == 0
    shown = keiko("show", str(file), "--slo", "p50<5s", "--format", "markdown")
    assert "it stopped the run" not in shown.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--slo", "p95<200"), "its unit is expected"),
        (("--slo", "p95 of GET /none<200ms"), "there is no such step"),
        (("--warmup", "auto", "--stages", "5@1s"), "a load that stays the same"),
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_load_and_reports_what_was_measured(url, tmp_path, number):
    file = tmp_path / "result.json"
    with running(f"{url}/ok", "--rate", "20", "--save", str(file)) as process:
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert "The run was stopped" in output
    assert errors.splitlines()[-1].endswith("the report holds what was measured")
    assert json.loads(file.read_text())["interrupted"] is True


def test_a_stopped_run_waits_for_the_answers_under_way(url):
    with running(f"{url}/slow", "--rate", "50", "--format", "json") as process:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    verdict = json.loads(output)["sections"][0]
    stopped = next(one for one in verdict["paragraphs"] if "stopped" in one["text"])
    assert stopped["values"]["count"] == 0


def test_a_second_signal_ends_it_at_once(url):
    with running(f"{url}/stuck", "--rate", "20", "--timeout", "60s") as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # or the two become one
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        output, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors
    assert output == ""
    assert time.monotonic() - began < 4  # a first one alone waits for answers for 5 s


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run of a minute as a process of its own, from the moment its load began."""
    program = "from keiko_perf.cli.main import app, run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "load", "run", *arguments, "--duration", "60s"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _wait_for_requests(process.pid)
        yield process
    finally:
        process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _wait_for_requests(pid: int) -> None:
    """Until the process that generates the load has a connection: then its load began."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for one in psutil.Process(pid).children():
            if any(it.status == "ESTABLISHED" for it in one.net_connections()):
                return
        time.sleep(0.05)
    pytest.fail("the load did not begin")


# What is asked


def asked(*arguments: str) -> dict[str, int]:
    """The steps of a short run, and how often each was asked."""
    done = keiko(
        *("run", *arguments, "--rate", "40", "--duration", "1s", "--max-errors", "100"),
        *("--format", "json"),
    )
    assert done.exit_code in (0, 3), done.output
    sections = json.loads(done.stdout)["sections"]
    (steps,) = [one for one in sections if one["title"]["text"] == "Steps"]
    return {row[0]: row[1] for row in steps["tables"][0]["rows"] if isinstance(row[0], str)}


def test_an_openapi_document_is_asked_where_it_was_fetched(url):
    found = asked("--openapi", f"{url}/openapi.json")
    assert found == {"GET /ok": 20, "GET /slow": 20}


def test_what_an_import_leaves_out_is_said(url):
    done = keiko("run", "--openapi", f"{url}/openapi.json", "--duration", "100ms")
    assert "left out: POST /echo, it is not safe to repeat" in done.stderr


def test_writes_are_asked_for_on_purpose(url):
    assert "POST /echo" in asked("--openapi", f"{url}/openapi.json", "--writes")


def test_an_openapi_document_from_a_file_needs_to_know_where(url, tmp_path):
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(app.openapi()))
    done = keiko("run", "--openapi", str(file))
    assert "--url" in done.exception.cure
    assert set(asked("--openapi", str(file), "--url", url)) == {"GET /ok", "GET /slow"}


def test_a_curl_line_is_asked(url):
    line = f"curl -X POST -H 'X-One: 1' --json '{{\"a\": 1}}' {url}/echo"
    assert asked("--curl", line) == {"POST /echo": 40}


def test_a_recording_of_a_browser_is_asked_at_another_place(url, tmp_path):
    entry = {"request": {"method": "GET", "url": "https://example.org/ok", "headers": []}}
    file = tmp_path / "recorded.har"
    file.write_text(json.dumps({"log": {"entries": [entry]}}))
    assert asked("--har", str(file), "--url", url) == {"GET /ok": 40}


def test_scenarios_of_a_file_are_carried_out(url, tmp_path):
    file = tmp_path / "shop.py"
    file.write_text(
        "from keiko_perf.loadtest.users.scenario import scenario\n"
        "@scenario\n"
        "async def browse(user):\n"
        "    await user.get('/ok')\n"
        "    await user.get('/ok?page=2', name='second page')\n"
    )
    assert asked(str(file), "--url", url) == {"GET /ok": 40, "second page": 40}


def test_what_a_file_promises_holds_unless_the_command_says_otherwise(url, tmp_path):
    file = tmp_path / "promising.py"
    file.write_text(
        "from keiko_perf.loadtest.users.scenario import scenario\n"
        "slo = 'p50<10ms'\n"
        "@scenario\n"
        "async def wait(user):\n"
        "    await user.get('/slow')\n"
    )
    given = ("run", str(file), "--url", url, "--users", "2", "--duration", "500ms")
    broken = keiko(*given, "--format", "json")
    assert broken.exit_code == 3, broken.output
    missed = [one for one in verdicts_of(json.loads(broken.stdout)) if one["outcome"] == "missed"]
    assert [(one["kpi"], one["at_most"]) for one in missed] == [("latency_p50_s", 0.01)]
    for option in (("--slo", "errors<1%"), ("--max-p50", "5s")):
        assert keiko(*given, *option).exit_code == 0


def verdicts_of(document: dict) -> list[dict]:
    return [one for section in document["sections"] for one in section.get("verdicts", ())]


def test_two_processes_share_the_load(url):
    assert asked(f"{url}/ok", "--processes", "2") == {"GET /ok": 40}


@pytest.mark.parametrize("processes", ["0", "257"])
def test_no_process_and_too_many_are_refused(processes):
    done = keiko("run", "http://127.0.0.1:1", "--processes", processes)
    assert done.exit_code == 2
    assert "--processes" in done.output


def test_requests_come_at_recorded_instants(url, tmp_path):
    file = tmp_path / "instants.txt"
    file.write_text("0.0\n0.1\n0.2\n0.25\n")
    done = keiko("run", f"{url}/ok", "--replay", str(file), "--save", str(tmp_path / "r.json"))
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["offered"] == 4
    assert result["planned_s"] == pytest.approx(1 / 3)  # the last instant, and a distance more


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "nothing to put under load"),
        (("http://127.0.0.1:1", "--curl", "curl http://127.0.0.1:1"), "at once"),
        (("http://127.0.0.1:1", "--url", "http://127.0.0.1:2"), "--url goes with"),
        (("http://127.0.0.1:1", "--writes"), "--writes goes with --openapi"),
        (("--curl", "curl http://127.0.0.1:1", "--json", "{}"), "--json goes with a URL"),
        (("shop.py",), "does not say where the service is"),
        (("shop.py", "--url", "http://127.0.0.1:1"), "there is no file"),
        ((__file__.removesuffix("/test_load.py"),), "is no Python file with scenarios"),
        (("--har", "/nowhere"), "cannot be read"),
        (("--openapi", "http://127.0.0.1:1/openapi.json"), "cannot be fetched"),
    ],
)
def test_what_is_asked_has_to_be_one_thing(arguments, reason):
    done = keiko("run", "--rate", "1", *arguments)
    assert isinstance(done.exception, KeikoError), done.output
    assert reason in str(done.exception)
    assert done.exception.cure
