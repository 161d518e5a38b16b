"""The faults of the demo that a database can see are found by name, and without them nothing is."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from sqlalchemy import make_url, select

from keiko_perf.demo.schema import Task
from keiko_perf.demo.seed import seed
from keiko_perf.demo.settings import Fault
from keiko_perf.diagnosis.collect import Topic, collect
from keiko_perf.diagnosis.plans.explain import explain
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.plans import judge_plan
from keiko_perf.model import Finding, Severity

from .conftest import UNTIL, Serve, Served

pytestmark = pytest.mark.postgres

SCALE = 0.01
HOT = (
    "SELECT * FROM keiko_demo.tasks WHERE agent_id = 1 AND status = 'pending'"
    " ORDER BY created_at DESC LIMIT 20"
)


@pytest.fixture
async def healthy_url(empty_url: str) -> str:
    """A database with the index, in which nothing was counted yet."""
    await seed(empty_url, scale=SCALE, until=UNTIL, faults=())
    forget(empty_url)
    return empty_url


def forget(url: str) -> None:
    """Let what made the tables not count among what asks them."""
    plain = make_url(url).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as db:
        db.execute("SELECT pg_stat_statements_reset()")


async def ask(served: Served, paths: list[str], at_once: int = 4) -> None:
    waiting = iter(paths)

    async def user() -> None:
        for path in waiting:
            await served.get(path)

    await asyncio.gather(*(user() for _ in range(at_once)))


async def found(url: str) -> list[Finding]:
    async with Database.connect(url) as database:
        return list(judge(await collect(database)).findings)


async def test_the_statement_that_lacks_its_index_is_named(healthy_url: str, serve: Serve) -> None:
    assert await said_of_the_plan(healthy_url) == set()
    async with serve(healthy_url) as served:
        await served.post(f"/demo/faults/{Fault.MISSING_INDEX}")
        forget(healthy_url)
        await ask(served, [f"/api/v1/agents/{1 + n % 9}/tasks?status=pending" for n in range(20)])
        async with served.demo.sessions() as db:  # as its requests would, without HTTP
            for n in range(1_050):
                of_agent = select(Task).where(Task.agent_id == 1 + n % 9, Task.status == "pending")
                await db.scalars(of_agent.order_by(Task.created_at.desc()).limit(20))
    told = [one for one in await found(healthy_url) if "tasks.status =" in one.subject]
    # A quick machine reads the whole table in less time than is slow: then it is the many.
    assert {one.code for one in told} & {"statements.slow", "statements.frequent"}
    assert await said_of_the_plan(healthy_url) & {"plan.selective-seq-scan", "plan.sorted-for-few"}


async def said_of_the_plan(url: str) -> set[str]:
    async with Database.connect(url) as database:
        explained = await explain(database, HOT)
    return {one.code for one in judge_plan(explained.plan)}


async def test_a_statement_for_each_agent_is_named(healthy_url: str, serve: Serve) -> None:
    async with serve(healthy_url) as served:
        agents = len((await served.get("/api/v1/agents?limit=100"))["items"])
        paths = ["/api/v1/agents?limit=100"] * (1_100 // agents + 1)
        await ask(served, paths)
        assert "patterns.n-plus-one" not in {one.code for one in await found(healthy_url)}
        await served.post(f"/demo/faults/{Fault.N_PLUS_ONE}")
        forget(healthy_url)
        await ask(served, paths)
        told = [one for one in await found(healthy_url) if one.code == "patterns.n-plus-one"]
    assert ["tools" in one.subject for one in told] == [True]


async def test_nothing_severe_is_said_of_the_healthy_demo_under_traffic(
    healthy_url: str, serve: Serve
) -> None:
    agents = [f"/api/v1/agents/{1 + n % 9}" for n in range(60)]
    tasks = [f"{path}/tasks?status=pending" for path in agents]
    lists = ["/api/v1/agents?limit=50", "/api/v1/agents"] * 30
    async with serve(healthy_url, workers=2) as served:
        await ask(
            served, [path for three in zip(agents, tasks, lists, strict=True) for path in three], 8
        )
        told = await found(healthy_url)
    severe = [(one.code, one.subject) for one in told if one.severity is Severity.CRITICAL]
    assert severe == []
    assert not {one.code for one in told} & {"indexes.foreign-key", "patterns.n-plus-one"}


async def test_who_waits_for_the_row_that_all_need_is_named(healthy_url: str, serve: Serve) -> None:
    async with serve(healthy_url) as served:
        await served.post(f"/demo/faults/{Fault.ROW_LOCK}")
        asking = [asyncio.create_task(_ask_for_ever(served)) for _ in range(12)]
        try:
            async with Database.connect(healthy_url) as database:
                for _ in range(1_000):  # each time takes as long as the questions
                    seen = judge(await collect(database, [Topic.ACTIVITY])).findings
                    told = [one for one in seen if one.code == "locks.waiting"]
                    if told:
                        break
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
    assert told
    assert "tenants" in "".join(f"{one.subject} {one.evidence}" for one in told)


async def _ask_for_ever(served: Served) -> None:
    while True:
        await served.get("/api/v1/agents/1")
