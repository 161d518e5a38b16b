"""
Installing a monitor into an application, or around one: a middleware, the dashboard, the ticker.

The middleware hands each request to PerfMiddleware, except those to the dashboard itself, which
would be most of what an idle service sees. It starts the monitor when the application has
started up, or with the first request where the server runs no lifespan, and stops it when the
application has shut down.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Awaitable
from typing import Any

from starlette.applications import Starlette

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.attribution.rejoined import rejoin
from keiko_perf.monitoring.dashboard.mounted import UNDER, DashboardRoute, Protect, is_dashboard
from keiko_perf.monitoring.dashboard.pages import STATE
from keiko_perf.monitoring.middleware import App, Message, PerfMiddleware, Receive, Scope, Send
from keiko_perf.monitoring.process.threadpool import ThreadPoolProbe
from keiko_perf.monitoring.protocol import Monitor

_SEEN_BY = "keiko_perf.monitor"


def install(monitor: Monitor, app: Any, *, protect: Protect | None = None) -> None:
    """See `PerformanceMonitor.install`."""
    if not (hasattr(app, "add_middleware") and hasattr(app, "state") and hasattr(app, "router")):
        raise UsageError(
            f"the monitor cannot be installed in {type(app).__name__}, which is neither a FastAPI "
            "nor a Starlette application",
            cure="Wrap it: app = monitor.wrap(app), and let the server serve that",
        )
    _must_be_asked(protect)
    known = getattr(app.state, STATE, None)
    if known is monitor and monitor.is_recording:
        return
    if known is not None and known.is_recording:
        raise UsageError(
            "another monitor is installed in this application", cure="Install just one of them"
        )
    try:
        app.add_middleware(MonitorMiddleware, monitor=monitor)
    except RuntimeError as error:
        raise UsageError(
            "the monitor cannot be installed in an application that is already running",
            cure="Call install before the application serves its first request",
        ) from error
    _go_on(monitor)
    setattr(app.state, STATE, monitor)
    app.router.routes.insert(0, DashboardRoute(protect))


def wrap(monitor: Monitor, app: App, *, protect: Protect | None = None) -> App:
    """See `PerformanceMonitor.wrap`."""
    if not callable(app):
        raise UsageError(
            f"{type(app).__name__} is no ASGI application",
            cure="Give what the server is given: a function of scope, receive and send",
        )
    _must_be_asked(protect)
    pages = Starlette(routes=[DashboardRoute(protect)])
    setattr(pages.state, STATE, monitor)
    _go_on(monitor)
    watched = MonitorMiddleware(app, monitor, pages=pages)

    # A server such as uvicorn takes what is no coroutine function for an application of ASGI 2.
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await watched(scope, receive, send)

    return application


def _must_be_asked(protect: Protect | None) -> None:
    if protect is not None and not callable(protect):
        raise UsageError(
            f"{type(protect).__name__} cannot be asked whom to let in",
            cure="Give protect a function of the request: true lets it in",
        )


def _go_on(monitor: Monitor) -> None:
    if not monitor.is_recording:
        monitor.recorder.add_probe(ThreadPoolProbe(monitor.recorder))
        monitor.is_recording = True


class MonitorMiddleware:
    """
    Args:
        app: the application, or the next middleware.
        monitor: what watches it.
        pages: what answers for the dashboard; None if the application does.
    """

    def __init__(self, app: App, monitor: Monitor, *, pages: App | None = None) -> None:
        if monitor.attribution:
            rejoin(app)
        self._app = app
        self._pages = app if pages is None else pages
        self._monitor = monitor
        self._recorded = PerfMiddleware(
            app, monitor.recorder, attribution=monitor.attribution, token=monitor.token
        )

    # No coroutine of its own, and few steps: each request passes here.
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        kind = scope["type"]
        if kind == "lifespan":
            return self._live(scope, receive, send)
        monitor = self._monitor
        if monitor.loop is not get_running_loop():
            monitor.start()
        # A request to an application that is mounted in another one may come by twice.
        if scope.get(_SEEN_BY) is monitor:
            return self._app(scope, receive, send)
        scope[_SEEN_BY] = monitor
        if UNDER in scope["path"] and kind == "http" and is_dashboard(scope):
            return self._pages(scope, receive, send)
        return self._recorded(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def see(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._monitor.start()
            elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._monitor.stop()
            await send(message)

        try:
            await self._app(scope, receive, see)
        finally:
            await self._monitor.stop()
