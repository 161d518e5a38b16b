"""
Served: a version of a service, started by its command for one run and stopped after it.

It runs in a process group of its own, which is ended whole, however the run ends. What it wrote
last is told where it does not come up.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from keiko_perf.errors import ServiceUnavailable, UsageError

PORT = "{port}"
RESULT = "{result}"
_STARTING_S = 60.0
_LOOK_S = 0.05
_ENDING_S = 10.0
_TOLD_BYTES = 2000
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Served:
    """
    Attributes:
        port: where it listens.
        process: what was started.
    """

    port: int
    process: psutil.Popen

    def cpu_s(self) -> float:
        """The CPU time of its processes so far; of those that ended, what was waited for."""
        used_s = 0.0
        with contextlib.suppress(psutil.Error):
            for one in (self.process, *self.process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = one.cpu_times()
                    used_s += times.user + times.system
        return used_s


@contextlib.contextmanager
def served(command: str) -> Iterator[Served]:
    """
    Start *command*, in which `{port}` stands for a free port, and wait until it listens there.

    Raises:
        KeyboardInterrupt: Ctrl-C, or SIGTERM.
        UsageError: it names no port, or no program.
        ServiceUnavailable: it ended, or did not listen in time.
    """
    if PORT not in command:
        raise UsageError(
            f"the command {command!r} does not say where it listens",
            cure="Write {port} where its port stands, as in 'uvicorn app:app --port {port}'",
        )
    port = free_port()
    with (
        tempfile.TemporaryFile() as said,
        _running(command.replace(PORT, str(port)), said) as process,
    ):
        _wait_until_it_listens(process, port, command, said)
        yield Served(port, process)


def made(command: str, file: Path) -> None:
    """
    Run *command*, in which `{result}` stands for *file*, to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C, or SIGTERM.
        UsageError: it names no program.
        ServiceUnavailable: it wrote no result.
    """
    with tempfile.TemporaryFile() as said:
        with _running(command.replace(RESULT, shlex.quote(str(file))), said) as process:
            status = process.wait()
        if not file.exists():
            raise ServiceUnavailable(
                f"{command!r} ended with status {status} and wrote no result{_told(said)}",
                cure="Let it write one to {result}, as in 'keiko-perf load run … --save {result}'",
            )


@contextlib.contextmanager
def _running(command: str, said: IO[bytes]) -> Iterator[psutil.Popen]:
    """Start *command*, and end it however this ends: Ctrl-C and SIGTERM raise KeyboardInterrupt."""
    came: list[int] = []
    with (
        _handled_by(signal.default_int_handler, signal.SIGTERM),
        contextlib.ExitStack() as ending,
    ):
        # One that comes while it is being started waits until it can be ended.
        with _handled_by(lambda number, _frame: came.append(number), *_SIGNALS):
            process = _started(command, said)
            ending.callback(_end, process)
        if came:
            raise KeyboardInterrupt
        yield process


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None], *numbers: int) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # What is ignored, as Ctrl-C is by what runs in the background, stays ignored.
    heeded = [one for one in numbers if signal.getsignal(one) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _started(command: str, said: IO[bytes]) -> psutil.Popen:
    words = shlex.split(command)
    try:
        return psutil.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, IndexError) as error:
        raise UsageError(
            f"{command!r} cannot be started: {error}",
            cure="Name a program that is there, with its arguments; no shell reads the line",
        ) from error


def _wait_until_it_listens(process: psutil.Popen, port: int, command: str, said: IO[bytes]) -> None:
    until = time.monotonic() + _STARTING_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServiceUnavailable(
                f"{command!r} ended with status {process.returncode}{_told(said)}",
                cure="Start it by hand once, to see that it works",
            )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(_LOOK_S)
    raise ServiceUnavailable(
        f"{command!r} did not listen at port {port} within {_STARTING_S:g} s{_told(said)}",
        cure="Let it listen at 127.0.0.1, at the port that {port} stands for",
    )


def _end(process: psutil.Popen) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            process.wait(_ENDING_S)
            # What it started may outlive it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return


def _told(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - _TOLD_BYTES))
    text = said.read().decode("utf-8", "replace").strip()
    return f"; it said:\n{text}\n" if text else ""


def free_port() -> int:
    """One of this machine's that nobody listens at."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
