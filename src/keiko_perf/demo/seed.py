"""
Seeding: the demo's tables, filled by the server itself in a few large statements.

All of it is one transaction, so that whatever interrupts it (a full disk, Ctrl-C, a lost
connection) leaves nothing behind. The schema carries a mark that says who made it and with which
seed: nothing is ever overwritten, and only what carries the mark is removed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from keiko_perf.demo.connection import explained, open_engine
from keiko_perf.demo.index import add_hot_index, drop_hot_indexes
from keiko_perf.demo.rows import FULL_TASKS, Sizes, fills
from keiko_perf.demo.schema import SCHEMA, TABLES, Model
from keiko_perf.demo.settings import Fault
from keiko_perf.errors import DatabaseUnavailable, UsageError
from keiko_perf.model import Message, say

_MADE_BY = "keiko-perf demo"
_OLDEST = 14
_WAITS_AT_MOST_S = 60
"""For a lock. Whoever holds one for longer on these tables has forgotten about it."""
_SHARE_OF_ROWS = 0.8
"""Of the time: filling takes about this share, indexes and statistics take the rest."""


@dataclass(frozen=True, slots=True)
class Progress:
    """
    Attributes:
        ratio: how much is done, 0 to 1.
        doing: what is being done now.
    """

    ratio: float
    doing: Message


OnProgress = Callable[[Progress], None]


async def seed(
    url: str,
    on_progress: OnProgress | None = None,
    *,
    rows: int = FULL_TASKS,
    scale: float = 1.0,
    seed: int = 1,
    faults: Collection[Fault] = (Fault.MISSING_INDEX,),
    until: datetime | None = None,
) -> Sizes:
    """
    Make and fill the schema of the demo.

    If it is already there with the same rows and seed, it is left as it is, but for the index
    that the fault `missing-index` is about.

    Args:
        url: of the database.
        on_progress: is told how far it is, from 0 to 1.
        rows: how many rows the largest table gets; the others follow it.
        scale: a factor for *rows*; 0.001 is enough for a test.
        seed: the same seed gives the same rows.
        faults: with `missing-index` among them the hot endpoint gets no index.
        until: when the newest row was made; now, unless said.

    Raises:
        UsageError: the schema is there and holds something else, or a figure makes no sense.
        DatabaseUnavailable: the server cannot be reached, refuses, or its disk is full.
    """
    sizes = Sizes(tasks=round(rows * scale))
    if sizes.tasks < 100:
        raise UsageError(f"{sizes.tasks} rows are too few to seed", cure="Ask for 100 or more")
    mark = _mark(sizes, seed)
    tell = on_progress or _ignore
    engine = open_engine(url, poolclass=NullPool)
    try:
        with explained(url, doing="the demo's tables could not be filled"):
            there = await _already_there(engine, mark)
            if not there:
                async with engine.begin() as db:
                    await _take_time(db)
                    await _fill(db, sizes, mark, seed=seed, until=until, tell=tell)
            async with engine.begin() as db:
                await _take_time(db)
                if Fault.MISSING_INDEX in faults:
                    await drop_hot_indexes(db)
                else:
                    await add_hot_index(db)
            await _vacuum(engine, tell)
        tell(Progress(1.0, say("the database is ready")))
    finally:
        await engine.dispose()
    return sizes


async def is_seeded(url: str) -> bool:
    """
    Whether the demo's schema is there with tables in it, whoever made them.

    Raises:
        DatabaseUnavailable: the server cannot be reached, or refuses.
    """
    engine = open_engine(url, poolclass=NullPool)
    try:
        with explained(url, doing="the database cannot be looked at"):
            async with engine.connect() as db:
                return await _has_tables(db)
    finally:
        await engine.dispose()


async def drop(url: str) -> bool:
    """
    Remove what `seed` made, and nothing else.

    Returns:
        Whether there was something to remove.

    Raises:
        UsageError: the schema was not made by `seed`, or holds what was not.
        DatabaseUnavailable: the server cannot be reached, or refuses.
    """
    engine = open_engine(url, poolclass=NullPool)
    try:
        with explained(url, doing="the demo's tables could not be removed"):
            async with engine.begin() as db:
                await _take_time(db)
                return await _drop(db)
    finally:
        await engine.dispose()


def _ignore(_progress: Progress) -> None:
    pass


async def _take_time(db: AsyncConnection) -> None:
    """
    Let this transaction run as long as it takes, but not wait for others for ever.

    Not as an option of the connection, which a pooler would refuse.
    """
    await db.execute(text("SET LOCAL statement_timeout = 0"))
    await db.execute(text(f"SET LOCAL lock_timeout = '{_WAITS_AT_MOST_S}s'"))


def _mark(sizes: Sizes, seed: int) -> str:
    return json.dumps({"made_by": _MADE_BY, "tasks": sizes.tasks, "seed": seed})


async def _already_there(engine: AsyncEngine, mark: str) -> bool:
    """Whether these very rows are there; refuses if it is something else."""
    async with engine.connect() as db:
        version = int((await db.execute(text("SHOW server_version_num"))).scalar_one()) // 10_000
        if version < _OLDEST:
            raise DatabaseUnavailable(
                f"the server is PostgreSQL {version}", cure=f"Use PostgreSQL {_OLDEST} or newer"
            )
        if not await _has_tables(db):
            return False
        found = await _read_mark(db)
    if found == mark:
        return True
    what = "other demo data" if _is_ours(found) else "tables that are not the demo's"
    raise UsageError(
        f"the schema {SCHEMA} already holds {what}",
        cure=f"Name another database, or DROP SCHEMA {SCHEMA} CASCADE if nobody needs it",
    )


async def _has_tables(db: AsyncConnection) -> bool:
    found = await db.execute(
        text("SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(:name))"),
        {"name": SCHEMA},
    )
    return bool(found.scalar_one())


async def _read_mark(db: AsyncConnection) -> str | None:
    found = await db.execute(
        text("SELECT obj_description(to_regnamespace(:name), 'pg_namespace')"), {"name": SCHEMA}
    )
    mark: str | None = found.scalar_one()
    return mark


def _is_ours(mark: str | None) -> bool:
    try:
        read = json.loads(mark or "")
    except ValueError:
        return False
    return isinstance(read, dict) and read.get("made_by") == _MADE_BY


async def _fill(
    db: AsyncConnection,
    sizes: Sizes,
    mark: str,
    *,
    seed: int,
    until: datetime | None,
    tell: OnProgress,
) -> None:
    tell(Progress(0.0, say("making the tables")))
    await _make_schema(db, mark)
    # Foreign keys are checked once for a whole table, not once for each of its rows.
    for table in TABLES:
        await db.execute(CreateTable(table, include_foreign_key_constraints=[]))
    steps = tuple(fills(sizes, seed=seed))
    total = sum(step.rows for step in steps)
    done = 0
    now = until or datetime.now(UTC)
    for step in steps:
        doing = say("filling {table}, {done:count} of {total:count} rows",
                    table=step.table, done=done, total=total)  # fmt: skip
        tell(Progress(_SHARE_OF_ROWS * done / total, doing))
        await db.execute(text(step.statement), {**step.parameters, "until": now})
        done += step.rows
    await _constrain(db, tell)


async def _make_schema(db: AsyncConnection, mark: str) -> None:
    found = await db.execute(text("SELECT to_regnamespace(:name)"), {"name": SCHEMA})
    if found.scalar_one() is None:
        await db.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    # A utility statement takes no parameters; json.dumps escapes all but the single quote,
    # and the mark holds none.
    await db.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{mark}'")


async def _constrain(db: AsyncConnection, tell: OnProgress) -> None:
    """Index what was filled, add the foreign keys, and let the identities go on after it."""
    for number, table in enumerate(TABLES):
        ratio = _SHARE_OF_ROWS + (0.95 - _SHARE_OF_ROWS) * number / len(TABLES)
        tell(Progress(ratio, say("indexing {table}", table=table.name)))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            await db.execute(CreateIndex(index))
        for key in sorted(table.foreign_key_constraints, key=lambda one: str(one.name)):
            await db.execute(AddConstraint(key, isolate_from_table=False))
        if "id" in table.c:
            name = f"{SCHEMA}.{table.name}"
            await db.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'),"  # noqa: S608 - our names
                    f" (SELECT max(id) FROM {name}))"
                )
            )


async def _vacuum(engine: AsyncEngine, tell: OnProgress) -> None:
    """Statistics for the planner; VACUUM refuses to run inside of a transaction."""
    tell(Progress(0.95, say("gathering statistics")))
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in TABLES)
    async with engine.connect() as db:
        db = await db.execution_options(isolation_level="AUTOCOMMIT")
        await db.execute(text("SET statement_timeout = 0"))
        await db.execute(text(f"VACUUM (ANALYZE) {tables}"))


async def _drop(db: AsyncConnection) -> bool:
    mark = await _read_mark(db)
    if not _is_ours(mark):
        if not await _has_tables(db):
            return False
        raise UsageError(
            f"the schema {SCHEMA} was not made by the demo",
            cure=f"Look what is in it, then DROP SCHEMA {SCHEMA} CASCADE",
        )
    try:
        # Without CASCADE: what somebody else built on it stops the removal instead of vanishing.
        await db.run_sync(Model.metadata.drop_all)
        await db.execute(text(f"DROP SCHEMA {SCHEMA} RESTRICT"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "2BP01":
            raise
        raise UsageError(
            f"other things in the database depend on the schema {SCHEMA}",
            cure=f"Look what they are, then DROP SCHEMA {SCHEMA} CASCADE",
        ) from error
    return True
