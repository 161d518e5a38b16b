"""The front doors answer from what the server recorded, and name the cure where it did not."""

from __future__ import annotations

import pytest
from tests.diagnosis.advice.advising import INBOX_INDEX, advised, sync

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.catalog import recorded_workload
from keiko_perf.diagnosis.frontdoor import missing_indexes, suggest_for_table
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.errors import DatabaseUnavailable, UsageError

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("needs_hypopg")]


async def test_the_front_door_says_of_an_expression_what_it_can(url: str) -> None:
    async with Database.connect(url) as database:
        workload = Workload.of([Statement(text="SELECT id FROM tasks WHERE abs(agent_id) = $1")])
        (row,) = await missing_indexes(database, workload=workload)
    assert (row["column"], row["distinct_values"], row["correlation"]) == (
        "abs(agent_id)",
        None,
        None,
    )


async def test_the_front_doors_answer_from_what_the_server_recorded(url: str) -> None:
    with sync(url) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        for pet in range(20):
            connection.execute(f"CREATE TEMPORARY TABLE pet{pet} (id int)")
        for agent in range(20):
            connection.execute(
                "SELECT * FROM tasks WHERE agent_id = %s AND status = %s"
                " ORDER BY created_at DESC LIMIT 20",
                (agent, "done"),
            )
    async with Database.connect(url) as database:
        workload = await recorded_workload(database)
        assert any("agent_id = $1" in one.text and one.calls == 20 for one in workload.statements)
        assert not any("keiko-perf" in one.text for one in workload.statements)
        assert not any("pet" in one.text for one in workload.statements)
        assert workload.not_queries == 0, "what is no query takes no query's place"
        (row,) = await missing_indexes(database)
        for name in ("tasks", "public.tasks", '"tasks"', 'public."tasks"'):
            found = await suggest_for_table(database, name)
            assert found == [f"{INBOX_INDEX};"], name
        assert await suggest_for_table(database, "settings") == []
        with pytest.raises(UsageError, match="there is no table 'task'"):
            await suggest_for_table(database, "task")
    assert row["table"] == "tasks"
    assert row["column"] == "agent_id, status, created_at"
    assert row["columns"] == ["agent_id", "status", "created_at"]
    assert row["distinct_values"] == 2000
    assert abs(row["correlation"]) < 0.1
    assert row["suggested_index"] == f"{INBOX_INDEX};"
    assert row["verified_by"] == "hypopg"
    assert 0.9 < row["benefit"] < 1


@pytest.mark.slow
async def test_a_thousand_statements_are_read_and_priced_with_few_questions_each(
    postgres: Cluster,
) -> None:
    url = await postgres.create_database("thousand")
    try:
        with sync(url) as connection:
            for table in range(10):
                connection.execute(
                    f"CREATE TABLE t{table} AS SELECT i AS id, i % 97 AS a, i * 7919 % 4001 AS b,"
                    " i * 31 % 1009 AS c, repeat('x', 60) AS note FROM generate_series(1, 6000) i"
                )
            connection.execute("ANALYZE")
        advice = await advised(
            url,
            *(
                f"SELECT note FROM t{i % 10} WHERE {'abc'[i % 3]} = {i}"
                + (f" AND {'bca'[i % 3]} > {i}" if i % 2 else "")
                for i in range(1000)
            ),
            max_indexes=20,
        )
        assert advice.gaps == ()
        assert len(advice.indexes) == 20
        assert "b" in {one.index.columns[0] for one in advice.indexes}
        assert 1000 <= advice.planner_calls < 4000
        assert advice.cost_before
        assert advice.cost_after is not None
        assert advice.cost_after < advice.cost_before / 2
    finally:
        await postgres.drop_database("thousand")


async def test_without_recorded_statements_the_front_door_names_the_cure(
    postgres: Cluster,
) -> None:
    url = await postgres.create_database("no_statistics")
    try:
        with sync(url) as connection:
            connection.execute("DROP EXTENSION pg_stat_statements")
        async with Database.connect(url) as database:
            with pytest.raises(DatabaseUnavailable, match="CREATE EXTENSION pg_stat_statements"):
                await missing_indexes(database)
    finally:
        await postgres.drop_database("no_statistics")
