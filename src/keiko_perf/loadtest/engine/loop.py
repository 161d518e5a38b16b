"""
Loop: the event loop that load is generated in.
"""

from __future__ import annotations

import asyncio
from types import ModuleType

from keiko_perf.errors import MissingExtra


def new_loop() -> asyncio.AbstractEventLoop:
    """
    The event loop that load is generated in.

    Raises:
        MissingExtra: uvloop is not installed.
    """
    loop: asyncio.AbstractEventLoop = uvloop_or_cure().new_event_loop()
    return loop


def uvloop_or_cure() -> ModuleType:
    try:
        import uvloop
    except ImportError as error:
        raise MissingExtra("uvloop", extra="load", purpose="the load engine") from error
    module: ModuleType = uvloop
    return module
