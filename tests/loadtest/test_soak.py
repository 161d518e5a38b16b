"""Long runs: what is kept does not grow with the number of requests."""

from __future__ import annotations

import asyncio
import gc
import os
from random import Random

import psutil
import pytest
from tests.loadtest.conftest import raw_server, says

from keiko_perf.fakes import Answer, run_virtually
from keiko_perf.loadtest import ConstantRate, Limits, Plan, run_in_own_loop
from keiko_perf.loadtest.saved.result import to_dict

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
MIB = 1024 * 1024
SOAK_S = float(os.environ.get("KEIKO_PERF_SOAK_S", "20"))
"""Of real time; the figure in the documentation is of 600."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_eight_hours_take_no_more_memory_than_their_intervals():
    random = Random(1)
    process, seen = psutil.Process(), []

    def tick(progress):
        if round(progress.elapsed_s) % 3600 == 0:
            gc.collect()
            seen.append(process.memory_info().rss)

    def service(now_s, _request):
        failed = random.random() < 0.01
        return Answer(random.lognormvariate(-3, 1), 500 if failed else 200)

    plan = Plan(
        base_url="http://service",
        load=ConstantRate(2),
        duration_s=8 * 3600,
        limits=Limits(duration_s=24 * 3600),
    )
    result = run_virtually(plan, service, tick)
    assert result.offered == result.response.count == 8 * 3600 * 2
    assert len(result.timeline("GET /")) == 3600
    assert len(seen) == 8
    # 3,600 intervals of one step at some 200 bytes each, whatever the rate.
    assert max(seen) - seen[0] < 10 * MIB
    assert len(to_dict(result)["errors"]) == 1


@pytest.mark.slow
@pytest.mark.timeout(SOAK_S + 100)
async def test_memory_is_flat_at_a_thousand_requests_a_second():
    seen = []

    def tick(progress):
        if progress.elapsed_s >= 5:
            workers = psutil.Process().children()
            seen.append(max(one.memory_info().rss for one in workers))

    async with raw_server(says(OK)) as url:
        plan = Plan(base_url=url, load=ConstantRate(1000), duration_s=SOAK_S, timeout_s=30)
        result = await asyncio.to_thread(run_in_own_loop, plan, tick, processes=1)
    assert result.offered == 1000 * SOAK_S
    assert result.response.count + result.dropped == result.offered
    assert result.errors == ()
    assert len(seen) >= SOAK_S / 2
    # Of it, some hundreds of bytes a second are the timeline's own.
    assert max(seen) - seen[0] < 6 * MIB + 512 * SOAK_S
