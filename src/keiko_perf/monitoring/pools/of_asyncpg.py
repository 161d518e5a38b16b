"""
Pools of asyncpg: their waits, their holds, and how full they are.

asyncpg has no events, and its pools take no attribute, so the pool is given a class that is its own
but for the two methods by which each connection comes and goes.
"""

from __future__ import annotations

from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.pools.occupancy import Occupancy, Turnstile, pools_of
from keiko_perf.monitoring.recorder import Recorder


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
