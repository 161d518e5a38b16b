"""
Relations: the tables, their indexes, and when the server cleans them up by itself.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.diagnosis.evidence import Autovacuum, IndexStats, TableStats
from keiko_perf.diagnosis.postgres import Database

MOST_TABLES = 10_000
MOST_INDEXES = 50_000
MOST_SMALL_INDEXES = 1_000
"""Of indexes that are neither large nor otherwise noticeable; more tell nothing."""
LARGE_BYTES = 1024 * 1024


async def table_statistics(
    database: Database, *, limit: int = MOST_TABLES
) -> tuple[tuple[TableStats, ...], int]:
    """The tables and materialized views by their size, and how many are not listed."""
    major = database.server.major
    moved = "pg_stat_get_tuples_newpage_updated(c.oid)" if major >= 16 else "NULL::bigint"
    rows = await database.rows(_TABLES.format(moved=moved), limit=limit)
    tables = tuple(_table(row, major) for row in rows)
    return tables, int(rows[0]["counted"]) - len(rows) if rows else 0


def _table(row: dict[str, Any], major: int) -> TableStats:
    return TableStats(
        schema=row["schema"],
        name=row["name"],
        size_bytes=int(row["size_bytes"]) + int(row["toast_bytes"]),
        estimated_rows=_known(row["reltuples"], major),
        inserts=row["inserts"],
        updates=row["updates"],
        deletes=row["deletes"],
        live_rows=row["live_rows"],
        dead_rows=row["dead_rows"],
        modified_rows=row["modified_rows"],
        last_vacuum_at=row["last_vacuum_at"],
        last_analyze_at=row["last_analyze_at"],
        seq_scans=row["seq_scans"],
        index_scans=row["index_scans"],
        options=dict(one.split("=", 1) for one in row["options"] or ()),
        hot_updates=row["hot_updates"],
        moved_updates=row["moved_updates"],
        toast_bytes=int(row["toast_bytes"]),
        columns=row["columns"],
        has_primary_key=row["has_primary_key"],
        is_partition=row["is_partition"],
        frozen_age=row["frozen_age"],
        multixact_age=row["multixact_age"],
    )


def _known(reltuples: float, major: int) -> float | None:
    # Up to 13, 0 stands for both "empty" and "never counted"; then -1 for the latter.
    return None if reltuples < 0 or (reltuples == 0 and major < 14) else float(reltuples)


async def index_statistics(
    database: Database, *, limit: int = MOST_INDEXES
) -> tuple[tuple[IndexStats, ...], int]:
    """
    The indexes by their size, and how many are not listed.

    Of the small ones that are valid and like no other only the largest are listed.
    """
    major = database.server.major
    rows = await database.rows(
        _INDEXES,
        limit=limit,
        small=min(limit, MOST_SMALL_INDEXES),
        large_bytes=LARGE_BYTES,
    )
    indexes = tuple(_index(row, major) for row in rows)
    return indexes, int(rows[0]["counted"]) - len(rows) if rows else 0


def _index(row: dict[str, Any], major: int) -> IndexStats:
    keys, included = row["keys"], row["included"]
    return IndexStats(
        schema=row["schema"],
        table=row["table"],
        name=row["name"],
        shape=row["shape"],
        size_bytes=int(row["size_bytes"]),
        scans=row["scans"],
        is_valid=row["is_valid"],
        is_being_built=row["is_being_built"],
        is_unique=row["is_unique"],
        backs=row["backs"],
        table_writes=row["table_writes"],
        table_scans=row["table_scans"],
        keys=_keys(keys.split(), row) if keys else (),
        kind=row["kind"],
        has_included=bool(included),
        transactions=row["transactions"],
        rows_read=row["rows_read"],
        rows=_known(row["rows"], major),
        table_rows=_known(row["table_rows"], major),
    )


def _keys(columns: list[str], row: dict[str, Any]) -> tuple[str, ...]:
    """Column, operator class, collation and order of each key: equal texts are equal keys."""
    parts = zip(
        columns[: row["key_count"]],
        row["opclasses"].split(),
        row["collations"].split(),
        row["options"].split(),
        strict=False,
    )
    return tuple(" ".join(part) for part in parts)


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
        freeze_max_age=float(setting["autovacuum_freeze_max_age"]),
        multixact_freeze_max_age=float(setting["autovacuum_multixact_freeze_max_age"]),
    )


# The counters come from the functions under pg_stat_user_tables, which groups all indexes first.
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       c.relpages::bigint * current_setting('block_size')::bigint AS size_bytes,
       coalesce(t.relpages, 0)::bigint * current_setting('block_size')::bigint AS toast_bytes,
       c.reltuples::float8 AS reltuples, c.reloptions::text[] AS options,
       c.relnatts AS columns, c.relispartition AS is_partition,
       pg_stat_get_tuples_inserted(c.oid) AS inserts,
       pg_stat_get_tuples_updated(c.oid) AS updates,
       pg_stat_get_tuples_hot_updated(c.oid) AS hot_updates, {moved} AS moved_updates,
       pg_stat_get_tuples_deleted(c.oid) AS deletes,
       pg_stat_get_live_tuples(c.oid) AS live_rows, pg_stat_get_dead_tuples(c.oid) AS dead_rows,
       pg_stat_get_mod_since_analyze(c.oid) AS modified_rows,
       greatest(pg_stat_get_last_vacuum_time(c.oid),
                pg_stat_get_last_autovacuum_time(c.oid)) AS last_vacuum_at,
       greatest(pg_stat_get_last_analyze_time(c.oid),
                pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analyze_at,
       pg_stat_get_numscans(c.oid) AS seq_scans, coalesce(i.scans, 0)::bigint AS index_scans,
       coalesce(i.has_primary_key, false) AS has_primary_key,
       greatest(age(nullif(c.relfrozenxid, '0')), age(nullif(t.relfrozenxid, '0'))) AS frozen_age,
       greatest(mxid_age(nullif(c.relminmxid, '0')), mxid_age(nullif(t.relminmxid, '0')))
           AS multixact_age,
       count(*) OVER () AS counted
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
LEFT JOIN (
    SELECT indrelid, sum(pg_stat_get_numscans(indexrelid)) AS scans,
           bool_or(indisprimary) AS has_primary_key
    FROM pg_catalog.pg_index GROUP BY indrelid
) i ON i.indrelid = c.oid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY c.relpages::bigint + coalesce(t.relpages, 0) DESC,
         pg_stat_get_live_tuples(c.oid) DESC, c.oid
LIMIT :limit
"""

# Constraints are joined, for pg_constraint has no index by theirs: 50,000 indexes must not take
# minutes, so what is dear is asked only of those that are listed. Those on the same columns may be
# duplicates. The trees of expressions tell where in its source each part stood: that is no
# difference.
_INDEXES = """
WITH one AS MATERIALIZED (
    SELECT x.indexrelid, x.indrelid, x.indkey::text AS columns, i.relpages,
           NOT (x.indisvalid AND x.indisready) AS is_broken,
           row_number() OVER (ORDER BY i.relpages DESC, i.oid) AS place, count(*) OVER () AS counted
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    WHERE i.relkind = 'i' AND i.relpersistence <> 't' AND i.relnamespace IN (
        SELECT oid FROM pg_catalog.pg_namespace
        WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
), listed AS MATERIALIZED (
    SELECT x.*, x.indisvalid AND x.indisready AS is_valid, age(x.xmin) AS transactions,
           o.place, o.counted, c.relname AS table_name, c.relnamespace, c.reltuples AS table_rows,
           i.relname, i.relam, i.reltuples,
           i.relpages::bigint * current_setting('block_size')::bigint AS size_bytes
    FROM one o
    JOIN pg_catalog.pg_index x ON x.indexrelid = o.indexrelid
    JOIN pg_catalog.pg_class i ON i.oid = o.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = o.indrelid
    WHERE o.place <= :small OR o.is_broken
       OR o.relpages::bigint * current_setting('block_size')::bigint >= :large_bytes
       OR (o.indrelid, o.columns) IN (
           SELECT indrelid, columns FROM one GROUP BY 1, 2 HAVING count(*) > 1)
    ORDER BY o.place LIMIT :limit
)
SELECT n.nspname::text AS schema, l.table_name::text AS table, l.relname::text AS name,
       concat_ws(' ', am.amname, l.indrelid, l.indkey, l.indclass, l.indcollation, l.indoption,
                 l.indnkeyatts,
                 regexp_replace(l.indexprs::text, 'location -?[0-9]+', '', 'g'), 'where',
                 regexp_replace(l.indpred::text, 'location -?[0-9]+', '', 'g')) AS shape,
       l.size_bytes, pg_stat_get_numscans(l.indexrelid) AS scans,
       l.is_valid,
       NOT l.is_valid AND EXISTS (
           SELECT FROM pg_catalog.pg_stat_progress_create_index p
           WHERE p.datname = current_database()
             AND coalesce(p.index_relid, 0) IN (0, l.indexrelid)
       ) AS is_being_built,
       l.indisunique AS is_unique,
       coalesce(
           'constraint ' || o.name,
           CASE WHEN l.indisreplident THEN 'replica identity' END,
           (SELECT 'index of the partitioned table' FROM pg_catalog.pg_inherits h
            WHERE h.inhrelid = l.indexrelid),
           '') AS backs,
       pg_stat_get_tuples_inserted(l.indrelid) + pg_stat_get_tuples_updated(l.indrelid)
           + pg_stat_get_tuples_deleted(l.indrelid) AS table_writes,
       pg_stat_get_numscans(l.indrelid) + t.scans AS table_scans,
       CASE WHEN am.amname = 'btree' AND l.indexprs IS NULL THEN l.indkey::text END AS keys,
       l.indclass::text AS opclasses, l.indcollation::text AS collations,
       l.indoption::text AS options, l.indnkeyatts::int AS key_count,
       l.indnatts > l.indnkeyatts AS included,
       concat_ws(' ', am.amname, 'where',
                 regexp_replace(l.indpred::text, 'location -?[0-9]+', '', 'g')) AS kind,
       CASE WHEN l.transactions < 2147483647 THEN l.transactions END AS transactions,
       pg_stat_get_tuples_returned(l.indexrelid) AS rows_read,
       l.reltuples::float8 AS rows, l.table_rows::float8 AS table_rows, l.counted
FROM listed l
JOIN pg_catalog.pg_namespace n ON n.oid = l.relnamespace
JOIN pg_catalog.pg_am am ON am.oid = l.relam
CROSS JOIN LATERAL (
    SELECT sum(pg_stat_get_numscans(x.indexrelid))::bigint AS scans
    FROM pg_catalog.pg_index x WHERE x.indrelid = l.indrelid
) t
LEFT JOIN (
    SELECT conindid, min(conname) AS name FROM pg_catalog.pg_constraint GROUP BY conindid
) o ON o.conindid = l.indexrelid
ORDER BY l.place
"""

_AUTOVACUUM = """
SELECT name, setting FROM pg_catalog.pg_settings
WHERE name LIKE 'autovacuum%' OR name = 'track_counts'
"""
