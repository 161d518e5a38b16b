"""What every request runs through, compiled and as plain Python."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from keiko_perf.monitoring import PerfMiddleware, middleware

HERE = Path(__file__).parent


@pytest.fixture
def compiled(absent: Callable[[str], NoReturn]) -> None:
    if str(middleware.__file__).endswith(".py"):
        absent(
            "the compiled middleware: a C compiler and Python's headers. "
            "apt-get install gcc python3-dev, then python scripts/compiled.py"
        )


@pytest.mark.slow
@pytest.mark.usefixtures("compiled")
def test_plain_python_passes_the_same_tests() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(HERE)
    options = ["-q", "-p", "interpreted", "-p", "no:cacheprovider"]
    others = [file for file in HERE.glob("test_*.py") if file != Path(__file__)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *others, HERE / "plain.py"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


@pytest.mark.usefixtures("compiled")
def test_compiled_it_is_to_others_what_it_was() -> None:
    async def app(_scope: object, _receive: object, _send: object) -> None: ...

    class Named(PerfMiddleware):
        """One's own."""

    # Servers tell by that which version of ASGI an application speaks.
    assert inspect.iscoroutinefunction(PerfMiddleware.__call__)
    assert list(inspect.signature(PerfMiddleware).parameters) == [
        "app", "recorder", "attribution", "token",
    ]  # fmt: skip
    assert "the application" in str(PerfMiddleware.__doc__)
    assert Named.__call__ is PerfMiddleware.__call__


@pytest.fixture
def script() -> ModuleType:
    """`scripts/compiled.py`."""
    spec = spec_from_file_location("compiled", HERE.parents[2] / "scripts" / "compiled.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_was_made_is_found_wherever_the_copy_lies(tmp_path: Path, script: ModuleType) -> None:
    copy = tmp_path / "build" / "src"
    for folder in ("package", "build/lib/package"):
        (copy / folder).mkdir(parents=True)
        (copy / folder / "middleware.so").touch()
    assert script._made_in(copy) == [Path("package/middleware.so")]


def test_what_was_made_before_is_known_on_every_system(tmp_path: Path, script: ModuleType) -> None:
    made = ["seen.cp312-win_amd64.pyd", "seen.cpython-312-darwin.so", "seen__mypyc.cpython-312.so"]
    for name in (*made, "seen.py", "seen_else.cpython-312.so"):
        (tmp_path / name).touch()
    assert [one.name for one in script._beside(tmp_path / "seen.py")] == made


def test_classes_keep_what_is_said_of_them_and_no_line_moves(
    tmp_path: Path, script: ModuleType
) -> None:
    source = tmp_path / "seen.py"
    source.write_text('class A:\n    """What "A" is."""\n\nclass B:\n    x = 1\n', encoding="utf-8")
    before = source.read_text(encoding="utf-8")
    script._keep_docstrings(source)
    after = source.read_text(encoding="utf-8")
    assert after.startswith(before)
    names: dict[str, Any] = {}
    exec(compile(after.replace('"""What "A" is."""', "pass"), "seen", "exec"), names)  # noqa: S102
    assert (names["A"].__doc__, names["B"].__doc__) == ('What "A" is.', None)
