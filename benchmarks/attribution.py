"""
What it adds to say where the time of requests goes: CPU time a request and a statement, in process.

A request is one call of an ASGI application that answers at once, after so many suspensions and
statements (SQLite in memory, `SELECT 1`). With attribution and without take turns, a short slice
each, and what is printed is the median of the differences between neighbours, with the quartiles.

    python benchmarks/attribution.py [rounds]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import quantiles
from typing import Any

import uvloop
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.statements import watch_engine

REQUESTS = 500
ROUNDS = 200
STATEMENTS = 10
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"Hello, world!", "more_body": False}
SCOPE = {"type": "http", "method": "GET", "path": "/agents/4711", "root_path": ""}
App = Callable[[Any, Any, Any], Awaitable[None]]
SELECT = text("SELECT 1")


class Agent:
    """A route."""

    endpoint = None
    path_format = "/agents/{agent_id}"


LEFT = {"route": Agent, "endpoint": None, "path_params": {"agent_id": 4711}, "router": None}
"""What a router leaves in the scope."""


def suspended(times: int) -> App:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope.update(LEFT)
        for _ in range(times):
            await asyncio.sleep(0)
        await send(START)
        await send(BODY)

    return app


def asking(engine: Engine) -> App:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope.update(LEFT)
        with engine.connect() as db:
            for _ in range(STATEMENTS):
                db.execute(SELECT)
        await send(START)
        await send(BODY)

    return app


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    return None


async def drive(app: App, requests: int) -> float:
    """CPU microseconds a request."""
    started_s = time.process_time()
    for _ in range(requests):
        await app(dict(SCOPE), receive, send)
    return (time.process_time() - started_s) / requests * 1e6


def added(app: App, recorder: Recorder, *, rounds: int, requests: int = REQUESTS) -> list[float]:
    """What attribution adds to a request of *app*, in microseconds: the three quartiles."""
    variants = {on: PerfMiddleware(app, recorder, attribution=on) for on in (False, True)}
    differences_us = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds):
            took = {on: runner.run(drive(one, requests)) for on, one in variants.items()}
            differences_us.append(took[True] - took[False])
    return quantiles(differences_us[rounds // 10 :], n=4)


def main(rounds: int) -> None:
    print(f"CPU time that attribution adds, {rounds} interleaved rounds: median (quartiles)")
    for times in (0, 1, 3):
        low_us, plus_us, high_us = added(suspended(times), Recorder(), rounds=rounds)
        print(f"a request, suspended {times} times {plus_us:9.2f} µs ({low_us:.2f}, {high_us:.2f})")
    recorder = Recorder()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    watch_engine(engine, recorder)
    _, alone_us, _ = added(suspended(0), recorder, rounds=rounds)
    asked_us = added(asking(engine), recorder, rounds=rounds, requests=REQUESTS // STATEMENTS)
    low_us, plus_us, high_us = ((one - alone_us) / STATEMENTS for one in asked_us)
    print(f"a statement {plus_us:26.2f} µs ({low_us:.2f}, {high_us:.2f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
