"""
performance_router: the dashboard as a FastAPI router, for `app.include_router`.

`PerformanceMonitor().install(app)` needs it not: it brings the same pages, and records requests.
"""

from __future__ import annotations

from keiko_perf.errors import MissingExtra
from keiko_perf.monitoring.dashboard.pages import PAGES, PREFIX

try:
    from fastapi import APIRouter
except ImportError as error:
    raise MissingExtra("fastapi", extra="fastapi", purpose="the performance router") from error

performance_router = APIRouter(prefix=PREFIX, tags=["performance"])

for _page in PAGES:
    performance_router.add_api_route(
        _page.path,
        _page.answer,
        methods=list(_page.methods),
        include_in_schema=False,
        response_model=None,
    )
