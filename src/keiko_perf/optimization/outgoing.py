"""
Outgoing requests with a place each: a transport for httpx, and a middleware for aiohttp.

    client = httpx.AsyncClient(transport=LimitedTransport(limiter, httpx.AsyncHTTPTransport()))
    session = aiohttp.ClientSession(middlewares=[limit_requests(limiter)])

A request holds its place until its answer is read or closed, and one whose answer nobody closes
until that is gone. An answer of 429, 502, 503 or 504 is a failure, and so is a broken connection.
Neither library is imported before it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self
from weakref import finalize

from keiko_perf.optimization.adaptive import AdaptiveLimiter, Place
from keiko_perf.optimization.overload import FAILED

if TYPE_CHECKING:
    import httpx
    from aiohttp import ClientRequest, ClientResponse

    _Transport = httpx.AsyncBaseTransport
else:
    _Transport = object  # httpx asks of a transport what it can do, not what it is


class LimitedTransport(_Transport):
    """
    *transport*, each of whose requests has a place.

    Args:
        limiter: what decides.
        transport: what sends them, as `httpx.AsyncHTTPTransport()`.

    Raises:
        Overloaded: from the request, which was not sent.
    """

    def __init__(self, limiter: AdaptiveLimiter, transport: httpx.AsyncBaseTransport) -> None:
        self._limiter = limiter
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request* once there is a place."""
        place = await self._limiter.acquire()
        try:
            response = await self._transport.handle_async_request(request)
        except BaseException as error:
            place.release(_judged(error))
            raise
        response.stream = _held(response.stream, place, response.status_code not in FAILED)
        return response

    async def aclose(self) -> None:
        """Close what sends them."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._transport.__aexit__(kind, error, traceback)


def limit_requests(
    limiter: AdaptiveLimiter,
) -> Callable[
    [ClientRequest, Callable[[ClientRequest], Awaitable[ClientResponse]]],
    Awaitable[ClientResponse],
]:
    """
    A middleware for aiohttp (from 3.12 on): each request has a place.

    Args:
        limiter: what decides.

    Raises:
        Overloaded: from the request, which was not sent.
    """

    async def limited(
        request: ClientRequest, send: Callable[[ClientRequest], Awaitable[ClientResponse]]
    ) -> ClientResponse:
        place = await limiter.acquire()
        try:
            response = await send(request)
        except BaseException as error:
            place.release(_judged(error))
            raise
        give_back = _once(place, response.status not in FAILED)
        if response.connection is None:  # its body was there already, or it has none
            give_back()
        else:
            response.connection.add_callback(give_back)
            finalize(response, give_back)
        return response

    return limited


def _held(
    stream: httpx.SyncByteStream | httpx.AsyncByteStream, place: Place, succeeded: bool
) -> httpx.AsyncByteStream:
    """*stream*, with *place* held until it is closed."""
    from httpx import AsyncByteStream  # whoever sends by httpx has it

    class Held(AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal succeeded
            assert isinstance(stream, AsyncByteStream)
            try:
                async for chunk in stream:
                    yield chunk
            except Exception:
                succeeded = False
                raise

        async def aclose(self) -> None:
            assert isinstance(stream, AsyncByteStream)
            try:
                await stream.aclose()
            finally:
                give_back()

    held = Held()
    give_back = _once(place, lambda: succeeded)
    finalize(held, give_back)
    return held


def _once(place: Place, succeeded: bool | Callable[[], bool]) -> Callable[[], None]:
    """Gives *place* back when it is called for the first time."""
    left = [place]

    def give_back() -> None:
        if left:
            left.pop().release(succeeded() if callable(succeeded) else succeeded)

    return give_back


def _judged(error: BaseException) -> bool | None:
    """What work says that ended by *error*: it failed, or nothing, being cancelled."""
    return None if isinstance(error, asyncio.CancelledError) else False
