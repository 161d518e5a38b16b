"""`keiko-perf mcp`: an assistant asks over standard input, by the official client."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from sqlalchemy import make_url
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.errors import UsageError

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def database(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    setup = "CREATE TABLE tasks AS SELECT i AS id FROM generate_series(1, 1000) i"
    with new_database("mcp", setup) as url:
        yield url


@asynccontextmanager
async def assistant(*words: str) -> AsyncIterator[ClientSession]:
    server = StdioServerParameters(command=sys.executable, args=["-m", "keiko_perf", "mcp", *words])
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def asked(session: ClientSession, tool: str, **arguments: Any) -> tuple[str, bool]:
    """The answer's text, and whether it is an error."""
    answer = await session.call_tool(tool, arguments)
    (content,) = answer.content
    return content.text, bool(answer.is_error)  # type: ignore[union-attr]


async def test_the_questions_are_answered_read_only_and_masked(database: str) -> None:
    password = make_url(database).password
    assert password
    async with assistant("--database", database) as session:
        tools = (await session.list_tools()).tools
        assert [one.name for one in tools] == ["doctor", "db_check", "slow_statements", "explain"]
        assert all(one.annotations and one.annotations.read_only_hint for one in tools)
        answers = {
            "check": await asked(session, "db_check"),
            "slow": await asked(session, "slow_statements", form="json"),
            "doctor": await asked(session, "doctor", seconds=2),
            "plan": await asked(session, "explain", statement="SELECT * FROM tasks WHERE id = 7"),
            "run": await asked(session, "explain", statement="SELECT id FROM tasks", execute=True),
            "write": await asked(session, "explain", statement="DELETE FROM tasks", execute=True),
            "two": await asked(session, "explain", statement="SELECT 1; DELETE FROM tasks"),
        }
    assert {name for name, (_, is_error) in answers.items() if is_error} == {"two"}
    assert not any(password in text for text, _ in answers.values())
    assert "Check of the database" in answers["check"][0]
    assert json.loads(answers["slow"][0])["command"] == "db slow"
    assert "no service was named" in answers["doctor"][0]
    assert "execution was not asked for" in answers["plan"][0]
    assert "it writes" in answers["write"][0]
    assert "Pass one statement at a time" in answers["two"][0]
    with psycopg.connect(database.replace("+psycopg", "")) as db:
        assert db.execute("SELECT count(*) FROM tasks").fetchone() == (1000,)


async def test_what_a_store_knows_is_told_and_what_fails_says_its_cure(tmp_path: Path) -> None:
    async with assistant("--store", str(tmp_path / "none.db")) as session:
        tools = [one.name for one in (await session.list_tools()).tools]
        assert tools == ["health", "changes"]
        text, is_error = await asked(session, "health")
        assert is_error
        assert "there is no store" in text.lower() or "none.db" in text
        text, is_error = await asked(session, "changes", hours=-1)
        assert is_error
        assert "Ask for up to" in text


@pytest.mark.parametrize(
    ("words", "cure"), [([], "--database or --store"), (["--url", "localhost"], "http://")]
)
def test_what_makes_no_sense_is_refused(words: list[str], cure: str) -> None:
    done = CliRunner().invoke(cli, ["mcp", *words])
    assert isinstance(done.exception, UsageError)
    assert cure in done.exception.cure
