"""
Loop: how late the running event loop is.

It asks to be woken at fixed times. A stall is charged to each of them that it swallowed, so that
one stall of a second does not hide among ten good samples a second. Whoever splits the time of a
request wants to know it sooner: `follow_loop` notes each of a hundred turns a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from random import random

from keiko_perf.model import Kind
from keiko_perf.monitoring.attribution.account import LATE_S
from keiko_perf.monitoring.recorder import Recorder

LOOP_LAG = "event loop"
_TURN_S = 0.01
_LOOK_RATIO = 0.1
"""
In so many of these turns, at random, it is looked at what requests await: at fixed times, those
that come at fixed times as well would never be met.
"""
_MAX_CHARGED = 1_000
"""Wake-up times that one stall is charged for; a longer one is a suspended machine."""


@contextmanager
def follow_loop(recorder: Recorder) -> Iterator[None]:
    """
    Note, in the recorder's `lag`, each turn of the running event loop while this lasts, and look in
    some of them at what requests await.
    """
    loop, clock, lag = asyncio.get_running_loop(), recorder.clock, recorder.lag
    due_s = clock() + _TURN_S
    handle: asyncio.TimerHandle

    def turn() -> None:
        nonlocal due_s, handle
        lag.due_s, lag.came_s = due_s, clock()
        due_s = lag.came_s + _TURN_S
        lag.late_from_s = due_s + LATE_S
        handle = loop.call_later(_TURN_S, turn)
        if random() < _LOOK_RATIO:
            recorder.awaited.look()

    handle = loop.call_later(_TURN_S, turn)
    try:
        yield
    finally:
        handle.cancel()
        lag.late_from_s = inf


async def watch_loop(recorder: Recorder, *, interval_s: float = 0.1) -> None:
    """
    Record how late the running event loop is, every *interval_s*, until it is cancelled.

    A loop's timers are exact to about a millisecond, so a little lag is no news.
    """
    loop = asyncio.get_running_loop()
    due_s = loop.time() + interval_s
    while True:
        await asyncio.sleep(due_s - loop.time())
        now_s = loop.time()
        for _ in range(_MAX_CHARGED):
            # The loop may wake us a clock tick early.
            recorder.record(Kind.LOOP, LOOP_LAG, max(now_s - due_s, 0.0))
            due_s += interval_s
            if due_s > now_s:
                break
        else:
            due_s = now_s + interval_s
        recorder.probe()
