"""
Keys: foreign keys that no index serves, and sequences and narrow keys that come to an end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keiko_perf.diagnosis.collect.asking import grant_reading
from keiko_perf.diagnosis.evidence import ForeignKey, NarrowKey, SequenceStats
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Gap, say

MOST_KEYS = 500
MOST_SEQUENCES = 2_000
LEAST_ROWS = 1_000
"""Of the table that refers; a smaller one is searched in no time."""
FAR = 0.5
"""Of its type's numbers: a key that is not so far on is not listed."""
_AT_ONCE = 200
"""To ask a sequence takes a lock on it, and the server's room for locks is limited."""


async def foreign_keys(database: Database) -> tuple[ForeignKey, ...]:
    """The foreign keys of tables with rows, whose columns begin no index."""
    rows = await database.rows(_FOREIGN_KEYS, least=LEAST_ROWS, most=MOST_KEYS)
    return tuple(
        ForeignKey(
            schema=row["schema"],
            table=row["table"],
            name=row["name"],
            columns=tuple(row["columns"]),
            referenced=_name(row["referenced_schema"], row["referenced"]),
            rows=row["rows"],
            size_bytes=int(row["size_bytes"]),
            deletes=int(row["deletes"] or 0),
            is_partitioned=row["is_partitioned"],
        )
        for row in rows
    )


async def sequences(database: Database, keep: Callable[[Gap], None]) -> tuple[SequenceStats, ...]:
    """The sequences that end where it may be seen, those of the largest tables first."""
    listed = await database.rows(_SEQUENCES, most=MOST_SEQUENCES)
    hidden = [row for row in listed if not row["is_readable"]]
    if hidden:
        names = [_name(row["schema"], row["name"]) for row in hidden[:3]]
        keep(
            Gap(
                subject=say("how far {count:count} sequences are", count=len(hidden)),
                reason=say("the user {user} may not read them", user=database.server.user),
                remedy=grant_reading(database, names),
            )
        )
    left_out = int(listed[0]["counted"]) - len(listed) if listed else 0
    if left_out > 0:
        keep(
            Gap(
                subject=say("how far {count:count} further sequences are", count=left_out),
                reason=say("only those of the largest tables are asked"),
                remedy=say("Look at them with: SELECT * FROM pg_sequences"),
            )
        )
    readable = [row for row in listed if row["is_readable"]]
    found: list[SequenceStats] = []
    for start in range(0, len(readable), _AT_ONCE):
        batch = readable[start : start + _AT_ONCE]
        values = await database.rows(_LAST_VALUES, oids=[row["oid"] for row in batch])
        await database.release()
        last = {row["oid"]: row["last_value"] for row in values}
        found += [_sequence(row, last.get(row["oid"])) for row in batch]
    return tuple(found)


def _sequence(row: dict[str, Any], last_value: int | None) -> SequenceStats:
    has_table = row["table"] is not None
    return SequenceStats(
        schema=row["schema"],
        name=row["name"],
        last_value=last_value,
        limit=int(row["last"]),
        table=_name(row["table_schema"], row["table"]) if has_table else None,
        column=quoted(row["column"]) if has_table else None,
        column_type=row["column_type"],
        is_narrow=row["is_narrow"],
    )


async def narrow_keys(database: Database) -> tuple[NarrowKey, ...]:
    """The int and smallint keys of the largest tables that are far on, by their statistics."""
    rows = await database.rows(_NARROW_KEYS, least=LEAST_ROWS, most=MOST_KEYS, far=FAR)
    return tuple(
        NarrowKey(
            table=_name(row["schema"], row["table"]),
            column=quoted(row["column"]),
            column_type=row["column_type"],
            largest=row["largest"],
            limit=row["last"],
        )
        for row in rows
    )


def _name(schema: str, name: str) -> str:
    return quoted(name) if schema == "public" else f"{quoted(schema)}.{quoted(name)}"


# A partial index on "… IS NOT NULL" serves as well: what refers to nothing is never searched for.
# Partitions are told as one. Deletes of a partitioned table are counted in its partitions.
_FOREIGN_KEYS = """
WITH key AS (
    SELECT con.conrelid, con.confrelid, con.conkey, min(con.conname) AS name
    FROM pg_catalog.pg_constraint con
    JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
    WHERE con.contype = 'f' AND c.relkind = 'r' AND c.reltuples >= :least
      AND c.relpersistence <> 't' AND con.conparentid NOT IN (
          SELECT p.oid FROM pg_catalog.pg_constraint p WHERE p.conrelid = con.conrelid)
    GROUP BY 1, 2, 3
), lacking AS (
    SELECT key.*, pg_partition_root(key.conrelid) AS root FROM key
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_index x
        WHERE x.indrelid = key.conrelid AND x.indisvalid
          AND (x.indpred IS NULL
               OR pg_get_expr(x.indpred, x.indrelid) ~ '^\\([^()]+ IS NOT NULL\\)$')
          AND (x.indkey::int2[])[0:array_length(key.conkey, 1) - 1] @> key.conkey)
), one AS (
    SELECT coalesce(l.root, l.conrelid) AS oid, l.root IS NOT NULL AS is_partitioned, l.confrelid,
           l.conkey, min(l.conrelid) AS some_part, min(l.name) AS name,
           sum(c.reltuples::float8) AS rows,
           sum(c.relpages::bigint) * current_setting('block_size')::bigint AS size_bytes
    FROM lacking l JOIN pg_catalog.pg_class c ON c.oid = l.conrelid
    GROUP BY 1, 2, 3, 4
)
SELECT n.nspname::text AS schema, c.relname::text AS table, o.name::text AS name,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(o.conkey) WITH ORDINALITY k(number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = o.some_part AND a.attnum = k.number)
           AS columns,
       fn.nspname::text AS referenced_schema, f.relname::text AS referenced,
       o.rows, o.size_bytes, o.is_partitioned,
       CASE WHEN f.relkind = 'p' THEN (
           SELECT sum(pg_stat_get_tuples_deleted(t.relid)) FROM pg_partition_tree(f.oid) t)
       ELSE pg_stat_get_tuples_deleted(f.oid) END AS deletes
FROM one o
JOIN pg_catalog.pg_class c ON c.oid = o.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class f ON f.oid = o.confrelid
JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
ORDER BY o.size_bytes DESC, o.oid, o.name LIMIT :most
"""

# Of a bigint nobody sees the end. A column may end before its sequence does: one that the sequence
# belongs to, or one that merely takes its default from it, of which the narrowest counts. The
# sequence of an identity gets wider with its column; that of a serial does not.
_SEQUENCES = """
WITH numbered AS MATERIALIZED (
    SELECT DISTINCT ON (u.sequence)
           u.sequence, u.is_identity, a.attrelid, a.attname, a.atttypid, a.atttypmod
    FROM (
        SELECT d.objid AS sequence, d.refobjid AS relid, d.refobjsubid AS number,
               d.deptype = 'i' AS is_identity
        FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass
          AND d.refclassid = 'pg_catalog.pg_class'::regclass
          AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
          AND d.objid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)
        UNION ALL
        SELECT d.refobjid, f.adrelid, f.adnum, false
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass
          AND d.refclassid = 'pg_catalog.pg_class'::regclass
          AND d.refobjid IN (SELECT seqrelid FROM pg_catalog.pg_sequence)
    ) u
    JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relid AND a.attnum = u.number
    ORDER BY u.sequence, a.attlen, u.is_identity DESC, a.attrelid, a.attnum
)
SELECT s.seqrelid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       limits.last, tn.nspname::text AS table_schema, t.relname::text AS table,
       a.attname::text AS column, format_type(a.atttypid, a.atttypmod) AS column_type,
       s.seqmax <= 1000000000000000 AND NOT coalesce(a.is_identity, false) AS is_narrow,
       has_sequence_privilege(s.seqrelid, 'USAGE') OR has_sequence_privilege(s.seqrelid, 'SELECT')
           AS is_readable,
       count(*) OVER () AS counted
FROM pg_catalog.pg_sequence s
JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN numbered a ON a.sequence = s.seqrelid
LEFT JOIN pg_catalog.pg_class t ON t.oid = a.attrelid
LEFT JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
CROSS JOIN LATERAL (SELECT least(s.seqmax, CASE a.atttypid
    WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE s.seqmax END) AS last
) limits
WHERE NOT s.seqcycle AND s.seqincrement > 0 AND limits.last BETWEEN 1 AND 1000000000000000
  AND c.relpersistence NOT IN ('t', CASE WHEN pg_is_in_recovery() THEN 'u' ELSE 't' END)
ORDER BY t.reltuples DESC NULLS LAST, s.seqrelid LIMIT :most
"""

# What is no counter, such as a hash, does not grow with the table: it lies there in any order.
_NARROW_KEYS = """
WITH keyed AS (
    SELECT x.indrelid AS relid, x.indkey[0] AS number
    FROM pg_catalog.pg_index x WHERE x.indisunique AND x.indisvalid
    UNION
    SELECT o.conrelid, o.conkey[1] FROM pg_catalog.pg_constraint o WHERE o.contype = 'f'
), listed AS MATERIALIZED (
    SELECT n.nspname, c.relname, a.attname, a.atttypid, a.atttypmod
    FROM keyed k
    JOIN pg_catalog.pg_class c ON c.oid = k.relid AND c.relkind = 'r' AND c.relpersistence <> 't'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.relid AND a.attnum = k.number
         AND a.atttypid IN ('int2'::regtype, 'int4'::regtype)
    WHERE c.reltuples >= :least AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY c.reltuples DESC, c.oid, a.attnum LIMIT :most
)
SELECT l.nspname::text AS schema, l.relname::text AS table, l.attname::text AS column,
       format_type(l.atttypid, l.atttypmod) AS column_type, b.largest, limits.last
FROM listed l
JOIN pg_catalog.pg_stats s ON s.schemaname = l.nspname AND s.tablename = l.relname
     AND s.attname = l.attname AND NOT s.inherited AND s.correlation > 0.5
CROSS JOIN LATERAL (
    SELECT (s.histogram_bounds::text::bigint[])[array_upper(s.histogram_bounds, 1)] AS largest
) b
CROSS JOIN LATERAL (
    SELECT CASE l.atttypid WHEN 'int2'::regtype THEN 32767 ELSE 2147483647 END AS last
) limits
WHERE b.largest >= :far * limits.last
ORDER BY b.largest DESC, 1, 2, 3
"""

_LAST_VALUES = """
SELECT one.oid, pg_sequence_last_value(one.oid::oid::regclass) AS last_value
FROM unnest(CAST(:oids AS bigint[])) AS one(oid)
"""
