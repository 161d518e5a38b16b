"""
What watching a statement costs, through each driver: CPU in process, beside the same unwatched.

Statements are executed for a request that answers at once, by SQLAlchemy (SQLite in memory), and by
pools and connections that stand in for those of asyncpg and psycopg: they answer at once, since the
work of the real ones, some 50 to 100 µs each, hides ours. Unwatched, counted (`watch_engine`,
`watch_pool`), and followed as well (`attribution`) take turns, a short slice each, and what is
printed is the median of the differences to the unwatched slice, with the quartiles. Beside a
driver's work less is left in the processor's caches, so that it may cost twice that.

    python benchmarks/statements.py [rounds]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import uvloop
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from attribution import BODY, LEFT, SELECT, START, App, drive
from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.pools.of_asyncpg import watch_asyncpg
from keiko_perf.monitoring.pools.of_psycopg import watch_psycopg
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.statements import watch_engine

ROUNDS = 200
REQUESTS = 20
STATEMENTS = 50


class AsyncpgConnection:
    async def fetchval(self, query: str) -> int:
        return 1


class AsyncpgHolder:
    def __init__(self) -> None:
        self._con = AsyncpgConnection()


class AsyncpgPool:
    def __init__(self) -> None:
        self._holder = AsyncpgHolder()

    async def _acquire(self, timeout: float | None) -> AsyncpgHolder:  # noqa: ASYNC109 - theirs
        return self._holder

    async def release(self, connection: AsyncpgHolder) -> None:
        """It is not given to anybody else."""


class PsycopgCursor:
    async def execute(self, query: str) -> PsycopgCursor:
        return self

    async def executemany(self, query: str) -> None:
        """Not asked."""


class PsycopgConnection:
    cursor_factory = PsycopgCursor


class PsycopgPool:
    max_size = 1

    def __init__(self) -> None:
        self._connection = PsycopgConnection()

    async def getconn(self) -> PsycopgConnection:
        return self._connection

    async def putconn(self, connection: PsycopgConnection) -> None:
        """It is not given to anybody else."""


async def ask_asyncpg(pool: Any) -> None:
    holder = await pool._acquire(None)
    connection = holder._con
    for _ in range(STATEMENTS):
        await connection.fetchval("SELECT 1")
    await pool.release(holder)


async def ask_psycopg(pool: Any) -> None:
    connection = await pool.getconn()
    cursor = connection.cursor_factory()
    for _ in range(STATEMENTS):
        await cursor.execute("SELECT 1")
    await pool.putconn(connection)


async def ask_sqlalchemy(engine: Any) -> None:
    with engine.connect() as db:
        for _ in range(STATEMENTS):
            db.execute(SELECT)


def service(ask: Callable[[Any], Any], pool: Any) -> App:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope.update(LEFT)
        await ask(pool)
        await send(START)
        await send(BODY)

    return app


def added(
    make: Callable[[], Any],
    watch: Callable[[Any, Recorder], None],
    ask: Callable[[Any], Any],
    *,
    rounds: int,
) -> dict[str, list[float]]:
    """What a statement takes more where it is counted, and where its request is followed too."""
    recorder, watched = Recorder(), make()
    watch(watched, recorder)
    plainly = PerfMiddleware(service(ask, make()), recorder, attribution=True)
    variants = {
        "counted": PerfMiddleware(service(ask, watched), recorder, attribution=False),
        "and followed": PerfMiddleware(service(ask, watched), recorder, attribution=True),
    }
    differences_us: dict[str, list[float]] = {name: [] for name in variants}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            plainly_us = runner.run(drive(plainly, REQUESTS))
            for name, one in variants.items():
                took_us = runner.run(drive(one, REQUESTS))
                differences_us[name].append((took_us - plainly_us) / STATEMENTS)
    return {name: quantiles(all_us[rounds // 10 :], n=4) for name, all_us in differences_us.items()}


def main(rounds: int) -> None:
    print(f"CPU time that is added to a statement, {rounds} rounds: median (quartiles)")
    drivers = {
        "SQLAlchemy": (
            lambda: create_engine("sqlite://", poolclass=StaticPool),
            watch_engine,
            ask_sqlalchemy,
        ),
        "asyncpg": (AsyncpgPool, lambda pool, to: watch_asyncpg(pool, to, "pool"), ask_asyncpg),
        "psycopg": (PsycopgPool, lambda pool, to: watch_psycopg(pool, to, "pool"), ask_psycopg),
    }
    for name, (make, watch, ask) in drivers.items():
        for what, (low_us, plus_us, high_us) in added(make, watch, ask, rounds=rounds).items():
            print(f"{name:12}{what:14}{plus_us:8.2f} µs ({low_us:.2f}, {high_us:.2f})", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
