"""`load ab` as a user runs it: two versions, started and stopped in turns."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from tests.monitoring.export.exported import eventually
from typer.testing import CliRunner

from keiko_perf.cli import load
from keiko_perf.errors import KeikoError, ServiceUnavailable, UsageError
from keiko_perf.fakes import run_virtually, steady
from keiko_perf.loadtest import ConstantRate, Plan, save

SERVER = textwrap.dedent(
    """
    import asyncio, sys

    size, pause = int(sys.argv[2]), float(sys.argv[3])

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\\r\\n\\r\\n")
                await asyncio.sleep(pause)
                head = f"HTTP/1.1 200 OK\\r\\ncontent-length: {size}\\r\\n\\r\\n".encode()
                writer.write(head + b"x" * size)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main():
        server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
        await server.serve_forever()

    asyncio.run(main())
    """
)
URL = "http://127.0.0.1:{port}/items"
SHORT = ("--duration", "2s", "--warmup", "0s", "--rate", "50")


@pytest.fixture
def server(tmp_path: Path) -> Path:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    return file


def command(server: Path, *, size: int = 100, pause_s: float = 0.0) -> str:
    return shlex.join([sys.executable, str(server), "{port}", str(size), str(pause_s)])


def keiko(*arguments: str):
    return CliRunner().invoke(load.app, ["ab", *arguments])


def left_behind(server: Path) -> list[int]:
    return [
        one.pid
        for one in psutil.process_iter(["cmdline"])
        if str(server) in (one.info["cmdline"] or [])
    ]


@pytest.mark.slow
def test_a_version_that_is_far_slower_and_sends_more_is_a_regression(server: Path) -> None:
    done = keiko(
        command(server, pause_s=0.02),
        command(server, size=200, pause_s=0.2),
        *("--url", URL, *SHORT, "--pairs", "3", "--percentile", "50", "--format", "json"),
    )
    if done.exit_code == 4:  # this machine starved the generator three times in a row
        assert "invalid" in done.output
        return
    assert done.exit_code == 5, done.output
    told = json.loads(done.stdout)
    assert told["pairs"] == 3
    changes = {one["label"]["text"]: one["change"] for one in told["sections"][0]["comparisons"]}
    assert changes["bytes a request"] == "regressed"
    assert changes["response time p50"] == "regressed"
    assert left_behind(server) == []
    # What is told after each pair says which figure it is.
    assert re.search(r"pair 3 .*bytes a request regressed \(\+\d.*\d %\)", done.stderr), done.stderr
    assert "GET /items response time p50 regressed" in done.stderr


def test_a_version_that_never_listens_ends_with_the_sigterm_that_ended_the_comparison(
    tmp_path: Path,
) -> None:
    file = tmp_path / "idle.py"
    file.write_text("import time\nwhile True: time.sleep(1)")
    version = shlex.join([sys.executable, str(file), "{port}"])
    program = [sys.executable, "-m", "keiko_perf", "load", "ab", version, version]
    with subprocess.Popen([*program, "--url", URL, *SHORT], stderr=subprocess.PIPE) as process:
        eventually(lambda: left_behind(file))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    assert not left_behind(file)


def test_a_version_is_ended_by_a_signal_that_came_while_it_was_being_started(
    tmp_path: Path,
) -> None:
    file = tmp_path / "idle.sh"
    file.write_text("kill -TERM $PPID\nwhile :; do sleep 1; done")
    version = shlex.join(["sh", str(file), "{port}"])
    program = [sys.executable, "-m", "keiko_perf", "load", "ab", version, version]
    for _ in range(3):
        done = subprocess.run(
            [*program, "--url", URL, *SHORT], check=False, capture_output=True, timeout=60
        )
        assert done.returncode == 130, done.stderr
        assert not left_behind(file)


def test_commands_may_write_their_results_themselves(tmp_path: Path) -> None:
    plan = Plan(base_url="http://service", load=ConstantRate(50), duration_s=5)
    for name, service_s in (("old", 0.02), ("new", 0.04)):
        save(run_virtually(plan, steady(service_s)), tmp_path / f"{name}.json")
    old, new = (
        f"cp {shlex.quote(str(tmp_path))}/{name}.json {{result}}" for name in ("old", "new")
    )
    assert keiko(old, old).exit_code == 0
    slower = keiko(old, new)
    assert slower.exit_code == 5, slower.output
    assert "response time p95 of GET /: worse by" in slower.output
    assert keiko(new, old).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "reason"),
    [
        (("a", "b"), UsageError, "what is asked for is not said"),
        (("a", "b", "--url", "http://127.0.0.1:80/"), UsageError, "is not said"),
        (("a", "b", "--url", URL), UsageError, "does not say where it listens"),
        (("no-such-program {port}",) * 2 + ("--url", URL), UsageError, "cannot be started"),
        (("false {port}",) * 2 + ("--url", URL), ServiceUnavailable, "ended with status 1"),
        (("true {result}",) * 2, ServiceUnavailable, "wrote no result"),
        (("a", "b", "--pairs", "2"), UsageError, "2 pairs"),
        (("a", "b", "--percentile", "100"), UsageError, "no percentile 100"),
        (("a", "b", "--min-effect", "0"), UsageError, "an effect of 0 %"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_cure(
    arguments: tuple[str, ...], kind: type, reason: str
) -> None:
    done = keiko(*arguments)
    assert isinstance(done.exception, kind), done.output
    assert isinstance(done.exception, KeikoError)
    assert reason in done.exception.what
    assert done.exception.cure
