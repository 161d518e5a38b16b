"""
The dashboard's pages, independent of the framework that routes them: GET only, but for the login.

Every answer forbids what the page does not need (its Content-Security-Policy has no inline script
or style and no other origin), is never cached where it holds figures, and is not to be framed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.dashboard.access import (
    COOKIE,
    SESSION_S,
    Access,
    access,
    is_token,
    session,
)
from keiko_perf.monitoring.dashboard.history import hours_of
from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.protocol import Monitor

PREFIX = "/performance"
STATE = "keiko_perf_monitor"
"""The name of the monitor in the application's `state`."""

_LIVE = "keiko_perf_live"
_MAX_FORM_BYTES = 4096
_ASSETS = {
    "dashboard.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "dashboard.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_LOCAL_ONLY = (
    "The dashboard has no token, so it answers only to this machine itself. "
    "Set one, PerformanceMonitor(token=...), and send it as a bearer token or log in"
)
_LOGIN_NEEDED = "The dashboard needs its token: log in, or send it as Authorization: Bearer"

Answer = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """
    Attributes:
        path: beneath the dashboard's prefix.
        answer: what answers it.
        methods: which it takes.
    """

    path: str
    answer: Answer
    methods: tuple[str, ...] = ("GET",)


async def dashboard(request: Request) -> Response:
    """The live page; the login form, or why it is not shown."""
    allowed = _access(request)
    if allowed is Access.GRANTED:
        return _html("dashboard.html")
    if allowed is Access.LOGIN_NEEDED:
        return _html("login.html", status=401)
    return _html("local-only.html", status=403)


async def login(request: Request) -> Response:
    """Exchange the token for a cookie."""
    monitor = _monitor(request)
    if monitor.token is None:
        return _refused(403, _LOCAL_ONLY)
    given = await _form_field(request, "token")
    if given is None or not is_token(given, monitor.token):
        return _html("wrong-token.html", status=401)
    response = RedirectResponse("dashboard", status_code=303, headers=_HEADERS)
    response.set_cookie(
        COOKIE,
        session(monitor.token, time.time()),
        max_age=SESSION_S,
        path=request.url.path.rpartition("/")[0] or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


async def metrics(request: Request) -> Response:
    """The current metrics, verdicts, routes and alerts."""
    refusal = _refusal(request)
    return refusal or _json(await _live(request).metrics())


async def alerts(request: Request) -> Response:
    """The alerts that wait, fire, or resolved within the hour."""
    refusal = _refusal(request)
    return refusal or _json({"alerts": (await _live(request).metrics())["alerts"]})


async def history(request: Request) -> Response:
    """What was measured over the last hours."""
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    try:
        hours = hours_of(request.query_params.get("hours"))
    except UsageError as error:
        return _refused(422, str(error))
    return _json(await _live(request).history(hours))


async def asset(request: Request) -> Response:
    """A script, a style or the icon. They hold nothing of the service, so anyone may see them."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        return _refused(404, "The dashboard has no such file")
    headers = {**_HEADERS, "Cache-Control": "no-cache"}
    return Response(_file(name), media_type=_ASSETS[name], headers=headers)


PAGES = (
    Page("/dashboard", dashboard),
    Page("/metrics", metrics),
    Page("/history", history),
    Page("/alerts", alerts),
    Page("/login", login, ("POST",)),
    Page("/static/{name}", asset),
)


def _monitor(request: Request) -> Monitor:
    monitor: Monitor = getattr(request.app.state, STATE)
    return monitor


def _access(request: Request) -> Access:
    return access(
        _monitor(request).token,
        client=request.client.host if request.client else None,
        headers=request.headers,
        cookie=request.cookies.get(COOKIE),
        now_s=time.time(),
    )


def _refusal(request: Request) -> Response | None:
    allowed = _access(request)
    if allowed is Access.GRANTED:
        return None
    if allowed is Access.LOGIN_NEEDED:
        return _refused(401, _LOGIN_NEEDED, {"WWW-Authenticate": "Bearer"})
    return _refused(403, _LOCAL_ONLY)


def _live(request: Request) -> Live:
    """What the page is told; the monitor ticks from the first time that someone asks."""
    state = request.app.state
    monitor = _monitor(request)
    monitor.start()
    live = getattr(state, _LIVE, None)
    if live is None:
        live = Live(monitor)
        setattr(state, _LIVE, live)
    assert isinstance(live, Live)
    return live


def _html(name: str, *, status: int = 200) -> Response:
    return Response(
        _file(name), status_code=status, media_type="text/html; charset=utf-8", headers=_HEADERS
    )


def _json(document: object) -> Response:
    return JSONResponse(document, headers=_HEADERS)


def _refused(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(
        {"detail": why}, status_code=status, headers={**_HEADERS, **(headers or {})}
    )


def _file(name: str) -> bytes:
    return (files("keiko_perf.monitoring.dashboard") / "page" / name).read_bytes()


async def _form_field(request: Request, name: str) -> str | None:
    """A field of a small form. Read by hand: the framework's reader needs a further package."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_FORM_BYTES:
            return None
    try:
        return parse_qs(body.decode("ascii")).get(name, [None])[0]
    except (UnicodeDecodeError, ValueError):
        return None
