"""
The dashboard's pages, independent of the framework that routes them: GET only, but for the login.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, say
from keiko_perf.monitoring.dashboard import answers
from keiko_perf.monitoring.dashboard.access import (
    COOKIE,
    LET_IN,
    SESSION_S,
    Access,
    access,
    bearer,
    is_token,
    session,
)
from keiko_perf.monitoring.dashboard.events import MAX_STREAMS, stream
from keiko_perf.monitoring.dashboard.guesses import Guesses
from keiko_perf.monitoring.dashboard.history import hours_of
from keiko_perf.monitoring.dashboard.language import preferred
from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.dashboard.view import View, view_of
from keiko_perf.monitoring.export.endpoints import endpoints
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.render import phrase

PREFIX = "/performance"
STATE = "keiko_perf_monitor"
"""The name of the monitor in the application's `state`."""

SERVICE = "keiko_perf_service"
"""The name of the service in the application's `state`, if the page is to show one."""

AFTER_LOGIN = "keiko_perf_after_login"
"""Where a login leads to, in the application's `state`, if not to the dashboard."""

_LIVE = "keiko_perf_live"
_GUESSES = "keiko_perf_guesses"
_MAX_FORM_BYTES = 4096
_ASSETS = frozenset(
    (
        "address.js",
        "cards.js",
        "charts.js",
        "dashboard.css",
        "dashboard.js",
        "dom.js",
        "icon.svg",
        "overview.js",
        "strip.js",
        "stream.js",
        "tables.js",
        "units.js",
        "uPlot.LICENSE.txt",
        "uPlot.iife.min.js",
        "uPlot.min.css",
        "words.js",
    )
)
_LOCAL_ONLY = (
    "The dashboard has no token, so it answers only to this machine itself. "
    "Set one, PerformanceMonitor(token=...), and send it as a bearer token or log in"
)
_FROM_ELSEWHERE = "A page of another site sent this form: log in on the dashboard's own page"
_LOGIN_NEEDED = "The dashboard needs its token: log in, or send it as Authorization: Bearer"
_TOO_MANY_PAGES = "Too many pages are open on this process: close some"
_TEXTS = {
    "title": say("Performance"),
    "skip": say("Skip to the charts"),
    "waiting": say("Waiting for the first figures"),
    "no_script": say("This page needs JavaScript. The same figures as JSON:"),
}
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
    lang = lang_of(request)
    texts = {name: phrase(text, lang) for name, text in _TEXTS.items()}
    service = getattr(request.app.state, SERVICE, "")
    return door(request) or answers.html("dashboard", {"lang": lang, "service": service, **texts})


def door(request: Request) -> Response | None:
    """The login form, or why nothing is shown; None for whoever may look."""
    allowed = _access(request)
    if allowed is Access.GRANTED:
        return None
    if allowed is Access.TOO_MANY_GUESSES:
        return _too_many(request, _wait(request))
    if allowed is Access.LOGIN_NEEDED:
        return _login_form(request, say("The dashboard of this service is protected."))
    return _door(
        request,
        say("No token is set"),
        say(
            "Without one, this dashboard answers only to the machine that it runs on. To see it "
            "from here, give the monitor a token and log in with it:"
        ),
        code='PerformanceMonitor(token=os.environ["PERFORMANCE_TOKEN"])',
        status=403,
    )


async def login(request: Request) -> Response:
    """Exchange the token for a cookie."""
    monitor = _monitor(request)
    if monitor.token is None:
        return answers.refused(403, _LOCAL_ONLY)
    if request.headers.get("sec-fetch-site") == "cross-site":
        return answers.refused(403, _FROM_ELSEWHERE)
    given = await _form_field(request, "token")
    # From here on without a pause, in which others of the same address could guess as well.
    guesses, address = _guesses(request), _address(request)
    if wait_s := guesses.wait_s(address):
        return _too_many(request, _after(wait_s))
    if given is None or not is_token(given, monitor.token):
        guesses.wrong(address)
        return _login_form(request, say("That is not the token."), is_wrong=True)
    home = getattr(request.app.state, AFTER_LOGIN, "dashboard")
    response = RedirectResponse(home, status_code=303, headers=answers.HEADERS)
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
    if (refused := refusal(request)) is not None:
        return refused
    return _json(request, await _live(request).metrics(lang_of(request)))


async def alerts(request: Request) -> Response:
    """The alerts that wait, fire, or resolved within the hour."""
    if (refused := refusal(request)) is not None:
        return refused
    return _json(request, {"alerts": (await _live(request).metrics(lang_of(request)))["alerts"]})


async def history(request: Request) -> Response:
    """What was measured over the last hours."""
    if (refused := refusal(request)) is not None:
        return refused
    try:
        hours = hours_of(request.query_params.get("hours"))
    except UsageError as error:
        return answers.refused(422, str(error))
    return _json(request, await _live(request).history(hours))


async def timeline(request: Request) -> Response:
    """The points of all charts over a range, for the whole service or one subject."""
    return await _viewed(request, Live.timeline)


async def tables(request: Request) -> Response:
    """The endpoints, tasks and statements over a range."""
    return await _viewed(request, Live.tables)


async def events(request: Request) -> Response:
    """The stream that keeps a page live."""
    if (refused := refusal(request)) is not None:
        return refused
    try:
        view = view_of(request.query_params)
    except UsageError as error:
        return answers.refused(422, str(error))
    live = _live(request)
    if live.pulse.listeners >= MAX_STREAMS:
        return answers.refused(503, _TOO_MANY_PAGES, {"Retry-After": "15"})
    return StreamingResponse(
        stream(live, view, lang_of(request)),
        media_type="text/event-stream",
        # A proxy that holds pieces back, as nginx does, would hold the page back.
        headers={**answers.HEADERS, "X-Accel-Buffering": "no"},
    )


async def asset(request: Request) -> Response:
    """A script, a style or the icon. They hold nothing of the service, so anyone may see them."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        return answers.refused(404, "The dashboard has no such file")
    return answers.asset(request, name)


def _monitor(request: Request) -> Monitor:
    monitor: Monitor = getattr(request.app.state, STATE)
    return monitor


def _access(request: Request) -> Access:
    if request.scope.get(LET_IN):
        return Access.GRANTED
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


def refusal(request: Request) -> Response | None:
    allowed = _access(request)
    if allowed is Access.GRANTED:
        return None
    if allowed is Access.LOGIN_NEEDED:
        return answers.refused(401, _LOGIN_NEEDED, {"WWW-Authenticate": "Bearer"})
    if allowed is Access.TOO_MANY_GUESSES:
        return answers.refused(429, _TOO_MANY, _wait(request))
    return answers.refused(403, _LOCAL_ONLY)


def _live(request: Request) -> Live:
    return live_of(request.app.state)


def live_of(state: Any) -> Live:
    """What the page is told; the monitor ticks from the first time that someone asks."""
    monitor: Monitor = getattr(state, STATE)
    monitor.start()
    live = getattr(state, _LIVE, None)
    if live is None:
        live = Live(monitor)
        setattr(state, _LIVE, live)
    assert isinstance(live, Live)
    return live


async def _viewed(request: Request, ask: Callable[[Live, View, str], Awaitable[str]]) -> Response:
    if (refused := refusal(request)) is not None:
        return refused
    try:
        view = view_of(request.query_params)
    except UsageError as error:
        return answers.refused(422, str(error))
    return answers.json_text(request, await ask(_live(request), view, lang_of(request)))


def _json(request: Request, document: object) -> Response:
    return answers.json_text(request, json.dumps(document, allow_nan=False))


def lang_of(request: Request) -> str:
    return preferred(request.headers.get("accept-language"))


def _login_form(request: Request, note: Message, *, is_wrong: bool = False) -> Response:
    lang = lang_of(request)
    texts = {
        "lang": lang,
        "title": phrase(say("Performance: log in"), lang),
        "note": phrase(note, lang),
        "note_kind": "wrong" if is_wrong else "note",
        "token": phrase(say("Token"), lang),
        "log_in": phrase(say("Log in"), lang),
    }
    return answers.html("login", texts, status=401)


def _too_many(request: Request, headers: dict[str, str]) -> Response:
    return _door(
        request,
        say("Too many wrong tokens"),
        say("They came from this address. Try again in some seconds."),
        status=429,
        headers=headers,
    )


def _door(
    request: Request,
    title: Message,
    text: Message,
    *,
    code: str = "",
    status: int,
    headers: dict[str, str] | None = None,
) -> Response:
    lang = lang_of(request)
    texts = {"lang": lang, "title": phrase(title, lang), "text": phrase(text, lang), "code": code}
    return answers.html("door", texts, status=status, headers=headers)


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


PAGES = (
    Page("/dashboard", dashboard),
    Page("/metrics", metrics),
    Page("/history", history),
    Page("/alerts", alerts),
    Page("/timeline", timeline),
    Page("/tables", tables),
    Page("/events", events),
    Page("/login", login, ("POST",)),
    Page("/static/{name}", asset),
    *(Page(*one) for one in endpoints(refusal, _monitor)),
)
