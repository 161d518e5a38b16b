"""
The demo as a program: it proves its fix, leaves nothing behind, and says in one sentence what
would cure whatever keeps it from that.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster

pytestmark = pytest.mark.postgres


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where the demo makes its folders; other users must be able to reach it."""
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o055)
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    # Nothing is left behind, whatever the test did.
    deadline = time.monotonic() + 30
    while (_processes_of(folder) or any(folder.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(folder) == []
    assert list(folder.iterdir()) == []


def _processes_of(folder: Path) -> list[str]:
    """The processes that were told of the folder, in their command or in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in x for x in told):
                found.append(" ".join(process.cmdline()))
        except (psutil.Error, OSError):
            continue
    return found


def start(
    temporary: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "keiko_perf", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=temporary.parent,
        env={**os.environ, "TMPDIR": str(temporary), **(environment or {})},
        start_new_session=True,
    )


def run(
    temporary: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    program = start(temporary, *arguments, environment=environment)
    stdout, stderr = program.communicate(timeout=240)
    return program.returncode, stdout, stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_proves_that_one_index_cures_the_slow_endpoint(temporary: Path) -> None:
    page = temporary.parent / "report.html"
    exit_code, stdout, stderr = run(temporary, "--format", "json", "--report", str(page))
    assert exit_code == 0, stderr
    report = json.loads(stdout)
    told = json.dumps(report)
    hot = next(
        one
        for section in report["sections"]
        for one in section["comparisons"]
        if "tasks" in one["subject"]
    )
    assert hot["change"] == "improved"
    assert hot["low"] <= hot["ratio"] <= hot["high"] < 1
    (fix,) = [one for section in report["sections"] for one in section["recommendations"]]
    assert "(agent_id, status, created_at DESC)" in fix["statement"]
    assert fix["verified_by"] in ("hypopg", "build")
    # How many times quicker is the machine's business as well; how much work is saved is not.
    assert fix["evidence"]["cost_before"] >= 5 * fix["evidence"]["cost_after"]
    assert "GET /api/v1/agents/{agent_id}/tasks" in told
    assert "statements.slow" in told or "embedded" in told
    shown = re.sub("<[^>]+>", "", page.read_text())  # keywords stand in spans of their own
    assert "CREATE INDEX CONCURRENTLY" in shown
    assert "proof" in shown
    asked = next(one for one in report["sections"] if "doctor" in json.dumps(one["title"]))
    assert asked["findings"][0]["code"] == "indexes.missing"
    assert "The doctor, asked again" in shown
    # It judges the load that it looked at, and not the minutes before the index as well.
    after = next(
        one for one in report["sections"] if "service fine now" in json.dumps(one["title"])
    )
    if all(one["outcome"] != "missed" for one in after["verdicts"]):
        assert "A target is missed" not in json.dumps(after["paragraphs"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Starting PostgreSQL", signal.SIGINT),
        ("Filling the database", signal.SIGINT),
        ("Measuring the service", signal.SIGINT),
        ("Measuring the service", signal.SIGTERM),
    ],
)
def test_an_interrupted_demo_leaves_nothing_behind(
    temporary: Path, moment: str, number: signal.Signals
) -> None:
    program = start(temporary, "--scale", "0.1")
    assert program.stderr is not None
    for line in program.stderr:
        if moment in line:
            break
    time.sleep(0.5)  # into the middle of it
    program.send_signal(number)
    program.send_signal(number)  # an impatient second one must not spoil the cleaning up
    stdout, stderr = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Traceback" not in stderr
    assert stdout == ""


@pytest.mark.slow
def test_a_killed_demo_leaves_no_process(temporary: Path) -> None:
    program = start(temporary, "--scale", "0.1")
    assert program.stderr is not None
    for line in program.stderr:
        if "Measuring the service" in line:
            break
    program.kill()
    program.communicate(timeout=60)
    # Its own folder of logs stays, as after any kill; PostgreSQL's does not.
    deadline = time.monotonic() + 30
    while _processes_of(temporary) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(temporary) == []
    for folder in temporary.iterdir():
        assert not (folder / "data").exists()
        for left in folder.iterdir():
            left.unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--duration", "5"], 2, "too short to compare"),
        (["--rate", "0"], 2, "no demonstration"),
        (["--fault", "gremlins"], 2, "there is no fault named 'gremlins'"),
        (["--database", "postgresql://me@127.0.0.1:1/nowhere"], 1, "cannot be reached|refused"),
        (["--database", "mysql://me@127.0.0.1/x"], 2, "PostgreSQL"),
        (["--database", "nonsense"], 2, "URL"),
    ],
    ids=["too short", "no rate", "unknown fault", "no server", "another database", "no URL"],
)
def test_bad_input_is_one_sentence_with_its_cure(
    temporary: Path, arguments: list[str], exit_code: int, said: str
) -> None:
    returned, stdout, stderr = run(temporary, *arguments)
    assert (returned, stdout) == (exit_code, ""), stderr
    assert "Traceback" not in stderr
    assert re.search(said, " ".join(stderr.split()), re.I), stderr


def test_a_wrong_password_is_said_and_not_shown(temporary: Path, postgres: Cluster) -> None:
    host = postgres.url.rpartition("@")[2]
    returned, _, stderr = run(temporary, "--database", f"postgresql://postgres:geheim@{host}")
    assert returned == 1
    assert "password" in stderr
    assert "geheim" not in stderr
    assert "Traceback" not in stderr


async def test_a_role_without_rights_is_told_what_it_lacks(
    temporary: Path, postgres: Cluster
) -> None:
    url = await postgres.create_database("forbidden")
    async with await psycopg.AsyncConnection.connect(
        url.replace("+psycopg", ""), autocommit=True
    ) as db:
        await db.execute("REVOKE ALL ON DATABASE forbidden FROM public")
        await db.execute("CREATE ROLE nobody_much LOGIN PASSWORD 'x'")
        await db.execute("GRANT CONNECT ON DATABASE forbidden TO nobody_much")
    host = url.rpartition("@")[2]
    returned, _, stderr = run(temporary, "--database", f"postgresql://nobody_much:x@{host}")
    assert returned == 1, stderr
    assert "GRANT" in stderr or "create" in stderr.lower()
    assert "Traceback" not in stderr
    await postgres.drop_database("forbidden")
    async with await psycopg.AsyncConnection.connect(
        postgres.url.replace("+psycopg", ""), autocommit=True
    ) as db:
        await db.execute("DROP ROLE nobody_much")


def test_a_report_that_cannot_be_written_is_said_at_once(temporary: Path) -> None:
    returned, _, stderr = run(temporary, "--report", "/nowhere/at/all/report.html")
    assert returned == 1
    assert "/nowhere/at/all" in stderr
    assert "Filling" not in stderr
