"""
What the background tasks do, one function for each kind.

Each takes the session and its task, and returns the result to keep with it. A task that can never
succeed raises `TaskFailed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from keiko_perf.demo.faults import SLOW_TASK_S, Faults
from keiko_perf.demo.rows import TOPICS
from keiko_perf.demo.schema import ChatMessage, Conversation, Document, Task, TaskEvent
from keiko_perf.demo.settings import Fault

Result = dict[str, Any]
Work = Callable[[AsyncSession, Task], Awaitable[Result]]


class TaskFailed(Exception):
    """The task cannot succeed, however often it is tried."""


def work_of(faults: Faults) -> dict[str, Work]:
    """The work for each kind of task."""

    async def research(db: AsyncSession, task: Task) -> Result:
        """Look for documents on the task's topic."""
        if Fault.SLOW_TASK in faults:
            await asyncio.sleep(SLOW_TASK_S)  # a source that takes its time, without a timeout
        query = func.websearch_to_tsquery("english", task.payload.get("topic", ""))
        found = await db.scalars(
            select(Document.id).where(Document.words.op("@@")(query)).order_by(Document.id).limit(5)
        )
        return {"documents": list(found)}

    return {
        "summarise": summarise,
        "research": research,
        "notify": notify,
        "classify": classify,
    }


async def summarise(db: AsyncSession, task: Task) -> Result:
    """Measure the agent's latest conversation."""
    conversation_id = await db.scalar(
        select(Conversation.id)
        .where(Conversation.agent_id == task.agent_id)
        .order_by(Conversation.created_at.desc())
        .limit(1)
    )
    if conversation_id is None:
        raise TaskFailed("the agent has no conversation to summarise")
    counted = await db.execute(
        select(func.count(), func.coalesce(func.sum(ChatMessage.tokens), 0)).where(
            ChatMessage.conversation_id == conversation_id
        )
    )
    messages, tokens = counted.one()
    return {"conversation": conversation_id, "messages": messages, "tokens": int(tokens)}


async def notify(db: AsyncSession, task: Task) -> Result:
    """Leave a note with the task."""
    db.add(TaskEvent(task_id=task.id, event="notified", detail=task.title))
    return {"notified": True}


async def classify(_db: AsyncSession, task: Task) -> Result:
    """Find out what the task is about."""
    words = set(task.title.lower().split())
    return {"topics": [topic for topic in TOPICS if topic in words]}
