"""
Watching: what a monitor is told to watch beside requests: engines, pools, clients.

Each needs an optional package, which is imported only then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.recorder import Recorder

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


class Watching:
    """
    Attributes:
        recorder: is told what is seen.
        attribution: whether requests are followed.
    """

    recorder: Recorder
    attribution: bool

    def watch_engine(self, engine: Engine | AsyncEngine, *, comment: str | None = None) -> None:
        """
        Record the statements of a SQLAlchemy engine, and the waits for its pool.

        Args:
            engine: of `create_engine` or `create_async_engine`.
            comment: `route` ends each statement with the route that it is sent for, so that
                pg_stat_activity and the server's log name it: drivers then prepare a statement once
                for each route. `traceparent` adds the request, where it has one: then no statement
                is prepared twice, and each costs the server its parsing and planning.

        Raises:
            UsageError: it is no engine, or there is no such comment, or no *attribution*.
        """
        from keiko_perf.monitoring.statements import watch_engine

        if comment is not None and not self.attribution:
            raise UsageError(
                "without attribution it is not known for whom a statement is sent",
                cure="Let the monitor know: PerformanceMonitor(attribution=True)",
            )
        watch_engine(engine, self.recorder, comment=comment)

    def watch_pool(self, pool: object, *, name: str | None = None) -> None:
        """
        Record a pool of asyncpg or psycopg_pool that is used without SQLAlchemy, as *name*, and the
        statements that its connections execute, but for those of cursors on the server and COPY.
        """
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
