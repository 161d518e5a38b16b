"""
Questions to the catalog, one function each: what they bring home is evidence, or a gap.

Each takes at most so many rows, the weightiest first, and says how many it left out. The sizes
come from pg_class, not from the file system: no lock is taken on anybody's table. They are all
asked within one transaction on one connection; a question that the server does not answer is a
gap, and the others are asked nevertheless.
"""

from __future__ import annotations

from keiko_perf.diagnosis.collect.activity import connections
from keiko_perf.diagnosis.collect.asking import Answers
from keiko_perf.diagnosis.collect.columns import column_groups, index_widths, table_widths
from keiko_perf.diagnosis.collect.keys import foreign_keys, sequences
from keiko_perf.diagnosis.collect.relations import (
    autovacuum,
    index_statistics,
    table_statistics,
)
from keiko_perf.diagnosis.collect.replication import replication
from keiko_perf.diagnosis.collect.server import (
    archiver,
    checkpoints,
    database_statistics,
    extensions,
    settings,
    wal,
)
from keiko_perf.diagnosis.collect.statements import Statements, statement_statistics
from keiko_perf.diagnosis.evidence import Autovacuum, Evidence
from keiko_perf.diagnosis.postgres import OUR_PATH, Database
from keiko_perf.model import Gap, say

__all__ = [
    "Statements",
    "autovacuum",
    "collect",
    "connections",
    "index_statistics",
    "statement_statistics",
    "table_statistics",
]


async def collect(database: Database) -> Evidence:
    """
    All evidence that this user may see.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    async with database.transaction(settings=_SETTINGS):
        return await _collected(database)


async def _collected(database: Database) -> Evidence:
    clock = await database.row(_CLOCK)
    assert clock is not None
    answers = Answers(database)
    ask = answers.ask
    listed = await ask(say("the statements that the database executed"), statement_statistics)
    if isinstance(listed, Gap):
        answers.keep(listed)
    listed = listed if isinstance(listed, Statements) else Statements()
    answers.keep(*listed.gaps)
    tables, tables_left_out = await ask(say("the tables"), table_statistics) or ((), 0)
    indexes, indexes_left_out = await ask(say("the indexes"), index_statistics) or ((), 0)
    tables = (
        await ask(say("how much of the tables is air"), table_widths, tables, answers.keep)
        or tables
    )
    indexes = await ask(say("how much of the indexes is air"), index_widths, indexes) or indexes
    groups = await ask(say("columns that depend on each other"), column_groups, listed.statements)
    return Evidence(
        read_at=clock["read_at"],
        since_at=clock["since_at"],
        statements=listed.statements,
        statements_since_at=listed.since_at,
        statements_total_s=listed.total_s,
        statements_left_out=listed.left_out,
        statements_evicted=listed.evicted,
        tables=tables,
        tables_left_out=tables_left_out,
        indexes=indexes,
        indexes_left_out=indexes_left_out,
        autovacuum=await ask(say("the settings of autovacuum"), autovacuum) or Autovacuum(),
        foreign_keys=await ask(say("the foreign keys"), foreign_keys) or (),
        sequences=await ask(say("the sequences"), sequences, answers.keep) or (),
        column_groups=groups or (),
        connections=await ask(say("the connections"), connections, answers.keep),
        replication=await ask(say("replication"), replication, answers.keep),
        checkpoints=await ask(say("the checkpoints"), checkpoints),
        wal=await ask(say("the write-ahead log"), wal),
        archiver=await ask(say("the archiver"), archiver),
        database=await ask(say("the counters of the database"), database_statistics),
        settings=await settings(database),
        extensions=await ask(say("the extensions"), extensions) or (),
        is_standby=database.server.is_standby,
        gaps=answers.gaps,
    )


# To compile a question takes longer than to answer it; and no file is written for what is sorted.
_SETTINGS = {**OUR_PATH, "jit": "off", "work_mem": "32MB"}

# From 15 on a database's counters tell their start only after a reset; then they are as old as
# those of the whole server, which are begun anew after a crash, as the database's own are.
_CLOCK = """
SELECT now() AS read_at, coalesce(
    (SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = current_database()),
    (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter)) AS since_at
"""
