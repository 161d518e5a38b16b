"""
PrometheusApp: the figures as an ASGI application of its own, to mount or to serve on another port.

It answers GET on any path. It is protected as the dashboard is: by the monitor's token, or open to
this machine only.
"""

from __future__ import annotations

import time

from keiko_perf.errors import MissingExtra

try:
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.types import Receive, Scope, Send
except ImportError as error:
    raise MissingExtra("starlette", extra="fastapi", purpose="the figures as an app") from error

from keiko_perf.monitoring.dashboard.access import Access, access
from keiko_perf.monitoring.export.endpoints import scraped
from keiko_perf.monitoring.export.view import Exported


class PrometheusApp:
    """
    An ASGI application that answers scrapes: `app.mount("/metrics", PrometheusApp(monitor))`.

    Args:
        monitor: the `PerformanceMonitor` of the service.
    """

    def __init__(self, monitor: Exported) -> None:
        self._monitor = monitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("figures are told over HTTP only")
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("GET only\n", status_code=405, headers={"Allow": "GET, HEAD"})
        allowed = access(
            self._monitor.token,
            client=request.client.host if request.client else None,
            headers=request.headers,
            cookie=None,
            now_s=time.time(),
        )
        if allowed is Access.GRANTED:
            return await scraped(self._monitor, request)
        if allowed is Access.LOGIN_NEEDED:
            headers = {"WWW-Authenticate": "Bearer"}
            return PlainTextResponse("a bearer token is needed\n", status_code=401, headers=headers)
        return PlainTextResponse("without a token: to this machine only\n", status_code=403)
