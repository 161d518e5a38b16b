"""keiko-perf db: each command ends in a report, or in one sentence with its cure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest
from typer.testing import CliRunner

from keiko_perf.cli.db import app
from keiko_perf.errors import DatabaseUnavailable, StatementRefused, UsageError

SETUP = """
CREATE TABLE tasks (id int PRIMARY KEY, agent int, note text);
INSERT INTO tasks SELECT i, i % 3000, repeat('n', 50) FROM generate_series(1, 100000) i;
CREATE INDEX one ON tasks (note);
CREATE INDEX other ON tasks (note);
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """A database that all tests here only read."""
    with new_database("cli") as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            db.execute(SETUP)
            for agent in range(20):
                db.execute("SELECT * FROM tasks WHERE agent = %s", (agent,))
            db.execute("SELECT pg_stat_force_next_flush()")
        yield url


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (["slow"], "agent = $1"),
        (["tables"], "tasks"),
        (["indexes"], "DROP INDEX CONCURRENTLY"),
        (["check"], "indexes.duplicate"),
        (["advise"], "CREATE INDEX"),
        (["explain", "SELECT * FROM tasks WHERE agent = 7"], "plan.selective-seq-scan"),
        (["explain", "SELECT * FROM tasks WHERE id = 7"], "Nothing to do here"),
        (["explain", "DELETE FROM tasks"], "not executed"),
    ],
)
def test_each_command_answers_in_text_and_in_json(
    url: str, arguments: list[str], shows: str
) -> None:
    text = CliRunner().invoke(app, [*arguments, "--database", url])
    assert text.exit_code == 0, text.output
    assert shows in text.output
    answered = CliRunner().invoke(
        app, [*arguments, "--format", "json"], env={"KEIKO_PERF_DATABASE": url}
    )
    report = json.loads(answered.output)
    assert report["command"] == f"db {arguments[0]}"
    password = url.split(":")[2].split("@")[0]
    assert password not in text.output + answered.output


@pytest.mark.postgres
def test_a_statement_is_read_from_standard_input(url: str) -> None:
    answered = CliRunner().invoke(app, ["explain", "-", "-d", url], input="SELECT 1")
    assert "Nothing to do here" in answered.output


@pytest.mark.postgres
def test_a_statement_without_a_plan_is_refused(url: str) -> None:
    answered = CliRunner().invoke(app, ["explain", "DROP TABLE tasks", "-d", url])
    assert isinstance(answered.exception, StatementRefused)


def test_without_a_database_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEIKO_PERF_DATABASE", raising=False)
    answered = CliRunner().invoke(app, ["check"])
    assert isinstance(answered.exception, UsageError)
    assert "--database" in answered.exception.cure


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    answered = CliRunner().invoke(app, ["check", "-d", "postgresql://me:s3cr3t@127.0.0.1:1/db"])
    assert isinstance(answered.exception, DatabaseUnavailable)
    assert "s3cr3t" not in str(answered.exception)
