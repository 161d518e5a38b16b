"""
Connecting: how a connection is opened and given back, and how long anybody is waited for.

Whatever the driver raises becomes an error in our words, without the driver's, which may hold the
password. A connection goes back even if we are cancelled meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from keiko_perf.diagnosis.failure import Address, connecting_failed
from keiko_perf.errors import MissingExtra, UsageError

try:
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
except ImportError as missing:  # pragma: no cover - needs an environment without the extra
    raise MissingExtra("sqlalchemy", extra="postgres", purpose="reading a database") from missing

T = TypeVar("T")

GRACE_S = 5.0
"""How long after its own timeout a server may take to say so."""


def is_lost_by_driver(error: BaseException) -> bool:
    """Whether a timeout was the driver's own (an OSError of the socket), not our patience's end."""
    return isinstance(error, OSError) and error.errno is not None


def check_timeouts(*timeouts_s: float) -> None:
    if not all(0 < timeout_s <= 86400 for timeout_s in timeouts_s):
        raise UsageError(
            "a timeout is a number of seconds over 0, at most a day",
            cure="Pass a timeout such as 30.0",
        )


async def opened(engine: AsyncEngine, address: Address, timeout_s: float) -> AsyncConnection:
    connection = engine.connect()
    try:
        await within(timeout_s, connection.start())
        # Our own BEGIN carries the tag and the mode; the driver's would carry neither.
        return await connection.execution_options(isolation_level="AUTOCOMMIT")
    except asyncio.CancelledError:
        # It may have come about in the same moment.
        await closed(connection)
        raise
    except Exception as error:  # what drivers raise while connecting has no common root
        failure = connecting_failed(error, address, timeout_s=timeout_s)
    await closed(connection)
    raise failure


async def without_prepared_statements(connection: AsyncConnection) -> Callable[[], None]:
    """
    Let psycopg prepare nothing while the connection is ours: behind a pooler in transaction mode
    the next statement may find itself on a server process that knows of none. asyncpg cannot be
    told afterwards; an engine of it that such a pooler serves has been told by its owner.

    Returns:
        What lets it prepare statements again as before.
    """
    held: Any = (await connection.get_raw_connection()).driver_connection
    if not hasattr(held, "prepare_threshold"):
        return lambda: None
    before = held.prepare_threshold
    held.prepare_threshold = None

    def as_before() -> None:
        held.prepare_threshold = before

    return as_before


async def closed(connection: AsyncConnection) -> None:
    """Give the connection back, even if we are cancelled meanwhile."""
    closing = asyncio.ensure_future(connection.close())
    try:
        # The connection may be lost already, which was said by the statement that lost it.
        with suppress(SQLAlchemyError, OSError):
            await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing}, timeout=GRACE_S)
        raise


async def within(seconds: float, work: Awaitable[T]) -> T:
    """
    Await *work*, but not longer than *seconds*.

    A driver answers a cancellation by asking the server to give up, and waits for its answer: a
    frozen server gives none, so the second cancellation is the one that counts.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        raise TimeoutError
    finally:
        for _ in range(2):
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=GRACE_S)
