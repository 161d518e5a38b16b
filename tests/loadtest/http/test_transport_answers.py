"""Answers that are more than counted: collected, decoded, observed."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loadtest.conftest import raw_server, says
from tests.loadtest.http.asking import Observed, ask, get

from keiko_perf.errors import UsageError
from keiko_perf.loadtest import AsgiTransport, Failure, Plan, Step, Users, run
from keiko_perf.loadtest.engine.prepared import prepare
from keiko_perf.loadtest.http.stream import Events
from keiko_perf.loadtest.request import Wishes, compose
from keiko_perf.loadtest.transport import Answer

pytestmark = pytest.mark.usefixtures("nothing_left")
HEADERS = ((b"content-length", b"5"), (b"x-a", b"1"), (b"x-a", b"2"))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-a: 2\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def collecting(path: str = "/", **wishes):
    return get(path, wishes=Wishes(collects=True, **wishes))


# Collected


@pytest.mark.parametrize("piece", [0, 1, 7])
async def test_an_answer_is_collected_whichever_way_it_comes(piece):
    async with raw_server(says(OK, piece=piece)) as url:
        asked = await ask(url, collecting(), collecting(), collecting())
        assert asked.ends == [200] * 3
        assert asked.channel.answer == Answer(200, HEADERS, b"hello")
        assert asked.channel.received_bytes == len(OK)
        assert asked.channel.answer.header("X-A") == "1"
        assert asked.channel.answer.header("x-b") is None


@pytest.mark.parametrize(
    "answer",
    [CHUNKED, b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 103 Hint\r\n\r\n" + CHUNKED],
    ids=["chunked", "until close", "after an interim answer"],
)
async def test_a_body_is_collected_however_it_is_delimited(answer):
    async with raw_server(says(answer, then_closes=True)) as url:
        asked = await ask(url, collecting())
    assert asked.channel.answer.body == b"hello"
    assert asked.channel.received_bytes == len(answer)


@pytest.mark.parametrize("answer", [OK, CHUNKED])
async def test_no_more_of_a_body_is_kept_than_was_wished_for(answer):
    async with raw_server(says(answer)) as url:
        asked = await ask(url, *(collecting(max_body_bytes=most) for most in (3, 3, 0, 5)))
        bodies = []
        for most in (3, 0, 5):
            one = await ask(url, collecting(), collecting(max_body_bytes=most))
            bodies.append((one.channel.answer.body, one.channel.answer.is_cut))
    assert asked.ends == [200] * 4
    assert bodies == [(b"hel", True), (b"", True), (b"hello", False)]


async def test_the_answer_to_head_is_collected_without_a_body():
    async with raw_server(says(OK[:-5])) as url:
        wish = Wishes(collects=True)
        asked = await ask(url, *(get(method="HEAD", wishes=wish) for _ in range(2)))
    assert asked.ends == [200, 200]
    assert asked.channel.answer == Answer(200, HEADERS, b"")


async def test_collected_and_counted_answers_take_turns_on_one_connection():
    async with raw_server(says(OK)) as url:
        asked = await ask(url, get(), collecting(), get(), collecting(), get())
    assert asked.ends == [200] * 5
    assert len(asked.channels) == 1


async def test_a_failure_while_collecting_leaves_no_answer():
    async with raw_server(says(OK[:-1], then_closes=True)) as url:
        asked = await ask(url, collecting())
    assert asked.end == (Failure.PROTOCOL, "closed in the middle of the body")
    assert asked.channel.answer is None


def test_an_answer_shows_nothing_that_may_be_secret():
    assert "hunter2" not in repr(Answer(200, ((b"set-cookie", b"hunter2"),), b"hunter2"))


# Decoded


def gzipped(body: bytes) -> bytes:
    packed = gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    return head.encode() + packed


@pytest.mark.parametrize("piece", [0, 1])
async def test_gzip_is_decoded_where_it_was_asked_for(piece):
    answer = gzipped(b"hello " * 50)
    async with raw_server(says(answer, piece=piece)) as url:
        asked = await ask(url, collecting(takes_gzip=True), collecting(takes_gzip=True))
        raw = await ask(url, collecting())
    assert asked.channel.answer.body == b"hello " * 50
    assert (asked.channel.received_bytes, asked.channel.decoded_bytes) == (len(answer), 300)
    assert raw.channel.answer.body.startswith(b"\x1f\x8b")


async def test_a_plan_that_takes_gzip_asks_for_it():
    heads = []

    async def behave(reader, writer):
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(gzipped(b"x"))

    async with raw_server(behave) as url:
        for accepts in (True, False):
            result = await run(Plan(base_url=url, duration_s=0.1, accept_gzip=accepts))
            assert not result.errors
    assert b"\r\naccept-encoding: gzip\r\n" in heads[0]
    assert b"accept-encoding" not in heads[1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"hello", "it is not the gzip that it says it is"),
        (gzip.compress(b"hello", mtime=0)[:-3], "its gzip is cut short"),
        (gzip.compress(b"hello", mtime=0) + b"!!!", "it is not the gzip that it says it is"),
    ],
)
@pytest.mark.parametrize("is_chunked", [True, False])
async def test_gzip_that_is_none_is_a_protocol_failure(body, words, is_chunked):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    if is_chunked:
        answer = b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            head,
            len(body),
            body,
        )
    else:
        answer = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
    async with raw_server(says(answer)) as url:
        asked = await ask(url, get(wishes=Wishes(takes_gzip=True)))
    assert asked.end == (Failure.PROTOCOL, words)


async def test_members_of_gzip_follow_one_another():
    body = gzip.compress(b"hel") + gzip.compress(b"lo")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with raw_server(says(head + body)) as url:
        asked = await ask(url, collecting(takes_gzip=True))
    assert asked.channel.answer.body == b"hello"


async def test_a_body_that_decodes_to_anything_ends_in_bounded_memory():
    bomb = gzip.compress(b"\0" * 270_000_000, 6)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with raw_server(says(head + bomb)) as url:
        tracemalloc.start()
        try:
            asked = await ask(url, collecting(takes_gzip=True), timeout_s=60)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert asked.end == (Failure.PROTOCOL, "it decodes to more than 256 MiB")
    assert peak_bytes < 8_000_000


# Observed

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def streaming(gap_s: float, count: int):
    """Sends *count* events, *gap_s* apart, the first one after twice that; then ends."""

    async def behave(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(STREAM + b"3\r\n:\n\n\r\n")
            await asyncio.sleep(gap_s)
            for number in range(count):
                await asyncio.sleep(gap_s)
                event = b"data: %d\r\n\r\n" % number
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            writer.write(b"0\r\n\r\n")

    return behave


async def test_the_events_of_a_stream_are_timed():
    streams = Observed()
    async with raw_server(streaming(0.02, 5)) as url:
        asked = await ask(url, get(wishes=Wishes(observer=streams)))
    assert asked.end == 200
    ((first_byte,), (first_event,)) = streams.first_bytes, streams.first_events
    assert 0 < first_byte < first_event
    assert first_event >= 0.038  # a loop's timers may be 1 ms early
    assert len(streams.gaps) == 4
    assert min(streams.gaps) >= 0.01


async def test_a_step_that_streams_has_phases_of_its_own():
    async with raw_server(streaming(0.01, 3)) as url:
        steps = (Step(path="/a", streams=True), Step(path="/b"))
        result = await run(Plan(base_url=url, steps=steps, load=Users(1), duration_s=0.3))
    assert not result.errors
    observed, plain = (step.phases for step in result.steps)
    count = result.steps[0].response.count
    assert observed["first byte"].count == observed["first event"].count == count > 0
    assert observed["event gap"].count == 2 * count
    assert not {"first byte", "first event", "event gap"} & set(plain)


async def test_an_endless_stream_may_end_after_some_events():
    streams = Observed()
    async with raw_server(streaming(0.002, 10_000)) as url:
        wish = Wishes(observer=streams, events=3)
        asked = await ask(url, get(wishes=wish), get(wishes=wish))
    assert asked.ends == [200, 200]
    assert len(asked.channels) == 2  # the rest of a stream is still on the first
    assert streams.events == 6


async def test_the_first_byte_of_any_answer_is_timed_and_only_events_are_events():
    streams = Observed()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ndata:1\n\n"
    async with raw_server(says(answer)) as url:
        await ask(url, get(wishes=Wishes(observer=streams)))
    assert len(streams.first_bytes) == 1
    assert streams.events == 0


def test_only_steps_that_stream_are_observed():
    steps = (Step(), Step(path="/events", streams=True, events=3))
    plan = Plan(base_url="http://127.0.0.1", steps=steps, duration_s=1)
    watching = (Observed(), Observed())
    (plain,), (observed,) = prepare(plan, watching)
    assert plain.is_plain
    assert observed.wishes is not None
    assert (observed.wishes.observer, observed.wishes.events) == (watching[1], 3)


@pytest.mark.parametrize(
    ("stream", "count"),
    [
        (b"data: a\n\ndata: b\n\n", 2),
        (b"data: a\r\n\r\ndata: b\r\rdata\n\n", 3),
        (b": ping\n\n\n\n", 0),
        (b"event: x\nid: 1\n\n", 0),
        (b"event: x\ndata: a\ndata: b\nid: 1\n\n", 1),
        (b"\xef\xbb\xbfdata: a\n\n", 1),
        (b"data: never ended\n", 0),
        (b"database: a\n\n", 0),
        (b"x" * 1_000 + b"\n\ndata: " + b"y" * 1_000 + b"\n\n", 1),
    ],
)
@given(data=st.data())
def test_events_are_counted_however_they_are_cut(stream, count, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)))
    events = Events()
    bounds = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    assert sum(events.feed(stream[begin:end]) for begin, end in bounds) == count


@given(st.lists(st.binary(max_size=30)))
def test_any_stream_is_read(pieces):
    events = Events()
    assert sum(map(events.feed, pieces)) <= b"".join(pieces).count(b"data")


# In process


async def test_the_same_is_there_in_process():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        where = {"/": (302, [(b"Location", b"/x")], b""), "/x": (200, [(b"X", b"y")], b"hello")}
        status, headers, body = where[scope["path"]]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:2], "more_body": True})
        await send({"type": "http.response.body", "body": body[2:]})

    plan = Plan(base_url="http://app", duration_s=1, follow_redirects=1)
    streams = Observed()
    request = compose(plan.target, "/", wishes=Wishes(collects=True, observer=streams))
    asked = await ask(plan, request, transport=AsgiTransport(app, plan))
    assert asked.end == 200
    assert asked.channel.answer == Answer(200, ((b"x", b"y"),), b"hello")
    assert (asked.channel.redirects, asked.channel.received_bytes) == (1, 5)
    assert len(streams.first_bytes) == 2


async def test_a_stream_in_process_may_end_after_some_events():
    async def app(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})

    streams = Observed()
    plan = Plan(base_url="http://app", duration_s=1)
    request = get(wishes=Wishes(observer=streams, events=3))
    asked = await ask(plan, request, transport=AsgiTransport(app, plan))
    assert asked.end == 200
    assert streams.events == 3


def test_what_makes_no_sense_is_refused():
    for options in ({"follow_redirects": -1}, {"follow_redirects": 21}):
        with pytest.raises(UsageError, match="redirects"):
            Plan(base_url="http://127.0.0.1", duration_s=1, **options)
    with pytest.raises(UsageError, match="Accept-Encoding"):
        Plan(
            base_url="http://127.0.0.1",
            duration_s=1,
            accept_gzip=True,
            headers={"Accept-Encoding": "br"},
        )
    with pytest.raises(UsageError, match="ends after 3 events"):
        Step(events=3)
