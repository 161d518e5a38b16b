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
from math import ceil
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.dashboard.access import (
    COOKIE,
    SESSION_S,
    Access,
    access,
    bearer,
    is_token,
    session,
)
from keiko_perf.monitoring.dashboard.guesses import Guesses
from keiko_perf.monitoring.dashboard.history import hours_of
from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.protocol import Monitor

PREFIX = "/performance"
STATE = "keiko_perf_monitor"
"""The name of the monitor in the application's `state`."""

_LIVE = "keiko_perf_live"
_GUESSES = "keiko_perf_guesses"
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
_FROM_ELSEWHERE = "A page of another site sent this form: log in on the dashboard's own page"
_LOGIN_NEEDED = "The dashboard needs its token: log in, or send it as Authorization: Bearer"
_TOO_MANY = "Too many wrong tokens came from this address: try again in some seconds"

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
    if allowed is Access.TOO_MANY_GUESSES:
        return _html("too-many-tokens.html", status=429, headers=_wait(request))
    if allowed is Access.LOGIN_NEEDED:
        return _html("login.html", status=401)
    return _html("local-only.html", status=403)


async def login(request: Request) -> Response:
    """Exchange the token for a cookie."""
    monitor = _monitor(request)
    if monitor.token is None:
        return _refused(403, _LOCAL_ONLY)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return _refused(403, _FROM_ELSEWHERE)
    given = await _form_field(request, "token")
    # From here on without a pause, in which others of the same address could guess as well.
    guesses, address = _guesses(request), _address(request)
    if wait_s := guesses.wait_s(address):
        return _html("too-many-tokens.html", status=429, headers=_after(wait_s))
    if given is None or not is_token(given, monitor.token):
        guesses.wrong(address)
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
    token, headers = _monitor(request).token, request.headers
    guesses, address = _guesses(request), _address(request)
    is_guess = token is not None and bearer(headers) is not None
    is_deaf = is_guess and guesses.wait_s(address) > 0
    allowed = access(
        token,
        client=address,
        headers={} if is_deaf else headers,
        cookie=request.cookies.get(COOKIE),
        now_s=time.time(),
    )
    if allowed is Access.LOGIN_NEEDED and is_deaf:
        return Access.TOO_MANY_GUESSES
    if allowed is Access.LOGIN_NEEDED and is_guess:
        guesses.wrong(address)
    return allowed


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None


def _guesses(request: Request) -> Guesses:
    state = request.app.state
    if not hasattr(state, _GUESSES):
        setattr(state, _GUESSES, Guesses())
    guesses: Guesses = getattr(state, _GUESSES)
    return guesses


def _wait(request: Request) -> dict[str, str]:
    return _after(_guesses(request).wait_s(_address(request)))


def _after(wait_s: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, ceil(wait_s)))}


def _refusal(request: Request) -> Response | None:
    allowed = _access(request)
    if allowed is Access.GRANTED:
        return None
    if allowed is Access.LOGIN_NEEDED:
        return _refused(401, _LOGIN_NEEDED, {"WWW-Authenticate": "Bearer"})
    if allowed is Access.TOO_MANY_GUESSES:
        return _refused(429, _TOO_MANY, _wait(request))
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


def _html(name: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        _file(name),
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers={**_HEADERS, **(headers or {})},
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
