"""
ASGI: requests to an application in this process, without sockets.

The application and the generator share one thread, so times are worth something only against
each other; what is gained is a test that needs no server and no port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.request import Request
from keiko_perf.loadtest.transport import Channel, Failure, Owner

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
    that knows no lifespan is served without, as servers do.
    """

    is_in_process = True

    def __init__(self, application: Application, plan: Plan) -> None:
        self.application = application
        self.target = plan.target
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

    __slots__ = ("_home", "_owner", "_task")

    def __init__(self, home: AsgiTransport, owner: Owner) -> None:
        super().__init__()
        self._home = home
        self._owner = owner
        self._task: asyncio.Task[None] | None = None

    def send(self, request: Request) -> None:
        self.request = request
        self._task = asyncio.get_running_loop().create_task(self._serve(request))
        self._home.tasks.add(self._task)
        self._task.add_done_callback(self._home.tasks.discard)

    def expire(self) -> None:
        self.close()
        self._owner.failed(self, Failure.TIMEOUT_HEADERS, "no answer in time")

    def close(self) -> None:
        self.is_open = False
        if self._task is not None:
            self._task.cancel()

    async def _serve(self, request: Request) -> None:
        exchange = _Exchange(request, self._finished)
        try:
            await self._home.application(self._scope(request), exchange.receive, exchange.send)
        except Exception:  # the application's code: a server would answer 500, too
            exchange.crashed()
        else:
            exchange.returned()

    def _finished(self, status: int, failure: Failure | None, detail: str) -> None:
        if not self.is_open:  # given up before
            return
        # What the application does after its answer does not hold up the next request.
        self._task = None
        if failure is None:
            self._owner.answered(self, status)
        else:
            self.is_open = False
            self._owner.failed(self, failure, detail)

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
    """What is said between the application and its server about one request."""

    def __init__(
        self, request: Request, finished: Callable[[int, Failure | None, str], None]
    ) -> None:
        self._body: bytes | None = request.body
        self._finished = finished
        self._status = 0
        self._over = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._over.is_set():
            return
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
        elif message["type"] == "http.response.body":
            if not self._status:
                self._end(Failure.PROTOCOL, "a body before its status")
            elif not message.get("more_body", False):
                self._end(None, "")
            else:
                # A real server's write lets other requests run as well.
                await asyncio.sleep(0)

    def crashed(self) -> None:
        if not self._status:
            self._status = 500
            self._end(None, "")
        else:
            self._end(Failure.PROTOCOL, "the application failed in the middle of the body")

    def returned(self) -> None:
        self._end(Failure.PROTOCOL, "the application returned without an answer")

    def _end(self, failure: Failure | None, detail: str) -> None:
        if not self._over.is_set():
            self._over.set()
            self._finished(self._status, failure, detail)


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
