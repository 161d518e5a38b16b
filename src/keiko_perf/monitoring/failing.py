"""
Failing: how an application says of an answer that it is a failure, whatever its status.

GraphQL, JSON-RPC and the envelopes of some services answer 200 to what failed. Nobody but the
application knows which answers those are: with GraphQL one field of ten may be missing, and that
be fine.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from keiko_perf.monitoring.middleware import MARK


def count_as_failed(request: Any) -> None:
    """
    Count the request as a failure, as if it was answered by 500; the answer itself stays as it is.

    Call it before the last of the answer is sent.

    Args:
        request: of Starlette, FastAPI or Litestar; or the ASGI scope.
    """
    scope: MutableMapping[str, Any] = getattr(request, "scope", request)
    scope[MARK] = True
