"""The how-to pages about the database: their commands run, and say what the pages promise."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url
from typer.testing import CliRunner

from keiko_perf.cli.main import app as cli
from keiko_perf.demo.cluster import Cluster

ROOT = Path(__file__).parent.parent
FIND, READ = (
    (ROOT / "docs" / "how-to" / name).read_text()
    for name in ("find-the-slow-statement.md", "read-a-plan.md")
)
COMMANDS = re.findall(r"^    (keiko-perf db .+)$", FIND + READ, re.M)
SETUP = """
CREATE TABLE orders (id int PRIMARY KEY, customer_id int NOT NULL, status text NOT NULL);
INSERT INTO orders SELECT i, i % 5000, CASE WHEN i % 500 = 0 THEN 'open' ELSE 'sent' END
    FROM generate_series(1, 60000) i;
ANALYZE orders;
"""
ASKED = "SELECT * FROM orders WHERE customer_id = 7"


@pytest.fixture(scope="module")
def looker(postgres: Cluster) -> Iterator[URL]:
    """The shop's database, as the page's role sees it."""
    name, role = f"shop_{uuid4().hex[:12]}", f"looker_{uuid4().hex[:12]}"
    (rights,) = re.findall(r"```sql\n(.*?)```", FIND, re.S)
    with asyncio.Runner() as runner:
        url = make_url(runner.run(postgres.create_database(name)))
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain, autocommit=True) as db:
            db.execute(SETUP)
            db.execute(rights.replace("looker", role))
            db.execute(f"ALTER ROLE {role} PASSWORD 'secret'")  # type: ignore[arg-type]
            for _ in range(30):
                db.execute(ASKED)  # type: ignore[arg-type]
            db.execute("SELECT pg_stat_force_next_flush()")
        yield url.set(username=role, password="secret")
        runner.run(postgres.drop_database(name))
        with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as db:
            db.execute(f"DROP ROLE {role}")  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, looker: URL, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    url = looker.set(drivername="postgresql").render_as_string(hide_password=False)
    assert re.search(r"export KEIKO_PERF_DATABASE=postgresql://looker:secret@127\.0\.0\.1", FIND)
    monkeypatch.setenv("KEIKO_PERF_DATABASE", url)
    with psycopg.connect(url) as db:
        rows = db.execute(f"EXPLAIN (ANALYZE, BUFFERS) {ASKED}").fetchall()  # type: ignore[arg-type]
        (tmp_path / "plan.txt").write_text("\n".join(line for (line,) in rows))
        row = db.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {ASKED}").fetchone()  # type: ignore[arg-type]
        assert row is not None
        (tmp_path / "plan.json").write_text(json.dumps(row[0]))
    return tmp_path


def run(command: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, shlex.split(command)[1:])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.mark.postgres
def test_the_commands_of_the_pages_run(folder: Path) -> None:
    said = {}
    for command in COMMANDS:
        times = 3 if "db snapshot" in command else 1
        codes = {}
        for _ in range(times):
            codes[command], said[command] = run(command)
        # 6: in so short a time nothing was asked that could be compared.
        assert codes[command] in ({0, 5, 6} if "db changes" in command else {0}), said[command]
    assert len(said) > 10
    assert "FROM orders WHERE customer_id =" in said["keiko-perf db slow"]
    for command, text in said.items():
        if "customer_id = 7" in command or command.endswith(("plan.json", "plan.txt")):
            assert "plan.selective-seq-scan" in text, command
        if "status = $1" in command:
            assert "sent" in text
            assert "open" in text
    assert (folder / "database.xml").read_text().startswith("<?xml")
    assert "plan.selective-seq-scan" in (folder / "plan.html").read_text()


@pytest.mark.postgres
async def test_the_code_of_the_pages_runs(folder: Path, looker: URL) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", FIND + READ, re.S):
        exec(code, names)  # noqa: S102  # our own page
    slow = await names["slowest"](looker.render_as_string(hide_password=False))
    assert any("customer_id = $1" in one["query"] for one in slow)
    assert names["codes"]((folder / "plan.txt").read_text()) == ["plan.selective-seq-scan"]
    assert names["codes"]((folder / "plan.json").read_text()) == ["plan.selective-seq-scan"]


def test_the_page_lists_all_that_is_said_of_plans_and_nothing_else() -> None:
    rules = ROOT / "src" / "keiko_perf" / "diagnosis" / "rules"
    sources = "".join(file.read_text() for file in sorted(rules.glob("plan_*.py")))
    said = set(re.findall(r'"(plan\.[a-z-]+)"', sources))
    assert set(re.findall(r"^\| `(plan\.[a-z-]+)` \|", READ, re.M)) == said
