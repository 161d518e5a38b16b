"""
Fulfilment: looks whether advised indexes are there, and how their statements fare since.

It reads the catalog, plans the statements without executing them, by the same values for their
parameters as when they were advised, and reads what the server has recorded of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keiko_perf.diagnosis.advice.promise import Judged, Made, Promise, PromisedGain, Seen, judge
from keiko_perf.diagnosis.candidates.proposals import queries_of
from keiko_perf.diagnosis.catalog import find_table, read_schema, recorded_workload
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.nodes import index_names
from keiko_perf.diagnosis.pricing.planner import (
    GENERIC,
    Planner,
    forget_prepared,
    rows_of,
    ways_of,
)
from keiko_perf.diagnosis.pricing.sampling import Drawn, sampling_of
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.parameters import Draw, weights_for
from keiko_perf.diagnosis.statements.parser import NotUnderstood, ast, parse, sql
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.errors import DatabaseUnavailable, StatementRefused

MOST_STATEMENTS = 20
"""Of one index, those that were to gain most."""


async def fulfilment(database: Database, promises: Iterable[Promise]) -> list[Judged]:
    """
    What became of each promise.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    recorded = await _recorded(database)
    return [await _judged(database, one, recorded) for one in promises]


async def _recorded(database: Database) -> dict[str, Statement]:
    try:
        workload = await recorded_workload(database)
    except DatabaseUnavailable:  # the extension is not there: the plans alone must do
        return {}
    return {one.text: one for one in workload.statements}


async def _judged(database: Database, promise: Promise, recorded: dict[str, Statement]) -> Judged:
    table, made, names = await _made(database, promise)
    seen: dict[str, Seen] = {}
    if made is not None and made.is_valid and table is not None:
        gains = promise.gains[:MOST_STATEMENTS]
        drawn = await _drawn(database, gains)
        async with database.transaction(settings=GENERIC):
            try:
                planner = Planner(database)
                for gain in gains:
                    planned = await _planned(planner, gain.query, drawn.get(gain.query))
                    seen[gain.query] = _seen(planned, names, table, recorded.get(gain.query))
            finally:
                await forget_prepared(database)
    return judge(promise, seen, made)


async def _made(
    database: Database, promise: Promise
) -> tuple[TableName | None, Made | None, frozenset[str]]:
    """The index's table, the index, and under which names plans speak of it."""
    table = await find_table(database, promise.table)
    if table is None:
        return None, None, frozenset()
    rows = await database.rows(_INDEXES, schema=table.schema, table=table.name)
    known = next((row for row in rows if row["name"] == promise.name), None)
    if known is None:
        wanted = _bare(promise.statement)
        alike = [row for row in rows if wanted is not None and _bare(row["made_by"]) == wanted]
        known = max(alike, key=lambda row: bool(row["is_valid"]), default=None)
    if known is None:
        return table, None, frozenset()
    made = Made(is_valid=known["is_valid"], name=known["name"], scans=int(known["scans"]))
    return table, made, frozenset(known["names"])


def _bare(statement: str) -> str | None:
    """What an index is, without what it is called and how it is made; None if it is none."""
    try:
        tree = parse(statement)
    except NotUnderstood:
        return None
    if not isinstance(tree, ast.IndexStmt):
        return None
    tree.idxname = tree.tableSpace = tree.relation.schemaname = None
    tree.concurrent = tree.if_not_exists = tree.unique = False
    return sql(tree)


async def _drawn(database: Database, gains: Iterable[PromisedGain]) -> Mapping[str, Drawn]:
    """By which values to plan the statements."""
    shapes = {}
    for gain in gains:
        try:
            shapes[gain.query] = gain, read(gain.query)
        except NotUnderstood:
            continue  # it is not planned either
    names = {table.name for _, shape in shapes.values() for table in shape.tables}
    schema = await read_schema(database, names)
    queries = queries_of(
        (
            Statement(text=text, calls=gain.calls, total_s=gain.total_s, rows=gain.rows)
            for text, (gain, _) in shapes.items()
        ),
        schema,
    )
    return (await sampling_of(database, queries, schema)).drawn


async def _planned(
    planner: Planner, query: str, drawn: Drawn | None
) -> list[tuple[float, dict[str, Any]]]:
    """The plans of a statement, each as it counts; none if it cannot be planned."""
    try:
        if drawn is not None:
            try:
                return await _by_values(planner, drawn)
            except StatementRefused:
                pass  # as when it was advised: any value must do
        return [(1.0, await planner.plan(query, read(query).parameters))]
    except (StatementRefused, NotUnderstood):
        return []  # a table may have changed since: then nothing is known of it


async def _by_values(planner: Planner, drawn: Drawn) -> list[tuple[float, dict[str, Any]]]:
    draws: tuple[Draw, ...] = drawn.draws
    plans = [await planner.plan(one.text, one.parameters) for one in draws]
    weights = weights_for(draws, [rows_of(one) for one in plans], drawn.rows_per_call)
    return [(weight, one) for weight, one in zip(weights, plans, strict=True) if weight > 0]


def _seen(
    planned: list[tuple[float, dict[str, Any]]],
    names: frozenset[str],
    table: TableName,
    known: Statement | None,
) -> Seen:
    ways = dict.fromkeys(way for _, plan in planned if (way := ways_of(plan).get(table)))
    return Seen(
        cost=(
            sum(weight * float(plan["Total Cost"]) for weight, plan in planned) if planned else None
        ),
        is_used=any(not names.isdisjoint(index_names(plan)) for _, plan in planned),
        way="; ".join(ways),
        calls=None if known is None else known.calls,
        total_s=0.0 if known is None else known.total_s,
    )


_INDEXES = """
SELECT x.relname::text AS name,
       i.indisvalid AS is_valid,
       pg_catalog.pg_get_indexdef(x.oid) AS made_by,
       (SELECT coalesce(sum(pg_catalog.pg_stat_get_numscans(part.oid)), 0)
        FROM (SELECT x.oid UNION SELECT tree.relid FROM pg_catalog.pg_partition_tree(x.oid) AS tree)
             AS part (oid)) AS scans,
       ARRAY(SELECT part.relname::text FROM pg_catalog.pg_partition_tree(x.oid) AS tree
             JOIN pg_catalog.pg_class part ON part.oid = tree.relid
             UNION SELECT x.relname::text) AS names
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname = :table
ORDER BY x.relname
"""
