"""
Serving the demo: uvicorn on uvloop and httptools, one worker, in a process that never outlives
those who want it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
import uvloop
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.pool import NullPool

from keiko_perf.demo.connection import explained, open_engine
from keiko_perf.demo.schema import SCHEMA
from keiko_perf.demo.settings import PREFIX, DemoSettings
from keiko_perf.errors import DatabaseUnavailable, Unavailable

_BACKLOG = 2048
_LOOKS_EVERY_S = 0.5
_LAST_WORDS_S = 3
"""How long requests under way may take once the service stops."""


def serve(app: FastAPI, settings: DemoSettings) -> None:
    """
    Serve *app* until a signal comes, standard input closes, or the parent is gone.

    Raises:
        Unavailable: the port is taken, or the address is not this machine's.
        DatabaseUnavailable: the database does not answer, or is not seeded.
    """
    parent = os.getppid()
    with (
        _listen(settings) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(app, settings, listener, parent))


async def _serve(
    app: FastAPI, settings: DemoSettings, listener: socket.socket, parent: int
) -> None:
    await _check_database(settings.database_url)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_LAST_WORDS_S,
    )
    server = _Server(config)
    watching = asyncio.create_task(_until_unwanted(server, parent))
    try:
        await server.serve(sockets=[listener])
    finally:
        watching.cancel()
    if not server.started:
        raise Unavailable("the demo service did not start", cure="See the error above")


class _Server(uvicorn.Server):
    """Says when it serves. A signal ends it in good order, and with exit code 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            host = f"[{host}]" if ":" in host else host
            print(f"ready http://{host}:{port}", flush=True)  # noqa: T201 - the parent reads it

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def _listen(settings: DemoSettings) -> socket.socket:
    """
    The socket, bound here and not by uvicorn, which would only log what went wrong.

    Raises:
        Unavailable: it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"the demo service cannot listen on {settings.host}:{settings.port}: {error.strerror}",
            cure=f"Choose another port with {PREFIX}PORT, or 0 for a free one",
        ) from error
    return listener


async def _check_database(url: str) -> None:
    engine = open_engine(url, poolclass=NullPool)
    try:
        with explained(url, doing="the demo service cannot use its database"):
            async with engine.connect() as db:
                found = await db.execute(
                    text("SELECT to_regclass(:name)"), {"name": f"{SCHEMA}.tasks"}
                )
                if found.scalar_one() is None:
                    raise DatabaseUnavailable(
                        f"the database has no schema {SCHEMA}",
                        cure="Seed it with keiko_perf.demo.seed, or run keiko-perf demo",
                    )
    finally:
        await engine.dispose()


async def _until_unwanted(server: uvicorn.Server, parent: int) -> None:
    """Stop the server once standard input is closed or the parent is gone."""
    closed = asyncio.Event()
    transport = await _watch_stdin(closed)
    try:
        while os.getppid() == parent and not closed.is_set():
            try:
                await asyncio.wait_for(closed.wait(), _LOOKS_EVERY_S)
            except TimeoutError:
                continue
        server.should_exit = True
    finally:
        if transport is not None:
            transport.close()


async def _watch_stdin(closed: asyncio.Event) -> asyncio.ReadTransport | None:
    """
    Watch standard input, if there is somebody at its other end.

    A terminal and /dev/null say nothing: the first belongs to a person who has Ctrl-C, and the
    second is at its end from the start.
    """
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return None

    class Ear(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            closed.set()

    transport, _ = await asyncio.get_running_loop().connect_read_pipe(Ear, sys.stdin)
    return transport
