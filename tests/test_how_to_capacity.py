"""What the page about the capacity shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from keiko_perf import PerformanceMonitor
from keiko_perf.cli.main import app as cli

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "find-the-capacity.md").read_text()
COMMANDS = re.findall(r"^    (keiko-perf load capacity .+)$", PAGE, re.M)


def shop() -> FastAPI:
    app = FastAPI()
    PerformanceMonitor().install(app)

    @app.get("/items")
    async def items() -> list[dict[str, int]]:
        return [{"id": 1}]

    return app


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page_run(command: str, serve: Callable[[Any], Any]) -> None:
    with serve(shop()) as url:
        words = shlex.split(command.replace("http://127.0.0.1:8000", url))[1:]
        for option, value in (("--start", "70"), ("--max", "80"), ("--step-seconds", "3")):
            if option in words:
                at = words.index(option)
                del words[at : at + 2]
            words += [option, value]
        done = CliRunner().invoke(cli, words)
    # Whether this machine keeps the promises, and its generator keeps up, is not the page's matter.
    assert done.exit_code in (0, 3, 4, 6), done.output
    assert "Capacity of" in done.output
