from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import psycopg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.catalog import recorded_workload
from keiko_perf.diagnosis.frontdoor import missing_indexes, suggest_for_table
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.price import Around, IndexRefused, Session
from keiko_perf.diagnosis.pricing.verify import HypoPg, Pricer, RolledBackBuild
from keiko_perf.diagnosis.reports import advice_report
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.errors import DatabaseUnavailable, UsageError
from keiko_perf.model import Status

pytestmark = pytest.mark.postgres

INBOX = "SELECT * FROM tasks WHERE agent_id = $1 AND status = $2 ORDER BY created_at DESC LIMIT 20"
INBOX_INDEX = (
    "CREATE INDEX CONCURRENTLY tasks_agent_id_status_created_at_idx"
    " ON tasks (agent_id, status, created_at DESC)"
)
NAMED = "SELECT value FROM settings WHERE name = $1"
TABLES = """
CREATE TABLE tasks (
    id bigint PRIMARY KEY, agent_id int, user_id int, status text, created_at timestamptz,
    untouched int, note text
) WITH (autovacuum_enabled = off);  -- new statistics in the midst would be another question
INSERT INTO tasks
SELECT i, i * 7919 % 2000, i::bigint * 104729 % 5000, (ARRAY['done', 'done', 'queued'])[1 + i % 3],
       timestamptz '2024-01-01' + i * interval '7 s', i * 31 % 1000, repeat('x', 40)
FROM generate_series(1, 200000) i;
CREATE INDEX by_user ON tasks (user_id, created_at);
CREATE TABLE settings (id int PRIMARY KEY, name text, value text);
INSERT INTO settings SELECT i, 'name' || i, '' FROM generate_series(1, 40) i;
CREATE SCHEMA "Ünï";
CREATE TABLE "Ünï"."we""ird Table" ("select" int, "Größe" int, "a b" text);
INSERT INTO "Ünï"."we""ird Table" SELECT i % 5000, i, '' FROM generate_series(1, 50000) i;
CREATE TABLE parted (k int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO parted SELECT i, '2024-05-01' FROM generate_series(1, 20000) i;
CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE status = 'queued';
ANALYZE;
"""

PREPARED = "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE '\\_pg3%'"  # psycopg's own


def sync(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


@pytest.fixture(scope="module")
def url(postgres: Cluster) -> Iterator[str]:
    url = asyncio.run(postgres.create_database("advisor"))
    with sync(url) as connection:
        connection.execute(TABLES)
    yield url
    asyncio.run(postgres.drop_database("advisor"))


@pytest.fixture(autouse=True)
def needs_hypopg(postgres: Cluster, absent: Callable[[str], NoReturn]) -> None:
    if not postgres.has_hypopg or not postgres.has_statement_statistics:
        absent("pg_stat_statements and HypoPG. apt install postgresql-contrib postgresql-15-hypopg")


async def advised(
    url: str, *statements: str | Statement, pricer: Pricer | None = None, **bounds: int
) -> Advice:
    workload = Workload.of(
        Statement(text=one, calls=100, total_s=1.0) if isinstance(one, str) else one
        for one in statements
    )
    async with Database.connect(url) as database:
        return await advise(database, workload, pricer=pricer, **bounds)


def made(advice: Advice) -> list[str]:
    return [one.statement for one in advice.recommendations]


def refused(advice: Advice) -> dict[str, tuple[str, str]]:
    """Why each index was refused: what it is → code, and the name that the reason holds."""
    return {
        one.index.shown: (
            one.code,
            str(next(iter(one.reason.values.values()), "")),
        )
        for one in advice.refusals
    }


@pytest.mark.parametrize("pricer", [None, RolledBackBuild(own_database=True)])
async def test_the_composite_index_is_advised_and_once_built_the_measured_plan_uses_it(
    url: str, pricer: Pricer | None
) -> None:
    advice = await advised(url, INBOX, pricer=pricer)
    (recommendation,) = advice.recommendations
    assert recommendation.statement == INBOX_INDEX
    assert recommendation.code == "indexes.missing"
    assert recommendation.undo == "DROP INDEX CONCURRENTLY tasks_agent_id_status_created_at_idx"
    assert recommendation.verified_by == ("build" if pricer else "hypopg")
    assert recommendation.statements == (INBOX,)
    evidence = recommendation.evidence
    before, after = evidence["cost_before"], evidence["cost_after"]
    assert isinstance(before, float)
    assert isinstance(after, float)
    assert before > 50 * after
    assert evidence["statements_gaining"] == 1
    assert evidence["benefit_ratio"] == pytest.approx(1 - after / before)
    assert isinstance(evidence["size_bytes"], int)
    assert evidence["size_bytes"] > 1_000_000
    assert advice.cost_before == pytest.approx(100 * before)
    assert advice.cost_after == pytest.approx(100 * after)
    assert 0 < advice.planner_calls < 10
    assert advice.reason is None
    with sync(url) as connection:
        connection.execute(recommendation.statement)  # type: ignore[call-overload]  # as given
        try:
            query = INBOX.replace("$1", "17").replace("$2", "'done'")
            (plan,) = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchone()
            assert "tasks_agent_id_status_created_at_idx" in str(plan)
            assert plan[0]["Plan"]["Actual Rows"] == 20
            # And with it there, there is nothing left to advise.
            again = await advised(url, INBOX)
            assert made(again) == []
            assert refused(again)["agent_id, status, created_at DESC"] == (
                "exists",
                "tasks_agent_id_status_created_at_idx",
            )
        finally:
            connection.execute(recommendation.undo)  # type: ignore[call-overload]  # as given


async def test_a_column_that_nobody_filters_by_gets_no_index(url: str) -> None:
    advice = await advised(url, INBOX, "SELECT untouched, note FROM tasks WHERE id = $1")
    assert made(advice) == [INBOX_INDEX]
    everything = {*made(advice), *refused(advice)}
    assert not any("untouched" in one or "note" in one for one in everything)


async def test_an_equal_index_under_another_name_is_the_reason_to_refuse(url: str) -> None:
    advice = await advised(url, "SELECT id FROM tasks WHERE user_id = $1 AND created_at > $2")
    assert made(advice) == []
    assert refused(advice)["user_id, created_at"] == ("exists", "by_user")
    assert advice.reason is not None


async def test_a_prefix_of_an_index_that_is_there_is_refused(url: str) -> None:
    advice = await advised(url, "SELECT * FROM tasks WHERE user_id = $1")
    assert made(advice) == []
    assert refused(advice) == {"user_id": ("exists", "by_user")}


async def test_the_primary_keys_column_is_not_taken_for_another_one_that_ends_like_it(
    url: str,
) -> None:
    # The index by_user begins with user_id, the primary key is id: neither serves agent_id.
    advice = await advised(
        url, "SELECT 1 FROM tasks WHERE agent_id = $1", "SELECT 1 FROM tasks WHERE id = $1"
    )
    assert made(advice) == ["CREATE INDEX CONCURRENTLY tasks_agent_id_idx ON tasks (agent_id)"]
    assert refused(advice)["id"] == ("exists", "tasks_pkey")


async def test_what_an_index_in_another_order_does_already_is_not_done_twice(url: str) -> None:
    # Its way down costs a hypothetical index nothing: what is in it twice looks cheaper.
    with sync(url) as connection:
        connection.execute("CREATE TABLE pairs (a int, b int, note text)")
        connection.execute(
            "INSERT INTO pairs SELECT i % 300, i, repeat('x', 90) FROM generate_series(1, 60000) i"
        )
        connection.execute("CREATE INDEX pairs_ab ON pairs (a, b)")
        connection.execute("ANALYZE pairs")
    both = "SELECT note FROM pairs WHERE a = $1 AND b = $2"
    for bounds in ({}, {"budget_bytes": 100_000_000}):
        advice = await advised(url, both, **bounds)
        assert not advice.indexes
        assert refused(advice)["b, a"][0] in ("exists", "small_gain")


async def test_what_a_unique_index_finds_needs_no_other(url: str) -> None:
    advice = await advised(url, "SELECT 1 FROM tasks WHERE id = $1 AND status = $2")
    assert made(advice) == []
    assert refused(advice)["status"][0] == "unique"


async def test_what_one_statement_does_not_need_another_one_may(url: str) -> None:
    by_status = "SELECT 1 FROM tasks WHERE status = $1 AND untouched = $2"
    advice = await advised(url, "SELECT 1 FROM tasks WHERE id = $1 AND status = $2", by_status)
    assert [one.index.columns for one in advice.indexes] == [("untouched", "status")]
    indexes = [one.index for one in (*advice.indexes, *advice.refusals)]
    assert len(set(indexes)) == len(indexes)  # one answer for each
    assert refused(advice)["status"][0] == "unused"  # and not "unique"


async def test_a_tiny_table_that_is_written_to_all_the_time_gets_nothing(url: str) -> None:
    advice = await advised(
        url,
        Statement(text="SELECT * FROM settings WHERE name = $1", calls=100, total_s=1.0, rows=100),
        Statement(text="UPDATE settings SET name = $1 WHERE id = $2", calls=5000, rows=5000),
    )
    assert made(advice) == []
    assert refused(advice)["name"][0] == "unused"


async def test_a_large_table_that_is_mostly_written_to_gets_nothing(url: str) -> None:
    few = Statement(text="SELECT * FROM tasks WHERE agent_id = $1", calls=2, total_s=1.0)
    insert = "INSERT INTO tasks (id, agent_id) VALUES ($1, $2)"
    advice = await advised(url, few, Statement(text=insert, calls=500_000, rows=500_000))
    assert made(advice) == []
    assert refused(advice)["agent_id"][0] == "upkeep"
    # A table that was loaded once is not written to all the time.
    loaded = await advised(url, few, Statement(text=insert, calls=1, rows=500_000))
    assert made(loaded) == ["CREATE INDEX CONCURRENTLY tasks_agent_id_idx ON tasks (agent_id)"]


async def test_odd_names_are_quoted_so_that_the_statement_runs(url: str) -> None:
    query = (
        'SELECT "a b" FROM "Ünï"."we""ird Table" WHERE "select" = $1 ORDER BY "Größe" DESC LIMIT 5'
    )
    (recommendation,) = (await advised(url, query)).recommendations
    assert recommendation.statement == (
        'CREATE INDEX CONCURRENTLY "we""ird Table_select_Größe_idx"'
        ' ON "Ünï"."we""ird Table" ("select", "Größe" DESC)'
    )
    with sync(url) as connection:
        connection.execute(recommendation.statement)  # type: ignore[call-overload]  # as given
        connection.execute(recommendation.undo)  # type: ignore[call-overload]  # as given


async def test_a_name_that_is_taken_gets_a_number(url: str) -> None:
    with sync(url) as connection:
        connection.execute("CREATE TABLE tasks_agent_id_idx ()")
        try:
            advice = await advised(url, "SELECT 1 FROM tasks WHERE agent_id = $1")
            assert advice.indexes[0].name == "tasks_agent_id_idx1"
        finally:
            connection.execute("DROP TABLE tasks_agent_id_idx")


async def test_what_is_larger_than_the_budget_by_itself_is_refused_for_it(url: str) -> None:
    advice = await advised(url, INBOX, budget_bytes=100_000)
    assert made(advice) == []
    code, size = refused(advice)["agent_id"]
    assert code == "budget"
    assert int(size) > 100_000
    assert advice.reason is not None
    assert "larger than the budget" in advice.reason.template  # and not that no index would help


class Refusing(HypoPg):
    """HypoPG on a server that makes no index over two columns."""

    @asynccontextmanager
    async def session(self, database: Database) -> AsyncIterator[Session]:
        async with super().session(database) as session:
            yield Narrow(session)


@dataclass(slots=True)
class Narrow(Around):
    async def sizes(self, indexes: Iterable[Index]) -> dict[Index, int | IndexRefused | None]:
        found = await self.session.sizes(indexes)
        return {
            one: IndexRefused(one, "too wide") if len(one.keys) > 1 else size
            for one, size in found.items()
        }


async def test_what_the_server_cannot_make_is_refused_in_its_words(url: str) -> None:
    advice = await advised(url, INBOX, pricer=Refusing())
    assert made(advice) == ["CREATE INDEX CONCURRENTLY tasks_agent_id_idx ON tasks (agent_id)"]
    assert refused(advice)["agent_id, status"] == ("impossible", "too wide")


async def test_a_join_is_served_where_it_looks_up(url: str) -> None:
    advice = await advised(
        url, "SELECT s.name FROM settings s JOIN tasks t ON t.agent_id = s.id WHERE s.name = $1"
    )
    assert made(advice) == ["CREATE INDEX CONCURRENTLY tasks_agent_id_idx ON tasks (agent_id)"]


async def test_the_same_question_gets_the_same_answer(url: str) -> None:
    statements = (INBOX, "SELECT count(*) FROM tasks WHERE status = $1 AND created_at > $2")
    assert await advised(url, *statements) == await advised(url, *reversed(statements))


async def test_a_partitioned_tables_index_is_made_on_all_its_partitions(url: str) -> None:
    (recommendation,) = (await advised(url, "SELECT 1 FROM parted WHERE k = $1")).recommendations
    assert recommendation.statement == "CREATE INDEX parted_k_idx ON parted (k)"
    assert recommendation.undo == "DROP INDEX parted_k_idx"
    assert "locks the writers" in str(recommendation.summary)
    assert recommendation.verified_by == "hypopg"
    assert recommendation.evidence["size_bytes"] > 100_000  # type: ignore[operator]  # a number
    with sync(url) as connection:
        connection.execute(recommendation.statement)  # type: ignore[call-overload]  # as given
        connection.execute(recommendation.undo)  # type: ignore[call-overload]  # as given


def gaps(advice: Advice) -> str:
    return "\n".join(f"{one.subject} {one.reason} {one.remedy}" for one in advice.gaps)


async def test_through_a_view_the_table_behind_it_gets_the_index(url: str) -> None:
    advice = await advised(url, "SELECT id FROM open_tasks WHERE agent_id = $1")
    assert gaps(advice) == ""
    (index,) = advice.indexes
    assert index.table.name.name == "tasks"
    assert index.index.columns[0] == "agent_id"


async def test_statements_that_cannot_be_read_or_planned_are_listed(url: str) -> None:
    advice = await advised(url, "SELECT FROM WHERE", "SELECT 1 FROM tasks WHERE gone = $1", INBOX)
    assert made(advice) == [INBOX_INDEX]
    assert "SELECT FROM WHERE (syntax error" in gaps(advice)
    assert 'column "gone" does not exist' in gaps(advice)


async def test_what_the_bounds_leave_out_is_said(url: str) -> None:
    second = Statement(text="SELECT 1 FROM tasks WHERE agent_id = $1", calls=9, total_s=0.1)
    advice = await advised(url, INBOX, second, max_statements=1, max_candidates=2)
    assert "{'count': 1}" in gaps(advice)
    assert "or raise max_statements" in gaps(advice)
    assert "or raise max_candidates" in gaps(advice)


@pytest.mark.parametrize("bound", ["max_indexes", "max_statements", "max_candidates"])
async def test_a_bound_of_nothing_makes_no_sense(url: str, bound: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await advised(url, INBOX, **{bound: 0})


async def test_an_empty_workload_says_that_it_is_empty(url: str) -> None:
    advice = await advised(url)
    assert made(advice) == []
    assert advice.reason is not None
    assert "no statement" in advice.reason.template


async def test_a_table_that_the_role_may_not_read_is_a_gap(url: str, postgres: Cluster) -> None:
    with sync(url) as connection:
        connection.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        connection.execute("GRANT SELECT ON settings TO stranger")
    try:
        host = url.rpartition("@")[2]
        advice = await advised(f"postgresql+psycopg://stranger:x@{host}", INBOX)
        assert made(advice) == []
        assert advice.refusals == ()
        assert "tasks" in gaps(advice)
        assert "GRANT SELECT" in gaps(advice)
        assert advice.reason is not None
        assert advice.reason.template == "no statement could be looked at"
        assert advice.is_blind
        async with Database.connect(f"postgresql+psycopg://stranger:x@{host}") as database:
            report = advice_report(advice, read_at=datetime.now(UTC), server=database.server)
        assert report.status is Status.UNDECIDED
        other = await advised(f"postgresql+psycopg://stranger:x@{host}", INBOX, NAMED)
        assert other.reason is not None
        assert other.reason.template == "no index was found for what could be looked at"
    finally:
        with sync(url) as connection:
            connection.execute("DROP OWNED BY stranger")
            connection.execute("DROP ROLE stranger")


async def test_without_hypopg_candidates_are_shown_as_not_verified_with_the_cure(
    postgres: Cluster,
) -> None:
    url = await postgres.create_database("advisor_bare")
    try:
        with sync(url) as connection:
            connection.execute("DROP EXTENSION hypopg")
            connection.execute(TABLES)
        advice = await advised(url, INBOX, "SELECT 1 FROM settings WHERE name = $1")
        assert made(advice) == [INBOX_INDEX]  # and nothing on a table of 40 rows
        assert refused(advice)["agent_id"][0] == "second_choice"
        (recommendation,) = advice.recommendations
        assert recommendation.verified_by is None
        assert recommendation.statements == (INBOX,)
        assert advice.cost_before is None
        assert advice.planner_calls == 0
        assert "CREATE EXTENSION hypopg" in gaps(advice)
        async with Database.connect(url) as database:
            workload = Workload.of([Statement(text=INBOX)])
            (row,) = await missing_indexes(database, workload=workload)
            assert (row["verified_by"], row["benefit"]) == (None, None)
            (statement,) = await suggest_for_table(database, "tasks", workload=workload)
            assert statement == f"{INBOX_INDEX}; -- not verified: HypoPG is not there"
    finally:
        await postgres.drop_database("advisor_bare")


@pytest.mark.parametrize("pricer", [HypoPg(), RolledBackBuild(own_database=True)])
async def test_an_advisor_that_is_cancelled_anywhere_leaves_nothing_on_the_server(
    url: str, pricer: Pricer
) -> None:
    with sync(url) as connection:
        relations = connection.execute("SELECT oid FROM pg_class ORDER BY 1").fetchall()
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    workload = Workload.of(
        [Statement(text=INBOX, calls=5), Statement(text="SELECT 1 FROM tasks WHERE status = $1")]
    )

    async def work() -> None:
        async with Database.connect(engine) as database:
            await advise(database, workload, pricer=pricer)

    try:
        for patience_s in (0.01, 0.03, 0.06, 0.1, 0.2, 0.4):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slowly(work), patience_s)
            async with Database.connect(engine) as database:
                assert await database.rows("SELECT * FROM public.hypopg()") == []
                assert await database.rows(PREPARED) == []
    finally:
        await engine.dispose()
    with sync(url) as connection:
        assert connection.execute("SELECT oid FROM pg_class ORDER BY 1").fetchall() == relations


async def slowly(work: Callable[[], Any]) -> None:
    """Again and again, so that it is surely under way when patience ends."""
    while True:
        await work()


async def test_what_is_within_text_is_estimated_or_refused_with_the_reason(url: str) -> None:
    fixed = "SELECT id FROM tasks WHERE note ILIKE '%urgent%'"
    with sync(url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        try:
            (index,) = (await advised(url, fixed)).indexes
            assert index.statement == (
                "CREATE INDEX CONCURRENTLY tasks_note_idx ON tasks USING gin (note gin_trgm_ops)"
            )
            assert index.verified_by == "estimate"
            asked = await advised(url, fixed.replace("'%urgent%'", "$1"))
            assert made(asked) == []
            assert refused(asked)["USING gin (note gin_trgm_ops)"][0] == "unverified"
            connection.execute("CREATE INDEX there ON tasks USING gin (note gin_trgm_ops)")
            again = await advised(url, fixed)
            assert made(again) == []
            assert refused(again)["USING gin (note gin_trgm_ops)"] == ("exists", "there")
        finally:
            connection.execute("DROP EXTENSION pg_trgm CASCADE")


async def test_an_index_that_a_wider_one_makes_superfluous_is_named(url: str) -> None:
    with sync(url) as connection:
        connection.execute("CREATE INDEX narrow ON tasks (agent_id)")
        try:
            (recommendation,) = (await advised(url, INBOX)).recommendations
            assert recommendation.statement == INBOX_INDEX
            assert recommendation.replaces == ("narrow",)
        finally:
            connection.execute("DROP INDEX narrow")


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
