"""
Pools of psycopg_pool, for threads and for asyncio: their waits, their holds, and how full they are.
"""

from __future__ import annotations

import inspect
from typing import Any
from weakref import ref

from keiko_perf.monitoring.pools.occupancy import Occupancy, Turnstile, pools_of
from keiko_perf.monitoring.recorder import Recorder

_WATCHED_BY = "_keiko_perf_recorder"


def watch_psycopg(pool: Any, recorder: Recorder, name: str) -> None:
    """Watch *pool*: each connection comes by its `getconn` and goes by its `putconn`."""
    if getattr(pool, _WATCHED_BY, None) is recorder:
        return
    setattr(pool, _WATCHED_BY, recorder)
    turnstile = Turnstile(recorder, name)
    if inspect.iscoroutinefunction(pool.getconn):
        _time_async(pool, turnstile)
    else:
        _time_sync(pool, turnstile)
    watched = ref(pool)

    def read() -> Occupancy | None:
        there = watched()
        if there is None:
            return None
        # The pool's own figures count those that are being opened, and who gave up, as well.
        return Occupancy(turnstile.in_use, there.max_size or None, turnstile.waiting)

    pools_of(recorder).add(read)


def _time_async(pool: Any, turnstile: Turnstile) -> None:
    getconn, putconn = pool.getconn, pool.putconn
    got_s: dict[int, float] = {}

    async def timed_getconn(*args: Any, **kwargs: Any) -> Any:
        asked_s, failed = turnstile.asked(), True
        try:
            connection = await getconn(*args, **kwargs)
            failed = False
        finally:
            now_s = turnstile.got(asked_s, failed=failed)
        got_s[id(connection)] = now_s
        return connection

    async def timed_putconn(connection: Any) -> None:
        since_s = got_s.pop(id(connection), None)
        if since_s is not None:
            turnstile.released(since_s)
        await putconn(connection)

    pool.getconn, pool.putconn = timed_getconn, timed_putconn


def _time_sync(pool: Any, turnstile: Turnstile) -> None:
    getconn, putconn = pool.getconn, pool.putconn
    got_s: dict[int, float] = {}

    def timed_getconn(*args: Any, **kwargs: Any) -> Any:
        asked_s, failed = turnstile.asked(), True
        try:
            connection = getconn(*args, **kwargs)
            failed = False
        finally:
            now_s = turnstile.got(asked_s, failed=failed)
        got_s[id(connection)] = now_s
        return connection

    def timed_putconn(connection: Any) -> None:
        since_s = got_s.pop(id(connection), None)
        if since_s is not None:
            turnstile.released(since_s)
        putconn(connection)

    pool.getconn, pool.putconn = timed_getconn, timed_putconn
