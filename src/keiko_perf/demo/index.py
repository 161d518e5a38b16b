"""
The index that the hot endpoint needs: whether it is there, and making it come and go.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from keiko_perf.demo.schema import CREATE_HOT_INDEX, SCHEMA

# By what it does, not by its name: somebody may have made it by another.
_HOT_INDEXES = text(
    """
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = to_regclass(:table) AND i.indisvalid AND a.attname = 'agent_id'
    """
)


async def hot_indexes(db: AsyncConnection) -> list[str]:
    """The indexes of `tasks` that find an agent's tasks, as SQL writes their names."""
    found = await db.execute(_HOT_INDEXES, {"table": f"{SCHEMA}.tasks"})
    return list(found.scalars())


async def add_hot_index(db: AsyncConnection) -> None:
    """Make it, if none is there."""
    if not await hot_indexes(db):
        await db.execute(text(CREATE_HOT_INDEX))


async def drop_hot_indexes(db: AsyncConnection) -> None:
    """Remove it, by whatever name it was made."""
    for name in await hot_indexes(db):
        await db.execute(text(f"DROP INDEX {name}"))
