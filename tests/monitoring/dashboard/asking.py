"""A service that is watched, and questions to its dashboard."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
from fastapi import FastAPI

from keiko_perf.monitoring import PerformanceMonitor

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
TOKEN = "correct horse"


def service(**options):
    """An application that is watched."""
    app = FastAPI()
    monitor = PerformanceMonitor(window_s=0.5, metrics_window_s=5, notify=(), **options)
    monitor.install(app)

    @app.get("/agents")
    async def agents():
        return []

    return app


async def asked(app, path, *, client=("127.0.0.1", 1), method="GET", **options):
    transport = httpx.ASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.request(method, path, **options)
