"""
The pool of a SQLAlchemy engine: what a connection costs to get, waiting and opening included, how
long it is held, and how full the pool is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from keiko_perf.monitoring.pools.occupancy import Occupancy, Turnstile, pools_of
from keiko_perf.monitoring.recorder import Recorder

if TYPE_CHECKING:
    from sqlalchemy import Engine, Pool


def watch_pool_of(engine: Engine, recorder: Recorder) -> None:
    """Watch the pool of *engine*, and those that take its place."""
    from sqlalchemy import event

    turnstile = Turnstile(recorder, engine.url.database or engine.dialect.name)
    clock = recorder.clock
    out_since = f"keiko_perf_out_since_{id(recorder)}_s"

    def checked_out(_dbapi: object, entry: Any, _proxy: object) -> None:
        entry.info[out_since] = clock()

    def checked_in(_dbapi: object, entry: Any) -> None:
        since_s = entry.info.pop(out_since, None)
        if since_s is not None:
            turnstile.released(since_s)

    event.listen(engine, "checkout", checked_out)
    event.listen(engine, "checkin", checked_in)
    _time_connects(engine.pool, turnstile)
    watched = ref(engine)

    def read() -> Occupancy | None:
        there = watched()
        return None if there is None else occupancy_of(there.pool, turnstile.waiting)

    pools_of(recorder).add(read)
    recorder.pool_kinds.add("sqlalchemy")


def occupancy_of(pool: Any, waiting: int = 0) -> Occupancy:
    """How full *pool* is, of its size with its overflow."""
    # The bound on the overflow has no public name; -1 is none, and a size of 0 neither.
    overflow = getattr(pool, "_max_overflow", -1)
    has_bound = hasattr(pool, "checkedout") and hasattr(pool, "size") and overflow >= 0
    size = pool.size() if has_bound else 0
    in_use = max(pool.checkedout(), 0) if hasattr(pool, "checkedout") else 0
    return Occupancy(in_use, size + overflow if size else None, waiting)


def _time_connects(pool: Pool, turnstile: Turnstile) -> None:
    """Time `pool.connect`; no event of SQLAlchemy's precedes the wait for a connection."""
    connect, recreate = pool.connect, pool.recreate

    def timed() -> Any:
        asked_s, failed = turnstile.asked(), True
        try:
            connection = connect()
            failed = False
            return connection
        finally:
            turnstile.got(asked_s, failed=failed)

    def recreated() -> Pool:
        # An event tells of it too, but each statement of an engine that has a listener pays for it.
        successor = recreate()
        _time_connects(successor, turnstile)
        return successor

    pool.connect = timed  # type: ignore[method-assign]  # see above
    pool.recreate = recreated  # type: ignore[method-assign]
