"""What the page about two versions shows works as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine, text
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "compare-two-versions.md").read_text()
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
COMMANDS = re.findall(r"^    (keiko-perf load .+)$", PAGE, re.M)

VERSION = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/items")
async def items():
    return [{"id": 1}]
"""


def shop(engine: Engine) -> FastAPI:
    app = FastAPI()

    @app.get("/items")
    async def items() -> list[dict[str, int]]:
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            connection.execute(text("SELECT 2"))
        return [{"id": 1}]

    return app


@pytest.mark.slow
def test_two_versions_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        (tmp_path / f"{name}.py").write_text(VERSION)
    words = shlex.split(COMMANDS[0])[1:]
    words = [word.replace("uvicorn ", f"{sys.executable} -m uvicorn ") for word in words]
    words += ["--duration", "1s", "--warmup", "0s", "--pairs", "3", "--rate", "20"]
    done = CliRunner().invoke(cli, [*words, "--percentile", "50"])
    # What this machine makes of one and the same version is its own matter.
    assert done.exit_code in (0, 4, 5, 6), done.output
    assert "bytes a request" in done.output or done.exit_code == 4


def test_saved_results_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve: Callable[[Any], Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second, compared = COMMANDS[-3:]
    with serve(shop(create_engine("sqlite://"))) as url:
        for command in (first, second):
            shorter = command.replace("http://127.0.0.1:8000", url).replace("40s", "1s")
            done = CliRunner().invoke(cli, shlex.split(shorter)[1:])
            assert done.exit_code in (0, 4, 6), done.output
    done = CliRunner().invoke(cli, shlex.split(compared)[1:])
    assert done.exit_code in (4, 6), done.output  # much too short to tell
    assert "load ab" in done.output


async def test_the_test_of_the_page_passes(request_costs: Callable[..., Any]) -> None:
    engine = create_engine("sqlite://")
    app = shop(engine)
    code = PYTHON.replace("from shop import app, engine\n", "")
    names: dict[str, Any] = {"app": app, "engine": engine}
    exec(code, names)  # noqa: S102  # our own page
    await names["test_the_list_takes_two_statements"](request_costs)
