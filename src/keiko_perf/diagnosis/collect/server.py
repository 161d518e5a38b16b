"""
Server: the counters of the database and the server, their settings, and the extensions.
"""

from __future__ import annotations

from keiko_perf.diagnosis.evidence import (
    Archiver,
    Checkpoints,
    Collation,
    DatabaseStats,
    Extension,
    Setting,
    Settings,
    Wal,
)
from keiko_perf.diagnosis.postgres import Database

READ = (
    "autovacuum", "block_size", "checkpoint_timeout", "deadlock_timeout", "effective_cache_size",
    "fsync", "full_page_writes", "ignore_checksum_failure", "zero_damaged_pages",
    "idle_in_transaction_session_timeout", "jit", "jit_above_cost", "log_lock_waits",
    "log_min_duration_statement", "log_statement", "maintenance_work_mem", "max_connections",
    "max_parallel_workers", "max_parallel_workers_per_gather", "max_slot_wal_keep_size",
    "max_wal_size", "max_worker_processes", "random_page_cost", "seq_page_cost", "shared_buffers",
    "track_activities", "track_counts", "track_io_timing", "wal_buffers", "work_mem",
)  # fmt: skip
"""The settings that a rule looks at, and the switches of the planner."""
MOST_COLLATIONS = 20


async def settings(database: Database) -> Settings:
    """The settings that rules look at; those that this user may not see are left out."""
    rows = await database.rows(_SETTINGS, names=list(READ))
    return Settings(
        by_name={
            row["name"]: Setting(value=row["setting"], unit=row["unit"], source=row["source"])
            for row in rows
            if row["setting"] is not None
        }
    )


async def database_statistics(database: Database) -> DatabaseStats | None:
    """What the current database did, and which of the server's is oldest."""
    major = database.server.major
    columns = {
        "sessions": "d.sessions" if major >= 14 else "NULL::bigint",
        "planned": "d.parallel_workers_to_launch" if major >= 18 else "NULL::bigint",
        "launched": "d.parallel_workers_launched" if major >= 18 else "NULL::bigint",
    }
    row = await database.row(_DATABASE.format(**columns))
    if row is None:
        return None
    return DatabaseStats(
        commits=row["commits"],
        rollbacks=row["rollbacks"],
        hit_blocks=row["hit"],
        read_blocks=row["read"],
        read_s=row["read_ms"] / 1000 if row["read_ms"] else None,
        temp_bytes=float(row["temp_bytes"]),
        temp_files=row["temp_files"],
        deadlocks=row["deadlocks"],
        sessions=row["sessions"],
        workers_planned=row["workers_planned"],
        workers_launched=row["workers_launched"],
        oldest=row["oldest"],
        oldest_age=row["oldest_age"],
        checksum_failures=row["checksum_failures"],
        checksum_failed_at=row["checksum_failed_at"],
    )


async def checkpoints(database: Database) -> Checkpoints | None:
    """How many checkpoints there were, and why."""
    row = await database.row(_CHECKPOINTS_17 if database.server.major >= 17 else _CHECKPOINTS)
    return None if row is None else Checkpoints(**row)


async def wal(database: Database) -> Wal | None:
    """What was written to the log; None before PostgreSQL 14."""
    row = await database.row(_WAL) if database.server.major >= 14 else None
    return None if row is None else Wal(**row)


async def archiver(database: Database) -> Archiver | None:
    """What became of the log's files; None where they are not archived."""
    row = await database.row(_ARCHIVER)
    return None if row is None else Archiver(**row)


async def extensions(database: Database) -> tuple[Extension, ...]:
    """The extensions that are installed, with the version that the server could install."""
    return tuple(Extension(**row) for row in await database.rows(_EXTENSIONS))


async def collations(database: Database) -> tuple[Collation, ...]:
    """The orders of texts by which indexes are sorted, and which the system has changed since."""
    sql = _COLLATIONS.format(database=_OF_DATABASE if database.server.major >= 15 else "")
    return tuple(Collation(**row) for row in await database.rows(sql, most=MOST_COLLATIONS))


# A database notes the version of its own order from PostgreSQL 15 on.
_COLLATIONS = """
WITH used AS MATERIALIZED (
    SELECT l.oid, count(DISTINCT x.indexrelid) AS indexes
    FROM pg_catalog.pg_index x
    CROSS JOIN LATERAL unnest(x.indcollation::oid[]) AS one(oid)
    JOIN pg_catalog.pg_collation l ON l.oid = one.oid
    WHERE x.indrelid >= 16384
    GROUP BY 1
), known AS (
    SELECT n.nspname::text AS schema, l.collname::text AS name, l.collversion AS version,
           pg_collation_actual_version(l.oid) AS actual, u.indexes
    FROM used u
    JOIN pg_catalog.pg_collation l ON l.oid = u.oid AND l.collname <> 'default'
    JOIN pg_catalog.pg_namespace n ON n.oid = l.collnamespace
    {database}
)
SELECT current_database()::text AS database, * FROM known
WHERE version IS NOT NULL AND actual IS NOT NULL AND version <> actual
ORDER BY indexes DESC, name LIMIT :most
"""

_OF_DATABASE = """
    UNION ALL
    SELECT NULL, d.datname::text, d.datcollversion,
           pg_database_collation_actual_version(d.oid), u.indexes
    FROM used u
    JOIN pg_catalog.pg_collation l ON l.oid = u.oid AND l.collname = 'default'
    JOIN pg_catalog.pg_database d ON d.datname = current_database()
"""

# Not as they are now, which for some is our own doing, but as a session finds them.
_SETTINGS = """
SELECT name, reset_val AS setting, unit, source FROM pg_catalog.pg_settings
WHERE name = ANY (CAST(:names AS text[])) OR name LIKE 'enable\\_%'
"""

_DATABASE = """
SELECT d.xact_commit AS commits, d.xact_rollback AS rollbacks, d.blks_hit AS hit,
       d.blks_read AS read, d.blk_read_time AS read_ms, d.temp_bytes, d.temp_files, d.deadlocks,
       {sessions} AS sessions, {planned} AS workers_planned,
       {launched} AS workers_launched, o.datname::text AS oldest, age(o.datfrozenxid) AS oldest_age,
       checked.failures AS checksum_failures, checked.failed_at AS checksum_failed_at
FROM pg_catalog.pg_stat_database d
CROSS JOIN (
    SELECT datname, datfrozenxid FROM pg_catalog.pg_database
    ORDER BY age(datfrozenxid) DESC, datname = current_database(), datname LIMIT 1
) o
CROSS JOIN (
    SELECT sum(checksum_failures)::bigint AS failures, max(checksum_last_failure) AS failed_at
    FROM pg_catalog.pg_stat_database
) checked
WHERE d.datname = current_database()
"""

_CHECKPOINTS = """
SELECT checkpoints_timed AS timed, checkpoints_req AS requested, stats_reset AS since_at
FROM pg_catalog.pg_stat_bgwriter
"""

_CHECKPOINTS_17 = """
SELECT num_timed AS timed, num_requested AS requested, stats_reset AS since_at
FROM pg_catalog.pg_stat_checkpointer
"""

_WAL = """
SELECT wal_bytes::float8 AS bytes, wal_records::float8 AS records,
       stats_reset AS since_at
FROM pg_catalog.pg_stat_wal
"""

_ARCHIVER = """
SELECT archived_count AS archived, failed_count AS failed, last_archived_time AS last_archived_at,
       last_failed_time AS last_failed_at, last_failed_wal AS last_failed
FROM pg_catalog.pg_stat_archiver WHERE archived_count > 0 OR failed_count > 0
"""

_EXTENSIONS = """
SELECT e.extname::text AS name, e.extversion AS version, a.default_version AS available
FROM pg_catalog.pg_extension e
LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = e.extname
ORDER BY 1
"""
