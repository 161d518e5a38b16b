"""
Posting: one JSON document to one address, tried a bounded number of times.

The address may hold a secret: it is never shown beyond its host, a redirect is not followed, and
what went wrong is told by its kind.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.monitoring.notify.notifier import NotTaken
from keiko_perf.monitoring.opening import opener_of

Sleep = Callable[[float], Awaitable[object]]


class Poster:
    """
    Args:
        url: where to.
        what: what answers there, such as "webhook".
        carries: what it is to take.
        timeout_s: of one attempt.
        attempts: how often is tried, when the other end is busy or gone; what it refuses (4xx) is
            not tried again.
        pause_s: before the second attempt; each further one waits twice as long.
        headers: that go with each.

    Raises:
        UsageError: *url* is no http or https address, or a number is out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        what: str,
        carries: str = "an alert",
        timeout_s: float,
        attempts: int,
        pause_s: float,
        sleep: Sleep = asyncio.sleep,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.host = _host_of(url, what)
        if not (timeout_s > 0 and attempts >= 1 and pause_s >= 0):
            raise UsageError(
                f"a {what} needs timeout_s > 0, attempts ≥ 1 and pause_s ≥ 0",
                cure="Leave them out to take the defaults",
            )
        self._url = url
        self._what = what
        self._carries = carries
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._pause_s = pause_s
        self._sleep = sleep
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    async def post(self, document: object) -> None:
        """
        Deliver *document*.

        Raises:
            NotTaken: it was refused.
            ServiceUnavailable: it was not taken in any of the attempts, and may be later.
        """
        body = json.dumps(document).encode()
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._pause_s * 2 ** (attempt - 1))
            problem, again = await asyncio.to_thread(self._post, body)
            if problem is None:
                return
            if not again:
                break
        kind = ServiceUnavailable if again else NotTaken
        raise kind(
            f"the {self._what} at {self.host} did not take {self._carries}: {problem}",
            cure="See that its address is right and that it accepts JSON",
        )

    def _post(self, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, None if nothing did, and whether another attempt may help."""
        request = Request(  # noqa: S310 - the scheme was checked: http or https
            self._url, data=body, headers=self._headers, method="POST"
        )
        try:
            with opener_of(self._url).open(request, timeout=self._timeout_s):
                return None, False
        except HTTPError as error:
            error.close()
            return f"status {error.code}", error.code >= 500 or error.code == 429
        except (OSError, HTTPException) as error:
            # The error's text can hold the address; its kind cannot.
            return type(getattr(error, "reason", None) or error).__name__, True


def _host_of(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError(
            f"a {what}'s address begins with http:// or https:// and names a host",
            cure="Give it as in https://hooks.example.com/…",
        )
    return host
