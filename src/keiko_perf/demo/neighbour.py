"""
Neighbour: another service that the demo asks over HTTP, on this machine, and takes its time.

It reads no more of a request than its head, answers each alike, and lives as long as the demo does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

ANSWERS_AFTER_S = 0.15
_MOST_BYTES = 16_384
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]"


class Neighbour:
    """It listens on a free port of loopback while it is started."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it is; it must have been started."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/"

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MOST_BYTES)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(ANSWERS_AFTER_S)
                writer.write(_ANSWER)
                await writer.drain()
        writer.close()
