"""What the page on choosing indexes shows works as it stands there."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.demo.cluster import Cluster

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "choose-indexes.md").read_text()
COMMANDS = re.findall(r"^    keiko-perf (db .+)$", PAGE, re.M)
TABLES = """
CREATE TABLE task (id int PRIMARY KEY, tenant int, status text, title text, due date, note text);
INSERT INTO task SELECT i, i * 7919 % 2000, CASE WHEN i % 9 = 0 THEN 'open' ELSE 'done' END,
    md5(i::text), date '2024-01-01' + i % 700, repeat('x', 60) FROM generate_series(1, 60000) i;
"""

pytestmark = pytest.mark.postgres


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    url = asyncio.run(postgres.create_database("how_to_indexes"))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TABLES)
        connection.execute("VACUUM ANALYZE task")
    yield url
    asyncio.run(postgres.drop_database("how_to_indexes"))


def test_the_commands_of_the_page_run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workload.sql").write_text(block("sql"))
    (tmp_path / "workload.json").write_text(block("json"))
    assert len(COMMANDS) == 6
    for command in COMMANDS:
        done = CliRunner().invoke(cli, [*shlex.split(command), "--database", url])
        undecided = 6 if " verify " in command else 0  # nothing that it advised is made yet
        assert done.exit_code == undecided, done.output
    assert '"indexes"' in (tmp_path / "advice.json").read_text()


async def test_the_code_of_the_page_advises(url: str) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)  # noqa: S102  # our own page
    (made,) = await names["indexes_for"](url)
    assert made.startswith("CREATE INDEX CONCURRENTLY task_tenant_")
