"""
Questions to the catalog, one function each: what they bring home is evidence, or a gap.

Each takes at most so many rows, the weightiest first, and says how many it left out. The sizes
come from pg_class, not from the file system: no lock is taken on anybody's table.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from keiko_perf.diagnosis.evidence import (
    Autovacuum,
    Evidence,
    IndexStats,
    StatementStats,
    TableStats,
)
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.parser import quoted
from keiko_perf.diagnosis.postgres import TAG, Database
from keiko_perf.model import Gap, Message, say

MOST_STATEMENTS = 5_000
MOST_TABLES = 10_000
MOST_INDEXES = 50_000


async def collect(database: Database) -> Evidence:
    """
    All evidence that this user may see.

    Raises:
        DatabaseUnavailable: the connection was lost, or the catalog does not answer in time.
    """
    clock = await database.row(_CLOCK)
    assert clock is not None
    statements = await statement_statistics(database)
    tables, tables_left_out = await table_statistics(database)
    indexes, indexes_left_out = await index_statistics(database)
    gaps = [statements] if isinstance(statements, Gap) else list(statements.gaps)
    listed = Statements() if isinstance(statements, Gap) else statements
    return Evidence(
        read_at=clock["read_at"],
        since_at=clock["since_at"],
        statements=listed.statements,
        statements_total_s=listed.total_s,
        statements_left_out=listed.left_out,
        tables=tables,
        tables_left_out=tables_left_out,
        indexes=indexes,
        indexes_left_out=indexes_left_out,
        autovacuum=await autovacuum(database),
        is_standby=database.server.is_standby,
        gaps=tuple(gaps),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """
    What pg_stat_statements tells of the current database.

    Attributes:
        statements: the weightiest, by their total time.
        total_s: the time of all, also of those not listed.
        left_out: how many are not listed.
        gaps: what this user may not see of them.
    """

    statements: tuple[StatementStats, ...] = ()
    total_s: float = 0.0
    left_out: int = 0
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
    if _version(extension["version"]) < (1, 8):
        return Gap(
            subject=_STATEMENTS,
            reason=say("pg_stat_statements is of version {version}", version=extension["version"]),
            remedy=say("As a superuser: ALTER EXTENSION pg_stat_statements UPDATE"),
        )
    view = f"{quoted(extension['schema'])}.pg_stat_statements"
    try:
        rows = await database.rows(
            _STATEMENT_STATISTICS.format(view=view),
            ours=f"%{TAG}%",
            limit=limit,
            slower_than_ms=None if slower_than_s is None else slower_than_s * 1000,
        )
    except StatementFailed as error:
        return _no_statements(error, database)
    return _statements(rows, database)


def _statements(rows: list[dict[str, Any]], database: Database) -> Statements:
    # Of hidden ones not even the identifiers are told: they are all in one row.
    hidden = sum(int(row["entries"]) for row in rows if row["query"] in (None, HIDDEN))
    gap = Gap(
        subject=_STATEMENTS,
        reason=say(
            "the user {user} may not see the text of {hidden:count} statements of others",
            user=database.server.user,
            hidden=hidden,
        ),
        remedy=_grant(database),
    )
    return Statements(
        statements=tuple(
            StatementStats(
                query=row["query"],
                calls=int(row["calls"]),
                total_s=row["total_ms"] / 1000,
                mean_s=row["total_ms"] / int(row["calls"]) / 1000,
                stddev_s=(row["variance"] or 0.0) ** 0.5 / 1000,
                max_s=row["max_ms"] / 1000,
                rows=int(row["rows"]),
                hit_blocks=int(row["hit"]),
                read_blocks=int(row["read"]),
                temp_blocks=int(row["temp"]),
            )
            for row in rows
            if row["query"] is not None and row["query"] != HIDDEN and row["calls"]
        ),
        total_s=float(rows[0]["all_ms"]) / 1000 if rows else 0.0,
        left_out=int(rows[0]["counted"]) - len(rows) if rows else 0,
        gaps=(gap,) if hidden else (),
    )


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
            remedy=_grant(database),
        )
    raise error


async def table_statistics(
    database: Database, *, limit: int = MOST_TABLES
) -> tuple[tuple[TableStats, ...], int]:
    """The tables and materialized views by their size, and how many are not listed."""
    rows = await database.rows(_TABLES, limit=limit)
    tables = tuple(
        TableStats(
            schema=row["schema"],
            name=row["name"],
            size_bytes=int(row["size_bytes"]),
            estimated_rows=_known(row["reltuples"], database.server.major),
            inserts=row["inserts"],
            updates=row["updates"],
            deletes=row["deletes"],
            live_rows=row["live_rows"],
            dead_rows=row["dead_rows"],
            modified_rows=row["modified_rows"],
            inserted_rows=row["inserted_rows"],
            last_vacuum_at=row["last_vacuum_at"],
            last_analyze_at=row["last_analyze_at"],
            seq_scans=row["seq_scans"],
            index_scans=row["index_scans"],
            options=dict(one.split("=", 1) for one in row["options"] or ()),
        )
        for row in rows
    )
    return tables, int(rows[0]["counted"]) - len(rows) if rows else 0


def _known(reltuples: float, major: int) -> float | None:
    # Up to 13, 0 stands for both "empty" and "never counted"; then -1 for the latter.
    return None if reltuples < 0 or (reltuples == 0 and major < 14) else float(reltuples)


async def index_statistics(
    database: Database, *, limit: int = MOST_INDEXES
) -> tuple[tuple[IndexStats, ...], int]:
    """The indexes by their size, and how many are not listed."""
    last_scan = (
        "pg_stat_get_lastscan(x.indexrelid)" if database.server.major >= 16 else "NULL::timestamptz"
    )
    rows = await database.rows(_INDEXES.format(last_scan=last_scan), limit=limit)
    names = [field.name for field in fields(IndexStats)]
    indexes = tuple(IndexStats(**{name: row[name] for name in names}) for row in rows)
    return indexes, int(rows[0]["counted"]) - len(rows) if rows else 0


async def autovacuum(database: Database) -> Autovacuum:
    """The server's own settings of autovacuum."""
    rows = await database.rows(_AUTOVACUUM)
    setting = {row["name"]: row["setting"] for row in rows}
    return Autovacuum(
        is_on=setting.get("autovacuum") == "on" and setting.get("track_counts") == "on",
        vacuum_threshold=float(setting["autovacuum_vacuum_threshold"]),
        vacuum_scale_ratio=float(setting["autovacuum_vacuum_scale_factor"]),
        analyze_threshold=float(setting["autovacuum_analyze_threshold"]),
        analyze_scale_ratio=float(setting["autovacuum_analyze_scale_factor"]),
        vacuum_max_threshold=float(setting.get("autovacuum_vacuum_max_threshold", -1)),
    )


def _version(text: str) -> tuple[int, ...]:
    """1.10 is newer than 1.9."""
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _grant(database: Database) -> Message:
    return say("As a superuser: GRANT pg_monitor TO {user}", user=quoted(database.server.user))


HIDDEN = "<insufficient privilege>"
"""What pg_stat_statements shows in place of the statements of others."""

_STATEMENTS = say("the statements that the database executed")

_CLOCK = """
SELECT now() AS read_at, stats_reset AS since_at
FROM pg_catalog.pg_stat_database WHERE datname = current_database()
"""

_EXTENSION = """
SELECT n.nspname::text AS schema, e.extversion AS version
FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""

# One row a statement, whoever executed it; only columns that are named alike from 1.8 to 1.12.
# Variances are pooled around the common mean.
_STATEMENT_STATISTICS = """
WITH one AS (
    SELECT queryid, query, calls, total_exec_time, max_exec_time, rows,
           stddev_exec_time ^ 2 + mean_exec_time ^ 2 AS square,
           shared_blks_hit, shared_blks_read, temp_blks_written
    FROM {view}
    WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
      AND (query IS NULL OR query NOT LIKE :ours)
), statement AS (
    SELECT min(query) AS query, sum(calls) AS calls, sum(total_exec_time) AS total_ms,
           max(max_exec_time) AS max_ms, sum(rows) AS rows,
           greatest(sum(square * calls) / nullif(sum(calls), 0)
                    - (sum(total_exec_time) / nullif(sum(calls), 0)) ^ 2, 0) AS variance,
           sum(shared_blks_hit) AS hit, sum(shared_blks_read) AS read,
           sum(temp_blks_written) AS temp, count(*) AS entries
    FROM one GROUP BY queryid, (CASE WHEN queryid IS NULL THEN query END)
)
SELECT *, count(*) OVER () AS counted, sum(total_ms) OVER () AS all_ms
FROM statement
WHERE CAST(:slower_than_ms AS float8) IS NULL OR total_ms > :slower_than_ms * calls
ORDER BY CASE WHEN CAST(:slower_than_ms AS float8) IS NULL THEN total_ms
              ELSE total_ms / calls END DESC, query
LIMIT :limit
"""

_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       (c.relpages::bigint + coalesce(t.relpages, 0))
           * current_setting('block_size')::bigint AS size_bytes,
       c.reltuples::float8 AS reltuples, c.reloptions::text[] AS options,
       s.n_tup_ins AS inserts, s.n_tup_upd AS updates, s.n_tup_del AS deletes,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
       s.n_mod_since_analyze AS modified_rows, s.n_ins_since_vacuum AS inserted_rows,
       greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum_at,
       greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze_at,
       coalesce(s.seq_scan, 0) AS seq_scans, coalesce(s.idx_scan, 0) AS index_scans,
       count(*) OVER () AS counted
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_stat_user_tables s ON s.relid = c.oid
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
ORDER BY size_bytes DESC, s.n_live_tup DESC, c.oid LIMIT :limit
"""

# The counters come from the functions under the views, which group by table, and constraints are
# joined, for pg_constraint has no index by theirs: 50,000 indexes must not take minutes.
# The trees of expressions tell where in its source each part stood: that is no difference.
_INDEXES = """
SELECT n.nspname::text AS schema, c.relname::text AS table, i.relname::text AS name,
       concat_ws(' ', am.amname, x.indrelid, x.indkey, x.indclass, x.indcollation, x.indoption,
                 x.indnkeyatts,
                 regexp_replace(x.indexprs::text, 'location -?[0-9]+', '', 'g'), 'where',
                 regexp_replace(x.indpred::text, 'location -?[0-9]+', '', 'g')) AS shape,
       i.relpages * current_setting('block_size')::bigint AS size_bytes,
       pg_stat_get_numscans(x.indexrelid) AS scans, {last_scan} AS last_scan_at,
       x.indisvalid AND x.indisready AS is_valid,
       NOT (x.indisvalid AND x.indisready) AND EXISTS (
           SELECT FROM pg_catalog.pg_stat_progress_create_index p
           WHERE p.datname = current_database()
             AND coalesce(p.index_relid, 0) IN (0, x.indexrelid)
       ) AS is_being_built,
       x.indisunique AS is_unique,
       coalesce(
           'constraint ' || o.name,
           CASE WHEN x.indisreplident THEN 'replica identity' END,
           (SELECT 'index of the partitioned table' FROM pg_catalog.pg_inherits h
            WHERE h.inhrelid = x.indexrelid),
           '') AS backs,
       pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid)
           + pg_stat_get_tuples_deleted(c.oid) AS table_writes,
       (pg_stat_get_numscans(c.oid) + sum(pg_stat_get_numscans(x.indexrelid))
           OVER (PARTITION BY c.oid))::bigint AS table_scans,
       count(*) OVER () AS counted
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_am am ON am.oid = i.relam
LEFT JOIN (
    SELECT conindid, min(conname) AS name FROM pg_catalog.pg_constraint GROUP BY conindid
) o ON o.conindid = x.indexrelid
WHERE i.relkind = 'i' AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY i.relpages DESC, i.oid LIMIT :limit
"""

_AUTOVACUUM = """
SELECT name, setting FROM pg_catalog.pg_settings
WHERE name LIKE 'autovacuum%' OR name = 'track_counts'
"""
