"""
The demo service: "Keiko Personal Assistant", an agents API as the guide's readers run one.

    python -m keiko_perf.demo.service

It is told by the environment what to do (see settings), prints `ready http://host:port` once it
serves, and ends on SIGTERM, on SIGINT, when its standard input closes, and when its parent dies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import compare_digest
from typing import Annotated

import httpx
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from keiko_perf.demo.faults import BLOCKING_S, Faults, SearchCache, pool_size
from keiko_perf.demo.neighbour import Neighbour
from keiko_perf.demo.routes import api_router, faults_router, health_router
from keiko_perf.demo.sessions import Sessions
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.demo.state import Demo, Service
from keiko_perf.demo.traffic import HOT_TARGET
from keiko_perf.demo.workers import Workers
from keiko_perf.doctor import tuning_of
from keiko_perf.errors import KeikoError
from keiko_perf.monitoring import PerformanceMonitor

_bearer = HTTPBearer(auto_error=False)


def create_app(settings: DemoSettings) -> FastAPI:
    """
    The service, watched by keiko-perf as any user's would be. It connects when it starts.

    Raises:
        UsageError: the database's URL cannot be used.
    """
    monitor = PerformanceMonitor(
        targets=(HOT_TARGET,),
        store=settings.store,
        token=settings.token,
        window_s=settings.window_s,
        metrics_window_s=settings.metrics_window_s,
        attribution=True,
        blocking_after_s=BLOCKING_S / 2,  # so that each of the fault's calls is surely seen
    )
    sessions = Sessions(settings, pool_size(settings), watch=monitor.watch_engine)
    cache = SearchCache()
    faults = Faults(settings, sessions, cache)
    workers = Workers(sessions, monitor, faults, count=settings.workers)

    app = FastAPI(title="Keiko Personal Assistant", lifespan=_lifespan)
    client = httpx.AsyncClient(trust_env=False, timeout=10.0)
    monitor.watch_client(client)
    app.state.demo = Demo(settings, monitor, sessions, faults, cache, workers, Neighbour(), client)
    app.include_router(health_router)
    app.include_router(api_router, dependencies=[Depends(_authorise)])
    app.include_router(faults_router, dependencies=[Depends(_authorise)])
    app.add_exception_handler(OperationalError, _overloaded)
    app.add_exception_handler(PoolTimeout, _overloaded)
    monitor.reports.append(tuning_of(monitor))
    monitor.install(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    demo: Demo = app.state.demo
    await demo.faults.start()
    await demo.neighbour.start()
    demo.workers.start()
    try:
        yield
    finally:
        await demo.workers.stop()
        await demo.client.aclose()
        await demo.neighbour.stop()
        await demo.sessions.close()


def _authorise(
    demo: Service, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> None:
    """Let in who presents the token; how long the comparison takes tells nothing about it."""
    token = given.credentials if given else ""
    if not compare_digest(token.encode(), demo.settings.token.encode()):
        raise HTTPException(
            401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"}
        )


async def _overloaded(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse(
        {"detail": "the database is not available"}, 503, headers={"Retry-After": "1"}
    )


def main() -> int:
    """Serve until told to stop; the exit code."""
    from keiko_perf.demo.serving import serve

    try:
        settings = DemoSettings.from_environment(os.environ)
        serve(create_app(settings), settings)
    except KeikoError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is a program's own last word
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
