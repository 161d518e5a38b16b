"""
Sending: a body that is too large to be written at once, or that is made while it is sent.

It is written piece by piece, as fast as the connection takes it: what waits is never more than
the connection's own buffer and one piece. Bodies that are made go out in chunks (RFC 9112, 7.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from contextlib import AsyncExitStack, aclosing, suppress

from keiko_perf.loadtest.request import LARGE_BODY_BYTES, Request

_AT_ONCE = 16  # pieces before the event loop may look at something else
_LAST_CHUNK = b"0\r\n\r\n"


class Sending:
    """
    One body on its way.

    Args:
        request: it has a rest or an upload.
        write: takes bytes; may call `pause` while it does.
        broken: called at most once, if the caller's own code failed to make the body.

    Attributes:
        is_over: all was written.
        task: what makes the body, where that is asynchronous.
    """

    __slots__ = (
        "_again",
        "_broken",
        "_is_cancelled",
        "_is_paused",
        "_loop",
        "_may_write",
        "_pieces",
        "_request",
        "_write",
        "is_over",
        "task",
    )

    def __init__(
        self,
        request: Request,
        *,
        write: Callable[[bytes], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._request = request
        self._write = write
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._pieces: Generator[bytes, None, None] | None = None
        self._again: asyncio.Handle | None = None
        self._may_write: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_cancelled = False
        self.is_over = False
        self.task: asyncio.Task[None] | None = None

    def start(self) -> None:
        upload = self._request.upload
        if upload is None:
            self._pieces = _slices(self._request.rest)
        else:
            try:
                source = upload()
            except Exception as error:  # the caller's code
                self._tell(error)
                return
            if isinstance(source, AsyncIterable):
                self.task = self._loop.create_task(self._send(source))
                return
            self._pieces = _chunks(source)
        self._pump()

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        if self._may_write is not None and not self._may_write.done():
            self._may_write.set_result(None)
        self._pump()

    def cancel(self) -> None:
        """Write no more, and let go of what makes the body."""
        self._is_cancelled = True
        if self._again is not None:
            self._again.cancel()
        if self.task is not None:
            self.task.cancel()
        pieces, self._pieces = self._pieces, None
        if pieces is not None:
            with suppress(Exception):  # the caller's code, or it is running just now
                pieces.close()

    def _tell(self, error: Exception) -> None:
        """Later, since it may be found out while the request is handed over."""
        if not self._is_cancelled:
            self._again = self._loop.call_soon(self._broken, error)

    def _pump(self) -> None:
        self._again = None
        for _ in range(_AT_ONCE):
            pieces = self._pieces
            if pieces is None or self._is_paused:
                return
            try:
                piece = next(pieces)
            except StopIteration:
                self._pieces = None
                self.is_over = True
                return
            except Exception as error:  # the caller's code
                self._pieces = None
                self._tell(error)
                return
            self._write(piece)
        if self._pieces is not None and not self._is_paused:
            self._again = self._loop.call_soon(self._pump)

    async def _send(self, source: AsyncIterable[bytes]) -> None:
        try:
            async with AsyncExitStack() as stack:
                iterator = aiter(source)
                if isinstance(iterator, AsyncGenerator):
                    await stack.enter_async_context(aclosing(iterator))
                count = 0
                async for piece in iterator:
                    if chunk := _chunk(piece):
                        await self._written(chunk)
                    count += 1
                    if count % _AT_ONCE == 0:  # the source may never wait itself
                        await asyncio.sleep(0)
            await self._written(_LAST_CHUNK)
            self.is_over = True
        except Exception as error:  # the caller's code
            self._tell(error)

    async def _written(self, data: bytes) -> None:
        while self._is_paused:
            self._may_write = self._loop.create_future()
            await self._may_write
        self._write(data)


def _slices(body: bytes) -> Generator[bytes, None, None]:
    for begin in range(0, len(body), LARGE_BODY_BYTES):
        yield body[begin : begin + LARGE_BODY_BYTES]


def _chunks(source: Iterable[bytes]) -> Generator[bytes, None, None]:
    for piece in source:
        if chunk := _chunk(piece):
            yield chunk
    yield _LAST_CHUNK


def _chunk(piece: bytes) -> bytes:
    """*piece* with its length around it; an empty one would end the body, so it is left out."""
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise TypeError(f"a piece of a body is bytes, not {type(piece).__name__}")
    size = memoryview(piece).nbytes
    return b"%x\r\n%b\r\n" % (size, piece) if size else b""
