"""A report leaves the program whole, or the program says that it did not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved load test, to show again."""
    from keiko_perf.fakes import run_virtually, steady
    from keiko_perf.loadtest import ConstantRate, Plan, save

    file = tmp_path_factory.mktemp("results") / "run.json"
    plan = Plan(base_url="http://127.0.0.1:1", load=ConstantRate(20), duration_s=20)
    save(run_virtually(plan, steady(0.01)), file)
    return file


def show(result: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "keiko_perf", "load", "show", str(result), *arguments],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        **{"stdout": subprocess.PIPE, **options},
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full device")
@pytest.mark.parametrize("way", ["standard output", "--output"])
def test_a_full_disk_is_said(result: Path, way: str) -> None:
    if way == "--output":
        done = show(result, "--output", "/dev/full")
    else:
        with Path("/dev/full").open("w") as full:
            done = show(result, stdout=full)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr
    assert Path("/dev/full").is_char_device()  # written to, not replaced


def test_a_terminal_without_the_signs_is_shown_what_it_can_show(result: Path) -> None:
    done = show(result, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "p95" in done.stdout


def test_a_reader_who_has_seen_enough_is_no_error(result: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = show(result, stdout=pipe)
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_a_sign_shows_one_that_is_like_it(result: Path, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "keiko_perf", "load", "show", str(result), "--lang", "de"],
        check=True,
        capture_output=True,
        env=environment,
    )
    text = done.stdout.decode(encoding)
    assert "?" not in text, "each sign has one that stands for it"
    assert ("ü" in text) is (encoding != "ascii")


def test_a_folder_is_no_file_for_a_report(result: Path, tmp_path: Path) -> None:
    for folder in (".", str(tmp_path)):
        done = show(result, "--output", folder, cwd=tmp_path)
        assert done.returncode == 1
        assert "it is a folder" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_load_test_is_told_in_the_language_of_the_settings(result: Path) -> None:
    german = {**os.environ, "KEIKO_PERF_LANG": "de"}
    assert "Lasttest von" in show(result, env=german).stdout
    assert "Load test of" in show(result, "--lang", "en", env=german).stdout


@pytest.mark.parametrize(
    ("variables", "is_colored"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ],
)
def test_a_terminal_gets_colors_unless_it_knows_none_or_nobody_wants_them(
    tmp_path, variables, is_colored
):
    ours, theirs = os.openpty()
    store = tmp_path / "perf.sqlite"
    store.touch()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    command = [sys.executable, "-m", "keiko_perf", "silence", "--store", str(store)]
    subprocess.run(command, stdout=theirs, env=plain | variables, check=True, timeout=60)
    shown = os.read(ours, 65_536).decode()
    for end in (ours, theirs):
        os.close(end)
    assert "Nothing is silent" in shown
    assert ("\x1b[" in shown) is is_colored
