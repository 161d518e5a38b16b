"""
LimitConcurrency: an ASGI middleware that serves as many requests at once as are served best.

Whoever is too many gets a 503 with `Retry-After`, at once or after a short wait, so that those
who are served are served in time. What the service answers with 429, 502, 503 or 504, or by
raising, counts as failed. Websockets, and paths that must always be answered, pass by.
`answer_overloaded` answers the same where a limiter within the service turns somebody away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from math import ceil
from typing import Any

from keiko_perf.optimization.adaptive import AdaptiveLimiter, Overloaded

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FAILED = frozenset({429, 502, 503, 504})
_BODY = b'{"detail": "The service is overloaded. Try again later."}'


class LimitConcurrency:
    """
    `app.add_middleware(LimitConcurrency)`.

    Args:
        app: the application.
        limiter: what decides; one of its own by default.
        always: paths that are served whatever the load, such as those of health checks.
    """

    def __init__(
        self,
        app: App,
        limiter: AdaptiveLimiter | None = None,
        *,
        always: Collection[str] = (),
    ) -> None:
        self._app = app
        self.limiter = limiter or AdaptiveLimiter()
        self._always = frozenset(always)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._always:
            await self._app(scope, receive, send)
            return
        try:
            place = await self.limiter.acquire()
        except Overloaded as error:
            await _refuse(send, error.retry_after_s)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        succeeded: bool | None = False
        try:
            await self._app(scope, receive, watched)
            succeeded = status not in FAILED
        except asyncio.CancelledError:
            succeeded = None
            raise
        finally:
            place.release(succeeded)


async def answer_overloaded(_request: object, error: Exception) -> App:
    """
    `app.add_exception_handler(Overloaded, answer_overloaded)`, of FastAPI and Starlette.

    Who was turned away within the service, by `limited_pool` or `LimitedTransport`, gets a 503 with
    `Retry-After`; without this it is a 500, and a stack in the log for each.
    """
    retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else 1.0

    async def answer(_scope: Message, _receive: Receive, send: Send) -> None:
        await _refuse(send, retry_after_s)

    return answer


async def _refuse(send: Send, retry_after_s: float) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
        (b"retry-after", str(ceil(retry_after_s)).encode()),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
