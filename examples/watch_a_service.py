"""
A FastAPI app that is watched: its dashboard is at /performance/dashboard.

    uvicorn examples.watch_a_service:app
"""

import asyncio

from fastapi import FastAPI

from keiko_perf import PerformanceMonitor

app = FastAPI()
monitor = PerformanceMonitor()  # store="keiko-perf.db" keeps the history over restarts
monitor.install(app)


@app.get("/api/v1/agents")
async def agents() -> list[dict[str, str]]:
    await asyncio.sleep(0.01)
    return [{"id": "1", "name": "Keiko"}]
