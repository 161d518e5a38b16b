"""
Own loop: a run for callers who have no event loop, in a uvloop that is theirs for as long.
"""

from __future__ import annotations

import asyncio
import signal
import threading

from keiko_perf.errors import MissingExtra
from keiko_perf.loadtest.engine import run
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.progress import OnTick
from keiko_perf.loadtest.result import Result


def run_in_own_loop(plan: Plan, on_tick: OnTick | None = None) -> Result:
    """
    Carry out *plan* in a uvloop of its own. The first Ctrl-C stops the run, a second cancels it.

    Raises:
        MissingExtra: uvloop or httptools is not installed.
        KeyboardInterrupt: it was cancelled.
    """
    try:
        import uvloop
    except ImportError as error:
        raise MissingExtra("uvloop", extra="load", purpose="the load engine") from error
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run_until_interrupted(plan, on_tick))


async def _run_until_interrupted(plan: Plan, on_tick: OnTick | None) -> Result:
    stop = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        return await run(plan, on_tick, stop=stop)
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        return await run(plan, on_tick, stop=stop)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        loop.remove_signal_handler(signal.SIGINT)
