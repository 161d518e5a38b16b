"""`keiko-perf memory`: what grows in a program that is run, in a capture, in a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LEAKING = """
import sys, time
kept = []
for number in range(int(sys.argv[1])):
    kept.append(bytes(500_000))
    passing = bytes(400_000)
    time.sleep(0.05)
"""


def keiko(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "keiko_perf", "memory", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=100,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_a_program_that_leaks_is_run_and_the_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "leaking.py").write_text(LEAKING)
    done = keiko("run", "--every", "0.2", "--format", "json", "leaking.py", "40", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    (finding,) = json.loads(done.stdout)["sections"][0]["findings"]
    assert finding["subject"] == "leaking.py:5"
    assert finding["evidence"]["grown_bytes"] >= 19_000_000


def test_a_module_may_be_interrupted_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    done = keiko(
        "run", "--every", "0.1", "--for", "0.5", "--format", "json", "-m", "endless", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "interrupted" in done.stderr
    assert len(answer(done)["rss_bytes"]) >= 3


def test_it_ends_in_the_background_too_where_a_shell_has_interrupts_ignored(
    tmp_path: Path,
) -> None:
    (tmp_path / "endless.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a child begins with it
    try:
        done = keiko("run", "--for", "0.5", "endless.py", cwd=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.returncode == 0, done.stderr
    assert "interrupted" in done.stderr


def test_a_program_that_fails_is_told_and_reported_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text("raise LookupError('no such agent')\n")
    done = keiko("run", "failing.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "LookupError: no such agent" in done.stderr
    assert "The program failed" in done.stdout
    assert "What grows in memory" in done.stdout
    assert done.stderr.count("File ") == 1  # its own line, and none of what ran it


@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["run", "nowhere.py"], "Give the path of a Python file"),
        (["run"], "Give a file, or a module"),
        (["run", "-m", "nowhere"], "Python finds from this directory"),
        (["run", "-m", "nowhere.at.all"], "Python finds from this directory"),
        (["run", "--every", "0", "a.py"], "over 0"),
        (["process", "1", "--for", "0"], "--for 60"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_cure(
    tmp_path: Path, arguments: list[str], cure: str
) -> None:
    done = keiko(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert cure in done.stderr


def test_a_running_process_is_told(tmp_path: Path) -> None:
    done = keiko("process", str(os.getpid()), "--for", "0.1", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = answer(done)
    assert told["pid"] == os.getpid()
    assert min(told["rss_bytes"]) > 10_000_000
    assert told["limit_bytes"] > 10_000_000
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = keiko("process", str(ended.pid), "--for", "0.1", cwd=tmp_path)
    assert gone.returncode == 1
    assert "there is no process" in gone.stderr


def test_a_running_process_that_grows_is_a_finding(tmp_path: Path) -> None:
    growing = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time\nkept = [bytes(20_000_000)]\nprint(flush=True)\n"
            "while len(kept) < 3000:\n    kept.append(b'x' * 1_000_000)\n    time.sleep(0.02)",
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert growing.stdout is not None
        growing.stdout.readline()
        done = keiko("process", str(growing.pid), "--for", "3", "--format", "json", cwd=tmp_path)
    finally:
        growing.kill()
        growing.communicate()
    assert done.returncode == 3, done.stderr
    (finding,) = json.loads(done.stdout)["sections"][0]["findings"]
    assert finding["code"] == "memory.growing"
    assert finding["evidence"]["grown_bytes"] > 16_000_000


def test_without_memray_it_is_said_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.modules['memray'] = None\n"
        "sys.argv = ['keiko-perf', 'memory', 'show', 'x']\n"
        "from keiko_perf.__main__ import main\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "keiko-perf[memray]" in done.stderr


def test_a_capture_of_memray_is_told_by_line(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    (tmp_path / "leaking.py").write_text(LEAKING.replace("time.sleep(0.05)", "pass"))
    subprocess.run(
        [sys.executable, "-m", "memray", "run", "-q", "-o", "capture.bin", "leaking.py", "20"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    done = keiko("show", "capture.bin", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "leaking.py:5 <module>" in done.stdout
    wrong = keiko("show", "leaking.py", cwd=tmp_path)
    assert wrong.returncode == 1
    assert "memray run -o FILE" in wrong.stderr
