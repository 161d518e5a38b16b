"""The commands `db advise` and `db verify`, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import jsonschema
import psycopg
import pytest
from typer.testing import CliRunner

from keiko_perf.cli.advise import bytes_of
from keiko_perf.cli.db import app
from keiko_perf.demo.cluster import Cluster
from keiko_perf.errors import UsageError
from keiko_perf.render.as_json import report_schema

SETUP = """
CREATE EXTENSION pg_trgm;
CREATE TABLE task (id int PRIMARY KEY, tenant int, status text, title text, at timestamptz);
INSERT INTO task SELECT i, i * 7919 % 2000, CASE WHEN i % 97 = 0 THEN 'open' ELSE 'done' END,
    md5(i::text), timestamptz '2024-01-01' + i * interval '1 min' FROM generate_series(1, 60000) i;
"""
WORKLOAD = """
-- weight: 20
SELECT * FROM task WHERE tenant = %s ORDER BY at DESC LIMIT 10;
SELECT id FROM task WHERE status = 'open' AND at > '2024-01-20'; -- weight: 5
SELECT id FROM task WHERE lower(title) = 'abc';
SELECT id FROM task WHERE title ILIKE '%0cc175%';
SELECT nothing FROM nowhere;
SELECT FROM WHERE;
"""


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    with asyncio.Runner() as runner:
        url = runner.run(postgres.create_database("cli_advise"))
        with psycopg.connect(plain(url), autocommit=True) as db:
            db.execute(SETUP)
            db.execute("VACUUM ANALYZE task")
        yield url
        runner.run(postgres.drop_database("cli_advise"))


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


@pytest.fixture
def workload(tmp_path: Path) -> Path:
    file = tmp_path / "workload.sql"
    file.write_text(WORKLOAD)
    return file


def ask(url: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, [*arguments, "-d", url, "--format", "json"])
    document = json.loads(result.stdout)
    jsonschema.validate(document, report_schema())
    return result.exit_code, document


def cost(db: psycopg.Connection[Any], statement: str) -> float:
    (plan,) = db.execute("EXPLAIN (FORMAT JSON) " + statement).fetchone() or (None,)
    return float(plan[0]["Plan"]["Total Cost"])


@pytest.mark.postgres
def test_what_is_advised_for_a_file_within_a_budget_holds_once_it_is_built(
    url: str, workload: Path, tmp_path: Path
) -> None:
    code, report = ask(url, "advise", "--workload", str(workload), "--budget", "20MB")
    assert code == 0
    indexes = report["indexes"]
    assert {one["kind"] for one in indexes} >= {"plain", "partial", "expression", "gin"}
    assert sum(one["size_bytes"] for one in indexes) <= 20_000_000
    assert report["cost_after"] < report["cost_before"] / 5
    assert report["planner_calls"] < 40
    by_kind = {one["kind"]: one for one in indexes}
    assert by_kind["gin"]["verified_by"] == "estimate"
    assert by_kind["plain"]["verified_by"] == "hypopg"
    assert by_kind["plain"]["columns"][0] == "tenant"
    tables = [one for section in report["sections"] for one in section["tables"]]
    gains = next(one for one in tables if one["title"]["text"] == "What each statement gains")
    first = indexes[0]["gains"][0]
    assert first["query"].startswith(gains["rows"][0][1].rstrip("…"))
    assert gains["rows"][0][2:5] == [first["calls"], first["cost_before"], first["cost_after"]]
    gaps = json.dumps([one for section in report["sections"] for one in section["gaps"]])
    assert "SELECT FROM WHERE" in gaps
    assert "nowhere" in gaps
    file = tmp_path / "advice.json"
    file.write_text(json.dumps(report))
    assert ask(url, "verify", str(file))[0] == 6  # not one of them is made yet
    with psycopg.connect(plain(url), autocommit=True) as db:
        queries = {gain["query"] for one in indexes for gain in one["gains"]}
        literal = {one: one.replace("$1", "17") for one in queries}
        before = {one: cost(db, literal[one]) for one in queries}
        for one in indexes:
            db.execute(one["statement"])
        db.execute("VACUUM ANALYZE task")
        for one in indexes:
            for gain in one["gains"]:
                assert cost(db, literal[gain["query"]]) < 0.5 * before[gain["query"]], gain
        code, verified = ask(url, "verify", str(file))
        assert {one["outcome"] for one in verified["promises"]} == {"kept"}
        assert code == 0
        _, again = ask(url, "advise", "--workload", str(workload), "--budget", "20MB")
        assert again["cost_before"] < 1.5 * report["cost_after"]
        for one in indexes:
            db.execute(one["undo"])


@pytest.mark.postgres
def test_what_happened_between_snapshots_is_a_workload(
    url: str, tmp_path: Path, postgres: Cluster, absent: Callable[[str], NoReturn]
) -> None:
    if not postgres.has_statement_statistics:
        absent("pg_stat_statements. apt install postgresql-contrib")
    kept = str(tmp_path / "history.sqlite")
    assert CliRunner().invoke(app, ["snapshot", "-d", url, "--history", kept]).exit_code == 0
    asked = ("advise", "--history", kept, "--kinds", "plain")
    early = CliRunner().invoke(app, [*asked, "-d", url])
    assert isinstance(early.exception, UsageError)
    assert "no two snapshots" in early.exception.what
    with psycopg.connect(plain(url), autocommit=True) as db:
        for tenant in range(20):
            db.execute("SELECT title FROM task WHERE tenant = %s", (tenant,)).fetchall()
    assert CliRunner().invoke(app, ["snapshot", "-d", url, "--history", kept]).exit_code == 0
    code, report = ask(url, *asked)
    assert code == 0
    assert [one["columns"] for one in report["indexes"]] == [["tenant"]]
    assert report["indexes"][0]["gains"][0]["calls"] == 20


@pytest.mark.postgres
def test_what_is_copied_in_between_snapshots_counts_as_written(
    url: str, tmp_path: Path, postgres: Cluster, absent: Callable[[str], NoReturn]
) -> None:
    if not postgres.has_statement_statistics:
        absent("pg_stat_statements. apt install postgresql-contrib")

    def snapshot(kept: Path) -> None:
        arguments = ["snapshot", "-d", url, "--history", str(kept)]
        assert CliRunner().invoke(app, arguments).exit_code == 0

    quiet, busy = tmp_path / "quiet.sqlite", tmp_path / "busy.sqlite"
    with psycopg.connect(plain(url), autocommit=True) as db:
        db.execute("CREATE TABLE log (id int, tenant int, line text)")
        db.execute(
            "INSERT INTO log SELECT i, i % 500, repeat('x', 50) FROM generate_series(1, 20000) i"
        )
        db.execute("VACUUM ANALYZE log")
        # What is not told yet would count as written between the snapshots.
        db.execute("SELECT pg_stat_force_next_flush()")
        snapshot(quiet)
        snapshot(busy)
        db.execute("SELECT count(*) FROM log WHERE tenant = 17").fetchall()
        snapshot(quiet)
        for start in range(0, 5000, 1000):  # in one go it would be a load, and no traffic
            with db.cursor() as cursor, cursor.copy("COPY log FROM STDIN") as copy:
                copy.write("".join(f"{i}\t{i % 500}\tx\n" for i in range(start, start + 1000)))
        db.execute("SELECT pg_stat_force_next_flush()")
        snapshot(busy)
        _, report = ask(url, "advise", "--history", str(quiet), "--kinds", "plain")
        assert [one["table"] for one in report["indexes"]] == ["log"]
        _, report = ask(url, "advise", "--history", str(busy), "--kinds", "plain")
        assert report["indexes"] == []
        db.execute("DROP TABLE log")


@pytest.mark.postgres
def test_only_the_kinds_that_are_named(url: str, workload: Path) -> None:
    arguments = ("advise", "--workload", str(workload), "--kinds", "plain", "--max-indexes", "1")
    _, report = ask(url, *arguments)
    assert [one["kind"] for one in report["indexes"]] == ["plain"]


@pytest.mark.postgres
def test_a_budget_counts_the_sizes_that_are_asked_for(url: str, tmp_path: Path) -> None:
    file = tmp_path / "workload.sql"
    file.write_text("SELECT max(id) FROM task WHERE tenant = $1")
    arguments = ("advise", "--workload", str(file), "--kinds", "plain", "--budget")
    _, report = ask(url, *arguments, "20MB")
    (index,) = report["indexes"]
    assert index["size_bytes"] < 0.9 * index["planner_size_bytes"]
    between = str((index["size_bytes"] + index["planner_size_bytes"]) // 2)
    assert len(ask(url, *arguments, between, "--sizes", "built")[1]["indexes"]) == 1
    assert ask(url, *arguments, between, "--sizes", "planner")[1]["indexes"] == []


@pytest.mark.postgres
def test_when_the_time_is_up_the_best_so_far_is_given(url: str, tmp_path: Path) -> None:
    file = tmp_path / "many.json"
    file.write_text(json.dumps([f"SELECT {i} FROM task WHERE tenant = {i}" for i in range(600)]))
    code, report = ask(url, "advise", "--workload", str(file), "--time-limit", "0.1")
    # Where not even one statement could be looked at in time it is undecided.
    assert code in (0, 6)
    assert report["planner_calls"] <= 1200
    if code == 6:
        assert report["planner_calls"] == 0
        assert "the time was up" in json.dumps(report)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["advise", "--workload", "/nowhere.sql"], "cannot be read"),
        (["advise", "--workload", "{here}"], "cannot be read"),
        (["advise", "--budget", "much"], "'much' is no size"),
        (["advise", "--workload", "{empty}"], "holds no statement"),
        (["advise", "--workload", "{binary}"], "is no text in UTF-8"),
        (["advise", "--kinds", "plain,hash"], "hash is no kind of index"),
        (["advise", "--workload", "a", "--history", "b"], "from a workload and from a history"),
        (["verify", "{empty}"], "no report of db advise"),
    ],
)
def test_bad_input_is_refused_with_the_cure(
    url: str, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "empty").write_text("")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    places = {
        "{here}": str(tmp_path),
        "{empty}": str(tmp_path / "empty"),
        "{binary}": str(tmp_path / "binary"),
    }
    result = CliRunner().invoke(app, [*(places.get(one, one) for one in arguments), "-d", url])
    assert isinstance(result.exception, UsageError)
    assert says in result.exception.what
    assert result.exception.cure


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("500MB", 5e8),
        ("1.5 GB", 1.5e9),
        ("2GiB", 2.0**31),
        ("64kb", 64e3),
        ("1000000", 1e6),
        ("7 b", 7),
    ],
)
def test_sizes_are_read_as_people_write_them(size: str, expected: float) -> None:
    assert bytes_of(size) == expected


@pytest.mark.parametrize("size", ["", "MB", "-5MB", "5XB", "0", "0.1", "1e9"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(UsageError, match="is no size"):
        bytes_of(size)
