"""
The tables of the demo service: an agents API as many teams run one.

Everything lives in one PostgreSQL schema of its own, so that the demo can share a database with
other things and be removed without a trace. Keys, uniques and foreign keys are indexed as a
careful team does it, but for one oversight: `tasks`, the largest table, is read by agent and
status, newest first, and `HOT_INDEX`, which serves that, was forgotten. The fault `missing-index`
is that oversight; without the fault the index is there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    SmallInteger,
    String,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

SCHEMA = "keiko_demo"

TASK_KINDS = ("summarise", "research", "notify", "classify")
TASK_STATUSES = ("pending", "queued", "running", "succeeded", "failed")
"""`pending` waits for a person's approval; `queued` waits for a worker."""


class Model(AsyncAttrs, DeclarativeBase):
    """What all tables have in common."""

    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this off the class
        int: BigInteger,
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
    }


class Tenant(Model):
    """A customer of the service."""

    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[str]
    plan: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class User(Model):
    """A person of a tenant."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey(Tenant.id), index=True)
    email: Mapped[str] = mapped_column(String(120), unique=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Model):
    """A key that a user made; only its hash is kept."""

    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    prefix: Mapped[str] = mapped_column(String(12), unique=True)
    key_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class Agent(Model):
    """An assistant that works for a user."""

    __tablename__ = "agents"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey(Tenant.id), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    name: Mapped[str]
    model: Mapped[str] = mapped_column(String(40))
    instructions: Mapped[str]
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    tools: Mapped[list[Tool]] = relationship(
        secondary=f"{SCHEMA}.agent_tools", order_by="Tool.id", viewonly=True
    )


class Tool(Model):
    """Something that an agent can use."""

    __tablename__ = "tools"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    description: Mapped[str]


class AgentTool(Model):
    """That an agent may use a tool."""

    __tablename__ = "agent_tools"

    agent_id: Mapped[int] = mapped_column(ForeignKey(Agent.id), primary_key=True)
    tool_id: Mapped[int] = mapped_column(ForeignKey(Tool.id), primary_key=True, index=True)
    config: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class Conversation(Model):
    """What a user and an agent said to each other."""

    __tablename__ = "conversations"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey(Agent.id), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    title: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ChatMessage(Model):
    """One message of a conversation."""

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey(Conversation.id))
    role: Mapped[str] = mapped_column(String(12))
    content: Mapped[str]
    tokens: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("messages_conversation_id_created_at_idx", "conversation_id", "created_at"),
    )


class Document(Model):
    """A text of a tenant that agents search in."""

    __tablename__ = "documents"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey(Tenant.id), index=True)
    title: Mapped[str]
    body: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    words: Mapped[str] = mapped_column(
        TSVECTOR,
        Computed("to_tsvector('english', title || ' ' || body)", persisted=True),
        deferred=True,
    )

    __table_args__ = (Index("documents_words_idx", "words", postgresql_using="gin"),)


class Task(Model):
    """A piece of work of an agent. The largest table."""

    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey(Agent.id))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(12))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    title: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    result: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"status IN {TASK_STATUSES}", name="status"),
        CheckConstraint(f"kind IN {TASK_KINDS}", name="kind"),
    )


class TaskEvent(Model):
    """What happened to a task, and when."""

    __tablename__ = "task_events"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey(Task.id), index=True)
    event: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QueuedTask(Model):
    """
    A task that waits for a worker.

    A worker that takes it moves `ready_at` into the future instead of deleting the row: if the
    worker dies, the task is ready again by itself.
    """

    __tablename__ = "task_queue"

    task_id: Mapped[int] = mapped_column(ForeignKey(Task.id), primary_key=True)
    ready_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


TABLES = Model.metadata.sorted_tables
"""All tables, those that others refer to first."""

HOT_INDEX = "tasks_agent_id_status_created_at_idx"
"""The index that the hot endpoint needs. It is no part of `Task`: it is what was forgotten."""

CREATE_HOT_INDEX = (
    f"CREATE INDEX IF NOT EXISTS {HOT_INDEX} ON {SCHEMA}.tasks (agent_id, status, created_at DESC)"
)
