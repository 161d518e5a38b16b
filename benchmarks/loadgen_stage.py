"""
Stage: what runs on which core when something is to be seen to the microsecond.

Server and client have a core each. Where it is permitted they take a real-time priority
(SCHED_FIFO), which keeps everything else off their cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import cast

SERVER = Path(__file__).with_name("loadgen_server.py")


def alone_on(core: int) -> bool:
    """This process runs on *core*, and if it may before all others there; whether it does."""
    os.sched_setaffinity(0, {core})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        return False
    return True


def ours(source: str) -> str:
    """What a program prints that runs on the last core; what it says of its errors is shown."""
    return subprocess.run(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: alone_on(max(os.sched_getaffinity(0))),
    ).stdout


AWAKE = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
while True:
    pass
"""


@contextmanager
def awake() -> Iterator[None]:
    """Neither core ever sleeps: something runs there that anything else displaces."""
    with ExitStack() as stack:
        for core in {min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))}:
            command = ["taskset", "-c", str(core), sys.executable, "-c", AWAKE]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
        yield


@contextmanager
def server(*arguments: object, is_alone: bool = False) -> Iterator[str]:
    """The server on the first core, so that what asks it has the others."""
    first = min(os.sched_getaffinity(0))
    process = subprocess.Popen(
        [sys.executable, str(SERVER), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: alone_on(first) if is_alone else os.sched_setaffinity(0, {first}),  # noqa: PLW1509 - no threads yet
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


def measured(url: str) -> list[float]:
    with urllib.request.urlopen(f"{url}/stats") as answer:  # noqa: S310 - our own server
        return cast("list[float]", json.load(answer))


def ranks(times: list[float]) -> list[float]:
    """p50, p95 and p99, exactly."""
    times = sorted(times)
    return [times[ceil(q * len(times)) - 1] for q in (0.5, 0.95, 0.99)]
