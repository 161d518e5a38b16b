"""
What the demo's API takes and gives, as JSON.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

TaskKind = Literal["summarise", "research", "notify", "classify"]
TaskStatus = Literal["pending", "queued", "running", "succeeded", "failed"]
ID = 2**63 - 1
"""The largest id that the database can hold."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("the character U+0000 cannot be stored")
    return text


PlainText = Annotated[str, AfterValidator(_without_nul)]
"""Text that PostgreSQL can take."""


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class AgentOut(_Row):
    id: int
    tenant_id: int
    name: str
    model: str
    is_active: bool
    created_at: datetime
    tools: list[str]


class AgentPage(BaseModel):
    items: list[AgentOut]
    next_after: int | None = Field(description="pass it as `after` to get the next page")


class AgentDetail(AgentOut):
    owner_id: int
    instructions: str


class TaskOut(_Row):
    id: int
    agent_id: int
    kind: str
    status: str
    priority: int
    title: str
    created_at: datetime
    finished_at: datetime | None


class TaskPage(BaseModel):
    items: list[TaskOut]


class EventOut(_Row):
    event: str
    detail: str | None
    created_at: datetime


class TaskDetail(TaskOut):
    attempts: int
    payload: dict[str, Any]
    result: dict[str, Any] | None
    events: list[EventOut]


class TaskIn(BaseModel):
    kind: TaskKind
    title: PlainText = Field(min_length=1, max_length=200)
    topic: PlainText = Field(default="", max_length=200)
    priority: int = Field(default=0, ge=0, le=9)


class MessageOut(_Row):
    id: int
    role: str
    content: str
    tokens: int
    created_at: datetime


class MessagePage(BaseModel):
    items: list[MessageOut]


class MessageIn(BaseModel):
    role: Literal["user", "assistant"] = "user"
    content: PlainText = Field(min_length=1, max_length=10_000)


class DocumentOut(_Row):
    id: int
    title: str
    body: str
    updated_at: datetime


class SearchPage(BaseModel):
    items: list[DocumentOut]
