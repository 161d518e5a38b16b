"""
Pools of asyncpg: their waits, their holds, how full they are, and what their connections execute.

asyncpg has no events, and its pools take no attribute, so the pool is given a class that is its own
but for the two methods by which each connection comes and goes, and so is each connection, but for
the methods that execute a statement. A cursor and a COPY are not seen. By what a pool cleans each
connection that comes back, the request waits as well: it is a statement like others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.executions import Executions
from keiko_perf.monitoring.pools.alike import Alike
from keiko_perf.monitoring.pools.occupancy import Occupancy, Turnstile, pools_of
from keiko_perf.monitoring.recorder import Recorder

_EXECUTING = ("execute", "executemany", "fetch", "fetchval", "fetchrow", "fetchmany")
"""Of a connection, and of a statement that it prepared."""


def watch_asyncpg(pool: Any, recorder: Recorder, name: str) -> None:
    """
    Watch *pool*.

    Raises:
        UsageError: this asyncpg does it in a way that is not known.
    """
    own: Any = type(pool)
    if getattr(own, "keiko_perf_recorder", None) is recorder:
        return
    if not hasattr(own, "_acquire"):
        raise UsageError(
            "pools of this version of asyncpg cannot be watched",
            cure="Install asyncpg 0.27 or newer, or tell us of the version",
        )
    turnstile = Turnstile(recorder, name)
    got_s: dict[int, float] = {}
    connections = _watched_connections(Executions(recorder, "numeric_dollar"))

    class Watched(own):  # type: ignore[misc]  # a class that is known at run time only
        __slots__ = ()
        keiko_perf_recorder = recorder

        async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109 - theirs
            asked_s, failed = turnstile.asked(), True
            try:
                connection = await own._acquire(self, timeout)
                failed = False
            finally:
                now_s = turnstile.got(asked_s, failed=failed)
            got_s[id(connection)] = now_s
            held = connection._con
            held.__class__ = connections.of(type(held))
            return connection

        async def release(self, connection: Any, **options: Any) -> Any:
            since_s = got_s.pop(id(connection), None)
            try:
                return await own.release(self, connection, **options)
            finally:
                if since_s is not None:
                    turnstile.released(since_s)

    Watched.__name__, Watched.__qualname__ = own.__name__, own.__qualname__
    pool.__class__ = Watched

    def read() -> Occupancy | None:
        if pool.is_closing():
            return None
        return Occupancy(turnstile.in_use, pool.get_max_size(), turnstile.waiting)

    pools_of(recorder).add(read)
    recorder.pool_kinds.add("asyncpg")


def _watched_connections(executions: Executions) -> Alike:
    statements = Alike(lambda own: _timed_methods(own, executions, of=own.get_query))

    def methods(own: Any) -> dict[str, Any]:
        async def prepare(self: Any, *args: Any, **options: Any) -> Any:
            statement = await own.prepare(self, *args, **options)
            statement.__class__ = statements.of(type(statement))
            return statement

        return {**_timed_methods(own, executions), "prepare": prepare}

    return Alike(methods)


def _timed_methods(
    own: Any, executions: Executions, *, of: Callable[[Any], str] | None = None
) -> dict[str, Any]:
    names = (name for name in _EXECUTING if hasattr(own, name))
    return {name: _timed(getattr(own, name), executions, of=of) for name in names}


def _timed(
    method: Callable[..., Any], executions: Executions, *, of: Callable[[Any], str] | None = None
) -> Callable[..., Any]:
    """*method*, told of; its statement is what *of* tells, or else its first argument."""

    async def timed(self: Any, *args: Any, **options: Any) -> Any:
        text = of(self) if of is not None else args[0] if args else options.get("query")
        begun, failed = executions.begun(), True
        try:
            answer = await method(self, *args, **options)
            failed = False
            return answer
        finally:
            executions.ended(text, begun, failed=failed)

    return timed
