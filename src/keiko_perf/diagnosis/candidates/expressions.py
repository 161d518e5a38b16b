"""
Expressions: how many values an expression really has, from a sample of the rows.

No statistics say so before its index is there, and the planner then guesses 200. Where there are
fewer, an index over it looks far better than it is. A few thousand rows are read, nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keiko_perf.diagnosis.candidates.indexes import Index, Refusal
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.model import Message, say

_GUESSED = 200
"""What the planner takes for the number of values where it has no statistics."""
_SAMPLED = 4000
_MOST_ASKED = 50
_SAMPLE = (
    "SELECT pg_catalog.count(*) AS sampled, pg_catalog.count(DISTINCT sample.value) AS different"
    " FROM (SELECT {expression} AS value FROM {table} TABLESAMPLE SYSTEM ({percent})"
    " LIMIT {most}) AS sample"
)


async def overrated(
    database: Database, indexes: Iterable[Index], tables: Mapping[TableName, Table]
) -> list[Refusal]:
    """The indexes over an expression that has fewer values than the planner guesses."""
    why: dict[tuple[TableName, str], Message | None] = {}
    refused = []
    for index in indexes:
        for key in index.keys if index.method == "btree" else ():
            place = (index.table, key.column)
            if not key.is_expression or (place not in why and len(why) >= _MOST_ASKED):
                continue
            if place not in why:
                why[place] = await _doubt(database, tables[index.table], key.column)
            reason = why[place]
            if reason is not None:
                refused.append(Refusal(index, "unverified", reason))
                break
    return refused


async def _doubt(database: Database, table: Table, expression: str) -> Message | None:
    if table.rows < _GUESSED:
        return None
    sql = _SAMPLE.format(
        expression=expression,
        table=table.name,
        percent=min(100.0, 100.0 * 2 * _SAMPLED / table.rows),
        most=_SAMPLED,
    )
    try:
        row = await database.row(sql)
    except StatementFailed:
        return None  # a view, a foreign table, a value that it fails on: the planner's word stands
    if row is None or row["sampled"] < _GUESSED or row["different"] >= _GUESSED:
        return None
    return say(
        "the planner has no statistics of the expression and guesses that it has"
        " {guessed:count} values; a sample of {sampled:count} rows has {different:count}",
        guessed=_GUESSED,
        sampled=int(row["sampled"]),
        different=int(row["different"]),
    )
