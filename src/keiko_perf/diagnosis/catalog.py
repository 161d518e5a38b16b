"""
Catalog: reads the tables that a workload speaks of, and the workload that the server recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from keiko_perf.diagnosis.postgres import TAG, Database
from keiko_perf.diagnosis.schema import Column, ExistingIndex, Key, Schema, Table, TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.errors import DatabaseUnavailable

MOST_STATEMENTS = 1000
"""Of pg_stat_statements, those that took most time."""


async def read_schema(database: Database, names: Collection[str]) -> Schema:
    """
    The tables of the given bare names in all schemas, with columns, statistics and indexes.

    System catalogs and foreign tables are left out: no index of ours can serve them. Of a view the
    tables behind it are read, too.
    """
    path = list(database.server.search_path)
    views = await _views(database, set(names))
    behind = {table.name for text in views.values() for table in read(text).tables}
    wanted = sorted({*names, *behind})
    tables = await database.rows(_TABLES, names=wanted, path=path)
    oids = [row["oid"] for row in tables]
    columns = _grouped(await database.rows(_COLUMNS, oids=oids))
    indexes = _grouped(await database.rows(_INDEXES, oids=oids))
    found = [
        _table(row, columns.get(row["oid"], ()), indexes.get(row["oid"], ())) for row in tables
    ]
    return Schema(
        tables={one.name: one for one in found},
        search_path=tuple(path),
        views=views,
        trigrams=await database.value(_TRIGRAMS),
    )


async def _views(database: Database, names: set[str]) -> dict[TableName, str]:
    """The SELECTs behind views of the given names, and behind the views that they read."""
    found: dict[TableName, str] = {}
    asked: set[str] = set()
    while new := sorted(names - asked):
        asked |= names
        for row in await database.rows(_VIEWS, names=new):
            try:
                shape = read(row["definition"])
            except NotUnderstood:
                continue
            found[TableName(row["schema"], row["name"])] = row["definition"]
            names = names | {table.name for table in shape.tables}
    return found


async def find_table(database: Database, name: str) -> TableName | None:
    """
    The table that a user names, as stored or as SQL writes it; None if there is none.

    Args:
        name: such as `tasks`, `app.tasks` or `app."Odd name"`.
    """
    schema, bare = _as_written(name)
    path = list(database.server.search_path)
    row = await database.row(_FIND_TABLE, name=name, schema=schema, bare=bare, path=path)
    return TableName(row["schema"], row["name"]) if row else None


async def taken_names(database: Database, schema: str, stems: Collection[str]) -> frozenset[str]:
    """The names of relations in a schema that begin with one of the stems."""
    rows = await database.rows(_TAKEN, schema=schema, stems=sorted(stems))
    return frozenset(row["name"] for row in rows)


async def recorded_workload(database: Database) -> Workload:
    """
    What pg_stat_statements has recorded of the current database.

    Raises:
        DatabaseUnavailable: the extension is not there, or not loaded.
    """
    place = await database.value(_STATISTICS_SCHEMA)
    if place is None:
        raise DatabaseUnavailable(
            "the server records no statements: pg_stat_statements is not there",
            cure="Add pg_stat_statements to shared_preload_libraries, restart the server, and"
            " CREATE EXTENSION pg_stat_statements in this database",
        )
    sql = _STATISTICS.format(place=place)
    rows = await database.rows(sql, ours=f"{TAG}%", no_query=_NO_QUERY, most=MOST_STATEMENTS)
    left_out = int(rows[0]["recorded"]) - len(rows) if rows else 0
    return Workload.from_statistics(rows, left_out=left_out)


def _as_written(name: str) -> TableName:
    """A table's name as SQL reads it: folded to lower case unless it is in quotes."""
    try:
        shape = read(f"SELECT FROM {name}")
    except NotUnderstood:
        return TableName("", name)
    return shape.uses[0].table if len(shape.uses) == 1 else TableName("", name)


def _grouped(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["oid"], []).append(row)
    return groups


def _table(
    row: Mapping[str, Any],
    columns: Collection[Mapping[str, Any]],
    indexes: Collection[Mapping[str, Any]],
) -> Table:
    updates = row["updates"] or 0
    written = updates + (row["inserts"] or 0) + (row["deletes"] or 0)
    rows = max(float(row["rows"]), 0.0)
    return Table(
        name=TableName(row["schema"], row["name"]),
        columns={one["name"]: _column(one, rows) for one in columns},
        indexes=tuple(_index(one) for one in indexes),
        rows=rows,
        size_bytes=float(row["size_bytes"] or 0),
        is_visible=row["is_visible"],
        is_partitioned=row["kind"] == "p",
        is_readable=row["is_readable"],
        hot_ratio=min((row["hot_updates"] or 0) / updates, 1.0) if updates else 0.0,
        inserted_ratio=(row["inserts"] or 0) / written if written else 1.0,
        updated_ratio=updates / written if written else 0.0,
    )


def _column(row: Mapping[str, Any], rows: float) -> Column:
    distinct = row["distinct_values"]
    if distinct is not None and distinct < 0:  # PostgreSQL's way to say: a share of the rows
        distinct = -distinct * rows
    return Column(
        name=row["name"],
        distinct=None if distinct is None else float(distinct),
        correlation=None if row["correlation"] is None else float(row["correlation"]),
        is_sortable=row["is_sortable"],
        pattern_opclass=row["pattern_opclass"],
        type=row["type"],
        width_bytes=float(row["width_bytes"] or 8.0),
        is_reference=row["is_reference"],
        rarest=_rarest(row["frequencies"], distinct, row["null_ratio"] or 0.0),
        null_ratio=float(row["null_ratio"] or 0.0),
    )


def _rarest(frequencies: list[float] | None, distinct: float | None, nulls: float) -> float:
    """The share of the rows that one of the rarer values has, by the planner's statistics."""
    common = frequencies or []
    if distinct is None:
        return 0.0
    others = max(distinct - len(common), 0.0)
    rest = max(1.0 - nulls - sum(common), 0.0)
    if others < 1 or (common and rest < 0.001):
        return min(common, default=0.0)
    return min([rest / others, *common])


def _index(row: Mapping[str, Any]) -> ExistingIndex:
    keys = zip(row["columns"], row["options"], row["opclasses"], row["own_collations"], strict=True)
    return ExistingIndex(
        name=row["name"],
        keys=tuple(_index_key(*one) for one in keys),
        include=tuple(row["include"]),
        method=row["method"],
        unique=row["is_unique"],
        is_partial=row["is_partial"],
        is_valid=row["is_valid"],
    )


def _index_key(
    column: str | None, option: int, opclass: str, has_own_collation: bool
) -> Key | None:
    # An expression, or a column sorted otherwise than the column itself, serves nothing here.
    if column is None or has_own_collation:
        return None
    descending, nulls_first = bool(option & 1), bool(option & 2)
    return Key(column, descending, None if nulls_first is descending else nulls_first, opclass)


# Not pg_table_is_visible: our own questions are not asked on the user's search path.
_IS_VISIBLE = """
coalesce(c.relnamespace = (
    SELECT v.relnamespace FROM pg_catalog.pg_class v
    JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
    WHERE v.relname = c.relname AND vn.nspname = ANY(CAST(:path AS text[]))
    ORDER BY array_position(CAST(:path AS text[]), vn.nspname::text) LIMIT 1), false)
"""

_TABLES = f"""
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind::text AS kind, c.reltuples::float8 AS rows,
       {_IS_VISIBLE} AS is_visible,
       c.relpages::float8 * current_setting('block_size')::float8 AS size_bytes,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
           AS is_readable,
       pg_catalog.pg_stat_get_tuples_inserted(c.oid) AS inserts,
       pg_catalog.pg_stat_get_tuples_updated(c.oid) AS updates,
       pg_catalog.pg_stat_get_tuples_deleted(c.oid) AS deletes,
       pg_catalog.pg_stat_get_tuples_hot_updated(c.oid) AS hot_updates
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(:names) AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
ORDER BY n.nspname, c.relname
"""  # noqa: S608

# ANALYZE counts of a value that lies apart just where it lies (18 bytes), and keeps nothing of what
# is longer than a kilobyte: of a column of which it keeps nothing, it is the TOAST that tells.
# A type sorts if it, or a type that it is stored as, has a default operator class for B-trees.
_COLUMNS = """
SELECT a.attrelid::bigint AS oid, a.attname::text AS name, t.typname::text AS type,
       CASE WHEN lies.apart THEN greatest(
               pg_relation_size(c.reltoastrelid) / greatest(c.reltuples, 1.0), s.avg_width)
            ELSE s.avg_width END::float8 AS width_bytes, s.null_frac::float8 AS null_ratio,
       s.most_common_freqs::float8[] AS frequencies, EXISTS (
           SELECT FROM pg_catalog.pg_constraint f WHERE f.conrelid = a.attrelid
           AND f.contype = 'f' AND a.attnum = ANY(f.conkey)) AS is_reference,
       s.n_distinct::float8 AS distinct_values, s.correlation::float8 AS correlation,
       (t.typtype IN ('e', 'r', 'm') OR t.typcategory = 'A' OR EXISTS (
           SELECT FROM pg_catalog.pg_opclass o
           JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
           WHERE o.opcdefault AND (o.opcintype = t.oid OR o.opcintype IN (
               SELECT k.casttarget FROM pg_catalog.pg_cast k
               WHERE k.castsource = t.oid AND k.castmethod = 'b' AND k.castcontext = 'i'))
       )) AS is_sortable,
       CASE WHEN t.typname NOT IN ('text', 'varchar', 'bpchar') THEN NULL
            WHEN coalesce(nullif(l.collcollate, ''), CASE WHEN l.collname = 'default'
                 THEN d.datcollate END) IN ('C', 'POSIX') THEN ''
            WHEN t.typname = 'bpchar' THEN 'bpchar_pattern_ops'
            ELSE 'text_pattern_ops' END AS pattern_opclass
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_type own ON own.oid = a.atttypid
JOIN pg_catalog.pg_type t ON t.oid = coalesce(nullif(own.typbasetype, 0), own.oid)
JOIN pg_catalog.pg_database d ON d.datname = current_database()
LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
     AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')
LEFT JOIN LATERAL (
    SELECT a.attstorage IN ('x', 'e') AND c.reltoastrelid <> 0 AND s.null_frac < 1.0
        AND s.most_common_freqs IS NULL AND s.histogram_bounds IS NULL AS apart) lies ON true
WHERE a.attrelid = ANY(CAST(:oids AS bigint[])) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_INDEXES = """
SELECT i.indrelid::bigint AS oid, x.relname::text AS name, m.amname::text AS method,
       i.indisunique AS is_unique, i.indisvalid AS is_valid,
       i.indpred IS NOT NULL AS is_partial,
       ARRAY(SELECT held.attname::text FROM pg_catalog.pg_attribute held
             WHERE held.attrelid = i.indrelid AND held.attnum <> 0
             AND held.attnum = ANY((i.indkey::int2[])[i.indnkeyatts:])) AS include,
       array_agg(a.attname::text ORDER BY k.position) AS columns,
       array_agg(i.indoption[k.position]::int ORDER BY k.position) AS options,
       array_agg(CASE WHEN o.opcdefault THEN '' ELSE o.opcname::text END ORDER BY k.position)
           AS opclasses,
       array_agg(a.attcollation IS DISTINCT FROM i.indcollation[k.position] ORDER BY k.position)
           AS own_collations
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = x.relam
CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k(position)
LEFT JOIN pg_catalog.pg_attribute a
     ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.position] AND a.attnum <> 0
LEFT JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[k.position]
WHERE i.indrelid = ANY(CAST(:oids AS bigint[]))
GROUP BY i.indrelid, i.indexrelid, x.relname, m.amname, i.indisunique, i.indisvalid,
         i.indpred IS NOT NULL, i.indkey, i.indnkeyatts
ORDER BY i.indrelid, x.relname
"""

_VIEWS = """
SELECT n.nspname::text AS schema, c.relname::text AS name,
       pg_catalog.pg_get_viewdef(c.oid) AS definition
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY(:names) AND c.relkind = 'v'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY n.nspname, c.relname
"""

_TRIGRAMS = """
SELECT quote_ident(n.nspname)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_trgm'
"""

_FIND_TABLE = f"""
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT {_IS_VISIBLE}) AS seen(is_so)
WHERE c.relkind IN ('r', 'p', 'm') AND (
      (c.relname = :name AND seen.is_so) OR n.nspname || '.' || c.relname = :name
      OR (c.relname = :bare AND (n.nspname = :schema OR (:schema = '' AND seen.is_so))))
ORDER BY c.relname = :name DESC, n.nspname || '.' || c.relname = :name DESC, n.nspname
LIMIT 1
"""  # noqa: S608

_TAKEN = """
SELECT c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND EXISTS (
      SELECT FROM unnest(CAST(:stems AS text[])) AS stem
      WHERE left(c.relname::text, length(stem)) = stem)
"""

_STATISTICS_SCHEMA = """
SELECT quote_ident(n.nspname)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""

_NO_QUERY = (
    r"^\s*(begin|start|commit|end|rollback|savepoint|release|set|reset|show|discard|create|alter"
    r"|drop|do|grant|revoke|comment|vacuum|analyze|reindex|cluster|truncate|lock|listen|notify"
    r"|unlisten|refresh|checkpoint|explain|deallocate|declare|fetch|move|close|load|copy)\M"
)
"""Of these there may be more than all bounds allow, and no query would be left."""
_STATISTICS = """
SELECT s.query, sum(s.calls) AS calls, sum(s.total_exec_time) AS total_exec_time,
       sum(s.rows) AS rows, count(*) OVER () AS recorded
FROM {place}.pg_stat_statements s
WHERE s.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND s.query NOT LIKE :ours
  AND s.query !~* :no_query
GROUP BY s.query
ORDER BY sum(s.total_exec_time) DESC, s.query
LIMIT :most
"""
