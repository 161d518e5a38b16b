"""
performance_router: the dashboard as a FastAPI router, for `app.include_router`.

`PerformanceMonitor().install(app)` needs it not: it brings the same pages, and records requests.
Where no monitor is installed the router brings one, which sees the process alone.
"""

from __future__ import annotations

from keiko_perf.errors import MissingExtra

try:
    from fastapi import APIRouter, Depends, Request
except ImportError as error:
    raise MissingExtra("fastapi", extra="fastapi", purpose="the performance router") from error

from keiko_perf.monitoring.dashboard.access import LET_IN
from keiko_perf.monitoring.dashboard.pages import PAGES, PREFIX, STATE
from keiko_perf.monitoring.monitor import PerformanceMonitor


async def _bring_monitor(request: Request) -> None:
    state = request.app.state
    if not hasattr(state, STATE):
        setattr(state, STATE, PerformanceMonitor())


async def let_in(request: Request) -> None:
    """
    Let a request see the dashboard, token or not: for an application that protects it itself.

    As the last dependency of the router, after those that refuse whoever may not:

        app.include_router(
            performance_router, dependencies=[Depends(require_admin), Depends(let_in)]
        )
    """
    request.scope[LET_IN] = True


performance_router = APIRouter(
    prefix=PREFIX, tags=["performance"], dependencies=[Depends(_bring_monitor)]
)
"""The dashboard and its JSON under `/performance`, for `app.include_router`."""

for _page in PAGES:
    performance_router.add_api_route(
        _page.path,
        _page.answer,
        methods=list(_page.methods),
        include_in_schema=False,
        response_model=None,
    )
