"""Servers that misbehave on purpose, and a look at what a run leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(behaviour: Behaviour, *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serves *behaviour* for each connection; yields the base URL."""
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

    server = await asyncio.start_server(serve, host, 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
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
    """Fails if a test leaves a task or a file descriptor behind."""
    tasks, files = _tasks(), psutil.Process().num_fds()
    yield
    for _ in range(50):  # the server's side of a socket closes a few turns of the loop later
        if _tasks() <= tasks and psutil.Process().num_fds() <= files:
            return
        await asyncio.sleep(0.01)
    assert _tasks() <= tasks
    assert psutil.Process().num_fds() <= files


def _tasks() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
