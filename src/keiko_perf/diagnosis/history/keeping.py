"""
Watching: takes readings of a database and keeps them, once or again and again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from keiko_perf.diagnosis.collect import Topic, collect
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.history.file import HistoryFile
from keiko_perf.diagnosis.history.history import Period
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.source import Source

TOPICS = (Topic.STATEMENTS, Topic.TABLES)


async def take(
    database: Database, history: HistoryFile, *, note: str = ""
) -> tuple[Evidence, Period | None]:
    """
    Read the counters of statements and tables, and keep them.

    Returns:
        What was read, and what happened since the reading before; None for the first one.

    Raises:
        DatabaseUnavailable: the connection was lost.
        StoreUnavailable: the history could not be written.
    """
    evidence = await collect(database, TOPICS)
    period = await asyncio.to_thread(history.keep, database.place, evidence, note=note)
    return evidence, period


def keeper_of(
    source: Source, history: HistoryFile, *, every_s: float = 60.0
) -> Callable[[], Awaitable[None]]:
    """
    What keeps a reading each time it is called, for a monitor to call: of several workers that
    share the file one reads at a time, and none more often than each *every_s*.
    """

    async def keep() -> None:
        async with Database.connect(source) as database:
            last_at = await asyncio.to_thread(history.read_last_at, database.place)
            now = await database.value("SELECT clock_timestamp()")
            if last_at is None or now - last_at >= timedelta(seconds=every_s * 0.5):
                await take(database, history)

    return keep
