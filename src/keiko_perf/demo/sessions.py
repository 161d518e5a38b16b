"""
Sessions of the demo service, on a pool of connections that can be made smaller and larger while
the service runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import QueuePool

from keiko_perf.demo.connection import open_engine
from keiko_perf.demo.settings import DemoSettings

_PATIENCE_S = 10.0


class Sessions:
    """
    Makes sessions. It connects when the first of them is used.

    Args:
        settings: where the database is, and how long to wait for a connection.
        size: how many connections there are at most.
        watch: is told each engine, so that its statements and waits are measured.
    """

    def __init__(
        self, settings: DemoSettings, size: int, *, watch: Callable[[AsyncEngine], Any]
    ) -> None:
        self._settings = settings
        self._watch = watch
        self._engine = self._open(size)
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    @property
    def size(self) -> int:
        """How many connections there are at most."""
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        return pool.size()

    def __call__(self) -> AsyncSession:
        return self._make()

    def resize(self, size: int) -> None:
        """Go on with a pool of another size. Who holds a connection of the old one may finish."""
        if size == self.size:
            return
        old = self._engine
        self._engine = self._open(size)
        task = asyncio.get_running_loop().create_task(_retire(old))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def close(self) -> None:
        """Close all connections."""
        for task in tuple(self._retiring):
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self._engine.dispose()

    def _open(self, size: int) -> AsyncEngine:
        engine = open_engine(
            self._settings.database_url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=self._settings.pool_timeout_s,
        )
        self._watch(engine)
        self._make = async_sessionmaker(engine, expire_on_commit=False)
        return engine


async def _retire(engine: AsyncEngine) -> None:
    """Close an engine's connections once nobody holds one, or after a while anyway."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while pool.checkedout():  # noqa: ASYNC110 - a pool sets no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        pass
    finally:
        await engine.dispose()
