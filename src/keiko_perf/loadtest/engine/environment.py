"""
Environment: what a result was measured with, so that two results can be told apart later.
"""

from __future__ import annotations

import asyncio
import os
import platform
import socket
import sys

import psutil

from keiko_perf.loadtest.target import Target


def environment(loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    """Versions and machine, by name."""
    return {
        "python": platform.python_version(),
        "event loop": type(loop).__module__.partition(".")[0],
        "platform": f"{sys.platform} {platform.machine()}",
        "cores": str(os.cpu_count() or 1),
    }


async def is_same_host(target: Target) -> bool:
    """Whether *target* is on this machine, as far as its address tells."""
    if target.unix_socket:
        return True
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    theirs = {str(entry[4][0]).partition("%")[0] for entry in found}
    ours = {
        one.address.partition("%")[0] for card in psutil.net_if_addrs().values() for one in card
    }
    return any(one in ours or one.startswith("127.") or one == "::1" for one in theirs)
