"""What the advisor cannot read, plan or verify is said; and nothing is left on the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.diagnosis.advice.advising import (
    INBOX,
    INBOX_INDEX,
    NAMED,
    TABLES,
    advised,
    made,
    refused,
    sync,
)

from keiko_perf.demo.cluster import Cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.frontdoor import missing_indexes, suggest_for_table
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.verify import HypoPg, Pricer, RolledBackBuild
from keiko_perf.diagnosis.reports import advice_report
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.model import Status

pytestmark = [pytest.mark.postgres, pytest.mark.usefixtures("needs_hypopg")]
PREPARED = "SELECT name FROM pg_prepared_statements WHERE name NOT LIKE '\\_pg3%'"  # psycopg's own


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


async def test_what_a_driver_asks_a_catalog_is_no_gap(url: str) -> None:
    asked = "SELECT typname FROM pg_type WHERE gone = $1"
    advice = await advised(url, asked, INBOX)
    assert made(advice) == [INBOX_INDEX]
    assert gaps(advice) == ""


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
