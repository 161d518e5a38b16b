"""Users at play: scenarios in virtual time, and what came of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from keiko_perf.fakes import Answer, FakeTransport, in_virtual_time, steady
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Result,
    Users,
    run,
    scenario,
)

ITEMS = json.dumps([{"id": 7}, {"id": 8}]).encode()


def play(
    *scenarios, service=None, share=None, stop_after_s=None, on_tick=None, **changes
) -> Result:
    """Carry out scenarios in virtual time."""
    given = {"base_url": "http://service", "load": ConstantRate(10), "duration_s": 10}
    plan = Plan(scenarios=scenarios, **(given | changes))

    async def go() -> Result:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        if stop_after_s is not None:
            loop.call_later(stop_after_s, stop.set)
        transport = FakeTransport(service or steady(0.01))
        result = await run(
            plan, on_tick, transport=transport, clock=loop.time, share=share, stop=stop
        )
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return in_virtual_time(go())


def counts(result: Result) -> dict[str, tuple[int, int]]:
    """How many requests of each name there were, and how many of them failed."""
    return {step.name: (step.response.count, step.response.errors) for step in result.steps}


@scenario
async def browse(user):
    reply = await user.get("/items")
    await user.get(f"/items/{reply.json()[0]['id']}", name="GET /items/{id}")


def shop(_now_s, request):
    return Answer(0.01, body=ITEMS if request.path == "/items" else b"{}")


def failures(result: Result) -> dict[tuple[str, str, str], int]:
    return {(one.failure.value, one.step, one.detail): one.count for one in result.errors}


def once(act: Callable, *, status=200, body=ITEMS) -> Result:
    service = lambda *_: Answer(0.01, status, body=body)  # noqa: E731
    return play(scenario(act), service=service, load=Users(1, think_s=60), duration_s=1)
