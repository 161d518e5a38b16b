"""
Activity: who is connected, who has been in a transaction for long, and who waits for whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keiko_perf.diagnosis.collect.asking import grant
from keiko_perf.diagnosis.evidence import (
    Connections,
    PreparedTransaction,
    Session,
    Waiter,
)
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.model import Gap, say

MOST_SESSIONS = 200
MOST_WAITERS = 200
LONG_S = 10.0
"""From here on a transaction is listed."""


async def connections(database: Database, keep: Callable[[Gap], None]) -> Connections:
    """Who is connected and who waits; what this user may not see of others is a gap."""
    counts = await database.row(_COUNTS)
    assert counts is not None
    if counts["hidden"]:
        keep(
            Gap(
                subject=say("what {hidden:count} connections do", hidden=counts["hidden"]),
                reason=say("the user {user} may not see what others do", user=database.server.user),
                remedy=grant(database),
            )
        )
    states = await database.rows(_STATES)
    waiters = await _waiters(database) if counts["waiting"] or counts["hidden"] else ()
    pids = {one.pid for one in waiters} | {pid for one in waiters for pid in one.blockers}
    rows = await database.rows(_SESSIONS, pids=sorted(pids), long_s=LONG_S, most=MOST_SESSIONS)
    return Connections(
        used=counts["used"],
        most=max(int(counts["most"]), 1),
        by_state=tuple((row["state"], row["sessions"]) for row in states),
        sessions=tuple(_session(row) for row in rows),
        sessions_left_out=int(rows[0]["counted"]) - len(rows) if rows else 0,
        waiters=waiters,
        prepared=tuple(_prepared(await database.rows(_PREPARED, most=MOST_SESSIONS))),
    )


async def _waiters(database: Database) -> tuple[Waiter, ...]:
    since = (
        "l.waitstart" if database.server.major >= 14 else "coalesce(a.state_change, a.query_start)"
    )
    rows = await database.rows(_WAITERS.format(since=since), most=MOST_WAITERS)
    return tuple(
        Waiter(
            pid=row["pid"],
            blockers=tuple(sorted(set(row["blockers"]))),
            mode=row["mode"],
            on=row["on_what"],
            held=row["held"] or "",
            waits_s=row["waits_s"],
        )
        for row in rows
    )


def _session(row: dict[str, Any]) -> Session:
    return Session(
        pid=row["pid"],
        user=row["user_name"] or "",
        application=row["application"] or "",
        state=row["state"],
        query=" ".join((row["query"] or "").split()),
        transaction_s=row["transaction_s"],
        state_s=row["state_s"],
        holds_back_rows=row["holds_back"],
        is_here=row["is_here"],
        waits_for=row["waits_for"],
    )


def _prepared(rows: Iterable[dict[str, Any]]) -> Iterable[PreparedTransaction]:
    for row in rows:
        yield PreparedTransaction(
            name=row["name"],
            age_s=row["age_s"],
            user=row["owner"],
            holds_back_rows=row["holds_back"],
            is_here=row["is_here"],
        )


# What may not be seen of another's session is NULL, its kind too.
_COUNTS = """
SELECT count(*) FILTER (WHERE a.backend_type = 'client backend'
                        OR (a.backend_type IS NULL AND a.datid <> 0)) AS used,
       count(*) FILTER (WHERE a.backend_type IS NULL AND a.datid <> 0) AS hidden,
       count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting,
       current_setting('max_connections')::int
           - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true), '0')::int AS most
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
"""

_STATES = """
SELECT coalesce(state, '') AS state, count(*) AS sessions
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
GROUP BY 1 ORDER BY 2 DESC, 1
"""

# Who has written holds back rows by his transaction's number, even where he sees none any more.
_SESSIONS = """
SELECT a.pid, a.usename::text AS user_name, a.application_name::text AS application, a.state,
       left(a.query, 300) AS query,
       greatest(age(a.backend_xmin), age(a.backend_xid)) AS holds_back,
       coalesce(a.datname = current_database(), false) AS is_here,
       a.wait_event_type AS waits_for,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS transaction_s,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS state_s,
       count(*) OVER () AS counted
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_backend_pid()
  AND (a.pid = ANY (CAST(:pids AS int[]))
       OR (a.backend_type = 'client backend'
           AND a.xact_start < clock_timestamp() - :long_s * interval '1 second'))
ORDER BY a.pid = ANY (CAST(:pids AS int[])) DESC, a.xact_start, a.pid
LIMIT :most
"""

# Who waits for a row waits for its holder's transaction, and keeps the row's lock meanwhile: that
# one tells the table.
_WAITERS = """
WITH held AS MATERIALIZED (SELECT * FROM pg_catalog.pg_locks), waiting AS (
    SELECT l.pid, l.mode, l.locktype, {since} AS since_at, pg_blocking_pids(l.pid) AS blockers,
           coalesce(l.database, t.database) AS database,
           coalesce(l.relation, t.relation) AS relation
    FROM held l
    JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN LATERAL (
        SELECT h.database, h.relation FROM held h
        WHERE h.pid = l.pid AND h.locktype = 'tuple' AND h.granted LIMIT 1
    ) t ON l.locktype = 'transactionid'
    WHERE NOT l.granted AND a.datname = current_database()
    ORDER BY 4 LIMIT :most
)
SELECT w.pid, w.mode, w.blockers,
       coalesce(CASE WHEN n.nspname = 'public' THEN '' ELSE quote_ident(n.nspname) || '.' END
                || quote_ident(c.relname), w.locktype) AS on_what,
       (SELECT string_agg(DISTINCT h.mode, ', ') FROM held h
        WHERE h.granted AND h.pid = ANY (w.blockers) AND h.relation = w.relation
          AND h.database = w.database AND h.locktype = 'relation') AS held,
       extract(epoch FROM clock_timestamp() - w.since_at)::float8 AS waits_s
FROM waiting w
LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation AND w.database = (
    SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE cardinality(w.blockers) > 0
ORDER BY waits_s DESC NULLS LAST, w.pid
"""

_PREPARED = """
SELECT gid AS name, owner::text AS owner, age(transaction) AS holds_back,
       database = current_database() AS is_here,
       extract(epoch FROM clock_timestamp() - prepared)::float8 AS age_s
FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT :most
"""
