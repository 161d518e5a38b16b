"""What the page on the doctor shows works as it stands there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import NullPool, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.cli.mcp import sources
from keiko_perf.config import load_settings
from keiko_perf.demo.cluster import Cluster

pytestmark = pytest.mark.postgres
PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "ask-the-doctor.md").read_text()
SERVICE, TIMING = re.findall(r"```python\n(.*?)```", PAGE, re.S)
(ASSISTANT,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
COMMANDS = re.findall(r"^    (keiko-perf doctor .+)$", PAGE, re.M)
TOKEN = "a-token-of-a-test"
Serve = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture
def page(postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page's first block defines, with a route that asks its engine."""
    monkeypatch.setenv("DATABASE_URL", postgres.url)
    monkeypatch.setenv("PERFORMANCE_TOKEN", TOKEN)
    monkeypatch.setenv("KEIKO_PERF_TOKEN", TOKEN)
    # Without a pool no connection is left when the server's event loop has ended.
    unpooled = partial(create_async_engine, poolclass=NullPool)
    monkeypatch.setattr("sqlalchemy.ext.asyncio.create_async_engine", unpooled)
    names: dict[str, Any] = {}
    exec(SERVICE, names)  # noqa: S102 - our own page

    @names["app"].get("/ask")
    async def ask() -> str:
        async with names["engine"].connect() as db:
            asked = text("SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")
            return str((await db.execute(asked)).scalar_one())

    return names


def test_the_service_of_the_page_names_its_route_and_tells_its_timing(
    page: dict[str, Any], serve: Serve
) -> None:
    exec(TIMING, page)  # noqa: S102 - our own page
    with serve(page["app"]) as url, httpx.Client(base_url=url, trust_env=False) as client:
        answer = client.get("/ask", headers=page["headers"])
    assert answer.json().endswith("/*http_method='GET',route='/ask'*/")
    assert "sql;dur=" in answer.headers["server-timing"]


def test_the_commands_of_the_page_run(
    page: dict[str, Any],
    serve: Serve,
    postgres: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    plain = make_url(postgres.url).set(drivername="postgresql")
    database = plain.render_as_string(hide_password=False)
    with serve(page["app"]) as url:
        for command in COMMANDS:
            words = shlex.split(command)[1:]
            named = {"http://localhost:8000": url, "postgresql://me@localhost/app": database}
            words = [named.get(word, word) for word in words if word not in ("--seconds", "30")]
            done = CliRunner().invoke(cli, [*words, "--seconds", "2"])
            assert done.exit_code in (0, 3, 6), f"{command}: {done.output} {done.exception!r}"
    assert "# " in (tmp_path / "issue.md").read_text()
    assert (tmp_path / "doctor.html").read_text().startswith("<!doctype html>")


def test_the_assistant_of_the_page_is_told_what_it_may_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (server,) = json.loads(ASSISTANT)["mcpServers"].values()
    for name, value in server["env"].items():
        monkeypatch.setenv(name, value)
    assert server["args"][:2] == ["mcp", "--url"]
    found = sources(server["args"][2], None, None, load_settings())
    assert found.database == "postgresql://me@localhost/app"
    assert "me@localhost" not in repr(found)
