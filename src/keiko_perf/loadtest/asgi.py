"""
ASGI: requests to an application in this process, without sockets.

The application and the generator share one thread, so times are worth something only against
each other; what is gained is a test that needs no server and no port.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.loadtest.http.reading import Reading
from keiko_perf.loadtest.http.redirect import followed
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.request import Request, Upload
from keiko_perf.loadtest.transport import Channel, Failure, Malformed, Owner

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LIFESPAN_S = 30.0
_VERSIONS = {"version": "3.0", "spec_version": "2.3"}


class AsgiTransport:
    """
    Calls *application* for each request, within the running event loop.

    Its lifespan is started before the first request and ended after the last one; an application
    that knows no lifespan is served without, as servers do. There is no wire, so what its channels
    count as received are the bytes of bodies.

    Args:
        application: what is called.
        plan: says what its requests name as their target.
        clock: that of the owners of its channels.
    """

    is_in_process = True
    instants = None

    def __init__(
        self,
        application: Application,
        plan: Plan,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.application = application
        self.target = plan.target
        self.follows = plan.follow_redirects
        self.clock = clock
        self.state: dict[str, Any] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._lifespan: _Lifespan | None = None

    async def open(self) -> None:
        self._lifespan = _Lifespan(self.application, self.state)
        await self._lifespan.start()

    def channel(self, owner: Owner) -> Channel:
        return _AsgiChannel(self, owner)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._lifespan is not None:
            await self._lifespan.end()


class _AsgiChannel(Channel):
    """One request at a time, each in a task of its own."""

    __slots__ = ("_exchange", "_home", "_owner", "_task")

    def __init__(self, home: AsgiTransport, owner: Owner) -> None:
        super().__init__()
        self._home = home
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._exchange: _Exchange | None = None

    def send(self, request: Request) -> None:
        self.redirects = 0
        self._ask(request)

    def expire(self) -> None:
        has_begun = self._exchange is not None and self._exchange.has_begun
        self.close()
        if has_begun:
            self._owner.failed(self, Failure.TIMEOUT_BODY, "no end of the answer in time")
        else:
            self._owner.failed(self, Failure.TIMEOUT_HEADERS, "no answer in time")

    def close(self) -> None:
        self.is_open = False
        if self._task is not None:
            self._task.cancel()

    def _ask(self, request: Request) -> None:
        self.request = request
        self._task = asyncio.get_running_loop().create_task(self._serve(request))
        self._home.tasks.add(self._task)
        self._task.add_done_callback(self._home.tasks.discard)

    async def _serve(self, request: Request) -> None:
        exchange = _Exchange(request, self._finished, due=self.due, clock=self._home.clock)
        self._exchange = exchange
        try:
            await self._home.application(self._scope(request), exchange.receive, exchange.send)
        except Exception:  # the application's code: a server would answer 500, too
            exchange.crashed()
        else:
            exchange.returned()
        finally:
            await exchange.close()

    def _finished(self, exchange: _Exchange, failure: Failure | None, detail: str) -> None:
        if not self.is_open:  # given up before
            return
        # What the application does after its answer does not hold up the next request.
        if exchange.is_cut and self._task is not None:
            self._task.cancel()  # as a server does whose client is gone
        self._task = self._exchange = None
        self.received_bytes = exchange.received_bytes
        if exchange.reading is not None:
            self.answer = exchange.reading.answer
            self.decoded_bytes = exchange.reading.decoded_bytes
        following = None if failure is not None else self._following(exchange)
        if following is not None and self.redirects >= self._home.follows:
            failure, detail = Failure.PROTOCOL, f"more than {self._home.follows} redirects"
        if failure is not None:
            self.is_open = False
            self._owner.failed(self, failure, detail)
        elif following is not None:
            self.redirects += 1
            self._ask(following)
        else:
            self._owner.answered(self, exchange.status)

    def _following(self, exchange: _Exchange) -> Request | None:
        if not self._home.follows or not 300 <= exchange.status < 400:
            return None
        location = next((value for name, value in exchange.headers if name == b"location"), b"")
        return followed(exchange.request, exchange.status, location, target=self._home.target)

    def _scope(self, request: Request) -> Scope:
        path, _, query = request.path.partition("?")
        target = self._home.target
        return {
            "type": "http",
            "asgi": _VERSIONS,
            "http_version": "1.1",
            "method": request.method,
            "scheme": target.scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": list(request.headers),
            "client": ("127.0.0.1", 0),
            "server": (target.host, target.port),
            "state": self._home.state.copy(),
        }


class _Exchange:
    """
    What is said between the application and its server about one request.

    Attributes:
        status: of the answer, 0 until it began.
        headers: of the answer, names in lower case.
        received_bytes: how long its body is so far.
        reading: what becomes of it, where the request has wishes.
        is_cut: the request is content with what there is, and the application goes on.
    """

    def __init__(
        self,
        request: Request,
        finished: Callable[[_Exchange, Failure | None, str], None],
        *,
        due: float,
        clock: Callable[[], float],
    ) -> None:
        self.request = request
        self.status = 0
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.received_bytes = 0
        self.reading: Reading | None = None
        self.is_cut = False
        self._body: bytes | None = request.body
        self._upload = None if request.upload is None else _made(request.upload)
        self._finished = finished
        self._due = due
        self._clock = clock
        self._over = asyncio.Event()

    @property
    def has_begun(self) -> bool:
        return bool(self.status)

    async def receive(self) -> MutableMapping[str, Any]:
        if self._upload is not None:
            return await self._receive_upload(self._upload)
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._over.is_set():
            await asyncio.sleep(0)  # it may send for ever, and there is nobody to stop it
            return
        if message["type"] == "http.response.start":
            self._begin(message)
        elif message["type"] == "http.response.body":
            if not self.status:
                self._end(Failure.PROTOCOL, "a body before its status")
                return
            is_last = not message.get("more_body", False)
            is_enough = self._take(message.get("body", b""))
            self.is_cut = is_enough and not is_last
            if is_last or is_enough:
                self._complete()
            else:
                # A real server's write lets other requests run as well.
                await asyncio.sleep(0)

    def crashed(self) -> None:
        if not self.status:
            self.status = 500
            self._end(None, "")
        else:
            self._end(Failure.PROTOCOL, "the application failed in the middle of the body")

    def returned(self) -> None:
        self._end(Failure.PROTOCOL, "the application returned without an answer")

    async def close(self) -> None:
        """Let go of what makes the body."""
        if self._upload is not None:
            with contextlib.suppress(Exception):  # the caller's code
                await self._upload.aclose()

    async def _receive_upload(
        self, upload: AsyncGenerator[bytes, None]
    ) -> MutableMapping[str, Any]:
        try:
            piece = await anext(upload, None)
        except Exception as error:  # the caller's code
            self._end(Failure.GENERATOR, f"making the request's body raised {type(error).__name__}")
            return {"type": "http.disconnect"}
        if piece is not None:
            return {"type": "http.request", "body": bytes(piece), "more_body": True}
        self._upload, self._body = None, None
        return {"type": "http.request", "body": b"", "more_body": False}

    def _begin(self, message: MutableMapping[str, Any]) -> None:
        self.status = int(message["status"])
        self.headers = tuple(
            (bytes(name).lower(), bytes(value)) for name, value in message.get("headers", ())
        )
        if self.request.wishes is not None:
            self.reading = Reading(self.request.wishes, due=self._due, clock=self._clock)
            self.reading.head(self.status, self.headers)

    def _take(self, body: bytes) -> bool:
        """A piece of the body; say whether that is enough of it."""
        if self.request.is_head:  # servers leave it out
            return False
        self.received_bytes += len(body)
        if self.reading is None:
            return False
        try:
            self.reading.feed(body)
        except Malformed as malformed:
            self._end(Failure.PROTOCOL, str(malformed))
        return self.reading.is_enough

    def _complete(self) -> None:
        try:
            if self.reading is not None:
                self.reading.end()
        except Malformed as malformed:
            self._end(Failure.PROTOCOL, str(malformed))
        else:
            self._end(None, "")

    def _end(self, failure: Failure | None, detail: str) -> None:
        if not self._over.is_set():
            self._over.set()
            self._finished(self, failure, detail)


async def _made(upload: Upload) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, whichever kind of iterable makes them."""
    source = upload()
    if isinstance(source, AsyncIterable):
        async for piece in source:
            yield piece
    else:
        for piece in source:
            yield piece


class _Lifespan:
    """The application's own beginning and end."""

    def __init__(self, application: Application, state: dict[str, Any]) -> None:
        self._application = application
        self._scope: Scope = {"type": "lifespan", "asgi": _VERSIONS, "state": state}
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._answers: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._is_known = False

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._events.put_nowait("lifespan.startup")
        answer, message = await self._answer("start")
        self._is_known = answer == "lifespan.startup.complete"
        if answer == "lifespan.startup.failed":
            raise ServiceUnavailable(
                f"the application did not start: {message or 'it does not say why'}",
                cure="Start it alone and look at what it logs",
            )

    async def end(self) -> None:
        assert self._task is not None
        try:
            if self._is_known:
                self._events.put_nowait("lifespan.shutdown")
                await self._answer("shut down")
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _answer(self, to_do: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(_LIFESPAN_S):
                return await self._answers.get()
        except TimeoutError as error:
            raise ServiceUnavailable(
                f"the application did not {to_do} within {_LIFESPAN_S:g} s",
                cure="Look at what its lifespan waits for",
            ) from error

    async def _run(self) -> None:
        async def receive() -> MutableMapping[str, Any]:
            return {"type": await self._events.get()}

        async def send(message: MutableMapping[str, Any]) -> None:
            self._answers.put_nowait((message["type"], str(message.get("message", ""))))

        # The application's code: one that knows no lifespan raises, and is served without.
        with contextlib.suppress(Exception):
            await self._application(self._scope, receive, send)
        self._answers.put_nowait(("over", ""))
