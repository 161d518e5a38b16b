"""A database with something to advise, and what was advised and refused."""

from __future__ import annotations

from typing import Any

import psycopg

from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.verify import Pricer
from keiko_perf.diagnosis.statements.workload import Statement, Workload

INBOX = "SELECT * FROM tasks WHERE agent_id = $1 AND status = $2 ORDER BY created_at DESC LIMIT 20"
INBOX_INDEX = (
    "CREATE INDEX CONCURRENTLY tasks_agent_id_status_created_at_idx"
    " ON tasks (agent_id, status, created_at DESC)"
)
NAMED = "SELECT value FROM settings WHERE name = $1"
TABLES = """
CREATE TABLE tasks (
    id bigint PRIMARY KEY, agent_id int, user_id int, status text, created_at timestamptz,
    untouched int, note text
) WITH (autovacuum_enabled = off);  -- new statistics in the midst would be another question
INSERT INTO tasks
SELECT i, i * 7919 % 2000, i::bigint * 104729 % 5000, (ARRAY['done', 'done', 'queued'])[1 + i % 3],
       timestamptz '2024-01-01' + i * interval '7 s', i * 31 % 1000, repeat('x', 40)
FROM generate_series(1, 200000) i;
CREATE INDEX by_user ON tasks (user_id, created_at);
CREATE TABLE settings (id int PRIMARY KEY, name text, value text);
INSERT INTO settings SELECT i, 'name' || i, '' FROM generate_series(1, 40) i;
CREATE SCHEMA "Ünï";
CREATE TABLE "Ünï"."we""ird Table" ("select" int, "Größe" int, "a b" text);
INSERT INTO "Ünï"."we""ird Table" SELECT i % 5000, i, '' FROM generate_series(1, 50000) i;
CREATE TABLE parted (k int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO parted SELECT i, '2024-05-01' FROM generate_series(1, 20000) i;
CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE status = 'queued';
ANALYZE;
"""


def sync(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


async def advised(
    url: str, *statements: str | Statement, pricer: Pricer | None = None, **bounds: int
) -> Advice:
    workload = Workload.of(
        Statement(text=one, calls=100, total_s=1.0) if isinstance(one, str) else one
        for one in statements
    )
    async with Database.connect(url) as database:
        return await advise(database, workload, pricer=pricer, **bounds)


def made(advice: Advice) -> list[str]:
    return [one.statement for one in advice.recommendations]


def refused(advice: Advice) -> dict[str, tuple[str, str]]:
    """Why each index was refused: what it is → code, and the name that the reason holds."""
    return {
        one.index.shown: (
            one.code,
            str(next(iter(one.reason.values.values()), "")),
        )
        for one in advice.refusals
    }
