"""
What one running demo service consists of: its routes find it at `request.app.state.demo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import httpx
from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from keiko_perf.demo.faults import Faults, SearchCache
from keiko_perf.demo.neighbour import Neighbour
from keiko_perf.demo.sessions import Sessions
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.demo.workers import Workers
from keiko_perf.monitoring import PerformanceMonitor


@dataclass(frozen=True, slots=True)
class Demo:
    """The parts of a service, wired."""

    settings: DemoSettings
    monitor: PerformanceMonitor
    sessions: Sessions
    faults: Faults
    cache: SearchCache
    workers: Workers
    neighbour: Neighbour
    client: httpx.AsyncClient
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


def _demo(request: Request) -> Demo:
    demo: Demo = request.app.state.demo
    return demo


Service = Annotated[Demo, Depends(_demo)]
"""The service, as a parameter of an endpoint."""


async def _session(demo: Service) -> AsyncIterator[AsyncSession]:
    async with demo.sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(_session)]
"""A session of one request, as a parameter of an endpoint."""
