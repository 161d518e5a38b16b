"""
Memory: what a statement costs where the pages that it reads lie in memory.

By default the planner takes a page at a random place for four times as dear as the next one, which
is true of a disk that turns, and the next one for a hundred times as dear as a row. Where the pages
are in memory, an index that only spares pages saves nothing that anybody could measure. This asks
the planner with all pages alike, and cheaper beside the rows, as its manual recommends for memory;
the settings go for the question alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.price import Price, Session
from keiko_perf.diagnosis.pricing.visits import IN_MEMORY
from keiko_perf.errors import DatabaseUnavailable

_SET = f"""
SELECT pg_catalog.current_setting('seq_page_cost') AS next,
    pg_catalog.current_setting('random_page_cost') AS random,
    pg_catalog.set_config('seq_page_cost', least(
        CAST(pg_catalog.current_setting('seq_page_cost') AS float8), {IN_MEMORY})::text, true),
    pg_catalog.set_config('random_page_cost', least(
        CAST(pg_catalog.current_setting('random_page_cost') AS float8), {IN_MEMORY})::text, true)
"""
_RESET = """
SELECT pg_catalog.set_config('seq_page_cost', :next, true),
    pg_catalog.set_config('random_page_cost', :random, true)
"""
_BUFFERS = """
SELECT pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers'))::float8
"""


async def buffers_bytes(database: Database) -> float:
    """Of tables and indexes what the server has at hand itself."""
    return float(await database.value(_BUFFERS))


@dataclass(frozen=True, slots=True)
class InMemory:
    """
    Args:
        database: whose setting it is.
        session: the conversation, in a transaction of the database's.
    """

    database: Database
    session: Session

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        """What `Session.price` says where the pages are in memory."""
        before = (await self.database.rows(_SET))[0]
        try:
            return await self.session.price(text, parameters, indexes)
        finally:
            # A connection that was lost, or cancelled, took the setting with it.
            with suppress(DatabaseUnavailable):
                await self.database.rows(_RESET, next=before["next"], random=before["random"])
