"""db snapshot and changes, and a monitor's recorder, on a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner

from keiko_perf.cli.db import app
from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.history.file import HistoryFile
from keiko_perf.diagnosis.history.keeping import keeper_of
from keiko_perf.diagnosis.source import place_of
from keiko_perf.errors import UsageError
from keiko_perf.monitoring import PerformanceMonitor

pytestmark = pytest.mark.postgres


@pytest.fixture
async def url(postgres: Cluster) -> AsyncIterator[str]:
    name = f"history_{uuid4().hex[:12]}"
    yield await postgres.create_database(name)
    await postgres.drop_database(name)


def execute(url: str, *statements: str) -> None:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as db:
        for one in (*statements, "SELECT pg_stat_force_next_flush()"):
            db.execute(one)  # type: ignore[arg-type]


ASK = "SELECT count(*) FROM tasks WHERE agent = 7"


def run(*arguments: str) -> tuple[int, str]:
    answered = CliRunner().invoke(app, arguments)
    if answered.exception is not None and not isinstance(answered.exception, SystemExit):
        raise answered.exception
    return answered.exit_code, answered.output


async def test_what_got_slower_since_a_snapshot_is_told_with_exit_code_5(
    url: str, tmp_path: Path
) -> None:
    history = str(tmp_path / "history.sqlite")
    snapshot = ["snapshot", "--history", history, "-d", url]
    execute(
        url,
        "CREATE TABLE tasks (id int PRIMARY KEY, agent int)",
        "INSERT INTO tasks SELECT i, i % 1000 FROM generate_series(1, 60000) i",
        "CREATE INDEX tasks_agent ON tasks (agent)",
        "VACUUM ANALYZE tasks",
    )
    code, said = await asyncio.to_thread(run, *snapshot)
    assert (code, "The first snapshot is kept" in said) == (0, True)
    execute(url, *[ASK] * 200)
    await asyncio.to_thread(run, *snapshot)
    with pytest.raises(UsageError, match="three snapshots"):
        await asyncio.to_thread(run, "changes", "--history", history)
    execute(url, "DROP INDEX tasks_agent", *[ASK] * 100)
    await asyncio.to_thread(run, *snapshot, "--note", "without the index")
    code, said = await asyncio.to_thread(run, "changes", "--history", history, "--format", "json")
    report = json.loads(said)
    findings = {one["code"]: one for section in report["sections"] for one in section["findings"]}
    assert (
        findings["statements.regressed"]["subject"] == "SELECT count(*) FROM tasks WHERE agent = $1"
    )
    assert findings["statements.regressed"]["evidence"]["calls_after"] == 100
    assert (code, report["status"]["word"]) == (5, "regressed")
    assert "without the index" in said
    # Another's reset takes nothing away, and counts nothing twice.
    execute(url, "SELECT pg_stat_statements_reset()", *[ASK] * 30)
    await asyncio.to_thread(run, *snapshot)
    last = HistoryFile(history).periods(place_of(url))[-1]
    (asked,) = [one for one in last.statements if "agent = $1" in one.query]
    assert asked.calls == 30


async def test_what_is_new_more_frequent_and_larger_since_a_snapshot(
    url: str, tmp_path: Path
) -> None:
    history = str(tmp_path / "history.sqlite")
    snapshot = ["snapshot", "--history", history, "-d", url]
    new, rare = "SELECT sum(agent) FROM tasks", "SELECT min(agent) FROM tasks WHERE id > 5"
    execute(
        url,
        "CREATE TABLE tasks (id int PRIMARY KEY, agent int)",
        "INSERT INTO tasks SELECT i, i % 1000 FROM generate_series(1, 10000) i",
        "CREATE TABLE log (id int, note text)",
        "CREATE TABLE little (id int, note text)",
        "VACUUM ANALYZE",
    )
    await asyncio.to_thread(run, *snapshot)
    execute(url, *[ASK] * 3)
    await asyncio.to_thread(run, *snapshot)
    execute(
        url,
        *[ASK, new] * 400,
        *[rare] * 5,
        "INSERT INTO log SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i",
        "INSERT INTO little SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) i",
        "VACUUM log, little",  # by which the server learns how large they are
    )
    await asyncio.to_thread(run, *snapshot)
    _, said = await asyncio.to_thread(run, "changes", "--history", history, "--format", "json")
    report = json.loads(said)
    findings = [one for section in report["sections"] for one in section["findings"]]
    told = {code: {one["subject"] for one in findings if one["code"] == code}
            for code in ("statements.new", "statements.more-often", "tables.growing")}  # fmt: skip
    # Not told: a statement that is new and rare, and a table that grew by a little.
    assert told == {
        "statements.new": {new},
        "statements.more-often": {ASK.replace("7", "$1")},
        "tables.growing": {"log"},
    }


async def test_a_monitors_workers_keep_one_reading_between_them(url: str, tmp_path: Path) -> None:
    history = HistoryFile(tmp_path / "history.sqlite")
    engine = create_async_engine(url)
    try:
        record = keeper_of(engine, history, every_s=600.0)
        other = keeper_of(url, history, every_s=600.0)
        await record()
        await other()
        await record()
        assert history.read_last_at(place_of(url)) is not None
        assert history.periods(place_of(url)) == []
        monitor = PerformanceMonitor()
        monitor.every(0.05, keeper_of(engine, history, every_s=1e-6))
        monitor.start()
        for _ in range(2_000):
            kept = await asyncio.to_thread(history.periods, place_of(url))
            if len(kept) >= 2:
                break
            await asyncio.sleep(0.02)
        await monitor.stop()
        assert len(kept) >= 2
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "yesterday"], "is no moment"),
        (["--before", "long"], "is no duration"),
    ],
)
async def test_what_is_no_time_is_refused(
    url: str, tmp_path: Path, arguments: list[str], says: str
) -> None:
    history = str(tmp_path / "history.sqlite")
    await asyncio.to_thread(run, "snapshot", "--history", history, "-d", url)
    with pytest.raises(UsageError, match=says):
        await asyncio.to_thread(run, "changes", "--history", history, *arguments)


def test_without_a_snapshot_it_says_how_to_take_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no snapshot"):
        run("changes", "--history", str(tmp_path / "none"))
