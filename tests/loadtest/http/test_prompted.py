"""Users who ask one and the same at once: the short way counts what the server saw, and stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import cycle

import pytest
from tests.loadtest.conftest import raw_server

from keiko_perf.loadtest import Plan, Result, Step, Users, run

pytestmark = pytest.mark.usefixtures("nothing_left")


def answer(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


PATTERNS = {
    "always the same": [answer(200, b"same")],
    "in runs": [answer(200, b"one")] * 5 + [answer(200, b"another")] * 5,
    "failing in runs": [answer(200, b"good")] * 5 + [answer(503, b"bad")] * 5,
    "never the same twice": [answer(200, b"a"), answer(200, b"bb"), answer(404, b"")],
}


@pytest.mark.parametrize("answers", PATTERNS.values(), ids=PATTERNS)
async def test_it_counts_what_the_server_answered(answers):
    sent: list[bytes] = []
    following = cycle(answers)

    async def behave(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            sent.append(next(following))
            writer.write(sent[-1])

    async with raw_server(behave) as url:
        result = await run(Plan(base_url=url, load=Users(3), duration_s=0.5))
    good = [one for one in sent if b" 200 " in one]
    assert result.offered == result.response.count == len(sent) > 0
    assert result.response.succeeded.count == len(good)
    assert result.steps[0].received_bytes == sum(map(len, sent))
    assert result.unfinished == 0
    assert sum(group.count for group in result.errors) == len(sent) - len(good)


async def asked_in_all(plan: Plan, stop: asyncio.Event | None = None) -> tuple[Result, int]:
    seen = 0

    async def behave(reader, writer):
        nonlocal seen
        while await reader.readuntil(b"\r\n\r\n"):
            seen += 1
            writer.write(answer(200, b"same"))
            if seen == 50 and stop is not None:
                stop.set()

    async with raw_server(behave) as url:
        return await run(replace(plan, base_url=url), stop=stop), seen


async def test_each_answer_is_in_the_interval_in_which_its_request_was_due():
    result, seen = await asked_in_all(
        Plan(base_url="http://127.0.0.1", load=Users(3), duration_s=2.2)
    )
    intervals = [one.count for one in result.steps[0].timeline]
    assert sum(intervals) == result.response.count == result.offered == seen
    assert len(intervals) == 3
    assert result.steps[0].received_bytes == seen * len(answer(200, b"same"))
    # As many as three users can be answered in that time, and no interval has those of another.
    for one in result.steps[0].timeline:
        assert one.count == 0 or one.sum_s <= 3 * (1.0 + one.max_s)


async def test_a_stopped_run_asks_no_more():
    plan = Plan(base_url="http://127.0.0.1", load=Users(2), duration_s=600)
    result, seen = await asked_in_all(plan, asyncio.Event())
    assert result.interrupted
    assert 50 <= result.response.count == result.offered == seen


async def test_a_warm_up_is_not_counted_and_several_steps_are_counted_apart():
    warm = Plan(base_url="http://127.0.0.1", load=Users(2), warmup_s=0.2, duration_s=0.2)
    result, seen = await asked_in_all(warm)
    assert 0 < result.response.count < seen
    steps = Plan(
        base_url="http://127.0.0.1",
        steps=(Step(path="/a"), Step(path="/b", weight=2)),
        load=Users(3),
        duration_s=0.3,
    )
    result, seen = await asked_in_all(steps)
    first, second = (step.response.count for step in result.steps)
    assert first + second == seen
    assert abs(second - 2 * first) <= 6
