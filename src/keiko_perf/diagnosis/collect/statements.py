"""
Statements: what pg_stat_statements recorded of the current database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keiko_perf.diagnosis.collect.asking import grant
from keiko_perf.diagnosis.evidence import StatementStats
from keiko_perf.diagnosis.evidence.statements import MOST_CHARACTERS
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import TAG, Database
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Gap, say

MOST_STATEMENTS = 5_000
HIDDEN = "<insufficient privilege>"
"""What pg_stat_statements shows in place of the statements of others."""

_STATEMENTS = say("the statements that the database executed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """
    What pg_stat_statements tells of the current database.

    Attributes:
        statements: the weightiest, by their total time.
        total_s: the time of all, also of those not listed; what a function executes is counted
            once, with the statement that called it.
        left_out: how many are not listed.
        since_at: since when they are counted; None if not known.
        evicted: how often the rarest were forgotten for want of room; None if not known.
        gaps: what this user may not see of them.
    """

    statements: tuple[StatementStats, ...] = ()
    total_s: float = 0.0
    left_out: int = 0
    since_at: datetime | None = None
    evicted: int | None = None
    gaps: tuple[Gap, ...] = ()


async def statement_statistics(
    database: Database,
    *,
    limit: int = MOST_STATEMENTS,
    slower_than_s: float | None = None,
) -> Statements | Gap:
    """
    The statements of the current database, ours left out; a gap if there are no statistics.

    Args:
        limit: at most so many: those that took most time in all.
        slower_than_s: only those whose mean time is above this, and by that time instead.
    """
    extension = await database.row(_EXTENSION)
    if extension is None:
        return Gap(
            subject=_STATEMENTS,
            reason=say("pg_stat_statements is not installed in this database"),
            remedy=say(
                "As a superuser: CREATE EXTENSION pg_stat_statements; it also has to be in"
                " shared_preload_libraries, which needs a restart"
            ),
        )
    version = _version(extension["version"])
    if version < (1, 8):
        return Gap(
            subject=_STATEMENTS,
            reason=say("pg_stat_statements is of version {version}", version=extension["version"]),
            remedy=say("As a superuser: ALTER EXTENSION pg_stat_statements UPDATE"),
        )
    place = quoted(extension["schema"])
    try:
        rows = await database.rows(
            _statistics(f"{place}.pg_stat_statements", version),
            ours=f"%{TAG}%",
            limit=limit,
            slower_than_ms=None if slower_than_s is None else slower_than_s * 1000,
        )
        info = await database.row(_INFO.format(place=place)) if version >= (1, 9) else None
    except StatementFailed as error:
        return _no_statements(error, database)
    return _statements(rows, info or {}, database)


async def counters_view(database: Database) -> str | None:
    """The view pg_stat_statements with its schema; None if there is none that counts by time."""
    extension = await database.row(_EXTENSION)
    if extension is None or _version(extension["version"]) < (1, 8):
        return None
    return f"{quoted(extension['schema'])}.pg_stat_statements"


def _statements(rows: list[dict[str, Any]], info: dict[str, Any], database: Database) -> Statements:
    # Of hidden ones not even the identifiers are told: they are all in one row.
    hidden = sum(int(row["entries"]) for row in rows if row["query"] in (None, HIDDEN))
    gap = Gap(
        subject=_STATEMENTS,
        reason=say(
            "the user {user} may not see the text of {hidden:count} statements of others",
            user=database.server.user,
            hidden=hidden,
        ),
        remedy=grant(database),
    )
    return Statements(
        statements=tuple(
            _statement(row)
            for row in rows
            if row["query"] is not None and row["query"] != HIDDEN and row["calls"]
        ),
        total_s=float(rows[0]["all_ms"] or 0.0) / 1000 if rows else 0.0,
        left_out=int(rows[0]["counted"]) - len(rows) if rows else 0,
        since_at=info.get("stats_reset"),
        evicted=info.get("dealloc"),
        gaps=(gap,) if hidden else (),
    )


def _statement(row: dict[str, Any]) -> StatementStats:
    calls = int(row["calls"])
    return StatementStats(
        query=row["query"],
        calls=calls,
        total_s=row["total_ms"] / 1000,
        mean_s=row["total_ms"] / calls / 1000,
        stddev_s=(row["variance"] or 0.0) ** 0.5 / 1000,
        max_s=row["max_ms"] / 1000,
        rows=int(row["rows"]),
        hit_blocks=int(row["hit"]),
        read_blocks=int(row["read"]),
        temp_blocks=int(row["temp"]),
        read_s=_timed(row["read_ms"]),
        plan_s=_timed(row["plan_ms"]),
        wal_bytes=float(row["wal_bytes"]),
        jit_s=None if row["jit_ms"] is None else row["jit_ms"] / 1000,
        characters=int(row["characters"]),
    )


def _timed(milliseconds: float) -> float | None:
    # Where the server does not time it (track_planning, track_io_timing) it counts nothing.
    return milliseconds / 1000 if milliseconds else None


def _no_statements(error: StatementFailed, database: Database) -> Gap:
    if error.sqlstate == "55000":
        return Gap(
            subject=_STATEMENTS,
            reason=say("pg_stat_statements is installed, but was not loaded at the server's start"),
            remedy=say(
                "Add pg_stat_statements to shared_preload_libraries in postgresql.conf and restart"
                " the server"
            ),
        )
    if error.sqlstate == "42501":
        return Gap(
            subject=_STATEMENTS,
            reason=say(
                "the user {user} may not read pg_stat_statements", user=database.server.user
            ),
            remedy=grant(database),
        )
    raise error


def _version(text: str) -> tuple[int, ...]:
    """1.10 is newer than 1.9."""
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _statistics(view: str, version: tuple[int, ...]) -> str:
    """The question in the words of one version of the extension."""
    jit = "NULL::float8"
    if version >= (1, 10):
        jit = "jit_generation_time + jit_inlining_time + jit_optimization_time + jit_emission_time"
    return _STATEMENT_STATISTICS.format(
        view=view,
        most=MOST_CHARACTERS,
        jit=jit,
        read="shared_blk_read_time" if version >= (1, 11) else "blk_read_time",
        toplevel="toplevel" if version >= (1, 9) else "true",
    )


_EXTENSION = """
SELECT n.nspname::text AS schema, e.extversion AS version
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""

_INFO = "SELECT dealloc, stats_reset FROM {place}.pg_stat_statements_info"

# One row a statement, whoever executed it. Variances are pooled around the common mean. Who had a
# statement EXPLAINed within has it recorded once more, under the text of the EXPLAIN.
_STATEMENT_STATISTICS = """
WITH one AS (
    SELECT queryid, query, calls, total_exec_time, max_exec_time, rows,
           stddev_exec_time ^ 2 + mean_exec_time ^ 2 AS square,
           shared_blks_hit, shared_blks_read, temp_blks_written,
           total_plan_time, wal_bytes, {read} AS read_ms, {jit} AS jit_ms, {toplevel} AS toplevel
    FROM {view}
    WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND (query IS NULL OR query NOT LIKE :ours)
), statement AS (
    SELECT coalesce(min(query) FILTER (WHERE query !~* '^\\s*explain\\M'), min(query)) AS query,
           sum(calls) AS calls, sum(total_exec_time) AS total_ms,
           sum(total_exec_time) FILTER (WHERE toplevel) AS top_ms,
           max(max_exec_time) AS max_ms, sum(rows) AS rows,
           greatest(sum(square * calls) / nullif(sum(calls), 0)
                    - (sum(total_exec_time) / nullif(sum(calls), 0)) ^ 2, 0) AS variance,
           sum(shared_blks_hit) AS hit, sum(shared_blks_read) AS read,
           sum(temp_blks_written) AS temp, sum(total_plan_time) AS plan_ms,
           sum(wal_bytes)::float8 AS wal_bytes, sum(read_ms) AS read_ms, sum(jit_ms) AS jit_ms,
           count(*) AS entries
    FROM one GROUP BY queryid, (CASE WHEN queryid IS NULL THEN query END)
), weightiest AS (
    SELECT *, count(*) OVER () AS counted, sum(top_ms) OVER () AS all_ms
    FROM statement
    WHERE CAST(:slower_than_ms AS float8) IS NULL OR total_ms > :slower_than_ms * calls
    ORDER BY CASE WHEN CAST(:slower_than_ms AS float8) IS NULL THEN total_ms
                  ELSE total_ms / calls END DESC, query
    LIMIT :limit
)
SELECT left(query, {most}) AS query, length(query) AS characters, calls, total_ms, max_ms, rows,
       variance, hit, read, temp, plan_ms, wal_bytes, read_ms, jit_ms, entries, counted, all_ms
FROM weightiest
"""
