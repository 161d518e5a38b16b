"""
Memory: what a statement costs where the pages that it reads lie in memory.

By default the planner takes a page at a random place for four times as dear as the next one, which
is true of a disk that turns. Where the pages are in memory, an index that only spares such places
saves nothing that anybody could measure. This asks the planner with both about alike, as is
customary for memory; the setting goes for the question alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from keiko_perf.diagnosis.indexes import Index
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.price import Price, Session
from keiko_perf.errors import DatabaseUnavailable

_SET = """
SELECT pg_catalog.current_setting('random_page_cost') AS before, pg_catalog.set_config(
    'random_page_cost', least(
        CAST(pg_catalog.current_setting('random_page_cost') AS float8),
        1.1 * CAST(pg_catalog.current_setting('seq_page_cost') AS float8))::text, true)
"""
_RESET = "SELECT pg_catalog.set_config('random_page_cost', :before, true)"


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
        before = await self.database.value(_SET)
        try:
            return await self.session.price(text, parameters, indexes)
        finally:
            # A connection that was lost, or cancelled, took the setting with it.
            with suppress(DatabaseUnavailable):
                await self.database.value(_RESET, before=before)
