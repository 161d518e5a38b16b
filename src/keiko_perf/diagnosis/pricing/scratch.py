"""
Scratch: tries indexes that no hypothesis can show on a sample of their table, and leaves nothing.

Only where the user names a schema for it. For each table one transaction makes the schema, copies a
bounded sample into it, builds each index there, asks the planner, and is rolled back: whatever
ends it, an error, Ctrl-C, or the death of this process or of the server, nothing of it was ever
there for anybody else. Of the user's tables it reads TABLESAMPLE, and holds the lock of a reader
until then; statements are planned, never executed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.projection import projection
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.bitmap import BitmapScan, Pages, scan_by, whole_scan
from keiko_perf.diagnosis.pricing.building import scaled_build_s
from keiko_perf.diagnosis.pricing.planner import GENERIC, Planner, forget_prepared, surely
from keiko_perf.diagnosis.pricing.sampling import Sampling
from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood, ast, parse, quoted, sql, walk
from keiko_perf.errors import StatementRefused, UsageError
from keiko_perf.model import Gap, say

MOST_ROWS = 50_000
MOST_BYTES = 64e6
MOST_INDEXES = 30
_PROBE = "keiko_perf_probe"
_SEED = 20240229
"""The same table gives the same sample."""
_ENOUGH = 1.3
"""Pages are drawn, not rows: so much more is asked for, and cut by LIMIT."""
_SAVEPOINT = "keiko_perf_try"


@dataclass(frozen=True, slots=True)
class Scratch:
    """
    Where samples may be put.

    Attributes:
        schema: its name, unquoted. It must not be there yet, or be empty.
        most_rows: of a table's sample.
        most_bytes: of a table's sample, by the table's average row.
    """

    schema: str
    most_rows: int = MOST_ROWS
    most_bytes: float = MOST_BYTES

    def __post_init__(self) -> None:
        if not self.schema.strip() or "\0" in self.schema or len(self.schema.encode()) > 63:
            raise UsageError(
                f"{self.schema!r} is no name of a schema", cure="Name one such as keiko_scratch"
            )
        if self.schema in ("public", "information_schema") or self.schema.startswith("pg_"):
            raise UsageError(
                f"the schema {self.schema} is not for scratch",
                cure="Name one that is not there yet, such as keiko_scratch",
            )


@dataclass(frozen=True, slots=True)
class Tried:
    """
    What came of an index on the sample, reckoned for the whole table.

    Attributes:
        size_bytes: how large it would be.
        build_s: how long it would take to make.
        scans: what reading the table by it costs, by the statement's text; those that can use it.
    """

    size_bytes: int
    build_s: float
    scans: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried, the tables that nothing could be tried on, and the questions asked."""

    tried: Mapping[Index, Tried] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()
    planner_calls: int = 0


async def try_out(
    database: Database,
    scratch: Scratch,
    indexes: Sequence[Index],
    sampling: Sampling,
    tables: Mapping[TableName, Table],
    *,
    is_late: Callable[[], bool] = lambda: False,
) -> Trial:
    """
    Build indexes on samples of their tables, and ask what the statements would cost by them.

    Raises:
        StatementRefused: the role may not make the schema, or the server only reads.
        UsageError: the schema is there, and not empty.
        DatabaseUnavailable: the connection was lost.
    """
    await check(database, scratch)
    tried: dict[Index, Tried] = {}
    gaps: list[Gap] = []
    planner_calls = 0
    wanted = list(indexes)[:MOST_INDEXES]
    for name in dict.fromkeys(one.table for one in wanted):
        mine = [one for one in wanted if one.table == name]
        if tables[name].is_partitioned:
            # Its plans read the partitions, each for itself: none is in the place of the whole.
            gaps.append(_gap(name, "it is partitioned"))
            continue
        try:
            async with _sample(database, scratch, tables[name]) as sample:
                for index in mine:
                    if not is_late():
                        tried[index] = await _try(sample, index, sampling)
                planner_calls += sample.planner.planner_calls
        except StatementFailed as failure:
            gaps.append(_gap(name, failure.message))
    return Trial(tried, tuple(gaps), planner_calls)


async def check(database: Database, scratch: Scratch) -> None:
    """
    Whether the schema may be made, or used.

    Raises:
        StatementRefused: the role may not, or the server only reads.
        UsageError: it is there, and not empty.
    """
    row = await database.row(_STATE, schema=scratch.schema)
    assert row is not None
    shown = quoted(scratch.schema)
    if row["is_standby"]:
        raise StatementRefused(
            "a standby only reads, so nothing can be tried on it",
            cure="Connect to the primary, or leave --scratch-schema out",
        )
    if row["is_there"] and not row["is_empty"]:
        raise UsageError(
            f"the schema {shown} is not empty", cure="Name one that is not there yet, or is empty"
        )
    if not row["may_create"]:
        what = f"SCHEMA {shown}" if row["is_there"] else f"DATABASE {quoted(row['database'])}"
        raise StatementRefused(
            f"the role {row['role']} may not create in the {what.lower().partition(' ')[0]}"
            f" {what.partition(' ')[2]}",
            cure=f"GRANT CREATE ON {what} TO {quoted(row['role'])}, or leave --scratch-schema out",
        )


@dataclass(slots=True)
class _Sample:
    """A sample that is there until the transaction ends."""

    database: Database
    schema: str
    table: Table
    rows: float
    pages: Pages
    planner: Planner

    @property
    def place(self) -> str:
        return _place(self.schema, self.table)

    @property
    def times(self) -> float:
        """How many times as many rows the whole table has."""
        return max(self.table.rows / max(self.rows, 1.0), 1.0)


@asynccontextmanager
async def _sample(database: Database, scratch: Scratch, table: Table) -> AsyncIterator[_Sample]:
    """Copy a sample of a table, in a transaction that is rolled back."""
    schema, source = quoted(scratch.schema), str(table.name)
    # An index that fits is to be priced even where a sample is read from end to end more cheaply.
    settings = GENERIC | {"enable_seqscan": "off", "enable_indexscan": "on"}
    try:
        async with database.transaction(read_only=False, settings=settings):
            facts = await database.row(_FACTS, table=source)
            assert facts is not None
            rows, share = _bounds(scratch, table, float(facts["size_bytes"]))
            await database.send(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            place = _place(scratch.schema, table)
            await database.send(f"CREATE UNLOGGED TABLE {place} (LIKE {source})")
            await database.send(
                f"INSERT INTO {place} SELECT * FROM {source}"  # noqa: S608 - quoted identifiers
                f" TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE ({_SEED}) LIMIT {rows}"
            )
            await database.send(f"ANALYZE {place}")
            copied = await database.value(_ROWS, table=place)
            yield _Sample(
                database,
                scratch.schema,
                table,
                float(copied or 0.0),
                Pages(
                    pages=float(facts["pages"]),
                    seq_page_cost=float(facts["seq_page_cost"]),
                    random_page_cost=float(facts["random_page_cost"]),
                ),
                Planner(database),
            )
    finally:
        await forget_prepared(database)


def _place(schema: str, table: Table) -> str:
    return f"{quoted(schema)}.{quoted(table.name.name)}"


def _bounds(scratch: Scratch, table: Table, size_bytes: float) -> tuple[int, float]:
    """How many rows to copy at most, and from which share of the pages, in per cent."""
    row_bytes = max(size_bytes, table.size_bytes) / max(table.rows, 1.0)
    rows = scratch.most_rows
    if row_bytes > 0:
        rows = max(1, min(rows, int(scratch.most_bytes / row_bytes)))
    share = 100.0 * _ENOUGH * rows / max(table.rows, 1.0)
    return rows, min(max(share, 0.000001), 100.0)


async def _try(sample: _Sample, index: Index, sampling: Sampling) -> Tried:
    """Build an index, price the statements that may use it, and take it back."""
    database = sample.database
    await database.send(f"SAVEPOINT {_SAVEPOINT}")
    try:
        began = await database.value("SELECT clock_timestamp()")
        await database.send(index.definition(name=_PROBE, table=sample.place))
        took_s = (await database.value("SELECT clock_timestamp()") - began).total_seconds()
        size = await database.value(_SIZE, table=f"{quoted(sample.schema)}.{_PROBE}")
        scans: dict[str, float] = {}
        for text, parameters in _texts(index, sampling):
            scan = await _scan(sample, text, parameters)
            if scan is not None:
                scans[text] = whole_scan(scan, sample.times, sample.pages)
    finally:
        # After a cancellation the whole transaction goes.
        await surely(database, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
    return Tried(
        size_bytes=round(float(size) * sample.times),
        build_s=scaled_build_s(took_s, sample.rows, sample.table.rows),
        scans=scans,
    )


def _texts(index: Index, sampling: Sampling) -> Iterator[tuple[str, int]]:
    """What to ask about the statements that may use an index, with how many `$n` it has."""
    for query in sampling.queries:
        if projection(index, query.shape) is not None:
            drawn = sampling.drawn.get(query.statement.text)
            if drawn is None:
                yield query.statement.text, query.shape.parameters
            else:
                yield from ((one.text, one.parameters) for one in drawn.draws)


async def _scan(sample: _Sample, text: str, parameters: int) -> BitmapScan | None:
    """How a statement reads the sample by the index that is there; None if it does not."""
    try:
        about = about_sample(text, sample.table.name, sample.schema)
        plan = await sample.planner.plan(about, parameters)
    except (NotUnderstood, StatementRefused):
        return None  # such as one with a word that only the server understands
    return scan_by(plan, _PROBE)


def about_sample(text: str, table: TableName, schema: str) -> str:
    """
    A statement that reads the table's sample in its place.

    Raises:
        NotUnderstood: it cannot be parsed.
    """
    statement = parse(text)
    nodes: list[Any] = list(walk(statement))
    ctes = {one.ctename for one in nodes if isinstance(one, ast.CommonTableExpr)}
    for one in nodes:
        is_it = isinstance(one, ast.RangeVar) and one.relname == table.name
        if is_it and (one.schemaname == table.schema or not (one.schemaname or table.name in ctes)):
            one.schemaname = schema
        elif isinstance(one, ast.ColumnRef) and _begins_with(one.fields, table):
            one.fields = (ast.String(schema), *one.fields[1:])
    try:
        return sql(statement)
    except NotImplementedError as error:
        raise NotUnderstood(str(error)) from None


def _begins_with(fields: Sequence[Any], table: TableName) -> bool:
    """Whether a column's name begins with its table's, and that with its schema."""
    named = [one.sval for one in fields[:2] if isinstance(one, ast.String)]
    return len(fields) > 2 and named == list(table)


def _gap(table: TableName, reason: str) -> Gap:
    return Gap(
        subject=say("a sample of {table}", table=str(table)),
        reason=say("it could not be taken: {reason}", reason=reason),
        remedy=say("Its GIN indexes are estimated, as without --scratch-schema"),
    )


_STATE = """
SELECT current_user::text AS role, current_database()::text AS database,
       pg_is_in_recovery() AS is_standby, n.oid IS NOT NULL AS is_there,
       CASE WHEN n.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
            ELSE has_schema_privilege(n.oid, 'CREATE') END AS may_create,
       NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = n.oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid) AS is_empty
FROM (SELECT CAST(:schema AS text) AS name) AS wanted
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.name
"""

_FACTS = """
SELECT pg_catalog.pg_table_size(c.oid)::float8 AS size_bytes, c.relpages::float8 AS pages,
       current_setting('seq_page_cost')::float8 AS seq_page_cost,
       current_setting('random_page_cost')::float8 AS random_page_cost
FROM pg_catalog.pg_class c
WHERE c.oid = CAST(CAST(:table AS text) AS regclass)
"""

_ROWS = """
SELECT greatest(reltuples, 0)::float8 FROM pg_catalog.pg_class
WHERE oid = CAST(CAST(:table AS text) AS regclass)
"""

_SIZE = "SELECT pg_catalog.pg_relation_size(CAST(CAST(:table AS text) AS regclass))"
