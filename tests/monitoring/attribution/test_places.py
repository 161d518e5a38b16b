"""The line that led to a statement, and none that only runs the event loop."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from keiko_perf.monitoring.attribution.places import place_now

LIBRARY: dict[str, object] = {"__name__": "asyncpg.pool", "place_now": place_now}
exec("async def release():\n    return place_now()\n", LIBRARY)  # noqa: S102 - a package's code


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_what_a_library_does_in_a_task_of_its_own_is_at_no_line_of_the_application(run) -> None:
    async def request() -> tuple[str, str]:
        release = LIBRARY["release"]
        awaited = await release()
        return awaited, await asyncio.create_task(release())

    awaited, in_a_task = run(request())
    assert "request" in awaited
    assert in_a_task == ""
