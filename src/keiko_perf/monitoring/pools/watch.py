"""
Watching a pool of asyncpg or psycopg_pool that is used without SQLAlchemy.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.pools.of_asyncpg import watch_asyncpg
from keiko_perf.monitoring.pools.of_psycopg import watch_psycopg
from keiko_perf.monitoring.recorder import Recorder


def watch_pool(pool: Any, recorder: Recorder, *, name: str | None = None) -> None:
    """
    Record the waits for *pool*, how long its connections are held, how full it is, and what they
    execute.

    To watch it twice is no mistake.

    Args:
        pool: of `asyncpg.create_pool`, or a `psycopg_pool.ConnectionPool` or `AsyncConnectionPool`.
        recorder: is told.
        name: what to call it; its own name, or that of its driver, if not given.

    Raises:
        UsageError: it is another thing.
    """
    module = next((one.__module__ for one in type(pool).__mro__ if _is_known(one)), "")
    if module.startswith("asyncpg."):
        watch_asyncpg(pool, recorder, name or "asyncpg")
    elif module.startswith("psycopg_pool."):
        watch_psycopg(pool, recorder, name or str(pool.name))
    else:
        raise UsageError(
            f"a {type(pool).__name__} is no connection pool that can be watched",
            cure="Give a pool of asyncpg or psycopg_pool, or a SQLAlchemy engine to watch_engine",
        )


def _is_known(one: type) -> bool:
    return one.__module__.startswith(("asyncpg.pool", "psycopg_pool."))
