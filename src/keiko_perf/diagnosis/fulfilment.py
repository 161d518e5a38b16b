"""
Fulfilment: looks whether advised indexes are there, and how their statements fare since.

It reads the catalog, plans the statements without executing them, and reads what the server has
recorded of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from keiko_perf.diagnosis.catalog import find_table, recorded_workload
from keiko_perf.diagnosis.parser import NotUnderstood
from keiko_perf.diagnosis.planner import GENERIC, Planner, forget_prepared, index_names
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.promise import Judged, Promise, Seen, judge
from keiko_perf.diagnosis.reading import read
from keiko_perf.diagnosis.workload import Statement
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
    state, names = await _state(database, promise)
    seen: dict[str, Seen] = {}
    if state == "valid":
        async with database.transaction(settings=GENERIC):
            try:
                planner = Planner(database)
                for gain in promise.gains[:MOST_STATEMENTS]:
                    seen[gain.query] = await _seen(planner, gain.query, names, recorded)
            finally:
                await forget_prepared(database)
    return judge(promise, seen, state=state)


async def _state(database: Database, promise: Promise) -> tuple[str, frozenset[str]]:
    """Whether the index is there, and under which names plans speak of it."""
    table = await find_table(database, promise.table)
    row = table and await database.row(
        _INDEX, schema=table.schema, table=table.name, name=promise.name
    )
    if not row:
        return "absent", frozenset()
    return "valid" if row["is_valid"] else "invalid", frozenset(row["names"])


async def _seen(
    planner: Planner, query: str, names: frozenset[str], recorded: dict[str, Statement]
) -> Seen:
    cost, is_used = None, False
    try:
        plan = await planner.plan(query, read(query).parameters)
        cost = float(plan["Total Cost"])
        is_used = not names.isdisjoint(index_names(plan))
    except (StatementRefused, NotUnderstood):
        pass  # a table may have changed since: then nothing is known of it
    known = recorded.get(query)
    if known is None:
        return Seen(cost=cost, is_used=is_used)
    return Seen(cost=cost, is_used=is_used, calls=known.calls, total_s=known.total_s)


_INDEX = """
SELECT i.indisvalid AS is_valid,
       ARRAY(SELECT part.relname::text FROM pg_catalog.pg_partition_tree(x.oid) AS tree
             JOIN pg_catalog.pg_class part ON part.oid = tree.relid
             UNION SELECT x.relname::text) AS names
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname = :table AND x.relname = :name
"""
