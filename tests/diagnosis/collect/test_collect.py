"""What the catalog of a real server brings home, and what it does not show to everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.analyzer import DatabasePerformanceAnalyzer
from keiko_perf.diagnosis.collect import (
    collect,
    index_statistics,
    statement_statistics,
    table_statistics,
)
from keiko_perf.diagnosis.postgres import TAG, Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.errors import DatabaseUnavailable
from keiko_perf.model import Gap, Message
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres


@pytest.fixture
async def url(postgres: Cluster) -> AsyncIterator[URL]:
    name = f"collect_{uuid4().hex[:12]}"
    yield make_url(await postgres.create_database(name))
    await postgres.drop_database(name)


def connect(url: URL) -> psycopg.Connection:
    return psycopg.connect(
        url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )


def execute(url: URL, *statements: str) -> None:
    with connect(url) as db:
        for one in (*statements, "SELECT pg_stat_force_next_flush()"):
            db.execute(one)  # type: ignore[arg-type]


async def test_statements_are_those_of_this_database_and_none_of_ours(
    url: URL, postgres: Cluster
) -> None:
    execute(url, "CREATE TABLE here (x int)", *["SELECT count(*) FROM here WHERE x = 5"] * 7)
    with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SELECT 'elsewhere' AS elsewhere")
    async with Database.connect(url) as database:
        await database.rows("SELECT 'ours' AS ours")
        read = await statement_statistics(database)
    assert not isinstance(read, Gap)
    (found,) = [one for one in read.statements if "count(*) FROM here" in one.query]
    assert (found.calls, found.rows, found.rows_per_call) == (7, 7, 1.0)
    assert found.mean_s * 7 == pytest.approx(found.total_s)
    assert found.max_s >= found.mean_s > 0
    assert not [one for one in read.statements if TAG in one.query or "elsewhere" in one.query]
    # What CREATE EXTENSION executes is told as well, but is in its own time already.
    assert max(one.total_s for one in read.statements) <= read.total_s
    assert read.total_s < sum(one.total_s for one in read.statements)
    assert read.gaps == ()


async def test_a_statement_that_somebody_had_explained_keeps_its_own_text(url: URL) -> None:
    asked = "SELECT count(*) FROM here WHERE x = 5"
    execute(url, "CREATE TABLE here (x int)", *[asked] * 7, f"EXPLAIN (ANALYZE) {asked}")
    async with Database.connect(url) as database:
        read = await statement_statistics(database)
    assert not isinstance(read, Gap)
    of_table = {one.query: one.calls for one in read.statements if "FROM here" in one.query}
    assert of_table.pop("SELECT count(*) FROM here WHERE x = $1") == 8
    assert [query.split()[0] for query in of_table] == ["EXPLAIN"]


async def test_what_falls_over_the_bound_is_counted(url: URL) -> None:
    execute(url, *(f"CREATE TABLE t{i} (x int PRIMARY KEY)" for i in range(5)))
    async with Database.connect(url) as database:
        statements = await statement_statistics(database, limit=2)
        tables, tables_left_out = await table_statistics(database, limit=2)
        indexes, indexes_left_out = await index_statistics(database, limit=2)
    assert not isinstance(statements, Gap)
    assert len(statements.statements) == 2
    assert statements.left_out > 3
    assert statements.total_s > max(one.total_s for one in statements.statements)
    assert (len(tables), tables_left_out) == (2, 3)
    assert (len(indexes), indexes_left_out) == (2, 3)


async def test_tables_tell_what_happened_to_them(url: URL) -> None:
    execute(
        url,
        "CREATE SCHEMA app",
        'CREATE TABLE app."Odd Name" (id int, key serial PRIMARY KEY) WITH ('
        "autovacuum_enabled = off, autovacuum_vacuum_scale_factor = 0.01)",
        'INSERT INTO app."Odd Name" (id) SELECT generate_series(1, 5000)',
        'DELETE FROM app."Odd Name" WHERE id <= 2000',
        'UPDATE app."Odd Name" SET id = 0 WHERE id > 4900',
    )
    async with Database.connect(url) as database:
        (table,), _ = await table_statistics(database)
        found = {one.code: one for one in judge(await collect(database)).findings}
    assert (table.full_name, table.inserts, table.updates, table.deletes) == (
        "app.Odd Name", 5000, 100, 2000,
    )  # fmt: skip
    assert (table.live_rows, table.dead_rows) == (3000, 2100)
    assert table.dead_ratio == pytest.approx(2100 / 5100)
    assert table.estimated_rows is None
    assert (table.last_vacuum_at, table.last_analyze_at) == (None, None)
    assert table.options["autovacuum_vacuum_scale_factor"] == "0.01"
    assert found["tables.dead-tuples"].cure == 'VACUUM (ANALYZE) app."Odd Name";'
    assert found["tables.stale-statistics"].cure == 'ANALYZE app."Odd Name";'
    execute(url, found["tables.dead-tuples"].cure)
    async with Database.connect(url) as database:
        assert judge(await collect(database)).findings == ()


async def test_indexes_tell_what_they_are_for(url: URL) -> None:
    execute(
        url,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text, CONSTRAINT one_b UNIQUE (b))",
        "CREATE INDEX plain ON t (a)",
        "CREATE INDEX twin ON t (a)",
        "CREATE INDEX downwards ON t (a DESC)",
        "CREATE INDEX partly ON t (a) WHERE b IS NULL",
        "CREATE INDEX partly_twin ON t (a)   WHERE  b IS NULL",
        "CREATE INDEX lowered ON t (lower(b))",
        "CREATE INDEX hashed ON t USING hash (a)",
        "CREATE TABLE child (id int REFERENCES t)",
    )
    with connect(url) as db:
        db.execute("INSERT INTO child SELECT NULL FROM generate_series(1, 9)")
        with pytest.raises(psycopg.Error):
            db.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON child ((1))")
    async with Database.connect(url) as database:
        indexes = {one.name: one for one in (await index_statistics(database))[0]}
        found = [(o.code, o.subject) for o in judge(await collect(database)).findings]
    assert indexes["t_pkey"].backs.startswith("constraint")
    assert indexes["one_b"].backs == "constraint one_b"
    assert indexes["plain"].backs == ""
    assert not indexes["broken"].is_valid
    assert not indexes["broken"].is_being_built
    assert found == [
        ("indexes.invalid", "broken"),
        ("indexes.duplicate", "twin"),
        ("indexes.duplicate", "partly_twin"),
    ]


async def test_a_healthy_database_is_left_in_peace(url: URL) -> None:
    execute(
        url,
        "CREATE TABLE t (id int PRIMARY KEY, a int)",
        "INSERT INTO t SELECT i, i FROM generate_series(1, 20000) i",
        "SELECT pg_stat_force_next_flush()",
        "VACUUM ANALYZE t",
        *["SELECT a FROM t WHERE id = 7"] * 50,
    )
    async with Database.connect(url) as database:
        judged = judge(await collect(database))
    assert judged.findings == ()
    assert judged.gaps == ()


async def test_without_the_extension_there_is_a_gap_with_its_remedy(url: URL) -> None:
    execute(url, "DROP EXTENSION pg_stat_statements")
    async with Database.connect(url) as database:
        evidence = await collect(database)
    (gap,) = judge(evidence).gaps
    assert "not installed" in phrase(gap.reason)
    assert "CREATE EXTENSION pg_stat_statements" in phrase(gap.remedy)
    with pytest.raises(DatabaseUnavailable, match="CREATE EXTENSION"):
        await DatabasePerformanceAnalyzer(url).analyze_slow_queries()


async def test_an_old_version_of_the_extension_is_a_gap(url: URL) -> None:
    execute(
        url,
        "DROP EXTENSION pg_stat_statements",
        "CREATE EXTENSION pg_stat_statements VERSION '1.7'",
    )
    async with Database.connect(url) as database:
        read = await statement_statistics(database)
    assert isinstance(read, Gap)
    assert "ALTER EXTENSION pg_stat_statements UPDATE" in phrase(read.remedy)


@pytest.mark.parametrize("version", ["1.8", "1.9", "1.10"])
async def test_all_later_versions_of_the_extension_are_read(url: URL, version: str) -> None:
    execute(
        url,
        "DROP EXTENSION pg_stat_statements",
        "CREATE SCHEMA elsewhere",
        f"CREATE EXTENSION pg_stat_statements SCHEMA elsewhere VERSION '{version}'",
        "SELECT 'a mark' AS mark",
    )
    async with Database.connect(url) as database:
        read = await statement_statistics(database)
    assert not isinstance(read, Gap)
    assert any("AS mark" in one.query for one in read.statements)


async def test_an_extension_that_the_server_did_not_load_is_a_gap(
    postgres: Cluster, url: URL
) -> None:
    # The function's error is the server's own: a stand-in view raises it as the module would.
    execute(
        url,
        "DROP EXTENSION pg_stat_statements",
        "CREATE EXTENSION pg_stat_statements",
        "ALTER EXTENSION pg_stat_statements DROP VIEW pg_stat_statements",
        "DROP VIEW pg_stat_statements",
        "CREATE FUNCTION unloaded() RETURNS SETOF pg_stat_statements_info LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'must be loaded' USING ERRCODE = '55000'; END $$",
        "CREATE VIEW pg_stat_statements AS SELECT d.oid AS dbid, NULL::text AS query,"
        " 0::bigint AS queryid, 0::bigint AS calls, 0.0::float8 AS total_exec_time,"
        " 0.0::float8 AS max_exec_time, 0.0::float8 AS mean_exec_time,"
        " 0.0::float8 AS stddev_exec_time, 0::bigint AS rows, 0::bigint AS shared_blks_hit,"
        " 0::bigint AS shared_blks_read, 0::bigint AS temp_blks_written, true AS toplevel,"
        " 0.0::float8 AS total_plan_time, 0::numeric AS wal_bytes, 0.0::float8 AS blk_read_time,"
        " 0.0::float8 AS jit_generation_time, 0.0::float8 AS jit_inlining_time,"
        " 0.0::float8 AS jit_optimization_time, 0.0::float8 AS jit_emission_time FROM unloaded(),"
        " pg_database d WHERE d.datname = current_database()",
    )
    async with Database.connect(url) as database:
        read = await statement_statistics(database)
    assert isinstance(read, Gap)
    assert "shared_preload_libraries" in phrase(read.remedy)


async def test_who_has_no_rights_is_told_the_grant_that_would_help(
    url: URL, postgres: Cluster
) -> None:
    role = f"guest_{uuid4().hex[:8]}"
    execute(
        url,
        f"CREATE ROLE {role} LOGIN PASSWORD 'guest'",
        "CREATE TABLE hidden (x int)",
        *["SELECT count(*) FROM hidden", "SELECT max(x) FROM hidden"] * 3,
    )
    guest = url.set(username=role, password="guest")
    try:
        async with Database.connect(guest) as database:
            assert not database.server.is_superuser
            evidence = await collect(database)
        (gap,) = evidence.gaps
        assert "may not see the text" in phrase(gap.reason)
        assert isinstance(gap.reason, Message)
        hidden = gap.reason.values["hidden"]
        assert isinstance(hidden, int)
        assert hidden >= 3  # each for itself, though nothing tells them apart
        assert f"GRANT pg_monitor TO {role}" in phrase(gap.remedy)
        assert not [one for one in evidence.statements if "hidden" in one.query]
        assert [one.name for one in evidence.tables] == ["hidden"]
        execute(url, f"GRANT pg_monitor TO {role}")
        async with Database.connect(guest) as database:
            evidence = await collect(database)
        assert evidence.gaps == ()
        assert [one for one in evidence.statements if "FROM hidden" in one.query]
        execute(
            url, f"REVOKE pg_monitor FROM {role}", "REVOKE ALL ON pg_stat_statements FROM PUBLIC"
        )
        async with Database.connect(guest) as database:
            read = await statement_statistics(database)
        assert isinstance(read, Gap)
        assert f"GRANT pg_monitor TO {role}" in phrase(read.remedy)
    finally:
        execute(url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
