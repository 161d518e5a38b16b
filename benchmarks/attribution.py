"""
What it adds to say where the time of requests goes: CPU time a request and a statement, in process.

A request is one call of an ASGI application that answers at once, after so many suspensions and
statements (SQLite in memory, `SELECT 1`). With attribution and without take turns, and what is
printed is the difference of the least of each: other programs only ever add to CPU time.

    python benchmarks/attribution.py [rounds]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import StaticPool

from keiko_perf.monitoring.middleware import PerfMiddleware
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.statements import watch_engine

REQUESTS = 2_000
ROUNDS = 15
STATEMENTS = 10
START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"Hello, world!", "more_body": False}
SCOPE = {"type": "http", "method": "GET", "path": "/agents/4711", "root_path": ""}
App = Callable[[Any, Any, Any], Awaitable[None]]
SELECT = text("SELECT 1")


class Agent:
    """What a router leaves in the scope."""

    endpoint = None
    path_format = "/agents/{agent_id}"


def suspended(times: int) -> App:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["route"] = Agent
        for _ in range(times):
            await asyncio.sleep(0)
        await send(START)
        await send(BODY)

    return app


def asking(engine: Engine) -> App:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        scope["route"] = Agent
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


def added(app: App, recorder: Recorder, *, rounds: int, requests: int = REQUESTS) -> float:
    """What attribution adds to a request of *app* where nothing disturbs it, in microseconds."""
    variants = {on: PerfMiddleware(app, recorder, attribution=on) for on in (False, True)}
    took: dict[bool, list[float]] = {False: [], True: []}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for _ in range(rounds + 1):
            for on, variant in variants.items():
                took[on].append(runner.run(drive(variant, requests)))
    return min(took[True][1:]) - min(took[False][1:])


def main(rounds: int) -> None:
    print(f"CPU time that attribution adds, least of {rounds} interleaved rounds")
    for times in (0, 1, 3):
        plus_us = added(suspended(times), Recorder(), rounds=rounds)
        print(f"a request that is suspended {times} times {plus_us:6.2f} µs")
    recorder = Recorder()
    engine = create_engine("sqlite://", poolclass=StaticPool)
    watch_engine(engine, recorder)
    whole_us = added(asking(engine), recorder, rounds=rounds, requests=REQUESTS // STATEMENTS)
    alone_us = added(suspended(0), recorder, rounds=rounds)
    print(f"a statement {(whole_us - alone_us) / STATEMENTS:31.2f} µs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
