"""The HTTP transport against servers that misbehave on purpose, each over a real socket."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server, says

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest import Channel, ConstantRate, Failure, Plan, Result, Step, Users, run
from keiko_perf.loadtest.address import is_private
from keiko_perf.loadtest.http1 import HttpTransport
from keiko_perf.loadtest.request import prepare

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


HOSTILE = {
    "garbage": (b"hello\n", Failure.PROTOCOL, "it does not begin like HTTP/1.x"),
    "another protocol": (b"SSH-2.0-x\r\n\r\n", Failure.PROTOCOL, "it does not begin like HTTP/1.x"),
    "a longer body than announced": (
        OK + b"!",
        Failure.PROTOCOL,
        "more bytes than the answer announced",
    ),
    "leftovers of another answer": (
        OK + OK,
        Failure.PROTOCOL,
        "more bytes than the answer announced",
    ),
    "an overflowing chunk size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFF\r\n",
        Failure.PROTOCOL,
        "Chunk size overflow",
    ),
    "an overflowing length": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        Failure.PROTOCOL,
        "Content-Length overflow",
    ),
    "1 MB of one header": (
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        Failure.PROTOCOL,
        "headers of more than 64 KiB",
    ),
    "headers without end": (
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
        Failure.PROTOCOL,
        "headers of more than 64 KiB",
    ),
    "interim answers without end": (
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50,
        Failure.PROTOCOL,
        "interim answers without end",
    ),
    "a switch of protocols": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        Failure.PROTOCOL,
        "it switches to another protocol",
    ),
    "half a body, then nothing": (OK[:-2], Failure.TIMEOUT_BODY, "no end of the answer in time"),
    "half a head, then nothing": (OK[:20], Failure.TIMEOUT_HEADERS, "no answer in time"),
    "nothing": (b"", Failure.TIMEOUT_HEADERS, "no answer in time"),
}


@pytest.mark.parametrize(("answer", "failure", "detail"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_answer_ends_in_its_class(answer, failure, detail):
    async with raw_server(says(answer)) as url:
        result = await ask(url)
    assert failures(result) == {(failure, detail)}
    assert result.response.failed.count == result.offered == 4
    assert result.unfinished == 0


@pytest.mark.parametrize(
    ("answer", "failure", "detail"),
    [
        (b"", Failure.RESET, "closed without an answer"),
        (OK[:20], Failure.PROTOCOL, "closed in the middle of the headers"),
        (OK[:-2], Failure.PROTOCOL, "closed in the middle of the body"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            Failure.PROTOCOL,
            "closed in the middle of the body",
        ),
    ],
    ids=["at once", "in the head", "in the body", "in a chunk"],
)
async def test_an_early_close_ends_in_its_class(answer, failure, detail):
    async with raw_server(says(answer, then_closes=True)) as url:
        result = await ask(url)
    assert failures(result) == {(failure, detail)}
    assert result.response.failed.count == 4


async def test_a_reset_is_a_reset():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        writer.transport.abort()

    async with raw_server(behave) as url:
        result = await ask(url)
    assert failures(result) == {(Failure.RESET, "ECONNRESET")}


async def test_headers_that_trickle_are_given_up_in_time():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(behave) as url:
        result = await ask(url)
    assert failures(result) == {(Failure.TIMEOUT_HEADERS, "no answer in time")}


async def test_nobody_listening_is_refused():
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        result = await ask(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert failures(result) == {(Failure.CONNECT_REFUSED, "ECONNREFUSED")}
    assert result.response.succeeded.count == 0
    assert result.response.succeeded.quantile(0.5) is None


async def test_a_listener_that_never_accepts_is_given_up():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for other in (first, second):  # fill the queue of connections
                other.setblocking(False)
                other.connect_ex(listener.getsockname())
            result = await ask(f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert failures(result) == {(Failure.CONNECT_TIMEOUT, "no connection in time")}


async def test_bytes_that_nobody_asked_for_cost_the_connection_and_no_request():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await asyncio.sleep(0.005)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(behave) as url:
        result = await ask(url)
    assert failures(result) == set()
    assert result.response.succeeded.count == 4
    assert result.opened == 4


async def test_status_codes_from_400_on_are_failures_with_an_example():
    async with raw_server(says(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) as url:
        result = await ask(url, step=Step(path="/x", headers={"authorization": "Bearer hunter2"}))
    (group,) = result.errors
    assert (group.failure, group.detail, group.count) == (Failure.HTTP_5XX, "HTTP 503", 4)
    assert group.example == f"curl -i -H 'authorization: ***' {url}/x"
    assert 0 <= group.first_s < group.last_s < 1
    assert result.response.failed.count == 4


async def test_50_mb_of_an_answer_pass_through_in_constant_memory():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        piece = b"x" * 100_000
        for _ in range(500):
            writer.write(piece)
            await writer.drain()

    async with raw_server(behave) as url:
        plan = Plan(base_url=url, load=ConstantRate(1), duration_s=0.1)
        tracemalloc.start()
        try:
            result = await run(plan)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert result.response.succeeded.count == 1
    assert peak_bytes < 5_000_000


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
        plan = Plan(base_url=url, steps=(step,), load=Users(1), duration_s=0.1)
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


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    answer=st.sampled_from(list(ANSWERS.values())),
    cuts=st.sets(st.integers(1, 90), max_size=6),
)
def test_an_answer_may_be_cut_anywhere(answer, cuts):
    """Fed straight into the connection, so that the cuts are those and no others."""

    plan = Plan(base_url="http://127.0.0.1", duration_s=1)
    ((request,),) = prepare(plan)
    notes = Notes()
    channel = HttpTransport(plan).channel(notes)
    channel.request = request
    channel.connection_made(Wire())
    at = sorted(cut for cut in cuts if cut < len(answer))
    for _ in range(2):  # the second time its header block is known
        for begin, end in zip([0, *at], [*at, len(answer)], strict=True):
            channel.data_received(answer[begin:end])
        if channel.is_open:
            channel.send(request)
    assert notes.ends in ([200] * 2, [204] * 2, [304] * 2, [302] * 2)


class Notes:
    """An owner that writes down what it is told."""

    def __init__(self) -> None:
        self.ends: list[object] = []

    def answered(self, channel: Channel, status: int) -> None:
        self.ends.append(status)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        self.ends.append((failure, detail))

    def lost(self, channel: Channel) -> None:
        self.ends.append("lost")


class Wire(asyncio.Transport):
    """A connection on which nothing arrives but what a test feeds."""

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


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


# TLS


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate for 127.0.0.1, key and all in one file."""
    folder = tmp_path_factory.mktemp("tls")
    both = folder / "both.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "certificate.pem"),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("needs openssl")
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "certificate.pem").read_bytes())
    return both


async def tls_server(certificate: Path) -> asyncio.Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)


async def test_tls_with_a_trusted_authority_works(certificate):
    server = await tls_server(certificate)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        trusted = ssl.create_default_context(cafile=str(certificate))
        plan = Plan(base_url=url, load=ConstantRate(40), duration_s=0.1, timeout_s=5)
        result = await run(plan, transport=HttpTransport(plan, tls=trusted))
    assert failures(result) == set()
    assert result.response.succeeded.count == 4


async def test_tls_with_an_unknown_authority_is_refused(certificate):
    server = await tls_server(certificate)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        plan = Plan(base_url=url, load=ConstantRate(40), duration_s=0.1, timeout_s=5)
        result = await run(plan)
    assert failures(result) == {
        (Failure.TLS, "its certificate is self-signed"),
    }


async def test_tls_against_a_server_without_it_is_a_tls_failure():
    async with raw_server(says(OK, then_closes=True)) as url:
        # It waits for the end of headers that never comes in clear, so answer anything at once.
        async def behave(reader, writer):
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await writer.drain()

        async with raw_server(behave) as plain:
            result = await ask(plain.replace("http:", "https:"))
    assert {group.failure for group in result.errors} == {Failure.TLS}
    assert url


# Whom one may put under load


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.0.1", True),
        ("169.254.1.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("::ffff:8.8.8.8", False),  # IPv4 in IPv6 clothes
        ("::ffff:10.0.0.1", True),
        ("100.64.0.1", False),  # a carrier's network is not one's own
    ],
)
def test_which_addresses_are_private(address, answer):
    assert is_private(address) is answer


async def test_a_public_address_is_refused_before_anything_is_sent():
    plan = Plan(base_url="http://8.8.8.8", duration_s=1)
    with pytest.raises(UsageError, match=r"8\.8\.8\.8 is a public address") as refused:
        await run(plan)
    assert "--i-own-this-target" in refused.value.cure


async def test_a_name_that_leads_nowhere_is_said_before_anything_is_sent():
    with pytest.raises(ServiceUnavailable, match="has no address"):
        await run(Plan(base_url="http://nowhere.invalid", duration_s=1))
