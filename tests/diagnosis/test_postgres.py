"""The way into the database: what it leaves alone, and what it says when it does not get in."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import traceback
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis import connecting
from keiko_perf.diagnosis import postgres as module
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.catalog import find_table, recorded_workload
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.failure import Address, StatementFailed, statement_failed
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.postgres import TAG, Database, server_of
from keiko_perf.errors import DatabaseUnavailable, KeikoError, UsageError
from keiko_perf.render import phrase

SECRET = "s3cr3t-of-mine"


@pytest.fixture
async def url(postgres: Cluster) -> AsyncIterator[URL]:
    """A database of the test's own."""
    name = f"way_{uuid4().hex[:12]}"
    yield make_url(await postgres.create_database(name))
    await postgres.drop_database(name)


def libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def execute(url: URL, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(libpq(url), autocommit=True) as db:
        for one in statements:
            await db.execute(one)  # type: ignore[arg-type]


async def failure_of(source: object) -> KeikoError:
    with pytest.raises(KeikoError) as caught:
        async with Database.connect(source, connect_timeout_s=5):  # type: ignore[arg-type]
            pass
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown + repr(caught.value)
    assert caught.value.__context__ is None
    return caught.value


@pytest.mark.postgres
async def test_every_statement_is_read_only_and_under_timeouts(url: URL) -> None:
    async with Database.connect(url, statement_timeout_s=7, lock_timeout_s=0.5) as database:
        settings = {
            name: await database.value("SELECT current_setting(:name)", name=name)
            for name in ("transaction_read_only", "statement_timeout", "lock_timeout")
        }
        assert settings == {
            "transaction_read_only": "on",
            "statement_timeout": "7s",
            "lock_timeout": "500ms",
        }
        assert await database.value("SELECT current_setting('application_name')") == "keiko-perf"
        with pytest.raises(StatementFailed) as refused:
            await database.send("CREATE TABLE written (x int)")
        assert refused.value.sqlstate == "25006"
        assert await database.value("SELECT to_regclass('public.written')") is None


@pytest.mark.postgres
async def test_questions_to_the_catalog_are_not_compiled_and_what_others_wrote_is(url: URL) -> None:
    jit = "SELECT current_setting('jit') AS jit"
    async with Database.connect(url) as database:
        assert await database.value(jit) == "off"
        assert await database.send(jit) == [{"jit": "on"}]  # the server's default


@pytest.mark.postgres
async def test_its_statements_are_known_by_their_comment(url: URL) -> None:
    async with Database.connect(url) as database:
        await database.rows("SELECT 'a mark of ours' AS mark")
        texts = await database.rows(
            "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        )
        recorded = await database.rows(
            "SELECT query FROM public.pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid"
            " WHERE d.datname = current_database() AND query ~ 'AS mark|set_config|READ ONLY'"
        )
    assert all(TAG in row["query"] for row in (*texts, *recorded))
    assert len(recorded) >= 3


@pytest.mark.postgres
async def test_a_borrowed_connection_goes_back_as_it_came(url: URL) -> None:
    engine = create_async_engine(
        url, pool_size=1, max_overflow=0, connect_args={"application_name": "the service"}
    )
    asked = text(
        "SELECT current_setting('application_name'), current_setting('statement_timeout'),"
        " current_setting('transaction_read_only')"
    )
    async with engine.connect() as connection:
        before = (await connection.execute(asked)).one()
    async with Database.connect(engine) as database:
        with pytest.raises(StatementFailed):
            await database.send("SELECT nothing_of_that_name")
    async with engine.connect() as connection:
        assert (await connection.execute(asked)).one() == before
        assert (await connection.get_isolation_level()) == "READ COMMITTED"
    await engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_sessions_engines_and_connections_of_both_drivers_lead_in(
    url: URL, driver: str
) -> None:
    pytest.importorskip(driver)
    engine = create_async_engine(url.set(drivername=f"postgresql+{driver}"))
    async with engine.connect() as connection, async_sessionmaker(engine)() as session:
        bound = AsyncSession(bind=connection)
        for source in (engine, session, bound, connection, engine.url):
            async with Database.connect(source) as database:
                assert await database.value("SELECT count(*) FROM pg_class WHERE oid > :n", n=1) > 9
                rows = await database.send("SELECT 1 AS one, 'a:b %s ?' AS text")
                assert rows == [{"one": 1, "text": "a:b %s ?"}]
                with pytest.raises(StatementFailed) as missing:
                    await database.send("SELECT * FROM nothing_of_that_name")
                assert missing.value.sqlstate == "42P01"
        await bound.close()
    await engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_statements_that_are_sent_together_are_each_answered(url: URL, driver: str) -> None:
    pytest.importorskip(driver)
    some = ["SELECT 1 AS one -- ;", "SET LOCAL work_mem = '123MB'", "SELECT 'a:b;%s' AS x;"]
    async with Database.connect(url.set(drivername=f"postgresql+{driver}")) as database:
        assert await database.send_together(some) == [[{"one": 1}], [], [{"x": "a:b;%s"}]]
        async with database.transaction(read_only=False):
            await database.send("CREATE TABLE together (x int)")
            with pytest.raises(StatementFailed) as failed:
                await database.send_together(["SELECT 1", "SELECT 1 / 0", "DROP TABLE together"])
            assert failed.value.sqlstate == "22012"
            assert await database.send_together(["SELECT count(*) FROM together"]) == [
                [{"count": 0}]
            ]
        with pytest.raises(StatementFailed, match="read-only"):
            await database.send_together(["SELECT 1", "CREATE TABLE together (x int)"])


@pytest.mark.postgres
async def test_a_failed_statement_takes_nothing_else_of_the_transaction_along(url: URL) -> None:
    async with Database.connect(url) as database:
        async with database.transaction(read_only=False, settings={"work_mem": "123MB"}):
            await database.send("CREATE TABLE scratch (x int)")
            with pytest.raises(StatementFailed):
                await database.send("SELECT 1 / 0")
            assert await database.value("SELECT count(*) FROM scratch") == 0
            assert await database.value("SELECT current_setting('work_mem')") == "123MB"
        assert await database.value("SELECT to_regclass('public.scratch')") is None
        with pytest.raises(StatementFailed, match="read-only"):
            await database.send("CREATE TABLE scratch (x int)")


@pytest.mark.postgres
async def test_a_statement_that_takes_too_long_is_given_up_and_the_connection_goes_on(
    url: URL,
) -> None:
    async with Database.connect(url, statement_timeout_s=0.1) as database:
        with pytest.raises(StatementFailed, match=r"did not end within 0\.1 s") as late:
            await database.send("SELECT pg_sleep(30)")
        assert late.value.sqlstate == "57014"
        assert await database.value("SELECT 1") == 1


@pytest.mark.postgres
async def test_a_lock_that_is_not_given_up_does_not_hold_us(url: URL) -> None:
    await execute(url, "CREATE TABLE locked (x int)")
    async with await psycopg.AsyncConnection.connect(libpq(url)) as holder:
        await holder.execute("LOCK TABLE locked IN ACCESS EXCLUSIVE MODE")
        async with Database.connect(url, lock_timeout_s=0.1) as database:
            with pytest.raises(StatementFailed, match="lock was not free") as locked:
                await database.send("SELECT * FROM locked")
    assert locked.value.sqlstate == "55P03"


@pytest.mark.postgres
async def test_a_server_process_that_dies_is_told(url: URL) -> None:
    async with Database.connect(url) as database:
        pid = await database.value("SELECT pg_backend_pid()")
        await execute(url, f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(DatabaseUnavailable, match="ended the connection"):
            await database.value("SELECT 1")
        with pytest.raises(DatabaseUnavailable, match="was lost"):
            await database.value("SELECT 1")


@pytest.mark.postgres
async def test_a_frozen_server_process_does_not_hang_us(
    url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (module, connecting):
        monkeypatch.setattr(one, "GRACE_S", 0.2)
    frozen = 0
    try:
        async with Database.connect(url, statement_timeout_s=0.1) as database:
            pid = await database.value("SELECT pg_backend_pid()")
            if not os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC240 - asked of the kernel
                pytest.skip("needs the server's processes in sight")
            os.kill(pid, signal.SIGSTOP)
            frozen = pid
            with pytest.raises(DatabaseUnavailable, match="did not answer within"):
                await database.value("SELECT 1")
    finally:
        if frozen:
            os.kill(frozen, signal.SIGCONT)


@pytest.mark.postgres
async def test_who_does_not_get_in_is_told_why_and_how_but_never_the_password(url: URL) -> None:
    await execute(url, f"CREATE ROLE guest LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 1")
    guest = url.set(username="guest", password=SECRET)
    try:
        error = await failure_of(url.set(password=SECRET))
        assert "does not let the user 'postgres' in" in error.what
        assert "password" in error.cure
        error = await failure_of(url.set(username=f"nobody-{uuid4().hex}", password=SECRET))
        assert "does not let" in error.what
        error = await failure_of(guest.set(database="nowhere"))
        assert "there is no database 'nowhere'" in error.what
        async with Database.connect(guest):
            error = await failure_of(guest)
        assert "no connection left" in error.what
        assert "max_connections" in error.cure
        error = await failure_of(guest.set(port=1))
        assert "cannot be reached" in error.what
        error = await failure_of(guest.set(port=1, host="::1"))
        assert "the server at [::1]:1 cannot be reached" in error.what
        error = await failure_of(guest.set(query={"sslmode": "require"}))
        assert "does not agree on TLS" in error.what
        assert "sslmode=disable" in error.cure
        error = await failure_of(guest.set(query={"color": "red"}))
        assert "the URL says what the driver does not know" in error.what
        error = await failure_of(guest.set(host="no-such-host.invalid"))
        assert "no-such-host.invalid" in error.what
    finally:
        await execute(url, "DROP ROLE guest")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (f"mysql://me:{SECRET}@host/db", "mysql is not PostgreSQL"),
        (f"postgresql://me:p@{SECRET}@host/db", "password holds an @"),
        (f"host=x password={SECRET}", "not a database URL"),
        (f"postgresql://me:{SECRET}@host:port/db", "not a database URL"),
        ("", "not a database URL"),
        (42, "from a builtins int"),
        (create_engine("postgresql+psycopg://me@host/db"), "from a sqlalchemy Engine"),
        (Session(), "from a sqlalchemy Session"),
        (AsyncSession(), "bound to no engine"),
    ],
)
async def test_what_no_connection_can_be_made_from_is_refused_with_the_cure(
    source: object, says: str
) -> None:
    error = await failure_of(source)
    assert isinstance(error, UsageError)
    assert says in error.what
    assert error.cure


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_timeout_that_is_none_is_refused(timeout_s: float) -> None:
    with pytest.raises(UsageError, match="timeout"):
        async with Database.connect("postgresql://host/db", statement_timeout_s=timeout_s):
            pass


async def test_a_host_that_swallows_everything_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # it never accepts, and never answers
        url = f"postgresql://me@127.0.0.1:{server.getsockname()[1]}/db"
        with pytest.raises(DatabaseUnavailable, match=r"did not answer within 0\.3 s"):
            async with Database.connect(url, connect_timeout_s=0.3):
                pass


@pytest.mark.parametrize(
    ("version", "number"),
    [("CockroachDB CCL v23.1.1", "130000"), ("PostgreSQL 12.9 on x86_64", "120009")],
)
def test_other_and_older_servers_are_not_read(version: str, number: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="not PostgreSQL 13 or newer"):
        server_of({"version": version, "number": number})


def test_a_password_in_the_servers_words_is_masked() -> None:
    address = Address(host="h", port=5432, database="d", user="u", secrets=(SECRET,))
    error = statement_failed(
        ValueError(f"bad conninfo password={SECRET}"),
        address,
        statement_timeout_s=1,
        lock_timeout_s=1,
    )
    assert SECRET not in str(error) + repr(address)
    assert "password=***" in error.what


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_wherever_it_is_cancelled_no_connection_is_left_behind(url: URL, driver: str) -> None:
    pytest.importorskip(driver)
    url = url.set(drivername=f"postgresql+{driver}")
    engine = create_async_engine(url, pool_size=1, max_overflow=0)

    async def work(source: object) -> None:
        while True:
            async with Database.connect(source) as database:  # type: ignore[arg-type]
                async with database.transaction():
                    await database.value("SELECT 1")
                await database.send("SELECT 2")

    for source in (url, engine):
        for steps in range(0, 120, 3):
            task = asyncio.create_task(work(source))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        async with Database.connect(source) as database:  # the pool of one has its connection back
            assert await database.value("SELECT current_setting('transaction_read_only')") == "on"
    await engine.dispose()
    gc.collect()  # what was left open complains when it is collected
    async with Database.connect(url) as database:
        left = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        assert await database.value(f"{left} AND datname = current_database()") == 0


TRAPS = """
ALTER DATABASE {name} SET search_path = public, pg_catalog;
CREATE TABLE orders (id int PRIMARY KEY, customer int);
INSERT INTO orders SELECT i, i % 500 FROM generate_series(1, 20000) i;
ANALYZE orders;
SELECT * FROM orders WHERE customer = 7;
CREATE FUNCTION equal(name, text) RETURNS bool LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'trapped by ='; END $$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = text, FUNCTION = equal);
DO $do$
DECLARE one record;
BEGIN
    FOR one IN
        SELECT proname, pg_get_function_identity_arguments(oid) AS takes,
               pg_get_function_result(oid) AS gives
        FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f'
          AND proname ~ '^(set_config|current_|version|has_|array_|quote_|pg_(get|stat|is|rel)'
                        '|to_|unnest|generate_series|concat|regexp|round|abs|float|int|text|now)'
          AND proname NOT IN ('current_schema', 'to_regtype')  -- SQLAlchemy and psycopg ask them
          AND NOT proargmodes && ARRAY['o', 'v', 't']::"char"[] IS TRUE
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
                           one.proname, one.takes, one.gives,
                           format('BEGIN RAISE ''trapped by %s''; END', one.proname));
        EXCEPTION WHEN OTHERS THEN NULL;  -- of types that no such function can have
        END;
    END LOOP;
END $do$;
"""


@pytest.mark.postgres
async def test_a_function_of_a_built_ins_name_is_never_called_with_our_rights(url: URL) -> None:
    async with await psycopg.AsyncConnection.connect(libpq(url), autocommit=True) as db:
        await db.execute(TRAPS.format(name=url.database))
    async with await psycopg.AsyncConnection.connect(libpq(url), autocommit=True) as db:
        with pytest.raises(psycopg.errors.RaiseException, match="trapped by version"):
            await db.execute("SELECT version()")
    async with Database.connect(url) as database:
        assert database.server.search_path == ("public", "pg_catalog")
        assert [one.name for one in (await collect(database)).tables] == ["orders"]
        assert await find_table(database, "orders") == ("public", "orders")
        advice = await advise(database, await recorded_workload(database))
        assert [one.statement for one in advice.indexes] == [
            "CREATE INDEX CONCURRENTLY orders_customer_idx ON orders (customer)"
        ]
        # The user's own statement does see the traps, and so it is not executed.
        explained = await explain(database, "SELECT * FROM orders")
        assert "equal" in phrase(explained.why_not_executed or "")
