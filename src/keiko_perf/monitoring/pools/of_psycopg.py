"""
Pools of psycopg_pool, for threads and for asyncio: their waits, their holds, how full they are, and
what the cursors of their connections execute. A server-side cursor and a COPY are not seen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import ref

from keiko_perf.monitoring.executions import Executions
from keiko_perf.monitoring.pools.alike import Alike
from keiko_perf.monitoring.pools.occupancy import Occupancy, Turnstile, pools_of
from keiko_perf.monitoring.recorder import Recorder

_WATCHED_BY = "_keiko_perf_recorder"


def watch_psycopg(pool: Any, recorder: Recorder, name: str) -> None:
    """Watch *pool*: each connection comes by its `getconn` and goes by its `putconn`."""
    if getattr(pool, _WATCHED_BY, None) is recorder:
        return
    setattr(pool, _WATCHED_BY, recorder)
    turnstile = Turnstile(recorder, name)
    cursors = _watched_cursors(Executions(recorder, "pyformat"))
    if inspect.iscoroutinefunction(pool.getconn):
        _time_async(pool, turnstile, cursors)
    else:
        _time_sync(pool, turnstile, cursors)
    watched = ref(pool)

    def read() -> Occupancy | None:
        there = watched()
        if there is None:
            return None
        # The pool's own figures count those that are being opened, and who gave up, as well.
        return Occupancy(turnstile.in_use, there.max_size or None, turnstile.waiting)

    pools_of(recorder).add(read)
    recorder.pool_kinds.add("psycopg")


def _time_async(pool: Any, turnstile: Turnstile, cursors: Alike) -> None:
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
        connection.cursor_factory = cursors.of(connection.cursor_factory)
        return connection

    async def timed_putconn(connection: Any) -> None:
        since_s = got_s.pop(id(connection), None)
        if since_s is not None:
            turnstile.released(since_s)
        await putconn(connection)

    pool.getconn, pool.putconn = timed_getconn, timed_putconn


def _time_sync(pool: Any, turnstile: Turnstile, cursors: Alike) -> None:
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
        connection.cursor_factory = cursors.of(connection.cursor_factory)
        return connection

    def timed_putconn(connection: Any) -> None:
        since_s = got_s.pop(id(connection), None)
        if since_s is not None:
            turnstile.released(since_s)
        putconn(connection)

    pool.getconn, pool.putconn = timed_getconn, timed_putconn


def _watched_cursors(executions: Executions) -> Alike:
    def methods(own: Any) -> dict[str, Any]:
        wrap = _timed_async if inspect.iscoroutinefunction(own.execute) else _timed_sync
        return {name: wrap(getattr(own, name), executions) for name in ("execute", "executemany")}

    return Alike(methods)


def _timed_async(method: Callable[..., Any], executions: Executions) -> Callable[..., Any]:
    async def timed(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        begun, failed = executions.begun(), True
        try:
            answer = await method(self, query, *args, **options)
            failed = False
            return answer
        finally:
            executions.ended(_text_of(query, self), begun, failed=failed)

    return timed


def _timed_sync(method: Callable[..., Any], executions: Executions) -> Callable[..., Any]:
    def timed(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        begun, failed = executions.begun(), True
        try:
            answer = method(self, query, *args, **options)
            failed = False
            return answer
        finally:
            executions.ended(_text_of(query, self), begun, failed=failed)

    return timed


def _text_of(query: Any, cursor: Any) -> str | None:
    if isinstance(query, bytes):
        return query.decode("utf-8", "replace")
    if isinstance(query, str):
        return query
    # Made of parts by psycopg.sql, or a template: what it is as text, the driver knows.
    written = getattr(query, "as_string", None)
    return None if written is None else str(written(cursor))
