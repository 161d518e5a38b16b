"""
limited_pool: a pool for SQLAlchemy's async engine whose connections have a place each.

    engine = create_async_engine(url, poolclass=limited_pool(limiter))

Whoever asks for a connection (`engine.connect()`, the first statement of a session) waits for a
place, by the limiter's queue and not the pool's, and has it until the connection is given back.
So the database is asked for as much at once as it serves best, however large the pool is.

A task that holds one connection and asks for another holds two places; if many do so, they wait
for each other until their patience ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keiko_perf.errors import MissingExtra
from keiko_perf.optimization.adaptive import AdaptiveLimiter

if TYPE_CHECKING:
    from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection

_PLACE = "keiko_perf.place"


def limited_pool(limiter: AdaptiveLimiter) -> type[AsyncAdaptedQueuePool]:
    """
    The class of such a pool, for `create_async_engine(…, poolclass=…)`.

    Args:
        limiter: what decides. Its `most` need not be more than `pool_size + max_overflow`.

    Raises:
        MissingExtra: SQLAlchemy is not installed.
        Overloaded: from whatever asks for a connection.
    """
    try:
        from sqlalchemy import event  # an extra
        from sqlalchemy.pool import AsyncAdaptedQueuePool
        from sqlalchemy.util import await_only
    except ModuleNotFoundError as error:
        raise MissingExtra("sqlalchemy", extra="postgres", purpose="a limited pool") from error

    def give_back(connection: Any, record: Any) -> None:
        place = record.record_info.pop(_PLACE, None)
        if place is not None:
            place.release(connection is not None)  # it is None if it broke meanwhile

    class LimitedPool(AsyncAdaptedQueuePool):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            # Of the instance: an async pool has no events of its class.
            event.listen(self, "checkin", give_back)
            event.listen(self, "detach", give_back)

        def connect(self) -> PoolProxiedConnection:
            place = await_only(limiter.acquire())
            try:
                connection = super().connect()
            except Exception:
                place.release(succeeded=False)
                raise
            except BaseException:
                place.release(succeeded=None)
                raise
            kept = connection.record_info
            assert kept is not None  # only a detached connection has none
            kept[_PLACE] = place
            return connection

    return LimitedPool
