"""What a user may hand to keiko-perf db by mistake: a clear word or an answer, no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from keiko_perf.cli.db import app
from keiko_perf.errors import UsageError

FORMATS = ["text", "json", "html"]
ODD = ['we"ird', "two words", "größe 表 🐘", "'; DROP TABLE kept; --", "<script>alert(1)</script>"]
LONG = f"SELECT count(*) FROM kept WHERE id IN ({','.join(str(n) for n in range(170_000))})"


def run(*arguments: str, says: str | None = None) -> Result:
    answered = CliRunner().invoke(app, arguments)
    if says is None:
        assert answered.exception is None or isinstance(answered.exception, SystemExit)
        assert "Traceback" not in answered.output
    else:
        assert isinstance(answered.exception, UsageError), answered.output
        assert says in answered.exception.what
        assert answered.exception.cure
    return answered


def nested(depth: int) -> str:
    one = '{"Node Type": "Limit", "Total Cost": 1.0, "Plan Rows": 1, "Plans": ['
    return '[{"Plan": ' + one * depth + '{"Node Type": "Result"}' + "]}" * depth + "}]"


def wide(scans: int) -> str:
    scan = {
        "Node Type": "Seq Scan", "Relation Name": "t", "Total Cost": 1.0, "Plan Rows": 1,
        "Actual Rows": 1, "Actual Loops": 1, "Actual Total Time": 0.01, "Output": ["x" * 130],
    }  # fmt: skip
    root = scan | {"Node Type": "Append", "Actual Total Time": 500.0, "Plans": [scan] * scans}
    return json.dumps([{"Plan": root, "Execution Time": 500.0}])


@pytest.mark.parametrize("form", FORMATS)
def test_a_plan_nested_5_000_deep_is_shown_in_part(tmp_path: Path, form: str) -> None:
    file = tmp_path / "deep.json"
    file.write_text(nested(5_000))
    said = run("explain", str(file), "--format", form).output
    assert "Limit" in said


def test_a_plan_of_10_mb_is_shown_in_part(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text(wide(40_000))
    assert file.stat().st_size > 10_000_000
    said = run("explain", str(file), "--format", "html").output
    assert "plan.too-many-partitions" in said
    assert len(said) < 1_000_000


@pytest.mark.parametrize(
    ("why", "text", "says"),
    [
        ("cut off", wide(3)[:-40], "cut off"),
        ("changed by hand", wide(3).replace('"Plan Rows": 1', '"Plan Rows": "some"'), "Plan Rows"),
        ("YAML", '- Plan: \n    Node Type: "Seq Scan"\n    Total Cost: 5', "YAML"),
        (
            "XML",
            '<explain xmlns="http://www.postgresql.org/2009/explain"><Query/></explain>',
            "XML",
        ),
        ("nothing", " \n", "neither a statement nor a plan"),
        ("no text at all", "\x00\x01\x02", "neither a statement nor a plan"),
    ],
)
def test_a_file_that_holds_no_plan_is_refused_in_clear_words(
    tmp_path: Path, why: str, text: str, says: str
) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    run("explain", str(file), says=says)


@pytest.fixture(scope="module")
def url(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    """A database of odd names, in which a statement of 1 MB was executed."""
    with new_database("odd") as url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            db.execute("CREATE TABLE kept (id int PRIMARY KEY)")
            for odd in ODD:
                quoted = psycopg.sql.Identifier(odd)
                for statement in (
                    "CREATE TABLE {} ({} int PRIMARY KEY, other text)",
                    "INSERT INTO {} SELECT i, repeat('x', 50) FROM generate_series(1, 20000) i",
                    "CREATE INDEX ON {} (other)",
                    "CREATE INDEX ON {} (other)",
                    "SELECT count(*) FROM {} WHERE other = 'y'",
                    "DELETE FROM {}",
                ):
                    db.execute(psycopg.sql.SQL(statement).format(quoted, quoted))
            assert len(LONG) > 1_000_000
            db.execute(LONG)  # type: ignore[arg-type]
            db.execute("SELECT pg_stat_force_next_flush()")
        yield url


@pytest.mark.postgres
@pytest.mark.parametrize("form", FORMATS)
def test_odd_names_and_long_statements_are_read_and_shown(url: str, form: str) -> None:
    said = run("check", "-d", url, "--format", form).output
    assert len(said) < 1_000_000
    assert "<script>alert" not in said or form != "html"


@pytest.mark.postgres
def test_a_cure_for_an_odd_name_is_a_statement_that_means_it(url: str) -> None:
    report = json.loads(run("indexes", "-d", url, "--format", "json").output)
    found = [one for section in report["sections"] for one in section["findings"]]
    cures = {one["cure"] for one in found if one["code"] == "indexes.duplicate"}
    assert len(cures) == len(ODD)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        for cure in cures:
            with db.transaction(force_rollback=True):
                db.execute(cure.replace(" CONCURRENTLY", ""))
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.postgres
def test_a_statement_of_1_mb_is_explained(url: str, tmp_path: Path) -> None:
    file = tmp_path / "long.sql"
    file.write_text(LONG)
    said = run("explain", str(file), "-d", url).output
    assert "Scan" in said
    assert len(said) < 100_000
