from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing import verify
from keiko_perf.diagnosis.pricing.memory import InMemory
from keiko_perf.diagnosis.pricing.price import Around, Price, TableLocked
from keiko_perf.diagnosis.pricing.sessions import Patient
from keiko_perf.diagnosis.pricing.verify import (
    HypoPg,
    IndexRefused,
    Pricer,
    RolledBackBuild,
    Session,
)
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.errors import DatabaseUnavailable, StatementRefused
from keiko_perf.render import phrase

pytestmark = pytest.mark.postgres

TABLE = TableName("public", "events")
BY_KIND = Index(TABLE, (Key("kind"),))
BY_KIND_AND_TIME = Index(TABLE, (Key("kind"), Key("at", descending=True)))
QUERY = "SELECT * FROM events WHERE kind = $1 ORDER BY at DESC LIMIT 10"
NONE: frozenset[Index] = frozenset()
PREPARED = "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE '\\_pg3%'"  # psycopg's own


@pytest.fixture(scope="module")
def url(postgres: Cluster) -> Iterator[str]:
    url = asyncio.run(postgres.create_database("verify"))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE events (id int PRIMARY KEY, kind int, at timestamptz, j json)"
        )
        connection.execute(
            "INSERT INTO events SELECT i, i * 7919 % 500,"
            " timestamptz '2024-01-01' + i * interval '1 s' FROM generate_series(1, 50000) i"
        )
        connection.execute("ANALYZE events")
    yield url
    asyncio.run(postgres.drop_database("verify"))


@pytest.fixture(params=["hypopg", "build"])
def pricer(
    request: pytest.FixtureRequest, postgres: Cluster, absent: Callable[[str], NoReturn]
) -> Pricer:
    if request.param == "build":
        return RolledBackBuild(own_database=True)
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    return HypoPg()


def left_behind(url: str) -> list[tuple[str, ...]]:
    """The relations of the database that are none of its own."""
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        return connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relname NOT IN ('events', 'events_pkey', 'hypopg_list_indexes',"
            " 'hypopg_hidden_indexes', 'pg_stat_statements', 'pg_stat_statements_info')"
        ).fetchall()


async def test_tables_of_one_name_in_two_schemas_are_told_apart(
    postgres: Cluster, pricer: Pricer
) -> None:
    name = f"twins_{pricer.name}"
    url = await postgres.create_database(name)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for schema, rows in (("one", 100), ("two", 20_000)):
            connection.execute(f"CREATE SCHEMA {schema}")
            connection.execute(
                f"CREATE TABLE {schema}.t AS SELECT i AS id FROM generate_series(1, {rows}) i"
            )
            connection.execute(f"ANALYZE {schema}.t")
    query = "SELECT count(*) FROM one.t a JOIN two.t b ON b.id = a.id"
    first, second = TableName("one", "t"), TableName("two", "t")
    async with Database.connect(url) as database, pricer.session(database) as session:
        price = await session.price(query, 0, NONE)
        with_index = await session.price(query, 0, frozenset({Index(second, (Key("id"),))}))
    assert price.scans is not None
    assert price.scans.keys() == price.ways.keys() == {first, second}
    assert price.scans[second] > 20 * price.scans[first]
    assert price.ways[second] == "Seq Scan"
    assert with_index.ways[second] != "Seq Scan"
    assert with_index.ways[first] == price.ways[first]
    await postgres.drop_database(name)


async def test_an_index_lowers_the_price_and_the_plan_names_it(url: str, pricer: Pricer) -> None:
    async with Database.connect(url) as database, pricer.session(database) as session:
        before = await session.price(QUERY, 1, NONE)
        narrow = await session.price(QUERY, 1, frozenset({BY_KIND}))
        both = await session.price(QUERY, 1, frozenset({BY_KIND, BY_KIND_AND_TIME}))
        again = await session.price(QUERY, 1, NONE)
        size = await session.size_bytes(BY_KIND)
        assert session.planner_calls == 4
    assert before.used == NONE
    assert narrow.used == {BY_KIND}
    assert both.used == {BY_KIND_AND_TIME}
    assert before.cost > 4 * narrow.cost
    assert narrow.cost > 4 * both.cost
    assert again == before
    assert size is not None
    assert 300_000 < size < 3_000_000
    assert left_behind(url) == []


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("SELECT count(*) FROM events WHERE at > now() - interval $1", 1),
        ("SELECT count(*) FROM events WHERE kind = 5 AND j::text LIKE '%:x%'", 0),
        ("UPDATE events SET kind = $1 WHERE id = $2", 2),
        ("DELETE FROM events WHERE kind = $1 -- a comment", 1),
        ("SELECT * FROM events WHERE kind = $1 FOR UPDATE;", 1),
    ],
)
async def test_statements_are_priced_as_they_are_recorded_and_not_executed(
    url: str, pricer: Pricer, text: str, parameters: int
) -> None:
    async with Database.connect(url) as database:
        async with pricer.session(database) as session:
            assert (await session.price(text, parameters, NONE)).cost > 0
        assert await database.value("SELECT count(*) FROM public.events") == 50000


async def test_a_statement_that_cannot_be_planned_is_refused_and_the_session_goes_on(
    url: str, pricer: Pricer
) -> None:
    async with Database.connect(url) as database, pricer.session(database) as session:
        before = await session.price(QUERY, 1, frozenset({BY_KIND}))
        for text in ("SELECT * FROM nowhere WHERE x = $1", "SELECT nothing FROM events"):
            with pytest.raises(StatementRefused, match=r"cannot plan it.*does not exist"):
                await session.price(text, text.count("$"), NONE)
        assert await session.price(QUERY, 1, frozenset({BY_KIND})) == before


async def test_an_index_that_cannot_be_made_is_refused_by_name(url: str, pricer: Pricer) -> None:
    json = Index(TABLE, (Key("j"),))
    async with Database.connect(url) as database, pricer.session(database) as session:
        with pytest.raises(IndexRefused, match="json") as refused:
            await session.price(QUERY, 1, frozenset({json, BY_KIND}))
        assert refused.value.index == json
        assert (await session.price(QUERY, 1, frozenset({BY_KIND}))).used == {BY_KIND}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_what_goes_wrong_with_a_statement_that_was_planned_before_is_told_as_at_first(
    url: str, pricer: Pricer, driver: str
) -> None:
    pytest.importorskip(driver)
    json = Index(TABLE, (Key("j"),))
    async with (
        Database.connect(url.replace("psycopg", driver)) as database,
        pricer.session(database) as session,
    ):
        before = await session.price(QUERY, 1, NONE)
        with_it = await session.price(QUERY, 1, frozenset({BY_KIND}))
        with pytest.raises(IndexRefused, match="json") as refused:
            await session.price(QUERY, 1, frozenset({json, BY_KIND_AND_TIME}))
        assert refused.value.index == json
        assert await session.price(QUERY, 1, NONE) == before
        assert await session.price(QUERY, 1, frozenset({BY_KIND})) == with_it


class Interrupted:
    """A pricer whose task is cancelled while it waits for the server, at the n-th question."""

    def __init__(self, session: Session, at: int) -> None:
        self._session = session
        self._left = at

    async def ask(self, *question: frozenset[Index]) -> None:
        for indexes in question:
            self._left -= 1
            if self._left == 0:
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            await self._session.price(QUERY, 1, indexes)


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_cancelled_session_leaves_nothing_in_a_pooled_connection(
    url: str, pricer: Pricer, at: int
) -> None:
    engine = create_async_engine(url, pool_size=1, max_overflow=0)

    async def work() -> None:
        async with Database.connect(engine) as database, pricer.session(database) as session:
            await Interrupted(session, at).ask(
                NONE, frozenset({BY_KIND}), frozenset({BY_KIND_AND_TIME})
            )

    try:
        task = asyncio.create_task(work())
        with pytest.raises(asyncio.CancelledError):
            await task
        async with Database.connect(engine) as database:  # the same pool, of a single connection
            assert await database.rows("SELECT * FROM public.hypopg()") == []
            assert await database.rows(PREPARED) == []
    finally:
        await engine.dispose()
    assert left_behind(url) == []


async def test_a_statement_that_the_cancellation_aborted_on_the_server_spoils_no_cleaning_up(
    url: str, pricer: Pricer
) -> None:
    engine = create_async_engine(url, pool_size=1, max_overflow=0)

    async def work() -> None:
        async with Database.connect(engine) as database, pricer.session(database) as session:
            await session.price(QUERY, 1, frozenset({BY_KIND}))
            await database.rows("SELECT pg_sleep(60)")

    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 2.0)
        async with Database.connect(engine) as database:
            assert await database.rows("SELECT * FROM public.hypopg()") == []
            assert await database.rows(PREPARED) == []
    finally:
        await engine.dispose()
    assert left_behind(url) == []


async def test_an_error_in_the_middle_leaves_nothing_either(url: str, pricer: Pricer) -> None:
    async def fail(database: Database) -> None:
        async with pricer.session(database) as session:
            await session.price(QUERY, 1, frozenset({BY_KIND}))
            raise ZeroDivisionError

    async with Database.connect(url) as database:
        with pytest.raises(ZeroDivisionError):
            await fail(database)
        assert await database.rows("SELECT * FROM public.hypopg()") == []
        assert await database.rows(PREPARED) == []
    assert left_behind(url) == []


async def test_pages_cost_little_in_memory_and_for_that_question_alone(
    url: str, pricer: Pricer
) -> None:
    async with Database.connect(url) as database, pricer.session(database) as session:
        in_memory = InMemory(database, session)
        asked = ("SELECT * FROM events WHERE kind = 7", 0, frozenset({BY_KIND}))
        before = await session.price(*asked)
        there = await in_memory.price(*asked)
        assert before.used == there.used == {BY_KIND}
        assert there.cost < 0.5 * before.cost
        with pytest.raises(StatementRefused):
            await in_memory.price("SELECT nothing FROM events", 0, NONE)
        assert await session.price(*asked) == before
        assert await database.value("SHOW random_page_cost") == "4"
        assert await database.value("SHOW seq_page_cost") == "1"


async def test_the_locks_of_plans_are_given_back_while_the_questions_go_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "_LONGEST_LOCKED_S", 0.0)
    async with Database.connect(url) as database, HypoPg().session(database) as session:
        before = await session.price(QUERY, 1, frozenset({BY_KIND}))
        await session.price("DELETE FROM events WHERE kind = $1", 1, frozenset({BY_KIND}))
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute("SET lock_timeout = '1s'")
            other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        # What was assumed is still there.
        assert await session.price(QUERY, 1, frozenset({BY_KIND})) == before


async def test_a_lock_that_never_goes_is_waited_for_once(url: str) -> None:
    texts = ("SELECT id FROM events WHERE kind = $1", QUERY, "DELETE FROM events WHERE at < $1")
    workload = Workload.of(Statement(text=text, calls=10) for text in texts)
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        async with Database.connect(url, lock_timeout_s=0.2) as database:
            advice = await advise(database, workload, pricer=HypoPg())
            assert advice.planner_calls == 1
            assert "a lock was not free" in phrase(advice.gaps[0].reason)
            with pytest.raises(StatementFailed, match=r"a lock was not free within 0\.2 s"):
                await explain(database, texts[0])


async def test_a_lock_in_the_middle_of_it_is_waited_for_within_a_bound(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        async with (
            Database.connect(url, lock_timeout_s=0.05) as database,
            HypoPg().session(database) as plain,
        ):
            released = _Released(plain, other, at=4)
            session = Patient(released)
            before = await session.price(QUERY, 1, NONE)
            await database.release()
            other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(TableLocked):  # nothing is known of it yet
                await session.price("SELECT id FROM events WHERE kind = $1", 1, NONE)
            assert (await session.price(QUERY, 1, frozenset({BY_KIND}))).cost < before.cost
            assert released.asked == 4
            other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(TableLocked, match="a lock was not free"):
                await session.price(QUERY, 1, NONE)
            assert session.tries_left == 0


async def test_a_table_that_stays_locked_is_left_out_and_the_rest_is_advised(
    postgres: Cluster,
) -> None:
    url = await postgres.create_database("locked")
    with psycopg.connect(url.replace("+psycopg", "")) as other:
        for table in ("events", "tasks"):
            other.execute(
                f"CREATE TABLE {table} AS SELECT i AS id FROM generate_series(1, 50000) i"
            )
            other.execute(f"ANALYZE {table}")
        other.commit()
        texts = ("SELECT * FROM events WHERE id = $1", "SELECT * FROM tasks WHERE id = $1")
        workload = Workload.of(Statement(text=text, calls=1000) for text in texts)
        async with Database.connect(url, lock_timeout_s=0.01) as database:
            advice = await advise(database, workload, pricer=_Locking(other))
    assert [str(one.index.table) for one in advice.indexes] == ["public.tasks"]
    (gap,) = [one for one in advice.gaps if "a lock was not free" in phrase(one.reason)]
    assert "events" in phrase(gap.reason)
    await postgres.drop_database("locked")


class _Locking(HypoPg):
    """HypoPG; before its third question somebody locks a table, for good."""

    def __init__(self, other: psycopg.Connection) -> None:
        self._other, self._asked = other, 0

    @asynccontextmanager
    async def session(self, database: Database) -> AsyncIterator[Session]:
        async with super().session(database) as session:
            yield _BeforeEach(session, lambda: self._lock(database))

    async def _lock(self, database: Database) -> None:
        self._asked += 1
        if self._asked == 3:
            await database.release()
            self._other.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")


@dataclass(slots=True)
class _BeforeEach(Around):
    """A session that does something before each question."""

    work: Callable[[], Awaitable[None]]

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        await self.work()
        return await self.session.price(text, parameters, indexes)


@dataclass(slots=True)
class _Released(Around):
    """A session before whose fourth question a lock is given back."""

    other: psycopg.Connection
    at: int
    asked: int = 0

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        self.asked += 1
        if self.asked == self.at:
            self.other.rollback()
        return await self.session.price(text, parameters, indexes)


def test_building_needs_the_word_that_the_database_is_ones_own() -> None:
    with pytest.raises(StatementRefused, match="declared to be the caller's own"):
        RolledBackBuild(own_database=False)


async def test_without_the_extension_the_cure_is_named(postgres: Cluster) -> None:
    url = await postgres.create_database("no_hypopg")
    try:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP EXTENSION IF EXISTS hypopg")
        async with Database.connect(url) as database:
            assert not await HypoPg.is_there(database)
            with pytest.raises(DatabaseUnavailable, match="CREATE EXTENSION hypopg"):
                async with HypoPg().session(database):
                    pass
    finally:
        await postgres.drop_database("no_hypopg")


async def test_the_extension_is_found_in_another_schema(
    postgres: Cluster, absent: Callable[[str], NoReturn]
) -> None:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    url = await postgres.create_database("odd_place")
    try:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute('CREATE SCHEMA "Odd Place"')
            connection.execute("DROP EXTENSION hypopg")
            connection.execute('CREATE EXTENSION hypopg SCHEMA "Odd Place"')
            connection.execute("CREATE TABLE events (kind int)")
            connection.execute("INSERT INTO events SELECT generate_series(1, 10000)")
            connection.execute("ANALYZE events")
        async with Database.connect(url) as database, HypoPg().session(database) as session:
            priced = await session.price(
                "SELECT 1 FROM events WHERE kind = $1", 1, frozenset({BY_KIND})
            )
        assert priced.used == {BY_KIND}
    finally:
        await postgres.drop_database("odd_place")
