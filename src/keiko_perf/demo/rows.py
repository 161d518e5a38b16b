"""
The statements that fill the demo's tables: pure text, one for each table.

The rows come out of `generate_series` and a hash, so that the same seed gives the same rows on
every machine, and nothing but the statement travels to the server. Ownership is skewed as it is
in real life: with u uniform in 0..1, the owner is number ⌊n·u³⌋, so that of 2,000 agents the first
owns 8 % of all tasks, the first hundred own 37 %, and the last owns 0.017 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from keiko_perf.demo.schema import SCHEMA, TASK_KINDS

SPAN_DAYS = 90
FULL_TASKS = 1_200_000
"""How many tasks there are at scale 1."""

TOPICS = (
    "invoice", "contract", "onboarding", "renewal", "incident", "forecast", "inventory",
    "shipment", "refund", "payroll", "audit", "security", "migration", "backup", "dashboard",
    "budget", "campaign", "newsletter", "survey", "interview", "roadmap", "release", "testing",
    "compliance", "travel", "expense", "warranty", "supplier", "training", "translation",
    "meeting", "calendar", "proposal", "tender", "licence", "insurance", "logistics", "quality",
    "support", "feedback", "pricing", "discount", "partner", "vendor", "database", "network",
    "storage", "energy", "recruiting", "legal", "research", "patent", "prototype", "factory",
    "customs", "treasury", "mortgage", "clinic", "harbour", "orchard",
)  # fmt: skip
"""What documents and tasks are about; the first words are the most frequent."""

_ACTIONS = ("Summarise", "Check", "Draft", "Compare", "Translate", "Schedule", "Review", "Collect")
_TOOLS = (
    "calendar", "email", "web-search", "code-runner", "spreadsheet", "translator", "crm",
    "ticketing", "file-store", "maps", "payments", "weather",
)  # fmt: skip
SYLLABLES = ("ba", "de", "ki", "lo", "mu", "na", "po", "ra", "si", "ta", "ve", "zo")
"""Three of them make the name of a customer; each document mentions two customers."""
_MODELS = ("keiko-small", "keiko-medium", "keiko-large")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows each table gets."""

    tasks: int

    @property
    def tenants(self) -> int:
        return max(3, self.tasks // 6_000)

    @property
    def users(self) -> int:
        return max(5, self.tasks // 300)

    @property
    def agents(self) -> int:
        return max(10, self.tasks // 600)

    @property
    def conversations(self) -> int:
        return max(20, self.tasks // 40)

    @property
    def messages(self) -> int:
        return self.conversations * 7

    @property
    def documents(self) -> int:
        return max(50, self.tasks // 80)

    @property
    def task_events(self) -> int:
        return self.tasks // 10


@dataclass(frozen=True, slots=True)
class Fill:
    """
    Attributes:
        table: which table it fills.
        rows: how many rows it adds, about, for showing progress.
        statement: the statement.
        parameters: its parameters.
    """

    table: str
    rows: int
    statement: str
    parameters: Mapping[str, object]


def fills(sizes: Sizes, *, seed: int, chunks: int = 12) -> Iterator[Fill]:
    """
    The statements that fill all tables, in an order that respects the foreign keys.

    Each takes `:until`, the time at which the newest row was made.

    Args:
        sizes: how many rows.
        seed: the same seed gives the same rows.
        chunks: in how many statements the largest table is filled.
    """
    counts = {
        "tenants": sizes.tenants,
        "tools": len(_TOOLS),
        "users": sizes.users,
        "api_keys": max(1, sizes.users // 2),
        "agents": sizes.agents,
        "agent_tools": sizes.agents,
        "documents": sizes.documents,
        "conversations": sizes.conversations,
        "messages": sizes.messages,
        "tasks": sizes.tasks,
        "task_events": sizes.task_events,
    }
    selects = _selects(sizes)
    for table, count in counts.items():
        step = ceil(count / chunks) if table == "tasks" else count
        for first in range(1, count + 1, max(1, step)):
            last = min(first + step - 1, count)
            yield Fill(
                table,
                last - first + 1,
                f"INSERT INTO {SCHEMA}.{table} {selects[table]}",
                {"seed": seed, "first": first, "last": last, "total": count},
            )


def _u(salt: int, row: str = "i") -> str:
    """A pseudo-random number in 0..1 for *row*; each use of it in a row has its own *salt*."""
    return f"((hashint8extended({row}, :seed + {salt}) & 4294967295) / 4294967296.0::float8)"


def _owner(count: int, salt: int) -> str:
    """One of *count* owners, of whom the first own the most."""
    return f"(1 + floor({count} * power({_u(salt)}, 3)))::bigint"


def _pick(words: Sequence[str], salt: int, *, power: int = 1, row: str = "i") -> str:
    """One of some words; with a higher *power* the first ones more often."""
    return f"({_array(words)})[1 + floor({len(words)} * power({_u(salt, row)}, {power}))::int]"


def _array(words: Sequence[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{word}'" for word in words) + "]"


def _time(salt: int) -> str:
    """A time that grows with *i* over the span, with some jitter."""
    return (
        "CAST(:until AS timestamptz)"
        f" - interval '{SPAN_DAYS} days' * (1 - i::float8 / :total)"
        f" - interval '60 s' * {_u(salt)}"
    )


_ROWS = "FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS i"


def _selects(sizes: Sizes) -> dict[str, str]:
    return {
        "tenants": (
            "(id, slug, name, plan, created_at) SELECT i, 'tenant-' || i,"
            f" initcap({_pick(TOPICS, 1)}) || ' Company ' || i,"
            f" {_pick(('free', 'team', 'enterprise'), 2, power=2)}, {_time(3)} {_ROWS}"
        ),
        "tools": (
            "(id, name, description)"
            f" SELECT i, ({_array(_TOOLS)})[i], 'Lets an agent use tool number ' || i {_ROWS}"
        ),
        "users": (
            "(id, tenant_id, email, name, role, created_at)"
            f" SELECT i, {_owner(sizes.tenants, 1)}, 'user-' || i || '@example.com', 'User ' || i,"
            f" {_pick(('member', 'admin', 'owner'), 2, power=2)}, {_time(3)} {_ROWS}"
        ),
        "api_keys": (
            "(id, user_id, prefix, key_hash, created_at, revoked_at)"
            f" SELECT i, {_owner(sizes.users, 1)}, 'kp_' || lpad(to_hex(i), 8, '0'),"
            " encode(sha256(convert_to(i || '-' || :seed, 'UTF8')), 'hex'),"
            f" {_time(3)}, CASE WHEN {_u(4)} < 0.2 THEN {_time(5)} + interval '1 hour' END {_ROWS}"
        ),
        "agents": (
            "(id, tenant_id, owner_id, name, model, instructions, is_active, created_at)"
            f" SELECT i, {_owner(sizes.tenants, 1)}, {_owner(sizes.users, 2)},"
            f" 'Keiko ' || i, {_pick(_MODELS, 3, power=2)},"
            f" 'You help with ' || {_pick(TOPICS, 4)} || ' and ' || {_pick(TOPICS, 5)} || '.',"
            f" {_u(6)} < 0.9, {_time(7)} {_ROWS}"
        ),
        # Each agent has one to six tools, neighbours in the list.
        "agent_tools": (
            "(agent_id, tool_id, config)"
            f" SELECT i, 1 + (i + k) % {len(_TOOLS)}, jsonb_build_object('enabled', true)"
            f" {_ROWS} CROSS JOIN LATERAL generate_series(1, 1 + floor(6 * {_u(1)})::int) AS k"
        ),
        "documents": (
            "(id, tenant_id, title, body, updated_at)"  # noqa: S608 - our own words
            f" SELECT i, {_owner(sizes.tenants, 1)},"
            f" initcap({_pick(TOPICS, 2, power=2)}) || ' ' || {_pick(TOPICS, 3)} || ' ' || i,"
            f" {_customer(21)} || ' and ' || {_customer(24)} || ' asked about it. ' ||"
            f" (SELECT string_agg({_sentence()}, ' ') FROM generate_series(1, 8) AS k),"
            f" {_time(4)} {_ROWS}"
        ),
        "conversations": (
            "(id, agent_id, user_id, title, created_at)"
            f" SELECT i, {_owner(sizes.agents, 1)}, {_owner(sizes.users, 2)},"
            f" 'About ' || {_pick(TOPICS, 3, power=2)}, {_time(4)} {_ROWS}"
        ),
        "messages": (
            "(id, conversation_id, role, content, tokens, created_at)"
            f" SELECT i, {_owner(sizes.conversations, 1)},"
            " CASE WHEN i % 2 = 1 THEN 'user' ELSE 'assistant' END,"
            f" 'Please look at the ' || {_pick(TOPICS, 2, power=2)} || ' and the '"
            f" || {_pick(TOPICS, 3)} || ' of last week, and tell me what is still open.',"
            f" 10 + floor(400 * {_u(4)})::int, {_time(5)} {_ROWS}"
        ),
        "tasks": _tasks(sizes),
        "task_events": (
            "(id, task_id, event, detail, created_at)"
            f" SELECT i, {sizes.tasks - sizes.task_events} + i,"
            f" {_pick(('created', 'started', 'finished'), 1)}, NULL,"
            f" {_time(2)} {_ROWS}"
        ),
    }


def _tasks(sizes: Sizes) -> str:
    """One task in twenty waits for approval, of every agent."""
    actions = _pick(_ACTIONS, 3)
    return (
        "(id, agent_id, kind, status, priority, attempts, title,"  # noqa: S608 - our own words
        " payload, result, created_at,"
        " finished_at) SELECT i, agent_id, kind, status, priority, 1, title, payload,"
        " CASE status WHEN 'succeeded' THEN '{\"ok\": true}'::jsonb END, created_at,"
        " CASE WHEN status IN ('succeeded', 'failed')"
        " THEN created_at + interval '1 s' * (5 + i % 600) END FROM ("
        f"SELECT i, {_owner(sizes.agents, 1)} AS agent_id,"
        f" {_pick(TASK_KINDS, 2, power=2)} AS kind,"
        f" CASE WHEN {_u(4)} < 0.05 THEN 'pending' WHEN {_u(4)} < 0.08 THEN 'failed'"
        " ELSE 'succeeded' END AS status,"
        " (i % 3)::smallint AS priority,"
        f" {actions} || ' the ' || {_pick(TOPICS, 5)} || ' no. ' || i AS title,"
        f" jsonb_build_object('topic', {_pick(TOPICS, 5)}) AS payload,"
        f" {_time(6)} AS created_at {_ROWS} OFFSET 0) AS drawn"
    )


def _customer(salt: int) -> str:
    """The name of a customer; it takes three salts."""
    first, *rest = (_pick(SYLLABLES, salt + n, power=2 if n == 0 else 1) for n in range(3))
    return f"initcap({first} || {' || '.join(rest)})"


def _sentence() -> str:
    """A sentence, another one for each *k* of 1..8."""
    a, b, c, d = (
        _pick(TOPICS, salt, power=power, row="i * 16 + k")
        for salt, power in ((11, 2), (12, 1), (13, 1), (14, 2))
    )
    return (
        f"'The ' || {a} || ' report of the ' || {b}"
        f" || ' team compares ' || {c} || ' with ' || {d} || '.'"
    )
