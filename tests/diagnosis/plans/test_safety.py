"""Nothing is executed but what provably only reads: asserted by the effect, not by the word."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.plans.safety import NotOneStatement, inspect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.errors import StatementRefused, UsageError
from keiko_perf.render import phrase

SETUP = """
CREATE TABLE kept (id int PRIMARY KEY, name text);
INSERT INTO kept SELECT i, 'n' || i FROM generate_series(1, 100) i;
CREATE TABLE noted (at timestamptz DEFAULT now());
CREATE SEQUENCE counted;
CREATE FUNCTION touch(int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('counted'); INSERT INTO noted DEFAULT VALUES; RETURN $1; END $$;
CREATE FUNCTION pure(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION touched(kept) RETURNS int LANGUAGE sql AS 'SELECT touch(1)';
CREATE FUNCTION adds(int, int) RETURNS int LANGUAGE plpgsql AS
    $$ BEGIN RETURN touch($1); END $$;
CREATE OPERATOR &&& (LEFTARG = int, RIGHTARG = int, FUNCTION = adds);
CREATE AGGREGATE touchsum (int) (SFUNC = adds, STYPE = int, INITCOND = '0');
CREATE VIEW outer_view AS SELECT touch(1) AS x;
CREATE VIEW view_of_view AS SELECT x FROM outer_view;
CREATE VIEW sleeping AS SELECT 1 AS one WHERE pg_sleep(0)::text IS NULL;
CREATE VIEW honest AS SELECT id, upper(name) AS name FROM kept WHERE id > 10;
CREATE TABLE guarded (id int);
INSERT INTO guarded VALUES (1);
CREATE POLICY only_touched ON guarded USING (touch(id) = id);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION with_default(kept, int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT touch(1)';
CREATE FUNCTION by_default(int DEFAULT touch(1)) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION liar() RETURNS bool LANGUAGE plpgsql STABLE AS
    $$ BEGIN RETURN pg_try_advisory_lock(1); END $$;
CREATE FUNCTION quoting() RETURNS bool LANGUAGE sql STABLE AS
    $$ SELECT 'it"s' IS NULL OR "pg_try_advisory_lock"(1) $$;
CREATE FUNCTION parsed() RETURNS bool LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT pg_try_advisory_lock(1); END;
CREATE FUNCTION dynamic() RETURNS bool LANGUAGE plpgsql STABLE AS
    $$ DECLARE b bool; BEGIN EXECUTE 'SELECT pg_try_' || 'advisory_lock(1)' INTO b; RETURN b;
    END $$;
CREATE FUNCTION calls_liar() RETURNS bool LANGUAGE sql STABLE AS 'SELECT liar()';
CREATE VIEW locking AS SELECT pg_try_advisory_lock(1);
CREATE FUNCTION reads_view() RETURNS bool LANGUAGE sql STABLE AS 'TABLE locking';
CREATE FUNCTION first_of(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE moving (int) (SFUNC = first_of, STYPE = int, INITCOND = '0',
    MSFUNC = adds, MINVFUNC = adds, MSTYPE = int, MINITCOND = '0');
CREATE FUNCTION no(int, int) RETURNS bool LANGUAGE sql AS 'SELECT touch($1) > 0';
CREATE FUNCTION yes(int, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR ### (LEFTARG = int, RIGHTARG = int, FUNCTION = yes, NEGATOR = !###);
CREATE OPERATOR !### (LEFTARG = int, RIGHTARG = int, FUNCTION = no, NEGATOR = ###);
CREATE FUNCTION honest_count(int) RETURNS bigint LANGUAGE plpgsql STABLE AS
    $$ BEGIN IF $1 > 1 THEN RETURN pure($1); END IF; RETURN (SELECT count(*) FROM kept); END $$;
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE program (x text) SERVER files OPTIONS (program 'echo 1');
CREATE TABLE parent (x text);
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER files OPTIONS (program 'echo 1');
CREATE EXTENSION tablefunc;
CREATE EXTENSION pg_trgm;
"""

NEVER_EXECUTED = [
    ("DELETE FROM kept RETURNING *", "it writes"),
    ("INSERT INTO kept VALUES (1000, 'x')", "it writes"),
    ("UPDATE kept SET name = ''", "it writes"),
    ("WITH gone AS (DELETE FROM kept RETURNING *) SELECT * FROM gone", "WITH query that writes"),
    ("SELECT setval('counted', 99)", "setval, a volatile function"),
    ("SELECT nextval('counted')", "nextval, a volatile function"),
    ("SELECT pg_sleep(60)", "pg_sleep, a volatile function"),
    ("SELECT touch(1)", "touch, a volatile function"),
    ("SELECT id FROM kept WHERE touch(id) > 5", "touch, a volatile function"),
    ("SELECT * FROM kept ORDER BY touch(id)", "touch, a volatile function"),
    ("SELECT * FROM kept JOIN LATERAL touch(kept.id) t ON true", "touch, a volatile function"),
    ("SELECT touchsum(id) FROM kept", "adds, a volatile function, without naming it"),
    ("SELECT kept.touched FROM kept", "touched, a volatile function, without naming it"),
    ("SELECT 1 &&& 2", "adds, a volatile function, without naming it"),
    ("SELECT * FROM outer_view", "touch, a volatile function"),
    ("SELECT * FROM view_of_view", "touch, a volatile function"),
    ("SELECT * FROM sleeping", "pg_sleep, a volatile function"),
    ("SELECT * FROM guarded", "touch, a volatile function"),
    ("SELECT * FROM kept FOR UPDATE", "locks rows"),
    ("SELECT * FROM (SELECT * FROM kept FOR SHARE) k", "locks rows"),
    ("SELECT * INTO copied FROM kept", "SELECT INTO"),
    ("SELECT pg_advisory_lock(1)", "volatile function"),
    ("SELECT * FROM kept WHERE id = $1", "parameters"),
    ("SELECT (1::bigint).pg_try_advisory_lock", "pg_try_advisory_lock, a volatile function"),
    ("SELECT (k.id::bigint).pg_try_advisory_lock FROM kept k", "without naming it"),
    ("SELECT (0.0::float8).pg_sleep", "pg_sleep, a volatile function, without naming it"),
    ("SELECT k.with_default FROM kept k", "with_default, a volatile function, without naming it"),
    ("SELECT by_default()", "touch, a volatile function"),
    ("SELECT liar()", "pg_try_advisory_lock, a volatile function"),
    ("SELECT quoting()", "pg_try_advisory_lock, a volatile function"),
    ("SELECT parsed()", "pg_try_advisory_lock, a volatile function"),
    ("SELECT dynamic()", "dynamic, a function that cannot be looked into"),
    ("SELECT calls_liar()", "pg_try_advisory_lock, a volatile function"),
    ("SELECT reads_view()", "pg_try_advisory_lock, a volatile function"),
    (
        "SELECT moving(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM kept",
        "adds, a volatile function, without naming it",
    ),
    ("SELECT * FROM kept WHERE NOT (id ### 1)", "no, a volatile function, without naming it"),
    ("SELECT * FROM program", "program, a foreign table"),
    ("SELECT * FROM parent", "child, a foreign table"),
    ("SELECT table_to_xml('locking', true, false, '')", "table_to_xml, which does more than read"),
    ("SELECT schema_to_xml('public', true, false, '')", "schema_to_xml, which does more"),
    ("SELECT txid_current()", "txid_current, which does more than read"),
    (
        "SELECT * FROM crosstab('SELECT x::text, x::text, x::text FROM locking') AS t(a text)",
        "crosstab, a function that cannot be looked into",
    ),
    ('SELECT U&"pg_try_advisory\\005flock"(1)', "pg_try_advisory_lock, a volatile function"),
]

REFUSED = [
    ("", "empty"),
    ("  \n ", "empty"),
    ("-- nothing but a comment", "0 statements"),
    ("SELECT 1; DROP TABLE kept", "2 statements"),
    ("SELECT 1; SELECT 2", "2 statements"),
    ("COMMIT; DROP TABLE kept", "2 statements"),
    ("good morning", "syntax error"),
    ("SELECT * FROM kept WHERE id = :id", "syntax error"),
    ("DROP TABLE kept", "the kind Drop"),
    ("CREATE TABLE kept2 (x int)", "the kind Create"),
    ("CREATE TABLE kept2 AS SELECT * FROM kept", "the kind CreateTableAs"),
    ("TRUNCATE kept", "the kind Truncate"),
    ("VACUUM kept", "the kind Vacuum"),
    ("DO $$ BEGIN DELETE FROM kept; END $$", "the kind Do"),
    ("CALL something()", "the kind Call"),
    ("COPY kept TO PROGRAM 'touch /tmp/x'", "the kind Copy"),
    ("EXPLAIN ANALYZE DELETE FROM kept", "the kind Explain"),
    ("PREPARE p AS DELETE FROM kept", "the kind Prepare"),
    ("SELECT 'a\0b'", "NUL"),
    ("SELECT " + "1+" * 50_000 + "1", "deep"),
    ("SELECT " + "(" * 20_000 + "1" + ")" * 20_000, "deep"),
]

EXECUTED = [
    "SELECT * FROM kept WHERE id = 7",
    "SELECT upper(name), count(*), sum(id) FROM kept GROUP BY 1 ORDER BY 2 DESC LIMIT 3;",
    "SELECT pure(id), now(), name::varchar FROM kept -- a comment at the end",
    "WITH few AS (SELECT * FROM kept) SELECT * FROM few k JOIN kept USING (id)",
    "VALUES (1), (2)",
    "TABLE kept",
    "SELECT 1 UNION ALL SELECT id FROM kept",
    "SELECT * FROM honest",
    "SELECT name FROM kept WHERE name LIKE '%1' AND id % 2 = 0",
    r"SELECT 'a\', '; DROP TABLE kept; --'",
    "SELECT honest_count(1), honest_count(2)",
    "SELECT name, similarity(name, 'n1') FROM kept WHERE name % 'n1'",
    "SELECT k.id, k.name FROM kept k WHERE k.id BETWEEN 1 AND 5 AND k.name ~ '^n'",
    "SELECT * FROM information_schema.tables",
]


@pytest.fixture
async def database(postgres: Cluster) -> AsyncIterator[Database]:
    """A database of which every effect can be seen; we are in as one whom policies concern."""
    name = f"safety_{uuid4().hex[:12]}"
    url = await postgres.create_database(name)
    libpq = url.replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(libpq, autocommit=True) as db:
        await db.execute(SETUP)
    async with Database.connect(url, statement_timeout_s=5) as database:
        yield database
    await postgres.drop_database(name)


async def effects(database: Database) -> dict[str, object]:
    row = await database.row(
        "SELECT (SELECT count(*) FROM public.kept) AS kept,"
        " (SELECT count(*) FROM public.noted) AS noted,"
        " (SELECT last_value || ' ' || is_called FROM public.counted) AS counted,"
        " to_regclass('public.copied') AS copied,"
        " (SELECT count(*) FROM pg_prepared_statements) AS prepared,"
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks"
    )
    assert row is not None
    return row


UNTOUCHED = {
    "kept": 100, "noted": 0, "counted": "1 false", "copied": None, "prepared": 0, "locks": 0,
}  # fmt: skip


@pytest.mark.postgres
async def test_what_could_write_is_planned_and_never_executed(database: Database) -> None:
    for sql, reason in NEVER_EXECUTED:
        explained = await explain(database, sql)
        assert not explained.plan.executed, sql
        assert explained.plan.execution_s is None, sql
        assert explained.why_not_executed is not None, sql
        assert reason in phrase(explained.why_not_executed), sql
        assert await effects(database) == UNTOUCHED, sql


# Each would put all other statements in doubt as well, for it is reached without being named.
REACHED_UNNAMED = [
    (
        "CREATE DOMAIN locking_number AS bigint CHECK (pg_try_advisory_lock(VALUE))",
        "SELECT id::locking_number FROM kept",
    ),
    (
        "CREATE FUNCTION casts(kept) RETURNS bool LANGUAGE sql AS 'SELECT touch(1) > 0';"
        " CREATE CAST (kept AS bool) WITH FUNCTION casts(kept)",
        "SELECT k::bool FROM kept k",
    ),
    (
        "CREATE FUNCTION compares(kept, kept) RETURNS bool LANGUAGE sql AS 'SELECT touch(1) > 0';"
        " CREATE OPERATOR <= (LEFTARG = kept, RIGHTARG = kept, FUNCTION = compares);"
        " CREATE OPERATOR >= (LEFTARG = kept, RIGHTARG = kept, FUNCTION = compares)",
        "SELECT * FROM kept k WHERE k BETWEEN k AND k",
    ),
]


@pytest.mark.postgres
@pytest.mark.parametrize(("setup", "sql"), REACHED_UNNAMED, ids=["domain", "cast", "between"])
async def test_what_is_called_without_a_name_is_found_too(
    database: Database, postgres: Cluster, setup: str, sql: str
) -> None:
    libpq = f"{postgres.url.rpartition('/')[0]}/{database.server.database}".replace("+psycopg", "")
    async with await psycopg.AsyncConnection.connect(libpq, autocommit=True) as db:
        await db.execute(setup)
    explained = await explain(database, sql)
    assert explained.why_not_executed is not None
    assert "volatile function" in phrase(explained.why_not_executed)
    assert await effects(database) == UNTOUCHED


@pytest.mark.postgres
async def test_what_only_reads_is_executed(database: Database) -> None:
    for sql in EXECUTED:
        explained = await explain(database, sql)
        assert explained.why_not_executed is None, sql
        assert explained.plan.executed, sql
        assert explained.plan.root.total_s is not None, sql
    assert await effects(database) == UNTOUCHED


@pytest.mark.postgres
async def test_execution_can_be_declined(database: Database) -> None:
    explained = await explain(database, "TABLE kept", execute=False)
    assert not explained.plan.executed


@pytest.mark.postgres
async def test_a_statement_that_does_not_end_in_time_is_planned_instead(postgres: Cluster) -> None:
    async with Database.connect(postgres.url, statement_timeout_s=0.2) as database:
        explained = await explain(
            database,
            "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
        )
    assert not explained.plan.executed
    assert explained.why_not_executed is not None
    assert "timeout" in phrase(explained.why_not_executed)


@pytest.mark.postgres
async def test_a_statement_that_fails_when_it_runs_is_planned_instead(database: Database) -> None:
    explained = await explain(database, "SELECT 1 / (id - 50) FROM kept")
    assert not explained.plan.executed
    assert explained.why_not_executed is not None
    assert "division by zero" in phrase(explained.why_not_executed)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT * FROM nothing_of_that_name", "does not exist"),
        ("SELECT nothing(1)", "does not exist"),
        ("SELECT $1 + $2", "could not determine|not unique"),
    ],
)
async def test_what_the_server_cannot_plan_is_refused_in_its_words(
    database: Database, sql: str, says: str
) -> None:
    with pytest.raises(StatementRefused, match=says):
        await explain(database, sql)


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_the_generic_plan_holds_for_any_value_and_leaves_nothing_prepared(
    postgres: Cluster, driver: str
) -> None:
    pytest.importorskip(driver)
    async with Database.connect(postgres.url.replace("psycopg", driver)) as database:
        explained = await explain(
            database, "SELECT relname FROM pg_class WHERE oid = $1 AND relname LIKE $2 || '%'"
        )
        assert "$1" in str(explained.plan.root.details)
        assert await database.value("SELECT count(*) FROM pg_prepared_statements"
                                    " WHERE name LIKE 'keiko%'") == 0  # fmt: skip


@pytest.mark.parametrize(("sql", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_one_statement_with_a_plan_is_refused_with_the_reason(
    sql: str, says: str
) -> None:
    with pytest.raises(StatementRefused) as refused:
        inspect(sql)
    assert says in refused.value.what
    assert refused.value.cure
    # The request makes no sense, and a program ends with the code for that.
    assert isinstance(refused.value, UsageError)
    assert refused.value.exit_code == 2


def test_of_several_statements_it_says_how_many_and_to_pass_one_at_a_time() -> None:
    with pytest.raises(NotOneStatement) as refused:
        inspect("SELECT 1; SELECT 2; SELECT 3")
    assert refused.value.what == "there are 3 statements, and a plan is of one"
    assert refused.value.cure == "Pass one statement at a time"


def test_a_long_list_of_values_is_not_mistaken_for_depth() -> None:
    values = ", ".join(f"'a.b-{i}'" for i in range(20_000))
    assert inspect(f"SELECT * FROM kept WHERE name IN ({values})").reads_only
