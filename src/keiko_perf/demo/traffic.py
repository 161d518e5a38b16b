"""
What the demo's users ask for: the mix of requests that it is loaded with.

Mostly reads; the list of an agent's pending tasks is a third of all. Whose they are follows the
skew of the rows (see rows): the first agents are asked for most. The same seed gives the same
requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random

from keiko_perf.demo.rows import SYLLABLES, TOPICS, Sizes
from keiko_perf.loadtest.plan import Step
from keiko_perf.model import Target
from keiko_perf.model.kpi import LATENCY_P95

HOT_PATH = "/api/v1/agents/{agent_id}/tasks?status=pending&limit=20"
HOT_STEP = f"GET {HOT_PATH}"
"""The name of the step that suffers from the missing index."""
HOT_ROUTE = "GET /api/v1/agents/{agent_id}/tasks"
"""The same from inside."""

HOT_TARGET = Target(kpi=LATENCY_P95, at_most=0.05, subject=HOT_ROUTE)
"""What users wait for most gets a promise of its own, as in any service."""

_IDS = 2_000
_TASKS_PATH = "/api/v1/agents/{agent_id}/tasks"
_MESSAGES_PATH = "/api/v1/conversations/{conversation_id}/messages"


def steps(sizes: Sizes, *, seed: int = 1, ids: int = _IDS) -> tuple[Step, ...]:
    """
    The steps of a load test on a service that was seeded with *sizes*.

    Args:
        sizes: how many rows each table has.
        seed: the same seed gives the same requests.
        ids: how many different values each step goes through before it begins anew.
    """
    random = Random(seed)

    def draw(name: str, one: Callable[[], object]) -> tuple[Mapping[str, object], ...]:
        return tuple({name: one()} for _ in range(ids))

    def owner(count: int) -> Callable[[], int]:
        return lambda: 1 + int(count * random.random() ** 3)

    agents = draw("agent_id", owner(sizes.agents))
    conversations = draw("conversation_id", owner(sizes.conversations))
    pages = draw("after", lambda: random.randrange(sizes.agents))
    tasks = draw("task_id", lambda: random.randint(1, sizes.tasks))
    searches = draw("q", lambda: customer(random))
    return (
        Step(path=HOT_PATH, rows=agents, weight=34),
        Step(path="/api/v1/agents?limit=50&after={after}", rows=pages, weight=10),
        Step(path="/api/v1/agents/{agent_id}", rows=agents, weight=12),
        Step(path="/api/v1/tasks/{task_id}", rows=tasks, weight=12),
        Step(path=f"{_MESSAGES_PATH}?limit=50", rows=conversations, weight=14),
        Step(path="/api/v1/search?q={q}", rows=searches, weight=8),
        *(_post_task(kind, agents, weight=2) for kind in ("research", "summarise", "notify")),
        _post(_MESSAGES_PATH, {"content": "What is still open?"}, conversations, weight=4),
    )


def _post_task(kind: str, agents: tuple[Mapping[str, object], ...], *, weight: int) -> Step:
    value = {"kind": kind, "title": f"Have a look at the {TOPICS[0]}", "topic": TOPICS[-1]}
    return _post(_TASKS_PATH, value, agents, weight=weight, name=f"POST {_TASKS_PATH} ({kind})")


def _post(
    path: str,
    value: object,
    rows: tuple[Mapping[str, object], ...],
    *,
    weight: int,
    name: str = "",
) -> Step:
    return Step(
        method="POST",
        path=path,
        name=name,
        headers={"content-type": "application/json"},
        body=json.dumps(value).encode(),
        weight=weight,
        rows=rows,
    )


def customer(random: Random) -> str:
    """The name of a customer, of whom the documents speak as often as they are asked for."""
    first = SYLLABLES[int(len(SYLLABLES) * random.random() ** 2)]
    return (first + random.choice(SYLLABLES) + random.choice(SYLLABLES)).capitalize()
