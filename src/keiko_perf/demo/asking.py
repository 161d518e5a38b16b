"""
Asking: the demo's own service, as the doctor asks it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import httpx

from keiko_perf.doctor.visit import Service
from keiko_perf.errors import ServiceUnavailable
from keiko_perf.loadtest.headers import bearer
from keiko_perf.model import Verdict

_PATIENCE_S = 60.0
_LONGEST_S = 86_400.0


def service_of(
    url: str, token: str, verdicts: Callable[[], Awaitable[Iterable[Verdict]]]
) -> Service:
    """
    How the service at *url* is asked where its time goes.

    Its targets are judged by *verdicts*, over the load that was looked at: the service's own are
    over its last minutes, so of another load as well.
    """

    async def attribution(last_s: float) -> Mapping[str, Any]:
        last_s = min(max(last_s, 1.0), _LONGEST_S)
        try:
            async with httpx.AsyncClient(
                trust_env=False, timeout=_PATIENCE_S, headers=bearer(token)
            ) as client:
                answer = await client.get(f"{url}/performance/attribution?last={last_s:.1f}")
                document: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailable(
                f"the demo's service does not tell of itself: {type(error).__name__}",
                cure="Try again with less to do on this machine",
            ) from error
        return document

    return Service(attribution=attribution, verdicts=verdicts, label=url.partition("://")[2])
