"""
Own loop: a run for callers who have no event loop, in a uvloop that is theirs for as long.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable

from keiko_perf.loadtest.engine.loop import new_loop, uvloop_or_cure
from keiko_perf.loadtest.engine.malloc import keep_memory
from keiko_perf.loadtest.engine.quiet import quiet
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.progress import OnTick, Progress
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.running import run

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_in_own_loop(
    plan: Plan,
    on_tick: OnTick | None = None,
    *,
    processes: int | None = None,
    stops: Callable[[Progress], bool] | None = None,
) -> Result:
    """
    Carry out *plan* in a uvloop of its own. The first Ctrl-C or SIGTERM stops the run, a
    second cancels it.

    Args:
        plan: what to do.
        on_tick: called each second.
        processes: how many processes do it. None is this thread, where what *on_tick* does delays
            requests; with a process of its own, or several, it does not.
        stops: asked each second whether the run is to be stopped, as by Ctrl-C.

    Raises:
        MissingExtra: uvloop or httptools is not installed.
        KeyboardInterrupt: it was cancelled.
    """
    if processes is not None:
        from keiko_perf.loadtest.processes.processes import run_in_processes

        uvloop_or_cure()
        return run_in_processes(plan, on_tick, processes=processes, stops=stops)
    keep_memory()
    with quiet(), asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(_run_until_interrupted(plan, on_tick, stops))


async def _run_until_interrupted(
    plan: Plan, on_tick: OnTick | None, stops: Callable[[Progress], bool] | None
) -> Result:
    stop = asyncio.Event()
    if stops is not None:
        on_tick = _stopping(on_tick, stops, stop)
    if threading.current_thread() is not threading.main_thread():
        return await run(plan, on_tick, stop=stop)
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        return await run(plan, on_tick, stop=stop)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _stopping(
    on_tick: OnTick | None, stops: Callable[[Progress], bool], stop: asyncio.Event
) -> OnTick:
    """*on_tick*, and the stop once *stops* says so."""

    def ticked(progress: Progress) -> None:
        if on_tick is not None:
            on_tick(progress)
        if stops(progress):
            stop.set()

    return ticked
