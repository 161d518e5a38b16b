"""Bodies that are made while they are sent, over real sockets and in process."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import ask, get

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import AsgiTransport, ConstantRate, Failure, Plan, Step, run
from keiko_perf.loadtest.http.sending import _chunks
from keiko_perf.loadtest.request import compose, curl

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
pytestmark = pytest.mark.usefixtures("nothing_left")
PIECES = [b"one", b"", b"2" * 100_000, bytearray(b"three")]
WHOLE = b"".join(PIECES)


async def slowly():
    for piece in PIECES:
        await asyncio.sleep(0)
        yield piece


UPLOADS = {
    "a list": lambda: PIECES,
    "a generator": lambda: (piece for piece in PIECES),
    "an asynchronous generator": slowly,
}


async def read_chunked(reader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return bytes(body)


def taking(bodies: list[bytes], heads: list[bytes] | None = None):
    async def behave(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if heads is not None:
                heads.append(head)
            bodies.append(await read_chunked(reader))
            writer.write(OK)

    return behave


def post(upload, **options):
    return get("/", method="POST", upload=upload, **options)


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS.keys())
async def test_a_body_is_sent_in_chunks_and_made_anew_each_time(upload):
    bodies, heads = [], []
    async with raw_server(taking(bodies, heads)) as url:
        asked = await ask(url, post(upload), post(upload), get("/", upload=upload))
    assert asked.ends == [200] * 3
    assert len(asked.channels) == 1
    assert bodies == [WHOLE] * 3
    assert b"\r\ntransfer-encoding: chunked\r\n" in heads[0]
    assert b"content-length" not in heads[0]


async def test_a_step_may_upload():
    bodies: list[bytes] = []
    async with raw_server(taking(bodies)) as url:
        step = Step(method="POST", upload=slowly)
        result = await run(Plan(base_url=url, steps=(step,), duration_s=0.2))
    assert not result.errors
    assert bodies == [WHOLE] * 2


@pytest.mark.parametrize("is_asynchronous", [False, True])
async def test_a_body_is_made_as_fast_as_it_is_taken_and_no_faster(is_asynchronous):
    piece, count, made = b"x" * 100_000, 500, 0

    def make():
        nonlocal made
        for _ in range(count):
            made += 1
            yield piece

    async def make_asynchronously():
        for one in make():
            yield one

    made_before_reading = 0
    received = 0

    async def behave(reader, writer):
        nonlocal made_before_reading, received
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        made_before_reading = made
        while not (data := await reader.read(2**20)).endswith(b"\r\n0\r\n\r\n"):
            received += len(data)
        writer.write(OK)
        await reader.read()

    async with raw_server(behave) as url:
        tracemalloc.start()
        try:
            asked = await ask(url, post(make_asynchronously if is_asynchronous else make))
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert asked.end == 200
    assert received > 49_000_000
    assert made_before_reading < count / 2
    assert peak_bytes < 6_000_000


@pytest.mark.parametrize("is_asynchronous", [False, True])
async def test_an_early_answer_stops_what_makes_the_body(is_asynchronous):
    ended = []

    def make():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            ended.append(True)

    async def make_asynchronously():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            ended.append(True)

    async def behave(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    upload = make_asynchronously if is_asynchronous else make
    async with raw_server(behave) as url:
        asked = await ask(url, post(upload), post(upload))
    assert asked.ends == [413, 413]
    assert len(asked.channels) == 2
    assert ended == [True, True]


@pytest.mark.parametrize("is_asynchronous", [False, True])
async def test_an_endless_body_is_given_up_in_time(is_asynchronous):
    def make():
        while True:
            yield b"x"

    async def make_asynchronously():
        while True:
            yield b"x"

    async def behave(reader, writer):
        while await reader.read(2**20):
            pass

    async with raw_server(behave) as url:
        upload = make_asynchronously if is_asynchronous else make
        asked = await ask(url, post(upload), timeout_s=0.1)
    assert asked.end == (Failure.TIMEOUT_HEADERS, "no answer in time")


def raises_at_once():
    raise ValueError("hunter2")


def raises_later():
    yield b"x"
    raise ValueError("hunter2")


async def raises_asynchronously():
    yield b"x"
    raise ValueError("hunter2")


@pytest.mark.parametrize(
    ("upload", "error"),
    [
        (raises_at_once, "ValueError"),
        (raises_later, "ValueError"),
        (raises_asynchronously, "ValueError"),
        (lambda: b"bytes are numbers one by one", "TypeError"),
        (lambda: ["text"], "TypeError"),
        (lambda: None, "TypeError"),
    ],
)
async def test_a_body_that_cannot_be_made_is_the_generators_failure(upload, error):
    async with raw_server(taking([])) as url:
        asked = await ask(url, post(upload))
    assert asked.end == (Failure.GENERATOR, f"making the request's body raised {error}")


async def test_a_redirect_repeats_the_body_where_the_method_is_kept():
    bodies: list[bytes] = []

    async def behave(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        bodies.append(await read_chunked(reader))
        if head.startswith(b"POST / "):
            writer.write(b"HTTP/1.1 307 X\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n")
            await behave(reader, writer)
        else:
            writer.write(OK)

    async with raw_server(behave) as url:
        asked = await ask(url, post(slowly), follow_redirects=1)
    assert asked.end == 200
    assert bodies == [WHOLE] * 2


@given(st.lists(st.binary(max_size=40)))
def test_chunks_are_what_was_given(pieces):
    async def read() -> bytes:
        reader = asyncio.StreamReader()
        reader.feed_data(b"".join(_chunks(pieces)))
        return await read_chunked(reader)

    assert asyncio.run(read()) == b"".join(pieces)


def test_an_upload_is_shown_as_what_comes_from_elsewhere():
    shown = curl(post(slowly), "http://127.0.0.1")
    assert shown == "curl -i -X POST --data-binary @- http://127.0.0.1/"


def test_a_body_and_an_upload_are_one_too_many():
    with pytest.raises(UsageError, match="a body and an upload"):
        Step(method="POST", body=b"x", upload=slowly)


# In process


@pytest.mark.parametrize("upload", UPLOADS.values(), ids=UPLOADS.keys())
async def test_an_application_receives_the_pieces(upload):
    received = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        while (message := await receive())["type"] == "http.request":
            received.append(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    plan = Plan(
        base_url="http://app",
        steps=(Step(method="POST", upload=upload),),
        load=ConstantRate(10),
        duration_s=0.1,
    )
    result = await run(plan, transport=AsgiTransport(app, plan))
    assert not result.errors
    assert b"".join(received) == WHOLE


async def test_an_upload_that_breaks_in_process_is_the_generators_failure():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        while (await receive())["type"] != "http.disconnect":
            pass

    plan = Plan(base_url="http://app", duration_s=1)
    request = compose(plan.target, "/", upload=raises_asynchronously)
    asked = await ask(plan, request, transport=AsgiTransport(app, plan))
    assert asked.end == (Failure.GENERATOR, "making the request's body raised ValueError")


async def test_nobody_reads_an_upload_and_nothing_is_left():
    async with raw_server(says(OK)) as url:
        asked = await ask(url, post(slowly), timeout_s=2)
    # The server takes the chunks for its next request's headers, and never answers those.
    assert asked.end == 200
