"""The service on real PostgreSQL: who gets in, what is answered, and how tasks are worked off."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from keiko_perf.demo.cluster import Cluster
from keiko_perf.demo.rows import Sizes
from keiko_perf.demo.schema import Agent
from keiko_perf.demo.seed import seed
from keiko_perf.demo.traffic import HOT_ROUTE, HOT_STEP, steps
from keiko_perf.demo.workers import MOST_ATTEMPTS, take
from keiko_perf.loadtest.plan import Plan
from keiko_perf.model import Kind

from .conftest import TOKEN, Serve, Served

pytestmark = pytest.mark.postgres

SIZES = Sizes(tasks=2400)
NO_AGENT = 10**9


# Who gets in


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}"])
@pytest.mark.parametrize("path", ["/api/v1/agents", "/api/v1/agents/no-number", "/demo/faults"])
async def test_nobody_gets_in_without_the_token(
    served: Served, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served.app), base_url="http://demo", headers=headers
    ) as stranger:
        answer = await stranger.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_beyond_ascii_is_just_a_wrong_one(served: Served) -> None:
    headers = {"authorization": "Bearer schlüssel".encode("latin-1")}
    answer = await served.client.get("/api/v1/agents", headers=headers)
    assert answer.status_code == 401


async def test_health_needs_no_token_and_no_database(served: Served) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served.app), base_url="http://demo"
    ) as stranger:
        assert (await stranger.get("/health")).json() == {"status": "ok"}
        assert (await stranger.get("/ready")).json() == {"status": "ready"}


# What is answered


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/api/v1/agents/{NO_AGENT}", None, 404),
        ("GET", f"/api/v1/agents/{NO_AGENT}/tasks?status=pending", None, 404),
        ("POST", f"/api/v1/agents/{NO_AGENT}/tasks", {"kind": "notify", "title": "x"}, 404),
        ("GET", f"/api/v1/tasks/{NO_AGENT}", None, 404),
        ("GET", f"/api/v1/conversations/{NO_AGENT}/messages", None, 404),
        ("POST", f"/api/v1/conversations/{NO_AGENT}/messages", {"content": "x"}, 404),
        ("POST", "/demo/faults/no-such-fault", None, 404),
        ("GET", "/api/v1/agents/0", None, 422),
        ("GET", f"/api/v1/agents/{2**63}", None, 422),
        ("GET", "/api/v1/agents?limit=101", None, 422),
        ("GET", "/api/v1/agents/1/tasks?status=lost", None, 422),
        ("POST", "/api/v1/agents/1/tasks", {"kind": "dance", "title": "x"}, 422),
        ("POST", "/api/v1/agents/1/tasks", {"kind": "notify", "title": ""}, 422),
        ("POST", "/api/v1/agents/1/tasks", {"kind": "notify", "title": "a\0b"}, 422),
        ("POST", "/api/v1/conversations/1/messages", {"content": "a\0b"}, 422),
        ("GET", "/api/v1/search", None, 422),
        ("GET", "/api/v1/search?q=%00", None, 422),
    ],
)
async def test_what_is_not_there_or_makes_no_sense_is_refused(
    served: Served, method: str, path: str, body: Any, status: int
) -> None:
    answer = await served.client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


async def test_paging_goes_through_all_agents_once(served: Served) -> None:
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = await served.get(f"/api/v1/agents?limit=3&after={after}")
        seen += [agent["id"] for agent in page["items"]]
        after = page["next_after"]
    assert seen == list(range(1, SIZES.agents + 1))


async def test_an_agent_is_shown_with_its_tools(served: Served) -> None:
    agent = await served.get("/api/v1/agents/1")
    assert agent["name"] == "Keiko 1"
    assert 1 <= len(agent["tools"]) <= 6
    listed = (await served.get("/api/v1/agents?limit=1"))["items"][0]
    assert listed == {name: agent[name] for name in listed}


async def test_an_agents_tasks_come_by_status_the_newest_first(served: Served) -> None:
    tasks = (await served.get("/api/v1/agents/1/tasks?status=pending&limit=20"))["items"]
    assert 1 < len(tasks) <= 20
    assert {(task["agent_id"], task["status"]) for task in tasks} == {(1, "pending")}
    times = [task["created_at"] for task in tasks]
    assert times == sorted(times, reverse=True)


async def test_an_agent_without_such_tasks_has_an_empty_list(served: Served) -> None:
    assert (await served.get("/api/v1/agents/1/tasks?status=running"))["items"] == []


async def test_a_message_that_is_posted_is_the_newest(served: Served) -> None:
    path = "/api/v1/conversations/3/messages"
    posted = await served.post(path, {"content": "three words here"})
    listed = (await served.get(path))["items"]
    assert listed[0] == posted
    assert posted["tokens"] == 3


async def test_search_finds_the_documents_with_the_word(served: Served) -> None:
    body = (await served.get("/api/v1/search?q=invoice&limit=1"))["items"][0]["body"]
    customer = body.split()[0]
    hits = (await served.get(f"/api/v1/search?q={customer}"))["items"]
    assert hits
    assert all(customer in hit["body"] for hit in hits)


async def test_a_database_that_is_gone_is_503_and_the_process_stays_healthy(
    postgres: Cluster, serve: Serve
) -> None:
    url = await postgres.create_database("demo_gone")
    await seed(url, scale=0.0005)
    async with serve(url) as served:
        await served.get("/ready")
        await postgres.drop_database("demo_gone")
        assert (await served.client.get("/ready")).status_code == 503
        answer = await served.client.get("/api/v1/agents")
        assert answer.status_code == 503
        assert answer.json() == {"detail": "the database is not available"}
        await served.get("/health")


async def test_every_step_of_the_load_is_answered_well(own_url: str, serve: Serve) -> None:
    async with serve(own_url) as served:
        for step in steps(SIZES, ids=5):
            for path in step.paths():
                answer = await served.client.request(
                    step.method, path, content=step.body, headers=dict(step.headers)
                )
                assert answer.is_success, f"{step.name}: {answer.text}"


# Tasks


async def until_closed(served: Served, task_id: int) -> Any:
    """The task once a worker is done with it; the test's timeout ends a hopeless wait."""
    path = f"/api/v1/tasks/{task_id}"
    while (task := await served.get(path))["finished_at"] is None:  # noqa: ASYNC110 - a row
        await asyncio.sleep(0.02)
    return task


@pytest.mark.parametrize(
    ("kind", "result"),
    [
        ("notify", {"notified": True}),
        ("classify", {"topics": ["invoice"]}),
    ],
)
async def test_a_queued_task_is_done_by_a_worker(
    own_url: str, serve: Serve, kind: str, result: Any
) -> None:
    async with serve(own_url, workers=2) as served:
        wanted = {"kind": kind, "title": "About an invoice"}
        queued = await served.post("/api/v1/agents/2/tasks", wanted)
        assert queued["status"] == "queued"
        done = await until_closed(served, queued["id"])
        assert (done["status"], done["result"], done["attempts"]) == ("succeeded", result, 1)
        events = [event["event"] for event in done["events"]]
        assert events[:2] == ["created", "started"]
        assert events[-1] == "succeeded"


async def test_research_and_summaries_find_something_to_report(own_url: str, serve: Serve) -> None:
    async with serve(own_url, workers=1) as served:
        path = "/api/v1/agents/1/tasks"
        research = await served.post(path, {"kind": "research", "title": "x", "topic": "invoice"})
        summary = await served.post(path, {"kind": "summarise", "title": "x"})
        assert (await until_closed(served, research["id"]))["result"]["documents"]
        assert (await until_closed(served, summary["id"]))["result"]["messages"] >= 1


async def test_a_task_that_cannot_succeed_fails_with_the_reason(own_url: str, serve: Serve) -> None:
    async with serve(own_url, workers=1) as served:
        async with served.demo.sessions() as db:
            agent = Agent(tenant_id=1, owner_id=1, name="New", model="m", instructions="")
            db.add(agent)
            await db.commit()
        queued = await served.post(
            f"/api/v1/agents/{agent.id}/tasks", {"kind": "summarise", "title": "x"}
        )
        failed = await until_closed(served, queued["id"])
        assert failed["status"] == "failed"
        assert failed["events"][-1]["detail"] == "the agent has no conversation to summarise"
        assert not await served.demo.workers.do_one()  # it is off the queue


async def test_many_workers_do_each_task_once(own_url: str, serve: Serve) -> None:
    async with serve(own_url, workers=0) as served:
        posted = [
            await served.post("/api/v1/agents/1/tasks", {"kind": "notify", "title": f"no. {n}"})
            for n in range(12)
        ]
        workers = served.demo.workers
        while any(await asyncio.gather(*(workers.do_one() for _ in range(6)))):
            pass
        for task in posted:
            done = await served.get(f"/api/v1/tasks/{task['id']}")
            assert (done["status"], done["attempts"]) == ("succeeded", 1)


async def test_a_task_whose_worker_died_is_ready_again_when_its_time_is_up(
    own_url: str, serve: Serve
) -> None:
    async with serve(own_url) as served:
        queued = await served.post("/api/v1/agents/1/tasks", {"kind": "notify", "title": "x"})
        async with served.demo.sessions() as db:
            taken = await take(db)
        assert taken is not None
        assert taken.id == queued["id"]
        assert not await served.demo.workers.do_one()  # it is taken
        async with served.demo.sessions() as db:
            await db.execute(text("UPDATE keiko_demo.task_queue SET ready_at = now()"))
            await db.commit()
        assert await served.demo.workers.do_one()
        done = await served.get(f"/api/v1/tasks/{queued['id']}")
        assert (done["status"], done["attempts"]) == ("succeeded", 2)


async def test_a_task_with_a_bug_is_given_up_after_some_attempts(
    own_url: str, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(own_url) as served:
        queued = await served.post("/api/v1/agents/1/tasks", {"kind": "research", "title": "x"})
        async with served.demo.sessions() as db:
            # A number where a text is expected: there is no such search.
            await db.execute(
                text(
                    "UPDATE keiko_demo.tasks SET payload = jsonb_build_object('topic', 5)"
                    " WHERE id = :id"
                ),
                {"id": queued["id"]},
            )
            await db.commit()
        for _ in range(MOST_ATTEMPTS):
            assert await served.demo.workers.do_one()
            async with served.demo.sessions() as db:
                await db.execute(text("UPDATE keiko_demo.task_queue SET ready_at = now()"))
                await db.commit()
        assert not await served.demo.workers.do_one()
        failed = await served.get(f"/api/v1/tasks/{queued['id']}")
        assert (failed["status"], failed["attempts"]) == ("failed", MOST_ATTEMPTS)
        assert failed["events"][-1]["detail"] == "ProgrammingError"
        assert caplog.text.count(f"task {queued['id']} failed") == MOST_ATTEMPTS


# Watched by keiko-perf


async def test_requests_statements_and_tasks_are_measured(own_url: str, serve: Serve) -> None:
    async with serve(own_url) as served:
        await served.get("/api/v1/agents/1/tasks?status=pending&limit=20")
        await served.post("/api/v1/agents/1/tasks", {"kind": "notify", "title": "x"})
        assert await served.demo.workers.do_one()
        seen = served.demo.monitor.recorder.peek()
    route = seen.find(Kind.ROUTE, HOT_ROUTE)
    assert route is not None
    assert route.count == 1
    task = seen.find(Kind.TASK, "notify")
    assert task is not None
    assert task.count == 1
    assert seen.counters["tasks_queued"] == 1
    hot = [
        series.name
        for series in seen.of(Kind.STATEMENT)
        if "tasks.agent_id = $1" in series.name and "ORDER BY" in series.name
    ]
    assert len(hot) == 1


async def test_the_dashboard_is_served_behind_the_token(served: Served) -> None:
    await served.get("/performance/metrics")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served.app), base_url="http://demo"
    ) as stranger:
        assert (await stranger.get("/performance/metrics")).status_code == 401


# The load


def test_a_third_of_the_load_goes_to_the_hot_endpoint() -> None:
    mix = steps(SIZES)
    total = sum(step.weight for step in mix)
    hot = next(step for step in mix if step.name == HOT_STEP)
    assert hot.weight / total == pytest.approx(1 / 3, abs=0.02)
    assert sum(step.weight for step in mix if step.method == "GET") / total == 0.9


def test_the_same_seed_asks_for_the_same() -> None:
    def asked(seed: int) -> list[str]:
        return [path for step in steps(SIZES, seed=seed) for path in step.paths()]

    assert asked(1) == asked(1) != asked(2)


def test_the_first_agents_are_asked_for_most() -> None:
    sizes = Sizes(tasks=1_200_000)
    hot = next(step for step in steps(sizes, ids=5_000) if step.name == HOT_STEP)
    agents = [int(str(row["agent_id"])) for row in hot.rows]
    assert min(agents) == 1
    assert max(agents) <= sizes.agents
    assert sum(agent <= 250 for agent in agents) / len(agents) == pytest.approx(0.5, abs=0.03)


def test_the_steps_make_a_plan() -> None:
    plan = Plan(base_url="http://127.0.0.1:1", steps=steps(SIZES), duration_s=1)
    assert len({step.name for step in plan.steps}) == len(plan.steps)
