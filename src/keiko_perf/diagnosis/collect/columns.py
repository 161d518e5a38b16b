"""
Columns: what the planner's statistics tell of rows' widths and of columns that go together.

The server shows them only of tables that the user may read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

from keiko_perf.diagnosis.collect.asking import grant_reading
from keiko_perf.diagnosis.evidence import ColumnGroup, IndexStats, StatementStats, TableStats
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood, quoted
from keiko_perf.diagnosis.statements.predicates import Shape
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.model import Gap, say

MOST_RELATIONS = 500
"""The largest; where something smaller is full of air, it is not much air."""
LEAST_PAGES = 1_024
LEAST_INDEX_PAGES = 128
MOST_QUERIES = 200
_SHOWN = 3


async def table_widths(
    database: Database, tables: tuple[TableStats, ...], keep: Callable[[Gap], None]
) -> tuple[TableStats, ...]:
    """The tables, the large ones with what a row of them takes on a page."""
    rows = await database.rows(_ROW_WIDTHS, least=LEAST_PAGES, most=MOST_RELATIONS)
    hidden = [row for row in rows if not row["is_readable"]]
    if hidden:
        names = [_name(row) for row in hidden]
        keep(
            Gap(
                subject=say("how much of {count:count} large tables is air", count=len(hidden)),
                reason=say(
                    "the user {user} may not read them, and so not their statistics: {names}",
                    user=database.server.user,
                    names=", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else ""),
                ),
                remedy=grant_reading(database, names[:_SHOWN]),
            )
        )
    widths = {(row["schema"], row["name"]): row["row_bytes"] for row in rows}
    return tuple(
        replace(one, row_bytes=width)
        if (width := widths.get((one.schema, one.name))) is not None
        else one
        for one in tables
    )


async def index_widths(
    database: Database, indexes: tuple[IndexStats, ...]
) -> tuple[IndexStats, ...]:
    """The indexes, the large ones with what an entry takes and how many values there are."""
    rows = await database.rows(_ENTRY_WIDTHS, least=LEAST_INDEX_PAGES, most=MOST_RELATIONS)
    found = {(row["schema"], row["name"]): row for row in rows}
    return tuple(
        replace(one, entry_bytes=row["entry_bytes"], distinct_values=row["distinct_values"])
        if (row := found.get((one.schema, one.name))) is not None
        else one
        for one in indexes
    )


async def column_groups(
    database: Database, statements: tuple[StatementStats, ...]
) -> tuple[ColumnGroup, ...]:
    """Columns that one of the weightiest statements compares for equality, several at once."""
    wanted = [*_groups(statements[:MOST_QUERIES])]
    if not wanted:
        return ()
    names = sorted({table.name for _, table, _ in wanted})
    path = list(database.server.search_path)
    rows = await database.rows(_DISTINCT, names=names, path=path)
    tables: dict[TableName, dict[str, dict[str, Any]]] = {}
    for row in rows:
        places = [TableName(row["schema"], row["table"])]
        if row["is_visible"]:
            places.append(TableName("", row["table"]))
        for place in places:
            tables.setdefault(place, {})[row["column"]] = row
    found = (_group(one, columns, tables.get(table, {})) for one, table, columns in wanted)
    return tuple(group for group in found if group is not None)


def _groups(
    statements: Iterable[StatementStats],
) -> Iterator[tuple[StatementStats, TableName, tuple[str, ...]]]:
    for one in statements:
        if not one.is_whole:
            continue
        try:
            shape = read(one.query)
        except NotUnderstood:
            continue
        columns = _compared(shape)
        if len(columns) > 1:
            yield one, shape.uses[0].table, columns


def _compared(shape: Shape) -> tuple[str, ...]:
    """The columns, where the rows that come out are those that agree in all of them."""
    if len(shape.uses) != 1 or shape.writes or shape.unresolved:
        return ()
    use = shape.uses[0]
    narrowed = (use.listed, use.ranges, use.prefixes, use.nulls, use.joins, use.alternatives)
    if any(narrowed) or use.group_by or use.is_limited:
        return ()
    return use.equals


def _group(
    one: StatementStats, columns: tuple[str, ...], known: dict[str, dict[str, Any]]
) -> ColumnGroup | None:
    if not all(column in known for column in columns):
        return None
    first = known[columns[0]]
    rows = first["rows"]
    shares = [_largest_share(known[column]) for column in columns]
    places = {known[column]["number"] for column in columns}
    return ColumnGroup(
        table=_name({"schema": first["schema"], "name": first["table"]}),
        columns=tuple(quoted(column) for column in columns),
        rows_expected=max(rows * prod(shares), 1.0),
        rows_found=one.rows_per_call,
        has_statistics=any(places <= set(kept) for kept in first["extended"] or ()),
        query=one.query,
        total_s=one.total_s,
    )


def _largest_share(column: dict[str, Any]) -> float:
    """The share of rows with the commonest value: no other value could explain more rows."""
    # Negative is PostgreSQL's way to say: a share of the rows.
    number, rows = float(column["distinct_values"]), float(column["rows"])
    distinct = max(-number * rows if number < 0 else number, 1.0)
    return max(float(column["common"] or 0.0), 1.0 / distinct)


def _name(row: dict[str, Any]) -> str:
    schema = "" if row["schema"] == "public" else f"{quoted(row['schema'])}."
    return f"{schema}{quoted(row['name'])}"


# What is aligned to 8, 4 or 2 bytes takes at least so much; short texts are not aligned. Of a row
# with a NULL there is a map, one bit a column.
_PADDED = """
(1 - s.null_frac) * CASE
    WHEN a.attlen < 0 AND s.avg_width < 127 OR a.attalign = 'c' THEN s.avg_width
    WHEN a.attalign = 'd' THEN ceil(s.avg_width / 8.0) * 8
    WHEN a.attalign = 'i' THEN ceil(s.avg_width / 4.0) * 4
    ELSE ceil(s.avg_width / 2.0) * 2 END
"""

_ROW_WIDTHS = f"""
WITH large AS (
    SELECT c.oid, n.nspname, c.relname, c.relnatts
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.reltuples > 0
      AND c.relpages >= :least AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY c.relpages DESC LIMIT :most
)
SELECT l.nspname::text AS schema, l.relname::text AS name,
       has_table_privilege(l.oid, 'SELECT') AS is_readable,
       CASE WHEN count(*) = count(s.attname) THEN
           ceil((23 + CASE WHEN bool_or(s.null_frac > 0) THEN (l.relnatts + 7) / 8 ELSE 0 END)
                / 8.0) * 8 + ceil(sum({_PADDED}) / 8.0) * 8 + 4 END AS row_bytes
FROM large l
JOIN pg_catalog.pg_attribute a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = l.nspname AND s.tablename = l.relname
     AND s.attname = a.attname AND NOT s.inherited
GROUP BY l.oid, l.nspname, l.relname, l.relnatts
"""  # noqa: S608

_ENTRY_WIDTHS = f"""
WITH large AS (
    SELECT i.oid, n.nspname, i.relname, c.oid AS table_oid, c.relname AS table_name, x.indkey,
           x.indnatts, c.reltuples AS rows
    FROM pg_catalog.pg_index x
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_am am ON am.oid = i.relam AND am.amname = 'btree'
    WHERE i.relkind = 'i' AND x.indexprs IS NULL AND i.reltuples > 0 AND i.relpages >= :least
      AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    ORDER BY i.relpages DESC LIMIT :most
)
SELECT l.nspname::text AS schema, l.relname::text AS name,
       CASE WHEN count(*) = count(s.attname) THEN
           8 + ceil(sum({_PADDED}) / 8.0) * 8 + 4 END AS entry_bytes,
       CASE WHEN l.indnatts = 1 THEN
           max(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * l.rows ELSE s.n_distinct END)::float8
       END AS distinct_values
FROM large l
JOIN pg_catalog.pg_attribute a ON a.attrelid = l.table_oid AND a.attnum = ANY (l.indkey)
LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = l.nspname AND s.tablename = l.table_name
     AND s.attname = a.attname AND NOT s.inherited
GROUP BY l.oid, l.nspname, l.relname, l.indnatts
"""  # noqa: S608

_DISTINCT = """
SELECT n.nspname::text AS schema, c.relname::text AS table, a.attname::text AS column,
       a.attnum::int AS number, c.reltuples::float8 AS rows,
       s.n_distinct::float8 AS distinct_values, s.most_common_freqs[1]::float8 AS common,
       coalesce(c.relnamespace = (
           SELECT v.relnamespace FROM pg_catalog.pg_class v
           JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
           WHERE v.relname = c.relname AND vn.nspname = ANY (CAST(:path AS text[]))
           ORDER BY array_position(CAST(:path AS text[]), vn.nspname::text) LIMIT 1), false)
           AS is_visible,
       (SELECT json_agg(string_to_array(e.stxkeys::text, ' ')::int[])
        FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = c.oid) AS extended
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
     AND s.attname = a.attname AND s.inherited = (c.relkind = 'p')
WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relkind IN ('r', 'p', 'm')
  AND c.reltuples > 0 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""
