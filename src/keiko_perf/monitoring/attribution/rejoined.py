"""
Rejoined: a request goes on in a task of its own, and is followed there as well.

Starlette's `BaseHTTPMiddleware`, of which `@app.middleware("http")` makes one, runs the application
beneath it in another task. What that computes would seem to be elsewhere, as the account stands in
the first one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware

from keiko_perf.monitoring.attribution.account import current

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
_MOST_LAYERS = 200


def rejoin(app: object) -> None:
    """
    Follow requests beneath the last `BaseHTTPMiddleware` of *app*, where there is one, and of each
    application that is mounted in it, which has its own.
    """
    _rejoin(app, set())


def _rejoin(app: object, known: set[int]) -> None:
    last: BaseHTTPMiddleware | None = None
    for _ in range(_MOST_LAYERS):
        if app is None or id(app) in known:
            break
        known.add(id(app))
        if isinstance(app, BaseHTTPMiddleware):
            last = app
        if isinstance(app, Starlette):
            _rejoin_once_built(app, known)
        for route in getattr(app, "routes", None) or ():
            _rejoin(getattr(route, "app", None), known)
        app = getattr(app, "app", None)
    if last is not None and not isinstance(last.app, Rejoined):
        last.app = Rejoined(last.app)


def _rejoin_once_built(app: Starlette, known: set[int]) -> None:
    """An application puts its layers together when the first request comes."""
    if app.middleware_stack is not None:
        _rejoin(app.middleware_stack, known)
        return
    build = app.build_middleware_stack

    def built() -> App:
        stack = build()
        rejoin(stack)
        return stack

    app.build_middleware_stack = built  # type: ignore[method-assign]


class Rejoined:
    """
    Args:
        app: what runs in the other task.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        account = current.get() if scope["type"] == "http" else None
        if account is None or account.where is None:
            await self.app(scope, receive, send)
        else:
            await account.join(self.app(scope, receive, send))
