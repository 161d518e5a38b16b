"""
Worker: one process of several that generate one load.

Started as `python -m keiko_perf.loadtest.processes.worker FD` by `processes`, with which it talks
over the socket FD. It is told its share, says that it found the target, is told when to begin,
tells its progress, and hands over its result. Should whoever started it be gone, it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
import threading
from multiprocessing.connection import Connection
from queue import Empty, Full, Queue
from typing import Any

from keiko_perf.errors import KeikoError

MOST_TICKS = 2
"""How many are kept for a listener that does not listen; those after them are left out."""


def main(descriptor: int) -> None:
    # Ctrl-C is for whoever started this: it says what becomes of all processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = Connection(descriptor)
    with contextlib.suppress(EOFError, ConnectionError), connection:
        sys.path[:] = connection.recv()
        try:
            connection.send(("result", _carried_out(connection)))
        except KeikoError as error:
            connection.send(("error", (type(error).__name__, error.what, error.cure)))


def _carried_out(connection: Connection) -> Any:
    plan, share, given = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own parent
    from keiko_perf.loadtest.engine.loop import new_loop
    from keiko_perf.loadtest.engine.malloc import keep_memory
    from keiko_perf.loadtest.engine.quiet import quiet

    keep_memory()
    with quiet(), asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_Worker(connection, share).run(plan, given))


class _Worker:
    def __init__(self, connection: Connection, share: Any) -> None:
        self._connection = connection
        self._share = share
        self._begin: asyncio.Future[float] | None = None
        self._stop = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None

    async def run(self, plan: Any, given: Any) -> Any:
        from keiko_perf.loadtest.running import run

        loop = asyncio.get_running_loop()
        self._begin = loop.create_future()
        self._task = asyncio.current_task()
        loop.add_reader(self._connection.fileno(), self._told)
        # libuv makes what it watches non-blocking: a long run's result would not go through.
        os.set_blocking(self._connection.fileno(), True)
        with _Mouth(self._connection) as mouth:
            try:
                return await run(
                    plan,
                    mouth.say,
                    stop=self._stop,
                    share=self._share,
                    gate=self._gate,
                    given=given,
                )
            except asyncio.CancelledError:
                raise EOFError from None  # nobody waits for a result any more
            finally:
                loop.remove_reader(self._connection.fileno())

    async def _gate(self) -> float:
        """Say that the target was found, and wait for the instant at which all begin."""
        assert self._begin is not None
        self._connection.send(("ready", None))
        return await self._begin

    def _told(self) -> None:
        assert self._begin is not None
        assert self._task is not None
        try:
            what, value = self._connection.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())
            self._task.cancel()
            return
        if what == "begin" and not self._begin.done():
            self._begin.set_result(value)
        elif what == "stop":
            self._stop.set()


class _Mouth:
    """Tells progress from a thread of its own, so that a listener who is busy delays nothing."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ticks: Queue[Any] = Queue(MOST_TICKS)
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def __enter__(self) -> _Mouth:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._ticks.get_nowait()
        self._ticks.put(None)
        self._thread.join()

    def say(self, progress: Any) -> None:
        with contextlib.suppress(Full):
            self._ticks.put_nowait(progress)

    def _talk(self) -> None:
        with contextlib.suppress(OSError):
            while (progress := self._ticks.get()) is not None:
                self._connection.send(("tick", progress))


if __name__ == "__main__":
    main(int(sys.argv[1]))
