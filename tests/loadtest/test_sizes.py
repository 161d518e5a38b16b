"""How much came back: bytes and redirects of each step, on every way that an answer can take."""

from __future__ import annotations

import json

import pytest
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.test_transport_redirects import OK, site, to

from keiko_perf.loadtest import ConstantRate, Plan, Users, report, run, scenario
from keiko_perf.loadtest.processes.merging import merged_results
from keiko_perf.loadtest.saved.result import from_dict, to_dict
from keiko_perf.render import render

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
FAILED = b"HTTP/1.1 503 X\r\nContent-Length: 4\r\n\r\nbusy"


@scenario
async def ask(user):
    await user.get("/")


@scenario
async def doubt(user):
    reply = await user.get("/")
    user.check(reply, contains="what no answer has")


LOADS = {
    "open": {"load": ConstantRate(100)},
    "users": {"load": Users(2)},
    "users who think": {"load": Users(2, think_s=0.01)},
    "scenario": {"load": Users(2), "scenarios": (ask,)},
    "scenario, open": {"load": ConstantRate(100), "scenarios": (ask,)},
    "failed checks": {"load": Users(2), "scenarios": (doubt,)},
    "few connections": {"load": ConstantRate(300), "connections": 1},
}


@pytest.mark.parametrize("answer", [OK, CHUNKED, FAILED], ids=["length", "chunked", "503"])
@pytest.mark.parametrize("load", LOADS)
async def test_all_bytes_of_all_answers_are_counted(load, answer):
    async with raw_server(says(answer)) as url:
        result = await run(Plan(base_url=url, duration_s=0.2, **LOADS[load]))
    assert result.response.count > 0
    assert result.received_bytes == result.response.count * len(answer)
    assert result.redirects == 0


async def test_answers_of_the_warm_up_are_left_out():
    async with raw_server(says(OK)) as url:
        result = await run(Plan(base_url=url, load=Users(2), warmup_s=0.1, duration_s=0.1))
    assert result.received_bytes == result.response.count * len(OK)


@pytest.mark.parametrize("scenarios", [(), (ask,)], ids=["steps", "scenario"])
async def test_redirects_are_counted_and_the_last_answer_is_weighed(scenarios):
    pages = {b"/": to("/a"), b"/a": to("/b"), b"/b": OK}
    async with raw_server(site(pages, [])) as url:
        plan = Plan(
            base_url=url, load=Users(2), duration_s=0.3, follow_redirects=2, scenarios=scenarios
        )
        result = await run(plan)
    assert result.errors == ()
    assert result.redirects == 2 * result.response.count > 0
    assert result.received_bytes == result.response.count * len(OK)


async def test_sizes_are_kept_merged_and_shown():
    async with raw_server(says(OK)) as url:
        result = await run(Plan(base_url=url, load=ConstantRate(50), duration_s=0.2))
    assert from_dict(json.loads(json.dumps(to_dict(result)))) == result
    assert merged_results([result, result]).received_bytes == 2 * 10 * len(OK)
    assert "Answers on the wire" in render(report(result), "text")


async def test_what_an_older_version_did_not_count_is_not_known_and_not_shown():
    async with raw_server(says(OK)) as url:
        document = to_dict(await run(Plan(base_url=url, load=ConstantRate(50), duration_s=0.2)))
    for step in document["steps"]:
        del step["received_bytes"], step["redirects"]
    old = from_dict(document)
    assert (old.received_bytes, old.redirects) == (None, None)
    assert merged_results([old, old]).received_bytes is None
    assert "Answers on the wire" not in render(report(old), "text")
