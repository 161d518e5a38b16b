"""The HTTP transport against servers that misbehave on purpose, each over a real socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tracemalloc

import pytest
from tests.loadtest.conftest import raw_server, says

from keiko_perf.loadtest import ConstantRate, Failure, Plan, Result, Step, Users, run
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.request import compose

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
pytestmark = pytest.mark.usefixtures("nothing_left")


async def ask_as_one_user(url: str) -> Result:
    """One request after the other, so that one connection is enough."""
    return await run(Plan(base_url=url, load=Users(1), duration_s=0.3, timeout_s=5))


async def ask(url: str, *, tls: ssl.SSLContext | None = None, step: Step | None = None) -> Result:
    """Four requests, one after the other's due, that may take 0.3 s each."""
    plan = Plan(
        base_url=url,
        steps=(step or Step(),),
        load=ConstantRate(40),
        duration_s=0.1,
        timeout_s=0.3,
        connections=4,
    )
    return await run(plan, transport=HttpTransport(plan, tls=tls))


def failures(result: Result) -> set[tuple[Failure, str]]:
    return {(group.failure, group.detail) for group in result.errors}


ANSWERS = {
    "with a length": OK,
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked with a trailer": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n0\r\nX: y\r\n\r\n"
    ),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "304 that names a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "after interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK
    ),
    "a redirect, which is not followed": (
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
@pytest.mark.parametrize("piece", [0, 1])
async def test_a_good_answer_keeps_the_connection(answer, piece):
    async with raw_server(says(answer, piece=piece)) as url:
        result = await ask_as_one_user(url)
    assert failures(result) == set()
    assert result.response.succeeded.count == result.offered > 1
    assert result.opened == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
    ids=["says close", "until close", "HTTP/1.0"],
)
async def test_an_answer_that_ends_the_connection_is_followed_by_a_new_one(answer):
    async with raw_server(says(answer, then_closes=True)) as url:
        result = await ask(url)
    assert failures(result) == set()
    assert result.response.succeeded.count == 4
    assert result.opened == 4


async def test_a_server_that_closes_idle_connections_costs_no_request():
    async with raw_server(says(OK, then_closes=True)) as url:
        result = await ask(url)
    assert failures(result) == set()
    assert result.response.succeeded.count == 4


async def test_head_has_no_body_though_a_length_is_named():
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")) as url:
        result = await ask(url, step=Step(method="HEAD"))
    assert failures(result) == set()
    assert result.response.succeeded.count == 4


async def test_bytes_that_nobody_asked_for_cost_the_connection_and_no_request():
    answered, lost = asyncio.Event(), asyncio.Event()

    class Asker:
        def answered(self, channel, status):
            answered.set()

        def failed(self, channel, failure, detail):
            raise AssertionError(detail)

        def lost(self, channel):
            lost.set()

    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await answered.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, duration_s=1)
        transport = HttpTransport(plan)
        await transport.open()
        channel = transport.channel(Asker())
        channel.send(compose(plan.target, "/"))
        async with asyncio.timeout(30):
            await lost.wait()
        assert not channel.is_open
        await transport.close()


async def test_status_codes_from_400_on_are_failures_with_an_example():
    async with raw_server(says(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) as url:
        result = await ask(url, step=Step(path="/x", headers={"authorization": "Bearer hunter2"}))
    (group,) = result.errors
    assert (group.failure, group.detail, group.count) == (Failure.HTTP_5XX, "HTTP 503", 4)
    assert group.example == f"curl -i -H 'authorization: ***' {url}/x"
    assert 0 <= group.first_s < group.last_s < 1
    assert result.response.failed.count == 4


async def test_a_large_body_is_sent_as_fast_as_it_is_taken():
    body = bytes(range(256)) * 40_000  # 10 MB
    received = []

    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.02)  # let the sender run into the limit of its buffer
        received.append(await reader.readexactly(len(body)))
        writer.write(OK)
        await reader.read()

    async with raw_server(behave) as url:
        step = Step(method="POST", body=body)
        plan = Plan(base_url=url, steps=(step,), load=ConstantRate(1), duration_s=0.1)
        tracemalloc.start()
        try:
            result = await run(plan)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert result.response.succeeded.count == 1
    assert received == [body]
    # The server's copy is a part of it: its chunks and what it joins them to.
    assert peak_bytes < 3 * len(body)


async def test_an_answer_before_the_request_is_sent_ends_the_connection():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(1)

    async with raw_server(behave) as url:
        step = Step(method="POST", body=b"x" * 20_000_000)
        plan = Plan(base_url=url, steps=(step,), load=Users(1), duration_s=0.5)
        result = await run(plan)
    assert {group.detail for group in result.errors} == {"HTTP 413"}
    assert result.opened == result.offered > 1


async def test_the_same_header_block_means_something_else_after_head():
    async def behave(reader, writer):
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(OK[:-5] if request.startswith(b"HEAD") else OK)

    async with raw_server(behave) as url:
        steps = (Step(), Step(method="HEAD"))
        plan = Plan(base_url=url, steps=steps, load=Users(1), duration_s=0.1)
        result = await run(plan)
    assert failures(result) == set()
    assert result.opened == 1
    assert min(step.response.count for step in result.steps) > 2


async def test_ipv6_is_reached():
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    try:
        async with raw_server(says(OK), host="::1") as url:
            result = await ask(url)
    except OSError:
        pytest.skip("needs IPv6 on the loopback interface")
    assert failures(result) == set()


async def test_a_name_with_two_addresses_is_tried_at_both():
    async with raw_server(says(OK)) as url:
        result = await ask(url.replace("127.0.0.1", "localhost"))
    assert failures(result) == set()
