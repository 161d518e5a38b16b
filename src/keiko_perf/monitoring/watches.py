"""
Watching: what a monitor is told to watch beside requests: engines, pools, clients.

Each needs an optional package, which is imported only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keiko_perf.monitoring.recorder import Recorder

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


class Watching:
    """
    Attributes:
        recorder: is told what is seen.
    """

    recorder: Recorder

    def watch_engine(self, engine: Engine | AsyncEngine) -> None:
        """Record the statements of a SQLAlchemy engine, and the waits for its pool."""
        from keiko_perf.monitoring.statements import watch_engine

        watch_engine(engine, self.recorder)

    def watch_pool(self, pool: object, *, name: str | None = None) -> None:
        """Record a pool of asyncpg or psycopg_pool that is used without SQLAlchemy, as *name*."""
        from keiko_perf.monitoring.pools import watch_pool

        watch_pool(pool, self.recorder, name=name)

    def watch_client(self, client: Any) -> None:
        """
        Tell, with *attribution*, how long requests wait for what *client* asks other services.

        Args:
            client: an `httpx.AsyncClient`, an `httpx.Client` or an `aiohttp.ClientSession`.
        """
        from keiko_perf.monitoring.attribution import watch_client

        watch_client(client)
