"""The examples do what they say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from keiko_perf.demo.cluster import Cluster

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(name: str) -> Any:
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_watched_service_shows_its_dashboard_and_can_be_loaded(
    serve: Callable[[Any], Any],
) -> None:
    with serve(load("watch_a_service").app) as url:
        said = run("load_a_service.py", url, "/api/v1/agents", "1")
        assert "0.00 % failed" in said
        with urllib.request.urlopen(f"{url}/performance/metrics") as answer:  # noqa: S310
            assert json.loads(answer.read())["api_p95"] > 10
        with urllib.request.urlopen(f"{url}/performance/dashboard") as page:  # noqa: S310
            assert page.status == 200


@pytest.mark.postgres
async def test_a_database_is_diagnosed(postgres: Cluster) -> None:
    url = await postgres.create_database("example")
    said = await asyncio.to_thread(run, "diagnose_a_database.py", url)
    assert "Nothing to do here" in said
    await postgres.drop_database("example")


def test_a_batch_reports_its_failure() -> None:
    assert run("process_a_batch.py") == "999 done, 1 failed: no record 666\n"


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"]({path.name})" in listed for path in EXAMPLES.glob("*.py"))
