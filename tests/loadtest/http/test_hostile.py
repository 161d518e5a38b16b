"""
Hostile servers: each class of failure, and each attack, ends in its class and leaves nothing.

`nothing_left` fails a test that leaves a socket or a task; the time limits are those of the owner,
far above what an answer takes, so that an end in the right class is no accident of timing.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import Asked, ask, get

from keiko_perf.errors import ServiceUnavailable
from keiko_perf.loadtest import Channel, ConstantRate, Failure, Plan, Users, run
from keiko_perf.loadtest.http.http1 import HttpTransport
from keiko_perf.loadtest.request import Wishes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SOON_S = 0.15
pytestmark = pytest.mark.usefixtures("nothing_left")

WAYS = {
    "counted": {},
    "collected": {"wishes": Wishes(collects=True)},
    "decoded": {"wishes": Wishes(takes_gzip=True)},
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def options(request):
    """An attack must not depend on whether anybody reads the answer."""
    return request.param


async def attack(behaviour, options=None, *, timeout_s: float = 10) -> Asked:
    async with raw_server(behaviour) as url:
        return await ask(url, get(**(options or {})), timeout_s=timeout_s)


def trickling(begin: bytes, piece: bytes, *, every_s: float = 0.005):
    """Says *begin*, then *piece* again and again."""

    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    return behave


# What ends when time is up


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (trickling(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), Failure.TIMEOUT_HEADERS),
        (trickling(b"", b"HTTP/1.1 103 Hint\r\n\r\n", every_s=0.05), Failure.TIMEOUT_HEADERS),
        (trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), Failure.TIMEOUT_BODY),
        (trickling(CHUNKED + b"5;", b"x=y;"), Failure.TIMEOUT_BODY),
        (trickling(CHUNKED + b"5;", b"x" * 60_000, every_s=0), Failure.TIMEOUT_BODY),
        (trickling(CHUNKED, b"1\r\nx\r\n", every_s=0), Failure.TIMEOUT_BODY),
        (trickling(CHUNKED + b"0\r\n", b"Trailer: x\r\n", every_s=0), Failure.TIMEOUT_BODY),
        (trickling(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000, every_s=0), Failure.TIMEOUT_BODY),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"), Failure.TIMEOUT_BODY),
        (says(b""), Failure.TIMEOUT_HEADERS),
    ],
    ids=[
        "slow headers",
        "slow interim answers",
        "a slow body",
        "slow chunk extensions",
        "endless chunk extensions",
        "endless chunks",
        "endless trailers",
        "an endless body without a length",
        "half a body",
        "nothing",
    ],
)
async def test_what_does_not_end_is_given_up(behaviour, failure, options):
    asked = await attack(behaviour, options, timeout_s=SOON_S)
    assert asked.end[0] is failure


@pytest.mark.parametrize(
    "begin", [CHUNKED + b"5;", CHUNKED + b"0\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"]
)
async def test_what_does_not_end_takes_no_memory(begin, options):
    behaviour = trickling(begin, b"x" * 60_000, every_s=0)
    tracemalloc.start()
    try:
        asked = await attack(behaviour, options, timeout_s=0.3)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert asked.end[0] is Failure.TIMEOUT_BODY
    assert peak_bytes < 5_000_000  # of which a body may be collected up to 1 MiB


# What ends at once


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\x00\xff" * 500, "it does not begin like HTTP/1.x"),
        (b"HTTP/1.1 200 OK\r\n\x00\x01\x02: x\r\n\r\n", "Invalid header token"),
        (OK[:-7] + b"\r\n\r\nhello and more", "more bytes than the answer announced"),
        (OK + OK, "more bytes than the answer announced"),
        (CHUNKED + b"0\r\n\r\n" + OK, "more bytes than the answer announced"),
        (b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"x" * 1_000_000), "headers of more than 64 KiB"),
        (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\n", "Chunk size overflow"),
        (CHUNKED + b"-5\r\nhello\r\n", "Invalid character in chunk size"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "Content-Length overflow",
        ),
        (b"HTTP/1.1 103 Hint\r\n\r\n" * 100, "interim answers without end"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "Duplicate Content-Length",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "can't be present",
        ),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello" + b"\n" * 70_000, "more than 64 KiB"),
    ],
    ids=[
        "garbage",
        "garbage in the headers",
        "a content-length that is too short",
        "a second answer",
        "a second answer after chunks",
        "a header of 1 MB",
        "a chunk size that overflows",
        "a negative chunk size",
        "a content-length that overflows",
        "endless interim answers",
        "two lengths",
        "a length and chunks",
        "bare line feeds",
    ],
)
@pytest.mark.parametrize("piece", [0, 4096])
async def test_what_is_no_answer_is_a_protocol_failure(answer, words, options, piece):
    asked = await attack(says(answer, piece=piece), options)
    assert asked.end[0] is Failure.PROTOCOL
    assert words in asked.end[1]


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (b"", (Failure.RESET, "closed without an answer")),
        (OK[:20], (Failure.PROTOCOL, "closed in the middle of the headers")),
        (OK[:-1], (Failure.PROTOCOL, "closed in the middle of the body")),
        (CHUNKED + b"5\r\nhel", (Failure.PROTOCOL, "closed in the middle of the body")),
        (CHUNKED + b"5\r\nhello\r\n", (Failure.PROTOCOL, "closed in the middle of the body")),
    ],
    ids=["at once", "in the headers", "a content-length that is too long", "in a chunk", "between"],
)
async def test_a_close_before_the_end_is_no_answer(answer, end, options):
    assert (await attack(says(answer, then_closes=True), options)).end == end


@pytest.mark.parametrize("begin", [b"", OK[:20], OK[:-1], CHUNKED, b"HTTP/1.1 200 OK\r\n\r\nhel"])
async def test_a_reset_is_a_reset_wherever_it_comes(begin, options):
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        await writer.drain()
        await asyncio.sleep(0.01)
        no_linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
        writer.transport.abort()

    assert (await attack(behave, options)).end == (Failure.RESET, "ECONNRESET")


async def test_100_mb_pass_through_in_flat_memory(options):
    size = 100_000_000

    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(200_000)
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()
        await reader.read()

    tracemalloc.start()
    try:
        asked = await attack(behave, options, timeout_s=60)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert asked.end == 200
    assert asked.channel.received_bytes > size
    assert peak_bytes < 6_000_000


async def test_a_close_while_idle_costs_no_request():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)  # and closes, without having said so

    async with raw_server(behave) as url:
        result = await run(Plan(base_url=url, load=ConstantRate(50), duration_s=0.2))
    assert not result.errors
    assert result.opened == result.offered == 10


async def test_an_answer_may_come_while_the_body_is_still_sent():
    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with raw_server(behave) as url:
        big = get(method="POST", body=b"x" * 20_000_000)
        asked = await ask(url, big, big)
    assert asked.ends == [413, 413]
    assert len(asked.channels) == 2


# What there is no connection for


async def test_a_name_that_leads_nowhere_is_said_before_the_load():
    with pytest.raises(ServiceUnavailable, match="has no address"):
        await ask("http://nowhere.invalid")


async def test_nobody_listens():
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        asked = await ask(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert asked.end == (Failure.CONNECT_REFUSED, "ECONNREFUSED")


async def test_nobody_accepts():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for other in (first, second):  # fill the queue of connections
                other.setblocking(False)
                other.connect_ex(listener.getsockname())
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            asked = await ask(url, timeout_s=SOON_S)
    assert asked.end == (Failure.CONNECT_TIMEOUT, "no connection in time")


async def test_no_file_left_is_the_generators_own_failure():
    async with raw_server(says(OK)) as url:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with socket.socket() as highest:
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest.fileno(), hard))
            try:
                asked = await ask(url)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert asked.end == (Failure.GENERATOR, "EMFILE")


@pytest.mark.parametrize(("status", "failure"), [(404, "http-4xx"), (503, "http-5xx")])
async def test_a_status_that_says_failure_is_one(status, failure):
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    async with raw_server(says(answer)) as url:
        result = await run(Plan(base_url=url, load=Users(1), duration_s=0.1))
    assert {(group.failure, group.detail) for group in result.errors} == {
        (failure, f"HTTP {status}")
    }
    assert result.opened == 1


# Whatever the bytes are

HEADS = st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 404 \r\n"])
EXTRAS = st.lists(st.sampled_from([b"X: y\r\n", b"Server: s\r\n", b"Date: now\r\n"]), max_size=3)


@st.composite
def valid_answers(draw) -> tuple[bytes, int, bytes]:
    """The bytes, the status, and the body of an answer whose end is seen."""
    head, extras = draw(HEADS), b"".join(draw(EXTRAS))
    parts = draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4))
    body = b"".join(parts)
    if head.startswith(b"HTTP/1.1") and draw(st.booleans()):
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        rest = b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    else:
        rest = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    interim = b"HTTP/1.1 103 Hint\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    return interim + head + extras + rest, int(head[9:12]), body


class Notes:
    """An owner that writes down what it is told."""

    def __init__(self) -> None:
        self.ends: list[object] = []

    def answered(self, channel: Channel, status: int) -> None:
        self.ends.append(status)

    def failed(self, channel: Channel, failure: Failure, detail: str) -> None:
        self.ends.append(failure)

    def lost(self, channel: Channel) -> None:
        self.ends.append("lost")


class Wire(asyncio.Transport):
    """A connection on which nothing arrives but what a test feeds."""

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        pass


def fed(pieces: list[bytes], request, transport=None) -> tuple[Notes, Channel]:
    """A connection that was given *pieces* after it sent *request*."""
    transport = transport or HttpTransport(Plan(base_url="http://127.0.0.1", duration_s=1))
    notes = Notes()
    channel = transport.channel(notes)
    channel.request = request
    channel.connection_made(Wire())
    for piece in pieces:
        if not notes.ends:
            channel.data_received(piece)
    return notes, channel


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({one % len(data) for one in cuts} - {0})
    return [data[begin:end] for begin, end in zip([0, *at], [*at, len(data)], strict=True)]


def test_interim_answers_that_come_by_themselves_are_counted_before_an_answer_that_is_known():
    transport = HttpTransport(Plan(base_url="http://127.0.0.1", duration_s=1))
    interim = b"HTTP/1.1 103 Hint\r\nLink: x\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    for pieces in ([answer], [answer], [interim, answer], [interim, interim, answer], [answer]):
        for request in (get(), get(wishes=Wishes(collects=True))):
            notes, channel = fed(pieces, request, transport)
            assert notes.ends == [200]
            assert channel.received_bytes == sum(map(len, pieces))
            assert channel._interim == 0


@given(answer=valid_answers(), cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_a_valid_answer_is_the_same_however_it_is_cut(answer, cuts):
    data, status, body = answer
    transport = HttpTransport(Plan(base_url="http://127.0.0.1", duration_s=1))
    plain, collecting = get(), get(wishes=Wishes(collects=True))
    for pieces in (cut(data, cuts), [data], cut(data, cuts)):  # unknown, then known headers
        notes, channel = fed(pieces, plain, transport)
        assert notes.ends == [status]
        assert channel.received_bytes == len(data)
        notes, channel = fed(pieces, collecting, transport)
        assert notes.ends == [status]
        assert channel.answer.body == body
        assert channel.received_bytes == len(data)


@given(
    begin=st.sampled_from([b"", OK[:40], OK[:-5], CHUNKED, b"HTTP/1.1 100 X\r\n\r\n", b"HTTP/1."]),
    noise=st.lists(st.binary(max_size=60), max_size=6),
    way=st.sampled_from(list(WAYS.values())),
)
def test_any_bytes_end_as_an_answer_or_in_a_class_or_wait_for_more(begin, noise, way):
    notes, channel = fed([begin, *noise], get(**way))
    if not notes.ends:  # it waits: whatever it waits for, it can be given up or lost
        channel.connection_lost(None)
    assert len(notes.ends) == 1
    assert notes.ends[0] in {Failure.PROTOCOL, Failure.RESET, Failure.TLS} or (
        isinstance(notes.ends[0], int)
    )


@given(answer=valid_answers(), at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_valid_answer_with_one_wrong_byte_raises_nothing(answer, at, byte):
    data = bytearray(answer[0])
    data[at % len(data)] = byte
    notes, channel = fed([bytes(data)], get(wishes=Wishes(collects=True)))
    if not notes.ends:
        channel.expire()
    assert len(notes.ends) == 1
