"""
Comments: what a statement says about the request that it is sent for, so that pg_stat_activity, the
server's log and auto_explain name the route.

The form is sqlcommenter's: `/*http_method='GET',route='/agents/{agent_id}'*/` at the end of the
statement, keys in order, values in the encoding of URLs. A statement that has a comment of its own
is left as it is. pg_stat_statements counts a statement with a comment as the same one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from keiko_perf.errors import UsageError

_PLAIN = "/{}:-_.~"
"""What stands as it is. Neither a quote nor the end of a comment can be made of it."""
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_MAX_KNOWN = 2_000


class Comment(StrEnum):
    """What is said: the route; or the route and the request, whose every statement is then new."""

    ROUTE = "route"
    TRACEPARENT = "traceparent"

    @classmethod
    def named(cls, name: str) -> Comment:
        """
        The one of that name.

        Raises:
            UsageError: there is none.
        """
        try:
            return cls(name)
        except ValueError:
            raise UsageError(
                f"statements cannot be commented with {name!r}",
                cure="Take 'route', or 'traceparent' for the route and the request",
            ) from None


class Comments:
    """
    Makes the comments of one engine's statements, and remembers those of routes.

    Args:
        comment: what is said.
    """

    def __init__(self, comment: Comment) -> None:
        self._has_traceparent = comment is Comment.TRACEPARENT
        self._known: dict[str, str] = {}

    def on(self, statement: str, scope: Mapping[str, Any], route: str, *, percents: bool) -> str:
        """
        *statement* with its comment.

        Args:
            statement: as it is handed to the driver.
            scope: of the request that it is sent for.
            route: of that request, such as `GET /agents/{agent_id}`.
            percents: whether a `%` means something to the driver.
        """
        if "/*" in statement:
            return statement
        said = self._known.get(route)
        if said is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            said = self._known[route] = _said(route)
        if self._has_traceparent:
            traceparent = traceparent_of(scope)
            if traceparent is not None:
                said = f"{said},traceparent='{traceparent}'"
        if percents:
            said = said.replace("%", "%%")
        return f"{statement.rstrip().rstrip(';')} /*{said}*/"


def traceparent_of(scope: Mapping[str, Any]) -> str | None:
    """The W3C trace context of a request; None if it has none that is one."""
    for name, value in scope.get("headers", ()):
        if name == b"traceparent":
            return value.decode() if _TRACEPARENT.fullmatch(value) else None
    return None


def _said(route: str) -> str:
    method, _, path = route.partition(" ")
    pairs = {"http_method": method, "route": path} if path else {"route": method}
    return ",".join(f"{key}='{quote(value, safe=_PLAIN)}'" for key, value in pairs.items())
