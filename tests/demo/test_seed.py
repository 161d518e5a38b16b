"""Seeding on real PostgreSQL: what is there after it, and what it refuses to touch."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.connection import open_engine
from keiko_perf.demo.index import hot_indexes
from keiko_perf.demo.rows import TOPICS, Sizes, fills
from keiko_perf.demo.schema import HOT_INDEX, SCHEMA, TABLES
from keiko_perf.demo.seed import Progress, drop, seed
from keiko_perf.demo.settings import Fault
from keiko_perf.errors import DatabaseUnavailable, UsageError

UNTIL = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCALE = 0.002

pytestmark = pytest.mark.postgres


async def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement; an empty list where it has none."""
    libpq = url.replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(libpq, autocommit=True) as db:
        found = await db.execute(statement)
        return await found.fetchall() if found.description else []


async def fingerprint(url: str) -> dict[str, str]:
    """A checksum of all rows of each table."""
    sums = {}
    for table in TABLES:
        name = f"{SCHEMA}.{table.name}"
        (row,) = await ask(
            url, f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t"
        )
        sums[table.name] = row[0]
    return sums


async def schemas(url: str) -> set[str]:
    return {name for (name,) in await ask(url, "SELECT nspname FROM pg_namespace")}


def with_port(url: str, port: int) -> str:
    return make_url(url).set(port=port).render_as_string(hide_password=False)


# What is there


async def test_the_same_seed_gives_the_same_rows(postgres: Cluster, own_url: str) -> None:
    other = await postgres.create_database("demo_twin")
    try:
        await seed(other, scale=SCALE, until=UNTIL)
        assert await fingerprint(other) == await fingerprint(own_url)
    finally:
        await postgres.drop_database("demo_twin")


async def test_another_seed_gives_other_rows(postgres: Cluster, shared_url: str) -> None:
    other = await postgres.create_database("demo_other")
    try:
        await seed(other, scale=SCALE, seed=2, until=UNTIL)
        ours, theirs = await fingerprint(shared_url), await fingerprint(other)
        assert {name for name in ours if ours[name] == theirs[name]} <= {"tools", "task_queue"}
    finally:
        await postgres.drop_database("demo_other")


async def test_the_progress_grows_from_nothing_to_all(empty_url: str) -> None:
    heard: list[Progress] = []
    await seed(empty_url, heard.append, scale=SCALE)
    ratios = [progress.ratio for progress in heard]
    assert ratios == sorted(ratios)
    assert (ratios[0], ratios[-1]) == (0.0, 1.0)


async def test_each_table_holds_as_many_rows_as_was_said(shared_url: str) -> None:
    sizes = Sizes(tasks=2400)
    for table in ("tenants", "users", "agents", "conversations", "documents", "task_events"):
        (row,) = await ask(shared_url, f"SELECT count(*) FROM {SCHEMA}.{table}")
        assert row[0] == getattr(sizes, table), table


async def test_a_few_agents_own_most_of_the_tasks(empty_url: str) -> None:
    sizes = await seed(empty_url, rows=60_000)  # 100 agents
    (row,) = await ask(empty_url, f"SELECT count(*) FROM {SCHEMA}.tasks WHERE agent_id = 1")
    expected = (1 / sizes.agents) ** (1 / 3)
    assert row[0] / sizes.tasks == pytest.approx(expected, rel=0.05)


async def test_one_task_in_twenty_waits_for_approval(shared_url: str) -> None:
    (row,) = await ask(
        shared_url,
        f"SELECT avg((status = 'pending')::int)::float FROM {SCHEMA}.tasks WHERE id <= 2400",
    )
    assert row[0] == pytest.approx(0.05, abs=0.015)


async def test_the_rows_were_made_over_ninety_days(shared_url: str) -> None:
    (row,) = await ask(
        shared_url,
        f"SELECT max(created_at), max(created_at) - min(created_at) FROM {SCHEMA}.tasks"
        " WHERE id <= 2400",
    )
    assert 0 <= (UNTIL - row[0]).total_seconds() <= 60
    assert row[1].days in (89, 90)


async def test_new_rows_get_ids_after_the_seeded_ones(shared_url: str) -> None:
    (row,) = await ask(
        shared_url,
        f"INSERT INTO {SCHEMA}.tenants (slug, name, plan) VALUES ('new', 'New', 'free')"
        " RETURNING id",
    )
    assert row[0] == Sizes(tasks=2400).tenants + 1
    await ask(shared_url, f"DELETE FROM {SCHEMA}.tenants WHERE slug = 'new'")


async def test_the_only_foreign_key_without_an_index_is_that_of_the_tasks(shared_url: str) -> None:
    bare = await ask(
        shared_url,
        """
        SELECT c.conrelid::regclass::text FROM pg_constraint c
        WHERE c.contype = 'f' AND c.connamespace = 'keiko_demo'::regnamespace AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
        """,
    )
    assert bare == [(f"{SCHEMA}.tasks",)]


async def test_the_planner_has_statistics_of_the_tasks(shared_url: str) -> None:
    (row,) = await ask(
        shared_url,
        f"SELECT reltuples::int FROM pg_class WHERE oid = '{SCHEMA}.tasks'::regclass",
    )
    assert row[0] >= 2400


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ((Fault.MISSING_INDEX,), []),
        ((), [f"{SCHEMA}.{HOT_INDEX}"]),
    ],
    ids=["the fault is on", "the fault is off"],
)
async def test_the_index_is_missing_just_where_the_fault_is_on(
    empty_url: str, faults: tuple[Fault, ...], expected: list[str]
) -> None:
    await seed(empty_url, scale=SCALE, faults=faults)
    engine = open_engine(empty_url)
    async with engine.connect() as db:
        assert await hot_indexes(db) == expected
    await engine.dispose()


# What it refuses to touch


async def test_seeding_again_leaves_the_rows_as_they_are(own_url: str) -> None:
    await ask(own_url, f"UPDATE {SCHEMA}.tasks SET title = 'mine' WHERE id = 7")
    await seed(own_url, scale=SCALE, until=UNTIL)
    assert await ask(own_url, f"SELECT title FROM {SCHEMA}.tasks WHERE id = 7") == [("mine",)]


async def test_seeding_again_brings_the_fault_back(own_url: str) -> None:
    await ask(own_url, f"CREATE INDEX by_another_name ON {SCHEMA}.tasks (agent_id, status)")
    await seed(own_url, scale=SCALE)
    found = await ask(own_url, "SELECT count(*) FROM pg_class WHERE relname = 'by_another_name'")
    assert found == [(0,)]


async def test_other_rows_are_not_overwritten(own_url: str) -> None:
    before = await fingerprint(own_url)
    with pytest.raises(UsageError, match="already holds other demo data"):
        await seed(own_url, scale=SCALE, seed=2)
    assert await fingerprint(own_url) == before


async def test_the_tables_of_somebody_else_are_not_touched(empty_url: str) -> None:
    await ask(empty_url, f"CREATE SCHEMA {SCHEMA}")
    await ask(empty_url, f"CREATE TABLE {SCHEMA}.tasks AS SELECT 1 AS theirs")
    with pytest.raises(UsageError, match="tables that are not the demo's"):
        await seed(empty_url, scale=SCALE)
    with pytest.raises(UsageError, match="was not made by the demo"):
        await drop(empty_url)
    assert await ask(empty_url, f"SELECT theirs FROM {SCHEMA}.tasks") == [(1,)]


async def test_dropping_removes_the_schema_and_nothing_else(own_url: str) -> None:
    await ask(own_url, "CREATE TABLE public.theirs AS SELECT 1 AS one")
    assert await drop(own_url)
    assert SCHEMA not in await schemas(own_url)
    assert await ask(own_url, "SELECT one FROM public.theirs") == [(1,)]
    assert not await drop(own_url)


@pytest.mark.parametrize(
    "statement",
    [
        f"CREATE VIEW public.theirs AS SELECT id FROM {SCHEMA}.tasks",
        f"CREATE TABLE {SCHEMA}.theirs (id int)",
    ],
    ids=["a view on it", "a table in it"],
)
async def test_what_somebody_built_on_it_stops_the_removal(own_url: str, statement: str) -> None:
    await ask(own_url, statement)
    with pytest.raises(UsageError, match="other things in the database depend on"):
        await drop(own_url)
    assert await ask(own_url, f"SELECT count(*) FROM {SCHEMA}.tasks") == [(2400,)]


async def test_a_statement_timeout_of_the_database_does_not_stop_the_seeding(
    empty_url: str,
) -> None:
    database = make_url(empty_url).database
    await ask(empty_url, f"ALTER DATABASE {database} SET statement_timeout = '20ms'")
    assert (await seed(empty_url, scale=0.05)).tasks == 60_000


async def test_a_lock_that_is_never_given_back_is_named(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiko_perf.demo.seed._WAITS_AT_MOST_S", 1)
    async with await psycopg.AsyncConnection.connect(own_url.replace("+psycopg", "")) as holder:
        await holder.execute(f"LOCK TABLE {SCHEMA}.tasks IN ACCESS SHARE MODE")
        with pytest.raises(DatabaseUnavailable) as caught:
            await drop(own_url)
    assert "End the session that holds a lock" in caught.value.cure


async def test_too_few_rows_are_refused(empty_url: str) -> None:
    with pytest.raises(UsageError, match="99 rows are too few"):
        await seed(empty_url, rows=99)


# What goes wrong


async def test_cancelled_seeding_leaves_nothing_behind(empty_url: str) -> None:
    async def interrupted() -> None:
        task = asyncio.current_task()
        assert task is not None
        await seed(empty_url, lambda now: now.ratio > 0.5 and task.cancel(), scale=SCALE)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(interrupted())
    assert SCHEMA not in await schemas(empty_url)


async def test_a_full_disk_is_said_with_its_cure_and_leaves_nothing(empty_url: str) -> None:
    # The server itself answers with what a full disk makes it say.
    await ask(
        empty_url,
        """
        CREATE FUNCTION fill_disk() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE 'could not extend file "base/5/1": No space left on device'
            USING ERRCODE = 'disk_full';
        END $$;
        CREATE EVENT TRIGGER full_disk ON ddl_command_start WHEN TAG IN ('CREATE INDEX')
        EXECUTE FUNCTION fill_disk();
        """,
    )
    with pytest.raises(DatabaseUnavailable) as caught:
        await seed(empty_url, scale=SCALE)
    assert "No space left on device" in caught.value.what
    assert "Free some disk space" in caught.value.cure
    assert SCHEMA not in await schemas(empty_url)


async def test_a_user_without_rights_is_told_the_grant(postgres: Cluster, empty_url: str) -> None:
    await ask(postgres.url, "CREATE ROLE \"demo-guest\" LOGIN PASSWORD 'geheim-77'")
    try:
        url = make_url(empty_url).set(username="demo-guest", password="geheim-77")
        with pytest.raises(DatabaseUnavailable) as caught:
            await seed(url.render_as_string(hide_password=False), scale=SCALE)
        assert f"GRANT CREATE ON DATABASE {url.database} TO " in caught.value.cure.replace('"', "")
        assert "geheim-77" not in str(caught.value)
    finally:
        await ask(postgres.url, 'DROP ROLE "demo-guest"')


async def test_a_connection_that_is_lost_midway_leaves_nothing(empty_url: str) -> None:
    libpq = empty_url.replace("+psycopg", "")

    def cut(progress: Progress) -> None:
        if progress.ratio > 0.5:
            with psycopg.connect(libpq, autocommit=True) as db:
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'keiko-demo' AND datname = current_database()"
                )

    with pytest.raises(DatabaseUnavailable, match="could not be filled"):
        await seed(empty_url, cut, scale=SCALE)
    assert SCHEMA not in await schemas(empty_url)


async def test_a_wrong_password_is_named_as_such(postgres: Cluster) -> None:
    url = make_url(postgres.url).set(password="falsch-88").render_as_string(hide_password=False)
    with pytest.raises(DatabaseUnavailable) as caught:
        await seed(url, scale=SCALE)
    assert "does not let the user 'postgres' in" in caught.value.what
    assert "falsch-88" not in str(caught.value)


async def test_a_server_that_is_not_there_is_named_with_its_address(
    postgres: Cluster, unused_tcp_port: int
) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"127.0.0.1:{unused_tcp_port} cannot be reached"):
        await seed(with_port(postgres.url, unused_tcp_port), scale=SCALE)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://somebody@localhost/x", "needs PostgreSQL, not mysql"),
        ("nothing", "cannot be read"),
        ("postgresql://me:pass@word@localhost/x", "holds an @"),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused(url: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        await seed(url, scale=SCALE)
    assert "word@localhost" not in str(caught.value)


def test_all_rows_of_the_largest_table_are_made_once() -> None:
    made = [
        number
        for fill in fills(Sizes(tasks=1003), seed=1, chunks=7)
        if fill.table == "tasks"
        for number in range(
            int(str(fill.parameters["first"])), int(str(fill.parameters["last"])) + 1
        )
    ]
    assert made == list(range(1, 1004))


def test_a_topic_is_one_word_that_needs_no_quoting() -> None:
    assert len(set(TOPICS)) == len(TOPICS)
    assert all(topic.isalpha() for topic in TOPICS)
