"""
Running: carries out a plan, by the engine that it takes: one of steps, or one of scenarios.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from keiko_perf.errors import MissingExtra
from keiko_perf.loadtest.engine.engine import Engine, Gate
from keiko_perf.loadtest.engine.watch import make_room_for
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.progress import OnTick
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.transport import Transport


async def run(
    plan: Plan,
    on_tick: OnTick | None = None,
    *,
    transport: Transport | None = None,
    stop: asyncio.Event | None = None,
    clock: Callable[[], float] | None = None,
    share: Share | None = None,
    gate: Gate | None = None,
    given: Mapping[str, object] | None = None,
) -> Result:
    """
    Carry out *plan* in the event loop that runs.

    Args:
        plan: what to do.
        on_tick: called each second. What it raises ends the run.
        transport: how requests get there; HTTP/1.1 over sockets if None.
        stop: once set, no more requests are sent, those under way are waited for up to 5 s, and
            the result says that it was interrupted. To cancel the task ends the run at once,
            without a result.
        clock: monotonic seconds. With one that is given, such as a virtual loop's, the event
            loop's own timers do the pacing.
        share: what of the plan this process does, of several.
        gate: awaited once the target was found; it hands back the instant, on the clock, at which
            the load begins.
        given: what the plan's scenarios were set up with elsewhere, by name; they are set up, and
            torn down, here if None.

    Raises:
        UsageError: the target may not be put under load, or this process may not open as many
            connections.
        ServiceUnavailable: the target's name leads nowhere.
        MissingExtra: httptools is not installed.
    """
    transport = transport or _http(plan, share or Share())
    try:
        if not transport.is_in_process:
            make_room_for(plan.connections)
        await transport.open()
        if plan.scenarios:
            from keiko_perf.loadtest.users.crew import Crew  # only who has scenarios needs it

            crew = Crew(plan, transport, on_tick, clock=clock, share=share, gate=gate, given=given)
            return await crew.run(stop)
        engine = Engine(plan, transport, on_tick, clock=clock, share=share, gate=gate)
        return await engine.run(stop)
    finally:
        await transport.close()


def _http(plan: Plan, share: Share) -> Transport:
    try:
        from keiko_perf.loadtest.http.http1 import HttpTransport
    except ImportError as error:
        raise MissingExtra("httptools", extra="load", purpose="the load engine") from error
    return HttpTransport(plan, share=share)
