"""
The dashboard as one route of a Starlette or FastAPI application, found before all the others.

One, so that requests to anything else cost one comparison of strings; before the others, since
an application's last route often takes all that is left. It takes its own paths and no more: an
application may have pages of its own under /performance. An application that protects it itself is
asked first, except for what orchestrators ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable
from typing import Any

from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from keiko_perf.monitoring.dashboard import answers
from keiko_perf.monitoring.dashboard.access import LET_IN
from keiko_perf.monitoring.dashboard.pages import PAGES, PREFIX, STATE

UNDER = f"{PREFIX}/"
"""What is in the path of every page."""
_CHOSEN = "keiko_perf.page"
_OPEN = frozenset((f"{PREFIX}/livez", f"{PREFIX}/readyz"))
_NOT_YOU = "This service does not let you see its dashboard"
Protect = Callable[[Request], bool | Awaitable[bool]]
"""Whether the dashboard may be seen by whoever sent a request; what it raises is the answer."""
_ROUTES = tuple(
    Route(f"{PREFIX}{page.path}", page.answer, methods=list(page.methods)) for page in PAGES
)


class DashboardRoute(BaseRoute):
    """All pages of the dashboard."""

    path = PREFIX

    def __init__(self, protect: Protect | None = None) -> None:
        self.protect = protect

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # What tells it of most comes first, with as few steps as there can be.
        if UNDER not in scope["path"] or scope["type"] != "http" or not is_under_prefix(scope):
            return Match.NONE, {}
        for route in _ROUTES:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                return match, {**child, _CHOSEN: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope[_CHOSEN]
        if self.protect is not None and page.path not in _OPEN:
            scope[LET_IN] = await _is_let_in(self.protect, Request(scope, receive))
            if not scope[LET_IN] and getattr(scope["app"].state, STATE).token is None:
                await answers.refused(403, _NOT_YOU)(scope, receive, send)
                return
        await page.handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


async def _is_let_in(protect: Protect, request: Request) -> bool:
    said = protect(request)
    return bool(await said if isawaitable(said) else said)


def is_dashboard(scope: Scope) -> bool:
    """Whether a request is to the dashboard itself."""
    return is_under_prefix(scope) and any(
        route.matches(scope)[0] is not Match.NONE for route in _ROUTES
    )


def is_under_prefix(scope: Mapping[str, Any]) -> bool:
    """Whether a request's path lies under the prefix."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root):
        return path.startswith(UNDER, len(root))
    return path.startswith(UNDER)
