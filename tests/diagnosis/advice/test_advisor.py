"""What is advised, what is refused and why, on a real server with HypoPG."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from tests.diagnosis.advice.advising import INBOX, INBOX_INDEX, advised, made, refused, sync

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.price import Around, IndexRefused, Session
from keiko_perf.diagnosis.pricing.verify import HypoPg, Pricer, RolledBackBuild
from keiko_perf.diagnosis.statements.workload import Statement

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("needs_hypopg")]


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


async def test_of_writes_whose_rows_nobody_counted_the_planner_is_asked(url: str) -> None:
    read_one = Statement(text="SELECT * FROM tasks WHERE agent_id = 7", calls=20)
    many = "UPDATE tasks SET note = 'y' WHERE status = 'queued'"
    advice = await advised(url, read_one, Statement(text=many, calls=20))
    assert made(advice) == [], "each execution writes a third of the table"
    assert refused(advice)["agent_id"][0] == "upkeep"
    counted = await advised(url, read_one, Statement(text=many, calls=20, rows=20))
    assert made(counted) == ["CREATE INDEX CONCURRENTLY tasks_agent_id_idx ON tasks (agent_id)"]
    # What it costs without any index has to be asked anyway.
    assert advice.planner_calls <= counted.planner_calls, "it is asked once"


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


async def test_a_budget_counts_what_an_index_takes_once_it_is_made(url: str) -> None:
    (index,) = (await advised(url, INBOX)).indexes
    assert index.size_bytes
    assert index.planner_size_bytes
    budget = (index.size_bytes + index.planner_size_bytes) / 2
    assert (await advised(url, INBOX, budget_bytes=budget)).indexes
    planned = await advised(url, INBOX, budget_bytes=budget, counts_built=False)
    assert refused(planned)[index.index.rest.strip("()")][0] == "budget"


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
