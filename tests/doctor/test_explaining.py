"""Why a slow statement takes long that no index helps, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import psycopg
import pytest

from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.doctor.explaining import as_sent, explained
from keiko_perf.doctor.symptoms import Reason
from keiko_perf.render import phrase

SETUP = """
SET synchronous_commit = off;
CREATE TABLE orders (
    id int PRIMARY KEY, external varchar(20), email text, status text, placed date
);
INSERT INTO orders
    SELECT i, i::text, 'User' || i, (ARRAY['paid', 'new'])[1 + i % 2], date '2024-01-01' + i % 300
    FROM generate_series(1, 60000) i;
CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders (id) ON DELETE CASCADE);
INSERT INTO items SELECT i, i FROM generate_series(1, 60000) i;
CREATE TABLE events (id serial PRIMARY KEY, order_id int);
CREATE FUNCTION recount() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER recounted AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION recount();
CREATE TABLE quiet (id serial PRIMARY KEY, order_id int);
CREATE SCHEMA other;
CREATE TABLE other.quiet (id serial PRIMARY KEY, order_id int);
CREATE TRIGGER recounted AFTER INSERT ON other.quiet FOR EACH ROW EXECUTE FUNCTION recount();
VACUUM ANALYZE orders;
VACUUM ANALYZE items;
CREATE TABLE shipments (id int PRIMARY KEY, sent_on date) WITH (autovacuum_enabled = off);
INSERT INTO shipments SELECT i, date '2020-01-01' FROM generate_series(1, 60) i;
CREATE INDEX shipments_sent ON shipments (sent_on);
ANALYZE shipments;
INSERT INTO shipments SELECT i, date '2024-01-01' + i % 300 FROM generate_series(61, 200000) i;
CREATE TABLE jobs (id int PRIMARY KEY, due int, payload text) WITH (autovacuum_enabled = off);
INSERT INTO jobs SELECT i, i, repeat('x', 120) FROM generate_series(1, 200000) i;
CREATE INDEX jobs_due ON jobs (due);
SELECT pg_stat_force_next_flush();
ANALYZE jobs;
DELETE FROM jobs WHERE id <= 190000;
"""

REASONS = [
    ("plan.cast-on-column", "SELECT id FROM orders WHERE CAST(external AS bigint) = $1"),
    ("plan.function-on-column", "SELECT id FROM orders WHERE lower(email) = $1"),
    ("plan.pattern", "SELECT id FROM orders WHERE email ILIKE $1 LIMIT $2"),
    ("plan.random-order", "SELECT id FROM orders ORDER BY random() LIMIT $1"),
    ("plan.counted-anew", "SELECT count(*) FROM orders WHERE status = $1"),
    ("plan.counted-anew", "SELECT status, count(*) FROM orders GROUP BY status"),
    ("indexes.foreign-key", "DELETE FROM orders WHERE id = $1"),
    ("tables.triggers", "INSERT INTO events (order_id) VALUES ($1)"),
    ("tables.triggers", "INSERT INTO other.quiet (order_id) VALUES ($1)"),
    ("tables.stale-statistics",
     "SELECT count(*) FROM shipments s JOIN orders o ON o.id = s.id"
     " WHERE s.sent_on >= date '2024-02-01' AND s.sent_on < date '2024-02-04'"),
    ("tables.dead-tuples", "SELECT id FROM jobs ORDER BY due LIMIT 1"),
]  # fmt: skip

NONE = [
    ("a lookup by key", "SELECT id FROM orders WHERE id = $1"),
    ("a write without a trigger", "INSERT INTO quiet (order_id) VALUES ($1)"),
    ("a change, which fires no trigger on INSERT", "UPDATE events SET order_id = $1 WHERE id = $2"),
    ("a DELETE to which nothing refers", "DELETE FROM items WHERE id = $1"),
    ("all rows of a table", "SELECT id, email FROM orders"),
    ("a count of few rows", "SELECT count(*) FROM orders WHERE id = $1"),
    ("a pattern beside a key", "SELECT id FROM orders WHERE id = $1 AND email ILIKE $2"),
    ("what the server cannot plan", "SELECT id FROM nowhere"),
]


@pytest.fixture(scope="module")
def shop(new_database: Callable[[str], AbstractContextManager[str]]) -> Iterator[str]:
    with new_database("explaining") as url:
        plain = url.replace("postgresql+psycopg://", "postgresql://")
        with psycopg.connect(plain, autocommit=True) as session:
            for statement in SETUP.replace("\n    ", " ").split(";\n"):
                if statement.strip():
                    session.execute(statement.encode())
        yield url


async def reasons(url: str, query: str) -> tuple[Reason, ...]:
    async with Database.connect(url) as database:
        evidence = await collect(database)
        slow = Statement(text=query, calls=100, total_s=30.0)
        return await explained(
            database, (slow,), evidence, judge(evidence).findings, is_late=lambda: False
        )


@pytest.mark.parametrize(("code", "query"), REASONS, ids=[f"{c} {q[:40]}" for c, q in REASONS])
async def test_the_reason_of_a_slow_statement_is_found(shop: str, code: str, query: str) -> None:
    (found,) = await reasons(shop, query)
    assert found.finding.code == code
    assert phrase(found.finding.summary)


@pytest.mark.parametrize(("why", "query"), NONE, ids=[why for why, _ in NONE])
async def test_nothing_is_said_of(shop: str, why: str, query: str) -> None:
    assert await reasons(shop, query) == ()


async def test_a_foreign_key_without_an_index_comes_with_the_statement_that_makes_it(
    shop: str,
) -> None:
    (found,) = await reasons(shop, "DELETE FROM orders WHERE id = $1")
    assert found.finding.cure == "CREATE INDEX CONCURRENTLY ON items (order_id);"


async def test_dead_rows_and_old_statistics_go_before_an_index(shop: str) -> None:
    for code, query in REASONS[-2:]:
        (found,) = await reasons(shop, query)
        assert found.is_before_index, code
    (found,) = await reasons(shop, REASONS[0][1])
    assert not found.is_before_index


async def test_dead_rows_that_a_whole_table_is_read_with_go_behind_an_index(shop: str) -> None:
    by_index = "SELECT id FROM jobs WHERE due > $1 ORDER BY due LIMIT $2"
    (found,) = await reasons(shop, by_index)
    assert (found.finding.code, found.is_before_index) == ("tables.dead-tuples", True)
    (found,) = await reasons(shop, "SELECT id FROM jobs WHERE payload = $1")
    assert (found.finding.code, found.is_before_index) == ("tables.dead-tuples", False)


async def test_what_the_server_wrote_down_and_cannot_plan_is_planned_as_it_was_sent(
    shop: str,
) -> None:
    sent = "SELECT id FROM orders WHERE placed > date '2024-01-01' + CAST($1 AS int) + 3"
    written = "SELECT id FROM orders WHERE placed > date $2 + CAST($1 AS int) + $3"
    other = "SELECT id FROM orders WHERE id = $1"
    async with Database.connect(shop) as database:
        kept = [Statement(text=written), Statement(text=other)]
        found = await as_sent(database, kept, (sent, "SELECT id FROM orders WHERE id = 5"))
    assert [one.text for one in found] == [sent, other]
