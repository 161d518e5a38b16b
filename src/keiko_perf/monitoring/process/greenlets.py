"""
Greenlets: who waits for one, told to a thread that looks from outside.

SQLAlchemy's async engine runs the driver, and whatever the ORM makes of rows, in a greenlet. Its
stack ends there, without the `await` that it was made for: those frames stand in the greenlet that
waits for it. Which greenlet runs, only its own thread can ask; so each that has executed a
statement is noted, the last one of a thread.
"""

from __future__ import annotations

import sys
from threading import get_ident
from types import FrameType
from typing import Any

_MOST_THREADS = 64
_last: dict[int, Any] = {}


def note_greenlet() -> None:
    """Remember which greenlet runs in this thread, if it is one that another waits for."""
    greenlets = sys.modules.get("greenlet")
    if greenlets is None:
        return
    running = greenlets.getcurrent()
    if running.parent is not None:
        if len(_last) >= _MOST_THREADS:
            _last.clear()
        _last[get_ident()] = running


def waiting_frame(ident: int) -> FrameType | None:
    """
    Where the greenlet stands that waits for the one which runs in a thread; None if none does.

    Args:
        ident: the thread's, as `threading.get_ident` has it.
    """
    running = _last.get(ident)
    # One that does not run has a frame in which it stands, or none any more.
    if running is None or running.dead or running.gr_frame is not None:
        return None
    parent = running.parent
    frame: FrameType | None = None if parent is None else parent.gr_frame
    return frame
