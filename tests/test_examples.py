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
from fastapi import Cookie, FastAPI, HTTPException, Response

from keiko_perf.demo.cluster import Cluster
from keiko_perf.loadtest import Plan, Users, load_scenarios, run_in_own_loop

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


def shop() -> Any:
    """A service for the scenarios."""
    app = FastAPI()

    @app.get("/items")
    async def items() -> list[dict[str, int]]:
        return [{"id": 1}, {"id": 2}, {"id": 3}]

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"id": number}

    @app.post("/login", status_code=204)
    async def login(account: dict[str, str], response: Response) -> None:
        response.set_cookie("session", account["name"])

    @app.post("/orders", status_code=201)
    async def order(wish: dict[str, int], session: str = Cookie("")) -> dict[str, Any]:
        if not session:
            raise HTTPException(401)
        return {"id": wish["item"], "state": "open"}

    @app.delete("/orders/{number}", status_code=204)
    async def cancel(number: int) -> None:
        return None

    return app


def test_scenarios_are_carried_out(serve: Callable[[Any], Any]) -> None:
    with serve(shop()) as url:
        result = run_in_own_loop(
            Plan(
                base_url=url,
                scenarios=load_scenarios(EXAMPLES / "load_scenarios.py"),
                load=Users(8),
                duration_s=2,
            )
        )
    assert result.errors == ()
    assert {step.name for step in result.steps} == {
        "GET /items",
        "GET /items/{id}",
        "POST /login",
        "POST /orders",
        "DELETE /orders/{id}",
    }


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
