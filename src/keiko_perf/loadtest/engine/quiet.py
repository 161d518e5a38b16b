"""
Quiet: keeps from a thread what would make it late, for as long as it generates load.

For threads and processes that do nothing else: collecting garbage is put off, which somebody
else's objects in the same process may not stand.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# prctl(2)
_PR_SET_TIMERSLACK = 29
_PR_GET_TIMERSLACK = 30


@contextmanager
def quiet() -> Iterator[None]:
    """Timers to the microsecond, and no collection of garbage until the end."""
    slack_ns = _timer_slack(1)
    was_enabled = gc.isenabled()
    # What is there already is not looked at again; what a run makes dies by reference counting.
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
            gc.collect()
        if slack_ns:
            _timer_slack(slack_ns)


def _timer_slack(slack_ns: int) -> int:
    """Set how late this thread's timers may be; hand back how late they might before, or 0."""
    if sys.platform != "linux":
        return 0
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return 0
    before_ns = prctl(_PR_GET_TIMERSLACK, 0, 0, 0, 0)
    prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(slack_ns), 0, 0, 0)
    return max(0, int(before_ns))
