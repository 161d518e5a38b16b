"""
The endpoints of the demo service, written as its team would write them.

The faults sit where they sit in real services: a lazy relationship in a loop, a synchronous
client in an async handler, a cache whose key never repeats.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from keiko_perf.demo.faults import BLOCKING_S, BURNT_ROUNDS, HELD_S, LOCKED_S, LOOPED
from keiko_perf.demo.payloads import (
    ID,
    AgentDetail,
    AgentOut,
    AgentPage,
    DocumentOut,
    EventOut,
    MessageIn,
    MessageOut,
    MessagePage,
    PlainText,
    SearchPage,
    TaskDetail,
    TaskIn,
    TaskOut,
    TaskPage,
    TaskStatus,
)
from keiko_perf.demo.schema import (
    Agent,
    ChatMessage,
    Conversation,
    Document,
    QueuedTask,
    Task,
    TaskEvent,
    Tenant,
    Tool,
)
from keiko_perf.demo.settings import Fault
from keiko_perf.demo.state import Db, Service
from keiko_perf.errors import ConfigError

_CACHED_HITS = 200

Id = Annotated[int, Path(ge=1, le=ID)]
Limit = Annotated[int, Query(ge=1, le=100)]

api_router = APIRouter(prefix="/api/v1", tags=["agents"])
faults_router = APIRouter(prefix="/demo/faults", tags=["faults"])
health_router = APIRouter(tags=["health"])


@api_router.get("/agents")
async def list_agents(
    db: Db,
    demo: Service,
    limit: Limit = 50,
    after: Annotated[int, Query(ge=0, le=ID)] = 0,
) -> AgentPage:
    statement = select(Agent).where(Agent.id > after).order_by(Agent.id).limit(limit)
    if Fault.N_PLUS_ONE not in demo.faults:
        statement = statement.options(selectinload(Agent.tools))
    agents = (await db.scalars(statement)).all()
    items = [_agent(agent, await agent.awaitable_attrs.tools) for agent in agents]
    return AgentPage(items=items, next_after=items[-1].id if len(items) == limit else None)


@api_router.get("/agents/{agent_id}")
async def show_agent(db: Db, demo: Service, agent_id: Id) -> AgentDetail:
    if Fault.STARVED_POOL in demo.faults:
        await db.execute(select(func.pg_sleep(HELD_S)))
    if Fault.ROW_LOCK in demo.faults:
        await _note_use(db)
    if Fault.ASYNC_LOCK in demo.faults:
        async with demo.turn:
            await db.execute(select(func.pg_sleep(HELD_S)))
    agent = await db.get(Agent, agent_id, options=[selectinload(Agent.tools)])
    if agent is None:
        raise _missing("agent", agent_id)
    return AgentDetail(
        **_agent(agent, agent.tools).model_dump(),
        owner_id=agent.owner_id,
        instructions=agent.instructions,
    )


@api_router.get("/agents/{agent_id}/tasks")
async def list_tasks(
    db: Db, agent_id: Id, status: TaskStatus | None = None, limit: Limit = 20
) -> TaskPage:
    statement = select(Task).where(Task.agent_id == agent_id)
    if status is not None:
        statement = statement.where(Task.status == status)
    tasks = (await db.scalars(statement.order_by(Task.created_at.desc()).limit(limit))).all()
    if not tasks:
        await _agent_exists(db, agent_id)
    return TaskPage(items=[TaskOut.model_validate(task) for task in tasks])


@api_router.post("/agents/{agent_id}/tasks", status_code=201)
async def queue_task(db: Db, demo: Service, agent_id: Id, wanted: TaskIn) -> TaskOut:
    await _agent_exists(db, agent_id)
    task = Task(
        agent_id=agent_id,
        kind=wanted.kind,
        status="queued",
        priority=wanted.priority,
        title=wanted.title,
        payload={"topic": wanted.topic},
    )
    db.add(task)
    await db.flush()
    db.add_all([TaskEvent(task_id=task.id, event="created"), QueuedTask(task_id=task.id)])
    await db.commit()
    demo.monitor.task.queued()
    demo.workers.wake()
    return TaskOut.model_validate(task)


@api_router.get("/tasks/{task_id}")
async def show_task(db: Db, task_id: Id) -> TaskDetail:
    task = await db.get(Task, task_id)
    if task is None:
        raise _missing("task", task_id)
    events = await db.scalars(
        select(TaskEvent).where(TaskEvent.task_id == task_id).order_by(TaskEvent.id)
    )
    return TaskDetail(
        **TaskOut.model_validate(task).model_dump(),
        attempts=task.attempts,
        payload=task.payload,
        result=task.result,
        events=[EventOut.model_validate(event) for event in events],
    )


@api_router.get("/conversations/{conversation_id}/messages")
async def list_messages(
    db: Db, demo: Service, conversation_id: Id, limit: Limit = 50
) -> MessagePage:
    found = await db.scalars(
        select(ChatMessage)
        .where(ChatMessage.conversation_id == conversation_id)
        .order_by(ChatMessage.created_at.desc())
        .limit(limit)
    )
    messages = [MessageOut.model_validate(message) for message in found]
    if not messages:
        await _conversation_exists(db, conversation_id)
    if Fault.BLOCKING_CALL in demo.faults:
        _ask_moderation()
    if Fault.CPU_BURN in demo.faults:
        _fingerprint(messages)
    return MessagePage(items=messages)


@api_router.post("/conversations/{conversation_id}/messages", status_code=201)
async def add_message(db: Db, conversation_id: Id, said: MessageIn) -> MessageOut:
    await _conversation_exists(db, conversation_id)
    message = ChatMessage(
        conversation_id=conversation_id,
        role=said.role,
        content=said.content,
        tokens=len(said.content.split()),
    )
    db.add(message)
    await db.commit()
    return MessageOut.model_validate(message)


@api_router.get("/search")
async def search(
    db: Db,
    demo: Service,
    q: Annotated[PlainText, Query(min_length=1, max_length=200)],
    limit: Limit = 20,
) -> SearchPage:
    if Fault.SLOW_HTTP in demo.faults:
        await demo.client.get(demo.neighbour.url)
    if Fault.HTTP_LOOP in demo.faults:
        for _ in range(LOOPED):
            await demo.client.get(demo.neighbour.url)
    leaks = Fault.LEAKING_CACHE in demo.faults
    hits = await _search(db, q, _CACHED_HITS if leaks else limit)
    if leaks:
        # The bug: with the time in its key no entry is ever found again, nor dropped.
        demo.cache.kept[q, time.monotonic_ns()] = hits
    return SearchPage(items=[DocumentOut.model_validate(hit) for hit in hits[:limit]])


@faults_router.get("")
async def show_faults(demo: Service) -> dict[str, list[str]]:
    return {"on": [*await demo.faults.current()], "all": [*Fault]}


def _fault(name: str) -> Fault:
    try:
        return Fault.named(name)
    except ConfigError as error:
        raise HTTPException(404, str(error)) from None


@faults_router.post("/{name}")
async def switch_on(
    demo: Service, fault: Annotated[Fault, Depends(_fault)]
) -> dict[str, list[str]]:
    await demo.faults.switch_on(fault)
    return {"on": [*await demo.faults.current()]}


@faults_router.delete("/{name}")
async def switch_off(
    demo: Service, fault: Annotated[Fault, Depends(_fault)]
) -> dict[str, list[str]]:
    await demo.faults.switch_off(fault)
    return {"on": [*await demo.faults.current()]}


@health_router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process answers at all."""
    return {"status": "ok"}


@health_router.get("/ready")
async def ready(demo: Service, response: Response) -> dict[str, str]:
    """Whether it can do its work, that is, reaches its database."""
    try:
        async with demo.sessions() as db:
            await db.execute(text("SELECT 1"))
    except (DBAPIError, PoolTimeout):
        response.status_code = 503
        return {"status": "the database cannot be reached"}
    return {"status": "ready"}


def _agent(agent: Agent, tools: list[Tool]) -> AgentOut:
    return AgentOut(
        id=agent.id,
        tenant_id=agent.tenant_id,
        name=agent.name,
        model=agent.model,
        is_active=agent.is_active,
        created_at=agent.created_at,
        tools=[tool.name for tool in tools],
    )


async def _search(db: AsyncSession, q: str, limit: int) -> list[Document]:
    query: Any = func.websearch_to_tsquery("english", q)
    found = await db.scalars(
        select(Document)
        .where(Document.words.op("@@")(query))
        .order_by(func.ts_rank(Document.words, query).desc(), Document.id)
        .limit(limit)
    )
    return list(found)


def _ask_moderation() -> None:
    """Ask another service, with a client that knows nothing of the event loop."""
    time.sleep(BLOCKING_S)


def _fingerprint(messages: list[MessageOut]) -> int:
    """A checksum of what is answered, computed where everybody waits for it."""
    text = "".join(message.content for message in messages) or "-"
    value = 0
    for number in range(BURNT_ROUNDS):
        value = (value * 31 + ord(text[number % len(text)])) & 0xFFFFFFFF
    return value


async def _note_use(db: AsyncSession) -> None:
    """Note that the service is used, in one row that all requests write; and bill it."""
    await db.execute(update(Tenant).where(Tenant.id == 1).values(plan=Tenant.plan))
    await asyncio.sleep(LOCKED_S)  # the billing service is asked before the commit
    await db.commit()


async def _agent_exists(db: AsyncSession, agent_id: int) -> None:
    if await db.scalar(select(Agent.id).where(Agent.id == agent_id)) is None:
        raise _missing("agent", agent_id)


async def _conversation_exists(db: AsyncSession, conversation_id: int) -> None:
    found = await db.scalar(select(Conversation.id).where(Conversation.id == conversation_id))
    if found is None:
        raise _missing("conversation", conversation_id)


def _missing(what: str, number: int) -> HTTPException:
    return HTTPException(404, f"there is no {what} {number}")
