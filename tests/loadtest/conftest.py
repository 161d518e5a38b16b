"""Servers that misbehave on purpose, and a look at what a run leaves behind."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import uvloop

from keiko_perf.loadtest.engine import stamping

Factory = Callable[[], asyncio.AbstractEventLoop]
_ON_BOTH_LOOPS = ("test_hostile", "test_http1", "test_transport", "test_stamped")
_ITSELF = "uvloop itself"


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Factory]:
    """
    What speaks to sockets is tested on both loops: they differ in how connections end. It is tested
    over the engine's own connections, which both have, and over uvloop's, which fast loads use.
    """
    name = item.path.stem
    factories: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
    if name.startswith(_ON_BOTH_LOOPS):
        factories["uvloop"] = uvloop.new_event_loop
        if name != "test_stamped":
            factories[_ITSELF] = uvloop.new_event_loop
    return factories


@pytest.fixture(autouse=True)
def connections(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where uvloop itself is to connect, every load counts as a fast one."""
    if _ITSELF in request.node.name:
        monkeypatch.setattr(stamping, "MOST_PER_S", 0.0)


Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    behaviour: Behaviour,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    path: Path | None = None,
) -> AsyncIterator[str]:
    """Serves *behaviour* for each connection, at the unix socket *path* if any; yields the URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behaviour(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    scheme = "https" if tls else "http"
    if path is not None:
        server = await asyncio.start_unix_server(serve, path, ssl=tls)
        url = f"{scheme}+unix://{quote(str(path), safe='')}"
    else:
        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
    try:
        yield url
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def says(answer: bytes, *, then_closes: bool = False, piece: int = 0) -> Behaviour:
    """Answers each request with the same bytes, in pieces if *piece* is given."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for at in range(0, len(answer), piece or len(answer) or 1):
                writer.write(answer[at : at + (piece or len(answer))])
                await writer.drain()
                if piece:
                    await asyncio.sleep(0)
            if then_closes:
                return

    return behave


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Fails if a test leaves a task or a socket behind."""
    tasks, sockets = _tasks(), _sockets()
    yield
    for _ in range(50):  # the server's side of a socket closes a few turns of the loop later
        if _tasks() <= tasks and _sockets() <= sockets:
            return
        await asyncio.sleep(0.01)
    assert _tasks() <= tasks
    assert _sockets() <= sockets


def _tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def _sockets() -> set[object]:
    """Not all files: uvloop opens one for itself with its first listener."""
    return {(one.fd, one.laddr, one.raddr) for one in psutil.Process().net_connections("all")}
