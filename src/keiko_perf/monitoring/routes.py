"""
Route names: `GET /api/v1/agents/{agent_id}` of a request, never what was in its place.

The name is the route's template, joined with the prefixes of the routers that include it and
of the applications that are mounted above it. A request that no route took is `(unmatched)`.
Whatever a client sends, the number of names stays that of the routes, times the methods.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

UNMATCHED = "(unmatched)"
WEBSOCKET = "WEBSOCKET"
"""What stands in place of a method, which a WebSocket has not."""
OTHER_METHOD = "(other)"
_METHODS = frozenset(
    (
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "QUERY",
        WEBSOCKET,
    )
)
_MAX_KNOWN = 2_000
_MOST_AROUND = 20
_LEFT_BEHIND = ("route", "endpoint", "method", "root_path", "path", "path_params", "router")
CONTEXT = "effective_route_context"
"""Of a router that FastAPI includes lazily: which of its inclusions it is."""
ROUTED = itemgetter(*_LEFT_BEHIND)
"""What Starlette and FastAPI leave in the scope, all at once: enough to find the name later."""
Routed = tuple[Any, ...]


class RouteNames:
    """
    Finds the name of a request's route, and remembers it.

    Args:
        in_threads: takes the names of routes whose handler is a plain function, which frameworks
            run in a thread.
    """

    __slots__ = ("_in_threads", "_known")

    def __init__(self, in_threads: set[str] | None = None) -> None:
        self._in_threads: set[str] = set() if in_threads is None else in_threads
        # A Starlette route has no hash, so its id is the key, and the route is kept along with its
        # name: as long as it is here, its id is no other's.
        self._known: dict[tuple[int, str, str], tuple[str, object]] = {}

    def later(self, routed: Routed, root_path: str, fastapi: Mapping[str, Any] | None) -> str:
        """
        The same as `of`, from what was taken out of the scope.

        Args:
            routed: what `ROUTED` took.
            root_path: what `root_path` was before the routing.
            fastapi: what the scope has under this name, or None.
        """
        scope = dict(zip(_LEFT_BEHIND, routed, strict=True))
        scope["fastapi"] = fastapi
        return self.of(scope, root_path)

    def of(self, scope: Mapping[str, Any], root_path: str) -> str:
        """
        The name for the request of *scope*, once it was routed.

        Args:
            scope: the ASGI scope.
            root_path: what `root_path` was before the routing: mounts lengthen it.
        """
        route = scope.get("route")
        fastapi = scope.get("fastapi")
        if fastapi is not None and route is not None:
            # Newer versions of FastAPI include routers lazily: there is one route for all
            # inclusions, and only the context of the inclusion knows the whole path.
            context = fastapi.get(CONTEXT)
            if context is not None and context.original_route is route:
                route = context
        owner = scope.get("endpoint") if route is None else route
        if owner is None:
            # Litestar's way to say it; of one that leaves nothing the paths cannot be told apart.
            template = scope.get("path_template")
            if not isinstance(template, str) or not template:
                return UNMATCHED
            return f"{_known(scope.get('method', WEBSOCKET))} {template}"
        mounted = scope.get("root_path", "")
        mounted = "" if mounted == root_path else mounted[len(root_path) :]
        method = scope.get("method", WEBSOCKET)
        key = (id(owner), method, mounted)
        known = self._known.get(key)
        if known is not None:
            return known[0]
        try:
            template, is_certain = _template(scope, route, mounted)
        except Exception:  # a stranger's routes; whatever they lack, the request is counted
            return UNMATCHED
        name = f"{_known(method)} {template}"
        if is_certain:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            if len(self._in_threads) >= _MAX_KNOWN:
                self._in_threads.clear()
            self._known[key] = name, owner
            if _is_plain(scope.get("endpoint") or getattr(route, "endpoint", None)):
                self._in_threads.add(name)
        return name


def _is_plain(endpoint: object) -> bool:
    while isinstance(endpoint, partial):
        endpoint = endpoint.func
    is_function = inspect.isfunction(endpoint) or inspect.ismethod(endpoint)
    return is_function and not inspect.iscoroutinefunction(endpoint)


def _known(method: str) -> str:
    return method if method in _METHODS else OTHER_METHOD


def _template(scope: Mapping[str, Any], route: Any, mounted: str) -> tuple[str, bool]:
    """The whole template, and whether the same route always has the same one."""
    routes: Iterable[Any] = getattr(scope.get("router"), "routes", ())
    prefix, routes = _joined(routes, mounted) or (_without_values(scope, route, mounted), ())
    if hasattr(route, "endpoint"):
        return prefix + route.path_format, True
    # Mounts have no endpoint; FastAPI's leave no route behind, and older Starlette's routes neither
    endpoint = scope["endpoint"]
    if route is None:
        path = scope["path"][len(scope.get("root_path", "")) :]
        found = [one for one in _flat(routes) if getattr(one, "endpoint", None) is endpoint]
        for one in found:
            if one.path_regex.match(path):
                return prefix + one.path_format, len(found) == 1
    return f"{prefix}/{{path}}", True


def _joined(routes: Iterable[Any], mounted: str) -> tuple[str, Iterable[Any]] | None:
    """The templates of the mounts that lead to *mounted*, and the routes below them."""
    if not mounted:
        return "", routes
    for one in _flat(routes):
        below = _below(one)
        match = None if below is None else one.path_regex.match(f"{mounted}/")
        if below is None or match is None:
            continue
        rest = match["path"].rstrip("/")
        found = _joined(below, f"/{rest}" if rest else "")
        if found is not None:
            return one.path_format.removesuffix("/{path}") + found[0], found[1]
    return None


def _below(route: Any) -> Iterable[Any] | None:
    """The routes of a mount, also where a middleware is around its application; None: no mount."""
    routes: Iterable[Any] | None = getattr(route, "routes", None)
    for _ in range(_MOST_AROUND):
        if routes is None or routes:
            break
        route = getattr(route, "app", None)
        routes = getattr(route, "routes", ())
    return routes


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes, and in place of a router that FastAPI includes lazily what it brings."""
    for one in routes:
        contexts = getattr(one, "effective_route_contexts", None)
        if contexts is None:
            yield one
        else:
            yield from (context.starlette_route or context for context in contexts())


def _without_values(scope: Mapping[str, Any], route: Any, mounted: str) -> str:
    """
    *mounted* with the names of the path parameters in place of their values.

    For mounts that cannot be seen, such as those behind another middleware. The last occurrence
    is taken: what a path calls a thing precedes which one it is.
    """
    own = getattr(route, "param_convertors", ())
    mounted += "/"
    for name, value in reversed(scope.get("path_params", {}).items()):
        before, found, after = mounted.rpartition(f"/{value}/")
        if found and name not in own:
            mounted = f"{before}/{{{name}}}/{after}"
    return mounted[:-1]
