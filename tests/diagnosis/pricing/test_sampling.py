from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NoReturn

import psycopg
import pytest

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.advice.fulfilment import fulfilment
from keiko_perf.diagnosis.advice.promise import Outcome, promises_of
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.catalog import read_schema
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.sampling import Sampling, sampling_of
from keiko_perf.diagnosis.pricing.verify import HypoPg
from keiko_perf.diagnosis.schema import Key, TableName
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables
from keiko_perf.diagnosis.statements.workload import Query, Statement, Workload

pytestmark = pytest.mark.postgres

JOB = TableName("public", "job")
BY_STATE = Index(JOB, (Key("state"),))
WAITING = Index(JOB, (Key("run_at"),), where="state = 'waiting'")
NEXT = "SELECT * FROM job WHERE state = $1 ORDER BY run_at LIMIT $2"
OF_STATE = "SELECT * FROM job WHERE state = $1"
NONE: frozenset[Index] = frozenset()


@pytest.fixture(scope="module")
def url(postgres: Cluster, absent: Callable[[str], NoReturn]) -> Iterator[str]:
    if not postgres.has_hypopg:
        absent("HypoPG. apt install postgresql-15-hypopg")
    url = asyncio.run(postgres.create_database("sampling"))
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE job (id int PRIMARY KEY, state text NOT NULL, run_at timestamptz,"
            " tenant int, payload text)"
        )
        connection.execute(
            "INSERT INTO job SELECT i, CASE WHEN i % 500 = 0 THEN 'waiting' WHEN i % 40 = 1"
            " THEN 'failed' ELSE 'done' END, timestamptz '2024-01-01' + i * interval '1 s',"
            " i * 7919 % 400, repeat('x', 80) FROM generate_series(1, 40000) i"
        )
        connection.execute("ANALYZE job")
    yield url
    asyncio.run(postgres.drop_database("sampling"))


async def sampling(database: Database, *statements: Statement) -> Sampling:
    schema = await read_schema(database, {"job"})
    tables = Tables(columns=schema.columns, search_path=schema.search_path)
    return await sampling_of(
        database, [Query(one, read(one.text, tables)) for one in statements], schema
    )


async def price(url: str, statement: Statement, indexes: frozenset[Index]) -> tuple[float, float]:
    """What a statement costs by its values, and by its plan for any value."""
    parameters = read(statement.text).parameters
    async with Database.connect(url) as database:
        known = await sampling(database, statement)
        async with HypoPg().session(database) as session:
            by_values = await known.over(session).price(statement.text, parameters, indexes)
            generic = await session.price(statement.text, parameters, indexes)
    return by_values.cost, generic.cost


async def test_who_asks_for_the_few_waiting_ones_is_judged_by_them(url: str) -> None:
    few = Statement(text=OF_STATE, calls=100, rows=8_000)  # 80 rows each: 'waiting'
    many = Statement(text=OF_STATE, calls=100, rows=3_800_000)
    table, _ = await price(url, few, NONE)
    by_state, generic = await price(url, few, frozenset({BY_STATE}))
    assert by_state < 0.3 * table  # an index leads to them ...
    assert generic > 2 * by_state  # ... what a third of the table would not tell
    by_state_of_many, _ = await price(url, many, frozenset({BY_STATE}))
    assert by_state_of_many > 0.9 * table


async def test_a_partial_index_counts_where_the_values_are_in_it(url: str) -> None:
    few = Statement(text=NEXT, calls=100, rows=2_000)
    table, _ = await price(url, few, NONE)
    partial, generic = await price(url, few, frozenset({WAITING}))
    assert partial < table
    assert generic >= table * 0.9  # the plan for any value cannot use it
    async with Database.connect(url) as database:
        known = await sampling(database, few)
    assert "state = 'waiting'" in {one.sql for one in known.queries[0].shape.uses[0].fixed}


async def test_a_limit_that_the_text_does_not_tell_is_no_tenth_of_the_table(url: str) -> None:
    text = "SELECT * FROM job ORDER BY tenant, run_at LIMIT $1"
    ordered = Index(JOB, (Key("tenant"), Key("run_at")))
    page, generic = await price(url, Statement(text=text, calls=9, rows=90), frozenset({ordered}))
    assert page < generic / 20


async def test_no_more_questions_are_asked_than_a_quarter_as_many_as_there_are_statements(
    url: str,
) -> None:
    statements = [
        Statement(text=f"SELECT {i} FROM job WHERE state = $1 LIMIT $2", calls=1) for i in range(60)
    ]
    async with Database.connect(url) as database:
        known = await sampling(database, *statements)
        again = await sampling(database, *statements)
    texts = sum(len(one.draws) for one in known.drawn.values())
    assert texts - len(known.drawn) == 15
    assert known == again
    # Those first that take most time; of the others the limit is told all the same.
    assert [len(one.draws) for one in known.drawn.values()] == [3] * 7 + [2] + [1] * 52


async def test_a_column_that_the_role_may_not_read_stays_a_parameter(url: str) -> None:
    plain = url.replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as db:
        db.execute("CREATE ROLE clerk LOGIN PASSWORD 'clerk'")
        db.execute("GRANT SELECT (id, tenant) ON job TO clerk")
    try:
        as_clerk = "postgresql+psycopg://clerk:clerk@" + url.partition("@")[2]
        async with Database.connect(as_clerk) as database:
            known = await sampling(database, Statement(text=OF_STATE, calls=100, rows=8_000))
        assert known.drawn == {}
    finally:
        with psycopg.connect(plain, autocommit=True) as db:
            db.execute("DROP OWNED BY clerk")
            db.execute("DROP ROLE clerk")


async def advised(url: str, *statements: Statement) -> Advice:
    async with Database.connect(url) as database:
        return await advise(database, Workload.of(statements), max_indexes=3)


async def test_what_the_advice_promises_is_what_the_values_cost(url: str) -> None:
    few = Statement(text=OF_STATE, calls=1000, total_s=9.0, rows=80_000)
    advice = await advised(url, few)
    assert [one.index.columns[0] for one in advice.indexes] == ["state"]
    (gain,) = advice.indexes[0].gains
    assert gain.cost_after < 0.3 * gain.cost_before
    all_of_them = Statement(text=OF_STATE, calls=1000, total_s=9.0, rows=38_000_000)
    assert (await advised(url, all_of_them)).indexes == ()


async def test_verify_plans_by_the_values_that_the_promise_was_made_with(url: str) -> None:
    few = Statement(text=OF_STATE, calls=1000, total_s=9.0, rows=80_000)
    advice = await advised(url, few)
    promises = promises_of(advice.answer)
    assert promises[0].gains[0].rows == 80_000
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(advice.indexes[0].statement.encode())
        try:
            async with Database.connect(url) as database:
                (judged,) = await fulfilment(database, promises)
        finally:
            db.execute(advice.indexes[0].undo.encode())
    assert judged.outcome is Outcome.KEPT
    (held,) = judged.held
    assert f"using {advice.indexes[0].name}" in held.seen.way
    assert held.seen.cost == pytest.approx(held.gain.cost_after, rel=0.4)


async def test_a_column_that_is_updated_all_day_gets_no_index_where_others_do(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute("CREATE TABLE gauge (id int PRIMARY KEY, owner int, value int, at timestamptz)")
        db.execute("ALTER TABLE gauge SET (fillfactor = 50, autovacuum_enabled = off)")
        db.execute(
            "INSERT INTO gauge SELECT i, i % 3000, i * 7 % 4000 FROM generate_series(1, 30000) i"
        )
        db.execute("UPDATE gauge SET value = value + 1 WHERE id % 4 = 0")  # HOT: there is room
        db.execute("VACUUM ANALYZE gauge")
        db.execute("SELECT pg_stat_force_next_flush()")
    by_owner = Statement(text="SELECT * FROM gauge WHERE owner = $1", calls=100, total_s=5.0)
    by_value = Statement(text="SELECT * FROM gauge WHERE value = $1", calls=100, total_s=5.0)
    update = "UPDATE gauge SET value = $1 WHERE id = $2"
    writes = Statement(text=update, calls=50_000, rows=50_000)
    assert {one.index.columns for one in (await advised(url, by_owner, by_value)).indexes} == {
        ("owner",),
        ("value",),
    }
    advice = await advised(url, by_owner, by_value, writes)
    assert [one.index.columns for one in advice.indexes] == [("owner",)]
    assert advice.indexes[0].upkeep.hot_lost == 0
    assert {one.code for one in advice.refusals if one.index.columns[0] == "value"} == {"upkeep"}


async def test_writes_outweigh_an_index_on_a_table_that_is_written_all_day(url: str) -> None:
    report = Statement(text="SELECT count(*) FROM job WHERE tenant = $1", calls=10, rows=10)
    writes = (
        Statement(text="INSERT INTO job VALUES ($1, $2, $3, $4, $5)", calls=10**5, rows=10**5),
        Statement(text="UPDATE job SET tenant = $1 WHERE id = $2", calls=10**4, rows=10**4),
    )
    assert (await advised(url, report)).indexes != ()
    advice = await advised(url, report, *writes)
    assert advice.indexes == ()
    assert {one.code for one in advice.refusals if one.index.columns[0] == "tenant"} == {"upkeep"}
