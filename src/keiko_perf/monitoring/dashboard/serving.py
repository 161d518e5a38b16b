"""
Serving: the dashboards of one or several services as an application of its own.

One service has its dashboard under `/performance`, as in its own application. Of several each has
it under `/NAME/performance`, and the first page says of all of them how they are. One login opens
them all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from keiko_perf.errors import MissingExtra, UsageError

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import RedirectResponse, Response
    from starlette.routing import Mount, Route
except ImportError as error:
    raise MissingExtra("starlette", extra="fastapi", purpose="serving the dashboard") from error

from keiko_perf.model import say
from keiko_perf.monitoring.dashboard import answers, pages
from keiko_perf.monitoring.protocol import Monitor
from keiko_perf.render import phrase


def dashboards(monitors: Mapping[str, Monitor]) -> Starlette:
    """
    The application that shows *monitors*, by the names of their services.

    Raises:
        UsageError: there is none, or a name cannot stand in an address.
    """
    if not monitors:
        raise UsageError("no service was named", cure="Name a store, as in agents=agents.db")
    for name in monitors:
        if not name or not all(char.isalnum() or char in "-_." for char in name) or name in _TAKEN:
            raise UsageError(
                f"{name[:40]!r} cannot name a service",
                cure="Take letters, digits, - and _, as in agents=agents.db",
            )
    apps = {name: _one(name, monitor) for name, monitor in monitors.items()}
    if len(apps) == 1:
        (app,) = apps.values()
        app.router.routes.insert(0, Route("/", _to_the_only_one))
        return app
    first = next(iter(monitors.values()))
    routes = [
        Route("/", _overview),
        Route("/services", _services),
        Route("/login", pages.login, methods=["POST"]),
        Route("/static/{name}", pages.asset),
        *(Mount(f"/{name}", app) for name, app in apps.items()),
    ]
    root = Starlette(routes=routes)
    root.state.services = apps
    setattr(root.state, pages.STATE, first)
    setattr(root.state, pages.AFTER_LOGIN, "./")
    return root


_TAKEN = frozenset(("services", "login", "static", ".", ".."))


def _one(name: str, monitor: Monitor) -> Starlette:
    app = Starlette(
        routes=[
            Route(f"{pages.PREFIX}{page.path}", page.answer, methods=list(page.methods))
            for page in pages.PAGES
        ]
    )
    setattr(app.state, pages.STATE, monitor)
    setattr(app.state, pages.SERVICE, name)
    return app


async def _to_the_only_one(request: Request) -> Response:
    return RedirectResponse(f"{pages.PREFIX[1:]}/dashboard", headers=answers.HEADERS)


async def _overview(request: Request) -> Response:
    lang = pages.lang_of(request)
    texts = {"lang": lang, "title": phrase(say("Performance"), lang)}
    return pages.door(request) or answers.html("overview", texts)


async def _services(request: Request) -> Response:
    """How each service is, in a sentence."""
    refusal = pages.refusal(request)
    if refusal is not None:
        return refusal
    lang = pages.lang_of(request)
    told = []
    for name, app in request.app.state.services.items():
        state = await pages.live_of(app.state).metrics(lang)
        told.append(
            {
                "name": name,
                "href": f"{name}{pages.PREFIX}/dashboard",
                **{key: state[key] for key in ("status", "headline", "since", "taken_at")},
                "cards": [card for card in state["cards"] if card["is_primary"]],
            }
        )
    return answers.json_text(request, json.dumps({"services": told}, allow_nan=False))
