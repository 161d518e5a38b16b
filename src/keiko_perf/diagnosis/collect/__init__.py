"""
Questions to the catalog, one function each: what they bring home is evidence, or a gap.

Each takes at most so many rows, the weightiest first, and says how many it left out. The sizes
come from pg_class, not from the file system: no lock is taken on anybody's table. They are all
asked within one transaction on one connection; a question that the server does not answer is a
gap, and the others are asked nevertheless.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from enum import Enum, auto

from keiko_perf.diagnosis.collect.activity import connections
from keiko_perf.diagnosis.collect.asking import Answers
from keiko_perf.diagnosis.collect.columns import column_groups, index_widths, table_widths
from keiko_perf.diagnosis.collect.keys import foreign_keys, narrow_keys, sequences
from keiko_perf.diagnosis.collect.machine import machine
from keiko_perf.diagnosis.collect.relations import (
    autovacuum,
    index_statistics,
    table_statistics,
)
from keiko_perf.diagnosis.collect.replication import replication
from keiko_perf.diagnosis.collect.server import (
    archiver,
    checkpoints,
    collations,
    database_statistics,
    extensions,
    settings,
    wal,
)
from keiko_perf.diagnosis.collect.statements import Statements, statement_statistics
from keiko_perf.diagnosis.evidence import Autovacuum, Evidence
from keiko_perf.diagnosis.postgres import OUR_SETTINGS, Database
from keiko_perf.model import Gap, say

__all__ = [
    "Statements",
    "Topic",
    "autovacuum",
    "collect",
    "connections",
    "index_statistics",
    "statement_statistics",
    "table_statistics",
]


class Topic(Enum):
    """What can be asked for alone, so that nobody is told of gaps that are not the question."""

    STATEMENTS = auto()
    TABLES = auto()
    INDEXES = auto()
    ACTIVITY = auto()
    SERVER = auto()


async def collect(database: Database, topics: Collection[Topic] = tuple(Topic)) -> Evidence:
    """
    The evidence that this user may see, of all topics or some.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    async with database.transaction(settings=_SETTINGS):
        clock = await database.row(_CLOCK)
        assert clock is not None
        evidence = Evidence(
            read_at=clock["read_at"],
            since_at=clock["since_at"],
            settings=await settings(database),
            is_standby=database.server.is_standby,
        )
        answers = Answers(database)
        for topic in Topic:
            if topic in topics:
                evidence = await _ASKED[topic](answers, evidence)
        return replace(evidence, gaps=answers.gaps)


async def _statements(answers: Answers, evidence: Evidence) -> Evidence:
    read = await answers.ask(say("the statements that the database executed"), statement_statistics)
    if isinstance(read, Gap):
        answers.keep(read)
    if not isinstance(read, Statements):
        return evidence
    answers.keep(*read.gaps)
    groups = await answers.ask(
        say("columns that depend on each other"), column_groups, read.statements
    )
    return replace(
        evidence,
        statements=read.statements,
        statements_since_at=read.since_at,
        statements_total_s=read.total_s,
        statements_left_out=read.left_out,
        statements_evicted=read.evicted,
        column_groups=groups or (),
    )


async def _tables(answers: Answers, evidence: Evidence) -> Evidence:
    ask = answers.ask
    tables, left_out = await ask(say("the tables"), table_statistics) or ((), 0)
    widths = await ask(say("how much of the tables is air"), table_widths, tables, answers.keep)
    return replace(
        evidence,
        tables=widths or tables,
        tables_left_out=left_out,
        autovacuum=await ask(say("the settings of autovacuum"), autovacuum) or Autovacuum(),
        sequences=await ask(say("the sequences"), sequences, answers.keep) or (),
        narrow_keys=await ask(say("how far the keys are"), narrow_keys) or (),
    )


async def _indexes(answers: Answers, evidence: Evidence) -> Evidence:
    ask = answers.ask
    indexes, left_out = await ask(say("the indexes"), index_statistics) or ((), 0)
    widths = await ask(say("how much of the indexes is air"), index_widths, indexes)
    return replace(
        evidence,
        indexes=widths or indexes,
        indexes_left_out=left_out,
        foreign_keys=await ask(say("the foreign keys"), foreign_keys) or (),
    )


async def _activity(answers: Answers, evidence: Evidence) -> Evidence:
    ask = answers.ask
    return replace(
        evidence,
        connections=await ask(say("the connections"), connections, answers.keep),
        database=await ask(say("the counters of the database"), database_statistics),
    )


async def _server(answers: Answers, evidence: Evidence) -> Evidence:
    ask = answers.ask
    return replace(
        evidence,
        replication=await ask(say("replication"), replication, answers.keep),
        checkpoints=await ask(say("the checkpoints"), checkpoints),
        wal=await ask(say("the write-ahead log"), wal),
        archiver=await ask(say("the archiver"), archiver),
        extensions=await ask(say("the extensions"), extensions) or (),
        collations=await ask(say("the order of texts"), collations) or (),
        machine=await ask(say("the memory of the machine"), machine),
    )


_ASKED: dict[Topic, Callable[[Answers, Evidence], Awaitable[Evidence]]] = {
    Topic.STATEMENTS: _statements,
    Topic.TABLES: _tables,
    Topic.INDEXES: _indexes,
    Topic.ACTIVITY: _activity,
    Topic.SERVER: _server,
}

# No file is written for what is sorted.
_SETTINGS = {**OUR_SETTINGS, "work_mem": "32MB"}

# From 15 on a database's counters tell their start only after a reset; then they are as old as
# those of the whole server, which are begun anew after a crash, as the database's own are.
_CLOCK = """
SELECT now() AS read_at, coalesce(
    (SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = current_database()),
    (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter)) AS since_at
"""
