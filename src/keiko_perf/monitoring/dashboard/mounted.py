"""
The dashboard as one route of a Starlette or FastAPI application, found before all the others.

One, so that requests to anything else cost one comparison of strings; before the others, since
an application's last route often takes all that is left. It takes its own paths and no more: an
application may have pages of its own under /performance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import URLPath
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from keiko_perf.monitoring.dashboard.pages import PAGES, PREFIX

_UNDER = f"{PREFIX}/"
_CHOSEN = "keiko_perf.page"
_ROUTES = tuple(
    Route(f"{PREFIX}{page.path}", page.answer, methods=list(page.methods)) for page in PAGES
)


class DashboardRoute(BaseRoute):
    """All pages of the dashboard."""

    path = PREFIX

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http" or not is_under_prefix(scope):
            return Match.NONE, {}
        for route in _ROUTES:
            match, child = route.matches(scope)
            if match is not Match.NONE:
                return match, {**child, _CHOSEN: route}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope[_CHOSEN].handle(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)


def is_dashboard(scope: Scope) -> bool:
    """Whether a request is to the dashboard itself."""
    return is_under_prefix(scope) and any(
        route.matches(scope)[0] is not Match.NONE for route in _ROUTES
    )


def is_under_prefix(scope: Mapping[str, Any]) -> bool:
    """Whether a request's path lies under the prefix; quick, since every request is asked."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root):
        return path.startswith(_UNDER, len(root))
    return path.startswith(_UNDER)
